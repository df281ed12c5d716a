/**
 * CjsonDecoder: JSON as values.
 *
 * Invariant: a text is read to its end or its first zero byte, and what is wrong with it is said of the first token that is, by
 * its place counted from 1.
 */
import { STRING_BYTES } from "../heap.ts";
import { parseNumber } from "../numbers.ts";
import type { Runtime } from "../runtime.ts";
import type { LightUserdata, LuaValue } from "../values.ts";
import type { JsonOptions } from "./cjson.ts";

/** Places of C's stack of values that nested tables may take: two for each array, three for each object. */
const STACK_MAX = 7_990;

type Token =
  | "T_OBJ_BEGIN"
  | "T_OBJ_END"
  | "T_ARR_BEGIN"
  | "T_ARR_END"
  | "T_STRING"
  | "T_NUMBER"
  | "T_BOOLEAN"
  | "T_NULL"
  | "T_COLON"
  | "T_COMMA"
  | "T_END"
  | "T_ERROR";

const SINGLE: Record<string, Token> = {
  "{": "T_OBJ_BEGIN",
  "}": "T_OBJ_END",
  "[": "T_ARR_BEGIN",
  "]": "T_ARR_END",
  ",": "T_COMMA",
  ":": "T_COLON",
};
const ESCAPED: Record<string, string> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  t: "\t",
  n: "\n",
  f: "\f",
  r: "\r",
};

/** What C's strtod takes for a number at the start of a text. */
const NUMBER =
  /[+-]?(?:0[xX](?:[\da-fA-F]+\.?[\da-fA-F]*|\.[\da-fA-F]+)(?:[pP][+-]?\d+)?|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[iI][nN][fF](?:[iI][nN][iI][tT][yY])?|[nN][aA][nN](?:\(\w*\))?)/y;
