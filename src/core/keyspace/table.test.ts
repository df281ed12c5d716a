import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Heap, Page } from "./heap.ts";
import { COUNTER, Entry, OBJECT, Table, WALK_END } from "./table.ts";

interface Thing {
  readonly text: string;
}

/** Names whose hashes collide wholly, share their home, or lie anywhere. */
const kinds = {
  "with hashes of their own": (i: number) => Math.imul(i, 2654435761) >>> 0,
  "that all collide": () => 0xdeadbeef,
  "that crowd at the end of the table": (i: number) => (0xfffffff0 + (i & 15)) >>> 0,
  "with one of eight hashes": (i: number) => ((i & 7) << 29) >>> 0,
} as const;

for (const [kind, hashOf] of Object.entries(kinds))
  test(`a table of names ${kind} agrees with a Map`, () => {
    const step = fc.record({
      name: fc.nat(60),
      op: fc.constantFrom("register", "object", "remove", "expiring"),
      length: fc.nat(90),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const heap = new Heap();
        const table = new Table<Thing>(heap, 100);
        const model = new Map<number, string>();
        for (const [i, { name, op, length }] of steps.entries()) {
          put(table, name, hashOf(name), op, `${i}${"x".repeat(length)}`, model);
          assert.equal(table.size, model.size);
        }
        for (let name = 0; name <= 60; name++)
          assert.equal(read(table, name, hashOf(name)), model.get(name));
        const seen: string[] = [];
        table.each((at) => seen.push(nameAt(table, at)));
        assert.deepEqual(seen.toSorted(), [...model.keys()].map((n) => `name:${n}`).toSorted());
        table.clear();
        assert.equal(heap.usedBytes, 0);
      }),
    );
  });

test("the same name in another database is another entry", () => {
  const table = new Table<Thing>(new Heap(), 100);
  const name = Buffer.from("k");
  const set = (db: number, value: string): void => {
    const at = table.find(7, db, name, 0, 1);
    const text = Buffer.from(value);
    table.putRegister(at, 7, db, name, 0, 1, 0, 1, 1, 0, Infinity, text, 0, text.length);
  };
  set(0, "zero");
  set(3, "three");
  assert.equal(table.size, 2);
  assert.notEqual(table.find(7, 0, name, 0, 1), table.find(7, 3, name, 0, 1));
  assert.equal(table.find(7, 1, name, 0, 1), -1);
});

test("a walk visits what is there throughout exactly once, however the table grows and shrinks meanwhile", () => {
  const step = fc.record({
    add: fc.boolean(),
    count: fc.nat(300),
    width: fc.integer({ min: 1, max: 40 }),
  });
  for (const hashOf of Object.values(kinds).slice(0, 1).concat(kinds["with one of eight hashes"]))
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 30 }), fc.nat(80), (steps, stable) => {
        const table = new Table<Thing>(new Heap(), 100);
        const model = new Map<number, string>();
        for (let i = 0; i < stable; i++) put(table, i, hashOf(i), "register", "stays", model);
        const others: number[] = [];
        let next = 10_000;
        const visits = new Map<string, number>();
        let hash = 0;
        for (let turn = 0; hash < WALK_END; turn++) {
          const { add, count, width } = steps[turn % steps.length] as (typeof steps)[0];
          hash = table.walk(hash, width, (at) => {
            const name = nameAt(table, at);
            visits.set(name, (visits.get(name) ?? 0) + 1);
          });
          // A table that grew for ever would be walked for ever.
          if (turn > 40) continue;
          for (
            let left = hashOf === kinds["with one of eight hashes"] ? count & 15 : count;
            left > 0;
            left--
          )
            if (add) {
              others.push(next);
              put(table, next, hashOf(next), "register", "passes", model);
              next++;
            } else {
              const gone = others.pop();
              if (gone !== undefined) put(table, gone, hashOf(gone), "remove", "", model);
            }
        }
        for (let i = 0; i < stable; i++) assert.equal(visits.get(`name:${i}`), 1, `name:${i}`);
        for (const [name, count] of visits)
          assert.ok(count <= 1, `${name} was visited ${count} times`);
      }),
      { numRuns: 60 },
    );
});

test("a walk of any width ends and has visited everything", () => {
  for (const width of [1, 3, 1000]) {
    const table = new Table<Thing>(new Heap(), 100);
    const model = new Map<number, string>();
    const hashOf = kinds["that crowd at the end of the table"];
    for (let i = 0; i < 50; i++) put(table, i, hashOf(i), "register", "v", model);
    let count = 0;
    for (let hash = 0; hash < WALK_END;) hash = table.walk(hash, width, () => count++);
    assert.equal(count, 50);
  }
});

