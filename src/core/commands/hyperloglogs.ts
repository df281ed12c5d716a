/**
 * HyperLogLogs: how many different elements were added, told from 16,384 registers.
 *
 * Invariant: to a reader a HyperLogLog is a string in Redis' own format; it is replicated as registers, of which the greater
 * always stays. A string that a client wrote in that format becomes one with the first addition. Counting writes nothing.
 */
import { NONE, STRING } from "../crdt/key.ts";
import { Addition } from "../hll/addition.ts";
import { Element } from "../hll/element.ts";
import { estimateRegisters, estimateText } from "../hll/estimate.ts";
import { HYPERLOGLOG, HyperLogLog } from "../hll/hyperloglog.ts";
import { selfTest } from "../hll/self-test.ts";
import {
  cachedCardinality,
  type Encoding,
  encodingOf,
  HEADER_BYTES,
  raiseRegisters,
  REGISTERS,
  zerosAt,
} from "../hll/text.ts";
import type { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { quote, WRONGTYPE } from "./errors.ts";
import type { Run } from "./run.ts";

const NO_HYPERLOGLOG = "WRONGTYPE Key is not a valid HyperLogLog string value.";
const CORRUPT = "INVALIDOBJ Corrupted HLL object detected";

/** What counting may come to is far below it; a header that a client wrote may tell anything. */
const REMEMBERED_MAX = 2 ** 48 - 1;

const element = new Element();
/** The registers of several keys, and of one of them. */
const merged = new Uint8Array(REGISTERS);
const own = new Uint8Array(REGISTERS);

/** How the HyperLogLog at a place is written, or null after the refusal was answered. The place must hold something. */
function encodingAt(place: Place, reply: Reply): Encoding | null {
  if (place.type !== STRING) {
    reply.error(WRONGTYPE);
    return null;
  }
  const encoding = encodingOf(place.value, place.valueStart, place.valueEnd);
  if (encoding === null) reply.error(NO_HYPERLOGLOG);
  return encoding;
}

/** The one generation that is seen at a place, or null when there are several, or none. */
function only(place: Place): HyperLogLog | null {
  const [generation, second] = place.generations;
  if (generation?.kind !== HYPERLOGLOG || second !== undefined) return null;
  return generation.state as HyperLogLog;
}

/** What is seen at a place, an empty one when there is nothing; null after the refusal was answered. */
function hyperLogLogAt(place: Place, reply: Reply): HyperLogLog | null {
  if (place.type === NONE) return new HyperLogLog();
  const encoding = encodingAt(place, reply);
  if (encoding === null) return null;
  const { value, valueStart, valueEnd } = place;
  const seen = only(place) ?? HyperLogLog.of(value, valueStart, valueEnd, encoding);
  if (seen === null) reply.error(CORRUPT);
  return seen;
}

/** Raises `registers` to those at a place; how they were written, or null after the refusal was answered. */
function raiseTo(registers: Uint8Array, place: Place, reply: Reply): Encoding | null {
  const encoding = encodingAt(place, reply);
  if (encoding === null) return null;
  const { value, valueStart, valueEnd } = place;
  if (raiseRegisters(registers, value, valueStart, valueEnd, encoding)) return encoding;
  reply.error(CORRUPT);
  return null;
}

function write(run: Run, place: Place, addition: Addition): void {
  if (place.type === NONE || place.kind === HYPERLOGLOG)
    return run.write.join(place, HYPERLOGLOG, addition.payload());
  const { deadline } = place;
  const whole = addition.whole();
  run.write.remove(place);
  run.lookAgain(place);
  run.write.join(place, HYPERLOGLOG, whole);
  if (deadline === Infinity) return;
  run.lookAgain(place);
  run.write.expire(place, deadline);
}

function pfadd(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  const seen = hyperLogLogAt(place, reply);
  if (seen === null) return;
  const addition = new Addition(seen, run.settings.hllSparseMaxBytes);
  for (let i = 2; i < args.count; i++) {
    element.read(args.bytes, args.start[i] as number, args.end[i] as number);
    addition.raise(element.index, element.run);
  }
  if (!addition.changes && place.type !== NONE) return reply.int(0);
  write(run, place, addition);
  reply.int(1);
}

function pfcount(run: Run, args: Args, reply: Reply): void {
  if (args.count > 2) return countUnion(run, args, reply);
  const place = run.look(args, 1);
  if (place.type === NONE) return reply.int(0);
  const encoding = encodingAt(place, reply);
  if (encoding === null) return;
  const { value, valueStart, valueEnd } = place;
  const known = cachedCardinality(value, valueStart);
  if (known !== null) return reply.int(known);
  const cardinality = estimateText(value, valueStart, valueEnd, encoding);
  if (cardinality === null) return reply.error(CORRUPT);
  only(place)?.remember(cardinality);
  reply.int(cardinality);
}

function countUnion(run: Run, args: Args, reply: Reply): void {
  merged.fill(0);
  for (let i = 1; i < args.count; i++) {
    const place = run.look(args, i);
    if (place.type !== NONE && raiseTo(merged, place, reply) === null) return;
  }
  reply.int(estimateRegisters(merged));
}

function pfmerge(run: Run, args: Args, reply: Reply): void {
  merged.fill(0);
  let dense = false;
  for (let i = 1; i < args.count; i++) {
    const place = run.look(args, i);
    if (place.type === NONE) continue;
    const encoding = raiseTo(merged, place, reply);
    if (encoding === null) return;
    if (encoding === "dense") dense = true;
  }
  const target = run.look(args, 1);
  const seen = hyperLogLogAt(target, reply);
  if (seen === null) return;
  own.fill(0);
  if (target.type !== NONE) raiseTo(own, target, reply);
  const addition = new Addition(seen, run.settings.hllSparseMaxBytes);
  if (dense) addition.makeDense();
  for (let i = 0; i < REGISTERS; i++) {
    const value = merged[i] as number;
    if (value > (own[i] as number)) addition.raise(i, value);
  }
  reply.ok();
  // A string that a client wrote may tell a count of its own: as a HyperLogLog it tells none.
  const tells =
    target.kind !== HYPERLOGLOG &&
    target.type !== NONE &&
    cachedCardinality(target.value, target.valueStart) !== null;
  if (addition.changes || target.type === NONE || tells) return write(run, target, addition);
  // Nothing new for the other regions; whoever watches the key is told, and the count is made anew, as in Redis.
  only(target)?.forget();
  run.keyspace.touch(target);
}

function pfdebug(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 2);
  if (place.type === NONE) return reply.error("ERR The specified key does not exist");
  const encoding = encodingAt(place, reply);
  if (encoding === null) return;
  if (args.is(1, "ENCODING")) return reply.status(encoding);
  if (args.is(1, "DECODE")) {
    if (encoding === "sparse") return reply.text(decoded(place));
    return reply.error("ERR HLL encoding is not sparse");
  }
  const showing = args.is(1, "GETREG");
  if (!showing && !args.is(1, "TODENSE"))
    return reply.error(`ERR Unknown PFDEBUG subcommand '${quote(args, 1, 128)}'`);
  own.fill(0);
  if (raiseTo(own, place, reply) === null) return;
  if (showing) {
    reply.array(REGISTERS);
    for (const value of own) reply.int(value);
  } else reply.int(encoding === "sparse" ? 1 : 0);
  if (encoding === "dense") return;
  const addition = new Addition(hyperLogLogAt(place, reply) as HyperLogLog, Infinity);
  addition.makeDense();
  const told = cachedCardinality(place.value, place.valueStart);
  write(run, place, addition);
  // No register has changed, so what the header told stands, as in Redis.
  run.lookAgain(place);
  if (typeof told === "number" && told <= REMEMBERED_MAX) only(place)?.remember(told);
}

