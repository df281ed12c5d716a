import assert from "node:assert/strict";
import { test } from "node:test";
import { LIST, NEVER_MS } from "../crdt/key.ts";
import { GREATER, LESS } from "../crdt/score.ts";
import { allPlans, type Deed, type Operation } from "./enumeration.suite.ts";
import {
  check,
  checkAtOnce,
  checkMeetings,
  command,
  counted,
  formatted,
  plain,
  there,
} from "./enumeration-operations.suite.ts";

const set = plain("SET", (solo, key, nth) => solo.set(key, `${10 * nth}`));
const del = there("DEL", (solo, key) => solo.del(key));

const incrby = counted("INCRBY", (solo, key, delta) => solo.count(key, delta));

test("four operations on three replicas can have seen each other in 156 ways", () => {
  const names = new Set(allPlans().map((plan) => JSON.stringify(plan)));
  assert.equal(names.size, 156);
});

test("strings: however four writes meet, every region shows the same", () => {
  check([set, incrby, del]);
});

test("strings with deadlines: however four writes meet, the longer one holds", () => {
  const looksMs = [50, 300];
  const soon = there("PEXPIRE 15", (solo, key) => solo.expire(key, solo.replica.run.nowMs + 15));
  const persist = there("PERSIST", (solo, key) => solo.expire(key, NEVER_MS));
  check([set, soon, persist], { looksMs });
  const px = plain("SET PX 200", (solo, key) => solo.set(key, "8", solo.replica.run.nowMs + 200));
  checkMeetings([px, soon, persist, del], { looksMs });
});

test("strict strings: however four writes meet, no value is shown that is older than another write", () => {
  const [strictSet, strictDel] = [formatted("lww-strict", set), formatted("lww-strict", del)];
  check([strictSet, strictDel, incrby]);
  checkMeetings([strictSet, strictDel, incrby, set, del]);
});

const sadd = plain("SADD", (solo, key) => solo.sadd(key, "m"));
const srem = there("SREM", (solo, key) => solo.srem(key, "m"));

test("sets: however four writes meet, every region shows the same", () => {
  check([sadd, srem, del]);
});

test("sets in which the last writer wins: however four writes meet, every region shows the same", () => {
  const last = formatted("lww-set", srem);
  check([sadd, last, del]);
  checkMeetings([sadd, last, srem, del]);
});

const hset = plain("HSET", (solo, key, nth) => solo.hset(key, "f", `${10 * nth}`));
const hincrby = counted("HINCRBY", (solo, key, delta) => solo.hcount(key, "f", delta));
const hdel = there("HDEL", (solo, key) => solo.hdel(key, "f"));

test("hashes: however four writes meet, every region shows the same", () => {
  check([hset, hincrby, hdel]);
  checkMeetings([hset, hincrby, hdel, del]);
});

test("fields with deadlines: however four writes meet, every region shows the same for as long", () => {
  const looksMs = [50, 300];
  const soon = there("HPEXPIRE 15", (solo, key) =>
    solo.hexpire(key, "f", solo.replica.run.nowMs + 15),
  );
  check([hset, soon, hincrby], { looksMs });
  const persist = there("HPERSIST", (solo, key) => solo.hexpire(key, "f", NEVER_MS));
  checkMeetings([hset, soon, persist, hincrby, hdel], { looksMs });
});

const zincrby = counted("ZINCRBY", (solo, key, delta) => solo.zincrby(key, "m", delta));
const zadd = plain("ZADD", (solo, key, nth) => solo.zadd(key, "m", 3 + nth));
const zrem = there("ZREM", (solo, key) => solo.zrem(key, "m"));

test("sorted sets: however four writes meet, every region shows the same", () => {
  check([zadd, zincrby, zrem]);
  checkMeetings([
    zadd,
    plain("ZADD GT", (solo, key) => {
      if (!(solo.score(key, "m") >= 5)) solo.zadd(key, "m", 5, GREATER);
    }),
    plain("ZADD LT", (solo, key) => {
      if (!(solo.score(key, "m") <= 6)) solo.zadd(key, "m", 6, LESS);
    }),
    zincrby,
    zrem,
    del,
  ]);
});

test("bitmaps: however four writes meet, every region shows each bit that a write of its chunk has set unseen", () => {
  const on = formatted("bitmap", command("SETBIT", "1", "1"));
  const off = formatted("bitmap", command("SETBIT", "1", "0"));
  check([on, off, del]);
  checkMeetings([on, off, formatted("bitmap", command("SETBIT", "%00", "1")), set, del]);
});

