import assert from "node:assert/strict";
import { test } from "node:test";
import { Session } from "./session.ts";
import { Standalone } from "./standalone.suite.ts";

const SYNTAX = "-ERR syntax error\r\n";

/** A store with a second and a third client, and a note of whom the node was told to close. */
function withOthers(): { store: Standalone; closed: number[] } {
  const closed: number[] = [];
  const store = new Standalone({}, { closeClient: (id) => void closed.push(id) });
  for (const [id, address] of [
    [2, "10.0.0.2:1"],
    [3, "10.0.0.3:1"],
  ] as const)
    store.run.sessions.set(id, new Session(id, address, "127.0.0.1:6379", store.nowMs, true));
  return { store, closed };
}

test("a name is printable and without spaces, or refused", () => {
  const store = new Standalone();
  assert.equal(store.raw("client", "getname"), "$-1\r\n");
  assert.equal(store.raw("client", "setname", "me!~"), "+OK\r\n");
  for (const name of ["a b", "a\n", "\x7f", "ä"])
    assert.equal(
      store.raw("client", "setname", name),
      "-ERR Client names cannot contain spaces, newlines or special characters.\r\n",
    );
  assert.equal(store.raw("client", "getname"), "$4\r\nme!~\r\n");
  store.raw("client", "setname", "");
  assert.equal(store.raw("client", "getname"), "$-1\r\n");
});

test("CLIENT LIST has one line for each client it was asked for", () => {
  const { store } = withOthers();
  store.raw("client", "setname", "me");
  store.raw("client", "setinfo", "LIB-NAME", "testlib");
  store.nowMs += 2500;
  const lines = (...words: string[]): string[] =>
    store
      .raw("client", "list", ...words)
      .split("\n")
      .filter((line) => line.startsWith("id="));
  assert.deepEqual(
    lines().map((line) => line.split(" ")[1]),
    ["addr=127.0.0.1:50000", "addr=10.0.0.2:1", "addr=10.0.0.3:1"],
  );
  const [mine = ""] = lines("id", "1", "99");
  for (const part of ["name=me", "age=2", "idle=0", "cmd=client|list", "lib-name=testlib"])
    assert.ok(mine.split(" ").includes(part), `${part} in ${mine}`);
  assert.equal(lines("id", "3", "2").length, 2);
  assert.equal(lines("type", "normal").length, 3);
  assert.equal(lines("type", "replica").length, 0);
  assert.equal(store.raw("client", "list", "type", "x"), "-ERR Unknown client type 'x'\r\n");
  assert.equal(store.raw("client", "list", "id", "x"), "-ERR Invalid client ID\r\n");
  assert.equal(store.raw("client", "list", "id"), SYNTAX);
  store.raw("watch", "k");
  store.raw("multi");
  store.raw("client", "info");
  assert.match(store.raw("exec"), / flags=N .* multi=-1 .* cmd=exec /);
});

test("CLIENT KILL closes those whom every filter matches, the caller last and only if asked to", () => {
  const { store, closed } = withOthers();
  assert.equal(store.raw("client", "kill", "10.0.0.2:1"), "+OK\r\n");
  assert.equal(store.raw("client", "kill", "10.0.0.9:1"), "-ERR No such client\r\n");
  assert.deepEqual(closed.splice(0), [2]);
  assert.equal(store.raw("client", "kill", "id", "3", "addr", "10.0.0.2:1"), ":0\r\n");
  assert.equal(store.raw("client", "kill", "id", "3"), ":1\r\n");
  assert.deepEqual(closed.splice(0), [3]);
  assert.equal(store.raw("client", "kill", "type", "pubsub"), ":0\r\n");
  assert.equal(store.raw("client", "kill", "user", "default"), ":2\r\n");
  assert.deepEqual(closed.splice(0), [2, 3]);
  assert.equal(store.session.closing, false);
  assert.equal(store.raw("client", "kill", "id", "1"), ":0\r\n");
  assert.equal(store.raw("client", "kill", "id", "1", "skipme", "no"), ":1\r\n");
  assert.deepEqual(closed, [], "the caller is closed by its session, after the reply");
  assert.equal(store.session.closing, true);
});

test("what is wrong with a filter of CLIENT KILL is said before anybody is closed", () => {
  const { store, closed } = withOthers();
  for (const [reply, ...words] of [
    [SYNTAX, "id", "2", "addr"],
    [SYNTAX, "nonsense", "2"],
    [SYNTAX, "skipme", "maybe"],
    ["-ERR client-id should be greater than 0\r\n", "id", "0"],
    ["-ERR Unknown client type 'x'\r\n", "type", "x"],
    ["-ERR No such user 'foo'\r\n", "user", "foo"],
  ] as const)
    assert.equal(store.raw("client", "kill", ...words), reply);
  assert.deepEqual(closed, []);
});

test("CLIENT SETINFO takes a library's name and version, and nothing else", () => {
  const store = new Standalone();
  assert.equal(store.raw("client", "setinfo", "lib-ver", "1.2"), "+OK\r\n");
  assert.equal(store.session.libraryVersion, "1.2");
  assert.equal(store.raw("client", "setinfo", "x", "1"), "-ERR Unrecognized option 'x'\r\n");
  assert.equal(
    store.raw("client", "setinfo", "lib-name", "a b"),
    "-ERR lib-name cannot contain spaces, newlines or special characters.\r\n",
  );
});

test("HELP of a container lists every one of its subcommands", () => {
  const store = new Standalone();
  for (const name of ["client", "config", "command", "acl", "cluster", "debug", "module"]) {
    const help = store.raw(name, "help");
    const [, count = "0"] = /^\*(\d+)\r\n/.exec(help) ?? [];
    const lines = help.split("\r\n").slice(1, -1);
    assert.equal(lines.length, Number(count));
    assert.equal(
      lines[0],
      `+${name.toUpperCase()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`,
    );
    assert.deepEqual(lines.slice(-2), ["+HELP", "+    Prints this help."]);
  }
  assert.match(store.raw("client", "help"), /\r\n\+SETNAME <name>\r\n\+ {4}/);
});
