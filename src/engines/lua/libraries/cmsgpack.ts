/**
 * cmsgpack: values as MessagePack and back, as Redis offers it.
 *
 * Invariant: each value takes the shortest form there is, but for whole numbers, which are never floats. What Lua has no type for
 * (functions, tables nested too deep) becomes nil.
 */
import { longArgument, textArgument } from "../arguments.ts";
import { Native } from "../functions.ts";
import { STRING_BYTES } from "../heap.ts";
import type { Runtime } from "../runtime.ts";
import { LuaTable } from "../table.ts";
import type { LuaValue, Results } from "../values.ts";
import { MOST_RESULTS, setRaw } from "./base.ts";

/** Tables within one another; what is deeper is nil. */
const NESTING_MAX = 16;

export function openCmsgpack(runtime: Runtime): LuaTable {
  const table = runtime.newTable(0, 8);
  table.set("pack", new Native("pack", (args) => pack(runtime, args)));
  table.set("unpack", new Native("unpack", (args) => unpack(runtime, args, 0, 0)));
  table.set(
    "unpack_one",
    new Native("unpack_one", (args) => unpack(runtime, args, 1, longArgument(runtime, args, 2, 0))),
  );
  table.set(
    "unpack_limit",
    new Native("unpack_limit", (args) => {
      const limit = longArgument(runtime, args, 2);
      return unpack(runtime, args, limit, longArgument(runtime, args, 3, 0));
    }),
  );
  table.set("_NAME", "cmsgpack");
  table.set("_VERSION", "lua-cmsgpack 0.4.0");
  table.set("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo");
  table.set("_DESCRIPTION", "MessagePack C implementation for Lua");
  return table;
}

// ── packing ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

function pack(runtime: Runtime, args: readonly LuaValue[]): Results {
  if (args.length === 0) throw runtime.argumentError(0, "MessagePack pack needs input.");
  const packer = new Packer(runtime);
  for (const value of args) packer.value(value, 0);
  runtime.heap.charge(STRING_BYTES + packer.out.length);
  return packer.out;
}

const scratch = Buffer.alloc(9);

class Packer {
  readonly #runtime: Runtime;
  out = "";

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  value(value: LuaValue, level: number): void {
    this.#runtime.work(1);
    if (typeof value === "string") this.#text(value);
    else if (typeof value === "boolean") this.#byte(value ? 0xc3 : 0xc2);
    else if (typeof value === "number") this.#number(value);
    else if (value instanceof LuaTable && level < NESTING_MAX) this.#table(value, level);
    else this.#byte(0xc0);
  }

  #byte(byte: number): void {
    this.out += String.fromCharCode(byte);
  }

  /** A byte, and behind it a number of 1, 2 or 4 bytes. */
  #head(byte: number, size: 1 | 2 | 4, number: number): void {
    scratch[0] = byte;
    scratch.writeUIntBE(number, 1, size);
    this.out += scratch.latin1Slice(0, 1 + size);
  }

  #text(text: string): void {
    const { length } = text;
    if (length < 32) this.#byte(0xa0 | length);
    else if (length <= 0xff) this.#head(0xd9, 1, length);
    else if (length <= 0xffff) this.#head(0xda, 2, length);
    else this.#head(0xdb, 4, length);
    this.out += text;
  }

  #number(number: number): void {
    if (Number.isInteger(number) && number >= -(2 ** 63) && number < 2 ** 63)
      return this.#integer(number);
    if (Math.fround(number) === number) {
      scratch[0] = 0xca;
      scratch.writeFloatBE(number, 1);
      this.out += scratch.latin1Slice(0, 5);
    } else {
      scratch[0] = 0xcb;
      scratch.writeDoubleBE(number, 1);
      this.out += scratch.latin1Slice(0, 9);
    }
  }

  #integer(number: number): void {
    if (number >= 0) {
      if (number <= 0x7f) this.#byte(number);
      else if (number <= 0xff) this.#head(0xcc, 1, number);
      else if (number <= 0xffff) this.#head(0xcd, 2, number);
      else if (number <= 0xffffffff) this.#head(0xce, 4, number);
      else this.#long(0xcf, number);
    } else if (number >= -32) this.#byte(number & 0xff);
    else if (number >= -0x80) this.#head(0xd0, 1, number & 0xff);
    else if (number >= -0x8000) this.#head(0xd1, 2, number & 0xffff);
    else if (number >= -0x80000000) this.#head(0xd2, 4, number >>> 0);
    else this.#long(0xd3, number);
  }

  #long(byte: number, number: number): void {
    scratch[0] = byte;
    scratch.writeBigInt64BE(BigInt(number), 1);
    this.out += scratch.latin1Slice(0, 9);
  }

  #table(table: LuaTable, level: number): void {
    const count = elementsOf(table);
    if (count >= 0) {
      if (count <= 15) this.#byte(0x90 | count);
      else if (count <= 0xffff) this.#head(0xdc, 2, count);
      else this.#head(0xdd, 4, count);
      for (let i = 1; i <= count; i++) this.value(table.get(i), level + 1);
      return;
    }
    let pairs = 0;
    for (let at = table.occupied(0); at >= 0; at = table.occupied(at + 1)) pairs++;
    if (pairs <= 15) this.#byte(0x80 | pairs);
    else if (pairs <= 0xffff) this.#head(0xde, 2, pairs);
    else this.#head(0xdf, 4, pairs);
    for (let at = table.occupied(0); at >= 0; at = table.occupied(at + 1)) {
      this.value(table.keyAt(at), level + 1);
      this.value(table.valueAt(at), level + 1);
    }
  }
}

