/**
 * Set drawing: members chosen by chance, and by SPOP removed.
 *
 * Invariant: SPOP removes exactly what it answers with. Two regions that pop at once may answer with the same member.
 */
import { NONE, SET } from "../crdt/key.ts";
import type { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { drawDistinct, listed, replyDraws, Urn } from "./drawing.ts";
import { NOT_POSITIVE, SYNTAX, WRONGTYPE } from "./errors.ts";
import { drawsAt, roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";

function spop(run: Run, args: Args, reply: Reply): void {
  if (args.count > 3) return reply.error(SYNTAX);
  if (args.count === 3) return popSome(run, args, reply);
  const place = run.look(args, 1);
  const { type, cells, horizonMs } = place;
  if (type !== NONE && type !== SET) return reply.error(WRONGTYPE);
  if (cells === null) return reply.nil();
  const name = copyOfName(place, new Urn(run, cells, horizonMs).draw());
  run.write.removeMember(place, name, 0, name.length);
  reply.buffer(name);
}

function popSome(run: Run, args: Args, reply: Reply): void {
  const wanted = roughlyAt(args, 2);
  if (Number.isNaN(wanted) || wanted < 0) return reply.error(NOT_POSITIVE);
  const place = run.look(args, 1);
  const { type, cells, horizonMs } = place;
  if (type !== NONE && type !== SET) return reply.error(WRONGTYPE);
  if (cells === null || wanted === 0) return reply.set(0);
  const size = cells.countLive(horizonMs);
  const all = wanted >= size;
  const positions = all ? listed(cells, horizonMs) : drawDistinct(run, cells, horizonMs, wanted);
  const names = positions.map((at) => copyOfName(place, at));
  reply.set(names.length);
  for (const name of names) reply.buffer(name);
  // Taking everything is deleting the key: one effect instead of one a member.
  if (all) run.write.remove(place);
  else for (const name of names) run.write.removeMember(place, name, 0, name.length);
}

function copyOfName(place: Place, at: number): Buffer {
  const { bytes, nameStart, nameEnd } = place.name(at);
  return Buffer.from(bytes.subarray(nameStart, nameEnd));
}

function srandmember(run: Run, args: Args, reply: Reply): void {
  if (args.count > 3) return reply.error(SYNTAX);
  const count = args.count === 3 ? drawsAt(args, 2, reply) : 1;
  if (Number.isNaN(count)) return;
  const place = run.look(args, 1);
  const { type, cells, horizonMs } = place;
  if (type !== NONE && type !== SET) return reply.error(WRONGTYPE);
  if (args.count === 2) {
    if (cells === null) reply.nil();
    else replyName(place, new Urn(run, cells, horizonMs).draw(), reply);
    return;
  }
  if (cells === null || count === 0) return reply.array(0);
  if (count < 0) {
    const urn = new Urn(run, cells, horizonMs);
    return replyDraws(
      urn,
      -count,
      reply,
      (draws) => reply.array(draws),
      (at) => replyName(place, at, reply),
    );
  }
  const all = count >= cells.countLive(horizonMs);
  const positions = all ? listed(cells, horizonMs) : drawDistinct(run, cells, horizonMs, count);
  reply.array(positions.length);
  for (const at of positions) replyName(place, at, reply);
}

function replyName(place: Place, at: number, reply: Reply): void {
  const { bytes, nameStart, nameEnd } = place.name(at);
  reply.bulk(bytes, nameStart, nameEnd);
}

const common = { keys: [1, 1, 1], categories: ["set"], group: "set" } as const;

export const setDrawingCommands: readonly Command[] = [
  {
    ...common,
    name: "spop",
    takes: "all",
    keyFlags: ["RW", "access", "delete"],
    arity: -2,
    flags: ["write", "fast"],
    since: "1.0.0",
    complexity: "O(N) for N members drawn",
    summary: "Draws members by chance and removes them",
    run: spop,
  },
  {
    ...common,
    name: "srandmember",
    arity: -2,
    flags: ["readonly"],
    since: "1.0.0",
    complexity: "O(N) for N members drawn",
    summary: "Draws members by chance",
    run: srandmember,
  },
];
