import assert from "node:assert/strict";
import { test } from "node:test";
import { Interpreter } from "./engine.ts";
import { LuaError } from "./errors.ts";
import type { LuaValue } from "./values.ts";

const MEGABYTE = 1 << 20;

function interpreter(onSteps: () => void = () => {}): Interpreter {
  return new Interpreter({ memoryBytes: 16 * MEGABYTE, stepsBetweenChecks: 1_000, onSteps });
}

function run(source: string, lua = interpreter()): readonly LuaValue[] {
  const chunk = lua.compile(source, "@user_script");
  if (chunk instanceof LuaError) throw chunk;
  return lua.call(chunk, []);
}

function errorOf(source: string): LuaValue {
  try {
    run(source);
  } catch (error) {
    if (error instanceof LuaError) return error.value;
    throw error;
  }
  return undefined;
}

test("a script computes, calls itself and keeps tables", () => {
  assert.deepEqual(
    run("local function f(n) if n < 2 then return n end return f(n-1) + f(n-2) end return f(15)"),
    [610],
  );
  assert.deepEqual(run("local t = {} for i = 1, 10 do t[i] = i * 2 end return #t, t[5]"), [10, 10]);
});

test("an error says where it happened and what the code calls the value", () => {
  assert.equal(
    errorOf("local a = {}\nreturn a.b.c"),
    "user_script:2: attempt to index field 'b' (a nil value)",
  );
  assert.equal(
    errorOf("return 1 + {}"),
    "user_script:1: attempt to perform arithmetic on a table value",
  );
});

test("a script that never ends is stopped, whatever it catches", () => {
  class Stopped extends Error {}
  let checks = 0;
  const lua = interpreter(() => {
    if (++checks > 5) throw new Stopped();
  });
  assert.throws(
    () => run("while true do pcall(function() while true do end end) end", lua),
    Stopped,
  );
  checks = -1000;
  assert.deepEqual(run("return 1", lua), [1]);
});