test("some entry is one that is there", () => {
  const table = new Table<Thing>(new Heap(), 100);
  assert.equal(table.some(0.5), -1);
  const model = new Map<number, string>();
  for (let i = 0; i < 5; i++)
    put(table, i, kinds["with hashes of their own"](i), "register", "v", model);
  for (const chance of [0, 0.3, 0.999999])
    assert.ok(nameAt(table, table.some(chance)).startsWith("name:"));
});

function put(
  table: Table<Thing>,
  name: number,
  hash: number,
  op: string,
  text: string,
  model: Map<number, string>,
): void {
  const bytes = Buffer.from(`name:${name}`);
  const at = table.find(hash, 0, bytes, 0, bytes.length);
  assert.equal(at >= 0, model.has(name));
  if (op === "remove") {
    if (at >= 0) table.removeAt(at);
    model.delete(name);
    return;
  }
  let place: number;
  if (op === "object") place = table.putObject(at, hash, 0, bytes, 0, bytes.length, { text });
  else {
    const value = Buffer.from(text);
    const deadline = op === "expiring" ? 2 ** 41 : Infinity;
    place = table.putRegister(
      at,
      hash,
      0,
      bytes,
      0,
      bytes.length,
      4095,
      2 ** 40 + name,
      2 ** 47 + 5,
      0xffff,
      deadline,
      value,
      0,
      value.length,
    );
  }
  assert.equal(nameAt(table, place), `name:${name}`);
  model.set(name, op === "expiring" ? `${text} until ${2 ** 41}` : text);
}

function nameAt(table: Table<Thing>, at: number): string {
  const entry = new Entry();
  table.load(at, entry);
  return entry.bytes.latin1Slice(entry.nameStart, entry.nameEnd);
}

function read(table: Table<Thing>, name: number, hash: number): string | undefined {
  const bytes = Buffer.from(`name:${name}`);
  const at = table.find(hash, 0, bytes, 0, bytes.length);
  if (at < 0) return undefined;
  const entry = new Entry();
  table.load(at, entry);
  if (entry.kind === OBJECT) {
    assert.equal(table.objectAt(at), table.object(entry));
    return table.object(entry).text;
  }
  assert.equal(table.objectAt(at), null);
  assert.deepEqual(
    [entry.origin, entry.seq, entry.ms, entry.tick],
    [4095, 2 ** 40 + name, 2 ** 47 + 5, 0xffff],
  );
  const value = entry.bytes.latin1Slice(entry.valueStart, entry.valueEnd);
  return entry.deadline === Infinity ? value : `${value} until ${entry.deadline}`;
}

test("a table of many segments agrees with a Map while it grows and shrinks, and a walk misses nothing that stays", () => {
  const heap = new Heap();
  const table = new Table<Thing>(heap, 100);
  const hashOf = kinds["with hashes of their own"];
  const model = new Map<number, string>();
  const stays = (name: number): boolean => name % 7 === 0;
  const check = (): void => {
    assert.equal(table.size, model.size);
    for (let name = 0; name < 40_000; name += 13)
      assert.equal(read(table, name, hashOf(name)), model.get(name));
  };
  for (let name = 0; name < 40_000; name += 7)
    put(table, name, hashOf(name), name % 2 === 0 ? "register" : "object", `${name}`, model);
  const seen: string[] = [];
  let at = 0;
  // Everything else comes in the first half of the walk and goes again in the second.
  const total = 40_000;
  for (let step = 0; at < WALK_END; step++) {
    at = table.walk(at, 37, (position) => seen.push(nameAt(table, position)));
    for (let i = 0; i < 60; i++) {
      const name = (step * 60 + i) % total;
      if (stays(name)) continue;
      const op = step * 60 < total ? "register" : "remove";
      put(table, name, hashOf(name), op, `${name}`, model);
    }
    if (step % 300 === 0) check();
  }
  check();
  const wanted = Array.from({ length: total }, (_, name) => name)
    .filter(stays)
    .map((name) => `name:${name}`);
  const walked = seen.filter((name) => stays(Number(name.slice(5))));
  assert.deepEqual(walked.toSorted(), wanted.toSorted());
  for (let name = 0; name < total; name++)
    if (model.has(name)) put(table, name, hashOf(name), "remove", "", model);
  assert.equal(table.size, 0);
  assert.equal(heap.usedBytes, 0);
});

test("a table nobody needs any more is freed a segment at a time", () => {
  const heap = new Heap();
  const table = new Table<Thing>(heap, 100);
  const hashOf = kinds["with hashes of their own"];
  for (let name = 0; name < 40_000; name++)
    put(table, name, hashOf(name), "register", "value", new Map());
  let slices = 0;
  for (; table.size > 0; slices++) assert.ok(table.clearSome() <= 4096);
  assert.ok(slices >= 10);
  assert.equal(heap.usedBytes, 0);
});

