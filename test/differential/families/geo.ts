/**
 * Geo: every command and option of Redis 7.0's geo family.
 *
 * Positions are near Sicily or anywhere, and no two are alike: whoever is equally far may come in any order.
 */
import { BAD_NUMBERS, type Generator, latin1, type Spec } from "../generator.ts";

const KEYS = ["g1", "g2", "g3"];
const PLACES = ["Palermo", "Catania", "Enna", "Noto", "Gela", "Ragusa", "\xff", ""];

function geoKey(g: Generator): Buffer {
  const dice = g.chance.below(100);
  if (dice < 88) return latin1(g.chance.pick(KEYS));
  return dice < 96 ? g.key("zset") : g.anyKey();
}

function name(g: Generator): Buffer {
  return latin1(g.chance.pick(PLACES));
}

function position(g: Generator): string[] {
  const dice = g.chance.below(100);
  const between = (from: number, to: number): string =>
    String(g.chance.between(from * 1e6, to * 1e6) / 1e6);
  if (dice < 75) return [between(12, 16), between(36, 39)];
  if (dice < 92) return [between(-180, 180), between(-85, 85)];
  if (dice < 96)
    return [g.chance.pick(["180", "-180", "0"]), g.chance.pick(["85.05112878", "-85", "0"])];
  return [g.chance.pick([...BAD_NUMBERS, "181", "1e3"]), g.chance.pick(["86", "1", "abc"])];
}

function length(g: Generator): string {
  const dice = g.chance.below(100);
  if (dice < 90) return String(g.chance.pick([0.5, 1, 10, 30, 50, 100, 150, 200, 400, 1000]));
  if (dice < 96) return g.chance.pick(["0", "20000", "100000"]);
  return g.chance.pick([...BAD_NUMBERS, "-1"]);
}

function unit(g: Generator): string {
  return g.chance.happens(0.97) ? g.chance.pick(["km", "km", "km", "mi", "KM", "m", "ft"]) : "cm";
}

const SORTED = ["COUNT", "ANY", "ASC", "DESC"];
const SHOWN = ["WITHDIST", "WITHHASH", "WITHCOORD"];

/** ASC or DESC, and COUNT with or without ANY. */
function order(g: Generator): string[][] {
  const words: string[][] = [];
  if (g.chance.happens(0.6)) words.push([g.use(g.chance.pick(["ASC", "DESC"]))]);
  if (g.chance.happens(0.5)) {
    const most = g.chance.happens(0.9) ? String(g.chance.between(1, 5)) : g.index();
    const any = g.chance.happens(0.4) ? [g.use("ANY")] : [];
    words.push([g.use("COUNT"), most, ...any]);
  }
  return words;
}

function shown(g: Generator): string[][] {
  return SHOWN.filter(() => g.chance.happens(0.4)).map((word) => [g.use(word)]);
}

/** Where to search, in the words of GEOSEARCH. */
function area(g: Generator): (string | Buffer)[][] {
  const words: (string | Buffer)[][] = [];
  if (g.chance.happens(0.97))
    words.push(
      g.chance.happens(0.5)
        ? [g.use("FROMMEMBER"), name(g)]
        : [g.use("FROMLONLAT"), ...position(g)],
    );
  if (g.chance.happens(0.97))
    words.push(
      g.chance.happens(0.5)
        ? [g.use("BYRADIUS"), length(g), unit(g)]
        : [g.use("BYBOX"), length(g), length(g), unit(g)],
    );
  return words;
}

const AREA = ["FROMMEMBER", "FROMLONLAT", "BYRADIUS", "BYBOX"];

const radius = ["GEORADIUS", "GEORADIUS_RO", "GEORADIUSBYMEMBER", "GEORADIUSBYMEMBER_RO"].map(
  (command): Spec => {
    const stores = !command.endsWith("_RO");
    return {
      name: command,
      weight: stores ? 25 : 14,
      options: [...SORTED, ...SHOWN, ...(stores ? ["STORE"] : [])],
      make: (g) => {
        const center = command.includes("BYMEMBER") ? [name(g)] : position(g);
        const words = order(g);
        // The raw distance differs in its last digits, so STOREDIST is tried by a test of its own.
        if (stores && g.chance.happens(0.3))
          words.push([g.use("STORE"), destination(g).toString("latin1")]);
        else words.push(...shown(g));
        const where = [geoKey(g), ...center, length(g), unit(g)];
        return [g.command([command, ...where, ...g.chance.shuffled(words).flat()])];
      },
    };
  },
);

function destination(g: Generator): Buffer {
  return g.chance.happens(0.8) ? latin1(g.chance.pick(KEYS)) : g.anyKey();
}

export const geo: readonly Spec[] = [
  {
    name: "GEOADD",
    weight: 40,
    options: ["NX", "XX", "CH"],
    make: (g) => {
      const options: string[] = [];
      if (g.chance.happens(0.3)) options.push(g.use(g.chance.pick(["NX", "XX"])));
      options.push(...g.maybe("CH", 0.2));
      const places = g.times(g.chance.between(1, 4), () => [...position(g), name(g)]);
      return [g.command(["GEOADD", geoKey(g), ...options, ...places.flat()])];
    },
  },
  {
    name: "GEOPOS",
    make: (g) => [
      g.command(["GEOPOS", geoKey(g), ...g.times(g.chance.between(0, 4), () => name(g))]),
    ],
  },
  {
    name: "GEOHASH",
    make: (g) => [
      g.command(["GEOHASH", geoKey(g), ...g.times(g.chance.between(0, 4), () => name(g))]),
    ],
  },
  {
    name: "GEODIST",
    options: ["unit"],
    make: (g) => {
      const said = g.chance.happens(0.5) ? [g.use("unit") && unit(g)] : [];
      return [g.command(["GEODIST", geoKey(g), name(g), name(g), ...said])];
    },
  },
  ...radius,
  {
    name: "GEOSEARCH",
    weight: 25,
    options: [...AREA, ...SORTED, ...SHOWN],
    make: (g) => {
      const words = g.chance.shuffled([...area(g), ...order(g), ...shown(g)]);
      return [g.command(["GEOSEARCH", geoKey(g), ...words.flat()])];
    },
  },
  {
    name: "GEOSEARCHSTORE",
    weight: 20,
    options: [...AREA, ...SORTED],
    make: (g) => {
      const words = g.chance.shuffled([...area(g), ...order(g)]);
      return [g.command(["GEOSEARCHSTORE", destination(g), geoKey(g), ...words.flat()])];
    },
  },
];
