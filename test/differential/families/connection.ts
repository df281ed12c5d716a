/**
 * Connection: what a client says about itself and asks about the server: HELLO, CLIENT, COMMAND, CONFIG GET, SELECT, RESET.
 *
 * Invariant: what belongs to one server (ids, addresses, versions, times) is checked for its shape; the rest exactly.
 */
import { isError, itemsOf, textOf, type Reply } from "../../support/resp.ts";
import type { Generator, Spec } from "../generator.ts";
import { sameType, unordered, unorderedPairs, type Expectation } from "../step.ts";
import { inScope } from "./scope.ts";

export const connectionCommands: readonly Spec[] = [
  {
    name: "PING",
    make: (g) => [g.command(["PING", ...(g.chance.happens(0.5) ? [g.value()] : [])])],
  },
  { name: "ECHO", make: (g) => [g.command(["ECHO", g.value()])] },
  {
    name: "HELLO",
    weight: 17,
    options: ["2", "3", "AUTH", "SETNAME"],
    spoil: false,
    queueable: false,
    make: (g) => hello(g),
  },
  {
    name: "AUTH",
    weight: 4,
    spoil: false,
    make: (g) => [
      g.command([
        "AUTH",
        ...g.chance.pick([["x"], ["default", "x"], ["nobody", "x"], [], ["a", "b", "c"]]),
      ]),
    ],
  },
  { name: "SELECT", weight: 10, make: (g) => [g.command(["SELECT", g.database()])] },
  {
    name: "RESET",
    weight: 4,
    spoil: false,
    queueable: false,
    make: (g) => {
      const inside = g.chance.happens(0.3) ? [g.command(["MULTI"]), ...g.queued(1)] : [];
      const watching = g.chance.happens(0.3) ? [g.command(["WATCH", g.anyKey()])] : [];
      const back = g.connection >= 2 ? [g.command(["HELLO", "3"], helloReply)] : [];
      return [
        ...watching,
        ...inside,
        g.command(["RESET"]),
        ...back,
        g.command(["SELECT", g.chance.below(4)]),
      ];
    },
  },
  { name: "CLIENT ID", weight: 4, make: (g) => [g.command(["CLIENT", "ID"], integer)] },
  { name: "CLIENT GETNAME", weight: 5, make: (g) => [g.command(["CLIENT", "GETNAME"])] },
  {
    name: "CLIENT SETNAME",
    weight: 5,
    make: (g) => [
      g.command([
        "CLIENT",
        "SETNAME",
        g.chance.pick(["worker", "a-b", "", "with space", "new\nline", "é", "~"]),
      ]),
    ],
  },
  {
    name: "CLIENT SETINFO",
    weight: 6,
    queueable: false,
    spoil: false,
    options: ["LIB-NAME", "LIB-VER"],
    make: (g) => [
      g.command(
        ["CLIENT", "SETINFO", g.use(g.chance.pick(["LIB-NAME", "LIB-VER"])), "1.0"],
        okOrSame,
      ),
    ],
  },
  {
    name: "CLIENT INFO",
    weight: 4,
    spoil: false,
    queueable: false,
    make: (g) => [g.command(["CLIENT", "INFO"], clientInfo)],
  },
  {
    name: "CLIENT NO-EVICT",
    weight: 6,
    options: ["ON", "OFF"],
    make: (g) => [
      g.command([
        "CLIENT",
        "NO-EVICT",
        g.chance.happens(0.95) ? g.use(g.chance.pick(["ON", "OFF"])) : "maybe",
      ]),
    ],
  },
  {
    name: "CLIENT HELP",
    weight: 3,
    spoil: false,
    make: (g) => [g.command(["CLIENT", "HELP"], sameType)],
  },
  {
    name: "COMMAND COUNT",
    weight: 3,
    spoil: false,
    make: (g) => [g.command(["COMMAND", "COUNT"], integer)],
  },
  {
    name: "COMMAND INFO",
    weight: 4,
    spoil: false,
    make: (g) => [
      g.command(
        ["COMMAND", "INFO", ...g.times(g.chance.between(1, 3), () => someCommand(g, true))],
        commandInfo,
      ),
    ],
  },
  {
    name: "COMMAND DOCS",
    weight: 4,
    spoil: false,
    make: (g) => [g.command(["COMMAND", "DOCS", someCommand(g, false)], docs)],
  },
  {
    name: "COMMAND LIST",
    weight: 5,
    options: ["FILTERBY PATTERN"],
    spoil: false,
    make: (g) => [
      g.chance.happens(0.5)
        ? g.command(["COMMAND", "LIST"], everyCommand)
        : g.command(
            [
              "COMMAND",
              "LIST",
              ...g.use("FILTERBY PATTERN").split(" "),
              g.chance.pick(["hi*", "sinter*", "g?t", "SETNX"]),
            ],
            unordered,
          ),
    ],
  },
  {
    name: "COMMAND GETKEYS",
    weight: 4,
    spoil: false,
    make: (g) => [
      g.command([
        "COMMAND",
        "GETKEYS",
        ...g.chance.pick([
          ["GET", "a"],
          ["MSET", "a", "1", "b", "2"],
          ["SINTERCARD", "2", "a", "b"],
          ["SINTERCARD", "2", "a", "b", "LIMIT", "1"],
          ["SINTERCARD", "0", "a"],
          ["SUNIONSTORE", "d", "a", "b"],
          ["COPY", "a", "b"],
          ["OBJECT", "ENCODING", "k"],
          ["LCS", "a", "b", "IDX"],
          ["PING"],
          ["GET"],
          ["NOSUCH", "a"],
          ["DEL", "a", "b", "c"],
        ]),
      ]),
    ],
  },
  {
    name: "CONFIG GET",
    weight: 4,
    spoil: false,
    make: (g) => [
      g.command(
        [
          "CONFIG",
          "GET",
          ...g.chance.pick([
            ["maxmemory"],
            ["maxmemory-policy"],
            ["databases"],
            ["no-such-parameter"],
            ["maxmemory-pol*", "databases"],
            ["DATABASES"],
          ]),
        ],
        unorderedPairs,
      ),
    ],
  },
  { name: "TIME", weight: 4, make: (g) => [g.command(["TIME"], aboutNow)] },
  {
    name: "-unknown commands",
    weight: 8,
    spoil: false,
    make: (g) => [
      g.command(
        g.chance.pick([
          ["NOSUCH"],
          ["nosuch", g.value(), g.value()],
          ["G\x00T", "a"],
          ["", "a"],
          ["GET ", "a"],
          ["X".repeat(200), "y".repeat(300), "z"],
          ["CLIENT", "NOSUCH"],
          ["CLIENT"],
          ["OBJECT", "nosuch", "k"],
          ["COMMAND", "NOSUCH"],
          ["CONFIG", "NOSUCH", "a"],
          ["CONFIG", "GET"],
          ["CLIENT", "ID", "extra"],
          ["CLIENT", "SETNAME"],
          ["OBJECT", "ENCODING"],
          ["NO\r\nSUCH", "cr\r\nlf"],
        ]),
      ),
    ],
  },
];

