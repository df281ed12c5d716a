/**
 * struct: numbers and strings as the bytes of a C structure, and back, as Redis offers it.
 *
 *   > < endian   !n alignment   x padding   b h l T i[n] integers, in capitals unsigned   f d floats   cn characters   s with a zero
 *
 * Invariant: what an option takes, and how it is aligned, is decided in one place, for packing, unpacking and measuring.
 */
import { longArgument, numberArgument, textArgument } from "../arguments.ts";
import { Native } from "../functions.ts";
import { STRING_BYTES } from "../heap.ts";
import { toNumber } from "../operations.ts";
import type { Runtime } from "../runtime.ts";
import type { LuaTable } from "../table.ts";
import type { LuaValue, Results } from "../values.ts";
import { cString, MOST_RESULTS } from "./base.ts";

/** Bytes of the largest integer. */
const INTEGER_MAX_BYTES = 32;
const ALIGNMENT_MAX = 8;
const INT_MAX = 2 ** 31 - 1;

const SIZES: Record<string, number> = {
  b: 1,
  B: 1,
  h: 2,
  H: 2,
  l: 8,
  L: 8,
  T: 8,
  f: 4,
  d: 8,
  x: 1,
};

/** Reads a format option by option, and knows the order of bytes and the alignment that it has set. */
class Format {
  readonly #runtime: Runtime;
  readonly #text: string;
  #at = 0;
  option = "";
  /** What the option takes, in bytes; 0 for one that takes nothing, or as much as there is. */
  size = 0;
  littleEndian = true;
  #alignment = 1;

  constructor(runtime: Runtime, text: string) {
    this.#runtime = runtime;
    this.#text = cString(text);
  }

