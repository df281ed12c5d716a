/**
 * StreamsInfo: XINFO, which tells of a stream, its groups and their consumers.
 *
 * Invariant: what is told is what all origins have said of the stream, as far as it has arrived.
 */
import { Strings } from "../bytes/strings.ts";
import { NONE, STREAM } from "../crdt/key.ts";
import type { Order } from "../crdt/order.ts";
import { CONSUMER, GROUP, PENDING } from "../crdt/stream-cell.ts";
import type { Place } from "../keyspace/place.ts";
import type { StreamConsumer } from "../rdb/value.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { container } from "./container.ts";
import { NO_SUCH_KEY, noSuchGroupOf, NOT_AN_INTEGER, WRONGTYPE, wrongUse } from "./errors.ts";
import { roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";
import { pending, ranksOf } from "./stream-consumers.ts";
import { kindRank, lengthOf, nodeOf, showEntry, showId, showRange } from "./stream-entries.ts";
import { group } from "./stream-group.ts";
import { counted } from "./stream-lag.ts";
import { tally } from "./stream-tally.ts";
import { bytesOf, consumersOf } from "./streams-values.ts";

/** Entries that FULL shows of everything, unless it is told how many. */
const COUNT_DEFAULT = 10;

/** Looks at the stream in argument 2; false after the refusal was answered. */
function lookStream(run: Run, args: Args, reply: Reply): boolean {
  const { type } = run.look(args, 2);
  if (type === STREAM) return true;
  reply.error(type === NONE ? NO_SUCH_KEY : WRONGTYPE);
  return false;
}

/** The names of the groups, in order. */
function groupsOf(place: Place): Strings {
  const names = new Strings();
  const order = place.order as Order;
  const from = kindRank(order, GROUP);
  order.each(from, kindRank(order, CONSUMER) - from, false, (ref) => {
    const { bytes, nameStart, nameEnd } = place.nameOf(ref);
    names.push(bytes, nameStart + 1, nameEnd);
  });
  return names;
}

function countOf(place: Place, kind: number, name: Buffer): number {
  const { from, to } = ranksOf(place.order as Order, kind, name);
  return to - from;
}

function stream(run: Run, args: Args, reply: Reply): void {
  if (!lookStream(run, args, reply)) return;
  let count = COUNT_DEFAULT;
  const isFull = args.count > 3;
  if (isFull) {
    if ((args.count !== 4 && args.count !== 6) || !args.is(3, "FULL"))
      return reply.error(wrongUse(args));
    if (args.count === 6) {
      if (!args.is(4, "COUNT")) return reply.error(wrongUse(args));
      count = roughlyAt(args, 5);
      if (Number.isNaN(count)) return reply.error(NOT_AN_INTEGER);
      if (count < 0) count = COUNT_DEFAULT;
    }
  }
  const place = run.place(0);
  const order = place.order as Order;
  tally.read(run, place);
  counted.of(place);
  const { length, first } = counted;
  const nodes = length === 0 ? 0 : nodeOf(run, place, length - 1) - nodeOf(run, place, 0) + 1;
  reply.map(isFull ? 9 : 10);
  pair(reply, "length", length);
  pair(reply, "radix-tree-keys", nodes);
  pair(reply, "radix-tree-nodes", nodes + 1);
  idPair(reply, "last-generated-id", tally.last);
  idPair(reply, "max-deleted-entry-id", tally.deleted);
  pair(reply, "entries-added", tally.added);
  idPair(reply, "recorded-first-entry-id", first);
  if (isFull) return showFull(run, place, count, reply);
  pair(reply, "groups", kindRank(order, CONSUMER) - kindRank(order, GROUP));
  reply.text("first-entry");
  if (length === 0) reply.nil();
  else showEntry(run, place, order.at(0), reply);
  reply.text("last-entry");
  if (length === 0) reply.nil();
  else showEntry(run, place, order.at(length - 1), reply);
}

function pair(reply: Reply, name: string, value: number): void {
  reply.text(name);
  reply.int(value);
}

function idPair(reply: Reply, name: string, id: Buffer): void {
  reply.text(name);
  showId(id, 0, reply);
}

/** What FULL shows beside: entries, and all groups with what is pending. */
function showFull(run: Run, place: Place, count: number, reply: Reply): void {
  const order = place.order as Order;
  reply.text("entries");
  showRange(run, place, 0, lengthOf(place), count, false, reply);
  reply.text("groups");
  const names = groupsOf(place);
  reply.array(names.count);
  for (let i = 0; i < names.count; i++) {
    const name = names.view(i);
    reply.map(7);
    reply.text("name");
    reply.buffer(name);
    showProgress(run, place, name, reply);
    const { from, to } = ranksOf(order, PENDING, name);
    pair(reply, "pel-count", to - from);
    reply.text("pending");
    const shown = count === 0 ? to - from : Math.min(count, to - from);
    reply.array(shown);
    for (let rank = from; rank < from + shown; rank++) {
      pending.at(run, place, order.at(rank));
      reply.array(4);
      showId(pending.id, 0, reply);
      reply.bulk(pending.bytes, pending.start, pending.end);
      reply.int(pending.deliveredMs);
      reply.int(pending.deliveries);
    }
    const all = consumersOf(run, place, name);
    reply.text("consumers");
    reply.array(all.length);
    for (const consumer of all) showConsumer(consumer, count, reply);
  }
}

/** Where a group is, and how much it has still to read. */
function showProgress(run: Run, place: Place, name: Buffer, reply: Reply): void {
  group.find(run, place, name, 0, name.length);
  idPair(reply, "last-delivered-id", group.last);
  reply.text("entries-read");
  if (group.read < 0) reply.nil();
  else reply.int(group.read);
  reply.text("lag");
  const lag = counted.lag();
  if (lag === null) reply.nil();
  else reply.int(lag);
}

function showConsumer(consumer: StreamConsumer, count: number, reply: Reply): void {
  reply.map(4);
  reply.text("name");
  reply.buffer(consumer.name);
  pair(reply, "seen-time", consumer.seenMs);
  pair(reply, "pel-count", consumer.pending.length);
  reply.text("pending");
  const shown = count === 0 ? consumer.pending : consumer.pending.slice(0, count);
  reply.array(shown.length);
  for (const { id, deliveredMs, deliveries } of shown) {
    reply.array(3);
    showId(bytesOf(id), 0, reply);
    reply.int(deliveredMs);
    reply.int(deliveries);
  }
}

function groups(run: Run, args: Args, reply: Reply): void {
  if (!lookStream(run, args, reply)) return;
  const place = run.place(0);
  tally.read(run, place);
  counted.of(place);
  const names = groupsOf(place);
  reply.array(names.count);
  for (let i = 0; i < names.count; i++) {
    const name = names.view(i);
    reply.map(6);
    reply.text("name");
    reply.buffer(name);
    pair(reply, "consumers", countOf(place, CONSUMER, name));
    pair(reply, "pending", countOf(place, PENDING, name));
    showProgress(run, place, name, reply);
  }
}

function consumers(run: Run, args: Args, reply: Reply): void {
  if (!lookStream(run, args, reply)) return;
  const place = run.place(0);
  const name = args.copy(3);
  if (!group.find(run, place, name, 0, name.length)) return reply.error(noSuchGroupOf(args, 3));
  const all = consumersOf(run, place, name);
  reply.array(all.length);
  for (const consumer of all) {
    reply.map(3);
    reply.text("name");
    reply.buffer(consumer.name);
    pair(reply, "pending", consumer.pending.length);
    pair(reply, "idle", Math.max(0, run.nowMs - consumer.seenMs));
  }
}

const common = {
  keys: [2, 2, 1],
  flags: ["readonly"],
  categories: ["stream"],
  group: "stream",
  since: "5.0.0",
} as const;

export const streamInfoCommands: readonly Command[] = [
  container(
    {
      name: "xinfo",
      group: "stream",
      since: "5.0.0",
      categories: ["stream"],
      summary: "Tells of streams",
    },
    [
      {
        ...common,
        name: "consumers",
        arity: 4,
        complexity: "O(N) for N consumers and pending entries",
        usage: "<key> <group>",
        summary: "Lists the consumers of a group",
        run: consumers,
      },
      {
        ...common,
        name: "groups",
        arity: 3,
        complexity: "O(N) for N groups",
        usage: "<key>",
        summary: "Lists the groups of a stream",
        run: groups,
      },
      {
        ...common,
        name: "stream",
        arity: -3,
        complexity: "O(log N), with FULL O(N) for all that it shows",
        usage: "<key> [FULL [COUNT <count>]]",
        summary: "Tells of a stream, with FULL of its groups too",
        run: stream,
      },
    ],
  ),
];
