/**
 * Hashes: every command and option of Redis 7.0's hash family.
 */
import { itemsOf, textOf, type Reply } from "../../support/resp.ts";
import type { Generator, Spec } from "../generator.ts";
import { drawnFrom } from "../drawn.ts";
import { exact, unordered, unorderedPairs } from "../step.ts";

export const hashes: readonly Spec[] = [
  { name: "HSET", weight: 35, make: (g) => [g.command(["HSET", g.key("hash"), ...fields(g)])] },
  { name: "HMSET", make: (g) => [g.command(["HMSET", g.key("hash"), ...fields(g)])] },
  { name: "HSETNX", make: (g) => [g.command(["HSETNX", g.key("hash"), g.field(), g.value()])] },
  { name: "HGET", weight: 15, make: (g) => [g.command(["HGET", g.key("hash"), g.field()])] },
  {
    name: "HMGET",
    make: (g) => [
      g.command(["HMGET", g.key("hash"), ...g.times(g.chance.between(1, 5), () => g.field())]),
    ],
  },
  { name: "HGETALL", make: (g) => [g.command(["HGETALL", g.key("hash")], unorderedPairs)] },
  { name: "HKEYS", make: (g) => [g.command(["HKEYS", g.key("hash")], unordered)] },
  { name: "HVALS", make: (g) => [g.command(["HVALS", g.key("hash")], unordered)] },
  { name: "HLEN", make: (g) => [g.command(["HLEN", g.key("hash")])] },
  { name: "HEXISTS", make: (g) => [g.command(["HEXISTS", g.key("hash"), g.field()])] },
  {
    name: "HDEL",
    make: (g) => [
      g.command(["HDEL", g.key("hash"), ...g.times(g.chance.between(1, 3), () => g.field())]),
    ],
  },
  { name: "HSTRLEN", make: (g) => [g.command(["HSTRLEN", g.key("hash"), g.field()])] },
  {
    name: "HINCRBY",
    weight: 15,
    make: (g) => [g.command(["HINCRBY", g.key("hash"), counter(g), g.integer()])],
  },
  {
    name: "HINCRBYFLOAT",
    weight: 15,
    make: (g) => [g.command(["HINCRBYFLOAT", g.key("hash"), counter(g), g.float()])],
  },
  {
    name: "HRANDFIELD",
    weight: 15,
    options: ["count", "WITHVALUES"],
    spoil: false,
    make: (g) => {
      const key = g.key("hash");
      if (g.inTransaction) {
        // All of them is no choice. Each pair is an array of its own in RESP3.
        const withValues = g.maybe("WITHVALUES");
        g.use("count");
        const expect = withValues.length > 0 ? unorderedPairs : unordered;
        return [g.command(["HRANDFIELD", key, "100000", ...withValues], expect)];
      }
      const args: string[] = [];
      if (g.chance.happens(0.8)) {
        g.use("count");
        args.push(count(g));
        if (g.chance.happens(0.5)) args.push(g.use("WITHVALUES"));
        if (g.chance.happens(0.03)) args.push("extra");
      }
      const wanted = args.length === 0 ? null : Number(args[0]);
      const unit = args.length > 1 ? "pair" : "item";
      return [
        g.command(["HGETALL", key], unorderedPairs),
        g.command(["HRANDFIELD", key, ...args], drawnFrom(pairsOf, wanted, unit)),
      ];
    },
  },
  {
    name: "HSCAN",
    options: ["MATCH", "COUNT"],
    queueable: false,
    make: (g) => [
      {
        kind: "scan",
        connection: g.connection,
        args: g.command(["HSCAN", g.key("hash"), cursor(g), ...scanOptions(g)], exact).args,
        cursorAt: 2,
        stride: 2,
      },
    ],
  },
];

/** MATCH and COUNT in any order; seldom a COUNT that is refused. */
export function scanOptions(g: Generator): (string | Buffer)[] {
  const options: (string | Buffer)[][] = [];
  if (g.chance.happens(0.5)) options.push([g.use("MATCH"), g.pattern()]);
  if (g.chance.happens(0.5)) {
    const perCall = g.chance.pick(["1", "2", "5", "10", "100", "1000", "1000", "0", "-1", "abc"]);
    options.push([g.use("COUNT"), perCall]);
  }
  if (g.chance.happens(0.02)) options.push(["EXTRA"]);
  return g.chance.shuffled(options).flat();
}

/** Nearly always the beginning; anything else must be refused alike, because only the server gives out the others. */
export function cursor(g: Generator): string {
  return g.chance.happens(0.96)
    ? "0"
    : g.chance.pick(["abc", "-1x", "1.5", "99999999999999999999", ""]);
}

/**
 * How many to draw: all signs, more than there are, and none. A large negative number is not tried: Redis would begin to
 * write that many.
 */
export function count(g: Generator): string {
  if (g.chance.happens(0.9)) return String(g.chance.between(-8, 12));
  return g.chance.pick([
    ...["100", "-100", "abc", "1.5", "-9223372036854775808", "9223372036854775808"],
    "",
  ]);
}

/** The fields of a hash, and each field's value, as HGETALL gave them in either protocol. */
function pairsOf(reply: Reply): Map<string, string> {
  const items = itemsOf(reply);
  const pairs = new Map<string, string>();
  for (let i = 0; i + 1 < items.length; i += 2) {
    pairs.set(
      String(textOf(items[i])?.toString("latin1")),
      String(textOf(items[i + 1])?.toString("latin1")),
    );
  }
  return pairs;
}

function counter(g: Generator): Buffer {
  return g.chance.happens(0.8) ? Buffer.from(g.chance.pick(["c1", "c2", "c3"])) : g.field();
}

function fields(g: Generator): Buffer[] {
  const list = g.times(g.chance.between(1, 4), () => [g.field(), g.value()]).flat();
  return g.chance.happens(0.03) ? list.slice(0, -1) : list;
}
