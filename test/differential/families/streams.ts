/**
 * Streams: every command and option of Redis 7.0's family, those that block with something to give or nearly no time.
 *
 * Ids are mostly explicit and ascend through the whole run, so that adding succeeds; generated ones go to a key of their own, since
 * they tell the time. What is trimmed roughly has a key of its own too: there nodes are full by the number of their entries. What tells a time, or how Redis' radix tree looks, is left out of comparisons.
 */
import type { Reply } from "../../support/resp.ts";
import { BAD_NUMBERS, type Generator, latin1, type Spec } from "../generator.ts";
import type { Expectation, Step } from "../step.ts";

const KEYS = ["x1", "x2", "x3", "x4"];
const GROUPS = ["g1", "g2", "g\xff"];
const CONSUMERS = ["ann", "bob", "cid"];

/** The milliseconds of the last id that a run added. */
const lastMs = new WeakMap<Generator, number>();

function key(g: Generator): Buffer {
  if (g.chance.happens(0.04)) return g.anyKey();
  return latin1(g.chance.pick(KEYS));
}

function group(g: Generator): Buffer {
  return latin1(g.chance.happens(0.97) ? g.chance.pick(GROUPS) : "nobody");
}

function consumer(g: Generator): string {
  return g.chance.pick(CONSUMERS);
}

/** An id near the last one; seldom one that is none. */
function someId(g: Generator): string {
  const last = lastMs.get(g) ?? 1;
  const dice = g.chance.below(100);
  const ms = Math.max(0, last - g.chance.below(40));
  if (dice < 40) return String(ms);
  if (dice < 85) return `${ms}-${g.chance.below(3)}`;
  if (dice < 97) return g.chance.pick(["0", "0-0", "0-1", `${last}-5`, "18446744073709551615-1"]);
  return g.chance.pick([...BAD_NUMBERS, "1-", "-1", "1-1-1", "18446744073709551616", "*", "1-*"]);
}

/** One behind all that were added so far. */
function nextId(g: Generator): string {
  const last = (lastMs.get(g) ?? 1) + g.chance.between(0, 2);
  lastMs.set(g, last + 1);
  const form = g.chance.below(10);
  if (form < 4) return `${last + 1}`;
  return form < 8 ? `${last + 1}-${g.chance.below(3)}` : `${last + 1}-*`;
}

function ids(g: Generator, most: number): string[] {
  return g.times(g.chance.between(1, most), () => someId(g));
}

function from(g: Generator): string {
  return g.chance.happens(0.5) ? "-" : `${g.chance.happens(0.3) ? "(" : ""}${someId(g)}`;
}

function upTo(g: Generator): string {
  return g.chance.happens(0.5) ? "+" : `${g.chance.happens(0.3) ? "(" : ""}${someId(g)}`;
}

function pairs(g: Generator): (string | Buffer)[] {
  return g.times(g.chance.between(1, 3), () => [g.field(), g.value()]).flat();
}

function count(g: Generator, share = 0.5): string[] {
  return g.chance.happens(share) ? [g.use("COUNT"), String(g.chance.between(-1, 6))] : [];
}

/** Roughly, only where the length of what is in the stream does not decide what a node is. */
function trimming(g: Generator, how: "" | "=" | "~"): string[] {
  const by = g.chance.pick(["MAXLEN", "MINID"]);
  const limit =
    how === "~" && g.chance.happens(0.3) ? [g.use("LIMIT"), String(g.chance.between(0, 300))] : [];
  const most = how === "~" ? 250 : 30;
  const bound = by === "MAXLEN" ? String(g.chance.between(0, most)) : someId(g);
  return [g.use(by), ...(how === "" ? [] : [how]), bound, ...limit];
}

function minIdle(g: Generator): string {
  return g.chance.happens(0.7) ? "0" : g.chance.pick(["5000000", "-1", "abc"]);
}

