/** ChangeReader: what is told of records, and that positions hold in every region. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Vector } from "../clock/vector.ts";
import { type ChangeEvent, ChangeReader } from "./change-reader.ts";
import { type Member, Network } from "./network.suite.ts";

const everything = (): boolean => true;
const never = (): boolean => false;

function read(member: Member, after = new Vector()): ChangeEvent[] {
  const reader = new ChangeReader(member.replica.origins, after);
  for (const { block } of member.log) assert.ok(reader.read(block, everything, never));
  return reader.events;
}

function three(): { network: Network; members: Member[] } {
  const network = new Network(["a/1", "b/1", "c/1"]);
  const [a, b, c] = network.members as [Member, Member, Member];
  network.connect(a, b);
  network.connect(b, c);
  network.connect(a, c);
  network.pass(200);
  return { network, members: network.members };
}

/** What was changed, as text. */
function told(words: string[]): string[] {
  const network = new Network(["a/1"]);
  const [a] = network.members as [Member];
  // What is done once waits until it is known what all can read.
  network.pass(200);
  a.command("SET", "n", "5");
  a.command("SADD", "s", "x", "y");
  a.command("HSET", "h", "f", "1");
  a.command("ZADD", "z", "1", "m");
  a.command("RPUSH", "l", "one", "two");
  a.turn();
  const before = new Vector();
  before.raise(0, 5);
  a.command(...words);
  a.turn();
  return read(a, before).flatMap(({ changes }) =>
    changes.map(({ key, what, path, value, deadlineMs }) =>
      [key, what, path, value, deadlineMs].filter((one) => one !== null).join(" "),
    ),
  );
}

test("an event says what became of which key", () => {
  assert.deepEqual(told(["SET", "k", "v"]), ["k set v"]);
  assert.deepEqual(told(["SET", "k", "v", "PXAT", "1800000000000"]), ["k set v 1800000000000"]);
  assert.deepEqual(told(["INCR", "n"]), ["n count"]);
  assert.deepEqual(told(["DEL", "n"]), ["n delete"]);
  assert.deepEqual(told(["SADD", "s", "z"]), ["s put z"]);
  assert.deepEqual(told(["SREM", "s", "x"]), ["s remove x"]);
  assert.deepEqual(told(["HSET", "h", "f", "2", "g", "3"]), ["h set f 2", "h set g 3"]);
  assert.deepEqual(told(["HINCRBY", "h", "f", "2"]), ["h count f"]);
  assert.deepEqual(told(["HDEL", "h", "f"]), ["h remove f"]);
  assert.deepEqual(told(["ZADD", "z", "2", "other"]), ["z put other"]);
  assert.deepEqual(told(["ZINCRBY", "z", "2", "m"]), ["z count m"]);
  assert.deepEqual(told(["RPUSH", "l", "three"]), ["l put three"]);
  assert.deepEqual(told(["LPOP", "l"]), ["l remove"]);
  assert.deepEqual(told(["PEXPIREAT", "s", "1800000000000"]), ["s expire 1800000000000"]);
  assert.deepEqual(told(["PFADD", "p", "x"]), ["p merge"]);
  assert.deepEqual(told(["SETBIT", "bits", "7", "1"]).length > 0, true);
  assert.deepEqual(told(["FLUSHALL"]), ["flush"]);
  assert.deepEqual(told(["GET", "n"]), []);
  assert.deepEqual(told(["AA.ONCE", "r", "SADD", "s", "once"]), ["s put once"]);
});

test("a transaction is one event, and what a reader does not want is left out of it", () => {
  const network = new Network(["a/1"]);
  const [a] = network.members as [Member];
  for (const words of [["MULTI"], ["SET", "mine", "1"], ["SET", "other", "2"], ["EXEC"]])
    a.command(...words);
  a.turn();
  assert.deepEqual(
    read(a).map(({ changes }) => changes.map(({ key }) => String(key))),
    [["mine", "other"]],
  );
  const reader = new ChangeReader(a.replica.origins, new Vector());
  for (const { block } of a.log)
    reader.read(block, (_, key) => key?.subarray(0, 4).equals(Buffer.from("mine")) === true, never);
  assert.deepEqual(
    reader.events.map(({ changes }) => changes.map(({ key }) => String(key))),
    [["mine"]],
  );
});

test("a reader that stops in the middle of a block goes on there", () => {
  const network = new Network(["a/1"]);
  const [a] = network.members as [Member];
  for (let i = 1; i <= 9; i++) a.command("SET", "k", `${i}`);
  a.turn();
  const reader = new ChangeReader(a.replica.origins, new Vector());
  const seen: string[] = [];
  for (let pages = 0; pages < 9 && seen.length < 9; pages++) {
    reader.events = [];
    for (const { block } of a.log) reader.read(block, everything, () => reader.events.length >= 2);
    seen.push(...reader.events.flatMap(({ changes }) => changes.map(({ value }) => String(value))));
  }
  assert.deepEqual(seen, ["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
});

test("whoever goes on in another region misses nothing, is told nothing twice, and never a cause after what it caused", () => {
  const step = fc.record({
    at: fc.nat(2),
    words: fc.constantFrom(
      ["INCR", "n"],
      ["SADD", "s", "x"],
      ["APPEND", "t", "x"],
      ["DEL", "s"],
      ["HSET", "h", "f", "v"],
    ),
    passes: fc.boolean(),
    /** A reader reads there, up to so many events. */
    reads: fc.option(fc.tuple(fc.nat(2), fc.integer({ min: 1, max: 4 }))),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const { network, members } = three();
      // A position as text is what travels, since each region numbers origins in its own way.
      let cursor = "0";
      const seen: string[] = [];
      const page = (member: Member, count: number): void => {
        const { conflicts } = member.replica.run;
        const after = conflicts.cursorOf(cursor) ?? assert.fail("a position is one everywhere");
        const reader = new ChangeReader(member.replica.origins, after);
        const isFull = (): boolean => reader.events.length >= count;
        for (const { block } of member.log) if (!reader.read(block, everything, isFull)) break;
        for (const { origin, seq } of reader.events) seen.push(`${origin.member}:${seq}`);
        cursor = conflicts.cursorText(reader.after);
      };
      for (const { at, words, passes, reads } of steps) {
        const member = members[at] as Member;
        member.command(...words);
        member.turn();
        if (passes) network.pass(40);
        if (reads !== null) page(members[reads[0]] as Member, reads[1]);
      }
      network.pass(1_000);
      page(members[0] as Member, Infinity);
      const made = members.flatMap(({ name, replica }) =>
        Array.from({ length: replica.applied.get(replica.me) }, (_, i) => `${name}:${i + 1}`),
      );
      assert.deepEqual(seen.toSorted(), made.toSorted());
      for (const { name } of members) {
        const own = seen.filter((dot) => dot.startsWith(name)).map((dot) => Number(dot.slice(4)));
        assert.deepEqual(
          own,
          own.toSorted((x, y) => x - y),
        );
      }
    }),
    { numRuns: 60 },
  );
});
