/**
 * HyperLogLogs: every command of Redis 7.0's family, PFDEBUG included, and what else may happen to the strings they are. Not
 * PFSELFTEST, which keeps a Redis busy for seconds.
 */
import { type Generator, latin1, type Spec } from "../generator.ts";

export const hyperLogLogs: readonly Spec[] = [
  {
    name: "PFADD",
    weight: 40,
    make: (g) => {
      const count = g.chance.happens(0.1) ? g.chance.pick([200, 700]) : g.chance.between(0, 12);
      return [g.command(["PFADD", key(g), ...g.times(count, () => element(g))])];
    },
  },
  {
    name: "PFCOUNT",
    weight: 20,
    make: (g) => [g.command(["PFCOUNT", ...g.times(few(g), () => key(g))])],
  },
  {
    name: "PFMERGE",
    weight: 20,
    make: (g) => [g.command(["PFMERGE", ...g.times(few(g) + 1, () => key(g))])],
  },
  {
    name: "PFDEBUG",
    options: ["ENCODING", "DECODE", "TODENSE", "GETREG"],
    weight: 20,
    make: (g) => {
      const what = g.chance.pick(["ENCODING", "ENCODING", "DECODE", "TODENSE", "GETREG", "BOGUS"]);
      return [g.command(["PFDEBUG", what === "BOGUS" ? what : g.use(what), key(g)])];
    },
  },
  {
    name: "-hyperloglogs as strings",
    weight: 25,
    make: (g) => {
      const [one, other] = [key(g), key(g)];
      switch (g.chance.below(7)) {
        case 0:
          return [g.command(["DEL", one])];
        case 1:
          return [g.command(["COPY", one, other, "REPLACE"])];
        case 2:
          return [g.command(["EXPIRE", one, g.deadline("EX").arg])];
        case 3:
          return [g.command(["STRLEN", one])];
        case 4:
          return [g.command(["SET", one, g.chance.pick(foreign)])];
        case 5:
          return [
            g.command(["SET", "corrupt", g.chance.pick(corrupt)]),
            g.command(
              g.chance.pick([
                ["PFCOUNT", "corrupt"],
                ["PFCOUNT", one, "corrupt"],
                ["PFMERGE", one, "corrupt"],
                ["PFMERGE", "corrupt"],
                ["PFDEBUG", "TODENSE", "corrupt"],
              ]),
            ),
          ];
        default:
          return [g.command(["RENAME", one, other])];
      }
    },
  },
];

/** A header that tells no cardinality, and one that tells seven. */
const outOfDate = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80";
const seven = "\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00";

/** Strings that are HyperLogLogs, although no PFADD wrote them, or none at all. */
const foreign: readonly Buffer[] = [
  `HYLL\x01${outOfDate}\x7f\xff`,
  `HYLL\x01${seven}\x7f\xff`,
  `HYLL\x01${outOfDate}\x3f\x80\x84\x88\x7f\xbc`,
  `HYLL\x00${outOfDate}${"\x41\x10\x04".repeat(4096)}`,
  `HYLL\x02${outOfDate}\x7f\xff`,
  `HYLL\x00${outOfDate}\x7f\xff`,
  `HYLX\x01${outOfDate}\x7f\xff`,
  "HYLL",
].map(latin1);

/** Sparse registers that are too few or too many. PFADD alone may not be asked: Redis sees some of them, and not all. */
const corrupt: readonly Buffer[] = ["\x3f", "\x7f\xff\x80", "\x7f", "\x80", "\x7f\xfe\xff", ""].map(
  (registers) => latin1(`HYLL\x01${outOfDate}${registers}`),
);

function key(g: Generator): Buffer {
  if (g.chance.happens(0.04)) return g.anyKey();
  return Buffer.from(g.chance.pick(["p1", "p2", "p3", "p4", "p5"]));
}

function few(g: Generator): number {
  return g.chance.happens(0.5) ? 1 : g.chance.between(1, 4);
}

function element(g: Generator): string | Buffer {
  return g.chance.happens(0.1) ? g.value() : `element ${g.chance.below(5_000)}`;
}
