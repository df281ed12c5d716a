import assert from "node:assert/strict";
import { test } from "node:test";
import { OwnerRegions } from "../keyspace/owner-regions.ts";
import { commandStats } from "./dispatch.ts";
import { Region } from "./regions.suite.ts";
import { Standalone } from "./standalone.suite.ts";
import type { Session } from "./session.ts";

/** Clients of one replica, and what those that waited were answered. */
class Clients extends Standalone {
  /** Runs a command for a client. */
  as(session: Session, ...words: string[]): string {
    this.session = session;
    return this.raw(...words);
  }

  /** Runs a command for somebody else. */
  other(...words: string[]): string {
    return this.as(this.connect(), ...words);
  }

  /** A client that waits. */
  waiting(...words: string[]): Session {
    const session = this.connect();
    assert.equal(this.as(session, ...words), "", `${words.join(" ")} waits`);
    assert.notEqual(session.waiter, null);
    return session;
  }

  tick(ms: number): void {
    this.nowMs += ms;
    this.run.monoMs += ms;
    this.run.blocking.tick();
  }

  /** What has been answered since, in order. */
  answers(): [Session, string][] {
    const { answers } = this.run.blocking;
    this.run.blocking.answers = [];
    return answers.map(({ session, bytes }) => [session, bytes.latin1Slice()]);
  }
}

const popped = (key: string, value: string): string =>
  `*2\r\n$${key.length}\r\n${key}\r\n$${value.length}\r\n${value}\r\n`;

test("a client that waits for a list is answered by the first push, and what it took is gone", () => {
  const store = new Clients();
  const session = store.waiting("BLPOP", "k", "0");
  assert.equal(store.other("RPUSH", "k", "a", "b"), ":2\r\n");
  assert.deepEqual(store.answers(), [[session, popped("k", "a")]]);
  assert.equal(session.waiter, null);
  assert.equal(store.other("LRANGE", "k", "0", "-1"), "*1\r\n$1\r\nb\r\n");
  assert.equal(store.run.blocking.count, 0);
  assert.equal(store.run.keyspace.onTouch, null);
});

test("clients are served in the order in which they came, each once, while elements last", () => {
  const store = new Clients();
  const first = store.waiting("BLPOP", "k", "0");
  const second = store.waiting("BRPOP", "other", "k", "0");
  const third = store.waiting("BLPOP", "k", "0");
  store.other("RPUSH", "k", "a", "b");
  assert.deepEqual(store.answers(), [
    [first, popped("k", "a")],
    [second, popped("k", "b")],
  ]);
  assert.equal(store.other("EXISTS", "k"), ":0\r\n");
  store.other("LPUSH", "other", "x");
  assert.deepEqual(store.answers(), []);
  store.other("LPUSH", "k", "c");
  assert.deepEqual(store.answers(), [[third, popped("k", "c")]]);
});

test("each served client has a record of its own, behind the record of the push", () => {
  const store = new Clients();
  store.waiting("BLPOP", "k", "0");
  store.waiting("BLPOP", "k", "0");
  const before = store.run.write.slotSeqs.reduce((a, b) => Math.max(a, b));
  store.other("RPUSH", "k", "a", "b");
  const seqs = store.run.blocking.answers.map(({ seq }) => seq - before);
  assert.deepEqual(seqs, [2, 3]);
});

test("a transaction serves waiting clients when it is over, and itself never waits", () => {
  const store = new Clients();
  const session = store.waiting("BLPOP", "k", "0");
  const other = store.connect();
  store.as(other, "MULTI");
  store.as(other, "LPUSH", "k", "a");
  store.as(other, "BLPOP", "empty", "0");
  store.as(other, "BLMOVE", "empty", "k", "LEFT", "LEFT", "0");
  store.as(other, "RPUSH", "k", "b");
  assert.equal(store.as(other, "EXEC"), "*4\r\n:1\r\n*-1\r\n$-1\r\n:2\r\n");
  assert.deepEqual(store.answers(), [[session, popped("k", "a")]]);
});

test("what is pushed and popped again within a transaction wakes nobody", () => {
  const store = new Clients();
  store.waiting("BLPOP", "k", "0");
  const other = store.connect();
  for (const words of [["MULTI"], ["LPUSH", "k", "a"], ["DEL", "k"], ["EXEC"]])
    store.as(other, ...words);
  assert.deepEqual(store.answers(), []);
  assert.equal(store.run.blocking.count, 1);
});

test("a client takes from the list that became ready first, not from the first of its arguments", () => {
  const store = new Clients();
  const session = store.waiting("BLPOP", "a", "b", "0");
  const other = store.connect();
  for (const words of [["MULTI"], ["LPUSH", "b", "1"], ["LPUSH", "a", "2"], ["EXEC"]])
    store.as(other, ...words);
  assert.deepEqual(store.answers(), [[session, popped("b", "1")]]);
  assert.equal(store.other("LLEN", "a"), ":1\r\n");
});

