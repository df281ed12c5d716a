/**
 * ZoneView: the zone as a secondary server is given it, which knows no health and no places: for each name that a rule steers, the addresses
 * that are right for everybody now.
 *
 *     AXFR: SOA │ every set, its signatures and NSEC │ SOA
 *
 * Invariant: what is transferred under one serial is always the same, and a later serial is a larger number. A signed zone comes whole: what
 * its NSEC records list is what comes with them.
 */
import { CLASS, FLAG, HEADER_BYTES, TYPE } from "./constants.ts";
import { MessageWriter, type ResourceRecord } from "./message-writer.ts";
import { ROOT } from "./name.ts";
import type { ServedZone } from "./responder.ts";
import type { ZoneNode } from "./zone.ts";
import type { RecordSet } from "./zone-signatures.ts";

/** What is right for everybody, by the rule and the type: nothing where it depends on who asks. */
export type Settled = (
  rule: string,
  type: number,
) => { readonly data: readonly Buffer[]; readonly ttl: number };

const STEERED = [TYPE.A, TYPE.AAAA];
/** Beyond, names could not be pointed to. */
const MESSAGE_BYTES = 16_000;
const MESSAGE_BYTES_MAX = 65_535;
const TTL_AND_THE_LIKE = 10;

export class ZoneView {
  readonly #served: ServedZone;
  readonly #settled: Settled;
  readonly #steered: readonly { readonly node: ZoneNode; readonly rule: string }[];
  readonly #sets = new Map<ZoneNode, RecordSet[]>();
  /** What the sets hold, and which signatures they have. */
  #state = "";
  #serial = 0;

  constructor(served: ServedZone, settled: Settled, nowMs: number) {
    this.#served = served;
    this.#settled = settled;
    this.#steered = [...served.zone.nodes].flatMap((node) =>
      node.rule === null ? [] : [{ node, rule: node.rule }],
    );
    this.update(nowMs);
  }

  get serial(): number {
    return this.#serial;
  }

  /** Looks at what the rules give now. True when it is another view: under a serial of its own. */
  update(nowMs: number): boolean {
    const { zone, signatures } = this.#served;
    const found = this.#steered.map(({ node, rule }) => ({
      node,
      sets: STEERED.map((type) => this.#setOf(node, rule, type)).filter(({ length }) => length > 0),
    }));
    const state = [
      signatures?.rounds ?? 0,
      ...found.map(({ sets }) => sets.flat().map(({ data }) => data.toString("hex"))),
    ].join(";");
    if (state === this.#state) return false;
    this.#state = state;
    for (const set of [...this.#sets.values()].flat()) signatures?.forget(set);
    for (const { node, sets } of found) {
      this.#sets.set(node, sets);
      for (const set of sets) signatures?.add(set, nowMs);
    }
    this.#serial = Math.max(this.#serial + 1, Math.floor(nowMs / 1000)) >>> 0;
    const before = zone.apex.sets.get(TYPE.SOA) ?? [];
    const soa = zone.number(this.#serial);
    signatures?.forget(before);
    signatures?.add(soa, nowMs);
    return true;
  }

  /** The messages of a transfer that answers `question`. */
  *messages(id: number, question: Buffer): Generator<Buffer> {
    const writer = new MessageWriter();
    const begin = (asked: Buffer | null): void =>
      writer.begin(id, FLAG.QR | FLAG.AA, asked, MESSAGE_BYTES_MAX, -1);
    begin(question);
    let bytes = 0;
    for (const record of this.records()) {
      const more = record.name.length + TTL_AND_THE_LIKE + record.data.length;
      if (bytes > 0 && bytes + more > MESSAGE_BYTES) {
        yield Buffer.from(writer.end());
        begin(null);
        bytes = 0;
      }
      bytes += more;
      writer.add("answer", record);
    }
    yield Buffer.from(writer.end());
  }

  /** All of the zone, between its SOA and its SOA. */
  *records(): Generator<ResourceRecord> {
    const { zone, signatures } = this.#served;
    const soa = zone.apex.sets.get(TYPE.SOA) ?? [];
    const signed = function* (set: RecordSet): Generator<ResourceRecord> {
      yield* set;
      yield* signatures?.of(set) ?? [];
    };
    yield* signed(soa);
    for (const node of zone.nodes) {
      const chosen = this.#sets.get(node) ?? [];
      for (const set of [...node.sets.values(), ...chosen]) if (set !== soa) yield* signed(set);
      const types = chosen.flatMap(([first]) => (first === undefined ? [] : [first.type]));
      yield* signed(signatures?.nsecOf(node, node.rule === null ? null : types) ?? []);
    }
    yield* soa;
  }

  /** Tells a secondary that there is another view (RFC 1996). */
  notice(id: number): Buffer {
    const { origin } = this.#served.zone;
    const head = Buffer.alloc(HEADER_BYTES);
    head.writeUInt16BE(id, 0);
    head.writeUInt16BE(NOTIFY_FLAGS, 2);
    head.writeUInt16BE(1, 4);
    const tail = Buffer.from([0, TYPE.SOA, 0, CLASS.IN]);
    return Buffer.concat([head, origin.length === 0 ? ROOT : origin, tail]);
  }

  #setOf({ name }: ZoneNode, rule: string, type: number): RecordSet {
    const { data, ttl } = this.#settled(rule, type);
    return data.map((one) => ({ name, type, class: CLASS.IN, ttl, data: one }));
  }
}

/** Opcode NOTIFY, said with authority. */
const NOTIFY_FLAGS = 0x2400;
