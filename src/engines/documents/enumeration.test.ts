import assert from "node:assert/strict";
import { test } from "node:test";
import type { Deed, Operation } from "../../core/replica/enumeration.suite.ts";
import {
  check,
  checkMeetings,
  plain,
  there,
} from "../../core/replica/enumeration-operations.suite.ts";
import type { Solo } from "../../core/replica/solo.suite.ts";
import { DOCUMENTS } from "./documents.ts";
import { clientOf } from "./yjs.ts";

const engines = [DOCUMENTS];

/** A command of a document; `%` is the number of the operation. */
function json(name: string, ...rest: readonly string[]): Operation {
  return there([name, ...rest].join(" "), (solo, key, nth) => {
    const words = rest.map((word) => word.replace("%", `${nth}`));
    assert.match(solo.command(name, key, ...words), /^[^-]/);
  });
}

function made(value: string): Operation {
  return plain("made", (solo, key, nth) => {
    assert.equal(solo.command("JSON.SET", key, "$", value.replace("%", `${nth}`)), "+OK\r\n");
  });
}

const del = there("DEL", (solo, key) => solo.del(key));

test("objects: however four writes meet, every region shows the member that the writers' names and their sights decide on", () => {
  const operations = [made('{"a":%}'), json("JSON.SET", "$.a", "%"), json("JSON.DEL", "$.a")];
  check(operations, { engines, meaning: asMembers });
  checkMeetings([...operations, del], { engines, meaning: asMembers });
});

test("arrays: however four writes meet, every region shows the elements that no removal had seen, in one order", () => {
  const pushes = [made("[%]"), json("JSON.ARRAPPEND", "$", "%"), json("JSON.ARRPOP", "$")];
  check(pushes, { engines, meaning: asElements });
  const insert = json("JSON.ARRINSERT", "$", "0", "%");
  checkMeetings([...pushes, insert, del], { engines, meaning: asElements });
});

/** One write of a member or an element: what stood on its sides where it was made, and who made it. */
interface Item {
  readonly value: number;
  readonly left: Item | null;
  readonly right: Item | null;
  readonly client: number;
}

/** What a deed brings: a write, the items it took away, and all that it had seen of other generations. */
interface Turn {
  readonly generation: string | null;
  readonly items: readonly Item[];
  readonly gone: readonly Item[];
}

type Reads = (
  deed: Deed,
  seen: Shown,
) => { left: Item | null; right: Item | null; gone: Item | null };

class Shown {
  /** In order, those that are gone as well. */
  readonly items: Item[] = [];
  readonly gone = new Set<Item>();
  readonly generations: readonly Deed[];

  /** What whoever has some deeds sees. */
  constructor(deeds: readonly Deed[], reads: Reads) {
    this.generations = deeds.filter(
      (deed) =>
        deed.name === "made" &&
        !deeds.some(({ name, seen }) => (name === "made" || name === "DEL") && seen.includes(deed)),
    );
    const living = new Set(this.generations.map(nameOf));
    for (const deed of deeds) {
      const { generation, items, gone } = turnOf(deed, reads);
      if (generation === null || !living.has(generation)) continue;
      for (const item of items) if (!this.items.includes(item)) this.#integrate(item);
      for (const item of gone) this.gone.add(item);
    }
  }

  /** Among what was written at one place unseen by each other, the lower client comes first, with all that was put behind it. */
  #integrate(item: Item): void {
    const { items } = this;
    const from = item.left === null ? 0 : items.indexOf(item.left) + 1;
    const to = item.right === null ? items.length : items.indexOf(item.right);
    let at = from;
    const passed = new Set<Item>();
    const conflicting = new Set<Item>();
    for (let i = from; i < to; i++) {
      const other = items[i] as Item;
      passed.add(other);
      conflicting.add(other);
      if (other.left === item.left) {
        if (other.client < item.client) {
          at = i + 1;
          conflicting.clear();
        } else if (other.right === item.right) break;
      } else if (other.left !== null && passed.has(other.left)) {
        if (conflicting.has(other.left)) continue;
        at = i + 1;
        conflicting.clear();
      } else break;
    }
    items.splice(at, 0, item);
  }
}

const turns = new WeakMap<Deed, Turn>();

function turnOf(deed: Deed, reads: Reads): Turn {
  const known = turns.get(deed);
  if (known !== undefined) return known;
  const turn = newTurn(deed, reads);
  turns.set(deed, turn);
  return turn;
}

function newTurn(deed: Deed, reads: Reads): Turn {
  if (deed.name === "DEL") return { generation: null, items: [], gone: [] };
  const value = deed.nth;
  if (deed.name === "made") {
    const item = { value, left: null, right: null, client: clientOf(author(deed, deed)) };
    return { generation: nameOf(deed), items: [item], gone: [] };
  }
  const seen = new Shown(deed.seen, reads);
  const newest = seen.generations.at(-1);
  assert.ok(newest !== undefined, "a document that is edited is there");
  const { left, right, gone } = reads(deed, seen);
  const several = seen.generations.length > 1;
  const items = several ? [...seen.items] : [];
  const isRemoval = gone !== null;
  if (!isRemoval) items.push({ value, left, right, client: clientOf(author(deed, newest)) });
  const taken = several ? [...seen.gone] : [];
  return {
    generation: nameOf(newest),
    items,
    gone: isRemoval ? [...taken, gone] : taken,
  };
}

function nameOf({ record }: Deed): string {
  return `${record.origin}:${record.seq}`;
}

/** Under whose name a replica edits a generation. */
function author({ record }: Deed, { record: beginner }: Deed): string {
  return `${incarnationOf(record.origin)}/${incarnationOf(beginner.origin)}@${beginner.ms}.${beginner.tick}`;
}

function incarnationOf(origin: string): string {
  return Buffer.from(origin.slice(origin.indexOf("@") + 1), "hex").toString("latin1");
}

/** A member is what stands last of all that was written under its name, unless that was removed. */
function asMembers(deeds: readonly Deed[], solo: Solo, key: string): void {
  const shown = new Shown(deeds, ({ name }, { items }) => {
    const last = items.at(-1) ?? null;
    return { left: last, right: null, gone: name.startsWith("JSON.DEL") ? last : null };
  });
  const last = shown.items.at(-1);
  const members = last === undefined || shown.gone.has(last) ? {} : { a: last.value };
  assert.deepEqual(documentOf(solo, key), shown.generations.length === 0 ? null : members);
}

function asElements(deeds: readonly Deed[], solo: Solo, key: string): void {
  const shown = new Shown(deeds, ({ name }, { items, gone }) => {
    const last = items.findLast((item) => !gone.has(item)) ?? null;
    if (name.startsWith("JSON.ARRPOP")) return { left: null, right: null, gone: last };
    const left = name.startsWith("JSON.ARRAPPEND") ? last : null;
    return { left, right: items[left === null ? 0 : items.indexOf(left) + 1] ?? null, gone: null };
  });
  const elements = shown.items.filter((item) => !shown.gone.has(item)).map(({ value }) => value);
  assert.deepEqual(documentOf(solo, key), shown.generations.length === 0 ? null : elements);
}

function documentOf(solo: Solo, key: string): unknown {
  const reply = solo.command("JSON.GET", key);
  return reply === "$-1\r\n" ? null : (JSON.parse(reply.slice(reply.indexOf("\n"))) as unknown);
}
