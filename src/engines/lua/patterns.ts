/**
 * Patterns: Lua's own way to search in strings.
 *
 * Invariant: a pattern ends at its first zero byte, and positions count from 0 here. What `match` tries, in which order, and
 * what it says about a malformed pattern is as in Lua 5.1; each comparison counts as work, so a search can be stopped.
 */
import type { Runtime } from "./runtime.ts";
import type { LuaValue } from "./values.ts";

const MOST_CAPTURES = 32;
/** How deep a match may nest; in C the stack is the limit. */
const MOST_LEVELS = 1_000;
/** Of the work done, so that a search can be stopped. */
const STEPS_PER_REPORT = 256;
const OPEN = -1;
const POSITION = -2;

const ESCAPE = 0x25;
const CARET = 0x5e;
const DOLLAR = 0x24;
const DASH = 0x2d;
const LEFT = 0x5b;
const RIGHT = 0x5d;

export class Matcher {
  readonly #runtime: Runtime;
  readonly #source: string;
  readonly #pattern: string;
  readonly #starts: number[] = [];
  readonly #lengths: number[] = [];
  #level = 0;
  #depth = 0;
  #steps = 0;

  constructor(runtime: Runtime, source: string, pattern: string) {
    this.#runtime = runtime;
    this.#source = source;
    this.#pattern = pattern;
  }

  /** Where a match that begins there ends; -1 when none does. `patternAt` is 1 to leave out a `^`. */
  matchAt(at: number, patternAt: number): number {
    this.#level = 0;
    this.#depth = 0;
    return this.#match(at, patternAt);
  }

  whole(start: number, end: number): string {
    return this.#source.slice(start, end);
  }

  /** Of the last match; the whole of it when there are no captures. */
  captures(start: number, end: number): LuaValue[] {
    if (this.#level === 0) return [this.#source.slice(start, end)];
    return this.ownCaptures();
  }

  ownCaptures(): LuaValue[] {
    const captures: LuaValue[] = [];
    for (let at = 0; at < this.#level; at++) captures.push(this.#captured(at));
    return captures;
  }

  /** The capture of that index, from 0; the whole match is the first when there are none. */
  capture(index: number, start: number, end: number): string | number {
    if (index < this.#level) return this.#captured(index);
    if (index !== 0) throw this.#error("invalid capture index");
    return this.#source.slice(start, end);
  }

  #captured(index: number): string | number {
    const start = this.#starts[index] as number;
    const length = this.#lengths[index] as number;
    if (length === OPEN) throw this.#error("unfinished capture");
    return length === POSITION ? start + 1 : this.#source.slice(start, start + length);
  }

  #error(message: string): Error {
    return this.#runtime.error(message);
  }

  /** The byte of the pattern; 0 at its end. */
  #code(at: number): number {
    return at < this.#pattern.length ? this.#pattern.charCodeAt(at) : 0;
  }

