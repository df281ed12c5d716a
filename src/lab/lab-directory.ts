/**
 * The lab's directory: where its nodes keep their data, and how its commands find it.
 *
 *     <dir>/.atoll-lab     the marker: this directory is the lab's to empty
 *     <dir>/lab.json       who runs here: pid, control port, token, the nodes' pids; readable by its owner only
 *     <dir>/<region>/      node.yaml, node.log, data/
 *
 * Invariant: nothing is ever removed from a directory that does not carry the marker, and no two labs share one.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const MARKER = ".atoll-lab";
const RUNNING = "lab.json";

/** How a running lab is found. */
export interface Running {
  readonly pid: number;
  readonly port: number;
  readonly token: string;
  /** The processes of its nodes. */
  readonly nodes: { readonly pid: number; readonly config: string }[];
}

/** Why a lab may not use `dir`; null when it may. */
export function objection(dir: string): string | null {
  if (!existsSync(dir) || existsSync(join(dir, MARKER))) return null;
  if (readdirSync(dir).length === 0) return null;
  return `${dir} holds files and is not a lab's directory (it has no ${MARKER}), so it is left alone; name another with --dir`;
}

/** Makes `dir` a lab's directory, emptied unless `keep`. Call it only when there is no objection and no lab runs there. */
export function prepare(dir: string, keep: boolean): void {
  mkdirSync(dir, { recursive: true });
  const marker = join(dir, MARKER);
  // First the marker: should emptying be interrupted, the rest still is the lab's.
  writeFileSync(marker, "`atoll lab` empties this directory at every start.\n");
  if (keep) rmSync(join(dir, RUNNING), { force: true });
  else
    for (const name of readdirSync(dir))
      if (name !== MARKER) rmSync(join(dir, name), { recursive: true, force: true });
}

/** What the lab that runs, or died, in `dir` left about itself; null when there is nothing. */
export function readRunning(dir: string): Running | null {
  let text: string;
  try {
    text = readFileSync(join(dir, RUNNING), "utf8");
  } catch {
    return null;
  }
  try {
    return JSON.parse(text) as Running;
  } catch {
    return null; // its writer died while writing it
  }
}

/** Says that a lab runs here. `first` fails when another has done so meanwhile. */
export function writeRunning(dir: string, running: Running, first: boolean): void {
  const flag = first ? "wx" : "w";
  writeFileSync(join(dir, RUNNING), JSON.stringify(running), { mode: 0o600, flag });
}

/** Takes back what the lab with this token said of itself, and nothing that another has said since. */
export function removeRunning(dir: string, token: string): void {
  if (readRunning(dir)?.token === token) rmSync(join(dir, RUNNING), { force: true });
}

/**
 * Ends the nodes of a lab that was killed. Most end by themselves when it goes; one that was paused cannot, and would hold
 * its ports for ever.
 */
export function endLeftovers(running: Running): void {
  for (const { pid, config } of running.nodes) {
    // The number may belong to somebody else by now; only a process that runs this very configuration is ours.
    if (commandLineOf(pid).includes(config)) process.kill(pid, "SIGKILL");
  }
}

function commandLineOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}