/** A stream that has a group, and mostly something that the group has not been given. */
function furnished(g: Generator, of: Buffer, its: Buffer): Step[] {
  const steps: Step[] = [];
  if (g.chance.happens(0.7)) steps.push(g.command(["XADD", of, nextId(g), ...pairs(g)]));
  if (g.chance.happens(0.5)) steps.push(g.command(["XGROUP", "CREATE", of, its, "0", "MKSTREAM"]));
  return steps;
}

/** Some of the stream is pending for somebody in the group. */
function delivered(g: Generator, of: Buffer, its: Buffer): Step[] {
  const steps = furnished(g, of, its);
  if (g.chance.happens(0.7))
    steps.push(
      g.command(["XREADGROUP", "GROUP", its, consumer(g), "COUNT", "3", "STREAMS", of, ">"]),
    );
  return steps;
}

/** The replies are the same but for times and the shape of a tree. */
function alike(hide: (text: string) => string): Expectation {
  const shown = ({ raw }: Reply): string => hide(raw.toString("latin1"));
  return {
    kind: "property",
    check: (reference, subject) =>
      shown(reference) === shown(subject) ? null : "the replies differ, times aside",
  };
}

const ID = /\$\d+\r\n\d+-\d+\r\n/.source;
const pendingTimes = new RegExp(`(\\*4\\r\\n${ID}\\$3\\r\\n\\w{3}\\r\\n):\\d+`, "g");
const withoutIdle = alike((text) => text.replaceAll(pendingTimes, "$1:idle"));
const withoutConsumerIdle = alike((text) => text.replaceAll(/(\r\nidle\r\n):\d+/g, "$1:idle"));
/** Of XINFO STREAM. */
export const withoutTimes: Expectation = alike((text) =>
  text
    .replaceAll(/(radix-tree-(?:keys|nodes)\r\n):\d+/g, "$1:…")
    .replaceAll(/:1\d{12}\r\n/g, ":time\r\n"),
);

const isGenerated: Expectation = {
  kind: "property",
  check: (reference, subject) =>
    [reference, subject].every(({ raw }) => /^\$\d+\r\n\d{13}-\d+\r\n$/.test(raw.toString()))
      ? null
      : "no ids of now",
};

