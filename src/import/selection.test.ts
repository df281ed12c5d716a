/** Selection: a command is applied, concerns nothing selected, or is reported; never half of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { globMatches } from "../core/commands/glob.ts";
import { patternOf, type Selection, selects, verdictOn } from "./selection.ts";

const all: Selection = { dbs: null, prefix: Buffer.alloc(0) };
const first: Selection = { dbs: new Set([0]), prefix: Buffer.alloc(0) };
const carts: Selection = { dbs: null, prefix: Buffer.from("cart:") };

function on(selection: Selection, db: number, line: string): string {
  const words = line.split(" ").map((word) => Buffer.from(word));
  const verdict = verdictOn(words, db, selection);
  return verdict.type === "flush" ? `flush ${verdict.dbs.join()}` : verdict.type;
}

test("without a selection everything is applied but what is no data", () => {
  for (const line of ["SET a 1", "FLUSHALL", "swapdb 0 1", "FT.ADD x", "MULTI", "EVAL x 0"])
    assert.equal(on(all, 3, line), "apply", line);
  for (const line of ["PING", "replconf GETACK *", "PUBLISH c m"])
    assert.equal(on(all, 0, line), "pass over", line);
});

test("of databases that were not selected nothing is applied", () => {
  assert.equal(on(first, 0, "SET a 1"), "apply");
  assert.equal(on(first, 1, "SET a 1"), "pass over");
  assert.equal(on(first, 1, "FLUSHDB"), "pass over");
  assert.equal(on(first, 0, "FLUSHDB"), "apply");
  assert.equal(on(first, 1, "FLUSHALL"), "flush 0");
  assert.equal(on(first, 1, "SWAPDB 1 2"), "pass over");
  assert.equal(on(first, 1, "SWAPDB 0 2"), "report");
  assert.equal(on(first, 0, "MOVE a 1"), "report");
  assert.equal(on(first, 1, "COPY a b DB 0"), "report");
  assert.equal(on(first, 1, "COPY a b db 2"), "pass over");
  assert.equal(on(first, 1, "FUNCTION LOAD x"), "apply");
  assert.ok(selects(first, 0, Buffer.from("x")) && !selects(first, 1, Buffer.from("x")));
});

test("of keys that were not selected nothing is applied, and what touches both kinds is reported", () => {
  assert.equal(on(carts, 0, "SET cart:1 1"), "apply");
  assert.equal(on(carts, 0, "SET car 1"), "pass over");
  assert.equal(on(carts, 0, "DEL cart:1 cart:2"), "apply");
  assert.equal(on(carts, 0, "DEL cart:1 other"), "report");
  assert.equal(on(carts, 0, "RENAME cart:1 old"), "report");
  assert.equal(on(carts, 0, "ZUNIONSTORE cart:1 2 cart:2 x"), "report");
  assert.equal(on(carts, 0, "XREADGROUP GROUP g c STREAMS cart:1 >"), "apply");
  assert.equal(on(carts, 0, "FLUSHALL"), "report");
  assert.equal(on(carts, 0, "SWAPDB 0 1"), "report");
  assert.equal(on(carts, 0, "JSON.MERGE cart:1 $ 1"), "apply");
});

test("the pattern of a prefix matches what begins with it and nothing else", () => {
  for (const prefix of ["cart:", "a*b", "[x]?\\^"]) {
    const bytes = Buffer.from(prefix);
    const matches = (key: string): boolean => {
      const [pattern, text] = [patternOf(bytes), Buffer.from(key)];
      return globMatches(pattern, text, 0, text.length);
    };
    assert.ok(matches(prefix) && matches(`${prefix}1`), prefix);
    assert.ok(!matches(`x${prefix}`) && !matches("axb"), prefix);
  }
});