test("an entry keeps its access while the table grows and shrinks, and the account of memory comes out even", () => {
  const heap = new Heap();
  const table = new Table<Thing>(heap, 100);
  const names = Array.from({ length: 60_000 }, (_, i) => Buffer.from(`name:${i}`));
  const hashOf = (i: number): number => Math.imul(i + 1, 0x9e3779b1) >>> 0;
  const nothing = Buffer.alloc(0);
  const add = (i: number): void => {
    const name = names[i] as Buffer;
    heap.newAccess = i + 7;
    table.putRegister(-1, hashOf(i), 0, name, 0, name.length, 0, 1, 1, 0, Infinity, nothing, 0, 0);
  };
  for (let i = 0; i < 100; i++) add(i);
  table.trackAccess(5);
  for (let i = 100; i < names.length; i++) add(i);
  for (let i = 0; i < names.length; i++) {
    if (i % 50 === 0) continue;
    const name = names[i] as Buffer;
    table.removeAt(table.find(hashOf(i), 0, name, 0, name.length));
  }
  for (let i = 0; i < names.length; i += 50) {
    const name = names[i] as Buffer;
    const at = table.find(hashOf(i), 0, name, 0, name.length);
    assert.equal(table.accessAt(at), i < 100 ? 5 : i + 7);
  }
  table.clear();
  assert.equal(heap.objectBytes, 0);
  for (let i = 0; i < names.length; i++) add(i);
  while (table.size > 0) table.clearSome();
  assert.equal(heap.objectBytes, 0);
});

test("a deadline that EXPIRE set stays with what lies packed until that is put again, copies of it too", () => {
  const names = ["a", "a name of more than forty-eight bytes, which is copied as a whole"];
  const step = fc.record({
    name: fc.constantFrom(...names),
    op: fc.constantFrom("register", "counter", "expire", "move", "copy", "remove"),
    sum: fc.maxSafeInteger(),
    length: fc.nat(80),
  });
  interface Packed {
    sum: number;
    value: string;
    expire: number;
  }
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const heap = new Heap();
      const table = new Table<Thing>(heap, 100);
      const model = new Map<string, Packed>();
      const entry = new Entry();
      const copies = new Page(512);
      for (const [i, { name, op, sum, length }] of steps.entries()) {
        const bytes = Buffer.from(name);
        const end = bytes.length;
        const at = table.find(end, 3, bytes, 0, end);
        const there = model.get(name);
        assert.equal(at >= 0, there !== undefined);
        if (op === "register") {
          const value = "v".repeat(length);
          table.putRegister(
            at,
            end,
            3,
            bytes,
            0,
            end,
            7,
            i,
            i,
            1,
            Infinity,
            Buffer.from(value),
            0,
            length,
          );
          model.set(name, { sum: Number.NaN, value, expire: Infinity });
        } else if (op === "counter") {
          table.putCounter(at, end, 3, bytes, 0, end, 7, i, sum, i, i, 1);
          model.set(name, { sum, value: "", expire: Infinity });
        } else if (there === undefined) continue;
        else if (op === "expire") {
          table.putExpire(at, 65535, 2 ** 40 + i, 2 ** 47, 65535, 2 ** 46 + i);
          there.expire = 2 ** 46 + i;
        } else if (op === "move") {
          if (Number.isNaN(there.sum)) continue;
          table.moveCounter(at, i, sum, i, i, 1);
          there.sum = sum;
        } else {
          table.copyAt(at, copies, 16);
          table.removeAt(at);
          if (op === "copy") table.putCopy(-1, end, copies, 16);
          else model.delete(name);
        }
      }
      for (const name of names) {
        const at = table.find(name.length, 3, Buffer.from(name), 0, name.length);
        const there = model.get(name);
        assert.equal(at >= 0, there !== undefined);
        if (there === undefined) continue;
        table.load(at, entry);
        const { bytes, nameStart, nameEnd, valueStart, valueEnd } = entry;
        assert.equal(bytes.latin1Slice(nameStart, nameEnd), name);
        assert.deepEqual([entry.origin, entry.tick, entry.db], [7, 1, 3]);
        assert.equal(entry.deadline, there.expire);
        assert.equal(table.hasDeadlineAt(at), there.expire !== Infinity);
        if (entry.expires)
          assert.deepEqual(
            [entry.expireOrigin, entry.expireSeq, entry.expireMs, entry.expireTick],
            [65535, there.expire - 2 ** 46 + 2 ** 40, 2 ** 47, 65535],
          );
        if (entry.kind === COUNTER) assert.equal(entry.sum, there.sum);
        else assert.equal(bytes.latin1Slice(valueStart, valueEnd), there.value);
      }
      table.clear();
      assert.equal(heap.usedBytes, 0);
    }),
  );
});
