/**
 * Acceptor: what this member has promised and accepted of each strong key.
 *
 *   prepare b      b above everything promised and accepted ─► promised = b, answer what is accepted
 *   accept b v n   b at least what is promised, above what is accepted ─► accepted = b, v; promised = n
 *
 * Invariant: promised and accepted only grow, what is accepted lies at or below what is promised, and every change is in a block of the log that is durable before anybody hears of it.
 * What is asked twice is answered twice.
 *
 * A key whose deletion every member has accepted is forgotten: from then on it is one of all those that were never written, which have
 * together promised the floor.
 *
 *   block = u8 2 │ items
 *   item  = u8 1 │ key │ ballot promised │ ballot accepted │ bytes state            a value was accepted
 *         | u8 2 │ key │ ballot promised
 *         | u8 3 │ key │ ballot accepted                                            a deletion was forgotten
 *         | u8 4 │ text member │ varint tenure │ u8 first                           of another: the newest that is known
 *         | u8 5 │ varint tenure │ u8 begun                                         our own
 *         | u8 6 │ ballot │ varint version                                          the floor
 *   key   = varint db │ bytes key
 */
import { Sink } from "../bytes/sink.ts";
import { Malformed, Source } from "../bytes/source.ts";
import { keyName } from "../keyspace/key-name.ts";
import { BLOCK_STRONG } from "../replica/record.ts";
import {
  type Ballot,
  compareBallots,
  higherBallot,
  NO_BALLOT,
  readBallot,
  writeBallot,
} from "./ballot.ts";
import { decodeState, encodeState, NOTHING } from "./strong-state.ts";
import type { Tenure } from "./strong-words.ts";

const ACCEPTED = 1;
const PROMISED = 2;
const DROPPED = 3;
const TENURE_OF = 4;
const TENURE = 5;
const FLOOR = 6;

/** One strong key here. */
export interface Kept {
  readonly name: string;
  readonly db: number;
  readonly key: Buffer;
  promised: Ballot;
  accepted: Ballot;
  /** What was accepted; null before anything was. */
  state: Buffer | null;
  /** Whether that says that nothing is there. */
  isGone: boolean;
}

/** What an acceptor says to one question about one key. */
export type Verdict =
  | { readonly ok: true; readonly accepted: Ballot; readonly state: Buffer }
  | { readonly ok: false; readonly promised: Ballot };

export class Acceptor {
  readonly #kept = new Map<string, Kept>();
  readonly #items = new Sink(1024);
  /** What every key has promised that is not kept, and the newest version that was forgotten. */
  #floor: { readonly ballot: Ballot; readonly version: number } = { ballot: NO_BALLOT, version: 0 };
  #absent = encodeState(NOTHING);
  /** Since when this member answers, in a number that only grows; 0: never yet. It does not while `begun` is false. */
  tenure = 0;
  begun = false;
  /** Of the others. */
  readonly tenures = new Map<string, Tenure>();

  /** Nothing was ever asked of it. */
  get isBlank(): boolean {
    return this.tenure === 0 && this.tenures.size === 0 && this.#kept.size === 0;
  }

  /** Every key that is kept, in no order; keys that come meanwhile are among them. */
  all(): IterableIterator<Kept> {
    return this.#kept.values();
  }

  find(name: string): Kept | undefined {
    return this.#kept.get(name);
  }

  // ── questions ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The ballot below which nothing is taken for a key. */
  promised(db: number, key: Buffer): Ballot {
    return this.#bound(this.#kept.get(keyName(db, key, 0, key.length)));
  }

