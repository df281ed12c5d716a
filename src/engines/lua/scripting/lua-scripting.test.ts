import assert from "node:assert/strict";
import { test } from "node:test";
import { Standalone } from "../../../core/commands/standalone.suite.ts";
import type { NodePort } from "../../../core/commands/run.ts";
import { defaultSettings, type Settings } from "../../../core/commands/settings.ts";
import { luaScripting } from "./lua-scripting.ts";

function storeWith(node: Partial<NodePort> = {}, settings: Partial<Settings> = {}): Standalone {
  const store = new Standalone(settings, node);
  store.run.scriptEngine = luaScripting();
  return store;
}

/** A store whose clock moves with each look at it. */
function hurried(settings: Partial<Settings> = {}): Standalone {
  let micros = 0;
  return storeWith({ micros: () => (micros += 1_000_000) }, settings);
}

const LIBRARY =
  "#!lua name=lib\nredis.register_function('put', function(keys, args) return redis.call('set', keys[1], args[1]) end)\n" +
  "redis.register_function{function_name='get', flags={'no-writes'}, description='reads', callback=function(keys) return redis.call('get', keys[1]) end}";

test("what a script returns is a reply", () => {
  const store = storeWith();
  const returns = (text: string): string => store.raw("eval", `return ${text}`, "0");
  assert.equal(returns("1"), ":1\r\n");
  assert.equal(returns("3.99"), ":3\r\n");
  assert.equal(returns("-3.99"), ":-3\r\n");
  assert.equal(returns("2^63"), ":-9223372036854775808\r\n");
  assert.equal(returns("'a\\0b'"), "$3\r\na\0b\r\n");
  assert.equal(returns("nil"), "$-1\r\n");
  assert.equal(returns("false"), "$-1\r\n");
  assert.equal(returns("true"), ":1\r\n");
  assert.equal(returns("{1, 'x', {false}, nil, 5}"), "*3\r\n:1\r\n$1\r\nx\r\n*1\r\n$-1\r\n");
  assert.equal(returns("{}"), "*0\r\n");
  assert.equal(returns("{ok = 'fine\\r\\n:1'}"), "+fine  :1\r\n");
  assert.equal(returns("{err = 'MY error'}"), "-MY error\r\n");
  assert.equal(returns("{double = 0.5}"), "$3\r\n0.5\r\n");
  assert.equal(returns("{map = {a = 1}}"), "*2\r\n$1\r\na\r\n:1\r\n");
  assert.equal(returns("redis.status_reply('FINE')"), "+FINE\r\n");
  assert.equal(returns("redis.error_reply('OOPS bad')"), "-OOPS bad\r\n");
  assert.equal(returns("function() end"), "$-1\r\n");
  assert.equal(store.raw("eval", "local a = {} a[1] = a return a", "0").length > 4_000, true);
});

test("an error is counted once, where it arises", () => {
  const store = storeWith();
  const counts = (text: string): [string, number][] => {
    store.run.stats.errors.clear();
    store.raw("eval", text, "0");
    return [...store.run.stats.errors];
  };
  store.raw("set", "s", "v");
  assert.deepEqual(counts("return redis.call('lpush', 's', '1')"), [["WRONGTYPE", 1]]);
  assert.deepEqual(counts("return redis.pcall('lpush', 's', '1')"), [["WRONGTYPE", 1]]);
  assert.deepEqual(counts("redis.pcall('lpush', 's', '1') return 1"), [["WRONGTYPE", 1]]);
  assert.deepEqual(counts("return redis.pcall('lpush', 's')"), [["ERR", 1]]);
  assert.deepEqual(counts("return redis.error_reply('MY error')"), [["MY", 1]]);
  assert.deepEqual(counts("error('x')"), [["ERR", 1]]);
  assert.deepEqual(counts("redis.pcall('lpush', 's', '1') error('x')"), [
    ["WRONGTYPE", 1],
    ["ERR", 1],
  ]);
  store.raw("eval", "return redis.call('lpush', 's', '1')", "0");
  store.raw("lpush", "s", "1");
  assert.equal(store.run.stats.errors.get("WRONGTYPE"), 3);
});

test("what a script told that is stopped is told to nobody", () => {
  let micros = 0;
  const heard: string[] = [];
  const store = storeWith({
    micros: () => (micros += 1_000_000),
    push: (_, bytes) => void heard.push(bytes.latin1Slice()),
  });
  store.run.subscriptions.add(store.connect(), "channel", "c");
  const publish = "redis.call('publish', 'c', 'm')";
  assert.match(store.raw("eval", `${publish} while true do end`, "0"), /Script stopped/);
  assert.deepEqual(heard, []);
  store.raw("eval", publish, "0");
  assert.equal(heard.length, 1);
});

