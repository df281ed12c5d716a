/**
 * Call: runs a command that nothing stands against any more, counts it and takes its time.
 *
 * Invariant: what a handler throws is a bug and stops the process; a refusal is a reply that begins with `-`.
 *
 * The stopwatch is read once a command: where one ended, the next begins.
 */
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import { type CommandEntry, FAST, GLANCES, READS, UNLOGGED, UNSEEN } from "./command-table.ts";
import { tellMonitors } from "./monitor.ts";
import type { Run } from "./run.ts";

const ERROR = 45;

/** Runs one command; what it wrote is committed by the caller, so that a transaction becomes one record. */
export function call(run: Run, entry: CommandEntry, args: Args, reply: Reply): void {
  const mark = reply.mark;
  const { stats, settings } = run;
  const beganMicros = run.lapMicros;
  run.counting = (entry.bits & READS) !== 0;
  run.touching = run.keyspace.tracksAccess && !run.session.noTouch && (entry.bits & GLANCES) === 0;
  entry.run(run, args, reply);
  run.counting = false;
  run.touching = false;
  const { calls, failures, micros } = stats;
  const { index } = entry;
  calls[index] = (calls[index] as number) + 1;
  if (reply.mark > mark && reply.sink.buffer[mark] === ERROR) {
    failures[index] = (failures[index] as number) + 1;
    stats.failed(reply, mark);
  }
  const nowMicros = run.node.micros();
  const took = nowMicros - beganMicros + run.waitedMicros;
  run.lapMicros = nowMicros;
  run.waitedMicros = 0;
  micros[index] = (micros[index] as number) + took;
  if (settings.latencyTracking) stats.took(index, took);
  if (took >= run.notableMicros) note(run, entry, args, took);
  if (run.monitors.size > 0 && (entry.bits & UNSEEN) === 0) tellMonitors(run, entry, args, reply);
}

/** Logs a command that took long. */
function note(run: Run, entry: CommandEntry, args: Args, took: number): void {
  if ((entry.bits & UNLOGGED) !== 0) return;
  const { settings, session, wallMs } = run;
  const { slowlogSlowerThanMicros: slower, slowlogMaxLen, latencyThresholdMs } = settings;
  if (slower >= 0 && took >= slower)
    run.slowLog.add(entry, args, session, wallMs, took, slowlogMaxLen);
  const event = (entry.bits & FAST) === 0 ? "command" : "fast-command";
  run.latency.note(event, wallMs, took, latencyThresholdMs);
}
