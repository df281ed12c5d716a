/**
 * Hash listings: fields and values without naming them: all, or some chosen by chance.
 *
 * Invariant: an answer shows each field at most once, unless HRANDFIELD is told otherwise by a negative count. Order is
 * arbitrary.
 */
import { HASH, NONE } from "../crdt/key.ts";
import type { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { drawPairs, replyName } from "./drawing-pairs.ts";
import { WRONGTYPE } from "./errors.ts";
import type { Run } from "./run.ts";

function hgetall(run: Run, args: Args, reply: Reply): void {
  list(run, args, true, true, reply);
}

function hkeys(run: Run, args: Args, reply: Reply): void {
  list(run, args, true, false, reply);
}

function hvals(run: Run, args: Args, reply: Reply): void {
  list(run, args, false, true, reply);
}

function list(run: Run, args: Args, names: boolean, values: boolean, reply: Reply): void {
  const place = run.look(args, 1);
  const { type, cells, horizonMs } = place;
  if (type !== NONE && type !== HASH) return reply.error(WRONGTYPE);
  const count = cells?.countLive(horizonMs) ?? 0;
  if (names && values) reply.map(count);
  else reply.array(count);
  cells?.each(horizonMs, (at) => {
    if (names) replyName(place, at, reply);
    if (values) replyValue(run, place, at, reply);
  });
}

function replyValue(run: Run, place: Place, at: number, reply: Reply): void {
  place.lookCell(run.keyspace, at);
  reply.bulk(place.value, place.valueStart, place.valueEnd);
}

function hrandfield(run: Run, args: Args, reply: Reply): void {
  drawPairs(run, args, HASH, "WITHVALUES", replyValue, reply);
}

const common = {
  flags: ["readonly"],
  keys: [1, 1, 1],
  categories: ["hash"],
  group: "hash",
} as const;

export const hashListingCommands: readonly Command[] = [
  {
    ...common,
    name: "hgetall",
    arity: 2,
    since: "2.0.0",
    complexity: "O(N) for N fields",
    summary: "Reads all fields and values",
    run: hgetall,
  },
  {
    ...common,
    name: "hkeys",
    arity: 2,
    since: "2.0.0",
    complexity: "O(N) for N fields",
    summary: "Reads the names of all fields",
    run: hkeys,
  },
  {
    ...common,
    name: "hvals",
    arity: 2,
    since: "2.0.0",
    complexity: "O(N) for N fields",
    summary: "Reads all values",
    run: hvals,
  },
  {
    ...common,
    name: "hrandfield",
    arity: -2,
    since: "6.2.0",
    complexity: "O(N) for N fields drawn",
    summary: "Draws fields by chance",
    run: hrandfield,
  },
];
