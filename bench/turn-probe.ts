/**
 * TurnProbe: loaded into a node (`--import`), it measures how much of its own processor time each turn of the event loop takes.
 *
 * On SIGUSR2 the longest turn since the last one is written to `$TURN_PROBE/<pid>`, in microseconds. Time of the thread, not of the
 * clock: what else runs on the machine does not count.
 *
 * Invariant: the node's code is as shipped; it is only watched.
 */
import { createHook } from "node:async_hooks";
import { renameSync, writeFileSync } from "node:fs";

const directory = process.env["TURN_PROBE"];
let depth = 0;
let began = 0;
let longest = 0;

function spent(): number {
  // A thread's own account is brought up to date at the kernel's ticks only, 4 ms apart, and when the process's is asked for.
  process.cpuUsage();
  const { user, system } = process.threadCpuUsage();
  return user + system;
}

if (directory !== undefined) {
  createHook({
    before() {
      if (depth++ === 0) began = spent();
    },
    after() {
      if (--depth === 0) longest = Math.max(longest, spent() - began);
    },
  }).enable();
  process.on("SIGUSR2", () => {
    const file = `${directory}/${process.pid}`;
    // The reader must never see half a number.
    writeFileSync(`${file}.new`, String(longest));
    renameSync(`${file}.new`, file);
    longest = 0;
  });
}
