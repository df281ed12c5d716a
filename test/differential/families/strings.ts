/**
 * Strings: every command and option of Redis 7.0's string family, bit commands apart.
 *
 * Invariant: values stay small enough for LCS, which costs the product of two lengths; only the key `big` grows.
 */
import type { Generator, Spec } from "../generator.ts";
import type { Step } from "../step.ts";

export const strings: readonly Spec[] = [
  {
    name: "SET",
    weight: 40,
    options: ["EX", "PX", "EXAT", "PXAT", "KEEPTTL", "NX", "XX", "GET"],
    make: (g) => {
      const expiry = g.chance.pick([
        "EX",
        "PX",
        "EXAT",
        "PXAT",
        "KEEPTTL",
        "",
        "",
        "",
        "",
      ] as const);
      const condition = g.chance.pick(["NX", "XX", "", "", ""]);
      const options: string[][] = [];
      let past = false;
      if (expiry === "KEEPTTL") options.push([g.use(expiry)]);
      else if (expiry !== "") {
        const deadline = g.deadline(expiry);
        past = deadline.past;
        options.push([g.use(expiry), deadline.arg]);
      }
      if (condition !== "") options.push([g.use(condition)]);
      if (g.chance.happens(0.2)) options.push([g.use("GET")]);
      // Now and then two that exclude each other.
      if (g.chance.happens(0.02)) options.push([g.use("XX")], [g.use("NX")]);
      if (g.chance.happens(0.01)) options.push([g.use("EX"), "100000"]);
      const key = g.key("string");
      return lookingWhen(past, g, key, [
        "SET",
        key,
        g.value(),
        ...g.chance.shuffled(options).flat(),
      ]);
    },
  },
  { name: "GET", weight: 20, make: (g) => [g.command(["GET", g.key("string")])] },
  {
    name: "GETEX",
    options: ["EX", "PX", "EXAT", "PXAT", "PERSIST"],
    weight: 15,
    make: (g) => {
      const expiry = g.chance.pick(["EX", "PX", "EXAT", "PXAT", "PERSIST", ""] as const);
      const key = g.key("string");
      if (expiry === "") return [g.command(["GETEX", key])];
      if (expiry === "PERSIST") return [g.command(["GETEX", key, g.use(expiry)])];
      const { arg, past } = g.deadline(expiry);
      return lookingWhen(past, g, key, ["GETEX", key, g.use(expiry), arg]);
    },
  },
  { name: "GETDEL", make: (g) => [g.command(["GETDEL", g.key("string")])] },
  { name: "GETSET", make: (g) => [g.command(["GETSET", g.key("string"), g.value()])] },
  {
    name: "SETEX",
    make: (g) => [g.command(["SETEX", g.key("string"), g.deadline("EX").arg, g.value()])],
  },
  {
    name: "PSETEX",
    make: (g) => [g.command(["PSETEX", g.key("string"), g.deadline("PX").arg, g.value()])],
  },
  { name: "SETNX", make: (g) => [g.command(["SETNX", g.key("string"), g.value()])] },
  { name: "MSET", make: (g) => [g.command(["MSET", ...pairs(g)])] },
  { name: "MSETNX", make: (g) => [g.command(["MSETNX", ...pairs(g)])] },
  { name: "MGET", make: (g) => [g.command(["MGET", ...g.keys("string", 5)])] },
  { name: "APPEND", make: (g) => [g.command(["APPEND", g.key("string"), g.value()])] },
  { name: "STRLEN", make: (g) => [g.command(["STRLEN", g.key("string")])] },
  {
    name: "SETRANGE",
    make: (g) => {
      if (g.chance.happens(0.05)) {
        const offset = g.chance.pick(["20000", "60000", "536870912", "536870913", "4294967296"]);
        return [g.command(["SETRANGE", "big", offset, g.value()])];
      }
      const offset = g.chance.happens(0.8) ? String(g.chance.between(0, 40)) : g.index();
      return [g.command(["SETRANGE", g.key("string"), offset, g.value()])];
    },
  },
  {
    name: "GETRANGE",
    make: (g) => [g.command(["GETRANGE", g.key("string"), g.index(), g.index()])],
  },
  { name: "SUBSTR", make: (g) => [g.command(["SUBSTR", g.key("string"), g.index(), g.index()])] },
  { name: "INCR", weight: 15, make: (g) => [g.command(["INCR", number(g)])] },
  { name: "DECR", make: (g) => [g.command(["DECR", number(g)])] },
  { name: "INCRBY", weight: 15, make: (g) => [g.command(["INCRBY", number(g), g.integer()])] },
  { name: "DECRBY", make: (g) => [g.command(["DECRBY", number(g), g.integer()])] },
  {
    name: "INCRBYFLOAT",
    weight: 15,
    make: (g) => [g.command(["INCRBYFLOAT", number(g), g.float()])],
  },
  {
    name: "LCS",
    weight: 15,
    options: ["LEN", "IDX", "MINMATCHLEN", "WITHMATCHLEN"],
    make: (g) => {
      const how = g.chance.pick(["LEN", "IDX", "IDX", ""]);
      const options: string[][] = how === "" ? [] : [[g.use(how)]];
      if (how === "IDX" || g.chance.happens(0.1)) {
        if (g.chance.happens(0.5)) options.push([g.use("WITHMATCHLEN")]);
        if (g.chance.happens(0.5)) options.push([g.use("MINMATCHLEN"), g.index()]);
      }
      if (g.chance.happens(0.02)) options.push([g.use("LEN")], [g.use("IDX")]);
      const lcs = (): Step =>
        g.command(["LCS", "l1", g.chance.happens(0.9) ? "l2" : g.anyKey(), ...options.flat()]);
      if (g.chance.happens(0.3)) return [lcs()];
      const word = (): string =>
        g.times(g.chance.between(0, 30), () => g.chance.pick(["a", "b", "c", "d", "xy"])).join("");
      return [g.command(["MSET", "l1", word(), "l2", word()]), lcs()];
    },
  },
];

/** The command, and a look at the key when its deadline may be over already. */
function lookingWhen(past: boolean, g: Generator, key: Buffer, args: (Buffer | string)[]): Step[] {
  return [g.command(args), ...(past ? g.look(key) : [])];
}

/** Keys that mostly hold numbers, so that counting succeeds. */
function number(g: Generator): Buffer {
  if (g.chance.happens(0.75)) return Buffer.from(g.chance.pick(["n1", "n2", "n3", "n4"]));
  return g.key("string");
}

function pairs(g: Generator): Buffer[] {
  const list = g.keys("string", 4).flatMap((key) => [key, g.value()]);
  return g.chance.happens(0.03) ? list.slice(0, -1) : list;
}
