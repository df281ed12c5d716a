/** Where a library ships the tests of itself, they pass with Atoll in the place of Redis. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { root, startSubject } from "../support/server.ts";

const PORT_OF_TESTS = join(import.meta.dirname, "default-port.ts");
/** They count within windows of a second by the clock: what interrupts them for that long fails them, whatever they test. */
const ATTEMPTS = 3;

interface Outcome {
  passed: number;
  output: string;
}

/** Runs a file of tests of a package, which expects Redis on its usual port. */
function run(file: string, port: number): Promise<Outcome> {
  const env = { ...process.env, ATOLL_DEFAULT_PORT: String(port) };
  // Else it would report to the runner of this file, in its own format.
  delete (env as NodeJS.ProcessEnv)["NODE_TEST_CONTEXT"];
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ["--import", PORT_OF_TESTS, "--test-reporter=tap", join(root, "node_modules", file)],
      { env, timeout: 60_000 },
      (error, stdout, stderr) => {
        const passed = error === null ? Number(/^# pass (\d+)$/m.exec(stdout)?.[1] ?? 0) : 0;
        resolve({ passed, output: stdout + stderr });
      },
    );
  });
}

test("the tests of @fastify/rate-limit pass, those of its store in Redis", async () => {
  await using server = await startSubject();
  let outcome: Outcome = { passed: 0, output: "" };
  for (let attempt = 0; attempt < ATTEMPTS && outcome.passed === 0; attempt++)
    outcome = await run("@fastify/rate-limit/test/redis-rate-limit.test.js", server.port);
  assert.equal(outcome.passed, 16, outcome.output);
});
