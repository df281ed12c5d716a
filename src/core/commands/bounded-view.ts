/**
 * BoundedView: what a reader sees of the bounded counter at a place, and how its rights are used, added to and handed over.
 *
 * A counter is created at the one replica that owns its key, so there is one generation of it. Should two have been created at once, while
 * the members changed, the oldest says what the bound is, and the room of all counts: whatever was sold stays sold.
 *
 * Invariant: what is written uses and hands over no more than the rights of this replica's own incarnation, or takes those of a member that
 * was removed.
 */
import type { Origin } from "../clock/origins.ts";
import {
  BOUNDED_COUNTER,
  type Bound,
  type BoundedCounter,
  counterOf,
  encodeChange,
} from "../crdt/bounded-counter.ts";
import type { Generation } from "../crdt/generation.ts";
import type { Place } from "../keyspace/place.ts";
import type { Writer } from "../replica/writer.ts";
import type { Run } from "./run.ts";

interface Part {
  readonly generation: Generation;
  readonly counter: BoundedCounter;
}

export class BoundedView {
  readonly place: Place;
  /** The oldest first. */
  readonly #parts: readonly Part[];

  /** A place where a reader sees a bounded counter. */
  constructor({ keyspace }: Pick<Run, "keyspace">, place: Place) {
    this.place = place;
    const { origins } = keyspace;
    const parts = place.generations
      .toSorted((a, b) => (origins.after(a.ms, a.tick, a.origin, b.ms, b.tick, b.origin) ? 1 : -1))
      .map((generation) => ({ generation, counter: counterOf(generation) }));
    const isMax = parts[0]?.counter.bound.isMax;
    this.#parts = parts.filter(({ counter }) => counter.bound.isMax === isMax);
  }

  get bound(): Bound {
    return (this.#parts[0] as Part).counter.bound;
  }

  get room(): number {
    return this.#sum((counter) => counter.room);
  }

  get value(): number {
    return this.valueAt(this.room);
  }

  /** The value that leaves so much room. */
  valueAt(room: number): number {
    const { isMax, at } = this.bound;
    return isMax ? at - room : at + room;
  }

  rightsOf(origin: Origin): number {
    return this.#sum((counter) => counter.rightsOf(origin));
  }

  usedBy(origin: Origin): number {
    return this.#sum((counter) => counter.usedBy(origin));
  }

  /** Everyone who has a part in it, one after the other. */
  origins(): Origin[] {
    const found = new Map<string, Origin>();
    for (const { counter } of this.#parts)
      for (const origin of counter.origins()) found.set(origin.incarnation, origin);
    return [...found.values()];
  }

  #sum(figure: (counter: BoundedCounter) => number): number {
    let sum = 0;
    for (const { counter } of this.#parts) sum += figure(counter);
    return sum;
  }

  /** Adds to the room: the rights are ours. */
  grant(write: Writer, amount: number): void {
    const { generation, counter } = this.#parts[0] as Part;
    const { origin } = write;
    const granted = counter.grantedBy(origin) + amount;
    const used = counter.usedBy(origin);
    this.#join(write, generation, encodeChange({ origin, granted, used, given: [] }));
  }

  /** Uses rights of ours, which must suffice. */
  use(write: Writer, amount: number): void {
    const { origin } = write;
    this.#spend(origin, amount, ({ generation, counter }, part) => {
      const granted = counter.grantedBy(origin);
      const used = counter.usedBy(origin) + part;
      this.#join(write, generation, encodeChange({ origin, granted, used, given: [] }));
    });
  }

  /** Hands rights of ours, which must suffice, to others. */
  give(write: Writer, gifts: readonly { readonly to: Origin; readonly amount: number }[]): void {
    const { origin } = write;
    for (const { to, amount } of gifts)
      this.#spend(origin, amount, ({ generation, counter }, part) => {
        const given = [{ to, amount: counter.given(origin, to) + part }];
        const [granted, used] = [counter.grantedBy(origin), counter.usedBy(origin)];
        this.#join(write, generation, encodeChange({ origin, granted, used, given }));
      });
  }

  /** Takes all rights of a member that makes no more records, of which all are here; returns how many. */
  reclaim(write: Writer, member: string): number {
    const to = write.origin;
    let taken = 0;
    for (const { generation, counter } of this.#parts)
      for (const origin of [...counter.origins()]) {
        const rights = origin.member === member ? counter.rightsOf(origin) : 0;
        if (rights <= 0) continue;
        // In its own row, which nobody else writes any more: what is taken once is gone for whoever comes next.
        const given = [{ to, amount: counter.given(origin, to) + rights }];
        const [granted, used] = [counter.grantedBy(origin), counter.usedBy(origin)];
        this.#join(write, generation, encodeChange({ origin, granted, used, given }));
        taken += rights;
      }
    return taken;
  }

  /** Takes so many rights of ours from one part after the other. */
  #spend(origin: Origin, amount: number, take: (part: Part, amount: number) => void): void {
    let left = amount;
    for (const part of this.#parts) {
      const some = Math.min(left, part.counter.rightsOf(origin));
      if (some <= 0) continue;
      take(part, some);
      left -= some;
    }
  }

  #join(write: Writer, generation: Generation, payload: Buffer): void {
    write.join(this.place, BOUNDED_COUNTER, payload, generation);
  }
}
