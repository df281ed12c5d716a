import assert from "node:assert/strict";
import { test } from "node:test";
import { Listeners } from "./listeners.suite.ts";
import { array, bulk, error, int, NIL } from "./replies.suite.ts";

const push = (...items: string[]): string => `>${items.length}\r\n${items.join("")}`;
const told = (word: string, name: string, count: number): string =>
  array(bulk(word), bulk(name), int(count));

test("a message reaches whoever listens to its channel or to a pattern that matches, once each", () => {
  const store = new Listeners();
  const [a, b, c] = [store.client(), store.client(3), store.client()];
  assert.equal(
    store.as(a, "subscribe", "news", "sport"),
    told("subscribe", "news", 1) + told("subscribe", "sport", 2),
  );
  assert.equal(store.as(b, "psubscribe", "n*"), push(bulk("psubscribe"), bulk("n*"), int(1)));
  assert.equal(store.as(b, "subscribe", "news"), push(bulk("subscribe"), bulk("news"), int(2)));
  assert.equal(store.as(c, "publish", "news", "hello"), int(3));
  assert.equal(store.heard(a), array(bulk("message"), bulk("news"), bulk("hello")));
  assert.equal(
    store.heard(b),
    push(bulk("message"), bulk("news"), bulk("hello")) +
      push(bulk("pmessage"), bulk("n*"), bulk("news"), bulk("hello")),
  );
  assert.equal(store.as(c, "publish", "weather", "rain"), int(0));
  assert.equal(store.heard(a) + store.heard(b), "");
});

test("channels and messages are any bytes", () => {
  const store = new Listeners();
  const listener = store.client();
  const bytes = Buffer.from([0xff, 0, 13, 10]);
  store.as(listener, "subscribe", bytes);
  store.as(store.client(), "publish", bytes, bytes);
  const raw = bytes.latin1Slice();
  assert.equal(store.heard(listener), array(bulk("message"), bulk(raw), bulk(raw)));
});

test("who subscribes twice hears once, and an opposite without names ends all of its kind", () => {
  const store = new Listeners();
  const a = store.client();
  store.as(a, "subscribe", "x");
  assert.equal(store.as(a, "subscribe", "x"), told("subscribe", "x", 1));
  assert.equal(store.as(a, "psubscribe", "x"), told("psubscribe", "x", 2));
  assert.equal(store.as(store.client(), "publish", "x", "1"), int(2));
  assert.equal(store.as(a, "unsubscribe"), told("unsubscribe", "x", 1));
  assert.equal(store.as(a, "unsubscribe"), array(bulk("unsubscribe"), NIL, int(1)));
  assert.equal(
    store.as(a, "punsubscribe", "y", "x"),
    told("punsubscribe", "y", 1) + told("punsubscribe", "x", 0),
  );
  assert.equal(store.as(store.client(), "publish", "x", "1"), int(0));
});

test("shard channels are channels of their own", () => {
  const store = new Listeners();
  const a = store.client();
  assert.equal(store.as(a, "ssubscribe", "x"), told("ssubscribe", "x", 1));
  assert.equal(store.as(a, "subscribe", "x"), told("subscribe", "x", 1));
  const other = store.client();
  assert.equal(store.as(other, "spublish", "x", "s"), int(1));
  assert.equal(store.heard(a), array(bulk("smessage"), bulk("x"), bulk("s")));
  assert.equal(store.as(other, "pubsub", "shardchannels"), array(bulk("x")));
  assert.equal(
    store.as(other, "pubsub", "shardnumsub", "x", "y"),
    array(bulk("x"), int(1), bulk("y"), int(0)),
  );
  assert.equal(store.as(a, "sunsubscribe"), told("sunsubscribe", "x", 0));
  assert.equal(store.as(other, "spublish", "x", "s"), int(0));
});

