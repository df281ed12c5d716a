/**
 * Drawing pairs: HRANDFIELD and ZRANDMEMBER, fields with their values and members with their scores chosen by chance.
 *
 * Invariant: an answer shows each at most once, unless a negative count asks for repetition.
 */
import type { Cells } from "../crdt/cells.ts";
import { type HASH, NONE, type ZSET } from "../crdt/key.ts";
import type { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import { drawDistinct, listed, replyDraws, Urn } from "./drawing.ts";
import { SYNTAX, WRONGTYPE } from "./errors.ts";
import { drawsAt } from "./numbers.ts";
import type { Run } from "./run.ts";

/** Answers with what belongs to the name at a position. */
type ReplySecond = (run: Run, place: Place, at: number, reply: Reply) => void;

/** Draws from the key in argument 1; with `word` behind the count what belongs to each name is shown too. */
export function drawPairs(
  run: Run,
  args: Args,
  type: typeof HASH | typeof ZSET,
  word: string,
  second: ReplySecond,
  reply: Reply,
): void {
  const count = args.count === 2 ? 1 : drawsAt(args, 2, reply);
  if (Number.isNaN(count)) return;
  const both = args.count === 4 && args.is(3, word);
  if (args.count > 3 && !both) return reply.error(SYNTAX);
  if (both && Math.abs(count) >= 2 ** 62) return reply.error("ERR value is out of range");
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== type) return reply.error(WRONGTYPE);
  const { cells, horizonMs } = place;
  if (args.count === 2) {
    if (cells === null) reply.nil();
    else replyName(place, new Urn(run, cells, horizonMs).draw(), reply);
  } else if (cells === null || count === 0) reply.array(0);
  else if (count < 0) drawAgainAndAgain(run, place, cells, -count, both ? second : null, reply);
  else drawSome(run, place, cells, count, both ? second : null, reply);
}

/** Answers with the name at a position. */
export function replyName(place: Place, at: number, reply: Reply): void {
  const { bytes, nameStart, nameEnd } = place.name(at);
  reply.bulk(bytes, nameStart, nameEnd);
}

function drawAgainAndAgain(
  run: Run,
  place: Place,
  cells: Cells,
  count: number,
  second: ReplySecond | null,
  reply: Reply,
): void {
  const urn = new Urn(run, cells, place.horizonMs);
  replyDraws(
    urn,
    count,
    reply,
    (draws) => replyCount(draws, second, reply),
    (at) => replyDrawn(run, place, at, second, reply),
  );
}

function drawSome(
  run: Run,
  place: Place,
  cells: Cells,
  wanted: number,
  second: ReplySecond | null,
  reply: Reply,
): void {
  const { horizonMs } = place;
  const count = Math.min(wanted, cells.countLive(horizonMs));
  const drawn =
    wanted > count ? listed(cells, horizonMs) : drawDistinct(run, cells, horizonMs, count);
  replyCount(count, second, reply);
  for (const at of drawn) replyDrawn(run, place, at, second, reply);
}

/** In RESP2 pairs lie flat in one array, in RESP3 each is an array of its own. */
function replyCount(count: number, second: ReplySecond | null, reply: Reply): void {
  reply.array(second !== null && reply.resp === 2 ? count * 2 : count);
}

function replyDrawn(
  run: Run,
  place: Place,
  at: number,
  second: ReplySecond | null,
  reply: Reply,
): void {
  if (second !== null && reply.resp === 3) reply.array(2);
  replyName(place, at, reply);
  second?.(run, place, at, reply);
}
