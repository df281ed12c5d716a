/**
 * Run: starts a program of the toolbox and gives back what it said, how it ended and what it left behind.
 *
 * Invariant: when `run` returns, nothing it started is alive. The program leads a process group of its own, and every
 * descendant carries a mark in its environment, so that even one that left the group is found (on Linux, where /proc shows
 * environments; elsewhere the group alone is ended).
 */
import { spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export interface Ran {
  code: number;
  output: string;
  /** Whether it was killed because its time was up. */
  late: boolean;
  /** Processes that outlived it and had to be killed, as `pid command line`. */
  left: string[];
}

export interface RunOptions {
  limitMs: number;
  env?: Record<string, string>;
  /** Shows the output as it comes, besides returning it. */
  echo?: boolean;
}

/** How long a descendant may take to follow its parent before it counts as left behind. */
const FAREWELL_MS = 3000;

const MARK = "ATOLL_RUN";
const running = new Map<number, string>();
let started = 0;

export async function run(command: readonly string[], options: RunOptions): Promise<Ran> {
  const mark = `${process.pid}.${++started}`;
  const child = spawn(command[0] ?? "", command.slice(1), {
    env: environment({ ...options.env, [MARK]: mark }),
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let output = "";
  const hear = (chunk: string): void => {
    output += chunk;
    if (options.echo) process.stdout.write(chunk);
  };
  child.stdout.setEncoding("utf8").on("data", hear);
  child.stderr.setEncoding("utf8").on("data", hear);
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const exited = new Promise<number>((resolve) => {
    child.once("error", (error) => {
      hear(`${error.message}\n`);
      resolve(1);
    });
    child.once("exit", (code) => resolve(code ?? 1));
  });

  const { pid } = child;
  if (pid === undefined) return { code: await exited, output, late: false, left: [] };
  running.set(pid, mark);
  let late = false;
  const limit = setTimeout(() => {
    late = true;
    end(pid, mark, "SIGKILL");
  }, options.limitMs);
  const code = await exited;
  clearTimeout(limit);
  const left = await sweep(mark, late ? 0 : FAREWELL_MS);
  // A survivor holds the pipes open, so their end is awaited only now that there is none.
  await Promise.race([closed, sleep(1000, undefined, { ref: false })]);
  running.delete(pid);
  return { code, output, late, left: late ? [] : left };
}

/** The project's tools and its own Node come first; a test that starts the test runner must not look like a part of it. */
function environment(more: Record<string, string>): NodeJS.ProcessEnv {
  const { NODE_TEST_CONTEXT: _, ...own } = process.env;
  const path = [join(process.cwd(), "node_modules", ".bin"), dirname(process.execPath)];
  return { ...own, ...more, PATH: [...path, own["PATH"]].join(delimiter) };
}

function end(pid: number, mark: string, signal: NodeJS.Signals): void {
  kill(-pid, signal);
  for (const other of carriers(mark)) kill(other, signal);
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone already, which is what was wanted.
  }
}

/** Waits for the descendants to go; kills and names those that do not. */
async function sweep(mark: string, graceMs: number): Promise<string[]> {
  const late = await gone(mark, graceMs);
  const names = late.map((pid) => `${pid} ${read(`/proc/${pid}/cmdline`).replaceAll("\0", " ")}`);
  for (const pid of late) kill(pid, "SIGKILL");
  await gone(mark, FAREWELL_MS);
  return names;
}

/** Waits until no descendant is alive, or the time is up; returns those that are. (A zombie has no environment.) */
async function gone(mark: string, graceMs: number): Promise<number[]> {
  let alive = carriers(mark);
  for (let waitedMs = 0; alive.length > 0 && waitedMs < graceMs; waitedMs += 50) {
    await sleep(50);
    alive = carriers(mark);
  }
  return alive;
}

function carriers(mark: string): number[] {
  if (process.platform !== "linux") return [];
  const pids = readdirSync("/proc").map(Number).filter(Number.isInteger);
  const line = `${MARK}=${mark}`;
  return pids.filter((pid) => read(`/proc/${pid}/environ`).split("\0").includes(line));
}

/** A process may end while it is looked at. */
function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.once(signal, () => {
    for (const [pid, mark] of running) end(pid, mark, "SIGKILL");
    process.exit(signal === "SIGINT" ? 130 : 143);
  });
