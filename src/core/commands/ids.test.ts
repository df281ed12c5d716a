/** AA.ID: ids of one node, and of one that has started again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readId } from "../ids/id.ts";
import { Standalone } from "./standalone.suite.ts";

const NOW_MS = 1_790_000_000_000;

function begin(): Standalone {
  const alone = new Standalone();
  alone.nowMs = NOW_MS;
  alone.run.homes.me = "eu-west/1";
  alone.run.memberAt = (index) => (index === 0 ? "eu-west/1" : null);
  return alone;
}

function drawn(alone: Standalone, kind: string, count: number): string[] {
  const reply = alone.raw("AA.ID", kind, "COUNT", String(count));
  return reply.split("\r\n").filter((_, i) => i > 0 && i % 2 === 0 && i <= 2 * count);
}

test("ids of each kind grow, also within a millisecond and with a clock that goes back", () => {
  const alone = begin();
  for (const kind of ["uuid7", "ulid", "prefixed"]) {
    const ids: string[] = [];
    for (const backMs of [0, 0, 5_000, 3, 60_000]) {
      alone.nowMs -= backMs;
      ids.push(...drawn(alone, kind, 1_000));
    }
    assert.equal(ids.length, 5_000);
    assert.deepEqual(ids, [...new Set(ids)].toSorted(), kind);
  }
  const numbers = [...drawn(alone, "snowflake", 1_000), ...drawn(alone, "snowflake", 1_000)].map(
    (text) => BigInt(text),
  );
  assert.ok(numbers.every((number, i) => i === 0 || number > (numbers[i - 1] as bigint)));
});

test("an id is as late as the clock, and tells its member", () => {
  const alone = begin();
  const [id] = drawn(alone, "PREFIXED", 1);
  assert.match(id as string, /^eu-west-0/);
  const { ms } = readId(id as string) ?? { ms: 0 };
  assert.ok(ms - NOW_MS >= 0 && ms - NOW_MS <= 1);
  const told = alone.raw("AA.ID", "DECODE", id as string);
  assert.match(told, /kind\r\n\$8\r\nprefixed\r\n/);
  assert.match(told, new RegExp(`ms\r\n:${ms}\r\n`));
  assert.match(told, /member\r\n\$9\r\neu-west\/1\r\n/);
  assert.match(told, /region\r\n\$7\r\neu-west\r\n/);
  assert.match(alone.raw("AA.ID", "DECODE", "milk"), /^-ERR that is no UUID/);
});

test("an id within the stored ceiling of the clock writes nothing; beyond it, it waits with a record", () => {
  const alone = begin();
  alone.run.ids.ceilingMs = () => NOW_MS + 1_000;
  drawn(alone, "uuid7", 10);
  assert.equal(alone.records.count, 0);
  alone.nowMs += 2_000;
  const [id] = drawn(alone, "uuid7", 10);
  assert.equal(alone.records.count, 1);
  assert.ok((readId(id as string) as { ms: number }).ms <= alone.clock.ms);
});

test("a node that starts again at its stored clock gives no id of before again, whatever its wall clock shows", () => {
  const alone = begin();
  const ceilingMs = NOW_MS + 5;
  alone.run.ids.ceilingMs = () => ceilingMs;
  const before = drawn(alone, "snowflake", 1_000);
  // The clock stopped cleanly: it goes on in the very millisecond in which it stopped.
  const { ms } = alone.clock;
  const again = begin();
  again.clock.observe(ms, 0);
  again.nowMs = NOW_MS - 60_000;
  const after = drawn(again, "snowflake", 1_000);
  assert.equal(new Set([...before, ...after]).size, 2_000);
});

test("a record that is being made stores the ids of its own millisecond, and no later ones", () => {
  const alone = begin();
  alone.run.ids.ceilingMs = () => 0;
  drawn(alone, "ulid", 1);
  alone.nowMs += 10;
  alone.raw("MULTI");
  alone.raw("SET", "k", "v");
  for (let i = 0; i < 5; i++) alone.raw("AA.ID", "snowflake", "COUNT", "1000");
  const reply = alone.raw("EXEC");
  assert.match(reply, /^\*6\r\n\+OK\r\n\*1000\r\n/);
  assert.match(reply, /-TRYAGAIN the disk is behind[^\r]*\r\n$/);
});

test("what is no kind, no number and too much is refused", () => {
  const alone = begin();
  assert.match(
    alone.raw("AA.ID", "uuid4"),
    /^-ERR an id is one of UUID7, ULID, SNOWFLAKE, PREFIXED/,
  );
  assert.match(alone.raw("AA.ID", "ulid", "COUNT", "0"), /^-ERR value is not an integer/);
  assert.match(alone.raw("AA.ID", "ulid", "COUNT", "1001"), /^-ERR at most 1000/);
  alone.clock.observe(SNOWFLAKE_END, 0);
  assert.match(alone.raw("AA.ID", "snowflake"), /^-ERR snowflakes say times/);
});

const SNOWFLAKE_END = 1_704_067_200_000 + 2 ** 41;
