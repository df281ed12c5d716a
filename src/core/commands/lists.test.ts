import assert from "node:assert/strict";
import { test } from "node:test";
import { Chance } from "../replica/chance.suite.ts";
import { exchange, Region } from "./regions.suite.ts";
import { Standalone } from "./standalone.suite.ts";

const words = (text: string): string[] => text.split(" ");

/** A reply that is a list of bulk strings, as words. */
function items(reply: string): string {
  return reply
    .split("\r\n")
    .filter((line) => line !== "" && !/^[*$]/.test(line))
    .join(" ");
}

class List extends Standalone {
  do(text: string): string {
    return this.raw(...words(text));
  }

  show(key = "l"): string {
    return items(this.raw("LRANGE", key, "0", "-1"));
  }
}

test("elements are pushed and popped at both ends", () => {
  const store = new List();
  assert.equal(store.do("RPUSH l a b c"), ":3\r\n");
  assert.equal(store.do("LPUSH l x y"), ":5\r\n");
  assert.equal(store.show(), "y x a b c");
  assert.equal(store.do("LPOP l"), "$1\r\ny\r\n");
  assert.equal(items(store.do("RPOP l 2")), "c b");
  assert.equal(store.show(), "x a");
  assert.equal(items(store.do("LPOP l 10")), "x a");
  assert.equal(store.do("EXISTS l"), ":0\r\n");
  assert.equal(store.do("LPUSHX l a"), ":0\r\n");
});

test("LPOS counts matches from either end", () => {
  const store = new List();
  store.do("RPUSH l a b a c a");
  assert.equal(store.do("LPOS l a RANK 2"), ":2\r\n");
  assert.equal(store.do("LPOS l a RANK -1 COUNT 2"), "*2\r\n:4\r\n:2\r\n");
  assert.equal(store.do("LPOS l a COUNT 0 MAXLEN 3"), "*2\r\n:0\r\n:2\r\n");
  assert.equal(store.do("LPOS l a RANK -9223372036854775808"), ":4\r\n");
  assert.equal(store.do("LPOS l a RANK -9223372036854775807"), "$-1\r\n");
  assert.equal(store.do("LPOS l x COUNT 1"), "*0\r\n");
});

test("what one transaction pushes stands in the order of its commands", () => {
  const store = new List();
  for (const text of ["MULTI", "LPUSH l a b", "RPUSH l x", "LPUSH l c", "RPUSH l y z", "EXEC"])
    store.do(text);
  assert.equal(store.show(), "c b a x y z");
});

test("a list behaves like an array, whatever is done to it", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const chance = new Chance(seed);
    const store = new List();
    let model: string[] = [];
    for (let i = 0; i < 150; i++) {
      store.nowMs += chance.below(3);
      const value = chance.pick(words("a b c d"));
      const index = chance.below(12) - 6;
      const at = index < 0 ? model.length + index : index;
      const [left, right] = [chance.next() < 0.5, chance.next() < 0.5];
      switch (chance.below(9)) {
        case 0:
        case 1:
          store.do(`${left ? "LPUSH" : "RPUSH"} l ${value} ${i}`);
          if (left) model.unshift(`${i}`, value);
          else model.push(value, `${i}`);
          break;
        case 2:
          store.do(`${left ? "LPOP" : "RPOP"} l`);
          if (left) model.shift();
          else model.pop();
          break;
        case 3: {
          const pivot = model.indexOf(value);
          store.do(`LINSERT l ${left ? "BEFORE" : "AFTER"} ${value} ${i}`);
          if (pivot >= 0) model.splice(left ? pivot : pivot + 1, 0, `${i}`);
          break;
        }
        case 4: {
          const reply = store.do(`LSET l ${index} ${i}`);
          assert.equal(reply === "+OK\r\n", at >= 0 && at < model.length);
          if (at >= 0 && at < model.length) model[at] = `${i}`;
          break;
        }
        case 5: {
          const count = chance.below(5) - 2;
          store.do(`LREM l ${count} ${value}`);
          const from = count < 0 ? model.toReversed() : model;
          let most = count === 0 ? Infinity : Math.abs(count);
          const rest = from.filter((item) => item !== value || most-- <= 0);
          model = count < 0 ? rest.reverse() : rest;
          break;
        }
        case 6:
          if (chance.next() < 0.3) {
            const [start, stop] = [chance.below(4), -1 - chance.below(3)];
            store.do(`LTRIM l ${start} ${stop}`);
            model = model.slice(start, model.length + stop + 1);
          }
          break;
        case 7: {
          store.do(`LMOVE l l ${left ? "LEFT" : "RIGHT"} ${right ? "LEFT" : "RIGHT"}`);
          const moved = left ? model.shift() : model.pop();
          if (moved !== undefined && right) model.unshift(moved);
          else if (moved !== undefined) model.push(moved);
          break;
        }
        default:
          assert.equal(items(store.do(`LRANGE l ${at} ${at + 3}`)), range(model, at).join(" "));
          assert.equal(store.do(`LLEN l`), `:${model.length}\r\n`);
      }
      assert.equal(store.show(), model.join(" "), `seed ${seed}, step ${i}`);
    }
  }
});

