/**
 * Processor time: who used the processors during a run, from /proc.
 *
 * Invariant: figures are in seconds. The kernel counts in hundredths, so a difference is exact to 0.01 s per process.
 */
import { readFileSync } from "node:fs";

const TICKS_PER_SECOND = 100;

/** User and system time of a process with all its threads. */
export function processSeconds(pid: number): number {
  const fields = statFields(pid);
  return (number(fields, 11) + number(fields, 12)) / TICKS_PER_SECOND;
}

/** User and system time of this process and of its children that have ended. */
export function ownSeconds(): number {
  const fields = statFields(process.pid);
  const sum = [11, 12, 13, 14].reduce((total, place) => total + number(fields, place), 0);
  return sum / TICKS_PER_SECOND;
}

/** Time in which any processor was not idle, whoever used it. */
export function busySeconds(): number {
  const [line = ""] = readFileSync("/proc/stat", "latin1").split("\n");
  // user nice system idle iowait irq softirq steal
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND;
}

/** The fields after the name, which may itself contain spaces and brackets; the state is the first. */
function statFields(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function number(fields: string[], place: number): number {
  const value = Number(fields[place]);
  if (!Number.isFinite(value)) throw new Error("bug: /proc/<pid>/stat has no such field");
  return value;
}
