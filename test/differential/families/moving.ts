/**
 * Moving and sorting: DUMP and RESTORE, SORT and SORT_RO.
 *
 * Invariant: a payload that is restored is one that both must read or both must refuse. What is sorted and whatever decides on
 * its order is made just before, without ties that Redis leaves to chance.
 */
import { Strings } from "../../../src/core/bytes/strings.ts";
import { decodePayload, encodePayload, isWhole } from "../../../src/core/rdb/payload.ts";
import type { Value } from "../../../src/core/rdb/value.ts";
import { isError, isNull, textOf, type Reply } from "../../support/resp.ts";
import type { Generator, Spec } from "../generator.ts";
import { exact, unordered, type Expectation, type Step } from "../step.ts";

const DECOMPRESSED_MAX = 1024 * 1024;

export const moving: readonly Spec[] = [
  {
    name: "DUMP",
    weight: 12,
    make: (g) => [g.command(["DUMP", g.anyKey()], sameContent)],
  },
  {
    name: "RESTORE",
    weight: 25,
    options: ["REPLACE", "ABSTTL", "IDLETIME", "FREQ"],
    make: (g) => {
      // Lists and sorted sets have a key of their own, so that they do not take those of others.
      const isOrdered = g.chance.happens(0.25);
      const key = isOrdered ? Buffer.from("restored") : g.anyKey();
      const options: string[][] = [];
      if (g.chance.happens(0.85)) options.push([g.use("REPLACE")]);
      const absolute = g.chance.happens(0.3);
      if (absolute) options.push([g.use("ABSTTL")]);
      const other = g.chance.below(8);
      if (other === 0)
        options.push([g.use("IDLETIME"), g.chance.pick(["0", "77", "77", "-1", "x"])]);
      if (other === 1) options.push([g.use("FREQ"), g.chance.pick(["0", "255", "8", "256", "x"])]);
      const ttl = g.chance.pick(["0", "0", "0", timeToLive(g, absolute), "-1", "x"]);
      const words = g.chance.shuffled(options).flat();
      const value = isOrdered ? ordered(g) : randomValue(g);
      return [
        g.command(["RESTORE", key, ttl, payload(g, value), ...words]),
        ...g.look(key),
        ...(isOrdered ? [g.command(["DUMP", key], sameContent)] : []),
      ];
    },
  },
  ...["SORT", "SORT_RO"].map((name): Spec => ({
    name,
    weight: 20,
    options: ["BY", "LIMIT", "GET", "ASC", "DESC", "ALPHA", ...(name === "SORT" ? ["STORE"] : [])],
    spoil: false,
    make: (g) => [
      // Redis takes a number out of range that it read long before for an error of this one, until it has read another.
      g.command(["INCRBYFLOAT", "sorted:0", 0]),
      ...(g.chance.happens(0.15) ? [g.command([name, g.anyKey()])] : sorted(g, name)),
    ],
  })),
];

/** Redis takes what ends beyond 64 bits for something that ended long ago; here it is refused. */
function timeToLive(g: Generator, absolute: boolean): string {
  const { arg } = g.deadline(absolute ? "PXAT" : "PX");
  return arg.startsWith("922337203685477") ? "0" : arg;
}

/** The same value on both servers, however its parts are ordered and packed. */
const sameContent: Expectation = {
  kind: "property",
  check: (reference, subject) => {
    if (isError(reference) || isNull(reference))
      return reference.raw.equals(subject.raw) ? null : "the replies differ";
    const mine = contentOf(reference);
    return mine !== null && mine === contentOf(subject) ? null : "the values differ";
  },
};

function contentOf(reply: Reply): string | null {
  const bytes = textOf(reply);
  if (bytes === null || !isWhole(bytes)) return null;
  const value = decodePayload(bytes, DECOMPRESSED_MAX);
  if (value === null) return null;
  const lines = (...columns: Strings[]): string[] =>
    Array.from({ length: columns[0]?.count ?? 0 }, (_, i) =>
      columns.map((column) => column.view(i).toString("hex")).join("="),
    );
  switch (value.type) {
    case "string":
      return `string ${value.value.toString("hex")}`;
    case "list":
      return `list ${lines(value.items).join(" ")}`;
    case "set":
      return `set ${lines(value.members).sort().join(" ")}`;
    case "hash":
      return `hash ${lines(value.fields, value.values).sort().join(" ")}`;
    case "zset":
      return `zset ${lines(value.members)
        .map((member, i) => `${member}=${String(value.scores[i])}`)
        .sort()
        .join(" ")}`;
    case "stream":
      return `stream ${value.ids.join(" ")} ${lines(value.pairs).join(" ")}`;
  }
}

