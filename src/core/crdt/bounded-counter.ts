/**
 * BoundedCounter: a number that never crosses its bound, wherever it is changed and whoever is cut off.
 *
 * The room between the value and its bound is divided into rights, which origins hold. Who has the right to use so much uses it and asks
 * nobody; who has not must be given it first.
 *
 *   granted   what an origin has added to the room          value  = min + room, or max − room
 *   used      what it has used of it                        room   = Σ granted − Σ used = Σ rights
 *   given     what it has handed to each other origin       rights = granted − used + given to it − given by it
 *
 * Invariant: a row is written by its origin alone (once that belongs to a member that was removed and has ended, by the owner of the key) and each of its figures only grows, so joining takes the greater of each. An origin
 * uses and gives away no more than its rights. What an origin was given came in a record that it had seen before it used that, so in every
 * causal view all rights are at least 0, and so is the room. Rights belong to an incarnation: one that goes on from an older disk has none
 * of them.
 *
 *   payload = u8 has a bound │ [u8 is a maximum │ zigzag bound] │ n × row                                                   to its end
 *   row     = origin │ varint granted │ varint used │ varint n, n × (origin, varint given)
 */
import { Sink } from "../bytes/sink.ts";
import { Malformed, Source } from "../bytes/source.ts";
import { type Origin, readOrigin, writeOrigin } from "../clock/origins.ts";
import type { Generation, GenerationKind, Semilattice } from "./generation.ts";
import { BOUNDED } from "./key.ts";

/** The most room there may be, and the farthest bound from 0: so sums of many regions' figures stay exact. */
export const ROOM_MAX: number = 2 ** 48;
/** What a row, and what it has given to one other, take in memory, about. */
const ROW_BYTES = 250;
const GIVEN_BYTES = 100;

interface Given {
  readonly to: Origin;
  amount: number;
}

interface Row {
  readonly origin: Origin;
  granted: number;
  used: number;
  /** By incarnation. */
  readonly given: Map<string, Given>;
}

/** The bound of a counter: the least value there may be, or the greatest. */
export interface Bound {
  readonly isMax: boolean;
  readonly at: number;
}

/** What a change says of the row of its origin: its figures as they are afterwards. */
export interface Change {
  readonly origin: Origin;
  readonly granted: number;
  readonly used: number;
  readonly given: readonly { readonly to: Origin; readonly amount: number }[];
  /** With the change that creates a counter. */
  readonly bound?: Bound;
}

export class BoundedCounter implements Semilattice {
  bound: Bound = { isMax: false, at: 0 };
  /** By incarnation. */
  readonly #rows = new Map<string, Row>();
  #granted = 0;
  #used = 0;
  #rights = new Map<string, number>();

  /** What lies between the value and its bound. */
  get room(): number {
    return this.#granted - this.#used;
  }

  get bytes(): number {
    let bytes = 0;
    for (const { given } of this.#rows.values()) bytes += ROW_BYTES + given.size * GIVEN_BYTES;
    return bytes;
  }

  grantedBy({ incarnation }: Origin): number {
    return this.#rows.get(incarnation)?.granted ?? 0;
  }

  usedBy({ incarnation }: Origin): number {
    return this.#rows.get(incarnation)?.used ?? 0;
  }

  /** What one origin has given to another, ever. */
  given(by: Origin, to: Origin): number {
    return this.#rows.get(by.incarnation)?.given.get(to.incarnation)?.amount ?? 0;
  }

  rightsOf({ incarnation }: Origin): number {
    return this.#rights.get(incarnation) ?? 0;
  }

  /** Every origin that has ever had a right or a row of its own. */
  *origins(): Generator<Origin> {
    const seen = new Set<string>();
    for (const { origin, given } of this.#rows.values())
      for (const one of [origin, ...[...given.values()].map(({ to }) => to)])
        if (!seen.has(one.incarnation)) {
          seen.add(one.incarnation);
          yield one;
        }
  }

  join(payload: Buffer): void {
    read(payload, {
      bound: (bound) => (this.bound = bound),
      row: (origin, granted, used) => {
        const row = this.#row(origin);
        if (granted > row.granted) {
          this.#granted += granted - row.granted;
          this.#raise(origin, granted - row.granted);
          row.granted = granted;
        }
        if (used > row.used) {
          this.#used += used - row.used;
          this.#raise(origin, row.used - used);
          row.used = used;
        }
      },
      given: (by, to, amount) => {
        const { given } = this.#row(by);
        let there = given.get(to.incarnation);
        if (there === undefined) given.set(to.incarnation, (there = { to, amount: 0 }));
        if (amount <= there.amount) return;
        this.#raise(by, there.amount - amount);
        this.#raise(to, amount - there.amount);
        there.amount = amount;
      },
    });
  }

  #row(origin: Origin): Row {
    let row = this.#rows.get(origin.incarnation);
    if (row === undefined) {
      row = { origin, granted: 0, used: 0, given: new Map() };
      this.#rows.set(origin.incarnation, row);
    }
    return row;
  }

  #raise({ incarnation }: Origin, by: number): void {
    this.#rights.set(incarnation, (this.#rights.get(incarnation) ?? 0) + by);
  }