  prepare(db: number, key: Buffer, ballot: Ballot): Verdict {
    const kept = this.#kept.get(keyName(db, key, 0, key.length));
    const promised = this.#bound(kept);
    if (compareBallots(ballot, promised) <= 0) return { ok: false, promised };
    const mine = kept ?? this.#keep(db, key);
    mine.promised = ballot;
    this.#items.u8(PROMISED);
    this.#key(mine);
    writeBallot(this.#items, ballot);
    return this.#shown(mine);
  }

  accept(db: number, key: Buffer, ballot: Ballot, next: Ballot, state: Buffer): Verdict {
    const kept = this.#kept.get(keyName(db, key, 0, key.length));
    if (kept !== undefined && compareBallots(ballot, kept.accepted) === 0) return this.#shown(kept);
    const promised = this.#bound(kept);
    const order = compareBallots(ballot, promised);
    // The floor was promised to keys that are forgotten, and to nobody who asks now.
    if (order < 0 || (order === 0 && kept === undefined)) return { ok: false, promised };
    const mine = kept ?? this.#keep(db, key);
    this.#adopt(mine, higherBallot(next, ballot), ballot, Buffer.from(state));
    return this.#shown(mine);
  }

  /** Promises nothing. */
  read(db: number, key: Buffer): Verdict {
    return this.#shown(this.#kept.get(keyName(db, key, 0, key.length)));
  }

  /** Forgets a deletion that every member has accepted under this ballot; false when it is not that any more. */
  drop(db: number, key: Buffer, ballot: Ballot): boolean {
    const kept = this.#kept.get(keyName(db, key, 0, key.length));
    if (kept === undefined || !kept.isGone || compareBallots(kept.accepted, ballot) !== 0)
      return false;
    this.#items.u8(DROPPED);
    this.#key(kept);
    writeBallot(this.#items, ballot);
    const version = kept.state === null ? 0 : decodeState(kept.state).version;
    this.#kept.delete(kept.name);
    // Whoever replays this may not have the key any more.
    this.raiseFloor(kept.promised, version);
    return true;
  }

  /** Takes over what another member has promised and accepted; less than what is known here changes nothing. */
  adopt(db: number, key: Buffer, promised: Ballot, accepted: Ballot, state: Buffer | null): void {
    const mine = this.#kept.get(keyName(db, key, 0, key.length)) ?? this.#keep(db, key);
    const isNewer = compareBallots(accepted, mine.accepted) > 0;
    if (!isNewer && compareBallots(promised, mine.promised) <= 0) return;
    const bound = higherBallot(promised, mine.promised);
    if (isNewer && state !== null) return this.#adopt(mine, bound, accepted, Buffer.from(state));
    mine.promised = bound;
    this.#items.u8(PROMISED);
    this.#key(mine);
    writeBallot(this.#items, bound);
  }

  get floor(): { readonly ballot: Ballot; readonly version: number } {
    return this.#floor;
  }

  raiseFloor(ballot: Ballot, version: number): void {
    this.#floor = {
      ballot: higherBallot(this.#floor.ballot, ballot),
      version: Math.max(this.#floor.version, version),
    };
    this.#absent = encodeState({ ...NOTHING, version: this.#floor.version });
    this.#items.u8(FLOOR);
    writeBallot(this.#items, this.#floor.ballot);
    this.#items.varint(this.#floor.version);
  }

  /** A member's newest tenure is known. */
  note(member: string, tenure: number): void {
    const known = this.tenures.get(member);
    if (known !== undefined && tenure <= known.tenure) return;
    this.#note(member, { tenure, first: known === undefined });
  }

  #note(member: string, { tenure, first }: Tenure): void {
    this.tenures.set(member, { tenure, first });
    this.#items.u8(TENURE_OF);
    this.#items.text(member);
    this.#items.varint(tenure);
    this.#items.u8(first ? 1 : 0);
  }

  /** Our own tenure is another, or has begun. */
  hold(tenure: number, begun: boolean): void {
    this.tenure = tenure;
    this.begun = begun;
    this.#items.u8(TENURE);
    this.#items.varint(tenure);
    this.#items.u8(begun ? 1 : 0);
  }

  #bound(kept: Kept | undefined): Ballot {
    return kept === undefined ? this.#floor.ballot : kept.promised;
  }

  #keep(db: number, key: Buffer): Kept {
    const name = keyName(db, key, 0, key.length);
    const kept: Kept = {
      name,
      db,
      key: Buffer.from(key),
      promised: this.#floor.ballot,
      accepted: NO_BALLOT,
      state: null,
      isGone: false,
    };
    this.#kept.set(name, kept);
    return kept;
  }

  #shown(kept: Kept | undefined): Verdict {
    return { ok: true, accepted: kept?.accepted ?? NO_BALLOT, state: kept?.state ?? this.#absent };
  }

  #adopt(kept: Kept, promised: Ballot, accepted: Ballot, state: Buffer): void {
    // What a peer has sent may make no sense: then nothing has changed.
    kept.isGone = decodeState(state).value === null;
    kept.promised = promised;
    kept.accepted = accepted;
    kept.state = state;
    this.#items.u8(ACCEPTED);
    this.#key(kept);
    writeBallot(this.#items, promised);
    writeBallot(this.#items, accepted);
    this.#items.bytes(state, 0, state.length);
    this.onAccepted(kept);
  }

  /** Called when a value was accepted, at a restart too. */
  onAccepted: (kept: Kept) => void = () => {};

  #key({ db, key }: Kept): void {
    this.#items.varint(db);
    this.#items.bytes(key, 0, key.length);
  }

  // ── the log ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What has changed since the last call as a block, or null. Valid until the next change. */
  takeBlock(): Buffer | null {
    if (this.#items.length === 0) return null;
    const block = Buffer.allocUnsafe(1 + this.#items.length);
    block[0] = BLOCK_STRONG;
    this.#items.view().copy(block, 1);
    this.#items.clear();
    return block;
  }

  /** Whether something has changed since. */
  get changed(): boolean {
    return this.#items.length > 0;
  }

  /** Everything as the items of blocks, in parts of some `bytes`: for checkpoints. */
  *parts(bytes: number): Generator<Buffer> {
    const sink = new Sink(bytes);
    if (this.tenure > 0) {
      sink.u8(TENURE);
      sink.varint(this.tenure);
      sink.u8(this.begun ? 1 : 0);
    }
    for (const [member, { tenure, first }] of this.tenures) {
      sink.u8(TENURE_OF);
      sink.text(member);
      sink.varint(tenure);
      sink.u8(first ? 1 : 0);
    }
    if (this.#floor.ballot.round > 0) {
      sink.u8(FLOOR);
      writeBallot(sink, this.#floor.ballot);
      sink.varint(this.#floor.version);
    }
    for (const kept of this.#kept.values()) {
      writeKept(sink, kept);
      if (sink.length < bytes) continue;
      yield sink.view();
      sink.clear();
    }
    if (sink.length > 0) yield sink.view();
  }

  /** Takes items of a block or of a checkpoint, in the order of the log. Throws `Malformed`. */
  replay(bytes: Buffer, start: number): void {
    const source = new Source(bytes, start);
    while (source.left > 0) this.#replayOne(source);
    this.#items.clear();
  }

  /** Takes over keys of another member, as `writeKept` wrote them. Throws `Malformed`. */
  copy(items: Buffer): void {
    const source = new Source(items);
    while (source.left > 0) {
      const kind = source.bytes[source.at];
      if (kind !== ACCEPTED && kind !== PROMISED)
        throw new Malformed("a copy holds nothing but keys");
      this.#replayOne(source);
    }
  }

  #replayOne(source: Source): void {
    const item = source.u8();
    switch (item) {
      case ACCEPTED:
      case PROMISED: {
        const { db, key } = readKey(source);
        const promised = readBallot(source);
        const accepted = item === PROMISED ? NO_BALLOT : readBallot(source);
        return this.adopt(db, key, promised, accepted, item === PROMISED ? null : source.view());
      }
      case DROPPED: {
        const { db, key } = readKey(source);
        this.drop(db, key, readBallot(source));
        return;
      }
      case TENURE_OF: {
        const member = source.text();
        const tenure = source.varint();
        const first = source.u8() === 1;
        if (tenure > (this.tenures.get(member)?.tenure ?? 0)) this.#note(member, { tenure, first });
        return;
      }
      case TENURE: {
        const tenure = source.varint();
        const begun = source.u8() === 1;
        // A checkpoint may show a later one than the log behind it begins with.
        if (tenure > this.tenure) return this.hold(tenure, begun);
        if (tenure === this.tenure && begun) this.begun = true;
        return;
      }
      case FLOOR: {
        const ballot = readBallot(source);
        return this.raiseFloor(ballot, source.varint());
      }
      default:
        throw new Malformed(
          `what was accepted is of kind ${item}, which this version does not know`,
        );
    }
  }
}

/** One key as an item. */
export function writeKept(sink: Sink, { db, key, promised, accepted, state }: Kept): void {
  sink.u8(state === null ? PROMISED : ACCEPTED);
  sink.varint(db);
  sink.bytes(key, 0, key.length);
  writeBallot(sink, promised);
  if (state === null) return;
  writeBallot(sink, accepted);
  sink.bytes(state, 0, state.length);
}

function readKey(source: Source): { db: number; key: Buffer } {
  const db = source.varint();
  return { db, key: source.view() };
}
