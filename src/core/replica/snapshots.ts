/**
 * Snapshots: hands whole copies of the data to peers whose need lies below our log, in sections, while we go on serving.
 *
 *   SNAP_ASK ─► SNAP_BEGIN ─► SNAP_SECTION … ─► durable up to here? ─► SNAP_END
 *                    ▲ again, of a section that was lost with its connection: walked anew from there
 *
 * Invariant: a section may show records that a crash would still take back, so SNAP_END is said only once everything any section
 * showed is durable, and a snapshot ends with the process that began it. One section is written a turn, and at most
 * `WINDOW` ahead of what the peer has stored: a slow peer costs us nothing but the place where it stopped.
 */
import { Sink } from "../bytes/sink.ts";
import type { Vector } from "../clock/vector.ts";
import { FRAME } from "../wire/frame.ts";
import { type CheckpointPlace, CheckpointWriter } from "./checkpoint.ts";
import type { Link } from "./link.ts";
import type { Replica } from "./replica.ts";
import * as words from "./snapshot-words.ts";

/** Sections that may be under way. */
const WINDOW = 64;
/** A snapshot whose peer has been gone for so long is forgotten. */
const FORGET_AFTER_MS = 60_000;

interface Giving {
  readonly member: string;
  readonly id: number;
  readonly writer: CheckpointWriter;
  /** Where sections begin that the peer has not said to have stored. */
  readonly places: Map<number, CheckpointPlace>;
  /** The next section to be written; section 0 was sent with SNAP_BEGIN. */
  next: number;
  stored: number;
  /** Behind the last section: what must be durable before the end is said. */
  end: { readonly position: number; readonly vector: Vector } | null;
  ended: boolean;
  /** A turn was asked for. */
  wished: boolean;
  /** The link it goes over, and when it was last there. */
  link: number;
  seenMs: number;
}

/** One of them, for status. */
export interface GivingStatus {
  readonly to: string;
  readonly keys: number;
}

export class Snapshots {
  readonly #replica: Replica;
  readonly #send: (link: Link, type: number, body: Buffer) => void;
  readonly #givings = new Map<string, Giving>();
  readonly #sink = new Sink(1024);
  /** Snapshots that were begun to be given since the start. */
  begun = 0;

  constructor(replica: Replica, send: (link: Link, type: number, body: Buffer) => void) {
    this.#replica = replica;
    this.#send = send;
  }

  /** A peer asks for a snapshot, for more of one, or for one to go on behind what it has stored. */
  asked(link: Link, { id, have }: words.SnapshotAsk): void {
    const member = link.member as string;
    const giving = this.#givings.get(member);
    if (giving === undefined || giving.id !== id) {
      this.#givings.delete(member);
      return this.#wish(link, 0);
    }
    const isMoved = giving.link !== link.id;
    giving.link = link.id;
    giving.seenMs = this.#replica.monoMs;
    for (let index = giving.stored; index < have; index++) giving.places.delete(index);
    giving.stored = Math.max(giving.stored, have);
    if (isMoved) this.#rewind(giving, have);
    this.#wishFor(giving);
  }

  /** What was under way when the connection broke is written again. */
  #rewind(giving: Giving, have: number): void {
    const place = giving.places.get(have);
    if (place !== undefined) {
      giving.writer.resume(place);
      giving.next = have;
      giving.end = null;
    }
    giving.ended = false;
    giving.wished = false;
  }

  /** Links take more, or more is durable: goes on with what waited for that. */
  pump(): void {
    for (const giving of this.#givings.values()) this.#wishFor(giving);
  }

  #wishFor(giving: Giving): void {
    const { end, next, stored, link } = giving;
    const { index, exchange } = this.#replica;
    if (giving.wished || giving.ended || !exchange.isWritable(link)) return;
    if (end === null ? next >= stored + WINDOW : index.durableTo < end.position) return;
    const live = exchange.links.get(link);
    if (live === undefined) return;
    giving.wished = true;
    this.#wish(live, giving.id);
  }

  #wish(link: Link, snapshot: number): void {
    this.#replica.effects.push({ type: "give", link: link.id, snapshot });
  }

  /** A turn for one snapshot (0: a new one); every record applied should have been appended, or it is put off. */
  give(link: Link, snapshot: number): void {
    const giving = this.#givings.get(link.member as string);
    if (snapshot === 0) {
      if (giving === undefined) this.#begin(link);
      return;
    }
    if (giving?.id !== snapshot || giving.link !== link.id) return;
    giving.wished = false;
    giving.seenMs = this.#replica.monoMs;
    if (giving.end === null) this.#section(link, giving);
    if (giving.end !== null && this.#replica.index.durableTo >= giving.end.position)
      this.#end(link, giving);
    this.#wishFor(giving);
  }

  #begin(link: Link): void {
    const { records, run, keyspace, monoMs } = this.#replica;
    if (!records.empty) return this.#wish(link, 0);
    const writer = new CheckpointWriter(this.#replica, undefined, false);
    const id = 1 + Math.floor(run.chance() * (2 ** 32 - 1));
    const member = link.member as string;
    this.begun++;
    this.#givings.set(member, {
      member,
      id,
      writer,
      places: new Map(),
      next: 1,
      stored: 0,
      end: null,
      ended: false,
      wished: false,
      link: link.id,
      seenMs: monoMs,
    });
    this.#sink.clear();
    words.writeBegin(this.#sink, id, keyspace.entries, writer.next() as Buffer);
    this.#send(link, FRAME.SNAP_BEGIN, this.#sink.copy());
  }

  #section(link: Link, giving: Giving): void {
    const { id, writer, next: index } = giving;
    const place = writer.place;
    const bytes = writer.next();
    if (bytes === null) {
      const { records, applied, index: log } = this.#replica;
      // What the last section showed is still on its way to the log.
      if (records.empty) giving.end = { position: log.end, vector: applied.copy() };
      return;
    }
    giving.places.set(index, place);
    giving.next++;
    this.#sink.clear();
    words.writeSection(this.#sink, { id, index, keys: writer.entries, bytes });
    this.#send(link, FRAME.SNAP_SECTION, this.#sink.copy());
  }

  #end(link: Link, giving: Giving): void {
    giving.ended = true;
    const { id, next: sections, end } = giving;
    this.#sink.clear();
    words.writeEnd(this.#sink, link.numbering, { id, sections, durable: end?.vector as Vector });
    this.#send(link, FRAME.SNAP_END, this.#sink.copy());
  }

  /** Time has passed: what nobody came back for is forgotten. */
  tick(): void {
    const { monoMs, exchange } = this.#replica;
    for (const [member, giving] of this.#givings) {
      if (exchange.links.has(giving.link) && !giving.ended) giving.seenMs = monoMs;
      if (monoMs - giving.seenMs > FORGET_AFTER_MS) this.#givings.delete(member);
    }
  }

  /** What is being given, for status. */
  status(): GivingStatus[] {
    return [...this.#givings.values()]
      .filter(({ ended }) => !ended)
      .map(({ member, writer }) => ({ to: member, keys: writer.entries }));
  }
}
