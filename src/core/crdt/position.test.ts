import assert from "node:assert/strict";
import { test } from "node:test";
import { Malformed } from "../bytes/source.ts";
import { Chance } from "../replica/chance.suite.ts";
import {
  between,
  type Birth,
  checkPosition,
  PUSHED_MAX_BYTES,
  writeHead,
  writeTail,
} from "./position.ts";

/** An origin of its own that makes one element a record. */
class Maker {
  readonly birth: Birth;

  constructor(name: string) {
    const incarnation = Buffer.from(`\x01\x8f\xff\0\0\0${name}`.padEnd(8, "-"), "latin1");
    this.birth = { ms: 1_700_000_000_000, tick: 0, index: 0, incarnation };
  }

  /** Another record: sometimes in the same millisecond. */
  later(chance: Chance): void {
    this.birth.index = 0;
    if (chance.next() < 0.5) this.birth.tick++;
    else {
      this.birth.ms += 1 + chance.below(50);
      this.birth.tick = 0;
    }
  }

  tail(): Buffer {
    const out = Buffer.alloc(PUSHED_MAX_BYTES);
    return out.subarray(0, writeTail(out, 0, this.birth));
  }

  head(): Buffer {
    const out = Buffer.alloc(PUSHED_MAX_BYTES);
    return out.subarray(0, writeHead(out, 0, this.birth));
  }
}

function check(position: Buffer): void {
  checkPosition(position, 0, position.length);
}

test("each push to the right lies behind all before it, each push to the left in front of them", () => {
  const chance = new Chance(1);
  const maker = new Maker("a");
  const list: Buffer[] = [];
  for (let i = 0; i < 3_000; i++) {
    if (i % 700 === 0) maker.birth.tick = 60_000;
    if (chance.next() < 0.3) maker.birth.index += chance.below(1_000);
    else maker.later(chance);
    const position = chance.next() < 0.5 ? maker.tail() : maker.head();
    check(position);
    assert.ok(position.length <= PUSHED_MAX_BYTES);
    const [first, last] = [list[0], list.at(-1)];
    if ((position[0] as number) >= 0x80) {
      if (last !== undefined) assert.ok(position.compare(last) > 0, `${i} behind the last`);
      list.push(position);
    } else {
      if (first !== undefined) assert.ok(position.compare(first) < 0, `${i} before the first`);
      list.unshift(position);
    }
    maker.birth.index++;
  }
});

test("a push costs sixteen bytes", () => {
  const maker = new Maker("a");
  assert.deepEqual([maker.tail().length, maker.head().length], [16, 16]);
});

test("160,000 insertions anywhere lie between their neighbours, are all different and stay short", () => {
  const chance = new Chance(2);
  const makers = [new Maker("a"), new Maker("b"), new Maker("c")];
  // A list in blocks, so that inserting does not move all of it.
  const blocks: Buffer[][] = [[(makers[0] as Maker).tail()]];
  (makers[0] as Maker).later(chance);
  blocks[0]?.push((makers[0] as Maker).tail());
  const seen = new Set<string>();
  let longest = 0;
  for (let i = 0; i < 160_000; i++) {
    const maker = chance.pick(makers);
    maker.later(chance);
    const b = chance.below(blocks.length);
    const block = blocks[b] as Buffer[];
    const at = chance.below(block.length);
    const left = block[at] as Buffer;
    const right = block[at + 1] ?? blocks[b + 1]?.[0];
    if (right === undefined) continue;
    const position = between(left, right, maker.birth);
    assert.ok(position.compare(left) > 0 && position.compare(right) < 0, `insertion ${i}`);
    longest = Math.max(longest, position.length);
    const text = position.latin1Slice();
    assert.ok(!seen.has(text));
    seen.add(text);
    if (i % 50 === 0) check(position);
    block.splice(at + 1, 0, position);
    if (block.length > 400) blocks.splice(b + 1, 0, block.splice(200));
  }
  assert.ok(longest <= 16 + 5 * 20, `the longest has ${longest} bytes`);
});

for (const side of ["before", "after"] as const)
  test(`100,000 insertions ${side} the same element stay short`, () => {
    const chance = new Chance(3);
    const maker = new Maker("a");
    let left = maker.tail();
    maker.later(chance);
    let right = maker.tail();
    for (let i = 0; i < 100_000; i++) {
      maker.later(chance);
      const position = between(left, right, maker.birth);
      assert.ok(position.compare(left) > 0 && position.compare(right) < 0, `insertion ${i}`);
      if (side === "before") left = position;
      else right = position;
    }
    const longest = Math.max(left.length, right.length);
    assert.ok(longest <= 16 + 5 * 20, `${longest} bytes`);
  });

test("there is room between any two positions, also after insertions that leave as little as possible", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const chance = new Chance(seed);
    const maker = new Maker("a");
    let left = maker.head();
    maker.later(chance);
    let right = maker.tail();
    // Always into the gap that the last one has made, mostly on one side.
    const bias = chance.next();
    for (let i = 0; i < 300; i++) {
      maker.later(chance);
      const position = between(left, right, maker.birth);
      check(position);
      assert.ok(position.compare(left) > 0 && position.compare(right) < 0, `seed ${seed}, ${i}`);
      if (chance.next() < bias) left = position;
      else right = position;
    }
  }
});

test("what two origins insert at one place at once differs, and there is room between the two", () => {
  const [a, b] = [new Maker("a"), new Maker("b")];
  const left = a.tail();
  a.birth.tick++;
  const right = a.tail();
  a.birth.tick++;
  b.birth.tick = a.birth.tick;
  const [x, y] = [between(left, right, a.birth), between(left, right, b.birth)];
  assert.ok(x.compare(y) < 0);
  a.birth.tick++;
  const z = between(x, y, a.birth);
  assert.ok(x.compare(z) < 0 && z.compare(y) < 0);
});

test("bytes that are no position are refused", () => {
  const maker = new Maker("a");
  const left = maker.tail();
  maker.birth.tick++;
  const inserted = between(left, maker.tail(), maker.birth);
  check(inserted);
  for (let length = 0; length < inserted.length; length++)
    if (length !== left.length)
      assert.throws(() => check(inserted.subarray(0, length)), Malformed, `${length} bytes`);
  const inverted = Buffer.from(inserted);
  inverted[left.length + 4] = 0;
  assert.throws(() => check(inverted), Malformed);
  assert.throws(() => check(Buffer.alloc(200)), Malformed);
});
