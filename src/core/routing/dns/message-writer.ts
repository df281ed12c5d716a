/**
 * MessageWriter: a response, section by section, with names compressed.
 *
 * Invariant: what `end` returns is well-formed and at most as long as it may be: what does not fit is left out as a whole, and the
 * response says that it is cut (TC), so that the client asks again over TCP.
 */
import { Sink } from "../../bytes/sink.ts";
import { FLAG, HEADER_BYTES, OPTION, TYPE } from "./constants.ts";
import { nameKey, parentAt } from "./name.ts";

/** A record's data, and under which name, type and for how long. Names inside of `data` are not compressed. */
export interface ResourceRecord {
  readonly name: Buffer;
  readonly type: number;
  readonly class: number;
  readonly ttl: number;
  readonly data: Buffer;
}

/** An offset must fit into a pointer. */
const POINTER_MAX = 0x3fff;
const OPT_BYTES = 11;
const PADDING_BYTES = 4;

export type Section = "answer" | "authority" | "additional";
const COUNT_AT: Readonly<Record<Section, number>> = { answer: 6, authority: 8, additional: 10 };

export class MessageWriter {
  readonly #sink = new Sink(4096);
  readonly #offsets = new Map<string, number>();
  #bytesMax = 0;
  #bodyAt = 0;
  #optBytes = 0;
  /** Nothing more is added: what is known of names may lie in what was taken back. */
  #full = false;

  /**
   * Begins a response of at most `bytesMax` bytes, `optBytes` of which the options of an OPT will take (−1: there will be none). The
   * question, if there is one, is sent back as it came.
   */
  begin(
    id: number,
    flags: number,
    question: Buffer | null,
    bytesMax: number,
    optBytes: number,
  ): void {
    const sink = this.#sink;
    sink.clear();
    this.#offsets.clear();
    this.#full = false;
    this.#bytesMax = bytesMax;
    this.#optBytes = optBytes < 0 ? 0 : OPT_BYTES + optBytes;
    sink.u16(id);
    sink.u16(flags);
    sink.u16(question === null ? 0 : 1);
    sink.u16(0);
    sink.u32(0);
    if (question !== null) {
      sink.raw(question, 0, question.length);
      this.#learn(question, HEADER_BYTES);
    }
    this.#bodyAt = sink.length;
  }

  /** Adds a record. False when it does not fit: nothing more is added then. */
  add(section: Section, record: ResourceRecord): boolean {
    return this.addData(section, record.name, record.type, record.class, record.ttl, record.data);
  }

  addData(
    section: Section,
    name: Buffer,
    type: number,
    klass: number,
    ttl: number,
    data: Buffer,
  ): boolean {
    if (this.#full) return false;
    const sink = this.#sink;
    const start = sink.length;
    this.#name(name, 0);
    sink.u16(type);
    sink.u16(klass);
    sink.u32(ttl);
    sink.u16(0);
    const dataAt = sink.length;
    this.#data(type, data);
    sink.buffer.writeUInt16BE(sink.length - dataAt, dataAt - 2);
    if (sink.length + this.#optBytes > this.#bytesMax) {
      sink.length = start;
      this.#full = true;
      // What goes with an answer without being asked for may be missing.
      if (section !== "additional") this.#truncate();
      return false;
    }
    const at = COUNT_AT[section];
    sink.buffer.writeUInt16BE(sink.buffer.readUInt16BE(at) + 1, at);
    return true;
  }

  /** Leaves out everything but the question, as if nothing had fitted. */
  cut(): void {
    this.#truncate();
  }

  /**
   * Adds OPT: `rcode` is whole, of which its upper bits travel here; `options` are encoded. With `blockBytes` zeros are added until the
   * response is a multiple of that, so that its length tells less (RFC 8467); 0: none.
   */
  opt(udpBytes: number, rcode: number, flags: number, options: Buffer, blockBytes: number): void {
    const sink = this.#sink;
    const bytes = sink.length + OPT_BYTES + options.length + PADDING_BYTES;
    const zeros = blockBytes === 0 ? 0 : (blockBytes - (bytes % blockBytes)) % blockBytes;
    const padding = blockBytes === 0 ? 0 : PADDING_BYTES + zeros;
    sink.u8(0);
    sink.u16(TYPE.OPT);
    sink.u16(udpBytes);
    sink.u8(rcode >> 4);
    sink.u8(0);
    sink.u16(flags);
    sink.u16(options.length + padding);
    sink.raw(options, 0, options.length);
    if (padding > 0) {
      sink.u16(OPTION.PADDING);
      sink.u16(zeros);
      sink.reserve(zeros);
      sink.buffer.fill(0, sink.length, sink.length + zeros);
      sink.length += zeros;
    }
    sink.buffer.writeUInt16BE(sink.buffer.readUInt16BE(10) + 1, 10);
  }

  /** The response; valid until the next begins. */
  end(): Buffer {
    return this.#sink.view();
  }

  #truncate(): void {
    const sink = this.#sink;
    this.#full = true;
    sink.length = this.#bodyAt;
    sink.buffer.writeUInt16BE(sink.buffer.readUInt16BE(2) | FLAG.TC, 2);
    sink.buffer.fill(0, 6, HEADER_BYTES);
  }

  #data(type: number, data: Buffer): void {
    const sink = this.#sink;
    // Only names that the oldest servers know to unpack may be compressed (RFC 3597).
    switch (type) {
      case TYPE.NS:
      case TYPE.CNAME:
      case TYPE.PTR:
        this.#name(data, 0);
        return;
      case TYPE.MX:
        sink.raw(data, 0, 2);
        this.#name(data, 2);
        return;
      case TYPE.SOA:
        this.#name(data, this.#name(data, 0));
        sink.raw(data, data.length - 20, data.length);
        return;
      default:
        sink.raw(data, 0, data.length);
    }
  }

  /** Writes the name at `at`, its end as a pointer where it was written before; returns where it ends in `bytes`. */
  #name(bytes: Buffer, at: number): number {
    const sink = this.#sink;
    const end = nameEnd(bytes, at);
    for (; bytes[at] !== 0; at = parentAt(bytes, at)) {
      const key = nameKey(bytes, at, end);
      const known = this.#offsets.get(key);
      if (known !== undefined && known < sink.length) {
        sink.u16(0xc000 | known);
        return end;
      }
      if (sink.length <= POINTER_MAX) this.#offsets.set(key, sink.length);
      sink.raw(bytes, at, parentAt(bytes, at));
    }
    sink.u8(0);
    return end;
  }

  /** The name at the beginning of `bytes` lies at `offset` of the message. */
  #learn(bytes: Buffer, offset: number): void {
    const end = nameEnd(bytes, 0);
    for (let at = 0; bytes[at] !== 0; at = parentAt(bytes, at))
      this.#offsets.set(nameKey(bytes, at, end), offset + at);
  }
}

function nameEnd(bytes: Buffer, at: number): number {
  while (bytes[at] !== 0) at = parentAt(bytes, at);
  return at + 1;
}