function hello(g: Generator) {
  const restore = g.command(["HELLO", g.connection < 2 ? "2" : "3"], helloReply);
  const dice = g.chance.below(10);
  if (dice < 4)
    return [
      g.command(["HELLO", g.use(g.chance.pick(["2", "3"]))], helloReply),
      ...g.queued(3),
      restore,
    ];
  if (dice < 5) return [g.command(["HELLO"], helloReply)];
  if (dice < 7) {
    const args = ["HELLO", g.use("3"), g.use("SETNAME"), g.chance.pick(["me", "a b", ""])];
    return [g.command(args, helloReply), restore];
  }
  if (dice < 9) {
    const user = g.chance.pick(["default", "nobody"]);
    return [g.command(["HELLO", g.use("2"), g.use("AUTH"), user, "x"], helloReply), restore];
  }
  const wrong = g.chance.pick([
    ["1"],
    ["4"],
    ["abc"],
    ["3", "AUTH", "x"],
    ["3", "NOSUCH"],
    ["3", "SETNAME"],
    [""],
  ]);
  return [g.command(["HELLO", ...wrong], helloReply), restore];
}

const integer: Expectation = {
  kind: "property",
  check: (reference, subject) => {
    if (reference.type !== ":") return same(reference, subject);
    return subject.type === ":" && Number(textOf(subject)) > 0 ? null : "not a positive integer";
  },
};

/** Redis 7.0 does not know it, later ones answer OK; clients take either. */
const okOrSame: Expectation = {
  kind: "property",
  check: (reference, subject) =>
    subject.raw.toString("latin1") === "+OK\r\n" ? null : same(reference, subject),
};

