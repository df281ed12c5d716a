/**
 * Taking first: elements of the first of several keys that has any, from one of its two sides; or a wait for one.
 *
 *   LMPOP  ZMPOP        number of keys │ keys │ side │ [COUNT count]
 *   BLMPOP BZMPOP       timeout │ as above
 *   BLPOP  BZPOPMIN …   keys │ timeout
 *
 * Invariant: a command takes from one key only. One that waited takes from the key that woke it.
 */
import { NONE, type Type } from "../crdt/key.ts";
import type { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Wish } from "./blocking.ts";
import type { Handler } from "./command.ts";
import { SYNTAX, WRONGTYPE } from "./errors.ts";
import { roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";
import { secondsAt } from "./timeouts.ts";

const NO_KEYS = "ERR numkeys should be greater than 0";
const NO_COUNT = "ERR count should be greater than 0";

/** Keys of one type, and what is taken from them. */
export interface Source<Side> {
  readonly type: Type;
  /** The side that an argument names, or null. */
  readonly sideAt: (args: Args, i: number) => Side | null;
  /** Removes `count` elements of the key in argument `i`, which was looked at, and answers; null: one, in the older form. */
  readonly take: (
    run: Run,
    place: Place,
    args: Args,
    i: number,
    side: Side,
    count: number | null,
    reply: Reply,
  ) => void;
}

/** BLPOP and its kin: takes one element from a side, or waits for it. */
export function takingOne<Side>(source: Source<Side>, side: Side): Handler {
  const handler: Handler = (run, args, reply) => {
    const keyCount = args.count - 2;
    const timeoutMs = secondsAt(args, args.count - 1, reply);
    if (Number.isNaN(timeoutMs)) return;
    if (!takeFirst(source, run, args, 1, keyCount, side, null, reply))
      run.blocking.wait(wish, args, 1, keyCount, timeoutMs, reply);
  };
  const wish: Wish = { type: source.type, handler, writes: true, atOnce: "nil array" };
  return handler;
}

/** LMPOP and its kin: takes several elements from the side that is asked for, and waits for one if it `waits`. */
export function takingSeveral<Side>(source: Source<Side>, waits: boolean): Handler {
  const at = waits ? 2 : 1;
  const handler: Handler = (run, args, reply) => {
    const keyCount = roughlyAt(args, at);
    if (!(keyCount > 0)) return reply.error(NO_KEYS);
    const where = at + keyCount + 1;
    const side = where < args.count ? source.sideAt(args, where) : null;
    if (side === null) return reply.error(SYNTAX);
    let count = 1;
    if (args.count > where + 1) {
      if (args.count < where + 3 || !args.is(where + 1, "COUNT")) return reply.error(SYNTAX);
      count = roughlyAt(args, where + 2);
      if (!(count > 0)) return reply.error(NO_COUNT);
      if (args.count > where + 3) return reply.error(SYNTAX);
    }
    const timeoutMs = waits ? secondsAt(args, 1, reply) : 0;
    if (Number.isNaN(timeoutMs)) return;
    if (takeFirst(source, run, args, at + 1, keyCount, side, count, reply)) return;
    if (waits) run.blocking.wait(wish, args, at + 1, keyCount, timeoutMs, reply);
    else reply.nilArray();
  };
  const wish: Wish = { type: source.type, handler, writes: true, atOnce: "nil array" };
  return handler;
}

/** Takes from the first key there is; false when there is none. */
function takeFirst<Side>(
  { type, take }: Source<Side>,
  run: Run,
  args: Args,
  first: number,
  keyCount: number,
  side: Side,
  count: number | null,
  reply: Reply,
): boolean {
  for (let i = first; i < first + keyCount; i++) {
    if (!run.blocking.offers(args, i)) continue;
    const place = run.look(args, i);
    if (place.type === NONE) continue;
    if (place.type === type) take(run, place, args, i, side, count, reply);
    else reply.error(WRONGTYPE);
    return true;
  }
  return false;
}
