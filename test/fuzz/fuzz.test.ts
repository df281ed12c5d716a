/**
 * The fuzzers as CI runs them: 2.2 million inputs of one seed, one process a core. `ATOLL_FUZZ_SEED` chooses others, and
 * `ATOLL_FUZZ_TIMES` more or fewer.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { atExit } from "../support/cleanup.ts";
import { root } from "../support/server.ts";

const TIMES = Number(process.env["ATOLL_FUZZ_TIMES"] ?? 1);
const INPUTS = {
  resp: 900_000 * TIMES,
  peer: 500_000 * TIMES,
  disk: 200_000 * TIMES,
  payload: 400_000 * TIMES,
  rdb: 60_000 * TIMES,
  dns: 200_000 * TIMES,
  register: 100_000 * TIMES,
};
const SEED = process.env["ATOLL_FUZZ_SEED"] ?? "1";

async function run(target: string, inputs: number): Promise<void> {
  const args = ["fuzz/main.ts", target, "--inputs", String(inputs), "--guided", "10000"];
  const child = spawn(process.execPath, [...args, "--seed", SEED, "--json"], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const forget = atExit(() => child.kill("SIGKILL"));
  let stdout = "";
  child.stdout.on("data", (chunk) => (stdout += String(chunk)));
  const [code] = (await once(child, "close")) as [number | null];
  forget();
  assert.equal(code, 0, stdout);
  const line = stdout.trim().split("\n").at(-1) ?? "";
  const report = JSON.parse(line) as { inputs: number; crashes: number; hangs: number };
  assert.deepEqual([report.inputs, report.crashes, report.hangs], [inputs, 0, 0]);
}

test("inputs that nobody would send, from clients, resolvers, peers and disks, crash and hang nothing", async () => {
  const others = async (): Promise<void> => {
    await run("peer", INPUTS.peer);
    await run("disk", INPUTS.disk);
    await run("payload", INPUTS.payload);
    await run("rdb", INPUTS.rdb);
    await run("dns", INPUTS.dns);
    await run("register", INPUTS.register);
  };
  await Promise.all([run("resp", INPUTS.resp), others()]);
});
