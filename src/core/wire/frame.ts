/**
 * Frame: how one message travels between peers, inside a stream of bytes.
 *
 *     u32 length │ u8 type │ u8 flags │ u16 group │ body … │ u32 crc32
 *                └──────────── the checksum covers ───────┘
 *                └──────────── the length counts ──────────────────┘
 *
 * Invariant: a message is handed over whole and as it was sent, or `Malformed` is thrown and nothing after it is believed. No
 * memory is set aside for a length before the bytes it promises have come, so a liar costs no more than what it sends.
 *
 * A body beyond `FRAGMENT_BYTES_MAX` travels as several frames of the same type and group that follow one another; all but the
 * last carry MORE. Each is compressed by itself, so unpacking one is bounded too.
 */
import { assert } from "../assert.ts";
import type { Sink } from "../bytes/sink.ts";
import { Malformed } from "../bytes/source.ts";

/** What a frame holds. The transport hands over every type and keeps ERROR, the reason of a close, for itself. */
export const FRAME = {
  HELLO: 0x01,
  STANDING: 0x02,
  BATCH: 0x03,
  ACK: 0x04,
  PULL: 0x06,
  SNAP_ASK: 0x07,
  SNAP_BEGIN: 0x08,
  SNAP_SECTION: 0x09,
  SNAP_END: 0x0a,
  VERIFY_ASK: 0x0b,
  VERIFY_TELL: 0x0c,
  MESSAGES: 0x0d,
  ROSTER: 0x0f,
  FORWARD: 0x10,
  FORWARDED: 0x11,
  RIGHTS_ASK: 0x12,
  RIGHTS_TELL: 0x13,
  STRONG: 0x0e,
  ERROR: 0x3f,
} as const;

/** The body is compressed (zstd). */
export const FLAG_COMPRESSED = 1;
/** The message goes on in the next frame. */
export const FLAG_MORE = 2;
const FLAGS_KNOWN = FLAG_COMPRESSED | FLAG_MORE;

/** The most a single frame carries, unpacked. */
export const FRAGMENT_BYTES_MAX = 16 * 1024 * 1024;
/** The most a message carries over all its frames. */
export const MESSAGE_BYTES_MAX = 600 * 1024 * 1024;

const LENGTH_BYTES = 4;
const HEADER_BYTES = 4;
const CRC_BYTES = 4;
const LENGTH_MIN = HEADER_BYTES + CRC_BYTES;
// A body that does not shrink is sent as it is, so the slack is only for a peer that packs it nevertheless.
const LENGTH_MAX = LENGTH_MIN + FRAGMENT_BYTES_MAX + 64 * 1024;

/** CRC-32 (IEEE) of `bytes`, as `zlib.crc32` computes it. */
export type Crc32 = (bytes: Uint8Array) => number;

/** How many bytes a frame takes on the wire around a body of `bodyBytes`. */
export function frameBytes(bodyBytes: number): number {
  return LENGTH_BYTES + LENGTH_MIN + bodyBytes;
}

/** Writes one frame. `body` is what the flags say it is, at most `FRAGMENT_BYTES_MAX` bytes. */
export function writeFrame(
  sink: Sink,
  type: number,
  flags: number,
  group: number,
  body: Uint8Array,
  crc32: Crc32,
): void {
  assert(body.length <= FRAGMENT_BYTES_MAX, "a frame's body was not split");
  assert((flags & ~FLAGS_KNOWN) === 0, "a frame has a flag that no peer knows");
  sink.reserve(frameBytes(body.length));
  sink.u32(LENGTH_MIN + body.length);
  const start = sink.length;
  sink.u8(type);
  sink.u8(flags);
  sink.u16(group);
  sink.raw(body, 0, body.length);
  sink.u32(crc32(sink.buffer.subarray(start, sink.length)));
}

/** Receives a whole message. `body` is valid only inside the call. */
export type MessageVisitor = (type: number, group: number, body: Buffer) => void;

export interface FrameTools {
  readonly crc32: Crc32;
  /** Unpacks to at most `bytesMax` bytes; throws when the bytes are not zstd or hold more. */
  readonly unpack: (bytes: Buffer, bytesMax: number) => Buffer;
  /** The most one message may hold; `MESSAGE_BYTES_MAX` unless told. */
  readonly messageBytesMax?: number;
}

/** Turns a stream, cut anywhere, back into messages. After it has thrown it must not be used again. */
export class FrameDecoder {
  readonly #tools: FrameTools;
  readonly #messageBytesMax: number;
  /** The beginning of a frame whose end has not come: `#pending[0 … #held)`. */
  #pending: Buffer = Buffer.alloc(0);
  #held = 0;
  /** The fragments so far of the message that is under way. */
  #fragments: Buffer[] = [];
  #fragmentBytes = 0;
  #stopped = false;
  #fragmentType = 0;
  #fragmentGroup = 0;

  constructor(tools: FrameTools) {
    this.#tools = tools;
    this.#messageBytesMax = tools.messageBytesMax ?? MESSAGE_BYTES_MAX;
  }

