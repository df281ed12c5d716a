/**
 * CommandStats: how often each command was called, failed or was refused before it ran, how long it took, and which errors were
 * answered.
 *
 * Invariant: indexes are those of the command table. A count costs one addition, a time one more and a count in its class; nothing
 * of it decides anything.
 */
import { assert } from "../assert.ts";
import type { CommandEntry } from "./command-table.ts";
import type { Reply } from "../wire/reply.ts";

/** More than there are commands and subcommands. */
export const ENTRIES_MAX = 1024;
/** Error codes that are told apart; more of them are an attempt to fill the memory. */
const CODES_MAX = 128;
/** Four classes of time a doubling of nanoseconds, so that a percentile is never more than a fifth off. */
const CLASSES = 32 * 4;
const NANOS_MAX = 0x7fffffff;

export class CommandStats {
  /** Commands that ran, inside of transactions too. */
  readonly calls = new Float64Array(ENTRIES_MAX);
  /** Those of them whose reply was an error. */
  readonly failures = new Float64Array(ENTRIES_MAX);
  /** Commands that did not get to run: wrong arity, no password given, writes refused. */
  readonly rejections = new Float64Array(ENTRIES_MAX);
  /** Microseconds they ran in total. */
  readonly micros = new Float64Array(ENTRIES_MAX);
  /** How many calls took how long; null for commands of which nothing is known. */
  readonly times: (Float64Array | null)[] = Array.from({ length: ENTRIES_MAX }, () => null);
  /** The command that runs, or ran last; none before the first. */
  current!: CommandEntry;
  /** The error that is answered next is in `errors` already: a command in the script has answered with it. */
  errorCounted = false;
  /** Errors answered, by their code. */
  readonly errors = new Map<string, number>();

  /** A command ran for so long. */
  took(index: number, micros: number): void {
    const times = (this.times[index] ??= new Float64Array(CLASSES));
    const at = classOf(Math.min(micros * 1000, NANOS_MAX) | 0);
    times[at] = (times[at] as number) + 1;
  }

  /** A command was refused before it ran. */
  rejected(index: number): void {
    this.rejections[index] = (this.rejections[index] as number) + 1;
  }

  /** The reply that begins at `mark` is an error. */
  failed(reply: Reply, mark: number): void {
    if (this.errorCounted) return void (this.errorCounted = false);
    const { buffer, length } = reply.sink;
    let end = mark + 1;
    while (end < length && (buffer[end] as number) > 32) end++;
    this.count(buffer.latin1Slice(mark + 1, end));
  }

  /** A call that waited ends with an error, which is all of the reply. */
  failedLater(index: number, reply: Reply): void {
    this.failures[index] = (this.failures[index] as number) + 1;
    this.failed(reply, 0);
  }

  /** An error was answered. */
  count(code: string): void {
    const count = this.errors.get(code) ?? 0;
    if (count > 0 || this.errors.size < CODES_MAX) this.errors.set(code, count + 1);
  }

  /** Commands that ran, in total. */
  get total(): number {
    return this.calls.reduce((sum, calls) => sum + calls, 0);
  }

  /** Forgets everything (CONFIG RESETSTAT). */
  reset(): void {
    this.calls.fill(0);
    this.failures.fill(0);
    this.rejections.fill(0);
    this.micros.fill(0);
    this.times.fill(null);
    this.errors.clear();
  }
}

function classOf(nanos: number): number {
  if (nanos < 4) return nanos;
  const bits = 31 - Math.clz32(nanos);
  return bits * 4 + ((nanos >>> (bits - 2)) & 3);
}

/** The longest time in microseconds that still belongs to a class. */
function microsOf(index: number): number {
  if (index < 4) return index / 1000;
  const bits = index >>> 2;
  return ((5 + (index & 3)) * 2 ** (bits - 2) - 1) / 1000;
}

/** What so many percent of the calls did not exceed, in microseconds; 0 when there are none. */
export function percentile(times: Float64Array, percent: number): number {
  const total = times.reduce((sum, count) => sum + count, 0);
  const wanted = Math.max(1, Math.ceil((total * percent) / 100));
  let seen = 0;
  for (const [index, count] of times.entries()) {
    seen += count;
    if (count > 0 && seen >= wanted) return microsOf(index);
  }
  return 0;
}

/** How many calls took up to so many microseconds, by doublings, from the first with any to the last. */
export function cumulated(times: Float64Array): { micros: number; calls: number }[] {
  const out: { micros: number; calls: number }[] = [];
  const total = times.reduce((sum, count) => sum + count, 0);
  let seen = 0;
  let index = 0;
  for (let bits = 10; seen < total; bits++) {
    let here = 0;
    for (; index < (bits + 1) * 4 && index < CLASSES; index++) here += times[index] as number;
    seen += here;
    if (here > 0) out.push({ micros: Math.round(2 ** (bits + 1) / 1000), calls: seen });
  }
  return out;
}

/** Asserts that a table of this many commands can be counted. */
export function assertCountable(commands: number): void {
  assert(commands < ENTRIES_MAX, "the statistics have room for every command");
}