function range(model: string[], at: number): string[] {
  const first = at < 0 ? Math.max(0, model.length + at) : at;
  const last = at + 3 < 0 ? model.length + at + 3 : at + 3;
  return model.slice(first, last + 1);
}

test("a list that is pushed back to what it lost keeps its deadline, a new one has none", () => {
  const store = new List();
  for (const text of ["RPUSH l a", "EXPIRE l 100", "RPOPLPUSH l l"]) store.do(text);
  assert.equal(store.do("TTL l"), ":100\r\n");
  for (const text of ["LPOP l", "RPUSH l b"]) store.do(text);
  assert.equal(store.do("TTL l"), ":-1\r\n");
});

test("COPY, RENAME, MOVE, DUMP, RESTORE and SORT carry lists whole", () => {
  const store = new List();
  for (const text of ["RPUSH l b a c", "COPY l copy", "RENAME copy named"]) store.do(text);
  assert.equal(store.show("named"), "b a c");
  const dumped = store.do("DUMP l");
  const payload = Buffer.from(dumped.slice(dumped.indexOf("\n") + 1, -2), "latin1");
  assert.equal(store.raw("RESTORE", "restored", "0", payload), "+OK\r\n");
  assert.equal(store.show("restored"), "b a c");
  assert.equal(store.do("SORT l ALPHA STORE sorted"), ":3\r\n");
  assert.equal(store.show("sorted"), "a b c");
  assert.equal(store.do("OBJECT ENCODING l"), "$9\r\nquicklist\r\n");
  assert.equal(store.do("TYPE l"), "+list\r\n");
});

// ── two regions at once: the table of docs/types/list.md ─────────────────────────────────────────────────────────────────────

/** Both have seen `x y`; `a` is earlier where time decides. */
const pairs: readonly { a: string; b: string; after: string }[] = [
  { a: "RPUSH l a1 a2", b: "RPUSH l b1 b2", after: "x y a1 a2 b1 b2" },
  { a: "LPUSH l a1 a2", b: "LPUSH l b1 b2", after: "b2 b1 a2 a1 x y" },
  { a: "LPUSH l a", b: "RPUSH l b", after: "a x y b" },
  { a: "LPOP l", b: "LPOP l", after: "y" },
  { a: "LPOP l", b: "RPOP l", after: "" },
  { a: "LPOP l", b: "RPUSH l b", after: "y b" },
  { a: "LPOP l", b: "LSET l 0 new", after: "new y" },
  { a: "LSET l 0 a", b: "LSET l 0 b", after: "b y" },
  { a: "LSET l 0 a", b: "LSET l 1 b", after: "a b" },
  { a: "LSET l 0 a", b: "LPUSH l b", after: "b a y" },
  { a: "LINSERT l AFTER x a", b: "LINSERT l AFTER x b", after: "x a b y" },
  { a: "LINSERT l BEFORE y a", b: "LREM l 0 y", after: "x a" },
  { a: "LTRIM l 1 -1", b: "LPUSH l b", after: "b y" },
  { a: "LREM l 0 x", b: "LSET l 0 new", after: "new y" },
  { a: "DEL l", b: "RPUSH l b", after: "b" },
  { a: "DEL l", b: "LSET l 0 new", after: "new" },
  { a: "LMOVE l m LEFT LEFT", b: "LPOP l", after: "y" },
  { a: "LMOVE l l LEFT RIGHT", b: "LMOVE l l LEFT RIGHT", after: "y x x" },
  { a: "RPUSH l a", b: "FLUSHALL", after: "" },
];

