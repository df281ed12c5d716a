import assert from "node:assert/strict";
import { test } from "node:test";
import { Standalone } from "./standalone.suite.ts";

function monitored() {
  const heard: string[] = [];
  const store = new Standalone(
    {},
    { push: (id, bytes) => void heard.push(`${id} ${bytes.latin1Slice()}`) },
  );
  assert.equal(store.raw("monitor"), "+OK\r\n");
  const monitor = store.session;
  store.session = store.connect();
  return { store, heard, monitor };
}

test("who monitors is told every command that runs, with its time, database and client", () => {
  const { store, heard } = monitored();
  store.raw("select", "3");
  store.raw("set", "a b", Buffer.from([0x22, 0x5c, 10, 7, 0xff]));
  assert.deepEqual(heard, [
    '1 +1700000000.000000 [3 127.0.0.1:50000] "select" "3"\r\n',
    '1 +1700000000.000000 [3 127.0.0.1:50000] "set" "a b" "\\"\\\\\\n\\a\\xff"\r\n',
  ]);
});

test("a transaction is shown as MULTI, what it ran, and EXEC", () => {
  const { store, heard } = monitored();
  for (const words of [["multi"], ["set", "k", "v"], ["exec"]]) store.raw(...words);
  assert.deepEqual(
    heard.map((line) => /"(\w+)"/.exec(line)?.[1]),
    ["multi", "set", "exec"],
  );
});

test("neither secrets nor administration are shown", () => {
  const { store, heard } = monitored();
  store.raw("config", "set", "maxclients", "10");
  store.raw("auth", "default", "secret");
  assert.equal(heard.length, 1);
  assert.match(heard[0] ?? "", /"auth" "\(redacted\)" "\(redacted\)"/);
});

test("a client's own commands stand behind its replies, and RESET ends MONITOR", () => {
  const { store, heard, monitor } = monitored();
  store.session = monitor;
  assert.match(store.raw("ping"), /^\+PONG\r\n\+1700000000\.000000 \[0 [^\]]*\] "ping"\r\n$/);
  assert.equal(store.raw("reset"), "+RESET\r\n");
  assert.equal(store.raw("ping"), "+PONG\r\n");
  assert.deepEqual(heard, []);
});
