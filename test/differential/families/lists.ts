/**
 * Lists: every command and option of Redis 7.0's list family; those that block are given something to take, or no time.
 *
 * Invariant: no step waits longer than a few milliseconds.
 */
import type { Generator, Spec } from "../generator.ts";
import type { CommandStep } from "../step.ts";

/** Blocking commands outside of a transaction that find nothing wait so long, in seconds. */
const SHORT = "0.002";

export const lists: readonly Spec[] = [
  ...["LPUSH", "RPUSH"].map((name): Spec => ({
    name,
    weight: 30,
    make: (g) => [push(g, name)],
  })),
  ...["LPUSHX", "RPUSHX"].map((name): Spec => ({ name, make: (g) => [push(g, name)] })),
  ...["LPOP", "RPOP"].map((name): Spec => ({
    name,
    options: ["count"],
    weight: 15,
    make: (g) => {
      const count = g.chance.happens(0.4) ? [g.use("count") && few(g)] : [];
      return [g.command([name, g.key("list"), ...count])];
    },
  })),
  { name: "LLEN", make: (g) => [g.command(["LLEN", g.key("list")])] },
  { name: "LINDEX", make: (g) => [g.command(["LINDEX", g.key("list"), g.index()])] },
  {
    name: "LRANGE",
    weight: 15,
    make: (g) => [g.command(["LRANGE", g.key("list"), g.index(), g.index()])],
  },
  {
    name: "LTRIM",
    make: (g) => {
      const stop = g.chance.happens(0.5) ? "-1" : g.index();
      return [g.command(["LTRIM", g.key("list"), g.index(), stop])];
    },
  },
  {
    name: "LSET",
    weight: 15,
    make: (g) => {
      const index = g.chance.happens(0.7) ? String(g.chance.between(-3, 2)) : g.index();
      return [g.command(["LSET", g.key("list"), index, g.field()])];
    },
  },
  {
    name: "LINSERT",
    options: ["BEFORE", "AFTER"],
    weight: 25,
    make: (g) => {
      const where = g.use(g.chance.pick(["BEFORE", "AFTER"]));
      return [g.command(["LINSERT", g.key("list"), where, g.field(), g.field()])];
    },
  },
  { name: "LREM", make: (g) => [g.command(["LREM", g.key("list"), few(g), g.field()])] },
  {
    name: "LPOS",
    options: ["RANK", "COUNT", "MAXLEN"],
    weight: 20,
    make: (g) => {
      const options = ["RANK", "COUNT", "MAXLEN"].flatMap((name) =>
        g.chance.happens(0.4) ? [g.use(name), few(g)] : [],
      );
      return [g.command(["LPOS", g.key("list"), g.field(), ...options])];
    },
  },
  {
    name: "LMOVE",
    options: ["LEFT", "RIGHT"],
    weight: 15,
    make: (g) => [g.command(["LMOVE", g.key("list"), g.key("list"), end(g), end(g)])],
  },
  { name: "RPOPLPUSH", make: (g) => [g.command(["RPOPLPUSH", g.key("list"), g.key("list")])] },
  {
    name: "LMPOP",
    options: ["LEFT", "RIGHT", "COUNT"],
    make: (g) => [g.command(["LMPOP", ...severalKeys(g, g.keys("list", 3))])],
  },
  ...["BLPOP", "BRPOP"].map((name): Spec => ({
    name,
    weight: 8,
    spoil: false,
    make: (g) => furnished(g, (key) => [name, ...around(g, key), timeout(g)]),
  })),
  {
    name: "BLMOVE",
    options: ["LEFT", "RIGHT"],
    weight: 8,
    spoil: false,
    make: (g) => furnished(g, (key) => ["BLMOVE", key, g.key("list"), end(g), end(g), timeout(g)]),
  },
  {
    name: "BRPOPLPUSH",
    weight: 8,
    spoil: false,
    make: (g) => furnished(g, (key) => ["BRPOPLPUSH", key, g.key("list"), timeout(g)]),
  },
  {
    name: "BLMPOP",
    options: ["LEFT", "RIGHT", "COUNT"],
    weight: 8,
    spoil: false,
    make: (g) => furnished(g, (key) => ["BLMPOP", timeout(g), ...severalKeys(g, around(g, key))]),
  },
];

function push(g: Generator, name: string): CommandStep {
  return g.command([name, g.key("list"), ...g.times(g.chance.between(1, 4), () => g.field())]);
}

/** A count or a rank: mostly one that finds something. */
function few(g: Generator): string {
  return g.chance.happens(0.8) ? String(g.chance.between(0, 4)) : g.index();
}

function end(g: Generator): string {
  return g.use(g.chance.pick(["LEFT", "RIGHT"]));
}

function severalKeys(g: Generator, keys: readonly Buffer[]): (Buffer | string)[] {
  const numkeys = g.chance.happens(0.96) ? String(keys.length) : g.integer();
  const count = g.chance.happens(0.5) ? [g.use("COUNT"), few(g)] : [];
  return [numkeys, ...keys, end(g), ...count];
}

function timeout(g: Generator): string {
  const times = g.chance.happens(0.94) ? [SHORT, "1e-3", ".002"] : ["-1", "abc", "-inf", "inf", ""];
  return g.chance.pick(times);
}

/** A key, perhaps among others. */
function around(g: Generator, key: Buffer): Buffer[] {
  return g.chance.happens(0.5) ? [key] : [...g.keys("list", 2), key];
}

/** The command with a key that mostly has something to give. */
function furnished(
  g: Generator,
  make: (key: Buffer) => readonly (Buffer | string)[],
): CommandStep[] {
  const key = g.key("list");
  const before = g.chance.happens(0.9) ? [g.command(["RPUSH", key, g.field()])] : [];
  return [...before, g.command(make(key))];
}
