import assert from "node:assert/strict";
import { test } from "node:test";
import { exchange, Region } from "./regions.suite.ts";
import { array, bulk } from "./replies.suite.ts";

/** Writes in one region, later in another, neither knowing of the other; then both must show the same. */
function merged(before: string[], here: string[], there: string[]): string {
  const [a, b] = [new Region("a"), new Region("b")];
  const run = (region: Region, commands: string[]): void => {
    for (const command of commands) region.raw(...command.split(" "));
  };
  run(a, before);
  exchange(a, b);
  a.nowMs += 10;
  b.nowMs += 20;
  run(a, here);
  run(b, there);
  exchange(a, b);
  const shown = a.raw("ZRANGE", "z", "0", "-1", "WITHSCORES");
  assert.equal(b.raw("ZRANGE", "z", "0", "-1", "WITHSCORES"), shown, "both show the same");
  return shown
    .split("\r\n")
    .filter((line, i) => i > 0 && i % 2 === 0 && line !== "")
    .join(" ");
}

test("what two regions do to one sorted set at once comes out as the manual says", () => {
  for (const [before, here, there, outcome] of [
    [[], ["ZADD z 1 a"], ["ZADD z 2 b"], "a 1 b 2"],
    [[], ["ZADD z 1.1 x"], ["ZADD z 2.1 x"], "x 2.1000000000000001"],
    [["ZADD z 1.1 x"], ["ZINCRBY z 1 x"], ["ZINCRBY z 1 x"], "x 3.1000000000000001"],
    [["ZADD z 4.1 x"], ["ZREM z x"], ["ZINCRBY z 2 x"], "x 2"],
    [["ZADD z 1 x"], ["ZREM z x"], ["ZADD z 1 x"], "x 1"],
    [["ZADD z 1 x"], ["ZADD z 10 x"], ["ZINCRBY z 5 x"], "x 15"],
    [["ZADD z 1 x"], ["ZINCRBY z 5 x"], ["ZADD z 10 x"], "x 15"],
    [["ZADD z 1 x"], ["ZADD z GT 30 x"], ["ZADD z GT 20 x"], "x 30"],
    [["ZADD z 99 x"], ["ZADD z LT 20 x"], ["ZADD z LT 30 x"], "x 20"],
    [["ZADD z 1 x"], ["ZADD z GT 30 x"], ["ZADD z 20 x"], "x 20"],
    [["ZADD z 1 x"], ["ZADD z 30 x"], ["ZADD z GT 20 x"], "x 30"],
    [[], ["ZADD z NX 1 x"], ["ZADD z NX 2 x"], "x 2"],
    [["ZADD z 1 x 2 y"], ["DEL z"], ["ZADD z 3 w"], "w 3"],
    [["ZADD z 1 x"], ["ZADD z 2 x", "ZINCRBY z 1 x"], ["ZINCRBY z 10 x"], "x 13"],
    [["ZADD z 1 x 2 y"], ["ZPOPMIN z"], ["ZPOPMIN z"], "y 2"],
    [["ZADD z 1 x"], ["ZREMRANGEBYSCORE z -inf +inf"], ["ZINCRBY z 2 x"], "x 2"],
    [["ZADD z 1 x"], ["ZUNIONSTORE z 1 z WEIGHTS 10"], ["ZADD z 3 y"], "y 3 x 10"],
    [["ZADD z 0 x"], ["ZINCRBY z inf x"], ["ZINCRBY z 5 x"], "x inf"],
    [["ZADD z 0 x"], ["ZINCRBY z 0.1 x", "ZINCRBY z 0.2 x"], ["ZINCRBY z 1 x"], "x 1.3"],
  ] as const)
    assert.equal(
      merged([...before], [...here], [...there]),
      outcome,
      `${here.join()} ║ ${there.join()}`,
    );
});

test("a member that was lowered elsewhere is found at its new rank", () => {
  const [a, b] = [new Region("a"), new Region("b")];
  for (let i = 0; i < 300; i++) a.raw("ZADD", "z", String(i), `m${i}`);
  exchange(a, b);
  a.raw("ZINCRBY", "z", "-1000", "m200");
  b.raw("ZINCRBY", "z", "-500", "m200");
  b.raw("ZADD", "z", "999", "m0");
  exchange(a, b);
  for (const region of [a, b]) {
    assert.equal(region.raw("ZRANK", "z", "m200"), ":0\r\n");
    assert.equal(region.raw("ZSCORE", "z", "m200"), bulk("-1300"));
    assert.equal(region.raw("ZREVRANGE", "z", "0", "0"), array(bulk("m0")));
    assert.equal(region.raw("ZCOUNT", "z", "-inf", "+inf"), ":300\r\n");
  }
});
