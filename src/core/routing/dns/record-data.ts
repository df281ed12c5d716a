/**
 * RecordData: what a record says, as zone files write it and as it travels.
 *
 * Invariant: data that was parsed or unpacked holds its names whole, so it can be copied into any message. What has no notation
 * of its own has that of RFC 3597 (`\# 3 0a0b0c`), which every type takes.
 */
import { Malformed } from "../../bytes/source.ts";
import { addressText, parseAddress } from "./address.ts";
import { TYPE } from "./constants.ts";
import { nameKey, type NameReader, nameText, parentAt, parseName } from "./name.ts";

/** The parts of data in the order in which they travel. */
type Part =
  | "u8"
  | "u16"
  | "u32"
  | "name"
  | "v4"
  | "v6"
  | "string"
  | "strings"
  | "tag"
  | "text"
  | "hex"
  | "base64";

const FORMS = new Map<number, readonly Part[]>([
  [TYPE.A, ["v4"]],
  [TYPE.AAAA, ["v6"]],
  [TYPE.NS, ["name"]],
  [TYPE.CNAME, ["name"]],
  [TYPE.PTR, ["name"]],
  [TYPE.MX, ["u16", "name"]],
  [TYPE.TXT, ["strings"]],
  [TYPE.HINFO, ["string", "string"]],
  [TYPE.SRV, ["u16", "u16", "u16", "name"]],
  [TYPE.SOA, ["name", "name", "u32", "u32", "u32", "u32", "u32"]],
  [TYPE.CAA, ["u8", "tag", "text"]],
  [TYPE.TLSA, ["u8", "u8", "u8", "hex"]],
  [TYPE.DS, ["u16", "u8", "u8", "hex"]],
  [TYPE.DNSKEY, ["u16", "u8", "u8", "base64"]],
  [TYPE.CDNSKEY, ["u16", "u8", "u8", "base64"]],
  [TYPE.CDS, ["u16", "u8", "u8", "hex"]],
]);

const BITS = { u8: 1, u16: 2, u32: 4 } as const;

/**
 * Data out of the words of a zone file; a word in quotes comes without them. Null when they are not what the type wants. Relative names
 * end in `origin`.
 */
export function parseData(type: number, words: readonly string[], origin: Buffer): Buffer | null {
  if (words[0] === "\\#") return parseGeneric(words.slice(1));
  const form = FORMS.get(type);
  if (form === undefined) return null;
  const parts: Buffer[] = [];
  const rest = [...words];
  for (const part of form) {
    const word = rest.shift();
    if (word === undefined) return null;
    const bytes =
      part === "strings"
        ? characterStrings([word, ...rest.splice(0)])
        : part === "hex"
          ? parseHex([word, ...rest.splice(0)].join(""))
          : part === "base64"
            ? parseBase64([word, ...rest.splice(0)].join(""))
            : parsePart(part, word, origin);
    if (bytes === null) return null;
    parts.push(bytes);
  }
  if (rest.length > 0) return null;
  const data = Buffer.concat(parts);
  return data.length > 65_535 ? null : data;
}

function parsePart(part: Part, word: string, origin: Buffer): Buffer | null {
  switch (part) {
    case "u8":
    case "u16":
    case "u32": {
      const size = BITS[part];
      if (!/^\d{1,10}$/.test(word) || Number(word) >= 2 ** (size * 8)) return null;
      const bytes = Buffer.alloc(size);
      bytes.writeUIntBE(Number(word), 0, size);
      return bytes;
    }
    case "name":
      return parseName(word, origin);
    case "v4":
    case "v6": {
      const address = parseAddress(word);
      return address?.length === (part === "v4" ? 4 : 16) ? address : null;
    }
    case "string":
      return characterStrings([word]);
    case "tag":
      return /^[a-z0-9]{1,255}$/i.test(word) ? characterStrings([word]) : null;
    case "text":
      return unescaped(word);
    case "strings":
    case "hex":
    case "base64":
      return null;
  }
}

function characterStrings(words: readonly string[]): Buffer | null {
  const parts: Buffer[] = [];
  for (const word of words) {
    const bytes = unescaped(word);
    if (bytes === null) return null;
    // One that is too long for a single string goes on in the next, as for keys that signers publish.
    for (let at = 0; at === 0 || at < bytes.length; at += 255) {
      const piece = bytes.subarray(at, at + 255);
      parts.push(Buffer.from([piece.length]), piece);
    }
  }
  return Buffer.concat(parts);
}

function unescaped(word: string): Buffer | null {
  const bytes: number[] = [];
  const utf8 = Buffer.from(word, "utf8").toString("latin1");
  for (let i = 0; i < utf8.length; i++) {
    let code = utf8.charCodeAt(i);
    if (utf8[i] === "\\") {
      const digits = /^\d{3}/.exec(utf8.slice(i + 1))?.[0];
      code = digits === undefined ? utf8.charCodeAt(i + 1) : Number(digits);
      if (!(code <= 255)) return null;
      i += digits === undefined ? 1 : 3;
    }
    bytes.push(code);
  }
  return Buffer.from(bytes);
}

