import assert from "node:assert/strict";
import { test } from "node:test";
import { Listeners } from "./listeners.suite.ts";
import { array, bulk, error, int, OK } from "./replies.suite.ts";
import type { Session } from "./session.ts";

const invalidate = (...keys: string[]): string =>
  `>2\r\n${bulk("invalidate")}${array(...keys.map(bulk))}`;
const EVERYTHING = `>2\r\n${bulk("invalidate")}_\r\n`;

function tracked(...options: string[]) {
  const store = new Listeners();
  const reader = store.client(3);
  const writer = store.client();
  assert.equal(store.as(reader, "client", "tracking", "on", ...options), OK);
  return { store, reader, writer };
}

/** What a client hears at the end of a turn. */
function atEnd(store: Listeners, session: Session): string {
  store.run.tracking.broadcast();
  store.run.pushes.deliver(store.run, null, null);
  return store.heard(session);
}

test("whoever has read a key is told once when it changes", () => {
  const { store, reader, writer } = tracked();
  store.as(reader, "get", "k");
  store.as(writer, "set", "k", "1");
  assert.equal(store.heard(reader), invalidate("k"));
  store.as(writer, "set", "k", "2");
  assert.equal(store.heard(reader), "", "it has not read it since");
  store.as(reader, "mget", "k", "l");
  store.as(writer, "mset", "k", "3", "l", "4");
  assert.equal(store.heard(reader), invalidate("k") + invalidate("l"));
});

test("its own writes are told behind their replies, unless it wants no loop", () => {
  const { store, reader } = tracked();
  store.as(reader, "get", "k");
  assert.equal(store.as(reader, "incr", "k"), int(1) + invalidate("k"));
  assert.equal(store.as(reader, "client", "tracking", "on", "noloop"), OK);
  store.as(reader, "get", "k");
  assert.equal(store.as(reader, "incr", "k"), int(2));
});

test("a flush is one message, whatever was read", () => {
  const { store, reader, writer } = tracked();
  store.as(writer, "mset", "k", "1", "l", "2");
  store.as(reader, "mget", "k", "l");
  store.as(writer, "flushall");
  assert.equal(store.heard(reader), EVERYTHING);
  assert.equal(store.run.tracking.keyCount, 0);
});

test("with OPTIN only what CLIENT CACHING announces is tracked, with OPTOUT all but that", () => {
  for (const [option, word] of [
    ["optin", "yes"],
    ["optout", "no"],
  ] as const) {
    const { store, reader, writer } = tracked(option);
    store.as(reader, "get", "plain");
    assert.equal(store.as(reader, "client", "caching", word), OK);
    store.as(reader, "get", "announced");
    store.as(writer, "mset", "plain", "1", "announced", "2");
    const expected = option === "optin" ? "announced" : "plain";
    assert.equal(store.heard(reader), invalidate(expected));
  }
});

test("a prefix is told of every change below it, once a turn", () => {
  const { store, reader, writer } = tracked("bcast", "prefix", "a:", "prefix", "b:");
  store.as(writer, "mset", "a:1", "x", "a:2", "x", "b:1", "x", "c:1", "x");
  store.as(writer, "del", "a:1");
  assert.equal(atEnd(store, reader), invalidate("a:1", "a:2") + invalidate("b:1"));
  assert.equal(
    store.as(reader, "client", "tracking", "on", "bcast", "prefix", "a:1"),
    error(
      "ERR Prefix 'a:1' overlaps with an existing prefix 'a:'. Prefixes for a single client must not overlap.",
    ),
  );
});

test("a client of RESP2 is told through another that listens, and hears if that one has gone", () => {
  const store = new Listeners();
  const [reader, listener, writer] = [store.client(2), store.client(2), store.client()];
  store.as(listener, "subscribe", "__redis__:invalidate");
  store.as(reader, "client", "tracking", "on", "redirect", String(listener.id));
  assert.equal(store.as(reader, "client", "getredir"), int(listener.id));
  store.as(reader, "get", "k");
  store.as(writer, "set", "k", "1");
  const channel = bulk("__redis__:invalidate");
  assert.equal(store.heard(listener), array(bulk("message"), channel, array(bulk("k"))));
  reader.resp = 3;
  store.as(reader, "get", "k");
  store.run.sessions.delete(listener.id);
  store.as(writer, "set", "k", "2");
  assert.equal(store.heard(reader), `>2\r\n${bulk("tracking-redir-broken")}${int(listener.id)}`);
  assert.match(store.as(reader, "client", "trackinginfo"), /broken_redirect/);
});

test("a key's deadline is told when it comes, before anything removes the key", () => {
  const { store, reader, writer } = tracked();
  store.as(writer, "set", "k", "v", "px", "1000");
  store.as(writer, "set", "l", "v", "px", "5000");
  store.as(reader, "mget", "k", "l");
  store.nowMs += 900;
  store.as(writer, "ping");
  store.run.tracking.tick();
  assert.equal(atEnd(store, reader), "");
  store.nowMs += 200;
  store.as(writer, "ping");
  store.run.tracking.tick();
  assert.equal(atEnd(store, reader), invalidate("k"));
  assert.equal(store.run.tracking.keyCount, 1);
});

test("beyond tracking-table-max-keys the oldest is invalidated, and nothing is kept for nobody", () => {
  const { store, reader } = tracked();
  store.as(store.client(), "config", "set", "tracking-table-max-keys", "2");
  store.as(reader, "get", "a");
  store.as(reader, "get", "b");
  assert.equal(store.as(reader, "get", "c"), `_\r\n${invalidate("a")}`);
  assert.equal(store.run.tracking.keyCount, 2);
  store.as(reader, "client", "tracking", "off");
  assert.equal(store.run.tracking.keyCount, 0);
  assert.equal(store.run.keyspace.onTouch, null, "a write costs one look at this");
});

test("modes that contradict each other are refused", () => {
  const { store, reader } = tracked("optin");
  const ask = (...words: string[]): string =>
    store.as(reader, "client", "tracking", "on", ...words);
  assert.match(ask("optout"), /^-ERR You can't switch OPTIN\/OPTOUT mode/);
  assert.match(ask("optin", "optout"), /^-ERR You can't specify both/);
  assert.match(ask("bcast"), /^-ERR You can't switch BCAST mode/);
  assert.match(ask("prefix", "a"), /^-ERR PREFIX option requires BCAST/);
  assert.match(ask("redirect", "999"), /^-ERR The client ID you want redirect to does not exist/);
  store.as(reader, "client", "tracking", "off");
  assert.match(
    store.as(reader, "client", "caching", "yes"),
    /^-ERR CLIENT CACHING can be called only/,
  );
  assert.equal(store.as(reader, "client", "getredir"), int(-1));
});
