/**
 * Test parts: runs the parts of test/ one after another and gives each a row of the closing table.
 *
 * Invariant: a part passes only if its tests ran, in its time, and left nothing running; whatever else happens is at least
 * one failure in its row, or one skip if a Debian package is missing and need not be there.
 */
import { globSync } from "node:fs";
import { discover, missing, type Part } from "./parts.ts";
import { runTests } from "./test-run.ts";

export interface Row {
  part: string;
  passed: number;
  failed: number;
  skipped: number;
  tookMs: number;
  /** Undefined where there is no budget to hold. */
  minutes: number | undefined;
  /** Why, in words, where the numbers do not say it. */
  note: string;
}

export interface PartOptions {
  /** The parts to run; all that are there if empty. */
  only: readonly string[];
  /** Whether a missing package is a failure. */
  requireAll: boolean;
  say: (line: string) => void;
  /** Shows the tests as they end. */
  progress: boolean;
}

export async function runParts(table: readonly Part[], options: PartOptions): Promise<Row[]> {
  const { present, unknown } = discover(table);
  const wanted = (name: string): boolean =>
    options.only.length === 0 || options.only.includes(name);
  const rows: Row[] = [];
  for (const name of unknown.filter(wanted))
    rows.push({
      ...row(name, 1, `test/${name} has no entry in tools/parts.ts: give it one`),
      minutes: undefined,
    });
  for (const part of present.filter(({ name }) => wanted(name))) {
    options.say(`\n${part.name}`);
    rows.push(await runPart(part, options));
  }
  return rows;
}

async function runPart(part: Part, { requireAll, say, progress }: PartOptions): Promise<Row> {
  const lacking = missing(part.needs);
  if (lacking.length > 0) {
    const note = `skipped: needs ${lacking.join(", ")}`;
    say(`  ${note}`);
    if (requireAll) return { ...row(part.name, 1, note), minutes: part.minutes };
    return { ...row(part.name, 0, note), skipped: 1, minutes: part.minutes };
  }
  const startedMs = performance.now();
  const ran = await runTests(globSync(part.files).toSorted(), {
    limitMs: part.minutes * 60_000,
    // One file at a time: each starts servers, and the machine may have two cores.
    flags: ["--test-concurrency=1"],
    progress,
  });
  if (!progress && ran.failed > 0) say(ran.output);
  for (const complaint of ran.complaints) say(`  ${complaint}`);
  return {
    part: part.name,
    passed: ran.passed,
    failed: ran.failed,
    skipped: ran.skipped,
    tookMs: performance.now() - startedMs,
    minutes: part.minutes,
    note: ran.complaints[0] ?? "",
  };
}

const row = (part: string, failed: number, note: string): Omit<Row, "minutes"> => ({
  part,
  passed: 0,
  failed,
  skipped: 0,
  tookMs: 0,
  note,
});

/** The closing table; its last line is the sum, alone. */
export function summary(rows: readonly Row[]): string {
  const cells = rows.map((one) => [
    one.part,
    String(one.passed),
    String(one.failed),
    String(one.skipped),
    `${(one.tookMs / 1000).toFixed(1)} s`,
    one.minutes === undefined ? "" : `${one.minutes} min`,
    one.note,
  ]);
  const table = [["part", "passed", "failed", "skipped", "time", "budget", ""], ...cells];
  const widths = [0, 1, 2, 3, 4, 5].map((column) =>
    Math.max(...table.map((line) => line[column]?.length ?? 0)),
  );
  const lines = table.map((line) =>
    line
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
  const sum = (of: (one: Row) => number): number => rows.reduce((total, one) => total + of(one), 0);
  const skipped = sum((one) => one.skipped);
  const total = `${sum((one) => one.passed)} passed, ${sum((one) => one.failed)} failed`;
  return [...lines, "", skipped > 0 ? `${total}, ${skipped} skipped` : total].join("\n");
}
