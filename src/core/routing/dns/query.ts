/**
 * Query: what a resolver asks, out of the bytes of its packet.
 *
 *     id │ flags │ 1 0 0 n │ name type class │ n records, of which at most one is OPT
 *
 * Invariant: the work is bounded by the length of the packet, whatever its counts claim. What comes is a question that can be answered, or
 * the code of the refusal together with as much of the question as is to be sent back; or nothing, for what is no query at all.
 */
import { Malformed, Source } from "../../bytes/source.ts";
import { HEADER_BYTES, OPCODE, RCODE, TYPE } from "./constants.ts";
import { type Edns, readOptions } from "./edns.ts";
import { NameReader } from "./name.ts";

/** Records behind the question of a query: OPT, a signature, and room for what is to come. */
const RECORDS_MAX = 4;

/** One query after the other; what it says is valid until the next is read. */
export class Query {
  id = 0;
  flags = 0;
  /** NOERROR, or why it is refused. */
  rcode: number = RCODE.NOERROR;
  readonly name: NameReader = new NameReader();
  /** 0 while no question could be read. */
  questionBytes = 0;
  type = 0;
  class = 0;
  edns: Edns | null = null;
  readonly #owner = new NameReader();

  get opcode(): number {
    return (this.flags >> 11) & 0xf;
  }

  /** Reads a packet. False when it is nothing that may be answered: too short, or an answer itself. */
  read(packet: Buffer): boolean {
    this.questionBytes = 0;
    this.edns = null;
    this.rcode = RCODE.NOERROR;
    if (packet.length < HEADER_BYTES) return false;
    this.id = packet.readUInt16BE(0);
    this.flags = packet.readUInt16BE(2);
    if ((this.flags & 0x8000) !== 0) return false;
    if (this.opcode !== OPCODE.QUERY && this.opcode !== OPCODE.NOTIFY) {
      this.rcode = RCODE.NOTIMP;
      return true;
    }
    try {
      this.#read(packet);
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      this.rcode = RCODE.FORMERR;
    }
    if (this.opcode === OPCODE.NOTIFY && this.rcode === RCODE.NOERROR) this.rcode = RCODE.NOTIMP;
    return true;
  }

  #read(packet: Buffer): void {
    const records = packet.readUInt16BE(10);
    if (packet.readUInt16BE(4) !== 1) throw new Malformed("there is other than one question");
    if (packet.readUInt16BE(6) !== 0) throw new Malformed("a query has answers");
    const authorities = packet.readUInt16BE(8);
    if (records + authorities > RECORDS_MAX) throw new Malformed("a query has too many records");
    const source = new Source(packet);
    source.at = this.name.read(packet, HEADER_BYTES, packet.length);
    this.type = source.u16();
    this.class = source.u16();
    const questionBytes = source.at - HEADER_BYTES;
    // Nothing lies ahead of a question to which its name could point. One that is compressed is not sent back: only whole names are.
    if (questionBytes !== this.name.length + 4) throw new Malformed("a question is compressed");
    this.questionBytes = questionBytes;
    // Who asks for what has changed says since when (RFC 1995).
    if (authorities !== 0 && this.opcode === OPCODE.QUERY && this.type !== TYPE.IXFR)
      throw new Malformed("a query has an authority");
    for (let i = 0; i < authorities + records; i++) this.#record(source);
    if (source.left > 0) throw new Malformed("bytes follow a query");
  }

  #record(source: Source): void {
    source.at = this.#owner.read(source.bytes, source.at, source.end);
    const type = source.u16();
    const udpBytes = source.u16();
    source.skip(1);
    const version = source.u8();
    const flags = source.u16();
    const length = source.u16();
    source.need(length);
    const end = source.at + length;
    if (type !== TYPE.OPT) {
      source.at = end;
      return;
    }
    if (this.edns !== null || this.#owner.length !== 1) throw new Malformed("there are two OPTs");
    this.edns = {
      udpBytes,
      version,
      flags,
      subnet: null,
      cookie: null,
      wantsNsid: false,
      wantsKeepalive: false,
      wantsPadding: false,
    };
    // What the options of another version look like nobody knows yet.
    if (version !== 0) {
      this.rcode = RCODE.BADVERS;
      source.at = end;
    } else readOptions(source, end, this.edns);
  }
}
