/**
 * Join: how long a fourth region takes to be filled while three of them are written to, and what the writers notice.
 *
 *   a million keys ─► writers at a fixed rate, alone ─► `lab add`, they go on ─► the fourth serves ─► is it equal?
 *
 * Invariant: writers keep to their times whatever is answered, and a batch counts from when it was due, so what they had to wait
 * for shows. On two processors the drivers take their share of both.
 */
import { connect, type Socket } from "node:net";
import { join as path } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { LabEndpoints } from "../src/lab/lab-command.ts";
import type { NodeStatus } from "../src/host/status.ts";
import { atoll, RunningCommand } from "../test/lab/lab-process.ts";
import { encodeCommand } from "../test/support/resp.ts";
import { RespConnection } from "../test/support/resp-connection.ts";
import { tempDir } from "../test/support/temp-dir.ts";
import { type BenchOptions, table } from "./answer.ts";
import { processSeconds } from "./processor-time.ts";

interface Phase {
  readonly phase: "alone" | "joining";
  readonly tookMs: number;
  readonly writesPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly msMax: number;
  /** Processor time of each of the three nodes. */
  readonly nodeSeconds: readonly number[];
}

export interface JoinAnswer {
  question: "join";
  keys: number;
  phases: Phase[];
  /** Until it served; p99 while it joined by that before. */
  joinMs: number;
  p99Ratio: number;
  /** Processor time that the fourth took until it served. */
  joinerSeconds: number;
  /** What `atoll verify` says afterwards. */
  verdict: string;
}

const VALUE = "x".repeat(64);
const FILL_BATCH = 2_000;
const EVERY_MS = 10;

export async function join({ quick, keys: chosen, note }: BenchOptions): Promise<JoinAnswer> {
  const keys = chosen ?? (quick ? 20_000 : 1_000_000);
  const perSecond = quick ? 3_000 : 10_500;
  const aloneMs = quick ? 2_000 : 20_000;
  using temp = tempDir("bench-join");
  const dir = path(temp.path, "lab");
  const lab = new RunningCommand(["lab", "--json", "--port", "0", "--wan", "none", "--dir", dir]);
  try {
    await lab.until(({ stdout }) => stdout.includes("\n"));
    const { regions } = JSON.parse(lab.stdout) as LabEndpoints;
    const ports = regions.map(({ redis }) => Number(new URL(redis).port));
    note(`${keys} keys are written`);
    await fill(ports[0] as number, keys);
    await settled(regions.map(({ http }) => http));
    const writers = await Promise.all(ports.map((port) => Writer.open(port, keys)));
    const stop = pace(writers, perSecond / ports.length);
    try {
      const used = (): number[] => regions.map(({ pid }) => processSeconds(pid));
      await sleep(1_000);
      const alone = await during("alone", writers, used, () => sleep(aloneMs));
      note(`alone: p99 ${alone.p99Ms.toFixed(1)} ms; a fourth region joins`);
      let joiner: NodeStatus | null = null;
      const joining = await during("joining", writers, used, async () => {
        const added = await atoll("lab", "add", "ap-south", "--dir", dir);
        if (added.code !== 0) throw new Error(`it did not join: ${added.stdout}${added.stderr}`);
        const status = await atoll("lab", "status", "--json", "--dir", dir);
        joiner = (JSON.parse(status.stdout) as { regions: NodeStatus[] }).regions.at(-1) ?? null;
      });
      const joinerPid = (joiner as NodeStatus | null)?.pid;
      const joinerSeconds = joinerPid === undefined ? 0 : processSeconds(joinerPid);
      note(`joined after ${joining.tookMs.toFixed(0)} ms with ${joinerSeconds} s of its own`);
      stop();
      const verified = await atoll("verify", "--dir", dir);
      const verdict = verified.code === 0 ? "equal" : `${verified.stdout}${verified.stderr}`;
      return {
        ...{ question: "join", keys, phases: [alone, joining], joinMs: joining.tookMs },
        ...{ p99Ratio: joining.p99Ms / alone.p99Ms, joinerSeconds, verdict },
      };
    } finally {
      stop();
      for (const writer of writers) writer[Symbol.dispose]();
    }
  } finally {
    await atoll("lab", "stop", "--dir", dir);
    await lab.ended;
  }
}

