import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz, replay, type Target } from "./engine.ts";
import { regressions } from "./regressions.ts";
import { newTarget, targetNames } from "./targets.ts";

for (const name of targetNames) {
  test(`${name}: what was once found is found no more`, async () => {
    for (const { file, inputs } of regressions(name))
      assert.equal(await replay(newTarget(name), inputs), null, file);
  });

  test(`${name}: some hundred inputs do no harm and reach a good part of the code`, async () => {
    const report = await fuzz(newTarget(name), { inputs: 300, seed: 1, guided: 300 });
    assert.deepEqual(report.findings, []);
    assert.equal(report.inputs, 300);
    assert.ok(report.blocks > 100, `${report.blocks} blocks`);
  });
}

/** A target that believes a length: its second byte says how many bytes follow. */
const planted: Target = {
  name: "planted",
  renewEvery: 10,
  make: (chance) => Buffer.from(Array.from({ length: 2 + chance.below(6) }, () => chance.below(8))),
  renew() {},
  take(input) {
    const length = input[1] ?? 0;
    if (input[0] === 7 && length + 2 > input.length) throw new RangeError("beyond the end");
  },
};

test("an unchecked length is found and shrunk to the byte that matters", async () => {
  const { findings } = await fuzz(planted, { inputs: 2_000, seed: 3, guided: 0 });
  assert.equal(findings.length, 1);
  assert.equal(findings[0]?.kind, "crash");
  assert.deepEqual(
    findings[0]?.inputs.map((input) => input.length),
    [1],
  );
});
