import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Simulation } from "./simulation.ts";
import { planOf } from "./swarm.ts";
import { sandboxed } from "./world/sandbox.ts";

test("whatever happens to the cluster, what it promises holds", async () => {
  for (let seed = 1; seed <= 12; seed++) {
    const { failure } = await new Simulation(planOf(seed, 10_000)).run();
    assert.equal(failure, null, `npm run sim -- --seed ${seed} --seconds 10 --trace`);
  }
});

test("a seed is the same history in every process, whatever its hash seed", () => {
  const hashes = ["1", "2"].map((hashSeed) => {
    const script = `
      const { Simulation } = await import("./simulation.ts");
      const { planOf } = await import("./swarm.ts");
      const seeds = process.argv[1] === "1" ? [3, 4, 5] : [5, 4, 3];
      const hashes = {};
      for (const seed of seeds) hashes[seed] = (await new Simulation(planOf(seed, 8000)).run()).hash;
      console.log(JSON.stringify(hashes));`;
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      [`--hash-seed=${hashSeed}`, "--input-type=module", "-e", script, hashSeed],
      { cwd: fileURLToPath(new URL(".", import.meta.url)), encoding: "utf8" },
    );
    assert.equal(status, 0, stderr);
    return JSON.parse(stdout) as Record<string, string>;
  });
  assert.deepEqual(hashes[0], hashes[1]);
  assert.equal(new Set(Object.values(hashes[0] ?? {})).size, 3, "another seed is another history");
});

test("a simulation that asks for the time or for chance of this process is stopped", async () => {
  for (const leak of [
    () => Reflect.apply(Reflect.get(Date, "now") as () => number, Date, []),
    () => new Date(),
    () => Reflect.apply(Reflect.get(Math, "random") as () => number, Math, []),
    () => setTimeout(() => {}, 0),
    () => performance.now(),
    () => crypto.randomUUID(),
  ])
    await assert.rejects(
      sandboxed(async () => leak()),
      /in a simulation/,
    );
  assert.ok(new Date().getTime() > 0, "afterwards there is time again");
  assert.ok(crypto.randomUUID().length > 0);
});
