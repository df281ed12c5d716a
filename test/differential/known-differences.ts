/**
 * Known differences: where Atoll deliberately answers otherwise than Redis 7.0.15, and why.
 *
 * Invariant: an entry excuses exactly what it describes. A difference that no entry excuses is a bug of one of the two, and
 * an entry that no run meets any more is to be removed.
 */
import { AGREED_LATER, commandName, type Difference } from "./difference.ts";

export interface KnownDifference {
  /** Short and stable, in kebab-case; the report and the documentation refer to it. */
  id: string;
  /** What is called, in Redis's words. */
  command: string;
  redis: string;
  atoll: string;
  reason: string;
  excuses(difference: Difference): boolean;
}

/** The latest deadline that Atoll writes: 48 bits of milliseconds, whose last value means that there is none. */
const DEADLINE_MAX_MS = 2 ** 48 - 2;
/** How far the clocks of the two servers and of the comparison may be apart. */
const CLOCKS_MS = 60_000;

export const knownDifferences: readonly KnownDifference[] = [
  {
    id: "deadlines-end-in-10889",
    command: "EXPIRE PEXPIRE EXPIREAT PEXPIREAT SETEX PSETEX SET GETEX",
    redis: "keeps every deadline that 64 bits of milliseconds can hold",
    atoll:
      "moves deadlines beyond 10889-08-02T05:31:50.654Z to that time; TTL and its kin tell that time, and to GT and LT all of them are equal",
    reason: "a deadline has 48 bits in the log, in links and in memory",
    excuses: (difference) => isCapped(difference) || comparesCapped(difference),
  },
  {
    id: "expired-keys-are-counted-until-removed",
    command: "DBSIZE",
    redis: "removes an expired key when it is next touched, or when its own cycle finds it",
    atoll:
      "shows an expired key to no command from its deadline on, and removes it within a tick of about 50 ms (later while a region is away); DBSIZE counts it until then",
    reason:
      "a removal is a record like any other, made by one replica and applied by all; a command that only reads must not write",
    excuses: ({ step, reason }) =>
      reason === AGREED_LATER && step?.kind === "command" && commandName(step.args) === "DBSIZE",
  },
  {
    id: "counts-are-not-written-down",
    command: "PFCOUNT",
    redis: "writes the cardinality into the header of the string, for the next time",
    atoll:
      "remembers it where it was counted, and only while nothing is added, renamed or copied; nothing else of the string differs",
    reason: "a command that only reads must not write, least of all over what another region adds",
    excuses: ({ reference, subject }) =>
      !reference.equals(subject) && uncounted(reference).equals(uncounted(subject)),
  },
  {
    id: "zero-has-no-sign-in-a-sorted-set",
    command: "ZADD ZINCRBY",
    redis:
      "keeps the score -0 in sorted sets that are too large for a listpack, and makes it 0 in others",
    atoll: "makes it 0 in all of them",
    reason: "what a set holds does not depend on its size",
    excuses: ({ reference, subject }) =>
      !reference.equals(subject) && unsigned(reference) === unsigned(subject),
  },
];

/** A reply in which zero has no sign. */
function unsigned(frame: Buffer): string {
  return frame
    .toString("latin1")
    .replaceAll("$2\r\n-0\r\n", "$1\r\n0\r\n")
    .replaceAll("\r\n,-0\r\n", "\r\n,0\r\n");
}

/** A reply whose HyperLogLogs tell no cardinality. */
function uncounted(frame: Buffer): Buffer {
  const copy = Buffer.from(frame);
  for (let at = copy.indexOf("HYLL"); at >= 0; at = copy.indexOf("HYLL", at + 4))
    copy.fill(0, at + 8, Math.min(at + 16, copy.length));
  return copy;
}

/** A time far beyond the latest one here, which is that latest one there. */
function isCapped({ at, step, reason, reference, subject }: Difference): boolean {
  const name = step?.kind === "command" ? commandName(step.args) : "";
  const asked = at === "state" && reason.includes("the deadline of a key differs") ? "PTTL" : name;
  const unitMs = { PTTL: 1, PEXPIRETIME: 1, TTL: 1_000, EXPIRETIME: 1_000 }[asked];
  if (unitMs === undefined) return false;
  const base = asked.endsWith("TTL") ? Date.now() : 0;
  const [redis, atoll] = [integer(reference) * unitMs + base, integer(subject) * unitMs + base];
  return redis > DEADLINE_MAX_MS && Math.abs(atoll - DEADLINE_MAX_MS) < CLOCKS_MS;
}

/** EXPIRE and its kin with GT or LT, where both deadlines are the latest one here and are two there. */
function comparesCapped({ step, reference, subject }: Difference): boolean {
  if (step?.kind !== "command" || integer(reference) !== 1 || integer(subject) !== 0) return false;
  const [, , time, ...options] = step.args.map((arg) => arg.toString("latin1").toUpperCase());
  const name = commandName(step.args);
  const unitMs = { EXPIRE: 1_000, EXPIREAT: 1_000, PEXPIRE: 1, PEXPIREAT: 1 }[name];
  if (unitMs === undefined) return false;
  const deadline = Number(time) * unitMs + (name.endsWith("AT") ? 0 : Date.now());
  if (options.includes("LT")) return deadline >= DEADLINE_MAX_MS;
  return options.includes("GT") && deadline > DEADLINE_MAX_MS;
}

/** The integer in a reply; NaN for any other reply. */
function integer(frame: Buffer): number {
  const [, digits] = /^:(-?\d+)\r\n$/.exec(frame.toString("latin1")) ?? [];
  return digits === undefined ? Number.NaN : Number(digits);
}
