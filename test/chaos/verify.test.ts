/** Regions that are the same say so under load; one whose checkpoint was edited is found out and mended. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { LabEndpoints } from "../../src/lab/lab-command.ts";
import { atoll, RunningCommand } from "../lab/lab-process.ts";
import { damageCheckpoint } from "../support/damage.ts";
import { RespConnection } from "../support/resp-connection.ts";
import { tempDir } from "../support/temp-dir.ts";

const KEYS = 4_000;
const DAMAGED = 400;

test("an edited checkpoint is found by comparing, key by key, and mended from the others", async (t) => {
  const temp = tempDir("verify");
  t.after(() => temp[Symbol.dispose]());
  const dir = join(temp.path, "lab");
  const begin = async (
    ...more: string[]
  ): Promise<{ lab: RunningCommand; regions: LabEndpoints["regions"] }> => {
    const words = ["lab", "--json", "--port", "0", "--wan", "none", "--dir", dir, ...more];
    const lab = new RunningCommand(words);
    t.after(() => lab.child.kill("SIGKILL"));
    await lab.until(({ stdout }) => stdout.includes("\n"));
    return { lab, regions: (JSON.parse(lab.stdout) as LabEndpoints).regions };
  };
  const stop = async (lab: RunningCommand): Promise<void> => {
    assert.equal((await atoll("lab", "stop", "--dir", dir)).code, 0);
    await lab.ended;
  };
  const says = async (
    code: number,
    ...words: string[]
  ): Promise<{
    equal: boolean | null;
    differences: number;
    cut: object;
    reason: string | null;
  }> => {
    const outcome = await atoll(...words, "--dir", dir, "--json");
    assert.equal(outcome.code, code, outcome.stdout + outcome.stderr);
    return JSON.parse(outcome.stdout) as Awaited<ReturnType<typeof says>>;
  };

  const first = await begin();
  const [region] = first.regions;
  {
    using connection = await RespConnection.open(Number(new URL(region?.redis ?? "").port));
    const commands = Array.from({ length: KEYS }, (_, i) => ["SET", `key:${i}`, `value ${i}`]);
    await connection.pipeline(commands);
    // While somebody goes on writing.
    const rest = connection.pipeline(
      Array.from({ length: 20_000 }, (_, i) => ["INCR", `busy:${i % 50}`]),
    );
    const verdict = await says(0, "verify");
    assert.equal(verdict.equal, true);
    assert.ok(Object.keys(verdict.cut).length > 0, "the cut is named");
    await rest;
  }
  await stop(first.lab);

  const names = Array.from({ length: DAMAGED }, (_, i) => `key:${i * 7}`);
  await damageCheckpoint(join(dir, "eu-west", "data"), "eu-west/1", names);
  const second = await begin("--keep");
  assert.equal((await says(1, "verify")).differences, DAMAGED);
  assert.equal((await says(0, "diff", "us-east", "us-west")).equal, true);
  assert.equal((await says(1, "diff", "us-east", "eu-west")).equal, false);
  assert.equal((await says(1, "repair", "--plan")).differences, DAMAGED);
  const few = await says(1, "repair", "--apply");
  assert.match(few.reason ?? "", /--all/, "so much at once is for somebody to look at first");
  assert.equal((await says(0, "repair", "--apply", "--all")).equal, true);
  assert.equal((await says(0, "verify")).equal, true);
  await stop(second.lab);

  // What was mended outlives a restart, although no record of it exists.
  const third = await begin("--keep");
  assert.equal((await says(0, "verify")).equal, true);
  await says(2, "verify", "--url", "http://127.0.0.1:1");
  await stop(third.lab);
});