  /** Moves on to the next option; false at the end. */
  next(): boolean {
    if (this.#at === this.#text.length) return false;
    this.option = this.#text[this.#at++] as string;
    this.size = this.#sizeOf(this.option);
    return true;
  }

  #sizeOf(option: string): number {
    if (option === "c") return this.#number(1);
    if (option !== "i" && option !== "I") return SIZES[option] ?? 0;
    const size = this.#number(4);
    if (size > INTEGER_MAX_BYTES)
      throw this.#runtime.error(
        `integral size ${size} is larger than limit of ${INTEGER_MAX_BYTES}`,
      );
    return size;
  }

  #number(otherwise: number): number {
    const digits = /\d*/y;
    digits.lastIndex = this.#at;
    const text = (digits.exec(this.#text) as RegExpExecArray)[0];
    this.#at += text.length;
    if (text === "") return otherwise;
    const number = Number(text);
    if (number > INT_MAX) throw this.#runtime.error("integral size overflow");
    return number;
  }

  /** Bytes between `position` and where the option's value begins. */
  padding(position: number): number {
    if (this.size === 0 || this.option === "c") return 0;
    const size = Math.min(this.size, this.#alignment);
    return (size - (position & (size - 1))) & (size - 1);
  }

  /** Takes an option that only says something about those behind it. */
  control(): void {
    if (this.option === " ") return;
    if (this.option === ">") this.littleEndian = false;
    else if (this.option === "<") this.littleEndian = true;
    else if (this.option === "!") {
      const alignment = this.#number(ALIGNMENT_MAX);
      if (alignment === 0 || (alignment & (alignment - 1)) !== 0)
        throw this.#runtime.error(`alignment ${alignment} is not a power of 2`);
      this.#alignment = alignment;
    } else throw this.#runtime.argumentError(1, `invalid format option '${this.option}'`);
  }
}

export function openStruct(runtime: Runtime): LuaTable {
  const table = runtime.newTable(0, 3);
  table.set("pack", new Native("pack", (args) => pack(runtime, args)));
  table.set("size", new Native("size", (args) => sizeOf(runtime, args)));
  table.set("unpack", new Native("unpack", (args) => unpack(runtime, args)));
  return table;
}

const float = Buffer.alloc(8);

function pack(runtime: Runtime, given: readonly LuaValue[]): Results {
  // The first argument that is missing is nil to C, which marks the end of them so.
  const args = [...given, undefined];
  const format = new Format(runtime, textArgument(runtime, args, 1));
  let packed = "";
  let index = 2;
  while (format.next()) {
    runtime.work(1);
    packed += "\0".repeat(format.padding(packed.length));
    const { option, size, littleEndian } = format;
    switch (option) {
      case "b":
      case "B":
      case "h":
      case "H":
      case "l":
      case "L":
      case "T":
      case "i":
      case "I":
        packed += integerBytes(numberArgument(runtime, args, index++), size, littleEndian);
        break;
      case "x":
        packed += "\0";
        break;
      case "f":
      case "d": {
        const value = numberArgument(runtime, args, index++);
        if (option === "f") float.writeFloatLE(value);
        else float.writeDoubleLE(value);
        if (!littleEndian) float.subarray(0, size).reverse();
        packed += float.latin1Slice(0, size);
        break;
      }
      case "c":
      case "s": {
        const text = textArgument(runtime, args, index++);
        if (text.length < size) throw runtime.argumentError(index, "string too short");
        packed += size === 0 ? text : text.slice(0, size);
        if (option === "s") packed += "\0";
        break;
      }
      default:
        format.control();
    }
  }
  runtime.heap.charge(STRING_BYTES + packed.length);
  return packed;
}

/** As C converts a double to 64 bits; further bytes are zeros. */
function integerBytes(number: number, size: number, littleEndian: boolean): string {
  const fits = number >= -(2 ** 63) && number < 2 ** 64;
  let value = BigInt.asUintN(64, fits ? BigInt(Math.trunc(number)) : 1n << 63n);
  const bytes: number[] = [];
  for (let i = 0; i < size; i++, value >>= 8n) bytes.push(Number(value & 0xffn));
  if (!littleEndian) bytes.reverse();
  return String.fromCharCode(...bytes);
}

function unpack(runtime: Runtime, args: readonly LuaValue[]): Results {
  const format = new Format(runtime, textArgument(runtime, args, 1));
  const data = textArgument(runtime, args, 2);
  // A negative one is a huge one without sign.
  let position = longArgument(runtime, args, 3, 1);
  if (position === 0) throw runtime.argumentError(3, "offset must be 1 or greater");
  if (position < 0) position = Infinity;
  position--;
  const needs = (size: number): void => {
    if (size > data.length || position > data.length - size)
      throw runtime.argumentError(2, "data string too short");
  };
  const results: LuaValue[] = [];
  while (format.next()) {
    runtime.work(1);
    let { size } = format;
    const { option, littleEndian } = format;
    position += format.padding(position);
    needs(size);
    if (results.length >= MOST_RESULTS) throw runtime.error("stack overflow (too many results)");
    switch (option) {
      case "b":
      case "B":
      case "h":
      case "H":
      case "l":
      case "L":
      case "T":
      case "i":
      case "I":
        results.push(integerIn(data, position, size, littleEndian, option >= "a"));
        break;
      case "x":
        break;
      case "f":
      case "d":
        float.latin1Write(data.slice(position, position + size));
        if (option === "f") results.push(littleEndian ? float.readFloatLE() : float.readFloatBE());
        else results.push(littleEndian ? float.readDoubleLE() : float.readDoubleBE());
        break;
      case "c":
        if (size === 0) {
          const given = results.length === 0 ? undefined : toNumber(results.pop());
          if (given === undefined) throw runtime.error("format 'c0' needs a previous size");
          size = Math.trunc(given);
          // As C converts what 64 bits do not hold.
          if (size >= 2 ** 64) size = 0;
          else if (!(size >= 0)) size = Infinity;
          needs(size);
        }
        results.push(data.slice(position, position + size));
        break;
      case "s": {
        const end = data.indexOf("\0", position);
        if (end < 0) throw runtime.error("unfinished string in data");
        results.push(data.slice(position, end));
        size = end - position + 1;
        break;
      }
      default:
        format.control();
    }
    position += size;
  }
  results.push(position + 1);
  return results;
}

function integerIn(
  data: string,
  position: number,
  size: number,
  littleEndian: boolean,
  signed: boolean,
): number {
  let value = 0n;
  for (let i = 0; i < size; i++) {
    const at = littleEndian ? position + size - 1 - i : position + i;
    value = (value << 8n) | BigInt(data.charCodeAt(at));
  }
  value = BigInt.asUintN(64, value);
  if (!signed) return Number(value);
  // The sign of an integer of more bytes is looked for where the processor's shift ends up.
  const mask = BigInt.asUintN(64, ~0n << BigInt((size * 8 - 1) & 63));
  if ((value & mask) !== 0n) value |= mask;
  return Number(BigInt.asIntN(64, value));
}

function sizeOf(runtime: Runtime, args: readonly LuaValue[]): Results {
  const format = new Format(runtime, textArgument(runtime, args, 1));
  let position = 0;
  while (format.next()) {
    runtime.work(1);
    const { option, size } = format;
    position += format.padding(position);
    if (option === "s" || (option === "c" && size === 0))
      throw runtime.argumentError(1, `option '${option === "s" ? "s" : "c0"}' has no fixed size`);
    if (!/[A-Za-z0-9]/.test(option)) format.control();
    position += size;
  }
  return position;
}
