/**
 * RESP for tests: requests to bytes, and replies to frames and trees, in RESP2 and RESP3.
 *
 * Invariant: a frame is kept as the bytes that came, so two servers can be compared byte for byte; the tree is only a way
 * to look into it. Written apart from Atoll's own codec on purpose: a shared mistake would be invisible.
 */

/** One reply, or one element of one. Maps and attributes keep their items flat, key after key. */
export type Reply = { raw: Buffer } & (
  | { type: "+" | "-" | ":" | "#" | "," | "(" | "_"; text: Buffer }
  | { type: "$" | "=" | "!"; text: Buffer | null }
  | { type: "*" | "%" | "~" | ">" | "|"; items: Reply[] | null }
);

const CR = 13;
const CRLF = Buffer.from("\r\n");

/** A request as clients send it: an array of bulk strings. */
export function encodeCommand(args: readonly (Buffer | string | number)[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${args.length}\r\n`)];
  for (const arg of args) {
    const bytes = Buffer.isBuffer(arg) ? arg : Buffer.from(String(arg));
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, CRLF);
  }
  return Buffer.concat(parts);
}

/** The end of the frame that begins at `start`, or -1 while it has not all come. Throws when it is not RESP. */
export function frameEnd(bytes: Buffer, start: number): number {
  let pending = 1;
  let at = start;
  while (pending > 0) {
    const lineEnd = bytes.indexOf(CR, at);
    if (lineEnd < 0 || lineEnd + 2 > bytes.length) return -1;
    const type = String.fromCharCode(bytes[at] ?? 0);
    const next = lineEnd + 2;
    pending -= 1;
    switch (type) {
      case "+":
      case "-":
      case ":":
      case "#":
      case ",":
      case "(":
      case "_":
        at = next;
        break;
      case "$":
      case "=":
      case "!": {
        const length = lineNumber(bytes, at + 1, lineEnd);
        at = length < 0 ? next : next + length + 2;
        if (at > bytes.length) return -1;
        break;
      }
      case "*":
      case "~":
      case ">":
        pending += Math.max(0, lineNumber(bytes, at + 1, lineEnd));
        at = next;
        break;
      case "%":
        pending += 2 * Math.max(0, lineNumber(bytes, at + 1, lineEnd));
        at = next;
        break;
      case "|":
        // An attribute stands in front of the reply it describes.
        pending += 2 * lineNumber(bytes, at + 1, lineEnd) + 1;
        at = next;
        break;
      default:
        throw new Error(
          `not RESP: ${JSON.stringify(bytes.toString("latin1", at, Math.min(bytes.length, at + 60)))}`,
        );
    }
  }
  return at;
}

/** Looks into one whole frame. */
export function parseReply(frame: Buffer): Reply {
  return parseAt(frame, { at: 0 });
}

function parseAt(bytes: Buffer, cursor: { at: number }): Reply {
  const start = cursor.at;
  const lineEnd = bytes.indexOf(CR, start);
  const type = String.fromCharCode(bytes[start] ?? 0) as Reply["type"];
  cursor.at = lineEnd + 2;
  switch (type) {
    case "$":
    case "=":
    case "!": {
      const length = lineNumber(bytes, start + 1, lineEnd);
      const text = length < 0 ? null : bytes.subarray(cursor.at, cursor.at + length);
      if (text !== null) cursor.at += length + 2;
      return { type, text, raw: bytes.subarray(start, cursor.at) };
    }
    case "*":
    case "~":
    case ">":
    case "%":
    case "|": {
      const count = lineNumber(bytes, start + 1, lineEnd) * (type === "%" || type === "|" ? 2 : 1);
      const items = count < 0 ? null : Array.from({ length: count }, () => parseAt(bytes, cursor));
      return { type, items, raw: bytes.subarray(start, cursor.at) };
    }
    default:
      return {
        type,
        text: bytes.subarray(start + 1, lineEnd),
        raw: bytes.subarray(start, cursor.at),
      };
  }
}

function lineNumber(bytes: Buffer, start: number, end: number): number {
  const number = Number(bytes.toString("latin1", start, end));
  if (!Number.isInteger(number)) throw new Error("not RESP: a length that is no number");
  return number;
}

/** The items of an aggregate, or an empty list. */
export function itemsOf(reply: Reply | undefined): Reply[] {
  return reply !== undefined && "items" in reply && reply.items !== null ? reply.items : [];
}

/** The bytes of anything that is not an aggregate; null for a null. */
export function textOf(reply: Reply | undefined): Buffer | null {
  return reply !== undefined && "text" in reply && reply.type !== "_" ? reply.text : null;
}

/** Whether the reply is an error, in either protocol. */
export function isError(reply: Reply): boolean {
  return reply.type === "-" || reply.type === "!";
}

/** Whether the reply is one of the nulls: `$-1`, `*-1` or `_`. */
export function isNull(reply: Reply): boolean {
  return reply.type === "_" || ("text" in reply ? reply.text === null : reply.items === null);
}