test("HyperLogLogs: however four writes meet, every region counts what was added to those that live", () => {
  const pfadd = command("PFADD", "element %");
  check([pfadd, del]);
  checkMeetings([pfadd, command("PFADD", "element"), set, del]);
});

const bound = (words: string, ...rest: readonly string[]): Operation =>
  plain(`AA.BOUND ${words} ${rest.join(" ")}`, (solo, key) => {
    // It shares rights with nobody and waits for nobody: who meets whom is for the plan to say. So nobody has told it what he reads.
    solo.replica.run.rights = null;
    solo.replica.run.allRead = () => true;
    assert.match(
      solo.command("AA.BOUND", words, key, ...rest),
      /^[+:]|^-(BUSYKEY|ERR no such key|AANORIGHTS|AABOUND|WRONGTYPE)/,
    );
  });

test("bounded counters: however four writes meet, every region shows the same, and none beyond the bound", () => {
  const create = bound("CREATE", "MIN", "0", "VALUE", "3");
  const [incr, decr] = [bound("INCR", "2"), bound("DECR", "2")];
  check([incr, decr], { setting: create });
  check([create, decr, bound("DELETE")]);
  checkMeetings([create, bound("CREATE", "MAX", "9", "VALUE", "8"), decr, set, del]);
});

/** `x y z`. */
const xyz = command("RPUSH", "x", "y", "z");
const linsert = (where: string, pivot: string): Operation =>
  command("LINSERT", where, pivot, `${where} ${pivot} %`);

test("lists: however four writes meet, every region shows the same elements in the same order", () => {
  const lset = there("LSET 0", (solo, key, nth) => solo.command("LSET", key, "0", `set ${nth}`));
  check([command("RPUSH", "%"), lset, command("LPOP")], { meaning: inOrder });
  checkMeetings([command("LPUSH", "%"), lset, command("RPOP"), command("LTRIM", "1", "-1"), del]);
  const pushes = [command("RPUSH", "%"), command("LPUSH", "%"), command("LPOP")];
  const inserts = [linsert("BEFORE", "y"), linsert("AFTER", "y")];
  checkMeetings([...pushes, ...inserts], { setting: xyz, meaning: inOrder });
});

/** What was pushed stands beyond all that its maker had seen, and in the order of time; what was inserted, beside its pivot. */
function inOrder(deeds: readonly Deed[]): void {
  const [setting] = deeds;
  const pivot = setting?.name === xyz.name ? (positions(setting)[1] as Buffer) : null;
  deeds.forEach((deed, i) => {
    const [made] = positions(deed);
    if (made === undefined || deed.name.startsWith("LSET")) return;
    const before = deeds.slice(0, i);
    if (deed.name.includes("PUSH")) {
      const beyond = deed.name.startsWith("RPUSH") ? 1 : -1;
      const passed = before.filter((of) => deed.seen.includes(of) || of.name.includes("PUSH"));
      for (const other of passed.flatMap(positions))
        assert.equal(made.compare(other), beyond, `${deed.name} stands beyond`);
      return;
    }
    assert.ok(pivot !== null);
    const side = deed.name.includes("AFTER") ? 1 : -1;
    assert.equal(made.compare(pivot), side, "an insertion is on its side of the pivot");
    const gone = deed.seen.flatMap(removed);
    for (const other of deed.seen.flatMap(positions))
      if (other.compare(pivot) === side && !gone.includes(other.latin1Slice()))
        assert.equal(made.compare(other), -side, "nothing that was seen lies between");
  });
}

/** Where the elements stand that were written. */
function positions({ record }: Deed): Buffer[] {
  return record.effects
    .filter(({ op, tag }) => op === "PUT_CELL" && tag === LIST)
    .map(({ name }) => Buffer.from(name as string, "latin1"));
}

function removed({ record }: Deed): string[] {
  return record.effects
    .filter(({ op, tag }) => op === "REMOVE_CELL" && tag === LIST)
    .map(({ name }) => name as string);
}

test("operations with one stamp: however four meet, every region decides by the names of the writers", () => {
  checkAtOnce([set, incrby]);
  checkAtOnce([formatted("lww-strict", set), formatted("lww-strict", del)]);
  checkAtOnce([sadd, formatted("lww-set", srem)]);
  checkAtOnce([set, sadd]);
});
