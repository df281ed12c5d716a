/**
 * Keys and expiry: every command and option of Redis 7.0's generic family that this comparison covers.
 *
 * Invariant: what is compared exactly does not depend on the time; deadlines are compared within a tolerance.
 */
import { isError, isNull, textOf, type Reply } from "../../support/resp.ts";
import { drawnFrom, membersOf } from "../drawn.ts";
import type { Generator, Spec } from "../generator.ts";
import {
  milliseconds,
  sameType,
  seconds,
  unordered,
  type Expectation,
  type Step,
} from "../step.ts";
import { cursor, scanOptions } from "./hashes.ts";

const deadlines = [
  ["EXPIRE", "EX"],
  ["PEXPIRE", "PX"],
  ["EXPIREAT", "EXAT"],
  ["PEXPIREAT", "PXAT"],
] as const;

export const keys: readonly Spec[] = [
  { name: "DEL", make: (g) => [g.command(["DEL", ...g.keys("any", 3)])] },
  { name: "UNLINK", make: (g) => [g.command(["UNLINK", ...g.keys("any", 3)])] },
  { name: "EXISTS", make: (g) => [g.command(["EXISTS", ...g.keys("any", 5)])] },
  { name: "TOUCH", make: (g) => [g.command(["TOUCH", ...g.keys("any", 4)])] },
  { name: "TYPE", make: (g) => [g.command(["TYPE", g.anyKey()])] },
  ...deadlines.map(([name, unit]): Spec => ({
    name,
    weight: 18,
    options: ["NX", "XX", "GT", "LT"],
    make: (g) => {
      const key = g.anyKey();
      const options = g.chance.happens(0.6) ? [g.use(g.chance.pick(["NX", "XX", "GT", "LT"]))] : [];
      if (g.chance.happens(0.04)) options.push(g.use(g.chance.pick(["NX", "XX", "GT", "LT"])));
      return [g.command([name, key, g.deadline(unit).arg, ...options])];
    },
  })),
  { name: "TTL", make: (g) => [g.command(["TTL", g.anyKey()], seconds)] },
  { name: "PTTL", make: (g) => [g.command(["PTTL", g.anyKey()], milliseconds)] },
  { name: "EXPIRETIME", make: (g) => [g.command(["EXPIRETIME", g.anyKey()], seconds)] },
  { name: "PEXPIRETIME", make: (g) => [g.command(["PEXPIRETIME", g.anyKey()], milliseconds)] },
  { name: "PERSIST", make: (g) => [g.command(["PERSIST", g.anyKey()])] },
  {
    name: "-expiring",
    weight: 2,
    queueable: false,
    spoil: false,
    make: (g) => expiring(g),
  },
  { name: "RENAME", make: (g) => [g.command(["RENAME", g.anyKey(), g.anyKey()])] },
  { name: "RENAMENX", make: (g) => [g.command(["RENAMENX", g.anyKey(), g.anyKey()])] },
  {
    name: "COPY",
    weight: 15,
    options: ["DB", "REPLACE"],
    make: (g) => {
      const options: string[][] = [];
      if (g.chance.happens(0.4)) options.push([g.use("DB"), g.database()]);
      if (g.chance.happens(0.4)) options.push([g.use("REPLACE")]);
      return [g.command(["COPY", g.anyKey(), g.anyKey(), ...g.chance.shuffled(options).flat()])];
    },
  },
  { name: "MOVE", make: (g) => [g.command(["MOVE", g.anyKey(), g.database()])] },
  { name: "KEYS", make: (g) => [g.command(["KEYS", g.pattern()], unordered)] },
  {
    name: "SCAN",
    options: ["MATCH", "COUNT", "TYPE"],
    queueable: false,
    make: (g) => {
      const options = scanOptions(g);
      if (g.chance.happens(0.4)) {
        options.push(
          g.use("TYPE"),
          g.chance.pick(["string", "hash", "set", "SET", "list", "bogus"]),
        );
      }
      const { args } = g.command(["SCAN", cursor(g), ...options]);
      return [{ kind: "scan", connection: g.connection, args, cursorAt: 1, stride: 1 }];
    },
  },
  {
    name: "RANDOMKEY",
    queueable: false,
    spoil: false,
    make: (g) => [
      g.command(["KEYS", "*"], unordered),
      g.command(["RANDOMKEY"], drawnFrom(membersOf, null)),
    ],
  },
  {
    name: "DBSIZE",
    make: (g) => {
      const step = g.command(["DBSIZE"]);
      // Keys that have expired are counted until they are removed. Inside of a transaction nobody can ask again.
      if (g.inTransaction) return [{ ...step, expect: sameType }];
      return [{ ...step, settles: true }];
    },
  },
  {
    name: "OBJECT ENCODING",
    queueable: false,
    spoil: false,
    make: (g) => {
      const key = g.anyKey();
      return [g.command(["TYPE", key]), g.command(["OBJECT", "ENCODING", key], knownEncoding)];
    },
  },
  {
    name: "OBJECT REFCOUNT",
    make: (g) => [g.command(["OBJECT", "REFCOUNT", g.anyKey()], integerFrom(1))],
  },
  {
    name: "OBJECT IDLETIME",
    make: (g) => [g.command(["OBJECT", "IDLETIME", g.anyKey()], integerFrom(0))],
  },
  { name: "OBJECT FREQ", make: (g) => [g.command(["OBJECT", "FREQ", g.anyKey()])] },
  {
    name: "OBJECT HELP",
    weight: 3,
    spoil: false,
    make: (g) => [g.command(["OBJECT", "HELP"], sameType)],
  },
  ...["FLUSHDB", "FLUSHALL"].map((name): Spec => ({
    name,
    weight: 6,
    options: ["ASYNC", "SYNC"],
    make: (g) => {
      const how = g.chance.pick(["ASYNC", "SYNC", "SYNC", "ASYNC", ""]);
      const flush = g.command([name, ...(how === "" ? [] : [g.use(how)])]);
      return g.inTransaction ? [flush] : [flush, ...furnished(g)];
    },
  })),
  {
    name: "-several kinds in a row",
    weight: 3,
    queueable: false,
    make: (g) => furnished(g),
  },
];

