/**
 * `npm run -s fuzz -- resp|peer|disk|payload|rdb|dns|register|all`: feeds hostile inputs to what reads bytes from clients, peers and disks.
 *
 *   npm run -s fuzz -- all --inputs 1000000 --seed 7 --json
 *   npm run -s fuzz -- peer --show FILE       feeds the inputs of a .hex file and tells what comes of it
 *
 * Invariant: stdout has results only, stderr the progress. Exit 0: nothing was found; 1: something was, and its inputs are printed
 * as hex; 2: usage.
 */
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { type Finding, replay, type Report } from "./engine.ts";
import { parseHex } from "./regressions.ts";
import { newTarget, targetNames } from "./targets.ts";
import { BOX_BYTES, type Message, type Task } from "./worker.ts";

const USAGE = `usage: npm run -s fuzz -- ${targetNames.join("|")}|all [--inputs N] [--seed S] [--guided N] [--json]
       npm run -s fuzz -- TARGET --show FILE`;
/** Without a new input for so long, the one that is being processed hangs. Looking for blocks takes a second at most. */
const STUCK_MS = 30_000;

/** Inputs of a target that are fed under coverage unless told otherwise. */
const GUIDED_DEFAULT = 30_000;

const say = (line: string): void => void process.stderr.write(`${line}\n`);

interface Wanted {
  readonly targets: readonly string[];
  readonly inputs: number;
  readonly seed: number;
  readonly guided: number;
  readonly json: boolean;
  readonly show: string | null;
}

function wanted(): Wanted | null {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        inputs: { type: "string", default: "100000" },
        seed: { type: "string", default: "1" },
        guided: { type: "string" },
        json: { type: "boolean", default: false },
        show: { type: "string" },
      },
    });
    const [name = ""] = positionals;
    const known = name === "all" || targetNames.includes(name);
    if (!known || positionals.length !== 1 || (name === "all" && values.show !== undefined))
      return null;
    if (
      ![values.inputs, values.seed, values.guided ?? "0"].every((text) => /^\d{1,15}$/.test(text))
    )
      return null;
    return {
      targets: name === "all" ? targetNames : [name],
      inputs: Number(values.inputs),
      seed: Number(values.seed),
      guided: Number(values.guided ?? GUIDED_DEFAULT),
      json: values.json,
      show: values.show ?? null,
    };
  } catch {
    return null;
  }
}

/** Runs one target in a thread; a thread that is stuck is ended, and what it was stuck on is the finding. */
async function run(task: Omit<Task, "box">): Promise<Report> {
  const begunMs = performance.now();
  const box = new SharedArrayBuffer(BOX_BYTES);
  const marks = new Uint32Array(box, 0, 2);
  const worker = new Worker(new URL("worker.ts", import.meta.url), {
    workerData: { ...task, box } satisfies Task,
  });
  let last = 0;
  let lastMs = begunMs;
  let blocks = 0;
  const { promise, resolve, reject } = Promise.withResolvers<Report>();
  const timer = setInterval(() => {
    const count = Atomics.load(marks, 0);
    if (count !== last) {
      last = count;
      lastMs = performance.now();
      return;
    }
    if (performance.now() - lastMs < STUCK_MS) return;
    const input = Buffer.from(new Uint8Array(box, 8, marks[1] ?? 0));
    const message = "an input never comes to its end";
    resolve({
      target: task.target,
      inputs: count,
      blocks,
      corpus: 0,
      findings: [{ kind: "hang", message, inputs: [input], at: count - 1 }],
      seconds: (performance.now() - begunMs) / 1000,
    });
  }, 500);
  worker.on("message", (message: Message) => {
    if (message.type === "report") return resolve(message.report);
    blocks = message.blocks;
    say(`${task.target}: ${message.inputs} inputs, ${message.blocks} blocks`);
  });
  worker.on("error", reject);
  worker.on("exit", () => reject(new Error(`the thread of ${task.target} ended by itself`)));
  try {
    return await promise;
  } finally {
    clearInterval(timer);
    await worker.terminate();
  }
}

function tell(target: string, seed: number, { kind, message, at, inputs }: Finding): void {
  console.log(`# ${target} ${kind}: ${message}\n# seed ${seed}, input ${at}`);
  for (const input of inputs) console.log(Buffer.from(input).toString("hex"));
}

async function show(target: string, file: string): Promise<number> {
  const fault = await replay(newTarget(target), parseHex(readFileSync(file, "latin1")));
  console.log(fault === null ? "nothing is wrong" : `${fault.kind}: ${fault.message}`);
  return fault === null ? 0 : 1;
}

async function main(): Promise<number> {
  const options = wanted();
  if (options === null) {
    say(USAGE);
    return 2;
  }
  if (options.show !== null) return show(options.targets[0] as string, options.show);
  const { inputs, seed, guided } = options;
  const reports: Report[] = [];
  for (const target of options.targets) {
    const share = Math.ceil(inputs / options.targets.length);
    const report = await run({ target, inputs: share, seed, guided });
    reports.push(report);
    for (const finding of report.findings) tell(target, seed, finding);
  }
  const sum = (of: (report: Report) => number): number =>
    reports.reduce((total, report) => total + of(report), 0);
  const count = (kind: Finding["kind"]) => (report: Report) =>
    report.findings.filter((finding) => finding.kind === kind).length;
  const summary = {
    inputs: sum((report) => report.inputs),
    crashes: sum(count("crash")),
    hangs: sum(count("hang")),
    blocks: sum(({ blocks }) => blocks),
    corpus: sum(({ corpus }) => corpus),
    inputsPerSecond: Math.round(sum((r) => r.inputs) / sum(({ seconds }) => seconds)),
    seed,
    targets: reports.map(({ target, inputs: fed, blocks, seconds }) => ({
      target,
      inputs: fed,
      blocks,
      seconds: Math.round(seconds * 10) / 10,
    })),
  };
  console.log(options.json ? JSON.stringify(summary) : JSON.stringify(summary, null, 2));
  return summary.crashes + summary.hangs > 0 ? 1 : 0;
}

process.exitCode = await main();
