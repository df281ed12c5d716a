import assert from "node:assert/strict";
import { test } from "node:test";
import { exchange, Region } from "../../../core/commands/regions.suite.ts";
import { luaScripting } from "./lua-scripting.ts";

function regions(): [Region, Region] {
  return [new Region("a", {}, [], luaScripting()), new Region("b", {}, [], luaScripting())];
}

/** A library with one function, which says `text`. */
const library = (name: string, called: string, text: string): string =>
  `#!lua name=${name}\nredis.register_function('${called}', function() return '${text}' end)`;

test("a function that one region loads is called in every other", () => {
  const [a, b] = regions();
  a.raw("FUNCTION", "LOAD", library("lib", "f", "one"));
  assert.equal(b.raw("FCALL", "f", "0"), "-ERR Function not found\r\n");
  exchange(a, b);
  assert.equal(b.raw("FCALL", "f", "0"), "$3\r\none\r\n");
  b.raw("FUNCTION", "LOAD", "REPLACE", library("lib", "f", "two"));
  exchange(a, b);
  assert.equal(a.raw("FCALL", "F", "0"), "$3\r\ntwo\r\n");
  a.raw("FUNCTION", "DELETE", "lib");
  exchange(a, b);
  assert.equal(b.raw("FCALL", "f", "0"), "-ERR Function not found\r\n");
});

test("of a library that two regions load at once the later is called, and the other is in the conflict feed", () => {
  const [a, b] = regions();
  a.raw("FUNCTION", "LOAD", library("lib", "f", "early"));
  b.nowMs++;
  b.raw("FUNCTION", "LOAD", library("lib", "f", "late"));
  exchange(a, b);
  for (const region of [a, b]) {
    assert.equal(region.raw("FCALL", "f", "0"), "$4\r\nlate\r\n");
    assert.match(region.raw("AA.CONFLICTS"), /lib[^]*early/);
  }
});

test("of two libraries that register one name the first by name has it, in every region", () => {
  const [a, b] = regions();
  a.raw("FUNCTION", "LOAD", library("second", "f", "no"));
  b.raw("FUNCTION", "LOAD", library("first", "f", "yes"));
  exchange(a, b);
  for (const region of [a, b]) {
    assert.equal(region.raw("FCALL", "f", "0"), "$3\r\nyes\r\n");
    assert.match(region.raw("FUNCTION", "STATS"), /libraries_count\r\n:2\r\n/);
  }
  a.raw("FUNCTION", "DELETE", "first");
  exchange(a, b);
  assert.equal(b.raw("FCALL", "f", "0"), "$2\r\nno\r\n");
});

test("what two scripts did at once is merged as what any two commands did", () => {
  const [a, b] = regions();
  const count = "redis.call('SADD', KEYS[2], ARGV[1]) return redis.call('INCR', KEYS[1])";
  assert.equal(a.raw("EVAL", count, "2", "n", "s", "x"), ":1\r\n");
  assert.equal(b.raw("EVAL", count, "2", "n", "s", "y"), ":1\r\n");
  exchange(a, b);
  for (const region of [a, b]) {
    assert.equal(region.raw("GET", "n"), "$1\r\n2\r\n");
    assert.equal(region.raw("SCARD", "s"), ":2\r\n");
  }
});
