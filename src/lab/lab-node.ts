/**
 * One node of the lab: a process of its own, and what the lab knows of it.
 *
 *     starting ──► ready ◄──► paused
 *        │           │          │
 *        └────► killed, failed ◄┘ ──► starting …
 *
 * Invariant: `state` says what the lab did, or saw happen: `killed` and `stopped` were asked for, `failed` was not. A command
 * resolves when the process has got there, not when the signal was sent.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import type { NodeStatus } from "../host/status.ts";

export type LabNodeState = "starting" | "ready" | "paused" | "killed" | "failed" | "stopped";

export interface LabNodeOptions {
  /** Its name in the lab. */
  readonly name: string;
  /** Program and arguments; `serve --config <config>` follows. */
  readonly command: readonly string[];
  readonly dir: string;
  readonly config: string;
  readonly logFile: string;
  readonly respHost: string;
  readonly respPort: number;
  readonly httpPort: number;
  readonly replicationPort: number;
  /** Told when the process has ended without being asked to. */
  readonly onFailed: (node: LabNode, why: string) => void;
}

const STATUS_MS = 1_000;
const ANSWER_MS = 10_000;
const STOP_MS = 10_000;

export class LabNode {
  readonly options: LabNodeOptions;
  state: LabNodeState = "stopped";
  clockOffsetMs = 0;
  #child: ChildProcess | null = null;
  #gone: Promise<void> = Promise.resolve();

  constructor(options: LabNodeOptions) {
    this.options = options;
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** Starts the process and resolves when it serves; rejects, with what it said last, when it ends before. */
  async start(): Promise<void> {
    const { command, config, dir, logFile } = this.options;
    const [program = "", ...words] = command;
    const log = openSync(logFile, "a");
    // A session of its own, so that Ctrl-C in the terminal reaches the lab alone, and the lab ends its nodes in order.
    const offset = ["--clock-offset-ms", String(this.clockOffsetMs)];
    const child = spawn(program, [...words, "serve", "--config", config, ...offset], {
      cwd: dir,
      env: withoutSettings(process.env),
      stdio: ["ignore", log, log, "ipc"],
      detached: true,
    });
    closeSync(log);
    this.#child = child;
    this.state = "starting";
    let ended: (why: string) => void = () => {};
    this.#gone = new Promise((resolve) => {
      const end = (why: string): void => {
        if (this.#child !== child) return;
        this.#child = null;
        resolve();
        ended(why);
      };
      child.on("error", (error) => end(`could not be started: ${error.message}`));
      child.on("exit", (code, signal) => end(`ended with ${signal ?? `exit code ${code}`}`));
    });
    await new Promise<void>((resolve, reject) => {
      ended = (why) =>
        reject(new Error(`the node of ${this.options.name} ${why}${this.#lastWords()}`));
      child.on("message", (message) => {
        if (!isOf(message, "ready")) return;
        ended = (reason) => this.#endedWhileRunning(reason);
        resolve();
      });
    }).catch((error: unknown) => {
      if (this.state === "starting") this.state = "failed";
      throw error;
    });
    this.state = "ready";
  }

  #endedWhileRunning(why: string): void {
    if (this.state !== "ready" && this.state !== "paused") return;
    this.state = "failed";
    this.options.onFailed(this, `${why}${this.#lastWords()}`);
  }

  /** SIGKILL, as a machine that loses power; resolves when the process is gone. */
  async kill(): Promise<void> {
    if (this.#child === null && this.state !== "failed") this.state = "killed";
    await this.#endWith("killed");
  }

  /** SIGSTOP, as a machine that hangs: its sockets stay open and nobody answers. */
  pause(): void {
    if (this.state !== "ready") return;
    this.state = "paused";
    this.#child?.kill("SIGSTOP");
  }

  /** SIGCONT after a pause; resolves when the node answers again. */
  async resume(): Promise<void> {
    this.#child?.kill("SIGCONT");
    this.state = "ready";
    await this.#untilItAnswers();
  }

  /** Sets the node's injected clock and resolves when the node says that it has. */
  async setClock(offsetMs: number): Promise<void> {
    this.clockOffsetMs = offsetMs;
    if (this.state === "ready") await this.#sendClock();
  }

  async #sendClock(): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    const { clockOffsetMs } = this;
    await new Promise<void>((resolve, reject) => {
      const settle = (why: string | null): void => {
        clearTimeout(late);
        child.off("message", onMessage);
        child.off("exit", onExit);
        if (why === null) resolve();
        else reject(new Error(`the clock of ${this.options.name} is not set: ${why}`));
      };
      const onMessage = (message: unknown): void => {
        if (isOf(message, "clock")) settle(null);
      };
      const onExit = (): void => settle("its node has ended");
      const late = setTimeout(() => settle(`no answer within ${ANSWER_MS} ms`), ANSWER_MS);
      child.on("message", onMessage);
      child.on("exit", onExit);
      child.send({ type: "clock", offsetMs: clockOffsetMs }, () => {});
    });
  }

  /** Waits until `/status` answers. */
  async #untilItAnswers(): Promise<void> {
    const deadlineMs = performance.now() + ANSWER_MS;
    for (;;) {
      if ((await this.status()) !== null) return;
      if (this.state !== "ready")
        throw new Error(`the node of ${this.options.name} is ${this.state}`);
      if (performance.now() > deadlineMs)
        throw new Error(`the node of ${this.options.name} does not answer within ${ANSWER_MS} ms`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Ends the process in order, and by force when it does not end within ten seconds. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    const wasStarting = this.state === "starting";
    this.state = "stopped";
    child.kill("SIGCONT");
    // One that is still starting may not listen to messages yet.
    if (wasStarting || !child.connected) child.kill("SIGTERM");
    else child.send({ type: "stop" }, () => {});
    const force = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    await this.#gone;
    clearTimeout(force);
  }

  /** Ends the process now, whatever it does. */
  async killNow(): Promise<void> {
    await this.#endWith("stopped");
  }

  async #endWith(state: "killed" | "stopped"): Promise<void> {
    if (this.#child === null) return;
    this.state = state;
    this.#child.kill("SIGKILL");
    await this.#gone;
  }

  /** What the node says of itself; null when it does not answer. */
  async status(): Promise<NodeStatus | null> {
    // One that is starting may be filled by others, which takes a while.
    if (this.state !== "ready" && this.state !== "starting") return null;
    try {
      const answer = await fetch(`http://127.0.0.1:${this.options.httpPort}/status`, {
        signal: AbortSignal.timeout(STATUS_MS),
      });
      return answer.ok ? ((await answer.json()) as NodeStatus) : null;
    } catch {
      return null;
    }
  }

  #lastWords(): string {
    const text = readFileSync(this.options.logFile, "utf8").trimEnd();
    const lines = text.split("\n").slice(-8).join("\n  ");
    return text === "" ? "" : `; its last words (${this.options.logFile}):\n  ${lines}`;
  }
}

/** A setting meant for one node of the caller's must not change all of the lab's. */
function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("ATOLL_")));
}

function isOf(message: unknown, type: string): boolean {
  return (
    typeof message === "object" && message !== null && "type" in message && message.type === type
  );
}
