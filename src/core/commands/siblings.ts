/**
 * Siblings: AA.SIBLINGS shows every concurrent value of a string or field, AA.RESOLVE replaces exactly those it was shown.
 *
 *   AA.SIBLINGS cart ─► token, values ─► the application decides ─► AA.RESOLVE cart CTX token value
 *
 * Invariant: a token names the values that were shown and nothing else, so what arrived meanwhile survives the resolution.
 */
import { Sink } from "../bytes/sink.ts";
import { Malformed, Source } from "../bytes/source.ts";
import { type Origins, readOrigin, writeOrigin } from "../clock/origins.ts";
import { format } from "../crdt/amount.ts";
import type { Cell, Dot } from "../crdt/cell.ts";
import { cellOf } from "../crdt/cells.ts";
import { HASH, NONE, STRING } from "../crdt/key.ts";
import { policyName } from "../crdt/policy.ts";
import type { Place } from "../keyspace/place.ts";
import { Entry, OBJECT } from "../keyspace/table.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { SYNTAX, WRONGTYPE } from "./errors.ts";
import { replyWritten } from "./replies.ts";
import type { Run } from "./run.ts";

const VERSION = 1;
/** Siblings one token can name: there are at most as many as origins. */
const DOTS_MAX = 4096;

function siblings(run: Run, args: Args, reply: Reply): void {
  if (args.count > 3) return reply.error(SYNTAX);
  const place = run.look(args, 1);
  const cell = cellAt(run, place, args.count === 3 ? args.view(2) : null);
  const values = (cell?.siblings ?? []).filter(
    (s) => s.ms > place.horizonMs && deadlineOf(place, s) > run.nowMs,
  );
  const { origins, policies } = run.keyspace;
  const policy = policies.of(place.bytes, place.start, place.end);
  reply.array(3);
  reply.text(tokenOf(values, origins));
  reply.text(policyName(policy));
  const counts = cell?.counting(place.horizonMs) === true ? 1 : 0;
  reply.array(values.length + counts);
  for (const { origin, seq, ms, tick, value } of values) {
    reply.map(2);
    reply.text("value");
    reply.buffer(value);
    reply.text("write");
    replyWritten({ origin: origins.get(origin), seq, ms, tick }, reply);
  }
  if (cell === null || counts === 0) return;
  reply.map(1);
  reply.text("increments");
  reply.text(format(cell.sum(place.horizonMs)));
}

/** What lies packed and has not expired ends when the place says. */
function deadlineOf({ key, deadline }: Place, sibling: Cell["siblings"][0]): number {
  return key === null ? Math.min(sibling.deadline, deadline) : key.siblingDeadline(sibling);
}

/** The string at a place, or a field of the hash there. */
function cellAt(run: Run, place: Place, field: Buffer | null): Cell | null {
  if (place.at < 0) return null;
  const key = run.keyspace.open(place);
  if (field === null) return key.cell;
  const cells = key.cells(HASH);
  const at = cells?.find(field, 0, field.length) ?? -1;
  if (cells === null || at < 0) return null;
  const entry = new Entry();
  cells.table.load(at, entry);
  return entry.kind === OBJECT ? cells.table.object(entry) : cellOf(entry);
}

function tokenOf(values: Cell["siblings"], origins: Origins): string {
  const sink = new Sink(64);
  sink.u8(VERSION);
  for (const { origin, seq } of values) {
    writeOrigin(sink, origins.get(origin));
    sink.varint(seq);
  }
  return sink.view().toString("base64");
}

/** The dots that a token names, or null if it is none. One of an origin that nobody knows here has the number −1. */
function dotsOf(text: string, origins: Origins): Dot[] | null {
  if (!/^[\w+/]+=*$/.test(text)) return null;
  const source = new Source(Buffer.from(text, "base64"));
  const dots: Dot[] = [];
  try {
    if (source.u8() !== VERSION) return null;
    while (source.left > 0) {
      const origin = origins.find(readOrigin(source).incarnation);
      const seq = source.varint();
      if (seq === 0 || dots.length === DOTS_MAX) return null;
      dots.push({ origin, seq });
    }
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
  return dots;
}

function resolve(run: Run, args: Args, reply: Reply): void {
  const isField = args.count === 6;
  const at = isField ? 3 : 2;
  if (args.count > 6 || !args.is(at, "CTX")) return reply.error(SYNTAX);
  const dots = dotsOf(args.text(at + 1), run.keyspace.origins);
  if (dots === null) return reply.error("ERR CTX takes the token that AA.SIBLINGS answered");
  if (dots.some(({ origin, seq }) => origin < 0 || !run.write.hasApplied(origin, seq)))
    return reply.error(
      "AASTALE this replica has not received all the values that the token names; ask again, or ask where the token came from",
    );
  const place = run.look(args, 1);
  const { type } = place;
  if (type !== NONE && type !== (isField ? HASH : STRING)) return reply.error(WRONGTYPE);
  const { bytes, start, end } = args;
  const value = at + 2;
  run.write.resolve(
    place,
    isField ? HASH : STRING,
    isField ? args.view(2) : Buffer.alloc(0),
    dots,
    bytes,
    start[value] as number,
    end[value] as number,
  );
  reply.ok();
}

/** AA.SIBLINGS and AA.RESOLVE. */
export const siblingCommands: readonly Command[] = [
  {
    name: "aa.siblings",
    arity: -2,
    flags: ["readonly"],
    keys: [1, 1, 1],
    keyFlags: ["RO"],
    categories: ["keyspace"],
    group: "atoll",
    since: "0.1.0",
    complexity: "O(N) for N concurrent values",
    usage: "<key> [<field>]",
    summary: "Lists every concurrent value of a string or field, and a token for AA.RESOLVE",
    run: siblings,
  },
  {
    name: "aa.resolve",
    arity: -5,
    flags: ["write", "denyoom"],
    keys: [1, 1, 1],
    keyFlags: ["RW", "update"],
    categories: ["keyspace"],
    group: "atoll",
    since: "0.1.0",
    complexity: "O(N) for N concurrent values",
    usage: "<key> [<field>] CTX <token> <value>",
    summary: "Replaces the concurrent values that a token names by one",
    run: resolve,
  },
];
