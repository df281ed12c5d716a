/**
 * Lexer: the source of a chunk as tokens, as Lua 5.1 reads them.
 *
 * Invariant: the token in hand is `token`, the line it ends on is `line`, and `lastLine` is the line on which the token before
 * it ended. Error positions and the lines of running code derive from those two.
 */
import { chunkTitle, LuaError, PARSER_TITLE_BYTES } from "./errors.ts";
import { parseNumber } from "./numbers.ts";

/** A word or sign stands for itself; names, strings and numbers have their value beside them. */
export type Token = string;
export const NAME = "<name>";
export const STRING = "<string>";
export const NUMBER = "<number>";
export const END_OF_SOURCE = "<eof>";

const RESERVED = new Set(
  (
    "and break do else elseif end false for function if in local nil not or repeat return then " +
    "true until while"
  ).split(" "),
);

const ESCAPES = new Map([
  ["a", "\x07"],
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
  ["v", "\v"],
]);

const IN_NAME = /[A-Za-z0-9_]/y;
const SPACE = /[ \t\v\f]/;

export class Lexer {
  token: Token = END_OF_SOURCE;
  /** Of a name or string. */
  text = "";
  /** Of a number. */
  number = 0;
  line = 1;
  lastLine = 1;

  readonly #source: string;
  readonly #chunkName: string;
  #at = 0;
  /** Where the bytes of the token in hand begin and, for a string being read, what it holds so far. */
  #start = 0;
  #read = "";
  #ahead: { token: Token; text: string; number: number } | null = null;

  constructor(source: string, chunkName: string) {
    this.#source = source;
    this.#chunkName = chunkName;
  }

  next(): void {
    this.lastLine = this.line;
    const ahead = this.#ahead;
    if (ahead === null) {
      this.token = this.#lex();
    } else {
      this.#ahead = null;
      ({ token: this.token, text: this.text, number: this.number } = ahead);
    }
  }

  /** The token after the one in hand. */
  peek(): Token {
    const { token, text, number } = this;
    const next = this.#lex();
    this.#ahead = { token: next, text: this.text, number: this.number };
    this.token = token;
    this.text = text;
    this.number = number;
    return next;
  }

  /** A fault at the token in hand. */
  fault(message: string): LuaError {
    return this.#faultNear(message, this.token);
  }

