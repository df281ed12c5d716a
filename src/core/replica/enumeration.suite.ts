/**
 * Enumeration: every way in which four operations on three replicas can meet, of those a type has.
 *
 *   first ─► seen by all ─► a on A ║ b on B, later ║ c on C, which has seen neither, one or both of them, and is the last or the first
 *   then a, b and c reach six other replicas, each in another order
 *
 * Invariant: nothing is left to chance. Every replica ends in the same state, and shows what the oracle says.
 */
import assert from "node:assert/strict";
import { canonical } from "./canonical.suite.ts";
import { Decoder } from "./decoded.suite.ts";
import { Oracle } from "./oracle.suite.ts";
import { Solo } from "./solo.suite.ts";

export interface Enumerated {
  readonly name: string;
  /** Does it to a key, or nothing if it does not apply; returns what it added to counters. */
  readonly make: (solo: Solo, key: string) => readonly number[];
}

/** What C has seen when it writes, and whether its clock is behind those of the others. */
const SIGHTS = [
  { a: false, b: false, early: true },
  { a: false, b: false, early: false },
  { a: true, b: false, early: false },
  { a: false, b: true, early: false },
  { a: true, b: true, early: false },
] as const;

const ORDERS = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
] as const;

/** Meetings that share replicas; each has a key of its own. */
const BATCH = 200;
const START_MS = 1_700_000_000_000;

/** Tries all there is; returns how many meetings that were. */
export function enumerate(operations: readonly Enumerated[]): number {
  let world = new World();
  let count = 0;
  for (const first of [null, ...operations])
    for (const a of operations)
      for (const b of operations)
        for (const c of operations)
          for (const sight of SIGHTS) {
            world.meet(first, a, b, c, sight);
            if (++count % BATCH > 0) continue;
            world.compare();
            world = new World();
          }
  world.compare();
  return count;
}

class World {
  readonly #writers = ["a/1", "b/1", "c/1"].map((member) => new Solo(member));
  readonly #readers = ORDERS.map((_, i) => new Solo(`r${i}/1`));
  readonly #oracle = new Oracle();
  readonly #decoder = new Decoder();
  readonly #stories: string[] = [];
  #nowMs = START_MS;

  meet(
    first: Enumerated | null,
    a: Enumerated,
    b: Enumerated,
    c: Enumerated,
    sight: (typeof SIGHTS)[number],
  ): void {
    const key = `k${this.#stories.length}`;
    const story = `${first?.name ?? "nothing"}, then ${a.name} ║ ${b.name} ║ ${c.name} ${JSON.stringify(sight)}`;
    this.#stories.push(story);
    const [atA, atB, atC] = this.#writers as [Solo, Solo, Solo];
    const all = [...this.#writers, ...this.#readers];
    this.#nowMs += 10;
    for (const solo of all) solo.at(this.#nowMs);
    if (first !== null) {
      const block = this.#make(atA, first, key, 0);
      for (const solo of all) if (solo !== atA) deliver(solo, block);
    }
    const early = sight.early ? this.#make(atC, c, key, 1) : null;
    const fromA = this.#make(atA, a, key, 2);
    const fromB = this.#make(atB, b, key, 3);
    if (sight.a) deliver(atC, fromA);
    if (sight.b) deliver(atC, fromB);
    const blocks = [fromA, fromB, sight.early ? early : this.#make(atC, c, key, 4)];
    this.#writers.forEach((solo, i) => {
      blocks.forEach((block, from) => {
        if (from !== i) deliver(solo, block);
      });
    });
    this.#readers.forEach((solo, i) => {
      for (const from of ORDERS[i] as readonly number[]) deliver(solo, blocks[from] ?? null);
    });
    const wanted = this.#oracle.view(`0:${key}`, () => true, this.#nowMs + 5);
    for (const solo of all) {
      solo.at(this.#nowMs + 5);
      assert.equal(solo.view(key), wanted, story);
    }
  }

  /** Makes one record, or none. */
  #make(solo: Solo, { make }: Enumerated, key: string, afterMs: number): Buffer | null {
    solo.at(this.#nowMs + afterMs);
    const before = solo.blocks.length;
    let deltas: readonly number[] = [];
    solo.write(() => (deltas = make(solo, key)));
    if (solo.blocks.length === before) return null;
    const block = solo.blocks.at(-1) as Buffer;
    for (const record of this.#decoder.runs(block.subarray(1))) this.#oracle.add(record, deltas);
    return block;
  }

  /** Whether all hold the same, not only show it. */
  compare(): void {
    const [first, ...others] = [...this.#writers, ...this.#readers] as [Solo, ...Solo[]];
    const wanted = canonical(first.replica.keyspace);
    for (const solo of others)
      assert.equal(canonical(solo.replica.keyspace), wanted, "replicas hold the same");
  }
}

/** What was delivered before changes nothing. */
function deliver(solo: Solo, block: Buffer | null): void {
  if (block !== null) solo.receive(block);
}
