/**
 * Test run: `node --test` over a list of files, with an account of what happened that is believed only if it adds up.
 *
 * Invariant: a run without complaints saw at least one test in every file it was given, ended by itself with exit code 0 in
 * its time, and left no process behind.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Account } from "./reporter.ts";
import { run } from "./run.ts";

export interface TestRun {
  passed: number;
  /** Tests that failed; at least 1 if there is any complaint. */
  failed: number;
  skipped: number;
  files: number;
  /** What is wrong with the run as a whole; the failing tests are in `output`. */
  complaints: string[];
  output: string;
}

export interface TestRunOptions {
  limitMs: number;
  /** Arguments for `node --test`. */
  flags: readonly string[];
  /** Shows each test as it ends. */
  progress?: boolean;
}

export async function runTests(
  files: readonly string[],
  options: TestRunOptions,
): Promise<TestRun> {
  if (files.length === 0)
    return { ...none, failed: 1, complaints: ["it saw no tests"], output: "" };
  const scratch = mkdtempSync(join(tmpdir(), "atoll-tests-"));
  try {
    const path = join(scratch, "account.json");
    const reporter = `--test-reporter=${join(import.meta.dirname, "reporter.ts")}`;
    const ran = await run([process.execPath, "--test", reporter, ...options.flags, ...files], {
      limitMs: options.limitMs,
      echo: options.progress === true,
      env: { ATOLL_ACCOUNT: path, ATOLL_PROGRESS: options.progress === true ? "1" : "0" },
    });
    const account = existsSync(path)
      ? (JSON.parse(readFileSync(path, "utf8")) as Account)
      : undefined;

    const complaints: string[] = [];
    if (ran.late) complaints.push(`killed: not done after ${minutes(options.limitMs)}`);
    else if (account === undefined)
      complaints.push(`it ended early (exit code ${ran.code}) without an account of its tests`);
    else {
      for (const file of account.empty) complaints.push(`no tests in ${file}`);
      const seen = new Set([...account.files, ...account.empty]);
      for (const file of files) if (!seen.has(file)) complaints.push(`not run: ${file}`);
      if (ran.code !== 0 && account.failed === 0) complaints.push(`exit code ${ran.code}`);
    }
    for (const process of ran.left) complaints.push(`left running: ${process}`);
    const { passed, failed, skipped } = account ?? none;
    return {
      passed,
      failed: complaints.length > 0 ? Math.max(failed, 1) : failed,
      skipped,
      files: account?.files.length ?? 0,
      complaints,
      output: ran.output,
    };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

const none = { passed: 0, failed: 0, skipped: 0, files: 0 };

const minutes = (ms: number): string => `${Number((ms / 60_000).toFixed(2))} min`;
