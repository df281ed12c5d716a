/**
 * Sorted sets: every command and option of Redis 7.0's sorted set family, those that block with something to take or no time.
 *
 * Ranges by name have a set answer only where all scores are equal; keys of their own see to that.
 */
import { itemsOf, textOf, type Reply } from "../../support/resp.ts";
import { drawnFrom } from "../drawn.ts";
import { BAD_NUMBERS, type Generator, latin1, type Spec } from "../generator.ts";
import { type Step, unordered, unorderedPairs } from "../step.ts";
import { count, cursor, scanOptions } from "./hashes.ts";

const MEMBERS = ["a", "b", "c", "d", "e", "f", "aa", "ab", "B", "\xff", "\x00", "", "1", "2"];
const LEVEL_KEYS = ["y1", "y2", "y3"];
const SCORES = [
  ...["0", "1", "2", "3", "-1", "10", "1.5", "0.1", "0.2", "0.3", "-2.75", "1e5", "1e-7", "3.3333"],
  ...["inf", "-inf", "1e300", "-1e300", "9007199254740993", "17179869184.25", "5.", "+7"],
];

function member(g: Generator): Buffer {
  return latin1(g.chance.pick(MEMBERS));
}

function members(g: Generator, most: number): Buffer[] {
  return g.times(g.chance.between(1, most), () => member(g));
}

/** Mostly small whole numbers, so that scores are equal now and then. */
function score(g: Generator): string {
  const dice = g.chance.below(100);
  if (dice < 60) return String(g.chance.between(-5, 20));
  if (dice < 97) return g.chance.pick(SCORES);
  return g.chance.pick([...BAD_NUMBERS, "0x1F", "infinity"]);
}

function scoreBound(g: Generator): string {
  const dice = g.chance.below(100);
  if (dice < 30) return g.chance.pick(["-inf", "+inf"]);
  return `${g.chance.happens(0.3) ? "(" : ""}${score(g)}`;
}

/** A lower and an upper bound, the other way round when `down`, and seldom the wrong way round. */
function scoreBounds(g: Generator, down: boolean): string[] {
  const bounds = [scoreBound(g), scoreBound(g)];
  const value = (bound: string): number => {
    const number = Number(bound.replace("(", "").replace("inf", "Infinity"));
    return Number.isNaN(number) ? 0 : number;
  };
  if (g.chance.happens(0.9)) bounds.sort((a, b) => value(a) - value(b));
  return down ? bounds.reverse() : bounds;
}

function nameBounds(g: Generator, down: boolean): Buffer[] {
  const bound = (open: string): Buffer =>
    g.chance.happens(0.3)
      ? latin1(open)
      : Buffer.concat([latin1(g.chance.pick(["[", "("])), member(g)]);
  const bounds = [bound("-"), bound("+")];
  if (g.chance.happens(0.05)) bounds[0] = latin1(g.chance.pick(["a", "", "+x", "[", "+"]));
  return down ? bounds.reverse() : bounds;
}

function levelKey(g: Generator): Buffer {
  return g.chance.happens(0.9) ? latin1(g.chance.pick(LEVEL_KEYS)) : g.key("hash");
}

function limit(g: Generator, share = 0.4): string[] {
  if (!g.chance.happens(share)) return [];
  const offset = g.chance.happens(0.9) ? String(g.chance.between(-1, 4)) : g.index();
  const most = g.chance.happens(0.9) ? String(g.chance.between(-1, 5)) : g.index();
  return [g.use("LIMIT"), offset, most];
}

/** Short ones, and a few that are refused. */
const TIMEOUTS = ["0.002", "0.002", "0.002", "1e-3", ".002", "-1", "abc"];

/** A key, perhaps among others. */
function around(g: Generator, key: Buffer): Buffer[] {
  return g.chance.happens(0.5) ? [key] : [...g.keys("zset", 2), key];
}

/** The command with a key that mostly has something to give. */
function furnished(g: Generator, make: (key: Buffer) => readonly (Buffer | string)[]): Step[] {
  const key = g.key("zset");
  const before = g.chance.happens(0.9) ? [g.command(["ZADD", key, score(g), member(g)])] : [];
  return [...before, g.command(make(key))];
}

function destination(g: Generator): Buffer {
  return g.chance.happens(0.85) ? g.key("zset") : g.anyKey();
}

/** Sorted sets, and sets now and then. */
function sources(g: Generator): Buffer[] {
  return g.times(g.chance.between(1, 3), () => g.key(g.chance.happens(0.75) ? "zset" : "set"));
}

function numkeys(g: Generator, keys: readonly Buffer[]): string {
  return g.chance.happens(0.96) ? String(keys.length) : g.integer();
}

function aggregation(g: Generator, keys: readonly Buffer[]): string[] {
  const words: string[][] = [];
  if (g.chance.happens(0.4)) words.push([g.use("WEIGHTS"), ...keys.map(() => score(g))]);
  if (g.chance.happens(0.4)) {
    const how = g.chance.happens(0.95) ? g.chance.pick(["SUM", "MIN", "MAX", "max"]) : "AVG";
    words.push([g.use("AGGREGATE"), how]);
  }
  return g.chance.shuffled(words).flat();
}

