import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { PROFILES } from "../profiles.ts";
import { MUTANTS, PENDING } from "./catalogue.ts";
import { rowsOf } from "./table.ts";

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");

test("a mutant's patch fits in exactly one place, and changes it", () => {
  for (const { name, file, find, put, profile } of MUTANTS) {
    assert.equal(read(`../../src/${file}`).split(find).length - 1, 1, name);
    assert.notEqual(find, put, name);
    assert.ok(profile in PROFILES, name);
  }
  const names = [...MUTANTS, ...PENDING].map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
});

test("the documentation lists every mutant with its profile, what killed it and after how many seeds", () => {
  const rows = rowsOf(read("../../docs/testing.md"));
  assert.deepEqual(
    rows.map(([name, profile]) => `${name} / ${profile}`),
    MUTANTS.map(({ name, profile }) => `${name} / ${profile}`),
  );
  for (const [name, , check, seeds] of rows) {
    assert.match(check ?? "", /^(I-\d+|bug)$/, name);
    assert.ok(Number(seeds) >= 1 && Number(seeds) <= 500, name);
  }
});
