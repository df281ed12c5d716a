/**
 * Hash listings: fields and values without naming them: all, or some chosen by chance.
 *
 * Invariant: an answer shows each field at most once, unless HRANDFIELD is told otherwise by a negative count. Order is
 * arbitrary.
 */
import type { Cells } from "../crdt/cells.ts";
import { HASH, NONE } from "../crdt/key.ts";
import type { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { DRAWN_MAX_BYTES, DRAWN_TOO_MUCH, drawDistinct, listed, Urn } from "./drawing.ts";
import { SYNTAX, WRONGTYPE } from "./errors.ts";
import { drawsAt } from "./numbers.ts";
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

function replyName(place: Place, at: number, reply: Reply): void {
  const { bytes, nameStart, nameEnd } = place.name(at);
  reply.bulk(bytes, nameStart, nameEnd);
}

function replyValue(run: Run, place: Place, at: number, reply: Reply): void {
  place.lookCell(run.keyspace, at);
  reply.bulk(place.value, place.valueStart, place.valueEnd);
}

function hrandfield(run: Run, args: Args, reply: Reply): void {
  if (args.count === 2) return drawOne(run, args, reply);
  const count = drawsAt(args, 2, reply);
  if (Number.isNaN(count)) return;
  if (args.count > 4 || (args.count === 4 && !args.is(3, "WITHVALUES"))) return reply.error(SYNTAX);
  const values = args.count === 4;
  if (values && Math.abs(count) >= 2 ** 62) return reply.error("ERR value is out of range");
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== HASH) return reply.error(WRONGTYPE);
  if (place.cells === null || count === 0) return reply.array(0);
  if (count < 0) drawAgainAndAgain(run, place, place.cells, -count, values, reply);
  else drawSome(run, place, place.cells, count, values, reply);
}

function drawOne(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  const { type, cells, horizonMs } = place;
  if (type !== NONE && type !== HASH) reply.error(WRONGTYPE);
  else if (cells === null) reply.nil();
  else replyName(place, new Urn(run, cells, horizonMs).draw(), reply);
}

function drawAgainAndAgain(
  run: Run,
  place: Place,
  cells: Cells,
  count: number,
  values: boolean,
  reply: Reply,
): void {
  const urn = new Urn(run, cells, place.horizonMs);
  const mark = reply.mark;
  replyCount(count, values, reply);
  for (let i = 0; i < count; i++) {
    replyDrawn(run, place, urn.draw(), values, reply);
    if (reply.mark - mark > DRAWN_MAX_BYTES) {
      reply.truncate(mark);
      return reply.error(DRAWN_TOO_MUCH);
    }
  }
}

function drawSome(
  run: Run,
  place: Place,
  cells: Cells,
  wanted: number,
  values: boolean,
  reply: Reply,
): void {
  const { horizonMs } = place;
  const count = Math.min(wanted, cells.countLive(horizonMs));
  const drawn =
    wanted > count ? listed(cells, horizonMs) : drawDistinct(run, cells, horizonMs, count);
  replyCount(count, values, reply);
  for (const at of drawn) replyDrawn(run, place, at, values, reply);
}

/** In RESP2 pairs lie flat in one array, in RESP3 each is an array of its own. */
function replyCount(count: number, values: boolean, reply: Reply): void {
  reply.array(values && reply.resp === 2 ? count * 2 : count);
}

function replyDrawn(run: Run, place: Place, at: number, values: boolean, reply: Reply): void {
  if (values && reply.resp === 3) reply.array(2);
  replyName(place, at, reply);
  if (values) replyValue(run, place, at, reply);
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