for (const { a, b, after } of pairs)
  for (const first of ["a", "b"] as const)
    test(`${a} beside ${b}, sent by ${first} first: ${after === "" ? "nothing" : after}`, () => {
      const [one, two] = [new Region("a"), new Region("b")];
      one.raw("RPUSH", "l", "x", "y");
      exchange(one, two);
      one.nowMs += 10;
      two.nowMs += 20;
      one.raw(...words(a));
      two.raw(...words(b));
      if (first === "a") exchange(one, two);
      else exchange(two, one);
      const shown = [one, two].map((region) => items(region.raw("LRANGE", "l", "0", "-1")));
      assert.deepEqual(shown, [after, after]);
    });

test("of an element that two regions wrote the last value is shown, whatever the policy, and the other one is in the feed", () => {
  const [one, two] = [new Region("a"), new Region("b")];
  for (const { policies } of [one, two]) policies.set("", "fww", null);
  one.raw("RPUSH", "l", "x", "y");
  exchange(one, two);
  one.nowMs += 10;
  two.nowMs += 20;
  one.raw("LSET", "l", "0", "earlier");
  two.raw("LSET", "l", "0", "later");
  exchange(one, two);
  for (const region of [one, two]) {
    assert.equal(items(region.raw("LRANGE", "l", "0", "-1")), "later y");
    const lost = region.raw("AA.CONFLICTS", "l");
    assert.match(lost, /earlier/);
    assert.doesNotMatch(lost, /later/);
  }
});

test("elements that were moved on by two regions at once are moved twice", () => {
  const [one, two] = [new Region("a"), new Region("b")];
  one.raw("RPUSH", "l", "x");
  exchange(one, two);
  for (const region of [one, two]) region.raw("RPOPLPUSH", "l", "m");
  exchange(one, two);
  for (const region of [one, two]) {
    assert.equal(region.raw("LLEN", "l"), ":0\r\n");
    assert.equal(region.raw("LLEN", "m"), ":2\r\n");
  }
});

test("a push follows everything its region had seen, whatever its clock says", () => {
  const [one, two] = [new Region("a"), new Region("b")];
  two.nowMs -= 3_000;
  one.raw("RPUSH", "l", "first");
  exchange(one, two);
  two.raw("RPUSH", "l", "second");
  two.raw("LPUSH", "l", "zero");
  exchange(one, two);
  assert.equal(items(one.raw("LRANGE", "l", "0", "-1")), "zero first second");
});

test("a list that is moved to lies where it did, however its table closed the gap that the other left", () => {
  const store = new Standalone();
  // Keys with one tag share a table, and an emptied one is taken out of it while the other is written to.
  for (let i = 0; i < 60; i++) {
    const names = Array.from({ length: 12 }, (_, n) => `{t}${i}:${n}`);
    for (const name of names) store.raw("RPUSH", name, name);
    for (const [n, name] of names.slice(1).entries()) {
      const source = names[n] as string;
      for (let left = n + 1; left > 0; left--) store.raw("LMOVE", source, name, "LEFT", "RIGHT");
      assert.equal(store.raw("LLEN", name), `:${n + 2}\r\n`, `${source} to ${name}`);
    }
    store.raw("FLUSHALL");
  }
});