/** The runs of a sparse form, as Redis writes them out. */
function decoded({ value, valueStart, valueEnd }: Place): string {
  const runs: string[] = [];
  for (let at = valueStart + HEADER_BYTES; at < valueEnd; at++) {
    const head = value[at] as number;
    if ((head & 0x80) !== 0) runs.push(`v:${((head >> 2) & 31) + 1},${(head & 3) + 1}`);
    else {
      runs.push(`${(head & 0x40) === 0 ? "z" : "Z"}:${zerosAt(value, at, valueEnd)}`);
      if ((head & 0x40) !== 0) at++;
    }
  }
  return runs.join(" ");
}

function pfselftest(run: Run, _args: Args, reply: Reply): void {
  const failure = selfTest(() => run.chance());
  if (failure === null) reply.ok();
  else reply.error(`TESTFAILED ${failure}`);
}

const common = { categories: ["hyperloglog"], group: "hyperloglog" } as const;

/** Every command on HyperLogLogs. */
export const hyperLogLogCommands: readonly Command[] = [
  {
    ...common,
    name: "pfadd",
    keyFlags: ["RW", "insert"],
    arity: -2,
    flags: ["write", "denyoom", "fast"],
    keys: [1, 1, 1],
    since: "2.8.9",
    complexity: "O(1) for each element",
    summary: "Adds elements to a HyperLogLog",
    run: pfadd,
  },
  {
    ...common,
    name: "pfcount",
    waitsWithWriters: true,
    keyFlags: ["RW", "access"],
    arity: -2,
    flags: ["readonly"],
    keys: [1, -1, 1],
    since: "2.8.9",
    complexity:
      "O(1) when nothing was added since the last time; O(N) for N keys, with a large constant",
    summary: "Estimates how many different elements were added, to one or to any of several",
    run: pfcount,
  },
  {
    ...common,
    name: "pfmerge",
    keyFlags: ["RW", "access", "insert"],
    laterKeyFlags: ["RO", "access"],
    arity: -2,
    flags: ["write", "denyoom"],
    keys: [1, -1, 1],
    since: "2.8.9",
    complexity: "O(N) for N keys, with a large constant",
    summary: "Adds to a HyperLogLog what others have seen",
    run: pfmerge,
  },
  {
    ...common,
    name: "pfdebug",
    keyFlags: ["RW", "access"],
    arity: 3,
    flags: ["write", "denyoom", "admin"],
    keys: [2, 2, 1],
    since: "2.8.9",
    complexity: "O(1), with a large constant",
    summary: "Shows and changes how a HyperLogLog is written",
    run: pfdebug,
  },
  {
    ...common,
    name: "pfselftest",
    arity: 1,
    flags: ["admin"],
    keys: [0, 0, 0],
    since: "2.8.9",
    complexity: "O(1), with a large constant",
    summary: "Tests the registers and the estimates",
    run: pfselftest,
  },
];