const algebra = ["ZUNION", "ZINTER", "ZDIFF"].flatMap((name): Spec[] => {
  const weights = name === "ZDIFF" ? [] : ["WEIGHTS", "AGGREGATE"];
  const input = (g: Generator): (string | Buffer)[] => {
    const keys = sources(g);
    return [numkeys(g, keys), ...keys, ...(weights.length > 0 ? aggregation(g, keys) : [])];
  };
  return [
    {
      name,
      options: [...weights, "WITHSCORES"],
      make: (g) => [g.command([name, ...input(g), ...g.maybe("WITHSCORES")])],
    },
    {
      name: `${name}STORE`,
      options: weights,
      make: (g) => [g.command([`${name}STORE`, destination(g), ...input(g)])],
    },
  ];
});

const rankRanges = ["ZRANGE", "ZREVRANGE"] as const;

export const sortedSets: readonly Spec[] = [
  {
    name: "ZADD",
    weight: 60,
    options: ["NX", "XX", "GT", "LT", "CH", "INCR"],
    make: (g) => {
      const options: string[] = [];
      if (g.chance.happens(0.4)) options.push(g.use(g.chance.pick(["NX", "XX", "GT", "LT"])));
      if (g.chance.happens(0.05)) options.push(g.use(g.chance.pick(["NX", "XX", "GT", "LT"])));
      options.push(...g.maybe("CH", 0.2));
      const isSum = g.chance.happens(0.15);
      if (isSum) options.push(g.use("INCR"));
      const pairs = g.times(isSum ? 1 : g.chance.between(1, 5), () => [score(g), member(g)]);
      return [g.command(["ZADD", g.key("zset"), ...g.chance.shuffled(options), ...pairs.flat()])];
    },
  },
  {
    name: "-names to range over",
    weight: 20,
    // Another score would let names follow each other no longer.
    spoil: false,
    make: (g) => {
      const pairs = g.times(g.chance.between(2, 6), () => ["0", member(g)]);
      return [g.command(["ZADD", levelKey(g), ...pairs.flat()])];
    },
  },
  {
    name: "ZINCRBY",
    weight: 30,
    make: (g) => [g.command(["ZINCRBY", g.key("zset"), score(g), member(g)])],
  },
  { name: "ZREM", make: (g) => [g.command(["ZREM", g.key("zset"), ...members(g, 3)])] },
  { name: "ZCARD", make: (g) => [g.command(["ZCARD", g.key("zset")])] },
  { name: "ZSCORE", make: (g) => [g.command(["ZSCORE", g.key("zset"), member(g)])] },
  { name: "ZMSCORE", make: (g) => [g.command(["ZMSCORE", g.key("zset"), ...members(g, 4)])] },
  { name: "ZRANK", make: (g) => [g.command(["ZRANK", g.key("zset"), member(g)])] },
  { name: "ZREVRANK", make: (g) => [g.command(["ZREVRANK", g.key("zset"), member(g)])] },
  { name: "ZCOUNT", make: (g) => [g.command(["ZCOUNT", g.key("zset"), ...scoreBounds(g, false)])] },
  {
    name: "ZLEXCOUNT",
    make: (g) => [g.command(["ZLEXCOUNT", levelKey(g), ...nameBounds(g, false)])],
  },
  ...rankRanges.map((name): Spec => ({
    name,
    options: ["WITHSCORES"],
    make: (g) => [g.command([name, g.key("zset"), g.index(), g.index(), ...g.maybe("WITHSCORES")])],
  })),
  {
    name: "-ZRANGE in every way",
    weight: 20,
    options: ["BYSCORE", "BYLEX", "REV", "LIMIT", "WITHSCORES"],
    make: (g) => [g.command(["ZRANGE", ...anyRange(g), ...g.maybe("WITHSCORES", 0.3)])],
  },
  {
    name: "ZRANGESTORE",
    weight: 20,
    options: ["BYSCORE", "BYLEX", "REV", "LIMIT"],
    make: (g) => [g.command(["ZRANGESTORE", destination(g), ...anyRange(g)])],
  },
  ...["ZRANGEBYSCORE", "ZREVRANGEBYSCORE"].map((name, i): Spec => ({
    name,
    options: ["WITHSCORES", "LIMIT"],
    make: (g) => {
      const words = g.chance.shuffled([g.maybe("WITHSCORES"), limit(g)]).flat();
      return [g.command([name, g.key("zset"), ...scoreBounds(g, i === 1), ...words])];
    },
  })),
  ...["ZRANGEBYLEX", "ZREVRANGEBYLEX"].map((name, i): Spec => ({
    name,
    options: ["LIMIT"],
    make: (g) => [g.command([name, levelKey(g), ...nameBounds(g, i === 1), ...limit(g)])],
  })),
  {
    name: "ZREMRANGEBYRANK",
    make: (g) => {
      const from = g.chance.happens(0.8) ? String(g.chance.between(1, 6)) : g.index();
      return [g.command(["ZREMRANGEBYRANK", g.key("zset"), from, g.index()])];
    },
  },
  {
    name: "ZREMRANGEBYSCORE",
    make: (g) => [g.command(["ZREMRANGEBYSCORE", g.key("zset"), score(g), scoreBound(g)])],
  },
  {
    name: "ZREMRANGEBYLEX",
    make: (g) => [g.command(["ZREMRANGEBYLEX", levelKey(g), ...nameBounds(g, false)])],
  },
  ...["ZPOPMIN", "ZPOPMAX"].map((name): Spec => ({
    name,
    options: ["count"],
    make: (g) => {
      const args = g.chance.happens(0.5) ? [g.use("count") && g.index()] : [];
      return [g.command([name, g.key("zset"), ...args])];
    },
  })),
  {
    name: "ZMPOP",
    options: ["MIN", "MAX", "COUNT"],
    make: (g) => {
      const keys = g.keys("zset", 3);
      const side = g.chance.happens(0.97) ? g.use(g.chance.pick(["MIN", "MAX"])) : "MID";
      const most = g.chance.happens(0.5) ? [g.use("COUNT"), String(g.chance.between(0, 4))] : [];
      return [g.command(["ZMPOP", numkeys(g, keys), ...keys, side, ...most])];
    },
  },
  ...["BZPOPMIN", "BZPOPMAX"].map((name): Spec => ({
    name,
    weight: 8,
    spoil: false,
    make: (g) => furnished(g, (key) => [name, ...around(g, key), g.chance.pick(TIMEOUTS)]),
  })),
  {
    name: "BZMPOP",
    options: ["MIN", "MAX", "COUNT"],
    weight: 8,
    spoil: false,
    make: (g) =>
      furnished(g, (key) => {
        const keys = around(g, key);
        const side = g.use(g.chance.pick(["MIN", "MAX"]));
        const most = g.chance.happens(0.5) ? [g.use("COUNT"), String(g.chance.between(0, 4))] : [];
        return ["BZMPOP", g.chance.pick(TIMEOUTS), numkeys(g, keys), ...keys, side, ...most];
      }),
  },
  ...algebra,
  {
    name: "ZINTERCARD",
    options: ["LIMIT"],
    make: (g) => {
      const keys = sources(g);
      const most = g.chance.happens(0.5) ? [g.use("LIMIT"), g.index()] : [];
      return [g.command(["ZINTERCARD", numkeys(g, keys), ...keys, ...most])];
    },
  },
  {
    name: "ZRANDMEMBER",
    weight: 15,
    options: ["count", "WITHSCORES"],
    spoil: false,
    make: (g) => {
      const key = g.key("zset");
      if (g.inTransaction) {
        // All of them is no choice. Each pair is an array of its own in RESP3.
        const withScores = g.maybe("WITHSCORES");
        g.use("count");
        const expect = withScores.length > 0 ? unorderedPairs : unordered;
        return [g.command(["ZRANDMEMBER", key, "100000", ...withScores], expect)];
      }
      const args: string[] = [];
      if (g.chance.happens(0.8)) {
        g.use("count");
        args.push(count(g));
        if (g.chance.happens(0.5)) args.push(g.use("WITHSCORES"));
        if (g.chance.happens(0.03)) args.push("extra");
      }
      const wanted = args.length === 0 ? null : Number(args[0]);
      const unit = args.length > 1 ? "pair" : "item";
      return [
        g.command(["ZRANGE", key, "0", "-1", "WITHSCORES"]),
        g.command(["ZRANDMEMBER", key, ...args], drawnFrom(scoresOf, wanted, unit)),
      ];
    },
  },
  {
    name: "ZSCAN",
    options: ["MATCH", "COUNT"],
    queueable: false,
    make: (g) => [
      {
        kind: "scan",
        connection: g.connection,
        args: g.command(["ZSCAN", g.key("zset"), cursor(g), ...scanOptions(g)]).args,
        cursorAt: 2,
        stride: 2,
      },
    ],
  },
];

/** A key, two bounds and the words that say what they are. */
function anyRange(g: Generator): (string | Buffer)[] {
  const dice = g.chance.below(100);
  const down = g.chance.happens(0.4);
  const rev = down ? [g.use("REV")] : [];
  if (dice < 40) {
    const words = g.chance.shuffled([[g.use("BYSCORE")], rev, limit(g)]).flat();
    return [g.key("zset"), ...scoreBounds(g, down), ...words];
  }
  if (dice < 75) {
    const words = g.chance.shuffled([[g.use("BYLEX")], rev, limit(g)]).flat();
    return [levelKey(g), ...nameBounds(g, down), ...words];
  }
  return [g.key("zset"), g.index(), g.index(), ...rev, ...limit(g, 0.05)];
}

/** The members of a sorted set with their scores, as ZRANGE gave them in either protocol. */
function scoresOf(reply: Reply): Map<string, string> {
  const items = itemsOf(reply).flatMap((item) => ("items" in item ? itemsOf(item) : [item]));
  const texts = items.map((item) => String(textOf(item)?.toString("latin1")));
  const scores = new Map<string, string>();
  for (let i = 0; i + 1 < texts.length; i += 2)
    scores.set(texts[i] as string, texts[i + 1] as string);
  return scores;
}
