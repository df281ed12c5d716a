import assert from "node:assert/strict";
import { test } from "node:test";
import { group } from "../commands/stream-group.ts";
import { hasNew } from "../commands/streams-delivery.ts";
import { STREAM } from "../crdt/key.ts";
import { ENTRY } from "../crdt/stream-cell.ts";
import { locate } from "./canonical.suite.ts";
import type { Deed } from "./enumeration.suite.ts";
import { check, checkMeetings, command, plain, there } from "./enumeration-operations.suite.ts";
import type { Solo } from "./solo.suite.ts";

const FAR = "9999999999999-1";

const xadd = command("XADD", "*", "field", "%");
const xdel = there("XDEL", (solo, key) => {
  const [first] = idsShown(solo, key);
  if (first !== undefined) solo.command("XDEL", key, first);
});
const del = there("DEL", (solo, key) => solo.del(key));

test("streams: however four writes meet, every region shows the entries that no removal had seen", () => {
  const far = plain(`XADD ${FAR}`, (solo, key, nth) => {
    if (!idsShown(solo, key).includes(FAR)) solo.command("XADD", key, FAR, "field", `${nth}`);
  });
  check([xadd, xdel, del], { meaning: union });
  checkMeetings([xadd, far, xdel, command("XTRIM", "MAXLEN", "0")], { meaning: union });
});

/** Entries are those added that nothing removed which had seen them; what is given an id follows what its region had seen. */
function union(deeds: readonly Deed[], solo: Solo, key: string): void {
  const living = deeds.flatMap((deed) =>
    entriesOf(deed).filter(
      (entry) => !deeds.some((by) => by.seen.includes(deed) && takes(by, entry)),
    ),
  );
  assert.deepEqual(idsShown(solo, key), living.map(idOf).toSorted(byId));
  assert.equal(solo.command("XLEN", key), `:${living.length}\r\n`);
  for (const deed of deeds.filter(({ name }) => name === xadd.name))
    for (const seen of deed.seen)
      for (const before of seen.name === "DEL" ? [] : entriesOf(seen))
        if (!deed.seen.some(({ name, seen: had }) => name === "DEL" && had.includes(seen)))
          for (const made of entriesOf(deed)) assert.ok(byId(idOf(before), idOf(made)) < 0);
}

function takes({ name, record }: Deed, entry: string): boolean {
  const named = record.effects.some(({ op, name: of }) => op === "REMOVE_CELL" && of === entry);
  return name === "DEL" || named;
}

/** The names of the entries that were written. */
function entriesOf({ record }: Deed): string[] {
  return record.effects
    .filter(({ op, tag, name }) => op === "PUT_CELL" && tag === STREAM && isEntry(name as string))
    .map(({ name }) => name as string);
}

function isEntry(name: string): boolean {
  return name.charCodeAt(0) === ENTRY;
}

function idOf(name: string): string {
  const bytes = Buffer.from(name, "latin1");
  return `${bytes.readBigUInt64BE(1)}-${bytes.readBigUInt64BE(9)}`;
}

function byId(a: string, b: string): number {
  const [[aMs = 0, aSeq = 0], [bMs = 0, bSeq = 0]] = [
    a.split("-").map(Number),
    b.split("-").map(Number),
  ];
  return aMs - bMs || aSeq - bSeq;
}

function idsShown(solo: Solo, key: string): string[] {
  const reply = solo.command("XRANGE", key, "-", "+");
  return [...reply.matchAll(/\r\n(\d+-\d+)(?=\r\n)/g)].map(([, id]) => id as string);
}

/** An entry 1-1, and a group that has read nothing yet. */
const grouped = plain("made", (solo, key) => {
  for (const words of [
    ["MULTI"],
    ["XADD", key, "1-1", "field", "0"],
    ["XGROUP", "CREATE", key, "g", "0"],
    ["EXEC"],
  ])
    assert.match(solo.command(...words), /^[^-]/);
});
/** As `grouped`, and `first` has read it. */
const read = plain("read", (solo, key) => {
  for (const words of [
    ["MULTI"],
    ["XADD", key, "1-1", "field", "0"],
    ["XGROUP", "CREATE", key, "g", "0"],
    ["XREADGROUP", "GROUP", "g", "first", "STREAMS", key, ">"],
    ["EXEC"],
  ])
    assert.match(solo.command(...words), /^[^-]/);
});

function ofGroup(name: string, words: (key: string, nth: number) => readonly string[]) {
  return plain(name, (solo, key, nth) => {
    assert.match(solo.command(...words(key, nth)), /^([^-]|-NOGROUP|-BUSYGROUP|-ERR The XGROUP)/);
  });
}

const reading = ofGroup("XREADGROUP", (key, nth) => [
  "XREADGROUP",
  "GROUP",
  "g",
  `reader ${nth}`,
  "STREAMS",
  key,
  ">",
]);
const claiming = ofGroup("XCLAIM", (key, nth) => [
  "XCLAIM",
  key,
  "g",
  `claimer ${nth}`,
  "0",
  "1-1",
]);
const acknowledging = ofGroup("XACK", (key) => ["XACK", key, "g", "1-1"]);
const destroying = ofGroup("XGROUP DESTROY", (key) => ["XGROUP", "DESTROY", key, "g"]);
const creating = ofGroup("XGROUP CREATE", (key) => ["XGROUP", "CREATE", key, "g", "0"]);

