import assert from "node:assert/strict";
import { test } from "node:test";
import { exchange, Region } from "./regions.suite.ts";
import { bulk, bulksOf } from "./replies.suite.ts";

type Words = readonly string[];

/** The outcomes that `docs/types/` promises: before, at once in `a` and `b` (which writes a moment later), and after. */
const outcomes: readonly (readonly [
  name: string,
  before: readonly Words[],
  inA: Words,
  inB: Words,
  look: Words,
  seen: string | readonly string[],
])[] = [
  // strings
  ["SET‖SET: the later one", [], ["SET", "k", "a"], ["SET", "k", "b"], ["GET", "k"], bulk("b")],
  [
    "SET‖DEL: the SET",
    [["SET", "k", "0"]],
    ["SET", "k", "a"],
    ["DEL", "k"],
    ["GET", "k"],
    bulk("a"),
  ],
  [
    "INCR‖INCR: the sum",
    [["SET", "k", "5"]],
    ["INCR", "k"],
    ["INCRBY", "k", "10"],
    ["GET", "k"],
    bulk("16"),
  ],
  ["new counters add up", [], ["INCR", "k"], ["DECRBY", "k", "4"], ["GET", "k"], bulk("-3")],
  [
    "floats add up",
    [],
    ["INCRBYFLOAT", "k", "0.1"],
    ["INCRBYFLOAT", "k", "0.2"],
    ["GET", "k"],
    bulk("0.3"),
  ],
  [
    "INCR‖DEL: the increment",
    [["SET", "k", "5"]],
    ["INCR", "k"],
    ["DEL", "k"],
    ["GET", "k"],
    bulk("1"),
  ],
  [
    "INCR‖SET: added to what is set",
    [["INCRBY", "k", "5"]],
    ["INCR", "k"],
    ["SET", "k", "10"],
    ["GET", "k"],
    bulk("11"),
  ],
  [
    "INCR‖SET of a text: the text",
    [["INCRBY", "k", "5"]],
    ["INCR", "k"],
    ["SET", "k", "text"],
    ["GET", "k"],
    bulk("text"),
  ],
  [
    "APPEND‖APPEND: the later one",
    [["SET", "k", "x"]],
    ["APPEND", "k", "a"],
    ["APPEND", "k", "b"],
    ["GET", "k"],
    bulk("xb"),
  ],
  [
    "SETNX‖SETNX: the later one",
    [],
    ["SETNX", "k", "a"],
    ["SETNX", "k", "b"],
    ["GET", "k"],
    bulk("b"),
  ],
  [
    "GETDEL‖SET: the SET",
    [["SET", "k", "0"]],
    ["GETDEL", "k"],
    ["SET", "k", "b"],
    ["GET", "k"],
    bulk("b"),
  ],
  // hashes
  [
    "HSET‖HSET of two fields: both",
    [],
    ["HSET", "h", "a", "1"],
    ["HSET", "h", "b", "2"],
    ["HGETALL", "h"],
    ["1", "2", "a", "b"],
  ],
  [
    "HSET‖HSET of one field: the later one",
    [],
    ["HSET", "h", "f", "a"],
    ["HSET", "h", "f", "b"],
    ["HGET", "h", "f"],
    bulk("b"),
  ],
  [
    "HSET‖HDEL: the HSET",
    [["HSET", "h", "f", "0"]],
    ["HSET", "h", "f", "a"],
    ["HDEL", "h", "f"],
    ["HGET", "h", "f"],
    bulk("a"),
  ],
  [
    "HINCRBY‖HINCRBY: the sum",
    [["HSET", "h", "f", "1"]],
    ["HINCRBY", "h", "f", "2"],
    ["HINCRBY", "h", "f", "3"],
    ["HGET", "h", "f"],
    bulk("6"),
  ],
  [
    "HINCRBY‖HDEL: the increment",
    [["HSET", "h", "f", "9"]],
    ["HINCRBY", "h", "f", "2"],
    ["HDEL", "h", "f"],
    ["HGET", "h", "f"],
    bulk("2"),
  ],
  [
    "HSETNX‖HSETNX: the later one",
    [],
    ["HSETNX", "h", "f", "a"],
    ["HSETNX", "h", "f", "b"],
    ["HGET", "h", "f"],
    bulk("b"),
  ],
  [
    "HSET‖SADD: the later type",
    [],
    ["HSET", "h", "f", "v"],
    ["SADD", "h", "m"],
    ["SMEMBERS", "h"],
    ["m"],
  ],
  [
    "HSET‖DEL: the field written",
    [["HSET", "h", "a", "1", "b", "2"]],
    ["HSET", "h", "c", "3"],
    ["DEL", "h"],
    ["HGETALL", "h"],
    ["3", "c"],
  ],
  // sets
  [
    "SADD‖SREM: the SADD",
    [["SADD", "s", "x"]],
    ["SADD", "s", "x"],
    ["SREM", "s", "x"],
    ["SMEMBERS", "s"],
    ["x"],
  ],
  [
    "SADD‖SADD: both members",
    [],
    ["SADD", "s", "x"],
    ["SADD", "s", "y"],
    ["SMEMBERS", "s"],
    ["x", "y"],
  ],
  ["SPOP‖SPOP: gone", [["SADD", "s", "x"]], ["SPOP", "s"], ["SPOP", "s"], ["SMEMBERS", "s"], []],
  [
    "SADD‖FLUSHALL behind it: gone",
    [["SADD", "s", "x"]],
    ["SADD", "s", "y"],
    ["FLUSHALL"],
    ["SMEMBERS", "s"],
    [],
  ],
  [
    "SADD‖DEL: what was added",
    [["SADD", "s", "x"]],
    ["SADD", "s", "y"],
    ["DEL", "s"],
    ["SMEMBERS", "s"],
    ["y"],
  ],
  [
    "SREM‖SREM: gone",
    [["SADD", "s", "x", "y"]],
    ["SREM", "s", "x"],
    ["SREM", "s", "x"],
    ["SMEMBERS", "s"],
    ["y"],
  ],
  [
    "SADD‖SUNIONSTORE: both",
    [["SADD", "t", "1"]],
    ["SADD", "s", "x"],
    ["SUNIONSTORE", "s", "t"],
    ["SMEMBERS", "s"],
    ["1", "x"],
  ],
  [
    "SMOVE‖SADD: stays where it was added",
    [["SADD", "s", "x"]],
    ["SMOVE", "s", "t", "x"],
    ["SADD", "s", "x"],
    ["SINTER", "s", "t"],
    ["x"],
  ],
  // keys
  [
    "RENAME‖SADD: the addition stays behind",
    [["SADD", "s", "x"]],
    ["RENAME", "s", "t"],
    ["SADD", "s", "y"],
    ["SMEMBERS", "s"],
    ["y"],
  ],
  [
    "RENAME‖INCR: the increment stays behind",
    [["SET", "k", "5"]],
    ["RENAME", "k", "t"],
    ["INCR", "k"],
    ["MGET", "k", "t"],
    ["1", "5"],
  ],
  [
    "SET‖SADD: the later type",
    [],
    ["SET", "k", "v"],
    ["SADD", "k", "x"],
    ["TYPE", "k"],
    "+set\r\n",
  ],
  ["FLUSHALL‖SET before it: gone", [], ["SET", "k", "v"], ["FLUSHALL"], ["GET", "k"], "$-1\r\n"],
  // deadlines
  [
    "EXPIRE‖EXPIRE: the longer",
    [["SET", "k", "v"]],
    ["EXPIRE", "k", "100"],
    ["EXPIRE", "k", "10"],
    ["EXPIRETIME", "k"],
    ":1700000100\r\n",
  ],
  [
    "EXPIRE‖PERSIST: without",
    [["SETEX", "k", "50", "v"]],
    ["EXPIRE", "k", "100"],
    ["PERSIST", "k"],
    ["TTL", "k"],
    ":-1\r\n",
  ],
  [
    "EXPIRE‖SADD: the member shares the deadline",
    [["SADD", "s", "x"]],
    ["EXPIRE", "s", "100"],
    ["SADD", "s", "y"],
    ["EXPIRETIME", "s"],
    ":1700000100\r\n",
  ],
  [
    "EXPIRE in the past‖SADD: what was added",
    [["SADD", "s", "x"]],
    ["EXPIRE", "s", "0"],
    ["SADD", "s", "y"],
    ["SMEMBERS", "s"],
    ["y"],
  ],
  [
    "HINCRBY‖HSET: added to what is set",
    [],
    ["HINCRBY", "h", "f", "2"],
    ["HSET", "h", "f", "10"],
    ["HGET", "h", "f"],
    bulk("12"),
  ],
  [
    "EXPIRE‖SET: a later SET has no deadline",
    [["SET", "k", "v"]],
    ["EXPIRE", "k", "100"],
    ["SET", "k", "w"],
    ["TTL", "k"],
    ":-1\r\n",
  ],
  [
    "SET‖EXPIRE: a later EXPIRE holds for the value as well",
    [["SET", "k", "v"]],
    ["SET", "k", "w"],
    ["EXPIREAT", "k", "1700000100"],
    ["EXPIRETIME", "k"],
    ":1700000100\r\n",
  ],
  [
    "COPY‖SADD: members of both",
    [["SADD", "s", "x"]],
    ["COPY", "s", "t"],
    ["SADD", "t", "y"],
    ["SMEMBERS", "t"],
    ["x", "y"],
  ],
  [
    "FLUSHALL‖SET after it: the SET",
    [["SET", "k", "v"]],
    ["FLUSHALL"],
    ["SET", "k", "w"],
    ["GET", "k"],
    bulk("w"),
  ],
];

for (const [name, before, inA, inB, look, seen] of outcomes)
  test(`at once in two regions, ${name}`, () => {
    const [a, b] = [new Region("a"), new Region("b")];
    for (const words of before) a.raw(...words);
    exchange(a, b);
    for (const region of [a, b]) region.nowMs += 100;
    a.raw(...inA);
    b.nowMs += 10;
    b.raw(...inB);
    exchange(a, b);
    for (const region of [a, b]) {
      const reply = region.raw(...look);
      assert.deepEqual(typeof seen === "string" ? reply : bulksOf(reply), seen);
    }
  });
