import assert from "node:assert/strict";
import { test } from "node:test";
import { GREATER, LESS } from "../crdt/score.ts";
import { type Enumerated, enumerate } from "./enumeration.suite.ts";
import type { Solo } from "./solo.suite.ts";

/** An operation that adds to no counter. */
function plain(name: string, make: (solo: Solo, key: string) => void): Enumerated {
  return {
    name,
    make: (solo, key) => {
      make(solo, key);
      return [];
    },
  };
}

const del = plain("DEL", (solo, key) => {
  if (solo.view(key) !== "none") solo.del(key);
});

function check(operations: readonly Enumerated[]): void {
  const count = operations.length;
  assert.equal(enumerate(operations), (count + 1) * count ** 3 * 5);
}

test("strings: however four writes meet, every region shows the same", () => {
  check([
    plain("SET", (solo, key) => solo.set(key, "7")),
    {
      name: "INCRBY",
      make: (solo, key) => {
        solo.count(key, 2);
        return [2];
      },
    },
    del,
  ]);
});

test("sets: however four writes meet, every region shows the same", () => {
  check([
    plain("SADD", (solo, key) => solo.sadd(key, "m")),
    plain("SREM", (solo, key) => {
      if (solo.view(key) !== "none") solo.srem(key, "m");
    }),
    del,
  ]);
});

test("hashes: however four writes meet, every region shows the same", () => {
  check([
    plain("HSET", (solo, key) => solo.hset(key, "f", "7")),
    {
      name: "HINCRBY",
      make: (solo, key) => {
        solo.hcount(key, "f", 2);
        return [2];
      },
    },
    plain("HDEL", (solo, key) => {
      if (solo.view(key) !== "none") solo.hdel(key, "f");
    }),
    del,
  ]);
});

test("sorted sets: however four writes meet, every region shows the same", () => {
  check([
    plain("ZADD", (solo, key) => solo.zadd(key, "m", 5)),
    plain("ZADD GT", (solo, key) => {
      if (!(solo.score(key, "m") >= 4)) solo.zadd(key, "m", 4, GREATER);
    }),
    plain("ZADD LT", (solo, key) => {
      if (!(solo.score(key, "m") <= 6)) solo.zadd(key, "m", 6, LESS);
    }),
    {
      name: "ZINCRBY",
      make: (solo, key) => {
        solo.zincrby(key, "m", 2);
        return [2];
      },
    },
    plain("ZREM", (solo, key) => {
      if (solo.view(key) !== "none") solo.zrem(key, "m");
    }),
    del,
  ]);
});
