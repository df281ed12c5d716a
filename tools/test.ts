/**
 * `npm test`: the whole check, then every part of test/, then a table and the sum as the last line.
 *
 * `npm test -- clients lab` runs those parts alone (`check` is one too). ATOLL_REQUIRE_ALL=1 makes a part that is skipped
 * for want of a package a failure.
 *
 * Exit codes: 0 nothing failed, 1 something did, 2 no such part.
 */
import { checkNames, runChecks } from "./checks.ts";
import { discover, parts } from "./parts.ts";
import { type Row, runParts, summary } from "./test-parts.ts";

const CHECK = "check";
const CHECK_MINUTES = 2;

const only = process.argv.slice(2);
const { present, unknown } = discover(parts);
const known = [CHECK, ...present.map(({ name }) => name), ...unknown];
const strange = only.filter((name) => !known.includes(name));
if (strange.length > 0) {
  console.error(`no part named ${strange.join(", ")}; there are: ${known.join(", ")}`);
  process.exitCode = 2;
} else {
  const rows: Row[] = [];
  if (only.length === 0 || only.includes(CHECK)) rows.push(await check());
  if (only.length === 0 || only.some((name) => name !== CHECK))
    rows.push(
      ...(await runParts(parts, {
        only: only.filter((name) => name !== CHECK),
        requireAll: process.env["ATOLL_REQUIRE_ALL"] === "1",
        say: console.log,
        progress: true,
      })),
    );
  console.log(`\n${summary(rows)}`);
  process.exitCode = rows.some(({ failed }) => failed > 0) ? 1 : 0;
}

async function check(): Promise<Row> {
  const startedMs = performance.now();
  const outcome = await runChecks(checkNames);
  return {
    part: CHECK,
    ...outcome,
    tookMs: performance.now() - startedMs,
    minutes: CHECK_MINUTES,
    note: "",
  };
}
