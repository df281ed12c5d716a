import assert from "node:assert/strict";
import { test } from "node:test";
import { Heap, type Ref } from "../keyspace/heap.ts";
import { Hasher } from "../keyspace/hasher.ts";
import { Entry, Table } from "../keyspace/table.ts";
import { Chance } from "../replica/chance.suite.ts";
import { Order } from "./order.ts";

/** Names with scores, in a table as sorted sets lie in one. */
class Scored {
  readonly heap = new Heap();
  readonly table = new Table<object>(this.heap, 100);
  readonly #hasher = new Hasher(1, 2);
  readonly order: Order;
  readonly model = new Map<string, number>();

  constructor(scored: boolean) {
    const scoreOf = (entry: Entry): number => entry.bytes.readDoubleBE(entry.valueStart);
    this.order = new Order(this.heap, scored ? scoreOf : null);
  }

  ref(name: string): Ref {
    const bytes = Buffer.from(name);
    const at = this.table.find(
      this.#hasher.hash(0, bytes, 0, bytes.length),
      0,
      bytes,
      0,
      bytes.length,
    );
    return at < 0 ? 0 : this.table.refAt(at);
  }

  put(name: string, score: number): void {
    this.remove(name);
    const bytes = Buffer.from(name);
    const value = Buffer.alloc(8);
    value.writeDoubleBE(score);
    const hash = this.#hasher.hash(0, bytes, 0, bytes.length);
    this.table.putRegister(-1, hash, 0, bytes, 0, bytes.length, 1, 1, 1, 0, Infinity, value, 0, 8);
    this.order.insert(this.ref(name));
    this.model.set(name, score);
  }

  remove(name: string): void {
    if (!this.model.delete(name)) return;
    this.order.remove(this.ref(name));
    const bytes = Buffer.from(name);
    const hash = this.#hasher.hash(0, bytes, 0, bytes.length);
    this.table.removeAt(this.table.find(hash, 0, bytes, 0, bytes.length));
  }

  nameOf(ref: Ref): string {
    const entry = new Entry();
    entry.load(this.heap, ref);
    return entry.bytes.latin1Slice(entry.nameStart, entry.nameEnd);
  }

  sorted(scored: boolean): string[] {
    return [...this.model.keys()].toSorted((a, b) => {
      const difference = scored ? (this.model.get(a) as number) - (this.model.get(b) as number) : 0;
      return difference || Buffer.compare(Buffer.from(a), Buffer.from(b));
    });
  }

  check(scored: boolean): void {
    const wanted = this.sorted(scored);
    assert.equal(this.order.size, wanted.length);
    const up: string[] = [];
    this.order.each(0, wanted.length, false, (ref) => up.push(this.nameOf(ref)));
    assert.deepEqual(up, wanted);
    const down: string[] = [];
    this.order.each(wanted.length - 1, wanted.length, true, (ref) => down.push(this.nameOf(ref)));
    assert.deepEqual(down, wanted.toReversed());
    wanted.forEach((name, rank) => {
      assert.equal(this.order.rank(this.ref(name)), rank);
      assert.equal(this.nameOf(this.order.at(rank)), name);
    });
  }
}

for (const scored of [true, false])
  test(`an order ${scored ? "by score" : "by name"} is what sorting gives, whatever comes and goes`, () => {
    const chance = new Chance(7);
    const scores = [-Infinity, -1.5, 0, 2, 2.5, 1e300, Infinity];
    for (const span of [3, 40, 3_000]) {
      const subject = new Scored(scored);
      for (let step = 0; step < 12_000; step++) {
        const name = `n${chance.below(span)}`;
        // First it grows, then it shrinks to nothing.
        if (chance.next() < (step < 7_000 ? 0.8 : 0.1)) subject.put(name, chance.pick(scores));
        else subject.remove(name);
        if (step % 3_000 === 2_999) subject.check(scored);
      }
      const wanted = subject.sorted(scored);
      for (const score of scored ? scores : []) {
        const below = wanted.filter((name) => (subject.model.get(name) as number) < score).length;
        const through = wanted.filter((n) => (subject.model.get(n) as number) <= score).length;
        assert.equal(subject.order.belowScore(score, false), below);
        assert.equal(subject.order.belowScore(score, true), through);
      }
      if (!scored)
        for (const name of ["", "n", "n1", "n15", "n2999", "zz"]) {
          const bytes = Buffer.from(name);
          const below = wanted.filter((n) => Buffer.compare(Buffer.from(n), bytes) < 0).length;
          const through = wanted.filter((n) => Buffer.compare(Buffer.from(n), bytes) <= 0).length;
          assert.equal(subject.order.belowName(bytes, 0, bytes.length, false), below);
          assert.equal(subject.order.belowName(bytes, 0, bytes.length, true), through);
        }
      for (const name of subject.sorted(scored)) subject.remove(name);
      subject.check(scored);
      assert.equal(subject.heap.usedBytes, 0);
    }
  });

test("names that begin alike, end within one another or hold zeros lie in their order among equal scores", () => {
  const chance = new Chance(11);
  const pieces = ["", "\0", "\0\0\0\0", "a", "b", "user:", "user:1000:", "~"];
  for (const [longest, scores] of [
    [2, [0]],
    [5, [0]],
    [5, [0, 1, 2]],
    [9, [0, 1]],
  ] as const) {
    const subject = new Scored(true);
    const name = (): string => {
      let text = chance.next() < 0.7 ? "orders:eu:" : "";
      for (let i = chance.below(longest); i >= 0; i--) text += chance.pick(pieces);
      return text;
    };
    for (let step = 0; step < 9_000; step++) {
      if (chance.next() < (step < 6_000 ? 0.9 : 0.3)) subject.put(name(), chance.pick(scores));
      else subject.remove(chance.pick([...subject.model.keys(), ""].slice(-50)));
      if (step % 3_000 === 2_999) subject.check(true);
    }
    for (let i = 0; scores.length === 1 && i < 300; i++) {
      const text = name();
      const bytes = Buffer.from(text);
      const wanted = subject.sorted(true).map((each) => Buffer.compare(Buffer.from(each), bytes));
      const below = wanted.filter((order) => order < 0).length;
      assert.equal(subject.order.belowName(bytes, 0, bytes.length, false), below);
      const through = wanted.filter((order) => order <= 0).length;
      assert.equal(subject.order.belowName(bytes, 0, bytes.length, true), through);
    }
    for (const each of [...subject.model.keys()]) subject.remove(each);
    subject.check(true);
  }
});

test("part of an order is visited from a rank on, either way", () => {
  const subject = new Scored(false);
  for (let i = 0; i < 1_000; i++) subject.put(String(i).padStart(4, "0"), 0);
  const wanted = subject.sorted(false);
  for (const [from, count] of [
    [0, 1],
    [999, 1],
    [100, 500],
    [127, 130],
  ] as const) {
    const up: string[] = [];
    subject.order.each(from, count, false, (ref) => up.push(subject.nameOf(ref)));
    assert.deepEqual(up, wanted.slice(from, from + count));
    const down: string[] = [];
    subject.order.each(from + count - 1, count, true, (ref) => down.push(subject.nameOf(ref)));
    assert.deepEqual(down, up.toReversed());
  }
});