test("a script may do what its user may: commands, keys and channels", () => {
  const store = storeWith();
  const ann = ["ann", "on", "nopass", "+@all", "-set", "~mine:*", "&news"];
  store.raw("acl", "setuser", ...ann);
  store.session = store.connect();
  store.raw("auth", "ann", "x");
  const calls = (...words: string[]): string =>
    store.raw("eval", `return redis.pcall(${words.map((word) => `'${word}'`).join(",")})`, "0");
  assert.match(calls("set", "mine:k", "v"), /^-.*can't run this command/);
  assert.match(calls("incr", "yours"), /^-.*can't access at least one of the keys/);
  assert.match(calls("publish", "other", "m"), /^-.*can't publish to the channel/);
  assert.equal(calls("incr", "mine:k"), ":1\r\n");
  assert.equal(calls("publish", "news", "m"), ":0\r\n");
});

test("RESP3 has a type for everything a script returns", () => {
  const store = storeWith();
  store.session.resp = 3;
  const returns = (text: string): string =>
    store.raw("eval", `redis.setresp(3) return ${text}`, "0");
  assert.equal(returns("true"), "#t\r\n");
  assert.equal(returns("false"), "#f\r\n");
  assert.equal(returns("nil"), "_\r\n");
  assert.equal(returns("{double = 1e30}"), ",1e+30\r\n");
  assert.equal(returns("{map = {a = 1}}"), "%1\r\n$1\r\na\r\n:1\r\n");
  assert.equal(returns("{set = {a = true}}"), "~1\r\n$1\r\na\r\n");
  assert.equal(returns("{big_number = '12345678901234567890'}"), "(12345678901234567890\r\n");
  assert.equal(returns("{verbatim_string = {format = 'txt', string = 'hi'}}"), "=6\r\ntxt:hi\r\n");
  store.raw("hset", "h", "f", "v");
  assert.equal(returns("redis.call('hgetall', 'h').map.f"), "$1\r\nv\r\n");
  assert.equal(returns("redis.call('get', 'absent') == nil"), "#t\r\n");
});

test("what a command answers is a value", () => {
  const store = storeWith();
  const is = (text: string): void =>
    assert.equal(store.raw("eval", `return ${text}`, "0"), ":1\r\n", text);
  is("redis.call('set', 'k', 5).ok == 'OK'");
  is("redis.call('get', 'k') == '5'");
  is("redis.call('incr', 'k') == 6");
  is("redis.call('get', 'absent') == false");
  is("#redis.call('mget', 'k', 'absent') == 2");
  is(
    "redis.pcall('incr', {}).err == 'ERR Lua redis lib command arguments must be strings or integers'",
  );
  is("redis.call('set', 'n', 0.1).ok == 'OK' and redis.call('get', 'n') == '0.10000000000000001'");
  is("redis.sha1hex('') == 'da39a3ee5e6b4b0d3255bfef95601890afd80709'");
});

test("DEBUG SET-DISABLE-DENY-SCRIPTS opens DEBUG PROTOCOL to scripts, and nothing else", () => {
  const store = storeWith();
  const ask = (words: string): string => store.raw("eval", `return redis.call(${words})`, "0");
  assert.match(ask("'debug', 'protocol', 'integer'"), /^-ERR This Redis command is not allowed/);
  store.raw("debug", "set-disable-deny-scripts", "1");
  assert.equal(ask("'debug', 'protocol', 'integer'"), ":12345\r\n");
  const attributed = "redis.setresp(3); return redis.call('debug', 'protocol', 'attrib')";
  const text = "Some real reply following the attribute";
  assert.equal(store.raw("eval", attributed, "0"), `$${text.length}\r\n${text}\r\n`);
  for (const words of ["'eval', 'return 1', 0", "'debug', 'sleep', 1", "'multi'"])
    assert.match(ask(words), /^-ERR This Redis command is not allowed/, words);
  store.raw("debug", "set-disable-deny-scripts", "0");
  assert.match(ask("'debug', 'protocol', 'integer'"), /^-ERR This Redis command is not allowed/);
});

test("errors say where they were raised, as in Redis 7", () => {
  const store = storeWith();
  const sha = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
  const error = (text: string): string =>
    store.raw("eval", text, "0").replace(/script: [0-9a-f]{40}/, "script: SHA");
  const at = (line: number): string => ` script: SHA, on @user_script:${line}.\r\n`;
  assert.equal(
    error("return redis.call('nosuch')"),
    `-ERR Unknown Redis command called from script${at(1)}`,
  );
  assert.equal(
    error("\nreturn redis.call('get')"),
    `-ERR Wrong number of args calling Redis command from script${at(2)}`,
  );
  assert.equal(
    error("return redis.call('multi')"),
    `-ERR This Redis command is not allowed from script${at(1)}`,
  );
  assert.equal(
    error("return redis.call('get', {})"),
    `-ERR Lua redis lib command arguments must be strings or integers${at(1)}`,
  );
  assert.equal(
    error("return foo"),
    `-ERR user_script:1: Script attempted to access nonexistent global variable 'foo'${at(1)}`,
  );
  assert.equal(error("foo = 1"), `-ERR user_script:1: Attempt to modify a readonly table${at(1)}`);
  assert.equal(error("error('no')"), `-ERR user_script:1: no${at(1)}`);
  assert.equal(error("error({err = 'MY no'})"), `-MY no${at(1)}`);
  assert.match(error("return )"), /^-ERR Error compiling script \(new function\): user_script:1: /);
  assert.equal(
    store.raw("evalsha", sha, "0"),
    "-NOSCRIPT No matching script. Please use EVAL.\r\n",
  );
});

test("a script is called by its digest, in any case, until scripts are flushed", () => {
  const store = storeWith();
  const sha = store.raw("script", "load", "return ARGV[1]").slice(5, 45);
  assert.equal(store.raw("evalsha", sha.toUpperCase(), "0", "x"), "$1\r\nx\r\n");
  assert.equal(store.raw("script", "exists", sha, "0".repeat(40)), "*2\r\n:1\r\n:0\r\n");
  assert.equal(
    store.raw("script", "flush", "now"),
    "-ERR SCRIPT FLUSH only support SYNC|ASYNC option\r\n",
  );
  assert.equal(store.raw("script", "flush"), "+OK\r\n");
  assert.match(store.raw("evalsha", sha, "0", "x"), /^-NOSCRIPT/);
});

test("the number of keys is believed only when it can be", () => {
  const store = storeWith();
  const raw = (count: string): string => store.raw("eval", "return 1", count, "a");
  assert.equal(raw("2"), "-ERR Number of keys can't be greater than number of args\r\n");
  assert.equal(raw("-1"), "-ERR Number of keys can't be negative\r\n");
  assert.equal(raw("x"), "-ERR value is not an integer or out of range\r\n");
  assert.equal(store.raw("command", "getkeys", "eval", "x", "1", "a", "b"), "*1\r\n$1\r\na\r\n");
  assert.equal(store.raw("command", "getkeys", "eval", "x", "0"), "*0\r\n");
});

test("a script is one record, and the commands behind it see what it wrote", () => {
  const store = storeWith();
  assert.equal(
    store.raw(
      "eval",
      "redis.call('set', 'a', 1) redis.call('incr', 'a') return redis.call('get', 'a')",
      "0",
    ),
    "$1\r\n2\r\n",
  );
  assert.equal(store.records.count, 1);
  store.raw("eval", "return redis.call('get', 'a')", "0");
  assert.equal(store.records.count, 1);
  store.raw("multi");
  store.raw("set", "b", "1");
  store.raw("eval", "return redis.call('incr', 'b')", "0");
  assert.equal(store.raw("exec"), "*2\r\n+OK\r\n:2\r\n");
  assert.equal(store.records.count, 2);
});

test("a script that fails keeps what it did before, as in Redis", () => {
  const store = storeWith();
  assert.match(store.raw("eval", "redis.call('set', 'a', 1) error('no')", "0"), /^-ERR/);
  assert.equal(store.raw("get", "a"), "$1\r\n1\r\n");
});

test("a script that runs for too long is stopped, whatever it catches, and nothing of it is kept", () => {
  for (const endless of [
    "while true do end",
    "repeat until false",
    "while true do pcall(function() while true do end end) end",
    "while true do redis.pcall('incr', 'a') end",
    "local f = coroutine.wrap(function() while true do end end) f()",
    "local function f() return f() end f()",
  ]) {
    const store = hurried();
    store.raw("set", "a", "1");
    const records = store.records.count;
    assert.equal(
      store
        .raw("eval", `redis.call('incr', 'a') redis.call('sadd', 's', 1) ${endless}`, "0")
        .replace(/[0-9a-f]{40}/, "SHA"),
      "-ERR Script stopped: it ran for more than 5000 ms (busy-reply-threshold). Nothing of it was kept. script: SHA\r\n",
      endless,
    );
    assert.equal(store.raw("get", "a"), "$1\r\n1\r\n");
    assert.equal(store.raw("exists", "s"), ":0\r\n");
    assert.equal(store.records.count, records);
    assert.equal(store.raw("eval", "return redis.call('incr', 'a')", "0"), ":2\r\n");
    assert.equal(store.records.count, records + 1);
  }
});

test("a transaction goes on without a script of it that was stopped", () => {
  const store = hurried();
  store.raw("multi");
  store.raw("set", "a", "1");
  store.raw("eval", "redis.call('set', 'a', 2) redis.call('set', 'b', 2) while true do end", "0");
  store.raw("incr", "a");
  assert.match(store.raw("exec"), /^\*3\r\n\+OK\r\n-ERR Script stopped: .*\r\n:2\r\n$/);
  assert.equal(store.raw("get", "b"), "$-1\r\n");
  assert.equal(store.records.count, 1);
});

test("a script that takes too much memory is stopped, and nothing of it is kept", () => {
  const store = new Standalone();
  store.run.scriptEngine = luaScripting(8 * 1024 * 1024);
  const raw = store.raw(
    "eval",
    "redis.call('set', 'a', 1) local t = {} while true do t[#t + 1] = {#t} end",
    "0",
  );
  assert.match(raw, /^-ERR Script stopped: it took more memory than a script may/);
  assert.equal(store.raw("get", "a"), "$-1\r\n");
  assert.equal(store.raw("eval", "return 1", "0"), ":1\r\n");
});

test("a script that may not write is refused what writes", () => {
  const store = storeWith();
  const set = "return redis.call('set', KEYS[1], 1)";
  const refused = "-ERR Write commands are not allowed from read-only scripts.";
  assert.ok(store.raw("eval_ro", set, "1", "k").startsWith(refused));
  assert.ok(store.raw("eval", `#!lua flags=no-writes\n${set}`, "1", "k").startsWith(refused));
  assert.equal(
    store.raw("eval_ro", `#!lua\n${set}`, "1", "k"),
    "-ERR Can not execute a script with write flag using *_ro command.\r\n",
  );
  assert.equal(
    store.raw("eval", `#!lua flags=none\n${set}`, "1", "k"),
    "-ERR Unexpected flag in script shebang: none\r\n",
  );
  store.run.refuseWrites = "MISCONF the disk is full";
  assert.match(store.raw("eval", set, "1", "k"), /^-MISCONF the disk is full script: /);
  assert.equal(store.raw("eval", `#!lua\n${set}`, "1", "k"), "-MISCONF the disk is full\r\n");
});

test("SELECT and setresp of a script end with it, and a wait for a key is none", () => {
  const store = storeWith();
  assert.equal(
    store.raw("eval", "redis.call('select', 3) return redis.call('set', 'k', 1)", "0"),
    "+OK\r\n",
  );
  assert.equal(store.raw("get", "k"), "$-1\r\n");
  store.raw("eval", "redis.setresp(3) return 1", "0");
  assert.equal(store.raw("eval", "return true", "0"), ":1\r\n");
  assert.equal(store.raw("eval", "return redis.call('blmpop', 0, 1, 'a', 'left')", "0"), "$-1\r\n");
});

test("a script can neither wait for a stream nor see how a set lies here", () => {
  const store = storeWith();
  assert.match(
    store.raw("eval", "return redis.call('xread', 'block', 0, 'streams', 's', '$')", "0"),
    /^-ERR xread command is not allowed with BLOCK option from scripts script: /,
  );
  store.raw("sadd", "s", "c", "a", "b");
  const sorted = "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n";
  assert.equal(store.raw("eval", "return redis.call('sort', 's', 'by', 'nothing')", "0"), sorted);
});

test("nothing that a script changes is there for the next one", () => {
  const store = storeWith();
  for (const change of [
    "x = 1",
    "cjson.x = 1",
    "redis.call = nil",
    "setmetatable(_G, {})",
    "rawset(_G, 'x', 1)",
    "getmetatable(_G).__index = nil",
    "cjson.null = 1",
  ])
    assert.match(store.raw("eval", change, "0"), /^-ERR .*readonly table/, change);
});

test("functions of a library are called by name, listed, dumped and restored", () => {
  const store = storeWith();
  assert.equal(store.raw("function", "load", LIBRARY), "$3\r\nlib\r\n");
  assert.equal(store.raw("function", "load", LIBRARY), "-ERR Library 'lib' already exists\r\n");
  assert.equal(store.raw("function", "load", "replace", LIBRARY), "$3\r\nlib\r\n");
  assert.equal(store.raw("fcall", "put", "1", "k", "v"), "+OK\r\n");
  assert.equal(store.raw("fcall_ro", "get", "1", "k"), "$1\r\nv\r\n");
  assert.match(
    store.raw("fcall_ro", "put", "1", "k", "v"),
    /^-ERR Can not execute a script with write/,
  );
  assert.equal(store.raw("fcall", "none", "0"), "-ERR Function not found\r\n");
  const stats = store.raw("function", "stats");
  assert.match(stats, /libraries_count\r\n:1\r\n\$15\r\nfunctions_count\r\n:2\r\n$/);
  const list = store.raw("function", "list", "withcode");
  const dump = Buffer.from(
    store
      .raw("function", "dump")
      .replace(/^\$\d+\r\n/, "")
      .slice(0, -2),
    "latin1",
  );
  assert.equal(store.raw("function", "restore", dump), "-ERR Library lib already exists\r\n");
  assert.equal(store.raw("function", "delete", "lib"), "+OK\r\n");
  assert.equal(store.raw("function", "delete", "lib"), "-ERR Library not found\r\n");
  assert.equal(store.raw("fcall", "get", "1", "k"), "-ERR Function not found\r\n");
  assert.equal(store.raw("function", "restore", dump), "+OK\r\n");
  assert.equal(store.raw("function", "list", "withcode"), list);
  assert.equal(store.raw("function", "restore", dump, "replace"), "+OK\r\n");
  assert.equal(store.raw("function", "restore", dump, "flush"), "+OK\r\n");
  assert.equal(store.raw("function", "list", "withcode"), list);
  assert.equal(store.raw("flushall"), "+OK\r\n");
  assert.equal(store.raw("function", "list", "withcode"), list, "functions are no keys");
  assert.equal(store.raw("dbsize"), ":0\r\n");
  assert.equal(store.raw("function", "flush"), "+OK\r\n");
  assert.equal(store.raw("function", "list"), "*0\r\n");
});

test("a library may do little while it is loaded", () => {
  const store = storeWith();
  const load = (body: string): string => store.raw("function", "load", `#!lua name=lib\n${body}`);
  assert.match(load("return math.random()"), /nonexistent global variable 'math'/);
  assert.match(load("redis.call('get', 'k')"), /nonexistent global variable 'call'/);
  assert.equal(load("local x = 1"), "-ERR No functions registered\r\n");
  assert.match(
    load("redis.register_function('bad-name', function() end)"),
    /Library names can only/,
  );
  assert.match(load("return ("), /^-ERR Error compiling function: user_function:2: /);
  assert.match(
    store.raw("function", "load", '#!lua name="a b"\nreturn 1'),
    /^-ERR Library names can only contain/,
  );
  assert.equal(
    store.raw("function", "load", '#!lua name="a\nreturn 1'),
    "-ERR Invalid library metadata\r\n",
  );
  assert.equal(store.raw("function", "load", "return 1"), "-ERR Missing library metadata\r\n");
  const late = hurried();
  assert.equal(
    late.raw("function", "load", "#!lua name=lib\nwhile true do end"),
    "-ERR Error registering functions: ERR FUNCTION LOAD timeout\r\n",
  );
  assert.equal(defaultSettings.scriptTimeLimitMs, 5_000);
});

test("functions that two libraries register go to neither", () => {
  const store = storeWith();
  store.raw("function", "load", LIBRARY);
  assert.equal(
    store.raw("function", "load", LIBRARY.replace("name=lib", "name=other")),
    "-ERR Function put already exists\r\n",
  );
  assert.match(store.raw("function", "stats"), /libraries_count\r\n:1\r\n/);
});

test("MONITOR shows a script before what it calls", () => {
  const told: string[] = [];
  const store = storeWith({ push: (_id, bytes) => void told.push(bytes.latin1Slice()) });
  const watching = store.connect();
  store.run.monitors.add(watching);
  store.raw("eval", "redis.call('set', KEYS[1], 1)", "1", "k");
  assert.equal(told.length, 2);
  assert.match(told[0] ?? "", /\[0 127\.0\.0\.1:50000\] "eval"/);
  assert.match(told[1] ?? "", /\[0 lua\] "set" "k" "1"/);
});
