/**
 * Lab process: runs the command line as a user would, and leaves nothing of it behind.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { atExit } from "../support/cleanup.ts";
import { root } from "../support/server.ts";

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

const main = join(root, "src", "main.ts");

/** Runs one command to its end. */
export async function atoll(...words: string[]): Promise<Outcome> {
  const command = new RunningCommand(words);
  return command.ended;
}

/** A command that stays. */
export class RunningCommand {
  readonly child: ChildProcess;
  readonly ended: Promise<Outcome>;
  stdout = "";
  stderr = "";
  #woken: (() => void)[] = [];

  /** `program` is another one than Atoll. */
  constructor(words: readonly string[], env: Record<string, string> = {}, program?: string) {
    const command = program === undefined ? [process.execPath, main] : [program];
    const child = spawn(command[0] as string, [...command.slice(1), ...words], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const forget = atExit(() => child.kill("SIGKILL"));
    const wake = (): void => this.#woken.splice(0).forEach((run) => run());
    child.stdout.on("data", (chunk) => {
      this.stdout += String(chunk);
      wake();
    });
    child.stderr.on("data", (chunk) => {
      this.stderr += String(chunk);
      wake();
    });
    this.child = child;
    this.ended = once(child, "close").then(([code]: unknown[]) => {
      forget();
      wake();
      return {
        code: typeof code === "number" ? code : null,
        stdout: this.stdout,
        stderr: this.stderr,
      };
    });
  }

  /** Waits for output in which `holds`; fails when the command ends before. */
  async until(holds: (command: RunningCommand) => boolean): Promise<void> {
    while (!holds(this)) {
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw new Error(`it ended before: ${this.stdout}\n${this.stderr}`);
      await new Promise<void>((resolve) => this.#woken.push(resolve));
    }
  }
}

/** Whether a process of that number is there. */
export function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
