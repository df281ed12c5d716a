/**
 * Small disk: a file system of a few megabytes that a test can fill.
 *
 * Invariant: it takes no rights that its user does not have: it lives in namespaces of its own.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { atExit } from "../support/cleanup.ts";

/** A file system of its own of `megabytes`, seen only by those who enter it; gone with the process that holds it. */
export class SmallDisk implements AsyncDisposable {
  readonly path: string;
  readonly #holder: ChildProcess;
  readonly #forget: () => void;

  private constructor(path: string, holder: ChildProcess) {
    this.path = path;
    this.#holder = holder;
    this.#forget = atExit(() => holder.kill("SIGKILL"));
  }

  /** Null where the machine does not allow it. */
  static async make(path: string, megabytes: number): Promise<SmallDisk | null> {
    mkdirSync(path);
    const mount = `mount -t tmpfs -o size=${megabytes}m tmpfs "$0" && echo mounted && exec sleep infinity`;
    const holder = spawn("unshare", ["-r", "-m", "sh", "-c", mount, path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const disk = new SmallDisk(path, holder);
    const outcome = await Promise.race([once(holder.stdout, "data"), once(holder, "exit")]);
    if (String(outcome[0]).includes("mounted")) return disk;
    await disk[Symbol.asyncDispose]();
    return null;
  }

  /** Words that run what follows them inside. */
  get within(): string[] {
    const target = ["-t", String(this.#holder.pid), "-U", "-m"];
    return ["nsenter", ...target, "--preserve-credentials"];
  }

  async run(...words: string[]): Promise<void> {
    const [program = "", ...rest] = [...this.within, ...words];
    const [code] = (await once(spawn(program, rest, { stdio: "ignore" }), "exit")) as [number];
    assert.equal(code, 0, words.join(" "));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#forget();
    if (this.#holder.exitCode !== null) return;
    this.#holder.kill("SIGKILL");
    await once(this.#holder, "exit");
  }
}
