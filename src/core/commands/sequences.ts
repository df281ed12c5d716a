/**
 * Sequences: AA.SEQ, numbers that are given once in all regions.
 *
 *   AA.SEQ key ─► of the block this node has ─► at once
 *                 no block ─► strong key + BLOCK, agreed on by most regions ─► the clients that wait, in their order
 *
 * Invariant: a block belongs to one process and is forgotten with it, so no number is given twice and some are never given. What one
 * node gives grows; what two give does not, unless DENSE says that each number is agreed on by itself.
 */
import { parseInteger } from "../crdt/amount.ts";
import { NONE, STRING } from "../crdt/key.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { NOT_AN_INTEGER, OVERFLOW, SYNTAX, WRONGTYPE } from "./errors.ts";
import type { Run } from "./run.ts";
import type { Session } from "./session.ts";

/** So many numbers are agreed on at a time. */
const BLOCK = 1_000;
const NO_SEQUENCE =
  "AASTRONGTYPE a sequence is a strong key: its keyspace says `writes: global`; INCR counts on others";
const INT = 58;

/** Asks most regions for a block; `end` hears what was answered, as for a client. */
export type AskBlock = (end: (answer: Buffer) => void) => void;

interface Sequence {
  next: number;
  /** Behind the last number of the block. */
  end: number;
  /** Clients that wait for the next one, and whether each hears of it. */
  readonly waiting: { readonly session: Session; readonly muted: boolean }[];
}

export class Sequences {
  readonly #run: Run;
  readonly #sequences = new Map<string, Sequence>();

  constructor(run: Run) {
    this.#run = run;
  }

  /** The next number of a sequence for the client of this turn: answered now, or once there is a block. */
  next(name: string, ask: AskBlock, reply: Reply): void {
    const { session } = this.#run;
    const sequence = this.#sequences.get(name);
    if (sequence !== undefined && sequence.next < sequence.end) {
      reply.int(sequence.next++);
      if (sequence.next === sequence.end) this.#sequences.delete(name);
      return;
    }
    session.deciding = true;
    const one = { session, muted: session.replies !== "on" };
    if (sequence !== undefined) sequence.waiting.push(one);
    else {
      const begun = { next: 0, end: 0, waiting: [one] };
      this.#sequences.set(name, begun);
      ask((answer) => this.#came(name, begun, ask, answer));
    }
  }

  #came(name: string, sequence: Sequence, ask: AskBlock, answer: Buffer): void {
    if (answer[0] === INT) {
      const last = Number(answer.toString("latin1", 1, answer.length - 2));
      sequence.next = last - BLOCK + 1;
      sequence.end = last + 1;
    }
    const isRefused = sequence.next === sequence.end;
    const served = sequence.waiting.splice(0, isRefused ? Infinity : BLOCK);
    for (const { session, muted } of served) {
      const bytes = isRefused ? answer : Buffer.from(`:${sequence.next++}\r\n`, "latin1");
      this.#run.blocking.answers.push({
        session,
        bytes: muted ? Buffer.alloc(0) : bytes,
        seq: 0,
        wrote: false,
      });
    }
    if (sequence.waiting.length > 0) ask((more) => this.#came(name, sequence, ask, more));
    else if (sequence.next === sequence.end) this.#sequences.delete(name);
  }
}

/** Whether a call wants its number agreed on by itself. */
export function isDense(args: Args): boolean {
  return args.count > 2;
}

/** What runs on the value of the strong key: reserves numbers, and answers the last of them. */
function reserve(run: Run, args: Args, reply: Reply): void {
  if (args.count > 3 || (isDense(args) && !args.is(2, "DENSE"))) return reply.error(SYNTAX);
  if (run.strongVersion === null) return reply.error(NO_SEQUENCE);
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== STRING) return reply.error(WRONGTYPE);
  const value =
    place.type === NONE ? 0 : parseInteger(place.value, place.valueStart, place.valueEnd);
  if (value === null) return reply.error(NOT_AN_INTEGER);
  const last = typeof value === "number" ? value + (isDense(args) ? 1 : BLOCK) : Infinity;
  if (last > Number.MAX_SAFE_INTEGER) return reply.error(OVERFLOW);
  const text = Buffer.from(String(last), "latin1");
  run.write.set(place, place.deadline, text, 0, text.length);
  reply.int(last);
}

export const sequenceCommands: readonly Command[] = [
  {
    name: "aa.seq",
    arity: -2,
    flags: ["write", "denyoom", "fast"],
    keys: [1, 1, 1],
    categories: ["keyspace"],
    keyFlags: ["RW", "access", "update"],
    group: "consistency",
    since: "0.1.0",
    complexity: "O(1)",
    strong: true,
    reserves: true,
    usage: "<key> [DENSE]",
    summary: "Gives the next number of a sequence; each is given once in all regions",
    run: reserve,
  },
];
