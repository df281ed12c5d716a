/**
 * Sets: every command and option of Redis 7.0's set family.
 */
import { isError, itemsOf, textOf, type Reply } from "../../support/resp.ts";
import { drawnFrom, membersOf } from "../drawn.ts";
import type { Generator, Spec } from "../generator.ts";
import { unordered } from "../step.ts";
import { count, cursor, scanOptions } from "./hashes.ts";

const algebra = ["SINTER", "SUNION", "SDIFF"].flatMap((name): Spec[] => [
  { name, weight: 12, make: (g) => [g.command([name, ...g.keys("set", 3)], unordered)] },
  {
    name: `${name}STORE`,
    make: (g) => [g.command([`${name}STORE`, destination(g), ...g.keys("set", 3)])],
  },
]);

export const sets: readonly Spec[] = [
  {
    name: "SADD",
    weight: 45,
    make: (g) => [
      g.command(["SADD", g.key("set"), ...g.times(g.chance.between(1, 5), () => g.field())]),
    ],
  },
  {
    name: "SREM",
    make: (g) => [
      g.command(["SREM", g.key("set"), ...g.times(g.chance.between(1, 4), () => g.field())]),
    ],
  },
  { name: "SISMEMBER", make: (g) => [g.command(["SISMEMBER", g.key("set"), g.field()])] },
  {
    name: "SMISMEMBER",
    make: (g) => [
      g.command(["SMISMEMBER", g.key("set"), ...g.times(g.chance.between(1, 5), () => g.field())]),
    ],
  },
  { name: "SCARD", make: (g) => [g.command(["SCARD", g.key("set")])] },
  { name: "SMEMBERS", make: (g) => [g.command(["SMEMBERS", g.key("set")], unordered)] },
  { name: "SMOVE", make: (g) => [g.command(["SMOVE", g.key("set"), g.key("set"), g.field()])] },
  ...algebra,
  {
    name: "SINTERCARD",
    options: ["LIMIT"],
    weight: 15,
    make: (g) => {
      const keys = g.keys("set", 3);
      const limit = g.chance.happens(0.5) ? [g.use("LIMIT"), g.index()] : [];
      const numkeys = g.chance.happens(0.93) ? String(keys.length) : g.integer();
      return [g.command(["SINTERCARD", numkeys, ...keys, ...limit])];
    },
  },
  {
    name: "SPOP",
    weight: 15,
    options: ["count"],
    spoil: false,
    make: (g) => {
      const key = g.key("set");
      if (g.inTransaction) {
        g.use("count");
        return [g.command(["SPOP", key, "100000"], unordered)];
      }
      const args = g.chance.happens(0.6) ? [g.use("count") && count(g)] : [];
      const wanted = args[0] === undefined ? null : Number(args[0]);
      const pop = g.command(["SPOP", key, ...args], drawnFrom(membersOf, wanted));
      pop.repair = (reference, subject) => swapped(key, popped(reference), popped(subject));
      return [g.command(["SMEMBERS", key], unordered), pop];
    },
  },
  {
    name: "SRANDMEMBER",
    weight: 15,
    options: ["count"],
    spoil: false,
    make: (g) => {
      const key = g.key("set");
      if (g.inTransaction) {
        g.use("count");
        return [g.command(["SRANDMEMBER", key, "100000"], unordered)];
      }
      const args = g.chance.happens(0.7) ? [g.use("count") && count(g)] : [];
      const wanted = args[0] === undefined ? null : Number(args[0]);
      return [
        g.command(["SMEMBERS", key], unordered),
        g.command(["SRANDMEMBER", key, ...args], drawnFrom(membersOf, wanted)),
      ];
    },
  },
  {
    name: "SSCAN",
    options: ["MATCH", "COUNT"],
    queueable: false,
    make: (g) => [
      {
        kind: "scan",
        connection: g.connection,
        args: g.command(["SSCAN", g.key("set"), cursor(g), ...scanOptions(g)]).args,
        cursorAt: 2,
        stride: 1,
      },
    ],
  },
];

/** Where a result goes: mostly a set, sometimes over a key of another type. */
function destination(g: Generator): Buffer {
  return g.chance.happens(0.85) ? g.key("set") : g.anyKey();
}

function popped(reply: Reply): Buffer[] {
  if (isError(reply)) return [];
  const items = "items" in reply ? itemsOf(reply) : [reply];
  return items.map(textOf).filter((text) => text !== null);
}

/** Gives the subject back what the reference kept, then takes what the reference gave away. The set never empties between. */
function swapped(key: Buffer, reference: Buffer[], subject: Buffer[]): Buffer[][] {
  const isIn = (list: Buffer[]) => (member: Buffer) => list.some((other) => other.equals(member));
  const back = subject.filter((member) => !isIn(reference)(member));
  const away = reference.filter((member) => !isIn(subject)(member));
  return [
    ...(back.length > 0 ? [[Buffer.from("SADD"), key, ...back]] : []),
    ...(away.length > 0 ? [[Buffer.from("SREM"), key, ...away]] : []),
  ];
}
