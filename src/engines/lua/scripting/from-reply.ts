/**
 * FromReply: what a command answered, as a value of a script.
 *
 *   :7 ─► 7    $2 hi ─► "hi"    $-1 ─► false    +OK ─► {ok = "OK"}    -ERR no ─► {err = "ERR no"}    *2 … ─► {…, …}
 *   RESP3:  _ ─► nil    # ─► boolean    , ─► {double = n}    % ─► {map = {}}    ~ ─► {set = {}}    ( ─► {big_number = s}
 *
 * Invariant: it reads what `Reply` has written, so it trusts every length.
 */
import type { Reply } from "../../../core/wire/reply.ts";
import { log2Ceiling } from "../hashes.ts";
import { STRING_BYTES } from "../heap.ts";
import type { Runtime } from "../runtime.ts";
import type { LuaTable } from "../table.ts";
import type { LuaValue } from "../values.ts";

const CR = 13;
const MINUS = 45;

/** The field of an error that the statistics know of, as Redis calls it. */
export const COUNTED_MARK = "ignore_error_stats_update";

export class FromReply {
  readonly #runtime: Runtime;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  /** Whether the protocol has one: the other's is `false`. */
  #hasNil = false;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  read({ sink, resp }: Reply): LuaValue {
    this.#bytes = sink.buffer;
    this.#hasNil = resp === 3;
    this.#at = 0;
    return this.#value();
  }

  #value(): LuaValue {
    const runtime = this.#runtime;
    const type = this.#bytes[this.#at++] as number;
    switch (String.fromCharCode(type)) {
      case ":":
        return this.#integer();
      case "$":
        return this.#bulk();
      case "*":
      case ">":
        return this.#elements();
      case "+":
        return single(runtime, "ok", this.#line());
      case "-":
        return errorTable(runtime, `-${this.#line()}`, true);
      case "_":
        this.#line();
        return undefined;
      case "#":
        return this.#line() === "t";
      case ",":
        return single(runtime, "double", doubleOf(this.#line()));
      case "(":
        return single(runtime, "big_number", this.#line());
      case "%":
        return single(runtime, "map", this.#members(true));
      case "~":
        return single(runtime, "set", this.#members(false));
      case "|":
        // Scripts do not see what is said about a value.
        this.#members(true);
        return this.#value();
      default:
        return this.#verbatim();
    }
  }

  #line(): string {
    const end = this.#bytes.indexOf(CR, this.#at);
    const text = this.#bytes.latin1Slice(this.#at, end);
    this.#at = end + 2;
    return text;
  }

  /** An integer; a length, too. */
  #integer(): number {
    const bytes = this.#bytes;
    let at = this.#at;
    const negative = bytes[at] === MINUS;
    if (negative) at++;
    let value = 0;
    for (; bytes[at] !== CR; at++) {
      value = value * 10 + (bytes[at] as number) - 48;
      // Beyond what a double counts exactly, rounding each digit would not be rounding the number.
      if (value > Number.MAX_SAFE_INTEGER) return Number(this.#line());
    }
    this.#at = at + 2;
    return negative ? -value : value;
  }

  #text(length: number): string {
    this.#runtime.heap.charge(STRING_BYTES + length);
    const text = this.#bytes.latin1Slice(this.#at, this.#at + length);
    this.#at += length + 2;
    return text;
  }

  #bulk(): LuaValue {
    const length = this.#integer();
    return length < 0 ? false : this.#text(length);
  }

  #elements(): LuaValue {
    const count = this.#integer();
    if (count < 0) return false;
    // As large as adding one after the other makes it, which only a nil would change.
    const room = this.#hasNil || count === 0 ? 0 : 2 ** log2Ceiling(count);
    const table = this.#runtime.newTable(room);
    for (let i = 1; i <= count; i++) table.set(i, this.#value());
    return table;
  }

  #members(paired: boolean): LuaTable {
    const table = this.#runtime.newTable();
    for (let left = this.#integer(); left > 0; left--) {
      const key = this.#value();
      const value = paired ? this.#value() : true;
      if (key !== undefined) table.set(key, value);
    }
    return table;
  }

  #verbatim(): LuaTable {
    const text = this.#text(this.#integer());
    const verbatim = this.#runtime.newTable(0, 2);
    verbatim.set("string", text.slice(4));
    verbatim.set("format", text.slice(0, 3));
    return single(this.#runtime, "verbatim_string", verbatim);
  }
}

function doubleOf(text: string): number {
  if (text.endsWith("inf")) return text.startsWith("-") ? -Infinity : Infinity;
  return Number(text);
}

/** A table with one field. */
export function single(runtime: Runtime, name: string, value: LuaValue): LuaTable {
  const table = runtime.newTable(0, 1);
  table.set(name, value);
  return table;
}

/**
 * An error as scripts know it. A text that begins with `-` has a code; another one gets the code ERR. `counted`: the command that
 * answered with it has counted it.
 */
export function errorTable(runtime: Runtime, text: string, counted = false): LuaTable {
  let code = "ERR";
  let message = text;
  if (text.startsWith("-")) {
    const space = text.indexOf(" ");
    if (space >= 0) code = text.slice(1, space);
    message = text.slice(space < 0 ? 1 : space + 1);
  }
  const table = single(runtime, "err", `${code} ${message.replaceAll(/^[\r\n]+|[\r\n]+$/g, "")}`);
  if (counted) table.set(COUNTED_MARK, true);
  return table;
}