/** How many elements a table has that holds nothing but those from 1 on without a hole; −1 for others. */
function elementsOf(table: LuaTable): number {
  let count = 0;
  let most = 0;
  for (let at = table.occupied(0); at >= 0; at = table.occupied(at + 1)) {
    const key = table.keyAt(at);
    if (typeof key !== "number" || key <= 0 || (key | 0) !== key) return -1;
    most = Math.max(most, key);
    count++;
  }
  return most === count ? count : -1;
}

// ── unpacking ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The values from `offset` on, at most `limit`, with the next offset in front; all of them, without it, when both are 0. */
function unpack(
  runtime: Runtime,
  args: readonly LuaValue[],
  limit: number,
  offset: number,
): Results {
  const data = textArgument(runtime, args, 1);
  if (offset < 0 || limit < 0)
    throw runtime.error(
      `Invalid request to unpack with offset of ${offset} and limit of ${data.length}.`,
    );
  if (offset > data.length)
    throw runtime.error(`Start offset ${offset} greater than input length ${data.length}.`);
  const all = limit === 0 && offset === 0;
  const unpacker = new Unpacker(runtime, Buffer.from(data, "latin1"), offset);
  const results: LuaValue[] = [];
  while (!unpacker.ended && (all || results.length < limit)) {
    if (results.length >= MOST_RESULTS) throw unpacker.overflow();
    results.push(unpacker.value(0));
  }
  return all ? results : [unpacker.ended ? -1 : unpacker.at, ...results];
}

class Unpacker {
  readonly #runtime: Runtime;
  readonly #data: Buffer;
  at: number;

  constructor(runtime: Runtime, data: Buffer, at: number) {
    this.#runtime = runtime;
    this.#data = data;
    this.at = at;
  }

  get ended(): boolean {
    return this.at === this.#data.length;
  }

  overflow(): Error {
    return this.#runtime.error(
      "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)",
    );
  }

  /** Moves behind so many bytes and returns where they begin. */
  #skip(bytes: number): number {
    const { at } = this;
    if (this.#data.length - at < bytes) throw this.#runtime.error("Missing bytes in input.");
    this.at += bytes;
    return at;
  }

  /** `level` tables are being read. */
  value(level: number): LuaValue {
    this.#runtime.work(1);
    // Each takes two places of C's stack of values.
    if (level * 2 >= MOST_RESULTS) throw this.overflow();
    const data = this.#data;
    const byte = data[this.#skip(1)] as number;
    if (byte <= 0x7f) return byte;
    if (byte >= 0xe0) return byte - 0x100;
    if (byte <= 0x8f) return this.#pairs(byte & 0x0f, level);
    if (byte <= 0x9f) return this.#elements(byte & 0x0f, level);
    if (byte <= 0xbf) return this.#text(byte & 0x1f);
    switch (byte) {
      case 0xc0:
        return undefined;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xca:
        return data.readFloatBE(this.#skip(4));
      case 0xcb:
        return data.readDoubleBE(this.#skip(8));
      case 0xcc:
        return data.readUInt8(this.#skip(1));
      case 0xcd:
        return data.readUInt16BE(this.#skip(2));
      case 0xce:
        return data.readUInt32BE(this.#skip(4));
      case 0xd0:
        return data.readInt8(this.#skip(1));
      case 0xd1:
        return data.readInt16BE(this.#skip(2));
      case 0xd2:
        return data.readInt32BE(this.#skip(4));
      // The one without a sign is read as if it had one.
      case 0xcf:
      case 0xd3:
        return Number(data.readBigInt64BE(this.#skip(8)));
      case 0xd9:
        return this.#text(data.readUInt8(this.#skip(1)));
      case 0xda:
        return this.#text(data.readUInt16BE(this.#skip(2)));
      case 0xdb:
        return this.#text(data.readUInt32BE(this.#skip(4)));
      case 0xdc:
        return this.#elements(data.readUInt16BE(this.#skip(2)), level);
      case 0xdd:
        return this.#elements(data.readUInt32BE(this.#skip(4)), level);
      case 0xde:
        return this.#pairs(data.readUInt16BE(this.#skip(2)), level);
      case 0xdf:
        return this.#pairs(data.readUInt32BE(this.#skip(4)), level);
      default:
        throw this.#runtime.error("Bad data format in input.");
    }
  }

  #text(length: number): string {
    const start = this.#skip(length);
    this.#runtime.heap.charge(STRING_BYTES + length);
    return this.#data.latin1Slice(start, start + length);
  }

  #elements(count: number, level: number): LuaTable {
    const table = this.#runtime.newTable();
    for (let i = 1; i <= count; i++) table.set(i, this.value(level + 1));
    return table;
  }

  #pairs(count: number, level: number): LuaTable {
    const table = this.#runtime.newTable();
    for (let i = 0; i < count; i++) {
      const key = this.value(level + 1);
      setRaw(table, key, this.value(level + 1));
    }
    return table;
  }
}