test("an element that a waiting client moves on wakes who waits for it there", () => {
  const store = new Clients();
  const last = store.waiting("BLPOP", "c", "0");
  const second = store.waiting("BLMOVE", "b", "c", "LEFT", "LEFT", "0");
  const first = store.waiting("BRPOPLPUSH", "a", "b", "0");
  store.other("RPUSH", "a", "x");
  assert.deepEqual(store.answers(), [
    [first, "$1\r\nx\r\n"],
    [second, "$1\r\nx\r\n"],
    [last, popped("c", "x")],
  ]);
  assert.equal(store.other("DBSIZE"), ":0\r\n");
});

test("a move to a key that holds no list is refused when it is served, and the element stays", () => {
  const store = new Clients();
  store.other("SET", "target", "string");
  const session = store.waiting("BLMOVE", "k", "target", "LEFT", "RIGHT", "0");
  const next = store.waiting("BLPOP", "k", "0");
  store.other("RPUSH", "k", "a");
  const [refused, served] = store.answers();
  assert.equal(refused?.[0], session);
  assert.match(refused?.[1] ?? "", /^-WRONGTYPE /);
  assert.deepEqual(served, [next, popped("k", "a")]);
});

test("a key of another type does not end the waiting", () => {
  const store = new Clients();
  const session = store.waiting("BLPOP", "k", "0");
  store.other("SADD", "k", "member");
  store.other("DEL", "k");
  store.other("SET", "k", "string");
  assert.deepEqual(store.answers(), []);
  const other = store.connect();
  for (const words of [["MULTI"], ["DEL", "k"], ["RPUSH", "k", "a"], ["EXEC"]])
    store.as(other, ...words);
  assert.deepEqual(store.answers(), [[session, popped("k", "a")]]);
});

test("whatever makes a list appear serves: RENAME, COPY and MOVE", () => {
  for (const words of [
    ["RENAME", "from", "k"],
    ["COPY", "from", "k"],
    ["MOVE", "from", "1"],
  ]) {
    const store = new Clients();
    store.other("RPUSH", "from", "a");
    const session = store.connect();
    const moved = words[0] === "MOVE";
    if (moved) store.as(session, "SELECT", "1");
    store.as(session, "BLPOP", moved ? "from" : "k", "0");
    store.other(...words);
    assert.deepEqual(store.answers(), [[session, popped(moved ? "from" : "k", "a")]]);
  }
});

test("a client waits in its own database", () => {
  const store = new Clients();
  store.waiting("BLPOP", "k", "0");
  const other = store.connect();
  store.as(other, "SELECT", "1");
  store.as(other, "RPUSH", "k", "a");
  assert.deepEqual(store.answers(), []);
});

test("whose time is over is answered nil, and waits no more", () => {
  const store = new Clients();
  const slow = store.waiting("BLPOP", "k", "2");
  const quick = store.waiting("BRPOPLPUSH", "k", "to", "0.1");
  const forever = store.waiting("BLMPOP", "0", "1", "k", "LEFT");
  store.tick(99);
  assert.deepEqual(store.answers(), []);
  store.tick(1);
  assert.deepEqual(store.answers(), [[quick, "*-1\r\n"]]);
  store.tick(1_900);
  assert.deepEqual(store.answers(), [[slow, "*-1\r\n"]]);
  store.tick(1e12);
  assert.deepEqual(store.answers(), []);
  store.other("RPUSH", "k", "a");
  assert.deepEqual(
    store.answers().map(([session]) => session),
    [forever],
  );
});

test("CLIENT UNBLOCK ends the waiting as a timeout or with an error", () => {
  const store = new Clients();
  const [a, b] = [store.waiting("BLPOP", "k", "0"), store.waiting("BLPOP", "k", "0")];
  assert.match(store.other("CLIENT", "LIST"), new RegExp(`id=${a.id} .* flags=b `));
  assert.equal(store.other("CLIENT", "UNBLOCK", `${a.id}`, "TIMEOUT"), ":1\r\n");
  assert.equal(store.other("CLIENT", "UNBLOCK", `${b.id}`, "ERROR"), ":1\r\n");
  assert.deepEqual(store.answers(), [
    [a, "*-1\r\n"],
    [b, "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"],
  ]);
  assert.equal(store.run.stats.errors.get("UNBLOCKED"), 1);
  const counts = commandStats(store.run).find(({ name }) => name === "blpop");
  assert.deepEqual([counts?.calls, counts?.failures], [2, 1]);
  assert.equal(store.other("CLIENT", "UNBLOCK", `${a.id}`), ":0\r\n");
  assert.equal(store.other("CLIENT", "UNBLOCK", "12345"), ":0\r\n");
});

test("a client that has gone takes nothing with it", () => {
  const store = new Clients();
  const gone = store.waiting("BLPOP", "k", "0");
  const stays = store.waiting("BLPOP", "k", "0");
  store.run.blocking.leave(gone);
  store.other("RPUSH", "k", "a");
  assert.deepEqual(store.answers(), [[stays, popped("k", "a")]]);
});

