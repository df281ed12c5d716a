/**
 * The subject answers as Redis does: a long run of random commands.
 *
 * Invariant: `ATOLL_TEST_SEED` and `ATOLL_TEST_COUNT` choose another run; what is printed on failure repeats it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startServer, startSubject } from "../support/server.ts";
import { runDifferential, specs } from "./differential.ts";
import { inScope } from "./families/scope.ts";
import { knownDifferences } from "./known-differences.ts";

const seed = Number(process.env["ATOLL_TEST_SEED"] ?? "1");
const count = Number(process.env["ATOLL_TEST_COUNT"] ?? "200000");

test("random commands get the answers of Redis, and leave the data of Redis", async (t) => {
  await using reference = await startServer("redis");
  await using subject = await startSubject();
  const result = await runDifferential({
    referencePort: reference.port,
    subjectPort: subject.port,
    revive: async () => {
      await subject.kill();
      await subject.start();
    },
    seed,
    count,
  });
  for (const [what, counts] of Object.entries({
    commands: result.commands,
    options: result.options,
    "known differences": result.known,
  })) {
    const told = Object.entries(counts).map(([name, times]) => `${name} ${times}`);
    t.diagnostic(`${what}: ${told.join(" · ")}`);
  }
  assert.deepEqual(
    result.differences.map(({ reason, script, reference: redis, subject: own }) => ({
      reason,
      script,
      redis: redis.slice(0, 300),
      own: own.slice(0, 300),
    })),
    [],
    `seed ${seed}: the answers differ`,
  );
  assert.deepEqual(result.tooSeldom, [], "something was tried too seldom to mean anything");
  assert.ok(result.succeededPercent > 70, "most commands must do something, not fail");
  assert.ok(result.total >= count, "the run ended early");
});

test("every command in scope is generated, and nothing else", () => {
  const generated = new Set(
    specs
      .filter((spec) => !spec.name.startsWith("-"))
      .map((spec) => spec.name.replace(/ .*/, "").toLowerCase()),
  );
  assert.deepEqual([...generated].sort(), [...inScope].sort());
});

test("every known difference has its own name and says why it is one", () => {
  assert.equal(new Set(knownDifferences.map((one) => one.id)).size, knownDifferences.length);
  for (const { id, command, redis, atoll, reason } of knownDifferences) {
    assert.match(id, /^[a-z0-9]+(-[a-z0-9]+)*$/);
    for (const text of [command, redis, atoll, reason]) assert.notEqual(text.trim(), "", id);
  }
});
