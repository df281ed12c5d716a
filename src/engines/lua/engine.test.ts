import assert from "node:assert/strict";
import { test } from "node:test";
import { Interpreter } from "./engine.ts";
import { LuaError } from "./errors.ts";
import type { LuaValue } from "./values.ts";

const MEGABYTE = 1 << 20;

function interpreter(onSteps: () => void = () => {}, memoryBytes = 16 * MEGABYTE): Interpreter {
  return new Interpreter({ memoryBytes, stepsBetweenChecks: 1_000, onSteps });
}

function run(source: string, lua = interpreter()): readonly LuaValue[] {
  const chunk = lua.compile(source, "@user_script");
  if (chunk instanceof LuaError) throw chunk;
  return lua.call(chunk, []);
}

/** With no room on JavaScript's stack, so that every function runs apart. */
function runApart(source: string): readonly LuaValue[] {
  const lua = interpreter();
  lua.runtime.room = 0;
  return run(source, lua);
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
  const fib = "local function f(n) if n < 2 then return n end return f(n-1) + f(n-2) end";
  assert.deepEqual(run(`${fib} return f(15)`), [610]);
  assert.deepEqual(run("local t = {} for i = 1, 10 do t[i] = i * 2 end return #t, t[5]"), [10, 10]);
});

test("what is tested and known to be true is no constant, so 0 keeps its sign behind it", () => {
  for (const [source, zero] of [
    ["if not -0 then return 1 end return 0", 0],
    ["if -0 then return 0 end", 0],
    ["while -0 do return 0 end", 0],
    ["return -0 and 0", 0],
    ["local x = -0 or 1 return 0", -0],
    ["if -0 or x then return 0 end", -0],
  ] as const)
    assert.deepEqual(run(source), [zero], source);
});

test("an error says where it happened and what the code calls the value", () => {
  for (const [source, message] of [
    ["local a = {}\nreturn a.b.c", "user_script:2: attempt to index field 'b' (a nil value)"],
    ["return 1 + {}", "user_script:1: attempt to perform arithmetic on a table value"],
    ["local t t.x = 1", "user_script:1: attempt to index local 't' (a nil value)"],
    ["x()", "user_script:1: attempt to call global 'x' (a nil value)"],
    ["local t = {} t[nil] = 1", "user_script:1: table index is nil"],
    ["local s = 'a' s:no()", "user_script:1: attempt to call method 'no' (a nil value)"],
    ["return 1 < 'x'", "user_script:1: attempt to compare number with string"],
    ["string.rep()", "user_script:1: bad argument #1 to 'rep' (string expected, got no value)"],
    ["('x'):rep({})", "user_script:1: bad argument #1 to 'rep' (number expected, got table)"],
    ["math.fmod()", "user_script:1: bad argument #2 to 'fmod' (number expected, got no value)"],
    ["math.ldexp({}, 1)", "user_script:1: bad argument #1 to 'ldexp' (number expected, got table)"],
    ["for i = 1, 'x' do end", "user_script:1: 'for' limit must be a number"],
    ["local function f() error('deep', 2) end\nf()", "user_script:2: deep"],
    ["local function f() error('lost', 2) end return f()", "lost"],
  ] as const) {
    assert.equal(errorOf(source), message);
  }
});

test("whoever calls from outside learns where an error was raised", () => {
  const lua = interpreter();
  const chunk = lua.compile("local x = 1\nerror({ err = 'mine' })", "@user_script");
  assert.ok(!(chunk instanceof LuaError));
  let line = 0;
  assert.throws(() =>
    lua.call(chunk, [], (error, position) => {
      line = position?.line ?? 0;
      return error;
    }),
  );
  assert.equal(line, 2);
});

test("a script that never ends is stopped, whatever it catches and wherever it runs", () => {
  class Stopped extends Error {}
  for (const source of [
    "while true do end",
    "while true do pcall(function() while true do end end) end",
    "local function f() return f() end f()",
    "coroutine.wrap(function() while true do coroutine.yield = nil end end)()",
    "local co = coroutine.wrap(function() while true do pcall(error) end end) co()",
    "string.find(string.rep('a', 30), string.rep('a?', 30) .. string.rep('a', 31))",
    "table.sort({3, 2, 1}, function() while true do end end)",
    "repeat until false",
    "local s = string.rep('x', 2e6) for i = 1, 1e5 do s:upper() end",
    "local t = {} for i = 1, 1e5 do t[i] = i end for i = 1, 1e5 do t[i] = nil end while true do next(t) end",
    "local t = {} for i = 1, 1e5 do t[i] = {} end while true do collectgarbage() end",
    "local s = string.rep('x', 2e6) for i = 1, 1e5 do local t = {} t[s .. i] = 1 end",
  ]) {
    let checks = 0;
    const lua = interpreter(() => {
      if (++checks > 5) throw new Stopped();
    });
    assert.throws(() => run(source, lua), Stopped, source);
    checks = -1000;
    assert.deepEqual(run("return 1", lua), [1], "the interpreter can be used again");
  }
});

