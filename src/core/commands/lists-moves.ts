/**
 * Lists, from one to another: LMOVE and RPOPLPUSH, and their blocking forms.
 *
 * Invariant: an element leaves one list and enters the other in one record, so no replica ever sees it in both or in neither.
 */
import { LIST, NONE } from "../crdt/key.ts";
import type { Order } from "../crdt/order.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Wish } from "./blocking.ts";
import type { Command, Handler } from "./command.ts";
import { SYNTAX, WRONGTYPE } from "./errors.ts";
import { type End, pop, push } from "./list-elements.ts";
import type { Run } from "./run.ts";
import { secondsAt } from "./timeouts.ts";

/** LEFT or RIGHT in argument `i`; null for anything else. */
export function endAt(args: Args, i: number): End | null {
  if (args.is(i, "LEFT")) return "left";
  return args.is(i, "RIGHT") ? "right" : null;
}

/** Moves an element from the list in argument 1 to the one in argument 2; false when there is none. */
function move(run: Run, args: Args, from: End, to: End, reply: Reply): boolean {
  const source = run.look(args, 1);
  if (source.type === NONE) return false;
  const target = run.look(args, 2, 1);
  if (source.type !== LIST || (target.type !== NONE && target.type !== LIST)) {
    reply.error(WRONGTYPE);
    return true;
  }
  const order = source.order as Order;
  source.lookRef(run.keyspace, order.at(from === "left" ? 0 : order.size - 1));
  const value = Buffer.from(source.value.subarray(source.valueStart, source.valueEnd));
  pop(run, source, from, reply);
  // Of one key both are looks, and the second is out of date. A list that is pushed back to what it lost keeps its deadline.
  const same = args.view(1).equals(args.view(2));
  push(run, same ? source : target, to, value, 0, value.length);
  return true;
}

function lmove(run: Run, args: Args, reply: Reply): void {
  const from = endAt(args, 3);
  const to = endAt(args, 4);
  if (from === null || to === null) return reply.error(SYNTAX);
  if (!move(run, args, from, to, reply)) reply.nil();
}

function rpoplpush(run: Run, args: Args, reply: Reply): void {
  if (!move(run, args, "right", "left", reply)) reply.nil();
}

function blmove(run: Run, args: Args, reply: Reply): void {
  const from = endAt(args, 3);
  const to = endAt(args, 4);
  if (from === null || to === null) return reply.error(SYNTAX);
  moveOrWait(run, args, from, to, 5, BLMOVE, reply);
}

function brpoplpush(run: Run, args: Args, reply: Reply): void {
  moveOrWait(run, args, "right", "left", 3, BRPOPLPUSH, reply);
}

function moveOrWait(
  run: Run,
  args: Args,
  from: End,
  to: End,
  timeout: number,
  wish: Wish,
  reply: Reply,
): void {
  const timeoutMs = secondsAt(args, timeout, reply);
  if (Number.isNaN(timeoutMs)) return;
  if (!move(run, args, from, to, reply)) run.blocking.wait(wish, args, 1, 1, timeoutMs, reply);
}

const BLMOVE: Wish = wishOf(blmove);
const BRPOPLPUSH: Wish = wishOf(brpoplpush);

function wishOf(handler: Handler): Wish {
  return { type: LIST, handler, writes: true, atOnce: "nil" };
}

const common = {
  keys: [1, 2, 1],
  keyFlags: ["RW", "access", "delete"],
  laterKeyFlags: ["RW", "insert"],
  categories: ["list"],
  group: "list",
  complexity: "O(log N) for N elements",
} as const;
const moves = { ...common, flags: ["write", "denyoom"] } as const;
const blocks = { ...common, flags: ["write", "denyoom", "noscript", "blocking"] } as const;

export const listMoveCommands: readonly Command[] = [
  {
    ...moves,
    name: "lmove",
    takes: "first",
    arity: 5,
    since: "6.2.0",
    summary: "Moves an element from an end of one list to an end of another",
    run: lmove,
  },
  {
    ...moves,
    name: "rpoplpush",
    takes: "first",
    arity: 3,
    since: "1.2.0",
    summary: "Moves the right element of one list to the left of another",
    run: rpoplpush,
  },
  {
    ...blocks,
    name: "blmove",
    takes: "first",
    arity: 6,
    since: "6.2.0",
    summary: "As LMOVE, but waits for an element",
    run: blmove,
  },
  {
    ...blocks,
    name: "brpoplpush",
    takes: "first",
    arity: 4,
    since: "2.2.0",
    summary: "As RPOPLPUSH, but waits for an element",
    run: brpoplpush,
  },
];
