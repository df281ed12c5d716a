/**
 * StreamsPending: what was delivered and is not acknowledged: XACK, XPENDING, XCLAIM, XAUTOCLAIM.
 *
 * Invariant: XACK removes the deliveries it has seen. One that another region makes of the same entry at the same time stays pending:
 * whoever got it acknowledges it.
 */
import { NONE, STREAM } from "../crdt/key.ts";
import type { Order } from "../crdt/order.ts";
import { PENDING } from "../crdt/stream-cell.ts";
import { compareIds, ID_BYTES } from "../crdt/stream-id.ts";
import type { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { noSuchGroup, NOT_AN_INTEGER, quote, SYNTAX, WRONGTYPE } from "./errors.ts";
import { roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";
import {
  pending,
  pendingRank,
  pendingRankBehind,
  ranksOf,
  removePending,
  writeConsumer,
  writePending,
} from "./stream-consumers.ts";
import { edgeAt, idAt, INVALID_ID, rankBehind, rankOf, showAll, showId } from "./stream-entries.ts";
import { group } from "./stream-group.ts";
import { raise } from "./stream-tally.ts";

const id = Buffer.alloc(ID_BYTES);
const end = Buffer.alloc(ID_BYTES);

/** Looks at the stream in argument 1 and its group in argument 2; returns what is wrong, or null. */
function lookGroup(run: Run, args: Args): string | null {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== STREAM) return WRONGTYPE;
  const found = group.find(run, place, args.bytes, args.start[2] as number, args.end[2] as number);
  return found ? null : noSuchGroup(args, 2);
}

function xack(run: Run, args: Args, reply: Reply): void {
  const wrong = lookGroup(run, args);
  if (wrong === WRONGTYPE) return reply.error(WRONGTYPE);
  if (wrong !== null) return reply.int(0);
  for (let i = 3; i < args.count; i++) if (!idAt(args, i, id)) return reply.error(INVALID_ID);
  const place = run.place(0);
  const name = args.copy(2);
  let count = 0;
  for (let i = 3; i < args.count; i++) {
    idAt(args, i, id);
    if (!pending.find(run, place, name, id)) continue;
    removePending(run, place, name, id);
    run.lookAgain(place);
    count++;
  }
  reply.int(count);
}

function xpending(run: Run, args: Args, reply: Reply): void {
  const { count } = args;
  if (count !== 3 && (count < 6 || count > 9)) return reply.error(SYNTAX);
  let minIdleMs = 0;
  let first = 3;
  let limit = 0;
  if (count > 3) {
    if (args.is(3, "IDLE")) {
      minIdleMs = roughlyAt(args, 4);
      if (Number.isNaN(minIdleMs)) return reply.error(NOT_AN_INTEGER);
      if (count < 8) return reply.error(SYNTAX);
      first = 5;
    }
    limit = roughlyAt(args, first + 2);
    if (Number.isNaN(limit)) return reply.error(NOT_AN_INTEGER);
    const wrong = edgeAt(args, first, true, id) ?? edgeAt(args, first + 1, false, end);
    if (wrong !== null) return reply.error(wrong);
  }
  const wrong = lookGroup(run, args);
  if (wrong !== null) return reply.error(wrong);
  const place = run.place(0);
  const name = args.copy(2);
  if (count === 3) return summarise(run, place, name, reply);
  const consumer = first + 3 < count ? args.copy(first + 3) : null;
  const order = place.order as Order;
  const mark = reply.mark;
  const behind = pendingRankBehind(order, name, end);
  let shown = 0;
  for (let rank = pendingRank(order, name, id); rank < behind && shown < limit; rank++) {
    pending.at(run, place, order.at(rank));
    if (consumer !== null && !pending.isOf(consumer)) continue;
    const idleMs = run.nowMs - pending.deliveredMs;
    if (minIdleMs !== 0 && idleMs < minIdleMs) continue;
    shown++;
    reply.array(4);
    showId(pending.id, 0, reply);
    reply.bulk(pending.bytes, pending.start, pending.end);
    reply.int(Math.max(0, idleMs));
    reply.int(pending.deliveries);
  }
  reply.insertArrayHeader(mark, shown);
}

/** How much is pending in all, its first and last id, and how much is whose. */
function summarise(run: Run, place: Place, name: Buffer, reply: Reply): void {
  const order = place.order as Order;
  const { from, to } = ranksOf(order, PENDING, name);
  reply.array(4);
  reply.int(to - from);
  if (from === to) {
    reply.nil();
    reply.nil();
    return reply.nilArray();
  }
  for (const rank of [from, to - 1]) {
    pending.at(run, place, order.at(rank));
    showId(pending.id, 0, reply);
  }
  const counts = new Map<string, number>();
  order.each(from, to - from, false, (ref) => {
    pending.at(run, place, ref);
    const consumer = pending.bytes.latin1Slice(pending.start, pending.end);
    counts.set(consumer, (counts.get(consumer) ?? 0) + 1);
  });
  const consumers = [...counts.keys()].sort();
  reply.array(consumers.length);
  for (const consumer of consumers) {
    reply.array(2);
    reply.text(consumer);
    reply.text(String(counts.get(consumer)));
  }
}

/** What XCLAIM was asked for. One instance serves every call. */
const asked = {
  /** The last argument that is an id. */
  lastId: 0,
  /** Milliseconds since 1970. */
  deliveredMs: 0,
  /** −1 when it was not said. */
  deliveries: -1,
  force: false,
  justIds: false,
  /** 0-0 when it was not said. */
  groupId: Buffer.alloc(ID_BYTES),

  /** Reads ids and options; returns what is wrong with them, or null. */
  read(run: Run, args: Args): string | null {
    this.deliveredMs = -1;
    this.deliveries = -1;
    this.force = false;
    this.justIds = false;
    this.groupId.fill(0);
    let i = 5;
    while (i < args.count && idAt(args, i, id)) i++;
    this.lastId = i - 1;
    for (; i < args.count; i++) {
      const hasValue = i + 1 < args.count;
      if (args.is(i, "FORCE")) this.force = true;
      else if (args.is(i, "JUSTID")) this.justIds = true;
      else if (hasValue && args.is(i, "IDLE")) {
        this.deliveredMs = run.nowMs - roughlyAt(args, ++i);
        if (Number.isNaN(this.deliveredMs)) return invalid("IDLE option");
      } else if (hasValue && args.is(i, "TIME")) {
        this.deliveredMs = roughlyAt(args, ++i);
        if (Number.isNaN(this.deliveredMs)) return invalid("TIME option");
      } else if (hasValue && args.is(i, "RETRYCOUNT")) {
        this.deliveries = roughlyAt(args, ++i);
        if (Number.isNaN(this.deliveries)) return invalid("RETRYCOUNT option");
      } else if (hasValue && args.is(i, "LASTID")) {
        if (!idAt(args, ++i, this.groupId)) return INVALID_ID;
      } else return `ERR Unrecognized XCLAIM option '${quote(args, i, 128)}'`;
    }
    // Whoever reckons from a clock of its own may be a little ahead.
    if (this.deliveredMs < 0 || this.deliveredMs > run.nowMs) this.deliveredMs = run.nowMs;
    return null;
  },
};

function invalid(what: string): string {
  return `ERR Invalid ${what} argument for XCLAIM`;
}

function xclaim(run: Run, args: Args, reply: Reply): void {
  const missing = lookGroup(run, args);
  if (missing !== null) return reply.error(missing);
  const minIdleMs = roughlyAt(args, 4);
  if (Number.isNaN(minIdleMs)) return reply.error(invalid("min-idle-time"));
  const wrong = asked.read(run, args);
  if (wrong !== null) return reply.error(wrong);
  const place = run.place(0);
  const [name, consumer] = [args.copy(2), args.copy(3)];
  if (compareIds(asked.groupId, 0, group.last, 0) > 0) {
    raise(group.base, asked.groupId);
    group.write(run, place);
    run.lookAgain(place);
  }
  const mark = reply.mark;
  let claimed = 0;
  let shown = 0;
  for (let i = 5; i <= asked.lastId; i++) {
    idAt(args, i, id);
    const isPending = pending.find(run, place, name, id);
    if (!isThere(place, id)) {
      if (isPending) removePending(run, place, name, id);
      run.lookAgain(place);
      continue;
    }
    if (!isPending && !asked.force) continue;
    if (isPending && minIdleMs > 0 && run.nowMs - pending.deliveredMs < minIdleMs) continue;
    if (claimed++ === 0) writeConsumer(run, place, name, consumer, run.nowMs);
    // An entry that is claimed by force counts as delivered once before.
    const before = isPending ? pending.deliveries : 1;
    const again = asked.justIds ? before : before + 1;
    const deliveries = asked.deliveries >= 0 ? asked.deliveries : again;
    writePending(run, place, name, id, 0, asked.deliveredMs, deliveries, consumer);
    run.lookAgain(place);
    shown += showClaimed(run, place, reply, asked.justIds);
  }
  reply.insertArrayHeader(mark, shown);
}

function isThere(place: Place, of: Buffer): boolean {
  const order = place.order as Order;
  return rankOf(order, of) < rankBehind(order, of);
}

/** Shows the entry with `id`, or the id alone; returns how many elements of the reply that is. */
function showClaimed(run: Run, place: Place, reply: Reply, justId: boolean): number {
  if (!justId) return showAll(run, place, id, reply);
  showId(id, 0, reply);
  return 1;
}

/** What an XAUTOCLAIM looks at, for each that it may return. */
const ATTEMPTS = 10;
/** As many as 64 bits of bytes hold ids. */
const CLAIMS_MAX = 2 ** 59;

function xautoclaim(run: Run, args: Args, reply: Reply): void {
  const minIdleMs = roughlyAt(args, 4);
  if (Number.isNaN(minIdleMs))
    return reply.error("ERR Invalid min-idle-time argument for XAUTOCLAIM");
  const edge = edgeAt(args, 5, true, id);
  if (edge !== null) return reply.error(edge);
  let count = 100;
  let justIds = false;
  for (let i = 6; i < args.count; i++) {
    if (args.is(i, "JUSTID")) justIds = true;
    else if (i + 1 < args.count && args.is(i, "COUNT")) {
      count = roughlyAt(args, ++i);
      if (!(count >= 1 && count < CLAIMS_MAX)) return reply.error("ERR COUNT must be > 0");
    } else return reply.error(SYNTAX);
  }
  const missing = lookGroup(run, args);
  if (missing !== null) return reply.error(missing);
  const place = run.place(0);
  const [name, consumer] = [args.copy(2), args.copy(3)];
  const gone: Buffer[] = [];
  const mark = reply.mark;
  let claimed = 0;
  let shown = 0;
  let attempts = count * ATTEMPTS;
  let rank = pendingRank(place.order as Order, name, id);
  while (attempts-- > 0 && claimed + gone.length < count) {
    const order = place.order as Order;
    if (rank === ranksOf(order, PENDING, name).to) break;
    pending.at(run, place, order.at(rank));
    const { deliveredMs, deliveries } = pending;
    pending.id.copy(id);
    if (!isThere(place, id)) {
      gone.push(Buffer.from(id));
      removePending(run, place, name, id);
      run.lookAgain(place);
      rank = pendingRank(place.order as Order, name, id);
      continue;
    }
    rank++;
    if (minIdleMs > 0 && run.nowMs - deliveredMs < minIdleMs) continue;
    if (claimed++ === 0) writeConsumer(run, place, name, consumer, run.nowMs);
    const again = justIds ? deliveries : deliveries + 1;
    writePending(run, place, name, id, 0, run.nowMs, again, consumer);
    run.lookAgain(place);
    shown += showClaimed(run, place, reply, justIds);
    // The consumer may be a new one: then everything pending stands one further on.
    rank = pendingRank(place.order as Order, name, id) + 1;
  }
  const order = place.order as Order;
  reply.insertArrayHeader(mark, shown);
  const body = Buffer.from(reply.sink.buffer.subarray(mark, reply.mark));
  reply.truncate(mark);
  reply.array(3);
  if (rank === ranksOf(order, PENDING, name).to) id.fill(0);
  else {
    pending.at(run, place, order.at(rank));
    pending.id.copy(id);
  }
  showId(id, 0, reply);
  reply.sink.raw(body, 0, body.length);
  reply.array(gone.length);
  for (const each of gone) showId(each, 0, reply);
}

const common = {
  keys: [1, 1, 1],
  categories: ["stream"],
  group: "stream",
  since: "5.0.0",
} as const;

export const streamPendingCommands: readonly Command[] = [
  {
    ...common,
    name: "xack",
    arity: -4,
    flags: ["write", "fast"],
    keyFlags: ["RW", "update"],
    complexity: "O(log N) for each id",
    summary: "Acknowledges entries that were delivered",
    run: xack,
  },
  {
    ...common,
    name: "xpending",
    arity: -3,
    flags: ["readonly"],
    complexity: "O(N) for N pending entries that are looked at",
    summary: "Tells what was delivered and is not acknowledged",
    run: xpending,
  },
  {
    ...common,
    name: "xclaim",
    takes: "all",
    arity: -6,
    flags: ["write", "fast"],
    keyFlags: ["RW", "update"],
    complexity: "O(log N) for each id",
    summary: "Makes pending entries another consumer's",
    run: xclaim,
  },
  {
    ...common,
    name: "xautoclaim",
    takes: "all",
    arity: -6,
    flags: ["write", "fast"],
    keyFlags: ["RW", "delete"],
    since: "6.2.0",
    complexity: "O(log N) for each entry that is looked at",
    summary: "Makes entries that have been pending for long another consumer's",
    run: xautoclaim,
  },
];
