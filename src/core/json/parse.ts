/**
 * Parse: JSON text to a value, strictly by its grammar.
 *
 * Invariant: what is parsed is no deeper than `DEPTH_MAX`, and its strings are what UTF-8 can say. Of members of one name the last
 * one counts. Numbers are doubles.
 */
import { isUtf8 } from "../bytes/utf8.ts";
import { DEPTH_MAX, type Json } from "./json.ts";

/** What is wrong with a text, as RedisJSON words it; an error only between the functions of this file. */
class NotJson extends Error {}

/** The value, or what is wrong with the text as an error line. */
export function parseJson(
  bytes: Buffer,
  start: number,
  end: number,
): { readonly value: Json } | string {
  if (!isUtf8(bytes, start, end)) return "ERR invalid unicode code point at line 1 column 1";
  const parser = new Parser(bytes.toString("utf8", start, end));
  try {
    return { value: parser.whole() };
  } catch (error) {
    if (error instanceof NotJson) return `ERR ${error.message}`;
    throw error;
  }
}

/** In one text. Each takes some hundred bytes in a document. */
const VALUES_MAX = 1_000_000;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const ESCAPES: Readonly<Record<string, string>> = {
  ...{ '"': '"', "\\": "\\", "/": "/", b: "\b" },
  ...{ f: "\f", n: "\n", r: "\r", t: "\t" },
};

class Parser {
  readonly #text: string;
  #at = 0;
  #values = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): Json {
    const value = this.#value(0);
    this.#space();
    if (this.#at < this.#text.length) this.#fail("trailing characters");
    return value;
  }

  #fail(what: string): never {
    const before = this.#text.slice(0, this.#at + 1);
    const line = before.split("\n").length;
    throw new NotJson(
      `${what} at line ${line} column ${before.length - before.lastIndexOf("\n") - 1}`,
    );
  }

  #space(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return;
      this.#at++;
    }
  }

  #value(depth: number): Json {
    if (++this.#values > VALUES_MAX) this.#fail("too many values");
    this.#space();
    const text = this.#text;
    switch (text[this.#at]) {
      case "{":
        return this.#object(depth);
      case "[":
        return this.#array(depth);
      case '"':
        return this.#string();
      case "t":
        return this.#word("true", true);
      case "f":
        return this.#word("false", false);
      case "n":
        return this.#word("null", null);
      case undefined:
        return this.#fail("EOF while parsing a value");
      default:
        return this.#number();
    }
  }

  #word<T extends Json>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) this.#fail("expected ident");
    this.#at += word.length;
    return value;
  }

  #number(): number {
    NUMBER.lastIndex = this.#at;
    const digits = NUMBER.exec(this.#text)?.[0];
    if (digits === undefined) return this.#fail("expected value");
    const value = Number(digits);
    if (!Number.isFinite(value)) return this.#fail("number out of range");
    this.#at += digits.length;
    return value;
  }

  #string(): string {
    const text = this.#text;
    let found = "";
    for (let from = ++this.#at; ; from = this.#at) {
      while (isPlain(text.charCodeAt(this.#at))) this.#at++;
      found += text.slice(from, this.#at);
      const next = text[this.#at];
      if (next === undefined) this.#fail("EOF while parsing a string");
      if (next === '"') {
        this.#at++;
        return found;
      }
      if (next !== "\\")
        this.#fail("control character (\\u0000-\\u001F) found while parsing a string");
      found += this.#escape();
    }
  }

  #escape(): string {
    const kind = this.#text[++this.#at] ?? "";
    const simple = ESCAPES[kind];
    if (simple !== undefined) {
      this.#at++;
      return simple;
    }
    if (kind !== "u") this.#fail("invalid escape");
    const unit = this.#unit();
    if (unit < 0xd800 || unit > 0xdfff) return String.fromCharCode(unit);
    if (unit > 0xdbff || this.#text[this.#at] !== "\\" || this.#text[this.#at + 1] !== "u")
      return this.#fail("lone leading surrogate in hex escape");
    this.#at++;
    const low = this.#unit();
    if (low < 0xdc00 || low > 0xdfff) this.#fail("lone leading surrogate in hex escape");
    return String.fromCharCode(unit, low);
  }

  /** The four digits behind the "u" that is now read. */
  #unit(): number {
    const digits = this.#text.slice(this.#at + 1, this.#at + 5);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) this.#fail("invalid escape");
    this.#at += 5;
    return Number.parseInt(digits, 16);
  }

  #array(depth: number): Json[] {
    if (depth === DEPTH_MAX) this.#fail("recursion limit exceeded");
    this.#at++;
    const values: Json[] = [];
    this.#space();
    if (this.#text[this.#at] === "]") {
      this.#at++;
      return values;
    }
    for (;;) {
      values.push(this.#value(depth + 1));
      this.#space();
      const next = this.#text[this.#at++];
      if (next === "]") return values;
      if (next !== ",") this.#fail("expected `,` or `]`");
    }
  }

  #object(depth: number): Json {
    if (depth === DEPTH_MAX) this.#fail("recursion limit exceeded");
    this.#at++;
    const members = new Map<string, Json>();
    this.#space();
    if (this.#text[this.#at] === "}") {
      this.#at++;
      return members;
    }
    for (;;) {
      this.#space();
      if (this.#text[this.#at] !== '"') this.#fail("key must be a string");
      const name = this.#string();
      this.#space();
      if (this.#text[this.#at++] !== ":") this.#fail("expected `:`");
      members.set(name, this.#value(depth + 1));
      this.#space();
      const next = this.#text[this.#at++];
      if (next === "}") return members;
      if (next !== ",") this.#fail("expected `,` or `}`");
    }
  }
}

/** Whether a character of a string needs no second look; the end of the text does. */
function isPlain(code: number): boolean {
  return code >= 0x20 && code !== 0x22 && code !== 0x5c;
}

/** How deep a value is: 0 for a scalar. */
export function depthOf(value: Json): number {
  if (!(value instanceof Map) && !Array.isArray(value)) return 0;
  let deepest = 0;
  for (const part of value.values() as Iterable<Json>) deepest = Math.max(deepest, depthOf(part));
  return deepest + 1;
}
