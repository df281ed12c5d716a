/**
 * Memory: MEMORY and its subcommands.
 *
 * Invariant: the figures are those by which the store itself decides (`Eviction.usedBytes`), or estimates that say so.
 */
import type { Cell } from "../crdt/cell.ts";
import type { Cells } from "../crdt/cells.ts";
import { NONE } from "../crdt/key.ts";
import { Entry, OBJECT } from "../keyspace/table.ts";
import { REST_BYTES } from "../replica/eviction.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { container } from "./container.ts";
import { NOT_AN_INTEGER, SYNTAX } from "./errors.ts";
import { roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";

const common = {
  flags: [],
  keys: [0, 0, 0],
  categories: [],
  group: "server",
  since: "4.0.0",
  complexity: "O(1)",
} as const;

export const memoryCommands: readonly Command[] = [
  container(
    {
      name: "memory",
      group: "server",
      since: "4.0.0",
      summary: "Tells how memory is used",
    },
    [
      {
        ...common,
        name: "doctor",
        arity: 2,
        summary: "Tells in words what there is to say about memory",
        run: doctor,
      },
      {
        ...common,
        name: "malloc-stats",
        arity: 2,
        summary: "Tells what the allocator of keys and values has taken from the system",
        run: mallocStats,
      },
      {
        ...common,
        name: "purge",
        arity: 2,
        summary: "Is taken: what is free already belongs to what comes next",
        run: (_run, _args, reply) => reply.ok(),
      },
      {
        ...common,
        name: "stats",
        arity: 2,
        summary: "Tells how memory is used, in bytes",
        run: stats,
      },
      {
        name: "usage",
        keyFlags: ["RO"],
        glances: true,
        arity: -3,
        flags: ["readonly"],
        keys: [2, 2, 1],
        categories: [],
        group: "server",
        since: "4.0.0",
        complexity: "O(N) for N samples",
        summary: "Estimates the bytes that a key takes, by some of its members or fields",
        usage: "<key> [SAMPLES <count>]",
        run: usage,
      },
    ],
  ),
];

/** Memory comes in blocks of so many bytes. */
const BLOCK_BYTES = 16;
/** What a table keeps of each entry besides the block: eight bytes a bucket, of which about three in five are in use. */
const BUCKET_BYTES = 13;
// What objects take besides their blocks, measured on 50,000 keys of each kind.
const KEY_BYTES = 240;
const TABLE_BYTES = 400;
const CELL_BYTES = 200;
const ERA_BYTES = 110;
const SIBLING_BYTES = 380;
const DEADLINE_BYTES = 90;
const SAMPLES_DEFAULT = 5;

function usage(run: Run, args: Args, reply: Reply): void {
  let samples = SAMPLES_DEFAULT;
  for (let i = 3; i < args.count; i += 2) {
    if (!args.is(i, "SAMPLES") || i + 1 === args.count) return reply.error(SYNTAX);
    samples = roughlyAt(args, i + 1);
    if (Number.isNaN(samples)) return reply.error(NOT_AN_INTEGER);
    if (samples < 0) return reply.error(SYNTAX);
    if (samples === 0) samples = Infinity;
  }
  const place = run.look(args, 2);
  if (place.type === NONE) return reply.nil();
  const { key } = place;
  const entry = new Entry();
  place.table.load(place.at, entry);
  let bytes = entryBytes(entry);
  if (key !== null) {
    bytes +=
      KEY_BYTES +
      DEADLINE_BYTES * (key.deadlines.length + key.floors.length + (key.memberFloors?.size ?? 0));
    if (key.cell !== null) bytes += cellBytes(key.cell);
    for (const body of key.bodies) bytes += cellsBytes(body, samples);
    for (const { state } of key.generations) bytes += state.bytes;
  }
  reply.int(Math.round(bytes));
}

/** What an entry takes in its table, an object that it points to apart. */
function entryBytes({ offset, kind, nameEnd, valueEnd }: Entry): number {
  const length = (kind === OBJECT ? nameEnd : valueEnd) - offset;
  return Math.ceil(length / BLOCK_BYTES) * BLOCK_BYTES + BUCKET_BYTES;
}

function cellBytes({ siblings, eras }: Cell): number {
  let bytes = CELL_BYTES + eras.length * ERA_BYTES;
  for (const { value } of siblings) bytes += SIBLING_BYTES + value.length;
  return bytes;
}

/** All entries, judged by the first `samples` of them. */
function cellsBytes({ table }: Cells, samples: number): number {
  const entry = new Entry();
  let bytes = 0;
  let count = 0;
  for (let hash = 0; hash < 2 ** 32 && count < samples;)
    hash = table.walk(hash, samples, (at) => {
      table.load(at, entry);
      bytes += entryBytes(entry);
      if (entry.kind === OBJECT) bytes += cellBytes(table.object(entry));
      count++;
    });
  return TABLE_BYTES + (count === 0 ? 0 : (bytes / count) * table.size);
}

function doctor(run: Run, _args: Args, reply: Reply): void {
  const { eviction, keyspace, settings } = run;
  const lines: string[] = [];
  const { usedBytes, peakBytes } = eviction;
  const { maxMemoryBytes, maxMemoryPolicy } = settings;
  if (maxMemoryBytes > 0 && usedBytes > 0.9 * maxMemoryBytes)
    lines.push(
      maxMemoryPolicy === "noeviction"
        ? "The data is close to maxmemory: soon writes are refused. Raise it, or choose a maxmemory-policy."
        : "The data is close to maxmemory: keys are evicted.",
    );
  if (peakBytes > 1.5 * usedBytes && peakBytes > 32 * REST_BYTES)
    lines.push(
      "The data was once much larger. What it took then is free for new data, and stays with the process.",
    );
  if (keyspace.heap.capacityBytes > 2 * keyspace.heap.usedBytes + 32 * REST_BYTES)
    lines.push("More than half of the pages is free: they fill again before more are taken.");
  if (lines.length === 0) lines.push("There is nothing to say: memory is used as it should be.");
  reply.verbatim(lines.map((line) => `${line}\n`).join(""));
}

function mallocStats({ keyspace }: Run, _args: Args, reply: Reply): void {
  const { capacityBytes, usedBytes, objectBytes, pages } = keyspace.heap;
  reply.verbatim(
    `pages: ${pages.length}, ${capacityBytes} bytes\nblocks in use: ${usedBytes} bytes\ntables and objects: ${objectBytes} bytes\n`,
  );
}

/** In the order of Redis; what only its own insides have is left out. */
function stats(run: Run, _args: Args, reply: Reply): void {
  const { eviction, keyspace, node } = run;
  const { usedBytes } = keyspace.heap;
  const total = eviction.usedBytes;
  const peak = Math.max(eviction.peakBytes, total);
  const { rssBytes } = node.memory();
  const keys = Array.from({ length: keyspace.databases }, (_, db) => keyspace.keys(db));
  const count = keys.reduce((sum, n) => sum + n, 0);
  const whole: [string, number][] = [
    ["peak.allocated", peak],
    ["total.allocated", total],
    ["startup.allocated", REST_BYTES],
    ["replication.backlog", 0],
    ["clients.slaves", 0],
    ["clients.normal", 0],
    ["cluster.links", 0],
    ["aof.buffer", 0],
    ["lua.caches", run.scripts.bytes],
    ["functions.caches", run.libraries.bytes],
    ["overhead.total", total - usedBytes],
    ["keys.count", count],
    ["keys.bytes-per-key", count === 0 ? 0 : Math.round((total - REST_BYTES) / count)],
    ["dataset.bytes", usedBytes],
    ["allocator.allocated", usedBytes],
    ["allocator.active", keyspace.heap.capacityBytes],
    ["allocator.resident", rssBytes],
  ];
  const ratios: [string, number][] = [
    ["dataset.percentage", (100 * usedBytes) / total],
    ["peak.percentage", (100 * total) / peak],
    ["fragmentation", rssBytes / total],
  ];
  reply.map(whole.length + ratios.length);
  for (const [name, value] of whole) {
    reply.text(name);
    reply.int(value);
  }
  for (const [name, value] of ratios) {
    reply.text(name);
    reply.double(String(value));
  }
}