const INVALID = /\+|-?(?:0[xX\d]|[iI][nN][fF]|[nN][aA][nN])/y;
const PLAIN = /[^"\\\0]*/y;
const HEX4 = /[\da-fA-F]{4}/y;

export class Decoder {
  readonly #runtime: Runtime;
  readonly #options: JsonOptions;
  readonly #nothing: LightUserdata;
  #text = "";
  #at = 0;
  #depth = 0;
  #stack = 0;
  /** The token that was read last: where it begins, what it says, and of one that is wrong why. */
  #token: Token = "T_END";
  #index = 0;
  #value: LuaValue = undefined;
  #error = "";

  constructor(runtime: Runtime, options: JsonOptions, nothing: LightUserdata) {
    this.#runtime = runtime;
    this.#options = options;
    this.#nothing = nothing;
  }

  decode(text: string): LuaValue {
    if (text.length >= 2 && (text[0] === "\0" || text[1] === "\0"))
      throw this.#runtime.error("JSON parser does not support UTF-16 or UTF-32");
    this.#text = text;
    this.#next();
    const value = this.#valueOf();
    this.#next();
    if (this.#token !== "T_END") throw this.#unexpected("the end");
    return value;
  }

  #unexpected(wanted: string): Error {
    const found = this.#token === "T_ERROR" ? this.#error : this.#token;
    return this.#runtime.error(
      `Expected ${wanted} but found ${found} at character ${this.#index + 1}`,
    );
  }

  #valueOf(): LuaValue {
    switch (this.#token) {
      case "T_STRING":
      case "T_NUMBER":
      case "T_BOOLEAN":
        return this.#value;
      case "T_NULL":
        return this.#nothing;
      case "T_OBJ_BEGIN":
        return this.#object();
      case "T_ARR_BEGIN":
        return this.#array();
      default:
        throw this.#unexpected("value");
    }
  }

  #descend(places: number): void {
    this.#depth++;
    this.#stack += places;
    if (this.#depth > this.#options.decodeMaxDepth || this.#stack > STACK_MAX)
      throw this.#runtime.error(
        `Found too many nested data structures (${this.#depth}) at character ${this.#at}`,
      );
  }

  #ascend(places: number): void {
    this.#depth--;
    this.#stack -= places;
  }

  #object(): LuaValue {
    this.#descend(2);
    const table = this.#runtime.newTable();
    this.#next();
    while (this.#token !== "T_OBJ_END") {
      if (this.#token !== "T_STRING") throw this.#unexpected("object key string");
      const key = this.#value;
      this.#next();
      if ((this.#token as Token) !== "T_COLON") throw this.#unexpected("colon");
      this.#next();
      table.set(key, this.#valueOf());
      this.#next();
      if ((this.#token as Token) === "T_OBJ_END") break;
      if ((this.#token as Token) !== "T_COMMA") throw this.#unexpected("comma or object end");
      this.#next();
      // Behind a comma there is another member.
      if ((this.#token as Token) === "T_OBJ_END") throw this.#unexpected("object key string");
    }
    this.#ascend(2);
    return table;
  }

  #array(): LuaValue {
    this.#descend(1);
    const table = this.#runtime.newTable();
    this.#next();
    if (this.#token !== "T_ARR_END")
      for (let i = 1; ; i++) {
        table.set(i, this.#valueOf());
        this.#next();
        if ((this.#token as Token) === "T_ARR_END") break;
        if ((this.#token as Token) !== "T_COMMA") throw this.#unexpected("comma or array end");
        this.#next();
      }
    this.#ascend(1);
    return table;
  }

  /** Reads the next token. */
  #next(): void {
    this.#runtime.work(1);
    const text = this.#text;
    let char = text[this.#at];
    while (char === " " || char === "\t" || char === "\n" || char === "\r") char = text[++this.#at];
    this.#index = this.#at;
    if (char === undefined || char === "\0") this.#token = "T_END";
    else if (char in SINGLE) {
      this.#token = SINGLE[char] as Token;
      this.#at++;
    } else if (char === '"') this.#string();
    else if (char === "-" || (char >= "0" && char <= "9")) {
      if (!this.#options.decodeInvalid && this.#match(INVALID) !== null)
        this.#wrong("invalid number");
      else this.#number();
    } else if (!this.#word("true", "T_BOOLEAN", true) && !this.#word("false", "T_BOOLEAN", false))
      if (!this.#word("null", "T_NULL", undefined)) this.#otherNumber();
  }

  #otherNumber(): void {
    const isStrange = /[+iInN]/.test(this.#text[this.#at] as string);
    if (isStrange && this.#options.decodeInvalid && this.#match(INVALID) !== null) this.#number();
    else this.#wrong("invalid token");
  }

  #wrong(error: string): void {
    this.#token = "T_ERROR";
    this.#error = error;
    this.#index = this.#at;
  }

  #word(word: string, token: Token, value: LuaValue): boolean {
    if (!this.#text.startsWith(word, this.#at)) return false;
    this.#token = token;
    this.#value = value;
    this.#at += word.length;
    return true;
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#text)?.[0] ?? null;
  }

  #number(): void {
    const text = this.#match(NUMBER);
    if (text === null) return this.#wrong("invalid number");
    this.#token = "T_NUMBER";
    this.#value = /n\(/i.test(text) ? Number.NaN : parseNumber(text);
    this.#at += text.length;
  }

  #string(): void {
    let value = "";
    this.#at++;
    for (;;) {
      const plain = this.#match(PLAIN) as string;
      value += plain;
      this.#at += plain.length;
      const char = this.#text[this.#at];
      if (char === '"') break;
      if (char !== "\\") return this.#wrong("unexpected end of string");
      const escape = this.#text[this.#at + 1] ?? "\0";
      if (escape === "u") {
        const bytes = this.#codePoint();
        if (bytes === null) return this.#wrong("invalid unicode escape code");
        value += bytes;
        continue;
      }
      const meant = ESCAPED[escape];
      if (meant === undefined) return this.#wrong("invalid escape code");
      value += meant;
      this.#at += 2;
    }
    this.#at++;
    this.#runtime.heap.charge(STRING_BYTES + value.length);
    this.#token = "T_STRING";
    this.#value = value;
  }

  /** The bytes of one character as UTF-8, of which one or two escapes begin here; null for a half of a pair. */
  #codePoint(): string | null {
    const high = this.#unit(this.#at);
    if (high < 0) return null;
    let point = high;
    let length = 6;
    if ((high & 0xf800) === 0xd800) {
      if ((high & 0x400) !== 0) return null;
      const low = this.#unit(this.#at + 6);
      if ((low & 0xfc00) !== 0xdc00 || low < 0) return null;
      point = (((high & 0x3ff) << 10) | (low & 0x3ff)) + 0x10000;
      length = 12;
    }
    this.#at += length;
    return Buffer.from(String.fromCodePoint(point)).latin1Slice();
  }

  #unit(at: number): number {
    if (!this.#text.startsWith("\\u", at)) return -1;
    HEX4.lastIndex = at + 2;
    const digits = HEX4.exec(this.#text);
    return digits === null ? -1 : Number.parseInt(digits[0], 16);
  }
}
