/**
 * Reporter: what `node --test` tells us, cut down to the failures, and an account that a program can read.
 *
 * Invariant: the account is written when the last event has come and never before, so a run that ends early (a test that
 * calls `process.exit`, a crash) leaves none, and whoever asked for it knows.
 *
 * `ATOLL_ACCOUNT` names the file it is written to; with `ATOLL_PROGRESS=1` every top-level test has its line, for parts
 * that take minutes.
 */
import { writeFileSync } from "node:fs";
import { relative, resolve } from "node:path";
import type { TestEvent } from "node:test/reporters";
import { inspect } from "node:util";

export interface Account {
  passed: number;
  failed: number;
  skipped: number;
  /** Files in which at least one test was seen. */
  files: string[];
  /** Files that ran and held no test. */
  empty: string[];
}

/** Lines of a failing file's own output that are shown, from its end. */
const OUTPUT_LINES_MAX = 60;

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const account: Account = { passed: 0, failed: 0, skipped: 0, files: [], empty: [] };
  const files = new Set<string>();
  const output = new Map<string, string>();
  for await (const { type, data } of events) {
    if (type === "test:stdout" || type === "test:stderr") {
      const file = resolve(data.file ?? "");
      output.set(file, (output.get(file) ?? "") + data.message);
      continue;
    }
    if (type !== "test:pass" && type !== "test:fail") continue;
    const file = data.file ?? "";
    const name = relative(process.cwd(), file);
    const { details } = data;
    if (type === "test:pass") {
      if (details.type === "suite") continue;
      // A file without tests is reported as one passed test by the name of the file.
      if (data.nesting === 0 && resolve(data.name) === file) {
        account.empty.push(name);
        continue;
      }
      files.add(name);
      const skipped = data.skip !== undefined || data.todo !== undefined;
      account[skipped ? "skipped" : "passed"]++;
      if (process.env["ATOLL_PROGRESS"] === "1" && data.nesting === 0)
        yield `  ${skipped ? "skip" : "ok  "} ${data.name} (${seconds(details.duration_ms)})\n`;
      continue;
    }
    files.add(name);
    const { error } = details as { error: Error & { failureType?: string } };
    // Told already by the test inside that failed.
    if (error.failureType === "subtestsFailed") continue;
    if (data.todo !== undefined) {
      account.skipped++;
      continue;
    }
    account.failed++;
    yield `\n✗ ${data.name}\n  ${name}:${data.line ?? 1}\n${indent(inspect(error.cause ?? error))}\n`;
    const said = output.get(file);
    if (said !== undefined) yield `  it said:\n${indent(tail(said))}\n`;
    output.delete(file);
  }
  account.files = [...files];
  const path = process.env["ATOLL_ACCOUNT"];
  if (path !== undefined) writeFileSync(path, JSON.stringify(account));
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

const indent = (text: string): string => text.replaceAll(/^/gm, "    ");

function tail(text: string): string {
  const lines = text.trimEnd().split("\n");
  return lines.slice(-OUTPUT_LINES_MAX).join("\n");
}