test("groups: however four writes meet, what is pending and what is new is what nobody who had seen it changed", () => {
  check([reading, claiming, acknowledging], { setting: read, meaning: asTold });
  check([reading, destroying, creating], { setting: grouped, meaning: asTold });
  checkMeetings([xadd, reading, acknowledging, destroying], { setting: grouped, meaning: asTold });
});

interface Pending {
  readonly consumer: string;
  readonly deliveries: number;
}

/** A group as whoever has some deeds sees it. */
interface Told {
  readonly exists: boolean;
  /** What it has been given. */
  readonly given: ReadonlySet<string>;
  readonly pending: ReadonlyMap<string, Pending>;
}

/**
 * What a deed did to the group: whether it wrote it, and with what it was given in all; what it wrote as pending or took from there.
 * Told from the deeds that it had seen, so from the partial order alone.
 */
interface Turn {
  readonly deed: Deed;
  readonly group: ReadonlySet<string> | "gone" | null;
  readonly pending: ReadonlyMap<string, Pending | null>;
}

const turns = new WeakMap<Deed, Turn>();

function turnOf(deed: Deed): Turn {
  const known = turns.get(deed);
  if (known !== undefined) return known;
  const told = tell(deed.seen);
  const pending = new Map<string, Pending | null>();
  let wrote: Turn["group"] = null;
  const give = (consumer: string, entries: readonly string[]): void => {
    const fresh = entries.map(idOf).filter((id) => !told.given.has(id));
    for (const id of fresh) pending.set(id, { consumer, deliveries: 1 });
    wrote = new Set([...told.given, ...fresh]);
  };
  const here = pendingNames(deed.seen);
  switch (deed.name) {
    case grouped.name:
      wrote = new Set();
      break;
    case read.name:
      give("first", entriesOf(deed));
      break;
    case reading.name:
      give(`reader ${deed.nth}`, deed.seen.flatMap(entriesOf));
      break;
    case claiming.name: {
      const before = told.pending.get("1-1");
      const deliveries = (before?.deliveries ?? 0) + 1;
      pending.set("1-1", { consumer: `claimer ${deed.nth}`, deliveries });
      break;
    }
    case acknowledging.name:
      pending.set("1-1", null);
      break;
    case destroying.name:
    case creating.name:
      for (const id of here) pending.set(id, null);
      wrote = deed.name === creating.name ? new Set() : "gone";
      break;
    default:
  }
  const turn = { deed, group: wrote, pending };
  turns.set(deed, turn);
  return turn;
}

function pendingNames(deeds: readonly Deed[]): string[] {
  return [...new Set(deeds.flatMap((deed) => [...turnOf(deed).pending.keys()]))];
}

/** Of what was written, what nobody has written or taken who had seen it. */
function latest(of: readonly Turn[]): Turn[] {
  return of.filter((turn) => !of.some((by) => by.deed.seen.includes(turn.deed)));
}

function tell(deeds: readonly Deed[]): Told {
  const all = deeds.map(turnOf);
  const groups = latest(all.filter(({ group: wrote }) => wrote !== null)).flatMap(
    ({ group: wrote }) => (wrote === null || wrote === "gone" ? [] : [wrote]),
  );
  const pending = new Map<string, Pending>();
  for (const id of pendingNames(deeds)) {
    const writes = latest(all.filter((turn) => turn.pending.has(id)));
    // In the order of their stamps, so that the last written of concurrent ones stays.
    for (const turn of writes) {
      const write = turn.pending.get(id);
      if (write !== null && write !== undefined) pending.set(id, write);
    }
  }
  return { exists: groups.length > 0, given: new Set(groups.flatMap((ids) => [...ids])), pending };
}

/** What a region tells of the group is what the deeds tell. */
function asTold(deeds: readonly Deed[], solo: Solo, key: string): void {
  const { exists, given, pending } = tell(deeds);
  const reply = solo.command("XPENDING", key, "g", "-", "+", "10");
  if (!exists) return assert.match(reply, /^-NOGROUP/);
  const shown = [
    ...reply.matchAll(/(\d+-\d+)\r\n\$\d+\r\n([a-z]+(?: \d)?)\r\n:\d+\r\n:(\d+)/g),
  ].map(([, id, consumer, deliveries]) => `${id} ${consumer} ${deliveries}`);
  const wanted = [...pending]
    .toSorted(([a], [b]) => byId(a, b))
    .map(([id, { consumer, deliveries }]) => `${id} ${consumer} ${deliveries}`);
  assert.deepEqual(shown, wanted);
  const { run } = solo.replica;
  const place = locate(run.keyspace, 0, Buffer.from(key));
  place.look(run.keyspace, run.nowMs);
  assert.ok(group.find(run, place, Buffer.from("g"), 0, 1));
  const isNew = deeds.flatMap(entriesOf).some((name) => !given.has(idOf(name)));
  assert.equal(hasNew(run, place), isNew);
}
