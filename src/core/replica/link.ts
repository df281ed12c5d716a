/**
 * Link: one connection to a peer and what it still has to be sent.
 *
 *   opened ─► greeting ─HELLO─► up ─► closed
 *
 * Invariant: everything before `cursor` that this peer is to have from us, it has or was sent on this connection. A connection
 * that ends takes that knowledge with it: the next one begins at what the peer says it has applied.
 *
 * Records are read from the log, never kept for a slow peer, so a slow peer costs the others nothing.
 */
import { Sink } from "../bytes/sink.ts";
import { Source } from "../bytes/source.ts";
import type { Origins } from "../clock/origins.ts";
import { Vector } from "../clock/vector.ts";
import { RunReader } from "./record.ts";
import type { Standing } from "./snapshot-words.ts";
import { Numbering, type Wanted } from "./words.ts";

/** One way through the log: the peer's backlog, or what it pulled. */
export interface Passage {
  readonly id: number;
  /** Where the next read begins. */
  cursor: number;
  reading: boolean;
  /** What was pulled; null for the backlog. */
  readonly wanted: Wanted | null;
}

export class Link {
  readonly id: number;
  /** The configured name when we dialled, else null. */
  readonly dialled: string | null;
  readonly address: string;
  readonly numbering: Numbering;
  /** The peer, once it has said HELLO. */
  member: string | null = null;
  region: string | null = null;
  /** The peer was removed: nothing it says is heard. */
  isRefused = false;
  /** Whether the peer knows what to do with messages. */
  takesMessages = false;
  /** Whether the peer runs commands that are sent to it. */
  runsCommands = false;
  /** Whether the peer knows bounded counters, and hands over rights that it is asked for. */
  handsRights = false;
  /** The incarnation that said it; −1 before. */
  origin = -1;
  /** What the peer is known to have applied. */
  readonly peerApplied = new Vector();
  /** The life of the peer's process, once it has reported. */
  life = 0;
  /** What the peer says it can give; null while it has not, and always of one that is older than this word. */
  standing: Standing | null = null;
  /** Our log no longer holds what the peer needs: nothing is sent until it has that from elsewhere. */
  isBehind = false;
  /** The peer is being filled, and would rather take a copy of the data than a log that is long. */
  takesCopy = false;
  /** It is to take one: of the log nothing is sent until it has. */
  givesCopy = false;
  /** What was sent on this connection, so that a pull does not send it again. */
  readonly backlog: Passage = { id: 0, cursor: 0, reading: false, wanted: null };
  readonly errands: Passage[] = [];
  #errandIds = 1;
  /** The records read for the next batch. */
  readonly batch = new Sink(4096);
  batchRecords = 0;
  readonly #source = new Source(Buffer.alloc(0));
  readonly #runs: RunReader;

  /** Our own records go to this peer: it is of our region, or the one that passes them on in its own. */
  gateway = false;
  /** The backlog begins anew once the read that is under way has ended. */
  rewinds = false;
  /** The peer waits for what the next ACK says: it leaves when the turn ends. */
  hurry = false;
  /** What the peer was told, on this connection, that is durable here. */
  readonly told = new Vector();

  readonly openedMs: number;
  /** For how long nothing was heard, of the time in which something could have been. */
  silentMs = 0;
  /** The host takes nothing from it until what it sent before is applied. */
  held = false;
  lastAckMs = 0;
  /** The peer's monotonic clock in its last ACK, and when that came (ours). */
  peerSentMs = 0;
  peerSentAtMs = 0;
  rttMs: number | null = null;
  clockOffsetMs: number | null = null;
  sentBytes = 0;
  receivedBytes = 0;
  sentRecords = 0;
  receivedRecords = 0;

  constructor(
    id: number,
    dialled: string | null,
    address: string,
    origins: Origins,
    nowMs: number,
  ) {
    this.id = id;
    this.dialled = dialled;
    this.address = address;
    this.numbering = new Numbering(origins);
    this.#runs = new RunReader(origins);
    this.openedMs = nowMs;
  }

  get up(): boolean {
    return this.member !== null;
  }

  passage(id: number): Passage | undefined {
    return id === 0 ? this.backlog : this.errands.find((errand) => errand.id === id);
  }

  addErrand(wanted: Wanted, cursor: number): void {
    this.errands.push({ id: this.#errandIds++, cursor, reading: false, wanted });
  }

  endErrand(id: number): void {
    const at = this.errands.findIndex((errand) => errand.id === id);
    if (at >= 0) this.errands.splice(at, 1);
  }

  /** Adds what the peer needs of a block's runs to the batch. `ships` tells which origins' records go this way. */
  add(passage: Passage, block: Buffer, start: number, ships: (origin: number) => boolean): void {
    const source = this.#source;
    const runs = this.#runs;
    source.reset(block, start, block.length);
    while (runs.next(source)) {
      const { origin, firstSeq, lastSeq } = runs;
      const { wanted } = passage;
      const needed =
        wanted === null
          ? ships(origin) && lastSeq > this.peerApplied.get(origin)
          : origin === wanted.origin && lastSeq >= wanted.from && firstSeq <= wanted.to;
      if (!needed) continue;
      this.batch.raw(block, runs.begin, runs.end);
      this.batchRecords += lastSeq - firstSeq + 1;
    }
  }
}
