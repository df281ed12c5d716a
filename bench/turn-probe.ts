/**
 * TurnProbe: loaded into a node (`--import`), it measures how much of its own processor time each turn of the event loop takes.
 *
 *   callbacks of timers, sockets, files ─► callbacks of `setImmediate` ─► …      one round of the loop is a turn: all that others wait for
 *
 * On SIGUSR2 the longest turn since the last one is written to `$TURN_PROBE/<pid>`, in microseconds, and how much of it the garbage
 * collector took: it runs when the heap is full, in the middle of whatever comes then. Time of the thread, not of the clock: what else
 * runs on the machine does not count. (The collector is known by the clock only, so its part is at most what is said.)
 *
 * Invariant: the node's code is as shipped; it is only watched.
 */
import { createHook } from "node:async_hooks";
import { renameSync, writeFileSync } from "node:fs";
import { type PerformanceEntry, PerformanceObserver } from "node:perf_hooks";

interface Turn {
  us: number;
  /** By `performance.now()`, in ms. */
  from: number;
  to: number;
}

const directory = process.env["TURN_PROBE"];
let depth = 0;
let began = 0;
const none: Turn = { us: 0, from: 0, to: 0 };
let turn = { ...none };
let longest = none;
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
    turn.to = performance.now();
    if (turn.us > longest.us) longest = turn;
    turn = { ...none };
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
      if (turn.us === 0) turn.from = performance.now();
      if (!planned) planEnd();
    },
    after(id) {
      if (id !== ownId && --depth === 0) turn.us += spent() - began;
    },
  }).enable();
  let collections: PerformanceEntry[] = [];
  const observer = new PerformanceObserver((list) => {
    collections.push(...list.getEntries());
  });
  observer.observe({ entryTypes: ["gc"] });
  process.on("SIGUSR2", () => {
    collections.push(...observer.takeRecords());
    const collected = collections
      .filter(({ startTime }) => startTime >= longest.from && startTime <= longest.to)
      .reduce((sum, { duration }) => sum + duration * 1_000, 0);
    collections = [];
    const file = `${directory}/${process.pid}`;
    // The reader must never see half a number.
    writeFileSync(`${file}.new`, `${longest.us} ${Math.min(longest.us, collected)}`);
    renameSync(`${file}.new`, file);
    longest = none;
  });
}