  /** A fault of the chunk, with no token to blame. */
  faultAt(message: string): LuaError {
    const title = chunkTitle(this.#chunkName, PARSER_TITLE_BYTES);
    return new LuaError(`${title}:${this.line}: ${message}`);
  }

  #faultNear(message: string, token: Token): LuaError {
    const shown =
      token === NAME || token === STRING || token === NUMBER ? cString(this.#read) : show(token);
    return this.faultAt(`${message} near '${shown}'`);
  }

  #lex(): Token {
    const source = this.#source;
    for (;;) {
      this.#start = this.#at;
      const char = source[this.#at];
      switch (char) {
        case undefined:
          return END_OF_SOURCE;
        case "\n":
        case "\r":
          this.#newline();
          continue;
        case "-":
          this.#at++;
          if (source[this.#at] !== "-") return "-";
          this.#at++;
          this.#comment();
          continue;
        case "[": {
          const level = this.#bracket();
          if (level >= 0) return this.#longString(level, false);
          if (level === -1) return "[";
          this.#read = source.slice(this.#start, this.#at);
          throw this.#faultNear("invalid long string delimiter", STRING);
        }
        case "=":
        case "<":
        case ">":
        case "~":
          this.#at++;
          if (source[this.#at] !== "=") return char;
          this.#at++;
          return `${char}=`;
        case '"':
        case "'":
          return this.#string(char);
        case ".":
          this.#at++;
          if (isDigit(source[this.#at])) return this.#numeral();
          if (source[this.#at] !== ".") return ".";
          this.#at++;
          if (source[this.#at] !== ".") return "..";
          this.#at++;
          return "...";
        default:
          if (SPACE.test(char)) {
            this.#at++;
            continue;
          }
          if (isDigit(char)) return this.#numeral();
          if (this.#skipName()) return this.#name();
          this.#at++;
          return char;
      }
    }
  }

  #newline(): void {
    const first = this.#source[this.#at++];
    const second = this.#source[this.#at];
    if ((second === "\n" || second === "\r") && second !== first) this.#at++;
    this.line++;
  }

  #comment(): void {
    const source = this.#source;
    if (source[this.#at] === "[") {
      const level = this.#bracket();
      if (level >= 0) {
        this.#longString(level, true);
        return;
      }
    }
    while (this.#at < source.length && source[this.#at] !== "\n" && source[this.#at] !== "\r") {
      this.#at++;
    }
  }

  /** Skips `[` or `]` and the equals signs after it: how many when the same bracket follows, otherwise -1 less as many. */
  #bracket(): number {
    const source = this.#source;
    const bracket = source[this.#at++];
    const from = this.#at;
    while (source[this.#at] === "=") this.#at++;
    const count = this.#at - from;
    return source[this.#at] === bracket ? count : -count - 1;
  }

  #longString(level: number, comment: boolean): Token {
    const source = this.#source;
    this.#at++;
    const parts: string[] = [];
    if (source[this.#at] === "\n" || source[this.#at] === "\r") this.#newline();
    let from = this.#at;
    for (;;) {
      const char = source[this.#at];
      if (char === undefined) {
        const what = comment ? "unfinished long comment" : "unfinished long string";
        throw this.#faultNear(what, END_OF_SOURCE);
      }
      if (char === "\n" || char === "\r") {
        parts.push(source.slice(from, this.#at), "\n");
        this.#newline();
        from = this.#at;
      } else if (char === "]") {
        const end = this.#at;
        if (this.#bracket() !== level) continue;
        this.#at++;
        parts.push(source.slice(from, end));
        if (!comment) {
          const equals = "=".repeat(level);
          this.text = parts.join("");
          this.#read = `[${equals}[${this.text}]${equals}]`;
        }
        return STRING;
      } else {
        this.#at++;
      }
    }
  }

  #string(quote: string): Token {
    const source = this.#source;
    this.#at++;
    let text = "";
    let from = this.#at;
    for (;;) {
      const char = source[this.#at];
      if (char === quote) break;
      if (char === undefined) throw this.#faultNear("unfinished string", END_OF_SOURCE);
      if (char === "\n" || char === "\r") {
        this.#read = quote + text + source.slice(from, this.#at);
        throw this.#faultNear("unfinished string", STRING);
      }
      this.#at++;
      if (char !== "\\") continue;
      text += source.slice(from, this.#at - 1);
      text += this.#escape(quote + text);
      from = this.#at;
    }
    this.text = text + source.slice(from, this.#at);
    this.#at++;
    this.#read = quote + this.text + quote;
    return STRING;
  }

  #escape(soFar: string): string {
    const source = this.#source;
    const char = source[this.#at];
    if (char === undefined) return "";
    if (char === "\n" || char === "\r") {
      this.#newline();
      return "\n";
    }
    if (!isDigit(char)) {
      this.#at++;
      return ESCAPES.get(char) ?? char;
    }
    const from = this.#at;
    while (this.#at < from + 3 && isDigit(source[this.#at])) this.#at++;
    const code = Number(source.slice(from, this.#at));
    if (code <= 255) return String.fromCharCode(code);
    this.#read = soFar;
    throw this.#faultNear("escape sequence too large", STRING);
  }

  #numeral(): Token {
    const source = this.#source;
    while (isDigit(source[this.#at]) || source[this.#at] === ".") this.#at++;
    if (source[this.#at] === "e" || source[this.#at] === "E") {
      this.#at++;
      if (source[this.#at] === "+" || source[this.#at] === "-") this.#at++;
    }
    this.#skipName();
    this.#read = source.slice(this.#start, this.#at);
    const value = parseNumber(this.#read);
    if (value === undefined) throw this.#faultNear("malformed number", NUMBER);
    this.number = value;
    return NUMBER;
  }

  #skipName(): boolean {
    const from = this.#at;
    for (;;) {
      IN_NAME.lastIndex = this.#at;
      if (!IN_NAME.test(this.#source)) return this.#at > from;
      this.#at++;
    }
  }

  #name(): Token {
    const word = this.#source.slice(this.#start, this.#at);
    if (RESERVED.has(word)) return word;
    this.text = word;
    this.#read = word;
    return NAME;
  }
}

function isDigit(char: string | undefined): boolean {
  return char !== undefined && char >= "0" && char <= "9";
}

export function show(token: Token): string {
  const code = token.charCodeAt(0);
  return token.length === 1 && (code < 32 || code === 127) ? `char(${code})` : token;
}

/** Messages are made by functions that stop at the first zero. */
function cString(text: string): string {
  const zero = text.indexOf("\0");
  return zero < 0 ? text : text.slice(0, zero);
}
