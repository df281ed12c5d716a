/**
 * Lists, several at a time: LMPOP takes from the first of its keys that has elements; BLPOP, BRPOP and BLMPOP wait for one.
 *
 * Invariant: a command takes from one list only. One that waited takes from the list that woke it.
 */
import { LIST, NONE } from "../crdt/key.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Wish } from "./blocking.ts";
import type { Command, Handler } from "./command.ts";
import { SYNTAX, WRONGTYPE } from "./errors.ts";
import { type End, pop, popSeveral } from "./list-elements.ts";
import { endAt } from "./lists-moves.ts";
import { roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";
import { secondsAt } from "./timeouts.ts";

const NO_KEYS = "ERR numkeys should be greater than 0";
const NO_COUNT = "ERR count should be greater than 0";

/** Takes `count` elements (0: one, answered without an array) of the first list there is; false when there is none. */
function takeFirst(
  run: Run,
  args: Args,
  first: number,
  keyCount: number,
  end: End,
  count: number,
  reply: Reply,
): boolean {
  for (let i = first; i < first + keyCount; i++) {
    if (!run.blocking.offers(args, i)) continue;
    const place = run.look(args, i);
    if (place.type === NONE) continue;
    if (place.type !== LIST) {
      reply.error(WRONGTYPE);
      return true;
    }
    reply.array(2);
    reply.bulk(args.bytes, args.start[i] as number, args.end[i] as number);
    if (count === 0) pop(run, place, end, reply);
    else popSeveral(run, place, end, count, reply);
    return true;
  }
  return false;
}

/** BLPOP, BRPOP. */
function poppingOrWaiting(end: End): Handler {
  const handler: Handler = (run, args, reply) => {
    const keyCount = args.count - 2;
    const timeoutMs = secondsAt(args, args.count - 1, reply);
    if (Number.isNaN(timeoutMs)) return;
    if (!takeFirst(run, args, 1, keyCount, end, 0, reply))
      run.blocking.wait(wish, args, 1, keyCount, timeoutMs, reply);
  };
  const wish: Wish = { type: LIST, handler, writes: true, atOnce: "nil array" };
  return handler;
}

/** The keys, the end and the count of LMPOP, whose number of keys stands in some argument. One instance serves every call. */
const several = {
  keyCount: 0,
  end: "left" as End,
  count: 1,
  /** Returns what is wrong with them, or null. */
  read(args: Args, at: number): string | null {
    this.keyCount = roughlyAt(args, at);
    if (!(this.keyCount > 0)) return NO_KEYS;
    const where = at + this.keyCount + 1;
    if (where >= args.count) return SYNTAX;
    const end = endAt(args, where);
    if (end === null) return SYNTAX;
    this.end = end;
    this.count = 1;
    if (where + 1 === args.count) return null;
    if (where + 3 > args.count || !args.is(where + 1, "COUNT")) return SYNTAX;
    this.count = roughlyAt(args, where + 2);
    if (!(this.count > 0)) return NO_COUNT;
    return where + 3 === args.count ? null : SYNTAX;
  },
};

function lmpop(run: Run, args: Args, reply: Reply): void {
  const wrong = several.read(args, 1);
  if (wrong !== null) return reply.error(wrong);
  const { keyCount, end, count } = several;
  if (!takeFirst(run, args, 2, keyCount, end, count, reply)) reply.nilArray();
}

function blmpop(run: Run, args: Args, reply: Reply): void {
  const wrong = several.read(args, 2);
  if (wrong !== null) return reply.error(wrong);
  const { keyCount, end, count } = several;
  const timeoutMs = secondsAt(args, 1, reply);
  if (Number.isNaN(timeoutMs)) return;
  if (!takeFirst(run, args, 3, keyCount, end, count, reply))
    run.blocking.wait(BLMPOP, args, 3, keyCount, timeoutMs, reply);
}

const BLMPOP: Wish = { type: LIST, handler: blmpop, writes: true, atOnce: "nil array" };

const common = {
  keyFlags: ["RW", "access", "delete"],
  categories: ["list"],
  group: "list",
} as const;
const waiting = {
  ...common,
  keys: [1, -2, 1],
  arity: -3,
  flags: ["write", "noscript", "blocking"],
  since: "2.0.0",
  complexity: "O(N) for N keys",
} as const;
const counted = {
  ...common,
  keys: [0, 0, 0],
  since: "7.0.0",
  complexity: "O(N + M) for N keys and M elements",
} as const;

export const listBlockingCommands: readonly Command[] = [
  {
    ...counted,
    name: "lmpop",
    arity: -4,
    flags: ["write", "movablekeys"],
    keyCount: 1,
    summary: "Removes elements from the first list that has some and returns them",
    run: lmpop,
  },
  {
    ...waiting,
    name: "blpop",
    summary: "Removes the left element of the first list that has one, or waits for it",
    run: poppingOrWaiting("left"),
  },
  {
    ...waiting,
    name: "brpop",
    summary: "Removes the right element of the first list that has one, or waits for it",
    run: poppingOrWaiting("right"),
  },
  {
    ...counted,
    name: "blmpop",
    arity: -5,
    flags: ["write", "blocking", "movablekeys"],
    keyCount: 2,
    summary: "As LMPOP, but waits for an element",
    run: blmpop,
  },
];
