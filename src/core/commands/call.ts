/**
 * Call: runs a command that nothing stands against any more, counts it and takes its time.
 *
 * Invariant: what a handler throws is a bug and stops the process; a refusal is a reply that begins with `-`.
 */
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import {
  type CommandEntry,
  FAST,
  GLANCES,
  READS,
  SMALL,
  UNLOGGED,
  UNSEEN,
} from "./command-table.ts";
import { isAgainstBounded } from "./bounded-guard.ts";
import { BOUNDED_STAYS } from "./errors.ts";
import { tellMonitors } from "./monitor.ts";
import type { Run } from "./run.ts";

const ERROR = 45;
/** What is asked for and answered in fewer bytes than this cannot take long, nor be of interest to whom a millisecond is short. */
const SMALL_MAX_BYTES = 16 * 1024;
const SMALL_MAX_MICROS = 1_000;

/** Runs one command; what it wrote is committed by the caller, so that a transaction becomes one record. */
export function call(run: Run, entry: CommandEntry, args: Args, reply: Reply): void {
  const mark = reply.mark;
  const { stats } = run;
  const small = (entry.bits & SMALL) !== 0 && run.notableMicros > SMALL_MAX_MICROS;
  if (!small) run.stopwatch.settle();
  const beganMicros = run.stopwatch.lapMicros;
  run.counting = (entry.bits & READS) !== 0;
  run.touching = run.keyspace.tracksAccess && !run.session.noTouch && (entry.bits & GLANCES) === 0;
  run.executing = true;
  stats.current = entry;
  if (run.keyspace.boundedKeys.count > 0 && isAgainstBounded(run, entry, args))
    reply.error(BOUNDED_STAYS);
  else if (run.strong?.takes(entry, args, reply) !== true) entry.run(run, args, reply);
  run.executing = false;
  const { tracking } = run.session;
  if (tracking !== null && ((entry.bits & READS) !== 0 || entry.command.group === "scripting"))
    run.tracking.read(run.session, tracking, entry.command, args);
  if (run.events.pending) run.events.settle(entry.name, entry.command.group, args);
  run.counting = false;
  run.touching = false;
  const { calls, failures } = stats;
  const { index } = entry;
  calls[index] = (calls[index] as number) + 1;
  if (reply.mark > mark && reply.sink.buffer[mark] === ERROR) {
    failures[index] = (failures[index] as number) + 1;
    stats.failed(reply, mark);
  }
  if (small && reply.mark - mark < SMALL_MAX_BYTES && isShort(args)) run.stopwatch.small(index);
  else {
    // What waits for a key is told of when it has run again.
    const ends = run.session.waiter === null;
    const took = run.stopwatch.large(index, beganMicros, run.waitedMicros, !small, ends);
    run.waitedMicros = 0;
    if (took >= run.notableMicros && ends) note(run, entry, args, took);
  }
  if (run.monitors.size > 0 && (entry.bits & UNSEEN) === 0) tellMonitors(run, entry, args, reply);
}

function isShort({ start, end, count }: Args): boolean {
  return (end[count - 1] as number) - (start[0] as number) < SMALL_MAX_BYTES;
}

/** Logs a command that took long. */
export function note(run: Run, entry: CommandEntry, args: Args, took: number): void {
  if ((entry.bits & UNLOGGED) !== 0) return;
  const { settings, session, wallMs } = run;
  const { slowlogSlowerThanMicros: slower, slowlogMaxLen, latencyThresholdMs } = settings;
  if (slower >= 0 && took >= slower)
    run.slowLog.add(entry, args, session, wallMs, took, slowlogMaxLen);
  const event = (entry.bits & FAST) === 0 ? "command" : "fast-command";
  run.latency.note(event, wallMs, took, latencyThresholdMs);
}
