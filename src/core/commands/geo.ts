/**
 * Geo: positions on Earth as members of a sorted set, whose scores say where they are.
 *
 * Invariant: a position is a score and nothing else, so positions merge as scores do, and every command on sorted sets works on them.
 */
import { NONE, ZSET } from "../crdt/key.ts";
import { metersBetween } from "../geo/earth.ts";
import { cellAt, geohash, scoreOfCell, STEPS_MAX } from "../geo/grid.ts";
import { type Args, argsOf } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { SYNTAX, WRONGTYPE } from "./errors.ts";
import {
  memberPosition,
  positionAt,
  replyDistance,
  replyPosition,
  unitAt,
} from "./geo-arguments.ts";
import { geoSearchCommands } from "./geo-search.ts";
import type { Run } from "./run.ts";
import { zadd } from "./sorted-sets.ts";

function geoadd(run: Run, args: Args, reply: Reply): void {
  let first = 2;
  const said = { NX: false, XX: false, CH: false };
  for (; first < args.count; first++)
    if (args.is(first, "NX")) said.NX = true;
    else if (args.is(first, "XX")) said.XX = true;
    else if (args.is(first, "CH")) said.CH = true;
    else break;
  if ((args.count - first) % 3 !== 0 || (said.NX && said.XX)) return reply.error(SYNTAX);
  const words: (string | Buffer)[] = ["ZADD", args.view(1)];
  for (let i = 2; i < first; i++) words.push(args.view(i));
  for (let i = first; i < args.count; i += 3) {
    const position = positionAt(args, i, reply);
    if (position === null) return;
    words.push(String(scoreOfCell(cellAt(position, STEPS_MAX))), args.view(i + 2));
  }
  zadd(run, argsOf(...words), reply);
}

function geopos(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== ZSET) return reply.error(WRONGTYPE);
  reply.array(args.count - 2);
  for (let i = 2; i < args.count; i++) {
    const position = memberPosition(run, place, args, i);
    if (position === null) reply.nilArray();
    else replyPosition(reply, position);
  }
}

function geohashes(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== ZSET) return reply.error(WRONGTYPE);
  reply.array(args.count - 2);
  for (let i = 2; i < args.count; i++) {
    const position = memberPosition(run, place, args, i);
    if (position === null) reply.nil();
    else reply.text(geohash(position));
  }
}

function geodist(run: Run, args: Args, reply: Reply): void {
  const unit = args.count === 5 ? unitAt(args, 4, reply) : 1;
  if (Number.isNaN(unit)) return;
  if (args.count > 5) return reply.error(SYNTAX);
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== ZSET) return reply.error(WRONGTYPE);
  const from = memberPosition(run, place, args, 2);
  const to = memberPosition(run, place, args, 3);
  if (from === null || to === null) reply.nil();
  else replyDistance(reply, metersBetween(from, to) / unit);
}

const common = { keys: [1, 1, 1], categories: ["geo"], group: "geo", since: "3.2.0" } as const;
const reads = { ...common, flags: ["readonly"], complexity: "O(N) for N members" } as const;

/** Every command on positions. */
export const geoCommands: readonly Command[] = [
  {
    ...common,
    name: "geoadd",
    arity: -5,
    flags: ["write", "denyoom"],
    complexity: "O(M*log N) for M of N members",
    summary: "Sets positions of members and counts the new ones",
    run: geoadd,
  },
  {
    ...reads,
    name: "geopos",
    arity: -2,
    summary: "Reads the positions of members",
    run: geopos,
  },
  {
    ...reads,
    name: "geohash",
    arity: -2,
    summary: "Reads the positions of members as geohashes",
    run: geohashes,
  },
  {
    ...reads,
    name: "geodist",
    arity: -4,
    complexity: "O(1)",
    summary: "Tells how far two members are from each other",
    run: geodist,
  },
  ...geoSearchCommands,
];
