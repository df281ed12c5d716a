import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Heap } from "./heap.ts";
import { LuaTable } from "./table.ts";
import type { LuaValue } from "./values.ts";

function table(): LuaTable {
  return new LuaTable(
    new Heap(
      1 << 30,
      () => 0,
      () => {},
    ),
  );
}

function entriesOf(from: LuaTable): [LuaValue, LuaValue][] {
  const found: [LuaValue, LuaValue][] = [];
  for (let at = from.occupied(0); at >= 0; at = from.occupied(at + 1)) {
    found.push([from.keyAt(at), from.valueAt(at)]);
  }
  return found;
}

const key = fc.oneof(
  fc.integer({ min: -3, max: 40 }),
  fc.double({ noNaN: true }),
  fc.string({ maxLength: 3 }),
  fc.boolean(),
);

test("a table holds what a map holds, whatever is set and cleared in whatever order", () => {
  const changes = fc.array(fc.tuple(key, fc.option(fc.integer(), { nil: undefined })));
  fc.assert(
    fc.property(changes, (steps) => {
      const own = table();
      const twin = new Map<LuaValue, LuaValue>();
      for (const [at, value] of steps) {
        own.set(at, value);
        if (value === undefined) twin.delete(at);
        else twin.set(at, value);
        assert.equal(own.get(at), value);
      }
      assert.deepEqual(new Map(entriesOf(own)), twin);
      const { length } = own;
      assert.ok(length === 0 || twin.has(length), "a border has a value");
      assert.ok(!twin.has(length + 1), "and none after it");
    }),
    { numRuns: 300 },
  );
});

test("a traversal that clears every field sees each of them", () => {
  const own = table();
  for (let i = 0; i < 50; i++) own.set(`k${i}`, i);
  let seen = 0;
  let at: LuaValue;
  for (;;) {
    const position = own.positionAfter(at);
    if (position < 0) break;
    at = own.keyAt(position);
    own.set(at, undefined);
    seen++;
  }
  assert.equal(seen, 50);
  assert.deepEqual(entriesOf(own), []);
});

test("keys come in the order of Redis' Lua", () => {
  const own = table();
  for (const name of ["alpha", "beta", "gamma", "delta", "epsilon"]) own.set(name, true);
  assert.deepEqual(
    entriesOf(own).map(([name]) => name),
    ["beta", "epsilon", "delta", "gamma", "alpha"],
  );
});