test("in RESP2 who listens may send little else, and PING answers as a message", () => {
  const store = new Listeners();
  const a = store.client();
  store.as(a, "subscribe", "x");
  const refused = error(
    "ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
  );
  assert.equal(store.as(a, "get", "k"), refused);
  assert.equal(store.as(a, "ping"), array(bulk("pong"), bulk("")));
  assert.equal(store.as(a, "ping", "hi"), array(bulk("pong"), bulk("hi")));
  assert.equal(store.as(a, "reset"), "+RESET\r\n");
  assert.equal(store.as(a, "get", "k"), NIL);
  const three = store.client(3);
  store.as(three, "subscribe", "x");
  assert.equal(store.as(three, "ping"), "+PONG\r\n");
});

test("PUBSUB tells what is listened to", () => {
  const store = new Listeners();
  const [a, b] = [store.client(), store.client()];
  store.as(a, "subscribe", "foo", "bar");
  store.as(b, "psubscribe", "f*", "g*");
  store.as(a, "psubscribe", "f*");
  const asker = store.client();
  assert.equal(store.as(asker, "pubsub", "channels"), array(bulk("foo"), bulk("bar")));
  assert.equal(store.as(asker, "pubsub", "channels", "b*"), array(bulk("bar")));
  assert.equal(store.as(asker, "pubsub", "numpat"), int(2));
  assert.equal(
    store.as(asker, "pubsub", "numsub", "foo", "q"),
    array(bulk("foo"), int(1), bulk("q"), int(0)),
  );
  assert.match(
    store.as(asker, "client", "list", "type", "pubsub"),
    /flags=P .*sub=2 psub=1 ssub=0/,
  );
});

test("what a transaction tells comes behind its end, also to itself", () => {
  const store = new Listeners();
  const [a, b] = [store.client(3), store.client()];
  store.as(a, "subscribe", "x");
  store.as(b, "subscribe", "x");
  store.as(a, "multi");
  store.as(a, "publish", "x", "1");
  store.as(a, "set", "k", "v");
  assert.equal(store.heard(b), "");
  const message = push(bulk("message"), bulk("x"), bulk("1"));
  assert.equal(store.as(a, "exec"), array(int(2), "+OK\r\n") + message);
  assert.equal(store.heard(b), array(bulk("message"), bulk("x"), bulk("1")));
});

test("messages and confirmations come to those who want no replies", () => {
  const store = new Listeners();
  const a = store.client(3);
  assert.equal(store.as(a, "client", "reply", "off"), "");
  assert.equal(store.as(a, "subscribe", "x"), push(bulk("subscribe"), bulk("x"), int(1)));
  assert.equal(store.as(a, "publish", "x", "1"), push(bulk("message"), bulk("x"), bulk("1")));
  assert.equal(store.as(a, "ping"), "");
});

test("who has gone is no subscriber any more", () => {
  const store = new Listeners();
  const a = store.client();
  store.as(a, "subscribe", "x");
  store.as(a, "psubscribe", "*");
  store.run.subscriptions.leave(a);
  assert.equal(a.subscriptions, 0);
  assert.equal(store.run.subscriptions.clients, 0);
  assert.equal(store.as(store.client(), "publish", "x", "1"), int(0));
  assert.equal(store.run.subscriptions.count("pattern"), 0);
});

test("what a command told that is undone is not told, but that a key changed is", () => {
  const store = new Listeners();
  const [a, b] = [store.client(3), store.client()];
  store.as(a, "subscribe", "x");
  store.as(a, "client", "tracking", "on");
  store.as(a, "get", "k");
  const { pushes } = store.run;
  store.session = b;
  store.run.publish(Buffer.from("x"), Buffer.from("before"));
  const mark = pushes.count;
  store.run.publish(Buffer.from("x"), Buffer.from("undone"));
  const place = store.run.lookAt(0, Buffer.from("k"), 0, 1);
  store.run.tracking.touch(place);
  store.run.publish(Buffer.from("x"), Buffer.from("undone"));
  pushes.takeBack(mark);
  pushes.deliver(store.run, null, null);
  assert.equal(
    store.heard(a),
    push(bulk("message"), bulk("x"), bulk("before")) + push(bulk("invalidate"), array(bulk("k"))),
  );
});
