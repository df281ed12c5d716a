import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { TRAFFIC_MUTANTS } from "./mutants.ts";

test("a patch of routing fits in exactly one place, and changes it", () => {
  for (const { name, file, find, put } of TRAFFIC_MUTANTS) {
    const source = readFileSync(new URL(`../../src/${file}`, import.meta.url), "utf8");
    assert.equal(source.split(find).length - 1, 1, name);
    assert.notEqual(find, put, name);
  }
  assert.equal(new Set(TRAFFIC_MUTANTS.map(({ name }) => name)).size, TRAFFIC_MUTANTS.length);
});
