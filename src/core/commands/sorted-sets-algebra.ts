/**
 * Sorted set algebra: union, intersection and difference of sorted sets, and of sets, whose members all score 1.
 *
 * Invariant: every source is looked at, and refused if it is no set of either kind, before anything is written; a destination may be
 * one of the sources. Scores are combined in the order of the sets' sizes, so that sums are Redis' to the last digit.
 */
import { parseDouble } from "../bytes/double.ts";
import { Strings } from "../bytes/strings.ts";
import type { Cells } from "../crdt/cells.ts";
import { NONE, SET, ZSET } from "../crdt/key.ts";
import { scoreOf } from "../crdt/score.ts";
import { Entry, WALK_END } from "../keyspace/table.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command, Handler } from "./command.ts";
import { NOT_AN_INTEGER, SYNTAX, WRONGTYPE } from "./errors.ts";
import { roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";
import { replyMember, replyMembers, storeSorted } from "./sorted-sets-scores.ts";

/** The members of one source; null for a key that is not there. */
interface Source {
  readonly cells: Cells | null;
  readonly horizonMs: number;
  weight: number;
}

type Aggregate = (score: number, other: number) => number;

const sum: Aggregate = (score, other) => orZero(score + other);

/** How the scores of a member in several sources become one. */
const AGGREGATES: readonly (readonly [name: string, Aggregate])[] = [
  ["SUM", sum],
  ["MIN", (score, other) => (other < score ? other : score)],
  ["MAX", (score, other) => (other > score ? other : score)],
];

/** Opposite infinities make nothing of each other. */
function orZero(score: number): number {
  return Number.isNaN(score) ? 0 : score;
}

interface Input {
  readonly sources: Source[];
  aggregate: Aggregate;
  withScores: boolean;
  /** ZINTERCARD: how many to count at most, 0 for all. */
  limit: number;
}

/** The words that an operation takes behind its keys. */
interface Takes {
  readonly weights: boolean;
  readonly scores: boolean;
  readonly limit: boolean;
}

class Result {
  readonly names = new Strings();
  readonly scores: number[] = [];

  push(bytes: Buffer, start: number, end: number, score: number): void {
    this.names.push(bytes, start, end);
    this.scores.push(score);
  }
}

type Operation = (run: Run, input: Input, result: Result) => void;

/** How many buckets are walked before a limit is looked at again. */
const STRIDE = 256;

/** Reads the number of keys in argument `at`, the keys and what follows; null after the refusal was answered. */
function inputOf(run: Run, args: Args, at: number, takes: Takes, reply: Reply): Input | null {
  const count = roughlyAt(args, at);
  if (Number.isNaN(count)) return refused(reply, NOT_AN_INTEGER);
  const name = args.text(0).toLowerCase();
  if (count < 1) return refused(reply, `ERR at least 1 input key is needed for '${name}' command`);
  const first = at + 1;
  if (count > args.count - first) return refused(reply, SYNTAX);
  const sources: Source[] = [];
  for (let i = first; i < first + count; i++) {
    const { type, cells, horizonMs } = run.look(args, i);
    if (type !== NONE && type !== ZSET && type !== SET) return refused(reply, WRONGTYPE);
    sources.push({ cells, horizonMs, weight: 1 });
  }
  const input: Input = { sources, aggregate: sum, withScores: false, limit: 0 };
  return readWords(args, first + count, takes, input, reply) ? input : null;
}

function refused(reply: Reply, why: string): null {
  reply.error(why);
  return null;
}

function readWords(args: Args, from: number, takes: Takes, input: Input, reply: Reply): boolean {
  const { sources } = input;
  for (let i = from; i < args.count; i++) {
    if (takes.weights && args.is(i, "WEIGHTS") && i + sources.length < args.count) {
      for (const source of sources) {
        source.weight = parseDouble(args.bytes, args.start[++i] as number, args.end[i] as number);
        if (!Number.isNaN(source.weight)) continue;
        reply.error("ERR weight value is not a float");
        return false;
      }
    } else if (takes.weights && args.is(i, "AGGREGATE") && i + 1 < args.count) {
      const word = AGGREGATES.find(([name]) => args.is(i + 1, name));
      if (word === undefined) {
        reply.error(SYNTAX);
        return false;
      }
      [, input.aggregate] = word;
      i++;
    } else if (takes.scores && args.is(i, "WITHSCORES")) input.withScores = true;
    else if (takes.limit && args.is(i, "LIMIT") && i + 1 < args.count) {
      input.limit = roughlyAt(args, ++i);
      if (input.limit >= 0) continue;
      reply.error("ERR LIMIT can't be negative");
      return false;
    } else {
      reply.error(SYNTAX);
      return false;
    }
  }
  return true;
}

function size({ cells, horizonMs }: Source): number {
  return cells?.countLive(horizonMs) ?? 0;
}

/** The weighted score of the member at an entry of a source; NaN for nothing of an infinity. */
function weighted(run: Run, { cells, horizonMs, weight }: Source, entry: Entry): number {
  if (cells?.tag !== ZSET) return weight;
  return weight * scoreOf(run.keyspace.origins, cells.table, entry, horizonMs);
}

/** Visits the members of a source; the entry is read where it lies. */
function each(source: Source, visit: (entry: Entry) => void): void {
  const { cells, horizonMs } = source;
  const entry = new Entry();
  cells?.each(horizonMs, (at) => {
    cells.table.load(at, entry);
    visit(entry);
  });
}

/** Where a source has the member at an entry of another, or −1. */
function find({ cells, horizonMs }: Source, { bytes, nameStart, nameEnd }: Entry): number {
  const at = cells?.find(bytes, nameStart, nameEnd) ?? -1;
  return at >= 0 && (cells as Cells).liveAt(at, horizonMs) ? at : -1;
}

function bySize(sources: readonly Source[]): Source[] {
  return sources.toSorted((a, b) => size(a) - size(b));
}

function intersect(run: Run, input: Input, result: Result): void {
  const { aggregate, limit } = input;
  const [smallest, ...others] = bySize(input.sources) as [Source, ...Source[]];
  const { cells, horizonMs } = smallest;
  if (cells === null) return;
  const entry = new Entry();
  const other = new Entry();
  let left = limit === 0 ? Infinity : limit;
  for (let hash = 0; hash < WALK_END && left > 0;)
    hash = cells.table.walk(hash, STRIDE, (position) => {
      if (left === 0 || !cells.liveAt(position, horizonMs)) return;
      cells.table.load(position, entry);
      let score = orZero(weighted(run, smallest, entry));
      for (const source of others) {
        const at = find(source, entry);
        if (at < 0) return;
        (source.cells as Cells).table.load(at, other);
        // What is no number is left to the aggregate, as in Redis: it makes nothing of a sum.
        score = aggregate(score, weighted(run, source, other));
      }
      left--;
      result.push(entry.bytes, entry.nameStart, entry.nameEnd, score);
    });
}

function unite(run: Run, input: Input, result: Result): void {
  const { aggregate } = input;
  const { scores } = result;
  const seen = new Map<string, number>();
  const isAlone = input.sources.length === 1;
  for (const source of bySize(input.sources))
    each(source, (entry) => {
      const { bytes, nameStart, nameEnd } = entry;
      const score = orZero(weighted(run, source, entry));
      if (isAlone) return result.push(bytes, nameStart, nameEnd, score);
      const name = bytes.latin1Slice(nameStart, nameEnd);
      const known = seen.get(name);
      if (known !== undefined) scores[known] = aggregate(scores[known] as number, score);
      else {
        seen.set(name, scores.length);
        result.push(bytes, nameStart, nameEnd, score);
      }
    });
}

function subtract(run: Run, input: Input, result: Result): void {
  const [first, ...others] = input.sources as [Source, ...Source[]];
  each(first, (entry) => {
    for (const other of others) if (find(other, entry) >= 0) return;
    result.push(entry.bytes, entry.nameStart, entry.nameEnd, weighted(run, first, entry));
  });
}

/** ZUNION, ZINTER and ZDIFF: answers with the result, in order. */
function answering(operation: Operation, weights: boolean): Handler {
  const takes = { weights, scores: true, limit: false };
  return (run, args, reply) => {
    const input = inputOf(run, args, 1, takes, reply);
    if (input === null) return;
    const result = new Result();
    operation(run, input, result);
    const { names, scores } = result;
    replyMembers(reply, scores.length, input.withScores);
    for (const n of inOrder(result)) {
      const [start, end] = [names.start(n), names.end(n)];
      replyMember(reply, names.bytes, start, end, scores[n] as number, input.withScores);
    }
  };
}

function inOrder({ names, scores }: Result): number[] {
  return Array.from(scores.keys()).sort((a, b) => {
    const [score, other] = [scores[a] as number, scores[b] as number];
    if (score !== other) return score < other ? -1 : 1;
    return Buffer.compare(names.view(a), names.view(b));
  });
}

/** ZUNIONSTORE, ZINTERSTORE and ZDIFFSTORE. */
function storing(operation: Operation, weights: boolean): Handler {
  const takes = { weights, scores: false, limit: false };
  return (run, args, reply) => {
    const input = inputOf(run, args, 2, takes, reply);
    if (input === null) return;
    const result = new Result();
    operation(run, input, result);
    storeSorted(run, args, 1, result.names, result.scores, reply);
  };
}

function zintercard(run: Run, args: Args, reply: Reply): void {
  const takes = { weights: false, scores: false, limit: true };
  const input = inputOf(run, args, 1, takes, reply);
  if (input === null) return;
  const result = new Result();
  intersect(run, input, result);
  reply.int(result.scores.length);
}

const common = { categories: ["sortedset"], group: "sorted-set" } as const;
const answers = {
  ...common,
  arity: -3,
  flags: ["readonly", "movablekeys"],
  keys: [0, 0, 0],
  keyCount: 1,
  since: "6.2.0",
} as const;
const stores = {
  ...common,
  arity: -4,
  flags: ["write", "denyoom", "movablekeys"],
  keys: [1, 1, 1],
  keyCount: 2,
  keyFlags: ["OW", "update"],
  laterKeyFlags: ["RO", "access"],
  since: "2.0.0",
} as const;
const united = "O(N + M*log M) for N members in all sets, M in the result";
const smallest = "O(N*K + M*log M) for K sets, the smallest of N members, M in the result";
const first = "O(N*K + M*log M) for K sets, the first of N members, M in the result";

export const sortedSetAlgebraCommands: readonly Command[] = [
  {
    ...answers,
    name: "zunion",
    complexity: united,
    summary: "Reads the members that any set has",
    run: answering(unite, true),
  },
  {
    ...stores,
    name: "zunionstore",
    complexity: united,
    summary: "Stores the members that any set has",
    run: storing(unite, true),
  },
  {
    ...answers,
    name: "zinter",
    complexity: smallest,
    summary: "Reads the members that all sets have",
    run: answering(intersect, true),
  },
  {
    ...stores,
    name: "zinterstore",
    complexity: smallest,
    summary: "Stores the members that all sets have",
    run: storing(intersect, true),
  },
  {
    ...answers,
    name: "zintercard",
    since: "7.0.0",
    complexity: "O(N*K) for K sets, the smallest of N members",
    summary: "Counts the members that all sets have, up to a limit",
    run: zintercard,
  },
  {
    ...answers,
    name: "zdiff",
    complexity: first,
    summary: "Reads the members of the first set that no other has",
    run: answering(subtract, false),
  },
  {
    ...stores,
    name: "zdiffstore",
    since: "6.2.0",
    complexity: first,
    summary: "Stores the members of the first set that no other has",
    run: storing(subtract, false),
  },
];
