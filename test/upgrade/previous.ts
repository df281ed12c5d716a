/**
 * Previous: the commit from which and back to which a rolling upgrade must work, checked out beside the present one.
 *
 * Invariant: it is exactly the commit that `previous.json` records, out of the clone's own history, and runs with the versions of packages
 * that its own lockfile names. That there is none, or that a whole clone does not know it, is a failure and never a reason to test nothing.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { root } from "../support/server.ts";

/**
 * Unpacks the recorded commit into the empty directory `dir`. Returns why it cannot be had where this clone was made without its
 * history and what it came from does not give it, else null. Throws when it is not in a whole clone.
 */
export function checkOutPrevious(dir: string): string | null {
  const commit = recordedCommit(
    readFileSync(join(root, "test", "upgrade", "previous.json"), "utf8"),
  );
  if (!knows(commit) && !fetch(commit)) {
    const why = `this clone does not know ${commit}, which test/upgrade/previous.json records`;
    if (git("rev-parse", "--is-shallow-repository").toString().trim() !== "true")
      throw new Error(why);
    return `${why}; get its history with: git fetch --unshallow`;
  }
  const archive = git("archive", "--format=tar", commit);
  execFileSync("tar", ["-x", "-C", dir], { input: archive });
  if (isServedBy(root, dir)) symlinkSync(join(root, "node_modules"), join(dir, "node_modules"));
  // Its own launcher installs what its own lockfile names.
  else execFileSync(join(dir, "atoll"), ["--version"], { stdio: "ignore" });
  return null;
}

/** Whether the packages installed for one checkout are those with which another one runs; those for tests do not matter. */
function isServedBy(installed: string, other: string): boolean {
  const there = packagesOf(installed);
  return [...packagesOf(other)].every(([path, version]) => there.get(path) === version);
}

/** Where the packages lie that are needed to run, and their versions. */
function packagesOf(dir: string): Map<string, string> {
  const { packages } = JSON.parse(readFileSync(join(dir, "package-lock.json"), "utf8")) as {
    packages: Record<string, { version?: string; dev?: true }>;
  };
  const needed = Object.entries(packages).filter(([path, { dev }]) => path !== "" && dev !== true);
  return new Map(needed.map(([path, { version = "" }]) => [path, version]));
}

/** The commit in the text of `previous.json`. Throws when that names none. */
export function recordedCommit(text: string): string {
  const { commit } = JSON.parse(text) as { commit?: unknown };
  if (typeof commit !== "string" || !/^[0-9a-f]{40}$/.test(commit))
    throw new Error("test/upgrade/previous.json names no commit by its 40 digits");
  return commit;
}

/** A clone may be shallow. What it came from mostly has the rest; whether it gave it. */
function fetch(commit: string): boolean {
  for (const depth of ["--depth=1", "--unshallow"])
    try {
      git("fetch", "--quiet", depth, "origin", ...(depth === "--depth=1" ? [commit] : []));
      if (knows(commit)) return true;
    } catch {
      // A server may refuse to give a single commit, and a clone that is whole cannot be unshallowed.
    }
  return false;
}

function knows(commit: string): boolean {
  try {
    git("cat-file", "-e", `${commit}^{commit}`);
    return true;
  } catch {
    return false;
  }
}

function git(...words: string[]): Buffer {
  return execFileSync("git", ["-C", root, ...words], {
    maxBuffer: 1024 ** 3,
    stdio: ["ignore", "pipe", "pipe"],
  });
}
