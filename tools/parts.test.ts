/**
 * The parts runner, on parts of its own in a scratch folder: what passes, and every way in which a part must not.
 *
 * Invariant: the runner works on the current folder, so these tests move there and nothing of the project's test/ runs.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import type { Part } from "./parts.ts";
import { type Row, runParts, summary } from "./test-parts.ts";

const home = process.cwd();
const scratch = mkdtempSync(join(tmpdir(), "atoll-parts-"));
before(() => process.chdir(scratch));
after(() => {
  process.chdir(home);
  rmSync(scratch, { recursive: true, force: true });
});

const said: string[] = [];
beforeEach(() => {
  said.length = 0;
  rmSync("test", { recursive: true, force: true });
});

const IMPORTS = 'import { test } from "node:test";\n';
const PASSING = `${IMPORTS}test("one", () => {});\n`;
const ENDLESS = "setInterval(() => {}, 1000)";

function file(path: string, code: string): void {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, code);
}

const entry = (name: string, more: Partial<Part> = {}): Part => ({
  name,
  files: `test/${name}/**/*.test.ts`,
  needs: [],
  minutes: 1,
  ...more,
});

/** A zombie, which only waits for its parent to look, is not alive. */
function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return (
      !existsSync(`/proc/${pid}/stat`) || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "latin1"))
    );
  } catch {
    return false;
  }
}

async function rowsOf(table: Part[], more: { requireAll?: boolean; only?: string[] } = {}) {
  return runParts(table, {
    only: [],
    requireAll: false,
    say: (line) => said.push(line),
    progress: false,
    ...more,
  });
}

const brief = ({ part, passed, failed, skipped }: Row): string =>
  `${part} ${passed} ${failed} ${skipped}`;

test("parts run in the order of the table, and one whose folder is not there yet is no matter", async () => {
  file("test/b/b.test.ts", `${PASSING}test.skip("two", () => {});\n`);
  file("test/a/deep/a.test.ts", PASSING);
  const rows = await rowsOf([entry("b"), entry("absent"), entry("a")]);
  assert.deepEqual(rows.map(brief), ["b 1 0 1", "a 1 0 0"]);
});

test("a named part runs alone", async () => {
  file("test/a/a.test.ts", PASSING);
  file("test/b/b.test.ts", PASSING);
  const rows = await rowsOf([entry("a"), entry("b")], { only: ["b"] });
  assert.deepEqual(rows.map(brief), ["b 1 0 0"]);
});

test("a folder without an entry fails and says what to do", async () => {
  file("test/stray/a.test.ts", PASSING);
  file("test/support/helper.ts", "export const helper = 1;\n");
  const rows = await rowsOf([]);
  assert.deepEqual(rows.map(brief), ["stray 0 1 0"]);
  assert.match(rows[0]?.note ?? "", /test\/stray has no entry in tools\/parts\.ts/);
});

test("a failing test is named with its file and counted", async () => {
  file("test/a/a.test.ts", `${PASSING}test("the planted one", () => { throw new Error("boo"); });`);
  const rows = await rowsOf([entry("a")]);
  assert.deepEqual(rows.map(brief), ["a 1 1 0"]);
  assert.match(said.join("\n"), /the planted one\n +test\/a\/a\.test\.ts:3\n[^]*boo/);
});

test("a part without tests fails", async () => {
  file("test/a/helper.ts", "export const helper = 1;\n");
  const rows = await rowsOf([entry("a")]);
  assert.deepEqual(rows.map(brief), ["a 0 1 0"]);
  assert.match(rows[0]?.note ?? "", /saw no tests/);
});

test("a file without tests fails its part, though another file has some", async () => {
  file("test/a/a.test.ts", PASSING);
  file("test/a/empty.test.ts", "export const nothing = 1;\n");
  const rows = await rowsOf([entry("a")]);
  assert.deepEqual(rows.map(brief), ["a 1 1 0"]);
  assert.match(rows[0]?.note ?? "", /no tests in test\/a\/empty\.test\.ts/);
});

test("a part over its budget is killed with all that it started", async () => {
  file(
    "test/a/a.test.ts",
    `${IMPORTS}import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
test("endless", () => {
  const child = spawn(process.execPath, ["-e", "${ENDLESS}"], { detached: true, stdio: "ignore" });
  writeFileSync("pids", process.pid + " " + child.pid);
  return new Promise(() => ${ENDLESS});
});`,
  );
  const rows = await rowsOf([entry("a", { minutes: 2 / 60 })]);
  assert.deepEqual(rows.map(brief), ["a 0 1 0"]);
  assert.match(rows[0]?.note ?? "", /killed: not done after 0\.03 min/);
  // On a machine so slow that the test had not begun there is nothing more to see.
  const pids = existsSync("pids") ? readFileSync("pids", "utf8").split(" ").map(Number) : [];
  assert.deepEqual(pids.filter(alive), []);
});

test(
  "a process that outlives the tests is named, ended, and fails the part",
  { skip: process.platform !== "linux" && "only /proc shows it" },
  async () => {
    file(
      "test/a/a.test.ts",
      `${IMPORTS}import { spawn } from "node:child_process";
test("careless", () => {
  spawn(process.execPath, ["-e", "${ENDLESS}"], { detached: true, stdio: "ignore" }).unref();
});`,
    );
    const rows = await rowsOf([entry("a")]);
    assert.deepEqual(rows.map(brief), ["a 1 1 0"]);
    const pid = Number(/left running: (\d+) \S*node/.exec(rows[0]?.note ?? "")?.[1]);
    assert.ok(pid > 0, rows[0]?.note);
    // It was killed; a busy kernel may take a moment to let go of it.
    for (let i = 0; i < 400 && alive(pid); i++) await new Promise((done) => setTimeout(done, 25));
    assert.equal(alive(pid), false);
  },
);

test("a part whose package is missing is skipped, or fails when all are required", async () => {
  file("test/a/a.test.ts", PASSING);
  const table = [entry("a", { needs: ["redis-tools"] })];
  const path = process.env["PATH"];
  process.env["PATH"] = scratch;
  try {
    const [skipped] = await rowsOf(table);
    assert.equal(skipped && brief(skipped), "a 0 0 1");
    assert.equal(skipped?.note, "skipped: needs redis-tools");
    const [failed] = await rowsOf(table, { requireAll: true });
    assert.equal(failed && brief(failed), "a 0 1 0");
  } finally {
    process.env["PATH"] = path;
  }
});

test("the last line is the sum, alone", () => {
  const row = { part: "a", tookMs: 1500, minutes: 2, note: "" };
  const rows = [
    { ...row, passed: 3, failed: 0, skipped: 0 },
    { ...row, passed: 4, failed: 1, skipped: 0 },
  ];
  assert.equal(summary(rows).split("\n").at(-1), "7 passed, 1 failed");
  const skips = [...rows, { ...row, passed: 0, failed: 0, skipped: 2 }];
  assert.equal(summary(skips).split("\n").at(-1), "7 passed, 1 failed, 2 skipped");
});