test("a script cannot hold more memory than it may, but leave as much garbage as it likes", () => {
  for (const source of [
    "local t = {} for i = 1, 1e8 do t[i] = i end",
    "local s = 'x' while true do s = s .. s end",
    "return string.rep('x', 1e9)",
    "local t = {} while true do t = { t } end",
    "local t = {} while true do t[#t + 1] = function() return t end end",
    "local f = function() end while true do local g = f f = function() return g() end end",
    "local t = {} for i = 1, 1e8 do t['key' .. i] = true end",
    "local co = {} while true do co[#co + 1] = coroutine.create(function() end) end",
  ]) {
    assert.throws(() => run(source), /not enough memory/, source);
  }
  const garbage = "for i = 1, 20000 do local s = string.rep('x', 10000) .. i end return 'done'";
  assert.deepEqual(run(garbage), ["done"]);
  assert.deepEqual(run("for i = 1, 300000 do local t = { i, i } end return 'done'"), ["done"]);
});

test("calls nest as deep as in Lua, tail calls without end", () => {
  const count = "local function f(n) if n == 0 then return 0 end return 1 + f(n - 1) end";
  assert.deepEqual(run(`${count} return f(15000)`), [15_000]);
  const tail = "local function f(n) if n == 0 then return 'end' end return f(n - 1) end";
  assert.deepEqual(run(`${tail} return f(100000)`), ["end"]);
  const endless = "local function f() return 1 + f() end return pcall(f)";
  assert.deepEqual(run(endless), [false, "user_script:1: stack overflow"]);
  const handlers =
    "local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end }) return pcall(function() return t[1] end)";
  assert.deepEqual(run(handlers), [false, "user_script:1: C stack overflow"]);
});

test("a chunk as deep as the stack is refused, not run", () => {
  const lua = interpreter();
  for (const source of [
    `return ${"(".repeat(300)}1${")".repeat(300)}`,
    `return ${"a.".repeat(5_000)}b`,
    `return ${"a + ".repeat(5_000)}b`,
    `return a${"()".repeat(5_000)}`,
    `return ${"a and ".repeat(5_000)}b`,
    `${"do ".repeat(300)}${"end ".repeat(300)}`,
  ]) {
    const refused = lua.compile(source, "@user_script");
    assert.ok(refused instanceof LuaError, source.slice(0, 20));
    assert.match(refused.message, /too many syntax levels/);
  }
  assert.deepEqual(run(`return #(${"'a' .. ".repeat(190)}'b')`), [191]);
});

test("a function that runs apart does what it does otherwise", () => {
  for (const source of [
    "local t = { (function() return 1, 2 end)(), (function() return 1, 2 end)() } return #t, t[3]",
    "local x = 1 local function f() x = 2 return 10 end return x + f(), x",
    "local t = {} local i = 1 local function n() i = i + 1 return i end t[i], t[n()] = n(), n() return t[1], t[2], i",
    "local function id(...) return ... end local s = '' for k, v in ipairs({ id(4, 5, 6) }) do s = s .. k .. id(v) end return s",
    "local function id(...) return ... end return id(1) and id(nil) or id('c'), not id(false), -id(3), #id('abc')",
    "local o = { n = 1 } function o:add(k) self.n = self.n + k return self end return o:add(2):add(3).n",
    "local function f(a, ...) local b, c = ... return select('#', ...), a, b, c end return f(1, 2), f(1, 2, 3, 4)",
    "local out = {} for i = 3, tonumber('1'), -tonumber('1') do if i == 2 then out[#out + 1] = tostring(i) else out[#out + 1] = i end end return table.concat(out, ',')",
    "local function f() local n = 0 while tonumber(n) < 5 do n = n + tonumber('1') if n == 3 then break end end repeat n = tonumber(n) + 1 until tonumber(n) > 6 return n end return f()",
    "local function old(...) tostring(1) return arg.n, arg[2] end return old(1, 'b', nil)",
    "return pcall(function() local t = tostring(nil) return t.x.y end)",
  ]) {
    assert.deepEqual(runApart(source), run(source), source);
  }
});

test("coroutines pass values both ways, end, fail and tell in which state they are", () => {
  const talk =
    "local co = coroutine.create(function(a) local b = coroutine.yield(a + 1) local c, d = coroutine.yield(b * 2) return c + d end) " +
    "local _, x = coroutine.resume(co, 1) local _, y = coroutine.resume(co, 10) local _, z = coroutine.resume(co, 3, 4) " +
    "return x, y, z, coroutine.status(co), select(2, coroutine.resume(co))";
  assert.deepEqual(run(talk), [2, 20, 7, "dead", "cannot resume dead coroutine"]);
  const across =
    "return coroutine.resume(coroutine.create(function() table.sort({ 2, 1 }, function() coroutine.yield() end) end))";
  assert.deepEqual(run(across), [false, "attempt to yield across metamethod/C-call boundary"]);
  const inner =
    "local outer outer = coroutine.wrap(function() local co = coroutine.running() " +
    "return coroutine.wrap(function() return coroutine.status(co) end)(), coroutine.status(co) end) return outer()";
  assert.deepEqual(run(inner), ["normal", "running"]);
});

test("random numbers are those of Redis for a seed", () => {
  assert.deepEqual(
    run("math.randomseed(1) return math.random(1000), math.random(1000)"),
    [42, 455],
  );
});