  #report(): void {
    this.#runtime.work(this.#steps);
    this.#steps = 0;
  }

  #match(sourceAt: number, patternAt: number): number {
    if (++this.#depth > MOST_LEVELS) throw this.#error("pattern too complex");
    const end = this.#matchHere(sourceAt, patternAt);
    this.#depth--;
    return end;
  }

  #matchHere(sourceAt: number, patternAt: number): number {
    const source = this.#source;
    let s = sourceAt;
    let p = patternAt;
    for (;;) {
      if (++this.#steps >= STEPS_PER_REPORT) this.#report();
      const code = this.#code(p);
      switch (code) {
        case 0:
          return s;
        case 0x28:
          return this.#code(p + 1) === 0x29
            ? this.#startCapture(s, p + 2, POSITION)
            : this.#startCapture(s, p + 1, OPEN);
        case 0x29:
          return this.#endCapture(s, p + 1);
        case ESCAPE: {
          const next = this.#code(p + 1);
          if (next === 0x62) {
            s = this.#balance(s, p + 2);
            if (s < 0) return -1;
            p += 4;
            continue;
          }
          if (next === 0x66) {
            p += 2;
            if (this.#code(p) !== LEFT) {
              throw this.#error("missing '[' after '%f' in pattern");
            }
            const end = this.#itemEnd(p);
            const before = s === 0 ? 0 : source.charCodeAt(s - 1);
            const here = s < source.length ? source.charCodeAt(s) : 0;
            if (this.#inSet(before, p, end - 1) || !this.#inSet(here, p, end - 1)) return -1;
            p = end;
            continue;
          }
          if (next >= 0x30 && next <= 0x39) {
            s = this.#backReference(s, next);
            if (s < 0) return -1;
            p += 2;
            continue;
          }
          break;
        }
        case DOLLAR:
          if (this.#code(p + 1) === 0) return s === source.length ? s : -1;
          break;
        default:
      }
      const end = this.#itemEnd(p);
      const matches = s < source.length && this.#single(source.charCodeAt(s), p, end);
      switch (this.#code(end)) {
        case 0x3f: {
          if (matches) {
            const found = this.#match(s + 1, end + 1);
            if (found >= 0) return found;
          }
          p = end + 1;
          continue;
        }
        case 0x2a:
          return this.#longest(s, p, end);
        case 0x2b:
          return matches ? this.#longest(s + 1, p, end) : -1;
        case DASH:
          return this.#shortest(s, p, end);
        default:
          if (!matches) return -1;
          s++;
          p = end;
      }
    }
  }

  #longest(s: number, p: number, end: number): number {
    const source = this.#source;
    let count = 0;
    while (s + count < source.length && this.#single(source.charCodeAt(s + count), p, end)) count++;
    this.#steps += count >> 4;
    for (; count >= 0; count--) {
      const found = this.#match(s + count, end + 1);
      if (found >= 0) return found;
    }
    return -1;
  }

  #shortest(from: number, p: number, end: number): number {
    const source = this.#source;
    for (let s = from; ; s++) {
      const found = this.#match(s, end + 1);
      if (found >= 0) return found;
      if (s >= source.length || !this.#single(source.charCodeAt(s), p, end)) return -1;
    }
  }

  #startCapture(s: number, p: number, kind: number): number {
    const level = this.#level;
    if (level >= MOST_CAPTURES) throw this.#error("too many captures");
    this.#starts[level] = s;
    this.#lengths[level] = kind;
    this.#level = level + 1;
    const found = this.#match(s, p);
    if (found < 0) this.#level--;
    return found;
  }

  #endCapture(s: number, p: number): number {
    let index = this.#level - 1;
    while (index >= 0 && this.#lengths[index] !== OPEN) index--;
    if (index < 0) throw this.#error("invalid pattern capture");
    this.#lengths[index] = s - (this.#starts[index] as number);
    const found = this.#match(s, p);
    if (found < 0) this.#lengths[index] = OPEN;
    return found;
  }

  #backReference(s: number, digit: number): number {
    const index = digit - 0x31;
    const length = this.#lengths[index];
    if (index < 0 || index >= this.#level || length === undefined || length === OPEN) {
      throw this.#error("invalid capture index");
    }
    // A position has a length that no rest of the source can have.
    if (length < 0) return -1;
    const start = this.#starts[index] as number;
    const text = this.#source.slice(start, start + length);
    return this.#source.startsWith(text, s) ? s + length : -1;
  }

  #balance(from: number, p: number): number {
    const [open, close] = [this.#code(p), this.#code(p + 1)];
    if (open === 0 || close === 0) throw this.#error("unbalanced pattern");
    const source = this.#source;
    if (from >= source.length || source.charCodeAt(from) !== open) return -1;
    let depth = 1;
    for (let s = from + 1; s < source.length; s++) {
      const code = source.charCodeAt(s);
      if (code === close) {
        if (--depth === 0) return s + 1;
      } else if (code === open) {
        depth++;
      }
    }
    return -1;
  }

  /** Where the item of one character that begins there ends. */
  #itemEnd(from: number): number {
    let p = from;
    const code = this.#code(p++);
    if (code === ESCAPE) {
      if (this.#code(p) === 0) throw this.#error("malformed pattern (ends with '%')");
      return p + 1;
    }
    if (code !== LEFT) return p;
    if (this.#code(p) === CARET) p++;
    do {
      const inside = this.#code(p);
      if (inside === 0) throw this.#error("malformed pattern (missing ']')");
      p++;
      if (inside === ESCAPE && this.#code(p) !== 0) p++;
    } while (this.#code(p) !== RIGHT);
    return p + 1;
  }

  #single(code: number, p: number, end: number): boolean {
    const item = this.#code(p);
    switch (item) {
      case 0x2e:
        return true;
      case ESCAPE:
        return inClass(code, this.#code(p + 1));
      case LEFT:
        return this.#inSet(code, p, end - 1);
      default:
        return item === code;
    }
  }

  /** `p` is at the opening bracket, `last` at the closing one. */
  #inSet(code: number, from: number, last: number): boolean {
    let p = from;
    let found = true;
    if (this.#code(p + 1) === CARET) {
      found = false;
      p++;
    }
    while (++p < last) {
      const item = this.#code(p);
      if (item === ESCAPE) {
        p++;
        if (inClass(code, this.#code(p))) return found;
      } else if (this.#code(p + 1) === DASH && p + 2 < last) {
        p += 2;
        if (item <= code && code <= this.#code(p)) return found;
      } else if (item === code) {
        return found;
      }
    }
    return !found;
  }
}

/** Whether a pattern has nothing special in it before its first zero. */
export function isPlain(pattern: string): boolean {
  return !/^[^\0]*[\^$*+?.([%-]/.test(pattern);
}

function inClass(code: number, letter: number): boolean {
  const classAt = CLASS_OF[letter] as number;
  if (classAt === 0) return letter === code;
  return (((MEMBERS[code] as number) & classAt) !== 0) === letter >= 0x61;
}

const isLower = (c: number) => c >= 0x61 && c <= 0x7a;
const isUpper = (c: number) => c >= 0x41 && c <= 0x5a;
const isDigit = (c: number) => c >= 0x30 && c <= 0x39;
const isAlpha = (c: number) => isLower(c) || isUpper(c);
const isAlphanumeric = (c: number) => isAlpha(c) || isDigit(c);

/** By the letter that stands for them; the capital letter stands for all other bytes. */
const CLASSES: Record<string, (code: number) => boolean> = {
  a: isAlpha,
  c: (c) => c < 0x20 || c === 0x7f,
  d: isDigit,
  l: isLower,
  p: (c) => c > 0x20 && c < 0x7f && !isAlphanumeric(c),
  s: (c) => c === 0x20 || (c >= 9 && c <= 13),
  u: isUpper,
  w: isAlphanumeric,
  x: (c) => isDigit(c) || ((c | 0x20) >= 0x61 && (c | 0x20) <= 0x66),
  z: (c) => c === 0,
};

/** A bit per class: of each letter the one it stands for, of each byte those it belongs to. */
const CLASS_OF = new Uint16Array(256);
const MEMBERS = new Uint16Array(256);
for (const [at, [letter, has]] of Object.entries(CLASSES).entries()) {
  CLASS_OF[letter.charCodeAt(0)] = 1 << at;
  CLASS_OF[letter.toUpperCase().charCodeAt(0)] = 1 << at;
  for (let code = 0; code < 256; code++) {
    if (has(code)) MEMBERS[code] = (MEMBERS[code] as number) | (1 << at);
  }
}
