/**
 * StreamsReading: XREAD and XREADGROUP, which may wait for what is not there yet.
 *
 * Invariant: XREAD takes nothing away, so whoever waits with it is served, in whatever region; with XREADGROUP, whoever came first.
 * One that waited is served from the stream that woke it, and what "$" stands for is settled before it waits.
 */
import { NONE, STREAM } from "../crdt/key.ts";
import type { Order } from "../crdt/order.ts";
import { formatId, ID_BYTES, ID_TEXT_BYTES } from "../crdt/stream-id.ts";
import type { Place } from "../keyspace/place.ts";
import { type Args, argsOf } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Wish } from "./blocking.ts";
import type { Command } from "./command.ts";
import { noSuchGroupToRead, NOT_AN_INTEGER, quote, SYNTAX, WRONGTYPE } from "./errors.ts";
import { roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";
import {
  idAt,
  INVALID_ID,
  isSettled,
  isStable,
  rankBehind,
  seenLength,
  showRange,
  stableId,
} from "./stream-entries.ts";
import { group } from "./stream-group.ts";
import { hasNew, showHistory, showNew } from "./streams-delivery.ts";
import { tally } from "./stream-tally.ts";
import { millisecondsAt } from "./timeouts.ts";

const UNBALANCED =
  "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.";
const ONLY_NEW =
  "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.";
const NO_LAST =
  "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper " +
  "ID, or use the > ID to get new messages. The $ ID would just return an empty result set.";
const NO_GROUP = "ERR Missing GROUP option for XREADGROUP";
const GROUP_GONE = "NOGROUP the consumer group this client was blocked on no longer exists";
const STREAM_GONE = "UNBLOCKED the stream key no longer exists";

/** Who waited gets at most so many entries at once, unless it says how many. */
const WAITED_COUNT = 1000;

/** What a client asked for. One instance serves every call. */
const asked = {
  /** Milliseconds, 0 for ever; −1 not to wait. */
  timeoutMs: -1,
  /** 0 for no limit. */
  count: 0,
  /** The arguments of the group and, behind it, the consumer; 0 when there are none. */
  group: 0,
  noAck: false,
  /** The argument of the first key. */
  first: 0,
  streams: 0,

  /** Reads the options; false after the refusal was answered. */
  read(run: Run, args: Args, grouped: boolean, reply: Reply): boolean {
    this.timeoutMs = -1;
    this.count = 0;
    this.group = 0;
    this.noAck = false;
    this.streams = 0;
    for (let i = 1; i < args.count && this.streams === 0; i++) {
      const more = args.count - 1 - i;
      if (more > 0 && args.is(i, "BLOCK")) {
        if (run.scriptRun.running) return refuse(reply, notFromScripts(args));
        this.timeoutMs = millisecondsAt(args, ++i, reply);
        if (Number.isNaN(this.timeoutMs)) return false;
      } else if (more > 0 && args.is(i, "COUNT")) {
        const count = roughlyAt(args, ++i);
        if (Number.isNaN(count)) return refuse(reply, NOT_AN_INTEGER);
        this.count = Math.max(count, 0);
      } else if (more > 0 && args.is(i, "STREAMS")) {
        if (more % 2 === 1) return refuse(reply, UNBALANCED);
        this.first = i + 1;
        this.streams = more / 2;
      } else if (more > 1 && args.is(i, "GROUP")) {
        if (!grouped) return refuse(reply, onlyGroups("GROUP"));
        this.group = i + 1;
        i += 2;
      } else if (args.is(i, "NOACK")) {
        if (!grouped) return refuse(reply, onlyGroups("NOACK"));
        this.noAck = true;
      } else return refuse(reply, SYNTAX);
    }
    if (this.streams === 0) return refuse(reply, SYNTAX);
    return !grouped || this.group > 0 || refuse(reply, NO_GROUP);
  },
};

function notFromScripts(args: Args): string {
  return `ERR ${quote(args, 0, 128)} command is not allowed with BLOCK option from scripts`;
}

function refuse(reply: Reply, reason: string): false {
  reply.error(reason);
  return false;
}

function onlyGroups(option: string): string {
  return `ERR The ${option} option is only supported by XREADGROUP. You called XREAD instead.`;
}

const after = Buffer.alloc(ID_BYTES);

function xread(run: Run, args: Args, reply: Reply): void {
  if (!asked.read(run, args, false, reply)) return;
  const { first, streams, count } = asked;
  for (let i = first; i < first + streams; i++) {
    const { type } = run.look(args, i);
    if (type !== NONE && type !== STREAM) return reply.error(WRONGTYPE);
    if (args.is(i + streams, "$")) continue;
    if (args.is(i + streams, ">")) return reply.error(ONLY_NEW);
    if (!idAt(args, i + streams, after)) return reply.error(INVALID_ID);
  }
  const mark = reply.mark;
  let served = 0;
  for (let i = first; i < first + streams; i++) {
    if (!run.blocking.offers(args, i)) continue;
    const place = run.look(args, i);
    const length = seenLength(run, place);
    if (length === 0 || args.is(i + streams, "$")) continue;
    idAt(args, i + streams, after);
    const from = rankBehind(place.order as Order, after);
    if (from >= length) continue;
    served++;
    beginStream(args, i, reply);
    showRange(run, place, from, length, count, false, reply);
  }
  finish(run, args, XREAD, mark, served, reply);
}

function beginStream(args: Args, i: number, reply: Reply): void {
  if (reply.resp === 2) reply.array(2);
  reply.bulk(args.bytes, args.start[i] as number, args.end[i] as number);
}

function xreadgroup(run: Run, args: Args, reply: Reply): void {
  if (!asked.read(run, args, true, reply)) return;
  const { first, streams, count, noAck } = asked;
  for (let i = first; i < first + streams; i++) {
    const place = run.look(args, i);
    if (place.type !== NONE && place.type !== STREAM) return reply.error(WRONGTYPE);
    if (!findGroup(run, args, place))
      return reply.error(run.blocking.again ? GROUP_GONE : noSuchGroupToRead(args, i, asked.group));
    if (args.is(i + streams, ">")) continue;
    if (args.is(i + streams, "$")) return reply.error(NO_LAST);
    if (!idAt(args, i + streams, after)) return reply.error(INVALID_ID);
  }
  const consumer = args.copy(asked.group + 1);
  const name = args.copy(asked.group);
  const mark = reply.mark;
  let served = 0;
  for (let i = first; i < first + streams; i++) {
    if (!run.blocking.offers(args, i)) continue;
    const place = run.look(args, i);
    findGroup(run, args, place);
    const isNew = args.is(i + streams, ">");
    if (isNew && !hasNew(run, place)) continue;
    served++;
    beginStream(args, i, reply);
    if (isNew) showNew(run, place, name, consumer, count, noAck, reply);
    else {
      idAt(args, i + streams, after);
      showHistory(run, place, name, consumer, after, count, reply);
    }
  }
  finish(run, args, XREADGROUP, mark, served, reply);
}

function findGroup(run: Run, args: Args, place: Place): boolean {
  const start = args.start[asked.group] as number;
  return group.find(run, place, args.bytes, start, args.end[asked.group] as number);
}

const XREAD: Wish = {
  type: STREAM,
  handler: xread,
  writes: false,
  atOnce: "nil array",
  settled: isSettled,
};
const XREADGROUP: Wish = {
  type: STREAM,
  handler: xreadgroup,
  writes: true,
  atOnce: "nil array",
  settled: isSettled,
  gone: STREAM_GONE,
};

/** Ends the reply, or waits when nothing was served and the client wants that. */
function finish(
  run: Run,
  args: Args,
  wish: Wish,
  mark: number,
  served: number,
  reply: Reply,
): void {
  const { timeoutMs, streams } = asked;
  if (served > 0) return reply.insertPairsHeader(mark, served);
  if (timeoutMs < 0) return reply.nilArray();
  const words = waiting(run, args);
  run.blocking.wait(wish, argsOf(...words), words.length - 2 * streams, streams, timeoutMs, reply);
}

/** The command as it waits: "$" is the last id that readers see now. */
function waiting(run: Run, args: Args): (string | Buffer)[] {
  const { first, streams, count } = asked;
  const words: (string | Buffer)[] = [args.copy(0)];
  if (asked.group > 0) words.push("GROUP", args.copy(asked.group), args.copy(asked.group + 1));
  if (asked.noAck) words.push("NOACK");
  words.push("BLOCK", "0", "COUNT", String(count > 0 ? count : WAITED_COUNT), "STREAMS");
  for (let i = first; i < first + streams; i++) words.push(args.copy(i));
  for (let i = first; i < first + streams; i++) {
    if (!args.is(i + streams, "$")) {
      words.push(args.copy(i + streams));
      continue;
    }
    // What readers of a stable stream do not see yet is new to them.
    const place = run.look(args, i);
    const last = isStable(run, place) ? stableId(run) : tally.read(run, place).last;
    const text = Buffer.alloc(ID_TEXT_BYTES);
    words.push(text.subarray(0, formatId(last, 0, text)));
  }
  return words;
}

/** Keys stand behind STREAMS, which is looked for from argument `from` on: half of what follows. */
function keysBehind(args: Args, from: number): number[] {
  for (let i = from; i < args.count; i++) {
    if (!args.is(i, "STREAMS")) continue;
    const keys = Math.floor((args.count - 1 - i) / 2);
    return Array.from({ length: keys }, (_, k) => i + 1 + k);
  }
  return [];
}

const common = {
  keys: [0, 0, 0],
  categories: ["stream"],
  group: "stream",
  since: "5.0.0",
  complexity: "O(log N + M) for M entries of a stream of N",
} as const;
const keyFlags = ["RO", "access"] as const;

export const streamReadCommands: readonly Command[] = [
  {
    ...common,
    name: "xread",
    arity: -4,
    flags: ["readonly", "blocking", "movablekeys"],
    findKeys: (args) => keysBehind(args, 1),
    looseKeys: [{ keyFlags, behind: { word: "STREAMS", from: 1, range: [-1, 1, 2] } }],
    summary: "Reads what comes behind ids in several streams, or waits for it",
    run: xread,
  },
  {
    ...common,
    name: "xreadgroup",
    takes: "all",
    arity: -7,
    flags: ["write", "blocking", "movablekeys"],
    findKeys: (args) => keysBehind(args, 4),
    looseKeys: [{ keyFlags, behind: { word: "STREAMS", from: 4, range: [-1, 1, 2] } }],
    summary: "Reads for a consumer of a group what nobody in it has read, or waits for it",
    run: xreadgroup,
  },
];
