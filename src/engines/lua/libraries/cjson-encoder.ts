/**
 * CjsonEncoder: values as JSON.
 *
 * Invariant: the order of members is that in which `next` visits the table.
 */
import { STRING_BYTES } from "../heap.ts";
import { formatGeneral, formatSpecial } from "../numbers.ts";
import type { Runtime } from "../runtime.ts";
import { LuaTable } from "../table.ts";
import { type LightUserdata, type LuaValue, typeName } from "../values.ts";
import type { JsonOptions } from "./cjson.ts";

/** Places of C's stack of values that nested tables may take: one for each array, two for each object. */
const STACK_MAX = 7_990;

/** What is written as an escape: not one of these. */
const SPECIAL = /[^ !#-.0-[\]-~\x80-\xff]/;

const ESCAPES: Record<string, string> = {
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\f": "\\f",
  "\r": "\\r",
  '"': '\\"',
  "/": "\\/",
  "\\": "\\\\",
};

export class Encoder {
  readonly #runtime: Runtime;
  readonly #options: JsonOptions;
  readonly #nothing: LightUserdata;
  #out = "";
  #stack = 0;

  constructor(runtime: Runtime, options: JsonOptions, nothing: LightUserdata) {
    this.#runtime = runtime;
    this.#options = options;
    this.#nothing = nothing;
  }

  encode(value: LuaValue): string {
    this.#append(value, 0);
    this.#runtime.heap.charge(STRING_BYTES + this.#out.length);
    return this.#out;
  }

  #append(value: LuaValue, depth: number): void {
    this.#runtime.work(1);
    if (typeof value === "string") this.#text(value);
    else if (typeof value === "number") this.#number(value);
    else if (typeof value === "boolean") this.#out += value ? "true" : "false";
    else if (value === undefined || value === this.#nothing) this.#out += "null";
    else if (value instanceof LuaTable) this.#table(value, depth + 1);
    else throw this.#wrong(value, "type not supported");
  }

  #wrong(value: LuaValue, reason: string): Error {
    return this.#runtime.error(`Cannot serialise ${typeName(value)}: ${reason}`);
  }

  #text(text: string): void {
    // A text of nothing but ordinary characters is the common case.
    if (!SPECIAL.test(text)) {
      this.#out += `"${text}"`;
      return;
    }
    const escaped = text.replaceAll(
      new RegExp(SPECIAL, "g"),
      (char) => ESCAPES[char] ?? `\\u00${char.charCodeAt(0).toString(16).padStart(2, "0")}`,
    );
    this.#out += `"${escaped}"`;
  }

  #number(number: number): void {
    const special = formatSpecial(number);
    if (special === undefined) {
      this.#out += formatGeneral(number, this.#options.precision, false);
      return;
    }
    const { encodeInvalid } = this.#options;
    if (encodeInvalid === "off") throw this.#wrong(number, "must not be NaN or Inf");
    if (encodeInvalid === "null") this.#out += "null";
    else this.#out += Number.isNaN(number) ? "nan" : special;
  }

  #table(table: LuaTable, depth: number): void {
    if (depth > this.#options.encodeMaxDepth || this.#stack > STACK_MAX)
      throw this.#runtime.error(`Cannot serialise, excessive nesting (${depth})`);
    const length = this.#lengthOf(table);
    if (length > 0) this.#array(table, length, depth);
    else this.#object(table, depth);
  }

  /** How long an array a table is; −1 for one with other keys. */
  #lengthOf(table: LuaTable): number {
    let most = 0;
    let items = 0;
    for (let at = table.occupied(0); at >= 0; at = table.occupied(at + 1)) {
      const key = table.keyAt(at);
      if (typeof key !== "number" || key < 1 || Math.floor(key) !== key) return -1;
      if (key > most) most = Math.min(key, 2 ** 31 - 1);
      items++;
    }
    const { sparseRatio, sparseSafe, sparseConvert } = this.#options;
    if (sparseRatio > 0 && most > items * sparseRatio && most > sparseSafe) {
      if (!sparseConvert) throw this.#wrong(table, "excessively sparse array");
      return -1;
    }
    return most;
  }

  #array(table: LuaTable, length: number, depth: number): void {
    this.#stack++;
    this.#out += "[";
    for (let i = 1; i <= length; i++) {
      if (i > 1) this.#out += ",";
      this.#append(table.get(i), depth);
    }
    this.#out += "]";
    this.#stack--;
  }

  #object(table: LuaTable, depth: number): void {
    this.#stack += 2;
    this.#out += "{";
    let first = true;
    for (let at = table.occupied(0); at >= 0; at = table.occupied(at + 1)) {
      if (!first) this.#out += ",";
      first = false;
      const key = table.keyAt(at);
      if (typeof key === "number") {
        this.#out += '"';
        this.#number(key);
        this.#out += '":';
      } else if (typeof key === "string") {
        this.#text(key);
        this.#out += ":";
      } else throw this.#wrong(key, "table key must be a number or string");
      this.#append(table.valueAt(at), depth);
    }
    this.#out += "}";
    this.#stack -= 2;
  }
}