/** Fills a database again, because commands on missing keys show little. */
export function furnished(g: Generator): Step[] {
  const steps: Step[] = [
    g.command(["MSET", ...["s1", "s2", "s3", "k1", "n1"].flatMap((key) => [key, g.value()])]),
  ];
  for (const key of ["h1", "h2", "h3", "k2"]) {
    steps.push(g.command(["HSET", key, ...g.times(5, () => [g.field(), g.value()]).flat()]));
  }
  for (const key of ["z1", "z2", "z3"]) {
    const pairs = g.times(6, () => [String(g.chance.between(0, 9)), g.field()]);
    steps.push(g.command(["ZADD", key, ...pairs.flat()]));
  }
  for (const key of ["t1", "t2", "t3", "k3"]) {
    steps.push(g.command(["SADD", key, ...g.times(6, () => g.field())]));
  }
  return steps;
}

/** A deadline that really passes; afterwards the key must be gone for everyone. */
function expiring(g: Generator): Step[] {
  const key = g.anyKey();
  const short = String(g.chance.between(1, 4));
  const begin = g.chance.pick([
    ["SET", key, g.value(), "PX", short],
    ["PSETEX", key, short, g.value()],
    ["PEXPIRE", key, short],
    ["GETEX", key, "PX", short],
  ]);
  const after = g.chance.pick([
    ["GET", key],
    ["TTL", key],
    ["TYPE", key],
    ["DEL", key],
    ["SADD", key, g.field()],
    ["HSET", key, g.field(), g.value()],
    ["ZADD", key, "1", g.field()],
    ["ZINCRBY", key, "1", g.field()],
    ["APPEND", key, g.value()],
    ["SETNX", key, g.value()],
    ["RENAME", key, g.anyKey()],
    ["PERSIST", key],
    ["COPY", key, g.anyKey()],
  ]);
  // GETEX answers before the deadline, PEXPIRE as well: neither reply depends on the time that passes.
  const first = g.command(begin);
  return [
    first,
    { kind: "sleep", ms: 25 },
    g.command(after),
    g.command(["EXISTS", key]),
    g.command(["TTL", key], seconds),
  ];
}

const encodings: Record<string, readonly string[]> = {
  string: ["int", "embstr", "raw"],
  hash: ["listpack", "hashtable"],
  set: ["intset", "hashtable"],
  zset: ["listpack", "skiplist"],
  list: ["quicklist"],
  stream: ["stream"],
};

const knownEncoding: Expectation = {
  kind: "property",
  check: (reference, subject, before) => {
    if (isError(reference) || isNull(reference)) return sameBytes(reference, subject);
    const type = textOf(before?.reference)?.toString() ?? "";
    const encoding = textOf(subject)?.toString() ?? "";
    return subject.type === "$" && (encodings[type] ?? []).includes(encoding)
      ? null
      : `${encoding} is no encoding of a ${type}`;
  },
};

function integerFrom(low: number): Expectation {
  return {
    kind: "property",
    check: (reference, subject) => {
      if (reference.type !== ":") return sameBytes(reference, subject);
      return subject.type === ":" && Number(textOf(subject)) >= low ? null : "not such an integer";
    },
  };
}

function sameBytes(reference: Reply, subject: Reply): string | null {
  return reference.raw.equals(subject.raw) ? null : "the replies differ";
}
