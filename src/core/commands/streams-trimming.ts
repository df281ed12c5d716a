/**
 * StreamsTrimming: the options that XADD and XTRIM share, and what they remove.
 *
 * Invariant: what is removed are the oldest entries, whole nodes of them when the client is content with about as many: then a trim
 * now and again removes many at once, and the others cost next to nothing.
 */
import { Strings } from "../bytes/strings.ts";
import { STREAM } from "../crdt/key.ts";
import type { Order } from "../crdt/order.ts";
import { ID_BYTES, readId } from "../crdt/stream-id.ts";
import type { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import { NOT_AN_INTEGER, SYNTAX } from "./errors.ts";
import { roughlyAt } from "./numbers.ts";
import { limitOf } from "./parameters.ts";
import type { Run } from "./run.ts";
import { idAt, INVALID_ID, lengthOf, nodeOf, rankOf } from "./stream-entries.ts";

const BOTH = "ERR syntax error, MAXLEN and MINID options at the same time are not compatible";
const LENGTH_NEGATIVE = "ERR The MAXLEN argument must be >= 0.";
const LIMIT_NEGATIVE = "ERR The LIMIT argument must be >= 0.";
const LIMIT_ALONE = "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy";
const LIMIT_EXACT = "ERR syntax error, LIMIT cannot be used without the special ~ option";
const NO_STRATEGY = "ERR syntax error, XTRIM must be called with a trimming strategy";

/** Without LIMIT, a trim removes at most so many nodes, and so many entries. */
const NODES_MAX = 100;
const ENTRIES_MAX = 1_000_000;
const ENTRIES_DEFAULT = 10_000;

/** What a client asked for. One instance serves every call. */
export const asked = {
  noMakeStream: false,
  by: null as "length" | "id" | null,
  approximate: false,
  length: 0,
  minId: Buffer.alloc(ID_BYTES),
  limit: 0,
  /** XADD: the id, and which parts of it were given. */
  id: Buffer.alloc(ID_BYTES),
  idForm: "generated" as "generated" | "whole" | "ms",
  /** XADD: the argument in which the id stands. */
  idArgument: 0,

  /** Reads the options from argument 2 on; returns what is wrong with them, or null. */
  read(run: Run, args: Args, isAdd: boolean): string | null {
    const { bytes, count } = args;
    this.noMakeStream = false;
    this.by = null;
    this.approximate = false;
    this.limit = 0;
    this.idForm = "generated";
    let limited = false;
    let i = 2;
    for (; i < count; i++) {
      const more = count - 1 - i;
      if (isAdd && isByte(args, i, 42)) break;
      const isLength = args.is(i, "MAXLEN");
      if (more > 0 && (isLength || args.is(i, "MINID"))) {
        if (this.by !== null) return BOTH;
        this.approximate = more > 1 && isByte(args, i + 1, 126);
        if (this.approximate || (more > 1 && isByte(args, i + 1, 61))) i++;
        const wrong = isLength ? this.readLength(args, ++i) : this.readMinId(args, ++i);
        if (wrong !== null) return wrong;
      } else if (more > 0 && args.is(i, "LIMIT")) {
        this.limit = roughlyAt(args, ++i);
        if (Number.isNaN(this.limit)) return NOT_AN_INTEGER;
        if (this.limit < 0) return LIMIT_NEGATIVE;
        limited = true;
      } else if (!isAdd) return SYNTAX;
      else if (args.is(i, "NOMKSTREAM")) this.noMakeStream = true;
      else {
        const form = readId(bytes, args.start[i] as number, args.end[i] as number, this.id);
        if (form === 0) return INVALID_ID;
        this.idForm = form === 3 ? "ms" : "whole";
        break;
      }
    }
    this.idArgument = i;
    if (this.limit > 0 && this.by === null) return LIMIT_ALONE;
    if (!isAdd && this.by === null) return NO_STRATEGY;
    if (limited && !this.approximate) return LIMIT_EXACT;
    if (!limited && this.approximate) this.limit = usualLimit(run);
    return null;
  },

  readLength(args: Args, i: number): string | null {
    this.length = roughlyAt(args, i);
    if (Number.isNaN(this.length)) return NOT_AN_INTEGER;
    if (this.length < 0) return LENGTH_NEGATIVE;
    this.by = "length";
    return null;
  },

  readMinId(args: Args, i: number): string | null {
    if (!idAt(args, i, this.minId)) return INVALID_ID;
    this.by = "id";
    return null;
  },
};

function usualLimit({ settings }: Run): number {
  const limit = NODES_MAX * limitOf(settings, "stream-node-max-entries");
  return limit > 0 ? Math.min(limit, ENTRIES_MAX) : ENTRIES_DEFAULT;
}

function isByte({ bytes, start, end }: Args, i: number, byte: number): boolean {
  const from = start[i] as number;
  return (end[i] as number) - from === 1 && bytes[from] === byte;
}

/** Removes what `asked` says of the stream at a place, which was just looked at; returns how many entries. */
export function trim(run: Run, place: Place): number {
  const { order } = place;
  if (order === null || asked.by === null) return 0;
  const length = lengthOf(place);
  const below = asked.by === "length" ? length - asked.length : rankOf(order, asked.minId);
  if (below <= 0) return 0;
  const count = asked.approximate ? wholeNodes(run, place, below, length) : below;
  if (count > 0) removeEntries(run, place, 0, count);
  return count;
}

/** How many of the first `below` entries make up whole nodes, as many as the limit allows. */
function wholeNodes(run: Run, place: Place, below: number, length: number): number {
  const { limit } = asked;
  let at = 0;
  while (at < below) {
    const node = nodeOf(run, place, at);
    if (below < length && nodeOf(run, place, below) === node) break;
    let end = at + 1;
    while (end < below && nodeOf(run, place, end) === node) end++;
    if (limit > 0 && end > limit) break;
    at = end;
  }
  return at;
}

/** Removes `count` entries from a rank on. */
export function removeEntries(run: Run, place: Place, from: number, count: number): void {
  const names = new Strings();
  (place.order as Order).each(from, count, false, (ref) => {
    const { bytes, nameStart, nameEnd } = place.nameOf(ref);
    names.push(bytes, nameStart, nameEnd);
  });
  for (let i = 0; i < names.count; i++)
    run.write.removeCell(place, STREAM, names.bytes, names.start(i), names.end(i));
}
