import assert from "node:assert/strict";
import { test } from "node:test";
import { Lag } from "./lag.ts";

test("lag is the age of the oldest record that is missing", () => {
  const lag = new Lag();
  assert.equal(lag.behindMs(0, 0, 50), 0);
  lag.sample(5, 1_000);
  lag.sample(5, 1_500);
  lag.sample(9, 2_000);
  assert.equal(lag.behindMs(9, 9, 9_000), 0);
  assert.equal(lag.behindMs(4, 9, 3_000), 2_000);
  assert.equal(lag.behindMs(5, 9, 3_000), 1_000);
});

test("through an outage of hours the lag is known to a hundredth", () => {
  const lag = new Lag();
  const ticks = 1_000_000;
  for (let i = 1; i <= ticks; i++) lag.sample(i, i * 20);
  for (const has of [0, 1, 1_000, 500_000, 900_000, ticks - 10]) {
    const behindMs = (ticks - has - 1) * 20;
    const told = lag.behindMs(has, ticks, ticks * 20);
    assert.ok(told <= behindMs && told >= behindMs * 0.98 - 20, `${told} of ${behindMs} ms`);
  }
});
