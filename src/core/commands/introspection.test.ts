import assert from "node:assert/strict";
import { test } from "node:test";
import { Standalone } from "./standalone.suite.ts";
import { commandTable } from "./table.ts";

test("COMMAND INFO tells what Redis tells, in its ten elements", () => {
  const store = new Standalone();
  assert.equal(
    store.raw("command", "info", "get", "nope", "client|setname"),
    "*3\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n" +
      "*3\r\n+@read\r\n+@string\r\n+@fast\r\n*0\r\n" +
      "*1\r\n*6\r\n$5\r\nflags\r\n*2\r\n+RO\r\n+access\r\n" +
      "$12\r\nbegin_search\r\n*4\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n*2\r\n$5\r\nindex\r\n:1\r\n" +
      "$9\r\nfind_keys\r\n*4\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n" +
      "*6\r\n$7\r\nlastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n*0\r\n" +
      "$-1\r\n" +
      "*10\r\n$14\r\nclient|setname\r\n:3\r\n*3\r\n+noscript\r\n+loading\r\n+stale\r\n:0\r\n:0\r\n:0\r\n" +
      "*2\r\n+@slow\r\n+@connection\r\n*0\r\n*0\r\n*0\r\n",
  );
});

test("COMMAND lists as many commands as COMMAND COUNT says, and COMMAND LIST their subcommands too", () => {
  const store = new Standalone();
  const count = commandTable.commands.length;
  assert.equal(store.raw("command", "count"), `:${count}\r\n`);
  assert.ok(store.raw("command").startsWith(`*${count}\r\n*10\r\n$4\r\nauth\r\n`));
  const all = commandTable.entries.length;
  assert.ok(all > count, "there are subcommands");
  assert.ok(store.raw("command", "list").startsWith(`*${all}\r\n$4\r\nauth\r\n`));
});

test("COMMAND GETKEYS finds the keys of a whole command", () => {
  const store = new Standalone();
  const keys = (...words: string[]): string => store.raw("command", "getkeys", ...words);
  assert.equal(keys("mset", "a", "1", "b", "2"), "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
  assert.equal(keys("GET", "a"), "*1\r\n$1\r\na\r\n");
  assert.equal(keys("watch", "a", "b"), "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
  assert.equal(keys("ping", "x"), "-ERR The command has no key arguments\r\n");
  assert.equal(keys("nope", "x"), "-ERR Invalid command specified\r\n");
  assert.equal(keys("get", "a", "b"), "-ERR Invalid number of arguments specified for command\r\n");
  assert.equal(
    store.raw("command", "getkeysandflags", "get", "a"),
    "*1\r\n*2\r\n$1\r\na\r\n*2\r\n+RO\r\n+access\r\n",
  );
});

test("COMMAND LIST filters by pattern, category and module", () => {
  const store = new Standalone();
  const list = (...words: string[]): string => store.raw("command", "list", "filterby", ...words);
  assert.equal(
    list("pattern", "CONFIG|R*"),
    "*2\r\n$16\r\nconfig|resetstat\r\n$14\r\nconfig|rewrite\r\n",
  );
  assert.equal(
    list("aclcat", "transaction"),
    "*5\r\n$5\r\nmulti\r\n$4\r\nexec\r\n$7\r\ndiscard\r\n$5\r\nwatch\r\n$7\r\nunwatch\r\n",
  );
  assert.equal(list("module", "json"), "*0\r\n");
  assert.equal(list("nonsense", "x"), "-ERR syntax error\r\n");
  assert.equal(store.raw("command", "list", "nonsense"), "-ERR syntax error\r\n");
});

test("COMMAND DOCS is a flat array in RESP2 and maps in RESP3, subcommands inside", () => {
  const store = new Standalone();
  const pairs =
    "$7\r\nsummary\r\n$20\r\nStarts a transaction\r\n$5\r\nsince\r\n$5\r\n1.2.0\r\n" +
    "$5\r\ngroup\r\n$12\r\ntransactions\r\n$10\r\ncomplexity\r\n$4\r\nO(1)\r\n";
  assert.equal(
    store.raw("command", "docs", "multi", "nope"),
    `*2\r\n$5\r\nmulti\r\n*8\r\n${pairs}`,
  );
  store.raw("hello", "3");
  assert.equal(store.raw("command", "docs", "multi"), `%1\r\n$5\r\nmulti\r\n%4\r\n${pairs}`);
  assert.match(
    store.raw("command", "docs", "config"),
    /\$11\r\nsubcommands\r\n%5\r\n\$10\r\nconfig\|get/,
  );
});

test("every row is complete: what COMMAND DOCS and COMMAND INFO need is there", () => {
  for (const { name, command } of commandTable.entries) {
    assert.match(command.since, /^\d+\.\d+\.\d+$/, name);
    assert.ok(command.summary.length > 0 && command.group.length > 0, name);
    assert.ok(command.complexity.length > 0, name);
    assert.doesNotMatch(command.summary, /\.$/, `${name}: HELP adds the full stop`);
    assert.match(command.name, /^[a-z][a-z._-]*$/, name);
  }
});

test("COMMAND GETKEYSANDFLAGS tells how the options make a command use its key", () => {
  const store = new Standalone();
  const flags = (...words: string[]): string[] =>
    [...store.raw("command", "getkeysandflags", ...words).matchAll(/\+(\w+)/g)].map(
      ([, flag]) => flag ?? "",
    );
  assert.deepEqual(flags("set", "k", "v"), ["OW", "update"]);
  assert.deepEqual(flags("set", "k", "v", "get"), ["RW", "access", "update"]);
  assert.deepEqual(flags("bitfield", "k", "get", "u8", "0"), ["RO", "access"]);
  assert.deepEqual(flags("bitfield", "k", "incrby", "u8", "0", "1"), ["RW", "access", "update"]);
});
