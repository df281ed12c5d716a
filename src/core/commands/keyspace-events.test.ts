import assert from "node:assert/strict";
import { test } from "node:test";
import { Listeners } from "./listeners.suite.ts";
import { array, bulk, int } from "./replies.suite.ts";

function told(classes: string) {
  const store = new Listeners();
  const listener = store.client();
  const asker = store.client();
  store.as(listener, "psubscribe", "__key*");
  store.as(asker, "config", "set", "notify-keyspace-events", classes);
  /** Runs a command and returns the events that it told, each as its channel's end and the message. */
  const ask = (...words: string[]): string[] => {
    store.as(asker, ...words);
    return [...store.heard(listener).matchAll(/__key(\w+)@\d+__:(.*)\r\n\$\d+\r\n(.*)\r\n/g)].map(
      ([, how, what, message]) => `${how} ${what} ${message}`,
    );
  };
  return { store, asker, listener, ask };
}

test("an event goes to the channel of its key and to that of its name", () => {
  const { ask } = told("KEA");
  assert.deepEqual(ask("set", "k", "v"), ["space k set", "event set k"]);
  assert.deepEqual(ask("lpush", "l", "v"), ["space l lpush", "event lpush l"]);
  assert.deepEqual(ask("lpop", "l"), [
    "space l lpop",
    "event lpop l",
    "space l del",
    "event del l",
  ]);
});

test("only the classes that were chosen are told, and nothing once they are off", () => {
  const { store, asker, ask } = told("El");
  assert.deepEqual(ask("set", "k", "v"), []);
  assert.deepEqual(ask("rpush", "l", "v"), ["event rpush l"]);
  assert.notEqual(store.run.keyspace.onTouch, null);
  store.as(asker, "config", "set", "notify-keyspace-events", "");
  assert.deepEqual(ask("rpush", "l", "v"), []);
  assert.equal(store.run.keyspace.onTouch, null, "a write costs one look at this");
});

test("a key that is new, and one that is missed, are told to those who ask for it", () => {
  const { ask } = told("Enm");
  assert.deepEqual(ask("set", "k", "v"), ["event new k"]);
  assert.deepEqual(ask("set", "k", "w"), []);
  assert.deepEqual(ask("get", "none"), ["event keymiss none"]);
});

test("what a transaction does is told command by command, behind its reply", () => {
  const { store, asker, listener, ask } = told("EA");
  ask("multi");
  ask("set", "k", "v");
  assert.deepEqual(ask("del", "k"), []);
  assert.deepEqual(ask("exec"), ["event set k", "event del k"]);
  assert.equal(store.heard(listener), "");
  assert.equal(store.as(asker, "exists", "k"), int(0));
});

test("what a waiting client is given is told behind what granted it", () => {
  const { store, ask } = told("EA");
  const waiter = store.client();
  store.as(waiter, "blpop", "q", "0");
  store.as(store.client(), "ping");
  assert.deepEqual(ask("rpush", "q", "x"), ["event rpush q"]);
  store.run.pushes.deliver(store.run, null, null);
  assert.deepEqual(ask("ping"), ["event lpop q", "event del q"]);
});

test("the classes are shown as Redis shows them, and others are refused", () => {
  const store = new Listeners();
  const shown = (classes: string): string => {
    store.raw("config", "set", "notify-keyspace-events", classes);
    return store.raw("config", "get", "notify-keyspace-events");
  };
  const name = bulk("notify-keyspace-events");
  assert.equal(shown("gKE"), array(name, bulk("gKE")));
  assert.equal(shown("$lshzxeKE"), array(name, bulk("$lshzxeKE")));
  assert.equal(shown("KA"), array(name, bulk("AK")));
  assert.match(
    store.raw("config", "set", "notify-keyspace-events", "KQ"),
    /Invalid event class character\. Use 'Ag\$lshzxeKEtmdn'\./,
  );
});
