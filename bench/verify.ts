/**
 * Verify: how long it takes three regions to prove that they are the same, to find differences that lie scattered among their keys, and
 * to mend them, and how many bytes that takes.
 *
 * Invariant: the differences are planted by editing the checkpoint of one region while it stands still: half of the keys are lost, half
 * altered.
 */
import { join } from "node:path";
import type { LabEndpoints } from "../src/lab/lab-command.ts";
import type { NodeStatus } from "../src/host/status.ts";
import type { VerifyState } from "../src/host/verification.ts";
import { RunningCommand, atoll } from "../test/lab/lab-process.ts";
import { damageCheckpoint } from "../test/support/damage.ts";
import { RespConnection } from "../test/support/resp-connection.ts";
import { tempDir } from "../test/support/temp-dir.ts";
import type { BenchOptions } from "./answer.ts";
import { table } from "./answer.ts";
import { processSeconds } from "./processor-time.ts";

interface Step {
  readonly step: string;
  readonly differences: number;
  readonly tookMs: number;
  /** Processor time of all regions: on two processors it takes at least half of it. */
  readonly seconds: number;
  readonly bytes: number;
  readonly equal: boolean | null;
}

export interface VerifyAnswer {
  question: "verify";
  keys: number;
  damaged: number;
  steps: Step[];
}

const VALUE = "x".repeat(64);
const BATCH = 2_000;

export async function verify({ quick, note }: BenchOptions): Promise<VerifyAnswer> {
  const keys = quick ? 20_000 : 1_000_000;
  const damaged = keys / 10;
  using temp = tempDir("bench-verify");
  const dir = join(temp.path, "lab");
  const steps: Step[] = [];
  let lab = await begin(dir);
  try {
    note(`${keys} keys are written`);
    using connection = await RespConnection.open(Number(new URL(lab.regions[0]?.redis ?? "").port));
    for (let from = 0; from < keys; from += BATCH)
      await connection.pipeline(
        Array.from({ length: BATCH }, (_, i) => ["SET", `key:${from + i}`, `${VALUE}${from + i}`]),
      );
    steps.push(await ask("equal", lab, "no", note));
  } finally {
    await end(dir, lab.command);
  }
  note(`${damaged} of them are damaged in one region's checkpoint`);
  const names = Array.from({ length: damaged }, (_, i) => `key:${i * 10}`);
  await damageCheckpoint(join(dir, "eu-west", "data"), "eu-west/1", names);
  lab = await begin(dir, "--keep");
  try {
    steps.push(await ask("found", lab, "no", note));
    steps.push(await ask("mended", lab, "all", note));
    steps.push(await ask("equal again", lab, "no", note));
  } finally {
    await end(dir, lab.command);
  }
  return { question: "verify", keys, damaged, steps };
}

export function verifyTable({ steps }: VerifyAnswer): string {
  return table([
    ["step", "equal", "differences", "seconds", "of processors", "bytes of who asks"],
    ...steps.map(({ step, equal, differences, tookMs, seconds, bytes }) => [
      step,
      `${equal}`,
      `${differences}`,
      (tookMs / 1000).toFixed(1),
      seconds.toFixed(1),
      `${bytes}`,
    ]),
  ]);
}

interface Lab {
  readonly command: RunningCommand;
  readonly regions: LabEndpoints["regions"];
}

async function begin(dir: string, ...more: string[]): Promise<Lab> {
  const words = ["lab", "--json", "--port", "0", "--wan", "none", "--dir", dir, ...more];
  const command = new RunningCommand(words);
  await command.until(({ stdout }) => stdout.includes("\n"));
  return { command, regions: (JSON.parse(command.stdout) as LabEndpoints).regions };
}

async function end(dir: string, command: RunningCommand): Promise<void> {
  await atoll("lab", "stop", "--dir", dir);
  await command.ended;
}

async function ask(
  step: string,
  { regions }: Lab,
  mend: "no" | "all",
  note: (line: string) => void,
): Promise<Step> {
  const url = new URL("/verify", regions[0]?.http);
  const isLinked = async (): Promise<boolean> => {
    const status = (await (await fetch(new URL("/status", url))).json()) as NodeStatus;
    return status.links.every(({ state }) => state === "live");
  };
  while (!(await isLinked())) await new Promise((resolve) => setTimeout(resolve, 100));
  const used = (): number => regions.reduce((sum, { pid }) => sum + processSeconds(pid), 0);
  const before = used();
  await fetch(`${url.href}?mend=${mend}`, { method: "POST" });
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    const state = (await (await fetch(url)).json()) as VerifyState;
    if (state.running) continue;
    if (state.report === null) throw new Error("the comparison failed");
    const { differences, tookMs, bytes, equal, reason } = state.report;
    const seconds = used() - before;
    note(
      `${step}: ${equal} (${reason ?? "no doubt"}), ${differences} differences, ${tookMs} ms, ${seconds} s of processors`,
    );
    return { step, differences, tookMs, seconds, bytes, equal };
  }
}