  encode(): Buffer {
    const sink = new Sink(256);
    writeBound(sink, this.bound);
    for (const { origin, granted, used, given } of inOrder(this.#rows, (row) => row.origin))
      writeRow(sink, { origin, granted, used, given: inOrder(given, ({ to }) => to) });
    return sink.copy();
  }

  text(): Buffer {
    throw new Error("bug: a bounded counter is not read as a string");
  }
}

/** A change as a payload. */
export function encodeChange(change: Change): Buffer {
  const sink = new Sink(128);
  writeBound(sink, change.bound);
  writeRow(sink, change);
  return sink.copy();
}

function writeBound(sink: Sink, bound: Bound | undefined): void {
  sink.u8(bound === undefined ? 0 : 1);
  if (bound === undefined) return;
  sink.u8(bound.isMax ? 1 : 0);
  sink.zigzag(bound.at);
}

function writeRow(sink: Sink, { origin, granted, used, given }: Change): void {
  writeOrigin(sink, origin);
  sink.varint(granted);
  sink.varint(used);
  sink.varint(given.length);
  for (const { to, amount } of given) {
    writeOrigin(sink, to);
    sink.varint(amount);
  }
}

/** The bytes are a function of the state: rows lie in the order of incarnations. */
function inOrder<T>(map: ReadonlyMap<string, T>, originOf: (value: T) => Origin): T[] {
  return [...map.values()].sort((a, b) =>
    originOf(a).incarnation < originOf(b).incarnation ? -1 : 1,
  );
}

interface Visitor {
  bound(bound: Bound): void;
  row(origin: Origin, granted: number, used: number): void;
  given(by: Origin, to: Origin, amount: number): void;
}

/** Throws `Malformed`. */
function read(payload: Buffer, visitor: Visitor): void {
  const source = new Source(payload);
  const hasBound = source.u8();
  if (hasBound > 1) throw new Malformed("a bounded counter begins with neither 0 nor 1");
  if (hasBound === 1) {
    const isMax = source.u8() === 1;
    const at = source.zigzag();
    if (Math.abs(at) > ROOM_MAX) throw new Malformed("the bound of a counter is out of bounds");
    visitor.bound({ isMax, at });
  }
  while (source.left > 0) {
    const origin = readOrigin(source);
    visitor.row(origin, source.varint(), source.varint());
    for (let left = source.varint(); left > 0; left--)
      visitor.given(origin, readOrigin(source), source.varint());
  }
}

const nothing = (): void => {};

/** Bounded counters as generations. */
export const BOUNDED_COUNTER: GenerationKind = {
  number: 3,
  type: BOUNDED,
  name: "bounded counter",
  create: () => new BoundedCounter(),
  check: (payload) => read(payload, { bound: nothing, row: nothing, given: nothing }),
};

/** The state of a generation of this kind. */
export function counterOf({ state }: Generation): BoundedCounter {
  return state as BoundedCounter;
}
