/**
 * StreamsReading: XREAD, which may wait for what comes behind the last ids that a client knows.
 *
 * Invariant: reading takes nothing away, so whoever waits is served, in whatever region. One that waited is served from the stream
 * that woke it, and what "$" stands for is settled before it waits.
 */
import { NONE, STREAM } from "../crdt/key.ts";
import type { Order } from "../crdt/order.ts";
import { formatId, ID_BYTES, ID_TEXT_BYTES } from "../crdt/stream-id.ts";
import { Args, argsOf } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Wish } from "./blocking.ts";
import type { Command } from "./command.ts";
import { NOT_AN_INTEGER, SYNTAX, WRONGTYPE } from "./errors.ts";
import { roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";
import { idAt, INVALID_ID, lengthOf, rankBehind, showRange } from "./stream-entries.ts";
import { tally } from "./stream-tally.ts";
import { millisecondsAt } from "./timeouts.ts";

const UNBALANCED =
  "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.";
const ONLY_NEW =
  "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.";

/** Who waited gets at most so many entries at once, unless it says how many. */
const WAITED_COUNT = 1000;

/** What a client asked for. One instance serves every call. */
const asked = {
  /** Milliseconds, 0 for ever; −1 not to wait. */
  timeoutMs: -1,
  /** 0 for no limit. */
  count: 0,
  counted: false,
  /** The argument of the first key. */
  first: 0,
  streams: 0,

  /** Reads the options; false after the refusal was answered. */
  read(args: Args, reply: Reply): boolean {
    this.timeoutMs = -1;
    this.count = 0;
    this.counted = false;
    this.streams = 0;
    for (let i = 1; i < args.count && this.streams === 0; i++) {
      const more = args.count - 1 - i;
      if (more > 0 && args.is(i, "BLOCK")) {
        this.timeoutMs = millisecondsAt(args, ++i, reply);
        if (Number.isNaN(this.timeoutMs)) return false;
      } else if (more > 0 && args.is(i, "COUNT")) {
        const count = roughlyAt(args, ++i);
        if (Number.isNaN(count)) return refuse(reply, NOT_AN_INTEGER);
        this.count = Math.max(count, 0);
        this.counted = this.count > 0;
      } else if (more > 0 && args.is(i, "STREAMS")) {
        if (more % 2 === 1) return refuse(reply, UNBALANCED);
        this.first = i + 1;
        this.streams = more / 2;
      } else if (more > 1 && args.is(i, "GROUP")) return refuse(reply, onlyGroups("GROUP"));
      else if (args.is(i, "NOACK")) return refuse(reply, onlyGroups("NOACK"));
      else return refuse(reply, SYNTAX);
    }
    return this.streams > 0 || refuse(reply, SYNTAX);
  },
};

function refuse(reply: Reply, reason: string): false {
  reply.error(reason);
  return false;
}

function onlyGroups(option: string): string {
  return `ERR The ${option} option is only supported by XREADGROUP. You called XREAD instead.`;
}

const after = Buffer.alloc(ID_BYTES);

function xread(run: Run, args: Args, reply: Reply): void {
  if (!asked.read(args, reply)) return;
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
    const length = lengthOf(place);
    if (length === 0 || args.is(i + streams, "$")) continue;
    idAt(args, i + streams, after);
    const from = rankBehind(place.order as Order, after);
    if (from === length) continue;
    served++;
    if (reply.resp === 2) reply.array(2);
    reply.bulk(args.bytes, args.start[i] as number, args.end[i] as number);
    showRange(run, place, from, length, count, false, reply);
  }
  if (served > 0) reply.insertPairsHeader(mark, served);
  else if (asked.timeoutMs < 0) reply.nilArray();
  else {
    const { timeoutMs } = asked;
    run.blocking.wait(XREAD, waiting(run, args), 6, streams, timeoutMs, reply);
  }
}

const XREAD: Wish = { type: STREAM, handler: xread, writes: false, atOnce: "nil array" };

/** The command as it waits: "$" is what is the last id now. */
function waiting(run: Run, args: Args): Args {
  const { first, streams, count, counted } = asked;
  const limit = String(counted ? count : WAITED_COUNT);
  const words: (string | Buffer)[] = ["XREAD", "BLOCK", "0", "COUNT", limit, "STREAMS"];
  for (let i = first; i < first + streams; i++) words.push(args.copy(i));
  for (let i = first; i < first + streams; i++) {
    if (!args.is(i + streams, "$")) {
      words.push(args.copy(i + streams));
      continue;
    }
    const { last } = tally.read(run, run.look(args, i));
    const text = Buffer.alloc(ID_TEXT_BYTES);
    words.push(text.subarray(0, formatId(last, 0, text)));
  }
  return argsOf(...words);
}

/** Keys stand behind STREAMS, half of what follows. */
function keysOf(args: Args): number[] {
  for (let i = 1; i < args.count; i++) {
    if (!args.is(i, "STREAMS")) continue;
    const keys = Math.floor((args.count - 1 - i) / 2);
    return Array.from({ length: keys }, (_, k) => i + 1 + k);
  }
  return [];
}

export const streamReadCommands: readonly Command[] = [
  {
    name: "xread",
    arity: -4,
    flags: ["readonly", "blocking", "movablekeys"],
    keys: [0, 0, 0],
    findKeys: keysOf,
    looseKeys: [
      { keyFlags: ["RO", "access"], behind: { word: "STREAMS", from: 1, range: [-1, 1, 2] } },
    ],
    categories: ["stream"],
    group: "stream",
    since: "5.0.0",
    complexity: "O(log N + M) for M entries of a stream of N",
    summary: "Reads what comes behind ids in several streams, or waits for it",
    run: xread,
  },
];
