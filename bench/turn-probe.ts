/**
 * TurnProbe: loaded into a node (`--import`), it measures how much of its own processor time each turn of the event loop takes.
 *
 *   callbacks of timers, sockets, files ─► callbacks of `setImmediate` ─► …      one round of the loop is a turn: all that others wait for
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
let turn = 0;
let longest = 0;
/** Our own callback at the end of a round; whether one is planned, and is being planned now. */
let ownId = -1;
let planned = false;
let planning = false;

function spent(): number {
  // A thread's own account is brought up to date at the kernel's ticks only, 4 ms apart, and when the process's is asked for.
  process.cpuUsage();
  const { user, system } = process.threadCpuUsage();
  return user + system;
}

function planEnd(): void {
  planned = true;
  planning = true;
  setImmediate(() => {
    planned = false;
    longest = Math.max(longest, turn);
    turn = 0;
  });
  planning = false;
}

if (directory !== undefined) {
  createHook({
    init(id) {
      if (planning) ownId = id;
    },
    before(id) {
      if (id === ownId || depth++ > 0) return;
      began = spent();
      if (!planned) planEnd();
    },
    after(id) {
      if (id !== ownId && --depth === 0) turn += spent() - began;
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
