/**
 * Expected: replies that are certain whatever else happens: an echo, and what a transaction reads of what it has just written.
 *
 * Invariant: what is expected depends on the operation alone, so it takes neither a history nor an oracle to find a reply wrong.
 */
import type { Chance } from "./chance.ts";
import type { Reply } from "./replies.ts";

/** As a reply, with undefined where anything will do. */
export type Expected = Reply | undefined | readonly Expected[];

interface Certain {
  readonly commands: string[][];
  /** What EXEC answers. */
  readonly answer: Expected;
}

const INT64_MAX = "9223372036854775807";

/** A transaction that writes and reads what it wrote. `name` gives a key of a prefix, `id` is a value nobody else writes. */
export function certain(
  chance: Chance,
  name: (prefix: string) => string,
  element: string,
  counter: string,
  id: string,
): Certain {
  const [k, s, h, x, b] = ["k", "s", "h", "x", "b"].map(name) as [
    string,
    string,
    string,
    string,
    string,
  ];
  const any = chance.pick([k, s, h, x]);
  const [queue, answer] = chance.pick<[string[][], Expected]>([
    [[`SET ${k} ${id}`, `GET ${k}`].map(words), ["OK", id]],
    [[`SET ${x} ${id}`, `GET ${x}`].map(words), ["OK", id]],
    [[`DEL ${any}`, `EXISTS ${any}`].map(words), [undefined, 0]],
    [[`SADD ${s} ${element}`, `SISMEMBER ${s} ${element}`].map(words), [undefined, 1]],
    [[`SREM ${s} ${element}`, `SISMEMBER ${s} ${element}`].map(words), [undefined, 0]],
    [[`HSET ${h} ${element} ${id}`, `HGET ${h} ${element}`].map(words), [undefined, id]],
    [[`HDEL ${h} ${counter}`, `HEXISTS ${h} ${counter}`].map(words), [undefined, 0]],
    [[`SET ${b} ${INT64_MAX}`, `INCR ${b}`, `GET ${b}`].map(words), ["OK", undefined, INT64_MAX]],
  ]);
  return { commands: [["MULTI"], ...queue, ["EXEC"]], answer };
}

function words(line: string): string[] {
  return line.split(" ");
}

/** Whether a reply is what was expected. */
export function fits(reply: Reply | undefined, expected: Expected): boolean {
  if (expected === undefined) return true;
  if (!Array.isArray(expected)) return reply === expected;
  return (
    Array.isArray(reply) &&
    reply.length === expected.length &&
    expected.every((each: Expected, i) => fits((reply as readonly Reply[])[i], each))
  );
}