export const streams: readonly Spec[] = [
  {
    name: "XADD",
    weight: 30,
    options: ["NOMKSTREAM", "MAXLEN", "MINID"],
    make: (g) => {
      const options = [
        ...g.maybe("NOMKSTREAM", 0.15),
        ...(g.chance.happens(0.4) ? trimming(g, g.chance.pick(["", "="])) : []),
      ];
      const id = g.chance.happens(0.9) ? nextId(g) : someId(g);
      return [g.command(["XADD", key(g), ...options, id, ...pairs(g)])];
    },
  },
  {
    name: "-ids that XADD generates",
    spoil: false,
    queueable: false,
    make: (g) => [
      g.command(["XADD", "generated", "*", ...pairs(g)], isGenerated),
      g.command(["XLEN", "generated"]),
      g.command(["DEL", "generated"]),
    ],
  },
  { name: "XLEN", weight: 5, make: (g) => [g.command(["XLEN", key(g)])] },
  ...["XRANGE", "XREVRANGE"].map((name): Spec => ({
    name,
    weight: 8,
    options: ["COUNT"],
    make: (g) => {
      const bounds = name === "XRANGE" ? [from(g), upTo(g)] : [upTo(g), from(g)];
      return [g.command([name, key(g), ...bounds, ...count(g)])];
    },
  })),
  {
    name: "-streams trimmed roughly",
    weight: 6,
    options: ["MAXLEN", "MINID", "LIMIT"],
    spoil: false,
    make: (g) => {
      const add = (): Step => g.command(["XADD", "rough", nextId(g), "field", "value"]);
      const adds = g.times(g.chance.between(1, 40), add);
      const words = trimming(g, "~");
      if (g.chance.happens(0.5)) return [...adds, g.command(["XTRIM", "rough", ...words])];
      return [...adds, g.command(["XADD", "rough", ...words, nextId(g), "field", "value"])];
    },
  },
  { name: "XDEL", weight: 8, make: (g) => [g.command(["XDEL", key(g), ...ids(g, 4)])] },
  {
    name: "XTRIM",
    options: ["MAXLEN", "MINID"],
    make: (g) => [g.command(["XTRIM", key(g), ...trimming(g, g.chance.pick(["", "="]))])],
  },
  {
    name: "XSETID",
    weight: 8,
    options: ["ENTRIESADDED", "MAXDELETEDID"],
    make: (g) => {
      const options: string[] = [];
      if (g.chance.happens(0.4))
        options.push(g.use("ENTRIESADDED"), String(g.chance.between(-1, 300)));
      if (g.chance.happens(0.4)) options.push(g.use("MAXDELETEDID"), someId(g));
      const id = g.chance.happens(0.8) ? nextId(g).replace("-*", "-1") : someId(g);
      return [g.command(["XSETID", key(g), id, ...options])];
    },
  },
  {
    name: "XREAD",
    weight: 15,
    options: ["COUNT", "BLOCK"],
    spoil: false,
    make: (g) => {
      const keys = g.times(g.chance.between(1, 3), () => key(g));
      const block = g.chance.happens(0.3) ? [g.use("BLOCK"), g.chance.pick(["1", "2", "-1"])] : [];
      const after = keys.map(() => (g.chance.happens(0.1) ? "$" : someId(g)));
      const options = g.chance.shuffled([count(g), block]).flat();
      return [g.command(["XREAD", ...options, "STREAMS", ...keys, ...after])];
    },
  },
  {
    name: "XGROUP CREATE",
    weight: 15,
    options: ["MKSTREAM", "ENTRIESREAD"],
    make: (g) => {
      const id = g.chance.happens(0.4) ? g.chance.pick(["$", "0", "-"]) : someId(g);
      const read = g.chance.happens(0.3)
        ? [g.use("ENTRIESREAD"), String(g.chance.between(-2, 20))]
        : [];
      const [of, its] = [key(g), group(g)];
      const before = g.chance.happens(0.6) ? [g.command(["XGROUP", "DESTROY", of, its])] : [];
      return [
        ...before,
        g.command(["XGROUP", "CREATE", of, its, id, ...g.maybe("MKSTREAM"), ...read]),
      ];
    },
  },
  {
    name: "XGROUP SETID",
    options: ["ENTRIESREAD"],
    make: (g) => {
      const [of, its] = [key(g), group(g)];
      const id = g.chance.happens(0.4) ? g.chance.pick(["$", "0", "-", "+"]) : someId(g);
      const read = g.chance.happens(0.3)
        ? [g.use("ENTRIESREAD"), String(g.chance.between(-2, 20))]
        : [];
      return [...furnished(g, of, its), g.command(["XGROUP", "SETID", of, its, id, ...read])];
    },
  },
  {
    name: "XGROUP DESTROY",
    weight: 4,
    make: (g) => [g.command(["XGROUP", "DESTROY", key(g), group(g)])],
  },
  ...["CREATECONSUMER", "DELCONSUMER"].map((name): Spec => ({
    name: `XGROUP ${name}`,
    weight: 6,
    make: (g) => {
      const [of, its] = [key(g), group(g)];
      return [...furnished(g, of, its), g.command(["XGROUP", name, of, its, consumer(g)])];
    },
  })),
  {
    name: "XREADGROUP",
    weight: 20,
    options: ["COUNT", "BLOCK", "NOACK"],
    spoil: false,
    make: (g) => {
      const its = group(g);
      const keys = g.times(g.chance.pick([1, 1, 1, 2]), () => key(g));
      const block = g.chance.happens(0.2) ? [g.use("BLOCK"), g.chance.pick(["1", "2"])] : [];
      const options = g.chance.shuffled([count(g), block, g.maybe("NOACK", 0.2)]).flat();
      const after = keys.map(() => (g.chance.happens(0.75) ? ">" : someId(g)));
      const words = ["GROUP", its, consumer(g), ...options, "STREAMS", ...keys, ...after];
      return [...keys.flatMap((of) => furnished(g, of, its)), g.command(["XREADGROUP", ...words])];
    },
  },
  {
    name: "XACK",
    weight: 8,
    make: (g) => {
      const [of, its] = [key(g), group(g)];
      return [...delivered(g, of, its), g.command(["XACK", of, its, ...ids(g, 5)])];
    },
  },
  {
    name: "XPENDING",
    weight: 12,
    options: ["IDLE"],
    make: (g) => {
      const [of, its] = [key(g), group(g)];
      const idle = g.chance.happens(0.3)
        ? [g.use("IDLE"), g.chance.pick(["0", "5000000", "abc"])]
        : [];
      const range = [...idle, from(g), upTo(g), String(g.chance.between(-1, 9))];
      const whose = g.chance.happens(0.4) ? [g.chance.pick([...CONSUMERS, "nobody"])] : [];
      const rest = g.chance.happens(0.3) ? [] : [...range, ...whose];
      return [...delivered(g, of, its), g.command(["XPENDING", of, its, ...rest], withoutIdle)];
    },
  },
  {
    name: "XCLAIM",
    weight: 12,
    options: ["IDLE", "TIME", "RETRYCOUNT", "FORCE", "JUSTID", "LASTID"],
    make: (g) => {
      const [of, its] = [key(g), group(g)];
      const words: string[][] = [g.maybe("FORCE", 0.3), g.maybe("JUSTID", 0.3)];
      if (g.chance.happens(0.2)) words.push([g.use("IDLE"), g.chance.pick(["9000000", "-5", "x"])]);
      if (g.chance.happens(0.2)) words.push([g.use("TIME"), g.chance.pick(["5", "-1", "1.5"])]);
      if (g.chance.happens(0.3))
        words.push([g.use("RETRYCOUNT"), g.chance.pick(["0", "7", "-1", "x"])]);
      if (g.chance.happens(0.25)) words.push([g.use("LASTID"), someId(g)]);
      const rest = [minIdle(g), ...ids(g, 4), ...g.chance.shuffled(words).flat()];
      return [
        ...delivered(g, of, its),
        g.command(["XCLAIM", of, its, consumer(g), ...rest]),
        g.command(["XPENDING", of, its, "-", "+", "9"], withoutIdle),
      ];
    },
  },
  {
    name: "XAUTOCLAIM",
    weight: 10,
    options: ["COUNT", "JUSTID"],
    make: (g) => {
      const [of, its] = [key(g), group(g)];
      const words = g.chance.shuffled([count(g, 0.6), g.maybe("JUSTID", 0.3)]).flat();
      const rest = [minIdle(g), from(g), ...words];
      return [
        ...delivered(g, of, its),
        g.command(["XAUTOCLAIM", of, its, consumer(g), ...rest]),
        g.command(["XPENDING", of, its]),
      ];
    },
  },
  {
    name: "XINFO STREAM",
    options: ["FULL", "COUNT"],
    make: (g) => {
      const full = g.chance.happens(0.6) ? [g.use("FULL"), ...count(g)] : [];
      return [g.command(["XINFO", "STREAM", key(g), ...full], withoutTimes)];
    },
  },
  { name: "XINFO GROUPS", weight: 6, make: (g) => [g.command(["XINFO", "GROUPS", key(g)])] },
  {
    name: "XINFO CONSUMERS",
    weight: 6,
    make: (g) => {
      const [of, its] = [key(g), group(g)];
      return [
        ...furnished(g, of, its),
        g.command(["XINFO", "CONSUMERS", of, its], withoutConsumerIdle),
      ];
    },
  },
  {
    name: "-streams as keys",
    weight: 6,
    make: (g) => [
      g.command(
        g.chance.pick([
          ["DEL", key(g)],
          ["COPY", key(g), key(g), "REPLACE"],
          ["RENAME", key(g), key(g)],
          ["TYPE", key(g)],
          ["EXPIRE", key(g), g.deadline("EX").arg],
        ]),
      ),
    ],
  },
];
