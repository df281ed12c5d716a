/**
 * The engine runs what Redis' EVAL runs.
 *
 * Invariant: `ATOLL_TEST_SEED` and `ATOLL_TEST_COUNT` choose another run; what is printed on failure is the program itself.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startServer } from "../support/server.ts";
import { compareMany } from "./compare.ts";

const seed = Number(process.env["ATOLL_TEST_SEED"] ?? "1");
const count = Number(process.env["ATOLL_TEST_COUNT"] ?? "20000");

test("random programs return what they return in Redis, and fail with the same words", async (t) => {
  await using reference = await startServer("redis");
  const result = await compareMany({ port: reference.port, seed, count, most: 5 });
  const { total, succeeded, failed, uncompiled, endless, excused } = result;
  t.diagnostic(
    `${total} programs: ${JSON.stringify({ succeeded, failed, uncompiled, endless, excused })}`,
  );
  assert.deepEqual(result.differences, [], `seed ${seed}`);
  assert.ok(succeeded > count * 0.4, "most programs must do something, not fail");
  assert.ok(failed > count * 0.1 && uncompiled > count * 0.02, "errors must come up too");
  assert.ok(endless + excused < count * 0.02, "what is left out must be little");
});
