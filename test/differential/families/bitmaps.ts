/**
 * Bitmaps: every command and option of Redis 7.0's bitmap family.
 *
 * Invariant: positions that are written stay within 60 bytes, but for those of the key `big`: the longest string differs.
 */
import type { Generator, Spec } from "../generator.ts";

export const bitmaps: readonly Spec[] = [
  {
    name: "SETBIT",
    weight: 25,
    make: (g) => {
      const bit = g.chance.happens(0.95) ? String(g.chance.below(2)) : g.index();
      if (g.chance.happens(0.05)) {
        const far = g.chance.pick(["160000", "480000", "4294967296", "9223372036854775807"]);
        return [g.command(["SETBIT", "big", far, bit])];
      }
      return [g.command(["SETBIT", g.key("string"), position(g), bit])];
    },
  },
  { name: "GETBIT", make: (g) => [g.command(["GETBIT", g.key("string"), position(g)])] },
  {
    name: "BITCOUNT",
    weight: 15,
    options: ["BYTE", "BIT"],
    make: (g) => [g.command(["BITCOUNT", key(g), ...range(g, 0.8)])],
  },
  {
    name: "BITPOS",
    weight: 20,
    options: ["BYTE", "BIT"],
    make: (g) => {
      const bit = g.chance.happens(0.95) ? String(g.chance.below(2)) : g.index();
      if (g.chance.happens(0.2)) return [g.command(["BITPOS", key(g), bit, g.index()])];
      return [g.command(["BITPOS", key(g), bit, ...range(g, 0.8)])];
    },
  },
  {
    name: "BITOP",
    weight: 20,
    options: ["AND", "OR", "XOR", "NOT"],
    make: (g) => {
      const operation = g.use(g.chance.pick(["AND", "OR", "XOR", "NOT"]));
      const count = operation.toUpperCase() === "NOT" && g.chance.happens(0.95) ? 1 : 4;
      return [g.command(["BITOP", operation, g.key("string"), ...g.keys("string", count)])];
    },
  },
  {
    name: "BITFIELD",
    weight: 35,
    options: ["GET", "SET", "INCRBY", "OVERFLOW", "WRAP", "SAT", "FAIL"],
    make: (g) => {
      const operations = g.times(g.chance.between(0, 4), () => fieldOperation(g)).flat();
      return [g.command(["BITFIELD", g.key("string"), ...operations])];
    },
  },
  {
    name: "BITFIELD_RO",
    options: ["GET"],
    make: (g) => {
      const operations = g.times(g.chance.between(0, 3), () => [g.use("GET"), ...field(g)]).flat();
      if (g.chance.happens(0.05)) operations.push("SET", "u8", "0", "1");
      return [g.command(["BITFIELD_RO", g.key("string"), ...operations])];
    },
  },
];

function key(g: Generator): Buffer {
  return g.chance.happens(0.05) ? Buffer.from("big") : g.key("string");
}

function position(g: Generator): string {
  if (g.chance.happens(0.95)) return String(g.chance.between(0, 400));
  return g.chance.pick(["-1", "4294967296", "9223372036854775808", "abc", "", "#1", "1.0"]);
}

/** Two ends, and often a unit; now and then one end alone, or a unit that is none. */
function range(g: Generator, share: number): string[] {
  if (!g.chance.happens(share)) return g.chance.happens(0.1) ? [g.index()] : [];
  const unit = g.chance.pick(["BYTE", "BIT", "BIT", ""]);
  if (unit !== "BIT")
    return [g.index(), g.index(), ...(unit === "" ? [] : [g.use(unit)])].concat(
      g.chance.happens(0.02) ? ["NIBBLE"] : [],
    );
  const bit = (): string =>
    g.chance.happens(0.9) ? String(g.chance.between(-100, 300)) : g.index();
  return [bit(), bit(), g.use(unit)];
}

function fieldOperation(g: Generator): string[] {
  const dice = g.chance.below(10);
  if (dice < 2) return [g.use("OVERFLOW"), g.use(g.chance.pick(["WRAP", "SAT", "FAIL"]))];
  if (dice < 4) return [g.use("GET"), ...field(g)];
  return [g.use(g.chance.pick(["SET", "INCRBY"])), ...field(g), amount(g)];
}

function field(g: Generator): [type: string, offset: string] {
  const type = g.chance.happens(0.98)
    ? g.chance.pick(["i", "u"]) + String(g.chance.between(1, 63))
    : g.chance.pick(["i64", "u64", "i65", "i0", "u01", "x8", "8", "I8", "u", "u100"]);
  if (g.chance.happens(0.02))
    return ["u8", g.chance.pick(["#4611686018427387904", "#", "#-1", "-1", "##1", "4294967296"])];
  const counted = g.chance.happens(0.3);
  return [type, counted ? `#${g.chance.below(6)}` : String(g.chance.between(0, 300))];
}

function amount(g: Generator): string {
  const dice = g.chance.below(10);
  if (dice < 6) return String(g.chance.between(-300, 300));
  if (dice < 9) {
    // Near a power of two: the bounds of fields.
    const power = 2n ** BigInt(g.chance.below(63)) + BigInt(g.chance.between(-2, 1));
    return String(g.chance.happens(0.5) ? power : -power);
  }
  return g.integer();
}
