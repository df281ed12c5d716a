/** docs/compatibility.md says what is so, of every command of Redis and of nothing else. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { commandTable } from "../../src/core/commands/table.ts";
import { RespConnection } from "../support/resp-connection.ts";
import { itemsOf, textOf, type Reply } from "../support/resp.ts";
import { startServer, startSubject, type TestServer } from "../support/server.ts";
import { notes } from "./compatibility-notes.ts";
import {
  documentedCommands,
  readPage,
  rendered,
  rowsOf,
  rowsOnPage,
  type Documented,
  type Row,
} from "./compatibility.ts";
import { knownDifferences } from "./known-differences.ts";

let redis: TestServer;
let documented: Map<string, Documented>;
let rows: Row[];

before(async () => {
  redis = await startServer("redis");
  documented = await documentedCommands(redis.port);
  rows = rowsOf(documented);
});

after(() => redis[Symbol.asyncDispose]());

test("the page has a row for every command of Redis 7.0.15, and what it says is so", () => {
  assert.ok(rows.length > 300, "Redis lists its commands");
  assert.deepEqual(
    rowsOnPage(readPage()),
    rows.map(({ name, stand, text }) => ({ name, stand, text })),
    "write it again with test/differential/compatibility.ts, then npm run format",
  );
});

test("the page is what is written from the commands, the notes and the known differences", () => {
  assert.deepEqual(bare(readPage()), bare(rendered(rows)));
});

test("every known difference is on the page", () => {
  const page = readPage();
  for (const { id, redis: theirs, atoll, reason } of knownDifferences)
    for (const text of [id, theirs, atoll, reason])
      assert.ok(page.includes(text), `${id}: ${text}`);
});

test("a command that is full or different is there; one that is not yet or refused answers nothing else", () => {
  for (const { name, stand, text } of rows) {
    const entry = commandTable.named(name);
    if (stand === "full" || stand === "different") assert.notEqual(entry, null, name);
    else if (entry !== null) assert.match(entry.command.summary, /^Refused/, name);
    assert.ok(stand === "full" || stand === "not yet" || text !== "", `${name}: how, or why?`);
  }
});

test("what COMMAND DOCS calls refused is refused on the page", () => {
  const stands = new Map(rows.map(({ name, stand }) => [name, stand]));
  for (const { name, command } of commandTable.entries)
    if (/^refused/i.test(command.summary))
      assert.match(stands.get(name) ?? "", /refused|not yet/, name);
});

test("every note and every known difference names commands of Redis, and nobody speaks of one twice", () => {
  const told = [
    ...Object.keys(notes),
    ...knownDifferences.flatMap(({ command }) => command.toLowerCase().split(" ")),
  ];
  for (const name of told) assert.ok(documented.has(name), name);
  assert.equal(new Set(told).size, told.length);
});

test("COMMAND DOCS tells the group and the first version that Redis tells", () => {
  let compared = 0;
  for (const { name, command } of commandTable.entries) {
    const told = documented.get(name);
    if (told === undefined) continue;
    compared += 1;
    assert.deepEqual({ group: command.group, since: command.since }, told, name);
  }
  assert.ok(compared > 150);
});

test("COMMAND INFO tells of a command what Redis tells, tips and notes apart", async () => {
  await using subject = await startSubject();
  using mine = await RespConnection.open(redis.port);
  using its = await RespConnection.open(subject.port);
  const theirs = entriesOf(await mine.call("COMMAND"));
  const ours = entriesOf(await its.call("COMMAND"));
  let compared = 0;
  for (const [name, own] of ours) {
    const told = theirs.get(name);
    if (told === undefined) continue;
    compared += 1;
    assert.deepEqual(own, told, name);
  }
  assert.ok(compared > 150);
});

/** Arity, flags, keys, categories and key specifications by full name, sets in order. */
function entriesOf(reply: Reply): Map<string, unknown> {
  const entries = new Map<string, unknown>();
  for (const entry of itemsOf(reply)) {
    const [name, arity, flags, first, last, step, categories, , specs, subcommands] =
      itemsOf(entry);
    entries.set(String(plain(name)), {
      arity: plain(arity),
      flags: itemsOf(flags).map(plain).map(String).sort(),
      keys: [plain(first), plain(last), plain(step)],
      categories: itemsOf(categories).map(plain).map(String).sort(),
      specs: itemsOf(specs).map(withoutNotes),
    });
    if (subcommands === undefined) continue;
    for (const [sub, told] of entriesOf(subcommands)) entries.set(sub, told);
  }
  return entries;
}

/** A key specification as pairs, in RESP2. */
function withoutNotes(spec: Reply): unknown[] {
  const pairs = itemsOf(spec).map(plain);
  return pairs[0] === "notes" ? pairs.slice(2) : pairs;
}

function plain(reply: Reply | undefined): unknown {
  if (reply !== undefined && "items" in reply) return itemsOf(reply).map(plain);
  return textOf(reply)?.toString("latin1");
}

/** Without what aligning tables and wrapping lines changes. */
function bare(markdown: string): string[] {
  return markdown
    .replaceAll(/\| *-+ *(?=\|)/g, "|-")
    .split(/\s+/)
    .filter((word) => word !== "");
}