  /** Bytes kept for messages that are not complete. */
  get heldBytes(): number {
    return this.#held + this.#fragmentBytes;
  }

  /** Called by a visitor that wants no more for now: `push` returns behind its message. */
  stop(): void {
    this.#stopped = true;
  }

  /**
   * Takes the next bytes of the stream and visits every message they complete. Returns how many bytes it took: all, unless it was
   * stopped. Throws `Malformed`.
   */
  push(chunk: Buffer, visit: MessageVisitor): number {
    let at = 0;
    this.#stopped = false;
    while (at < chunk.length && !this.#stopped) {
      if (this.#held > 0) {
        at = this.#fill(chunk, at);
        if (this.#held < LENGTH_BYTES) return chunk.length;
        const bytes = LENGTH_BYTES + believed(this.#pending, 0);
        if (this.#held < bytes) continue;
        this.#held = 0;
        this.#frame(this.#pending, LENGTH_BYTES, bytes, visit);
        // What a rare large frame needed is not kept for the small ones that follow.
        if (this.#pending.length > PENDING_KEPT_MAX) this.#pending = Buffer.alloc(0);
      } else {
        const left = chunk.length - at;
        const bytes =
          left < LENGTH_BYTES ? Number.POSITIVE_INFINITY : LENGTH_BYTES + believed(chunk, at);
        if (left < bytes) {
          this.#hold(chunk, at, chunk.length);
          return chunk.length;
        }
        this.#frame(chunk, at + LENGTH_BYTES, at + bytes, visit);
        at += bytes;
      }
    }
    return at;
  }

  /** Adds to the pending frame what it lacks, as far as it is there; returns how far the chunk is used up. */
  #fill(chunk: Buffer, at: number): number {
    const wanted =
      this.#held < LENGTH_BYTES ? LENGTH_BYTES : LENGTH_BYTES + believed(this.#pending, 0);
    const end = Math.min(chunk.length, at + wanted - this.#held);
    this.#hold(chunk, at, end);
    return end;
  }

  #hold(chunk: Buffer, start: number, end: number): void {
    const needed = this.#held + end - start;
    if (needed > this.#pending.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#pending.length * 2, 1024));
      this.#pending.copy(larger, 0, 0, this.#held);
      this.#pending = larger;
    }
    chunk.copy(this.#pending, this.#held, start, end);
    this.#held = needed;
  }

  /** One whole frame: `bytes[start … end)` is what its length counts. */
  #frame(bytes: Buffer, start: number, end: number, visit: MessageVisitor): void {
    const bodyEnd = end - CRC_BYTES;
    if (this.#tools.crc32(bytes.subarray(start, bodyEnd)) !== bytes.readUInt32BE(bodyEnd))
      throw new Malformed("a frame's checksum does not match: its bytes were changed on the way");
    const type = bytes[start] as number;
    const flags = bytes[start + 1] as number;
    const group = bytes.readUInt16BE(start + 2);
    if ((flags & ~FLAGS_KNOWN) !== 0)
      throw new Malformed(`a frame has unknown flags (0x${flags.toString(16)})`);
    const body = this.#body(bytes.subarray(start + HEADER_BYTES, bodyEnd), flags);
    const more = (flags & FLAG_MORE) !== 0;
    if (this.#fragments.length === 0 && !more) visit(type, group, body);
    else this.#join(type, group, body, more, visit);
  }

  #body(body: Buffer, flags: number): Buffer {
    if ((flags & FLAG_COMPRESSED) === 0) {
      if (body.length > FRAGMENT_BYTES_MAX) throw new Malformed("a frame's body is too long");
      return body;
    }
    try {
      return this.#tools.unpack(body, FRAGMENT_BYTES_MAX);
    } catch (error) {
      throw new Malformed("a frame's compressed body cannot be unpacked", { cause: error });
    }
  }

  #join(type: number, group: number, body: Buffer, more: boolean, visit: MessageVisitor): void {
    if (this.#fragments.length === 0) {
      this.#fragmentType = type;
      this.#fragmentGroup = group;
    } else if (type !== this.#fragmentType || group !== this.#fragmentGroup)
      throw new Malformed("a frame came in the middle of another message");
    // An empty piece would cost memory that the bound below does not see.
    if (body.length === 0) throw new Malformed("a fragment is empty");
    this.#fragmentBytes += body.length;
    if (this.#fragmentBytes > this.#messageBytesMax)
      throw new Malformed(`a message is longer than ${this.#messageBytesMax} bytes`);
    this.#fragments.push(Buffer.from(body));
    if (more) return;
    const whole = Buffer.concat(this.#fragments, this.#fragmentBytes);
    this.#fragments = [];
    this.#fragmentBytes = 0;
    visit(type, group, whole);
  }
}

const PENDING_KEPT_MAX = 256 * 1024;

/** The length at `at`, if it can be one. */
function believed(bytes: Buffer, at: number): number {
  const length = bytes.readUInt32BE(at);
  if (length < LENGTH_MIN || length > LENGTH_MAX)
    throw new Malformed(`a frame claims a length of ${length} bytes`);
  return length;
}
