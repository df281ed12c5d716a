/**
 * Name: a domain name, as the bytes that travel: labels behind their lengths, and a zero.
 *
 *     3 w w w 5 a t o l l 0
 *
 * Invariant: a name that was read is whole, at most 255 bytes, of labels of at most 63. Its case is kept, for some resolvers draw it by
 * chance and want it back, and never counts. Reading one takes a bounded number of steps: each pointer leads further to the front than
 * the one before, and there are no more of them than a name can have labels.
 */
import { Malformed } from "../../bytes/source.ts";

const NAME_BYTES_MAX = 255;
const LABEL_BYTES_MAX = 63;
const POINTER = 0xc0;
const POINTERS_MAX = 127;

export const ROOT: Buffer = Buffer.from([0]);

/** Reads names out of messages, one after the other, into the same bytes. */
export class NameReader {
  /** The name that was read: `bytes[0 … length)`. */
  readonly bytes: Buffer = Buffer.allocUnsafeSlow(NAME_BYTES_MAX);
  length = 0;

  /** Reads the name at `at` of `message[0 … end)` and returns where what follows it begins. */
  read(message: Buffer, at: number, end: number): number {
    const { bytes } = this;
    let length = 0;
    let next = -1;
    let front = at;
    let pointers = 0;
    for (;;) {
      if (at >= end) throw new Malformed("a name is cut off");
      const size = message[at] as number;
      if (size === 0) break;
      if (size >= POINTER) {
        if (at + 1 >= end) throw new Malformed("a pointer is cut off");
        if (next < 0) next = at + 2;
        at = ((size & 0x3f) << 8) | (message[at + 1] as number);
        if (at >= front || ++pointers > POINTERS_MAX)
          throw new Malformed("a name points in circles");
        front = at;
        continue;
      }
      if (size > LABEL_BYTES_MAX) throw new Malformed("a label is of no known kind");
      if (at + 1 + size >= end) throw new Malformed("a label is cut off");
      // One byte is left for the zero.
      if (length + 1 + size >= NAME_BYTES_MAX) throw new Malformed("a name is too long");
      message.copy(bytes, length, at, at + 1 + size);
      length += 1 + size;
      at += 1 + size;
    }
    bytes[length] = 0;
    this.length = length + 1;
    return next < 0 ? at + 1 : next;
  }

  /** The name as bytes of its own. */
  copy(): Buffer {
    return Buffer.from(this.bytes.subarray(0, this.length));
  }

  /** What the name is looked up by: see `nameKey`. */
  key(): string {
    return nameKey(this.bytes, 0, this.length);
  }
}

/** What a name is looked up by: the same for names that differ in case alone. */
export function nameKey(name: Buffer, start = 0, end: number = name.length): string {
  // Latin-1 letters beyond ASCII have cases of their own to JavaScript, and none in the DNS.
  return name.toString("latin1", start, end).replaceAll(/[A-Z]+/g, (upper) => upper.toLowerCase());
}

/** Where the name without its first label begins, counted from `at`; `at` itself for the root. */
export function parentAt(name: Buffer, at: number): number {
  const size = name[at] as number;
  return size === 0 ? at : at + 1 + size;
}

/** A name in the notation of zone files; relative ones end in `origin`. Null when it is none. */
export function parseName(text: string, origin: Buffer = ROOT): Buffer | null {
  if (text === "@") return origin;
  if (text === ".") return ROOT;
  const labels: number[] = [];
  let label: number[] = [];
  let absolute = false;
  const close = (): boolean => {
    if (label.length === 0 || label.length > LABEL_BYTES_MAX) return false;
    labels.push(label.length, ...label);
    label = [];
    return true;
  };
  for (let i = 0; i < text.length; i++) {
    let code = text.charCodeAt(i);
    if (code > 255) return null;
    if (text[i] === ".") {
      if (!close()) return null;
      absolute = i === text.length - 1;
      continue;
    }
    if (text[i] === "\\") {
      const digits = /^\d{3}/.exec(text.slice(i + 1))?.[0];
      code = digits === undefined ? text.charCodeAt(i + 1) : Number(digits);
      if (!(code <= 255)) return null;
      i += digits === undefined ? 1 : 3;
    }
    label.push(code);
  }
  if (!absolute && !close()) return null;
  const name = Buffer.concat([Buffer.from(labels), absolute ? ROOT : origin]);
  return name.length > NAME_BYTES_MAX ? null : name;
}

/** A name in the notation of zone files, with its final dot. */
export function nameText(name: Buffer, at = 0): string {
  if (name[at] === 0) return ".";
  let out = "";
  for (; name[at] !== 0; at = parentAt(name, at)) {
    const end = parentAt(name, at);
    for (let i = at + 1; i < end; i++) out += escaped(name[i] as number);
    out += ".";
  }
  return out;
}

function escaped(code: number): string {
  if (code <= 0x20 || code >= 0x7f) return `\\${String(code).padStart(3, "0")}`;
  const char = String.fromCharCode(code);
  return '.\\"();@$'.includes(char) ? `\\${char}` : char;
}
