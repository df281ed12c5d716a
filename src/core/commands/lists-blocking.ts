/** Lists, several at a time: LMPOP takes from the first of its keys that has elements; BLPOP, BRPOP and BLMPOP wait for one. */
import { LIST } from "../crdt/key.ts";
import type { Command } from "./command.ts";
import { type End, pop, popSeveral } from "./list-elements.ts";
import { endAt } from "./lists-moves.ts";
import { type Source, takingOne, takingSeveral } from "./taking-first.ts";

const lists: Source<End> = {
  type: LIST,
  sideAt: endAt,
  take: (run, place, args, i, end, count, reply) => {
    reply.array(2);
    reply.bulk(args.bytes, args.start[i] as number, args.end[i] as number);
    if (count === null) pop(run, place, end, reply);
    else popSeveral(run, place, end, count, reply);
  },
};

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
    takes: "all",
    arity: -4,
    flags: ["write", "movablekeys"],
    keyCount: 1,
    summary: "Removes elements from the first list that has some and returns them",
    run: takingSeveral(lists, false),
  },
  {
    ...waiting,
    name: "blpop",
    takes: "all",
    summary: "Removes the left element of the first list that has one, or waits for it",
    run: takingOne(lists, "left"),
  },
  {
    ...waiting,
    name: "brpop",
    takes: "all",
    summary: "Removes the right element of the first list that has one, or waits for it",
    run: takingOne(lists, "right"),
  },
  {
    ...counted,
    name: "blmpop",
    takes: "all",
    arity: -5,
    flags: ["write", "blocking", "movablekeys"],
    keyCount: 2,
    summary: "As LMPOP, but waits for an element",
    run: takingSeveral(lists, true),
  },
];