function parseHex(text: string): Buffer | null {
  return /^(?:[0-9a-f]{2})*$/i.test(text) ? Buffer.from(text, "hex") : null;
}

function parseBase64(text: string): Buffer | null {
  return /^[a-z0-9+/]+={0,2}$/i.test(text) && text.length % 4 === 0
    ? Buffer.from(text, "base64")
    : null;
}

function parseGeneric([length, ...hex]: readonly string[]): Buffer | null {
  const bytes = parseHex(hex.join(""));
  return bytes !== null && String(bytes.length) === length ? bytes : null;
}

/** Data as zone files write it. */
export function dataText(type: number, data: Buffer): string {
  const form = FORMS.get(type);
  if (form === undefined) return `\\# ${data.length} ${data.toString("hex")}`.trimEnd();
  const words: string[] = [];
  let at = 0;
  for (const part of form) {
    const end = partEnd(part, data, at, data.length);
    words.push(partText(part, data.subarray(at, end)));
    at = end;
  }
  return words.join(" ");
}

function partText(part: Part, bytes: Buffer): string {
  switch (part) {
    case "u8":
    case "u16":
    case "u32":
      return String(bytes.readUIntBE(0, bytes.length));
    case "name":
      return nameText(bytes);
    case "v4":
    case "v6":
      return addressText(bytes);
    case "string":
      return quoted(bytes.subarray(1));
    case "strings": {
      const words: string[] = [];
      for (let at = 0; at < bytes.length; at += 1 + (bytes[at] as number))
        words.push(quoted(bytes.subarray(at + 1, at + 1 + (bytes[at] as number))));
      return words.join(" ");
    }
    case "tag":
      return bytes.toString("latin1", 1);
    case "text":
      return quoted(bytes);
    case "hex":
      return bytes.toString("hex").toUpperCase();
    case "base64":
      return bytes.toString("base64");
  }
}

function quoted(bytes: Buffer): string {
  let out = "";
  for (const code of bytes)
    if (code < 0x20 || code >= 0x7f) out += `\\${String(code).padStart(3, "0")}`;
    else
      out +=
        code === 0x22 || code === 0x5c
          ? `\\${String.fromCharCode(code)}`
          : String.fromCharCode(code);
  return `"${out}"`;
}

/** Where the part at `at` ends. Throws when it does not end before `end`. */
function partEnd(part: Part, bytes: Buffer, at: number, end: number): number {
  const size = partBytes(part, bytes, at, end);
  if (size > end - at) throw new Malformed("data of a record is cut off");
  return at + size;
}

function partBytes(part: Part, bytes: Buffer, at: number, end: number): number {
  switch (part) {
    case "u8":
    case "u16":
    case "u32":
      return BITS[part];
    case "v4":
      return 4;
    case "v6":
      return 16;
    case "string":
    case "tag":
      return at < end ? 1 + (bytes[at] as number) : 1;
    case "strings": {
      let to = at;
      do to += to < end ? 1 + (bytes[to] as number) : 1;
      while (to < end);
      return to - at;
    }
    case "name": {
      let to = at;
      while (to < end && bytes[to] !== 0) to = parentAt(bytes, to);
      return to + 1 - at;
    }
    case "text":
    case "hex":
    case "base64":
      return end - at;
  }
}

/** Data as signatures cover it (RFC 4034 §6.2): the names in it, of the types that knew them then, in lower case. */
export function canonicalData(type: number, data: Buffer): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  for (const part of FORMS.get(type) ?? []) {
    const end = partEnd(part, data, at, data.length);
    const bytes = data.subarray(at, end);
    parts.push(part === "name" ? Buffer.from(nameKey(bytes), "latin1") : bytes);
    at = end;
  }
  return Buffer.concat([...parts, data.subarray(at)]);
}

/** Data out of `message[start … end)` as bytes of its own, with its names unpacked. */
export function unpackData(
  type: number,
  message: Buffer,
  start: number,
  end: number,
  reader: NameReader,
): Buffer {
  const form = FORMS.get(type);
  if (form === undefined) return Buffer.from(message.subarray(start, end));
  const parts: Buffer[] = [];
  let at = start;
  for (const part of form) {
    const from = at;
    if (part === "name") {
      at = reader.read(message, at, end);
      parts.push(reader.copy());
    } else {
      at = partEnd(part, message, at, end);
      parts.push(Buffer.from(message.subarray(from, at)));
    }
  }
  if (at !== end) throw new Malformed("data of a record is longer than its type says");
  return Buffer.concat(parts);
}
