/**
 * StreamsGroups: XGROUP, which makes, moves and removes consumer groups and their consumers.
 *
 * Invariant: a group that is made begins empty, whatever a removal elsewhere at the same time has left of one of that name.
 */
import { Strings } from "../bytes/strings.ts";
import { NONE, STREAM } from "../crdt/key.ts";
import type { Order } from "../crdt/order.ts";
import { CONSUMER, PENDING } from "../crdt/stream-cell.ts";
import { ID_BYTES, MAX_ID } from "../crdt/stream-id.ts";
import type { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { container } from "./container.ts";
import { NOT_AN_INTEGER, noSuchGroupOf, WRONGTYPE, wrongUse } from "./errors.ts";
import { roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";
import {
  hasConsumer,
  pending,
  ranksOf,
  removeConsumer,
  writeConsumer,
} from "./stream-consumers.ts";
import { idAt, INVALID_ID } from "./stream-entries.ts";
import { group } from "./stream-group.ts";
import { tally, writeOwn } from "./stream-tally.ts";

const NO_STREAM =
  "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create " +
  "an empty stream automatically.";
const READ_NEGATIVE = "ERR value for ENTRIESREAD must be positive or -1";

const id = Buffer.alloc(ID_BYTES);

/** What a client asked for. One instance serves every call. */
const asked = {
  makeStream: false,
  read: -1,

  /** Reads the options from argument 5 on; returns what is wrong with them, or null. */
  options(args: Args, isCreate: boolean): string | null {
    this.makeStream = false;
    this.read = -1;
    for (let i = 5; i < args.count; i++) {
      if (isCreate && args.is(i, "MKSTREAM")) this.makeStream = true;
      else if (i + 1 < args.count && args.is(i, "ENTRIESREAD")) {
        const read = roughlyAt(args, ++i);
        if (Number.isNaN(read)) return NOT_AN_INTEGER;
        if (read < -1) return READ_NEGATIVE;
        this.read = Math.min(read, Number.MAX_SAFE_INTEGER - 1);
      } else return wrongUse(args);
    }
    return null;
  },
};

/** Looks at the stream in argument 2 and its group in argument 3; returns what is wrong, or null. */
function lookGroup(run: Run, args: Args, mustExist: boolean): string | null {
  const place = run.look(args, 2);
  if (place.type !== NONE && place.type !== STREAM) return WRONGTYPE;
  const found = group.find(run, place, args.bytes, args.start[3] as number, args.end[3] as number);
  if (place.type === NONE && !asked.makeStream) return NO_STREAM;
  return mustExist && !found ? noSuchGroupOf(args, 3) : null;
}

function hasGroup(run: Run, args: Args): boolean {
  const place = run.place(0);
  return group.find(run, place, args.bytes, args.start[3] as number, args.end[3] as number);
}

/** The id in argument 4, of which `$` is the last of the stream; false when there is none. */
function startAt(run: Run, args: Args, lax: boolean): boolean {
  if (args.is(4, "$")) {
    tally.read(run, run.place(0)).last.copy(id);
    return true;
  }
  if (lax && args.is(4, "-")) id.fill(0);
  else if (lax && args.is(4, "+")) MAX_ID.copy(id);
  else return idAt(args, 4, id);
  return true;
}

function create(run: Run, args: Args, reply: Reply): void {
  const wrong = asked.options(args, true) ?? lookGroup(run, args, false);
  if (wrong !== null) return reply.error(wrong);
  if (args.count > 8) return reply.error(wrongUse(args));
  if (!startAt(run, args, false)) return reply.error(INVALID_ID);
  if (hasGroup(run, args)) return reply.error("BUSYGROUP Consumer Group name already exists");
  const place = run.place(0);
  const isNew = place.type === NONE;
  removeParts(run, place, args.copy(3));
  if (isNew) {
    tally.read(run, place);
    writeOwn(run, place);
  }
  group.set(id, asked.read);
  group.write(run, place);
  reply.ok();
}

/** Removes the consumers of a group and all that is pending. */
function removeParts(run: Run, place: Place, name: Buffer): void {
  const { order } = place;
  if (order === null) return;
  const cells = new Strings();
  for (const kind of [CONSUMER, PENDING]) {
    const { from, to } = ranksOf(order, kind, name);
    order.each(from, to - from, false, (ref) => {
      const { bytes, nameStart, nameEnd } = place.nameOf(ref);
      cells.push(bytes, nameStart, nameEnd);
    });
  }
  removeCells(run, place, cells);
}

function removeCells(run: Run, place: Place, cells: Strings): void {
  for (let i = 0; i < cells.count; i++)
    run.write.removeCell(place, STREAM, cells.bytes, cells.start(i), cells.end(i));
}

function setid(run: Run, args: Args, reply: Reply): void {
  const wrong = asked.options(args, false) ?? lookGroup(run, args, true);
  if (wrong !== null) return reply.error(wrong);
  if (args.count !== 5 && args.count !== 7) return reply.error(wrongUse(args));
  if (!startAt(run, args, true)) return reply.error(INVALID_ID);
  group.set(id, asked.read);
  group.write(run, run.place(0));
  reply.ok();
}

function destroy(run: Run, args: Args, reply: Reply): void {
  asked.makeStream = false;
  const wrong = lookGroup(run, args, false);
  if (wrong !== null) return reply.error(wrong);
  const place = run.place(0);
  if (!hasGroup(run, args)) return reply.int(0);
  const { buffer, length } = group.name;
  removeParts(run, place, args.copy(3));
  run.write.removeCell(place, STREAM, buffer, 0, length);
  reply.int(1);
}

function createconsumer(run: Run, args: Args, reply: Reply): void {
  asked.makeStream = false;
  const wrong = lookGroup(run, args, true);
  if (wrong !== null) return reply.error(wrong);
  const place = run.place(0);
  const [name, consumer] = [args.copy(3), args.copy(4)];
  if (hasConsumer(run, place, name, consumer)) return reply.int(0);
  writeConsumer(run, place, name, consumer, run.nowMs);
  reply.int(1);
}

function delconsumer(run: Run, args: Args, reply: Reply): void {
  asked.makeStream = false;
  const wrong = lookGroup(run, args, true);
  if (wrong !== null) return reply.error(wrong);
  const place = run.place(0);
  const [name, consumer] = [args.copy(3), args.copy(4)];
  const cells = new Strings();
  const order = place.order as Order;
  const { from, to } = ranksOf(order, PENDING, name);
  order.each(from, to - from, false, (ref) => {
    pending.at(run, place, ref);
    if (!pending.isOf(consumer)) return;
    const { bytes, nameStart, nameEnd } = place.nameOf(ref);
    cells.push(bytes, nameStart, nameEnd);
  });
  if (hasConsumer(run, place, name, consumer)) removeConsumer(run, place, name, consumer);
  removeCells(run, place, cells);
  reply.int(cells.count);
}

const common = {
  keys: [2, 2, 1],
  categories: ["stream"],
  group: "stream",
  since: "5.0.0",
} as const;

export const streamGroupCommands: readonly Command[] = [
  container(
    {
      name: "xgroup",
      group: "stream",
      since: "5.0.0",
      categories: ["stream"],
      summary: "Makes, moves and removes consumer groups",
    },
    [
      {
        ...common,
        name: "create",
        arity: -5,
        flags: ["write", "denyoom"],
        keyFlags: ["RW", "insert"],
        complexity: "O(1)",
        usage: "<key> <group> <id | $> [MKSTREAM] [ENTRIESREAD <count>]",
        summary: "Makes a group that reads what comes behind an id",
        run: create,
      },
      {
        ...common,
        name: "setid",
        arity: -5,
        flags: ["write"],
        keyFlags: ["RW", "update"],
        complexity: "O(1)",
        usage: "<key> <group> <id | $> [ENTRIESREAD <count>]",
        summary: "Has a group go on behind another id",
        run: setid,
      },
      {
        ...common,
        name: "destroy",
        arity: 4,
        flags: ["write"],
        keyFlags: ["RW", "delete"],
        complexity: "O(N) for N pending entries",
        usage: "<key> <group>",
        summary: "Removes a group with its consumers and what is pending",
        run: destroy,
      },
      {
        ...common,
        name: "createconsumer",
        arity: 5,
        flags: ["write", "denyoom"],
        keyFlags: ["RW", "insert"],
        since: "6.2.0",
        complexity: "O(1)",
        usage: "<key> <group> <consumer>",
        summary: "Adds a consumer to a group",
        run: createconsumer,
      },
      {
        ...common,
        name: "delconsumer",
        arity: 5,
        flags: ["write"],
        keyFlags: ["RW", "delete"],
        complexity: "O(N) for N pending entries of the group",
        usage: "<key> <group> <consumer>",
        summary: "Removes a consumer with what is pending for it",
        run: delconsumer,
      },
    ],
  ),
];
