/**
 * Bugs that somebody could write into routing: each is found by the outages or by the tests that it belongs to.
 *
 * `ATOLL_TRAFFIC_MUTANT` chooses one by a part of its name.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { test } from "node:test";
import { TRAFFIC_MUTANTS, TRAFFIC_TESTS } from "../../sim/traffic/mutants.ts";
import { root } from "../support/server.ts";

const ONLY = process.env["ATOLL_TRAFFIC_MUTANT"] ?? "";
/** A patch did not fit: `sim/mutants/load.ts`. */
const UNFIT = 3;

const tests = TRAFFIC_TESTS.flatMap((files) => globSync(files, { cwd: root }));

for (const { name, by } of TRAFFIC_MUTANTS.filter((mutant) => mutant.name.includes(ONLY)))
  test(`it is noticed that ${name}`, () => {
    const what =
      by === "outages"
        ? ["sim/traffic/hunt.ts"]
        : ["--test", "--test-isolation=none", "--test-reporter=tap", ...tests];
    const { NODE_TEST_CONTEXT: _inner, ...env } = process.env;
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ["--import", "./sim/mutants/load.ts", ...what],
      { cwd: root, encoding: "utf8", env: { ...env, ATOLL_MUTANT: name }, maxBuffer: 1 << 28 },
    );
    assert.notEqual(status, UNFIT, stderr);
    const found = by === "outages" ? stdout.trim() : (/^not ok .*$/m.exec(stdout)?.[0] ?? "");
    assert.equal(status, 1, "it survived");
    assert.notEqual(found, "", stderr);
    console.log(`${name}: ${found}`);
  });