test("while clients are paused, or writes refused, nobody is served; afterwards everybody is", () => {
  const store = new Clients();
  const session = store.waiting("BLPOP", "k", "0");
  store.run.pausedUntilMs = store.nowMs + 100;
  store.other("RPUSH", "k", "a");
  assert.deepEqual(store.answers(), []);
  store.run.wallMs += 100;
  store.run.refuseWrites = "MISCONF full";
  store.run.blocking.serve();
  assert.deepEqual(store.answers(), []);
  store.run.refuseWrites = null;
  store.run.blocking.serve();
  assert.deepEqual(store.answers(), [[session, popped("k", "a")]]);
});

test("a client that wants no replies is served in silence", () => {
  const store = new Clients();
  const session = store.connect();
  store.as(session, "CLIENT", "REPLY", "SKIP");
  store.as(session, "BLPOP", "k", "0");
  store.other("RPUSH", "k", "a");
  assert.deepEqual(store.answers(), [[session, ""]]);
  assert.equal(store.other("LLEN", "k"), ":0\r\n");
});

test("a timeout is a number of seconds that is not negative", () => {
  const store = new Clients();
  assert.equal(store.raw("BLPOP", "k", "x"), "-ERR timeout is not a float or out of range\r\n");
  assert.equal(store.raw("BLPOP", "k", "-0.01"), "-ERR timeout is negative\r\n");
  assert.equal(store.raw("BLPOP", "k", "inf"), "-ERR timeout is negative\r\n");
  assert.equal(store.raw("BLMOVE", "a", "b", "UP", "LEFT", "-1"), "-ERR syntax error\r\n");
});

test("a client that waits is answered in its own version of the protocol", () => {
  const store = new Clients();
  const session = store.connect();
  store.as(session, "HELLO", "3");
  store.as(session, "BLPOP", "k", "0.01");
  store.tick(10);
  assert.deepEqual(store.answers(), [[session, "_\r\n"]]);
});

test("the same key named twice is waited for once", () => {
  const store = new Clients();
  const session = store.waiting("BLPOP", "k", "k", "0");
  store.other("RPUSH", "k", "a", "b");
  assert.deepEqual(store.answers(), [[session, popped("k", "a")]]);
  assert.equal(store.other("LLEN", "k"), ":1\r\n");
});

test("an element from another region is given out there and in the region that owns the key, nowhere else", () => {
  for (const key of ["q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7"]) {
    const regions = ["a", "b", "c"].map((name) => new Region(name));
    const owner = new OwnerRegions(["a/1", "b/1", "c/1"], "a/1");
    const bytes = Buffer.from(key);
    const owned = owner.of(0, bytes, 0, bytes.length);
    for (const region of regions) {
      region.knows("a", "b", "c");
      region.waits("BLPOP", key, "0");
    }
    const [pushing, ...others] = regions as [Region, Region, Region];
    pushing.raw("RPUSH", key, "x", "y");
    assert.deepEqual(pushing.answers(), [popped(key, "x")], "a local push wakes local clients");
    const block = pushing.take();
    for (const region of others) {
      region.receive(block);
      const expected = region.name === owned ? [popped(key, "y")] : [];
      assert.deepEqual(region.answers(), expected, `${key} in ${region.name}, owned by ${owned}`);
    }
  }
});

test("a local push wakes local clients whoever owns the key, and gives them what came from elsewhere before", () => {
  const [a, b] = [new Region("a"), new Region("b")];
  const keys = ["q0", "q1", "q2", "q3", "q4", "q5"];
  for (const region of [a, b]) region.knows("a", "b");
  const asleep = keys.filter((key) => {
    b.waits("BLPOP", key, "0");
    a.raw("RPUSH", key, "far");
    b.receive(a.take());
    return b.answers().length === 0;
  });
  assert.ok(asleep.length > 0 && asleep.length < keys.length);
  for (const key of asleep) {
    b.raw("RPUSH", key, "near");
    assert.deepEqual(b.answers(), [popped(key, "far")]);
  }
});

test("a client that waits for a sorted set is answered by the first member, from its end", () => {
  const store = new Clients();
  const lowest = store.waiting("BZPOPMIN", "none", "z", "0");
  const highest = store.waiting("BZPOPMAX", "z", "0");
  const several = store.waiting("BZMPOP", "0", "2", "none", "z", "MIN", "COUNT", "9");
  store.other("LPUSH", "none", "a");
  assert.deepEqual(store.answers(), []);
  assert.equal(store.other("ZADD", "z", "1", "a", "2", "b", "3", "c", "4", "d"), ":4\r\n");
  const member = (name: string, score: string): string => `$1\r\n${name}\r\n$1\r\n${score}\r\n`;
  assert.deepEqual(store.answers(), [
    [lowest, `*3\r\n$1\r\nz\r\n${member("a", "1")}`],
    [highest, `*3\r\n$1\r\nz\r\n${member("d", "4")}`],
    [several, `*2\r\n$1\r\nz\r\n*2\r\n*2\r\n${member("b", "2")}*2\r\n${member("c", "3")}`],
  ]);
  assert.equal(store.other("EXISTS", "z"), ":0\r\n");
  const late = store.waiting("BZPOPMIN", "z", "0.1");
  store.tick(100);
  assert.deepEqual(store.answers(), [[late, "*-1\r\n"]]);
  assert.equal(
    store.other("BZPOPMIN", "none", "1"),
    "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
  );
});