/** Mostly right; else with a footer that is wrong, or with a value that nobody takes. */
function payload(g: Generator, value: Value): Buffer {
  const bytes = Buffer.from(encodePayload(value));
  const how = g.chance.below(30);
  if (how === 0) bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
  if (how === 1) return bytes.subarray(0, g.chance.below(bytes.length));
  if (how === 2) return encodePayload({ type: "set", members: new Strings() });
  return bytes;
}

function randomValue(g: Generator): Value {
  switch (g.chance.below(3)) {
    case 0:
      return { type: "string", value: g.value() };
    case 1:
      return { type: "set", members: stringsOf(fields(g)) };
    default: {
      const names = fields(g);
      const values = stringsOf(names.map(() => g.value()));
      return { type: "hash", fields: stringsOf(names), values };
    }
  }
}

function ordered(g: Generator): Value {
  if (g.chance.happens(0.5))
    return { type: "list", items: stringsOf(g.times(g.chance.between(1, 30), () => g.value())) };
  const members = stringsOf(fields(g));
  const scores = ["0", "1", "-1", "0.1", "1e300", "Infinity", "-Infinity", "17", "3.25", "1e21"];
  return {
    type: "zset",
    members,
    scores: g.times(members.count, () => Number(g.chance.pick(scores))),
  };
}

function fields(g: Generator): Buffer[] {
  const names = g.times(g.chance.between(1, 8), () => g.field());
  return [...new Map(names.map((name) => [name.toString("latin1"), name])).values()];
}

function stringsOf(items: readonly Buffer[]): Strings {
  const strings = new Strings();
  for (const item of items) strings.push(item, 0, item.length);
  return strings;
}

const ELEMENTS = ["1", "2", "3", "10", "-5", "2.5", "1e2", "0x10", " 7", "07", "inf", ""];
const WORDS = ["a", "b", "B", "aa", "ab", "z", "\xff", "a b", "10", "9"];

/** Makes a set, a sorted set or a list, and what its elements lead to, and sorts it. */
function sorted(g: Generator, name: string): Step[] {
  const { chance } = g;
  const alphabetic = chance.happens(0.5);
  const elements = chance.shuffled(alphabetic ? WORDS : ELEMENTS).slice(0, chance.between(1, 8));
  const weights = chance.shuffled(elements.map((_, i) => String(i * 3)));
  const pairs = elements.map((element, i): [string, string] => [element, weights[i] ?? ""]);
  const words: (string | Buffer)[] = [];
  if (alphabetic) words.push(g.use("ALPHA"));
  const by = chance.pick(["", "", "weight_*", "object_*->f", "weight_*->", "nosort", "#"]);
  const type = chance.pick(["set", "set", "zset", "list"]);
  const stores = name === "SORT" && chance.happens(0.3);
  if (stores) words.push(g.use("STORE"), chance.pick(["stored", "stored", "sorted"]));
  const isUnsorted = type === "set" && !stores && (by === "nosort" || by === "#");
  // Without weights elements tie, and which comes first is chance in Redis.
  if (by !== "" && !(alphabetic && by === "weight_*->")) words.push(g.use("BY"), by);
  if (chance.happens(0.3)) words.push(g.use(chance.pick(["ASC", "DESC"])));
  if (!isUnsorted && chance.happens(0.4)) {
    const limit = [chance.between(-1, 6), chance.between(-1, 6)].map(String);
    words.push(g.use("LIMIT"), ...(chance.happens(0.95) ? limit : ["x", "1"]));
  }
  const gets = chance.happens(0.5) ? chance.between(1, 3) : 0;
  for (let i = 0; i < gets; i++)
    words.push(
      g.use("GET"),
      chance.pick(["#", "weight_*", "object_*->f", "object_*->g", "none", "*"]),
    );
  return [
    g.command(["DEL", "sorted", ...elements.map((element) => `weight_${element}`)].map(latin1)),
    g.command(filling(type, elements).map(latin1)),
    g.command(
      ["MSET", ...pairs.flatMap(([element, weight]) => [`weight_${element}`, weight])].map(latin1),
    ),
    ...pairs.map(([element, weight]) =>
      g.command(["HSET", `object_${element}`, "f", weight].map(latin1)),
    ),
    g.command([name, "sorted", ...words], isUnsorted ? unordered : exact),
    ...(stores ? [g.command(["LRANGE", "stored", 0, -1])] : []),
  ];
}

function filling(type: string, elements: readonly string[]): string[] {
  if (type === "set") return ["SADD", "sorted", ...elements];
  if (type === "list") return ["RPUSH", "sorted", ...elements, ...elements.slice(0, 2)];
  return ["ZADD", "sorted", ...elements.flatMap((element, i) => [String(i % 3), element])];
}

function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1");
}