/** The same keys in the same order; version and id are each server's own. */
export const helloReply: Expectation = {
  kind: "property",
  check: (reference, subject) => {
    if (isError(reference) || isError(subject)) return same(reference, subject);
    const [a, b] = [itemsOf(reference), itemsOf(subject)];
    if (reference.type !== subject.type || a.length !== b.length)
      return "the replies have different shapes";
    for (let i = 0; i + 1 < a.length; i += 2) {
      const [name, other] = [a[i], b[i]];
      if (name === undefined || other === undefined || !name.raw.equals(other.raw))
        return "other keys";
      const key = textOf(name)?.toString() ?? "";
      if (key === "version" || key === "id") {
        if (a[i + 1]?.type !== b[i + 1]?.type) return `another type for ${key}`;
      } else if (a[i + 1]?.raw.equals(b[i + 1]?.raw ?? Buffer.alloc(0)) !== true) {
        return `another ${key}`;
      }
    }
    return null;
  },
};

/** The fields that tools read are there, and those a client controls agree. */
const clientInfo: Expectation = {
  kind: "property",
  check: (reference, subject) => {
    if (reference.type !== subject.type) return "the replies are of different types";
    const [a, b] = [infoFields(reference), infoFields(subject)];
    for (const field of ["name", "db", "resp", "multi", "flags", "user", "cmd"]) {
      if (a.get(field) !== b.get(field)) {
        return `${field} is ${String(b.get(field))} instead of ${String(a.get(field))}`;
      }
    }
    for (const field of ["id", "addr", "laddr", "age", "idle"]) {
      if (!b.has(field)) return `${field} is missing`;
    }
    return null;
  },
};

function infoFields(reply: Reply): Map<string, string> {
  const line = (textOf(reply)?.toString("latin1") ?? "").trim();
  return new Map(
    line.split(" ").map((pair) => {
      const at = pair.indexOf("=");
      return [pair.slice(0, at).replace(/^txt:/, ""), pair.slice(at + 1)];
    }),
  );
}

/** Name, arity and key positions, and whether it writes. */
const commandInfo: Expectation = {
  kind: "property",
  check: (reference, subject) => {
    const [a, b] = [itemsOf(reference), itemsOf(subject)];
    if (a.length !== b.length) return "another number of commands";
    for (const [index, entry] of a.entries()) {
      const other = b[index];
      if (other === undefined || entry.type !== other.type) return "an entry of another type";
      for (const place of [0, 1, 3, 4, 5]) {
        const [mine, its] = [itemsOf(entry)[place], itemsOf(other)[place]];
        if (mine !== undefined && !mine.raw.equals(its?.raw ?? Buffer.alloc(0))) {
          return `place ${place} of an entry differs`;
        }
      }
      for (const flag of ["write", "readonly"]) {
        if (hasFlag(entry, flag) !== hasFlag(other, flag)) return `the flag ${flag} differs`;
      }
    }
    return null;
  },
};

function hasFlag(entry: Reply, flag: string): boolean {
  return itemsOf(itemsOf(entry)[2]).some((item) => textOf(item)?.toString() === flag);
}

/** A map from the name to a map that has at least a summary. */
const docs: Expectation = {
  kind: "property",
  check: (reference, subject) => {
    if (reference.type !== subject.type) return "the replies are of different types";
    const [a, b] = [itemsOf(reference), itemsOf(subject)];
    if (a.length !== b.length) return "another number of commands";
    if (a.length === 0) return null;
    if (a[0]?.raw.equals(b[0]?.raw ?? Buffer.alloc(0)) !== true) return "another name";
    const fields = itemsOf(b[1]).map((item) => textOf(item)?.toString());
    return fields.includes("summary") ? null : "there is no summary";
  },
};

const everyCommand: Expectation = {
  kind: "property",
  check: (reference, subject) => {
    if (reference.type !== subject.type) return "the replies are of different types";
    const listed = new Set(itemsOf(subject).map((item) => textOf(item)?.toString().toLowerCase()));
    const missing = inScope.filter((name) => !listed.has(name));
    return missing.length === 0 ? null : `it does not list ${missing.join(", ")}`;
  },
};

const aboutNow: Expectation = {
  kind: "property",
  check: (reference, subject) => {
    if (isError(reference)) return same(reference, subject);
    const [a, b] = [itemsOf(reference), itemsOf(subject)];
    if (reference.type !== subject.type || b.length !== 2) return "not two numbers";
    const [seconds, micros] = [Number(textOf(b[0])), Number(textOf(b[1]))];
    if (Math.abs(seconds - Number(textOf(a[0]))) > 5) return "the clocks are more than 5 s apart";
    return micros >= 0 && micros < 1_000_000 ? null : "the microseconds are out of range";
  },
};

function same(reference: Reply, subject: Reply): string | null {
  return reference.raw.equals(subject.raw) ? null : "the replies differ";
}

function someCommand(g: Generator, unknown: boolean): string {
  if (unknown && g.chance.happens(0.1)) return "nosuch";
  return g.chance.pick(inScope);
}