export function joinTable({
  phases,
  joinMs,
  p99Ratio,
  joinerSeconds,
  verdict,
}: JoinAnswer): string {
  const rows = phases.map((phase) => [
    phase.phase,
    (phase.tookMs / 1000).toFixed(1),
    phase.writesPerSecond.toFixed(0),
    ...[phase.p50Ms, phase.p99Ms, phase.msMax].map((ms) => ms.toFixed(1)),
    phase.nodeSeconds.map((seconds) => seconds.toFixed(1)).join(" "),
  ]);
  return `${table([["phase", "seconds", "writes/s", "p50 ms", "p99 ms", "max ms", "CPU s of each node"], ...rows])}
joined after ${(joinMs / 1000).toFixed(1)} s with ${joinerSeconds.toFixed(1)} s of a processor; p99 ${p99Ratio.toFixed(2)} times as long; ${verdict.trim()}`;
}

async function fill(port: number, keys: number): Promise<void> {
  using connection = await RespConnection.open(port);
  for (let from = 0; from < keys; from += FILL_BATCH)
    await connection.pipeline(
      Array.from({ length: FILL_BATCH }, (_, i) => [
        "SET",
        `key:${from + i}`,
        `${VALUE}${from + i}`,
      ]),
    );
}

/** Resolves once everybody has applied what the others have. */
async function settled(urls: readonly string[]): Promise<void> {
  for (;;) {
    const statuses = await Promise.all(
      urls.map(async (url) => (await (await fetch(new URL("/status", url))).json()) as NodeStatus),
    );
    const [first, ...others] = statuses.map(({ applied }) =>
      Object.entries(applied)
        .map(([origin, seq]) => `${origin} ${seq}`)
        .toSorted()
        .join(),
    );
    if (others.every((applied) => applied === first)) return;
    await sleep(100);
  }
}

/** Sends batches when they are due, and remembers how long after that each was answered. */
class Writer implements Disposable {
  readonly #socket: Socket;
  readonly #keys: number;
  #n = 0;
  #received = 0;
  #sent = 0;
  /** Batches that are not answered: where their replies end, and when they were due. */
  readonly #due: { readonly end: number; readonly ms: number; readonly count: number }[] = [];
  samples: number[] = [];
  answered = 0;

  private constructor(socket: Socket, keys: number) {
    this.#socket = socket;
    this.#keys = keys;
    socket.on("data", (chunk) => this.#take(chunk.length));
    socket.on("error", () => {});
  }

  static open(port: number, keys: number): Promise<Writer> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", noDelay: true });
      socket.once("error", reject);
      socket.once("connect", () => resolve(new Writer(socket, keys)));
    });
  }

  send(count: number, dueMs: number): void {
    const commands: Buffer[] = [];
    for (let i = 0; i < count; i++) {
      // Scattered over all keys, and every key as often.
      const key = (this.#n++ * 7_919) % this.#keys;
      commands.push(encodeCommand(["SET", `key:${key}`, `${VALUE}${this.#n}`]));
    }
    this.#sent += count * OK_BYTES;
    this.#due.push({ end: this.#sent, ms: dueMs, count });
    this.#socket.write(Buffer.concat(commands));
  }

  #take(bytes: number): void {
    this.#received += bytes;
    const nowMs = performance.now();
    for (let next = this.#due[0]; next !== undefined && next.end <= this.#received;) {
      this.samples.push(nowMs - next.ms);
      this.answered += next.count;
      this.#due.shift();
      next = this.#due[0];
    }
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

const OK_BYTES = "+OK\r\n".length;

/** Has each writer send so many commands a second; returns what stops that. */
function pace(writers: readonly Writer[], perSecond: number): () => void {
  const startMs = performance.now();
  let turns = 0;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    for (; startMs + turns * EVERY_MS <= nowMs; turns++) {
      const [from, to] = [turns, turns + 1].map((n) =>
        Math.floor((n * EVERY_MS * perSecond) / 1000),
      );
      const count = (to as number) - (from as number);
      for (const writer of writers) writer.send(count, startMs + turns * EVERY_MS);
    }
  }, EVERY_MS / 2);
  return () => clearInterval(timer);
}

async function during(
  phase: Phase["phase"],
  writers: readonly Writer[],
  used: () => readonly number[],
  what: () => Promise<unknown>,
): Promise<Phase> {
  for (const writer of writers) {
    writer.samples = [];
    writer.answered = 0;
  }
  const [beganMs, before] = [performance.now(), used()];
  await what();
  const tookMs = performance.now() - beganMs;
  const samples = writers.flatMap((writer) => writer.samples).sort((a, b) => a - b);
  const at = (part: number): number => samples[Math.floor((samples.length - 1) * part)] ?? NaN;
  const answered = writers.reduce((sum, writer) => sum + writer.answered, 0);
  return {
    ...{ phase, tookMs, writesPerSecond: answered / (tookMs / 1000) },
    ...{ p50Ms: at(0.5), p99Ms: at(0.99), msMax: at(1) },
    nodeSeconds: used().map((seconds, i) => seconds - (before[i] as number)),
  };
}
