/**
 * A wall clock that jumps under a running node, by libfaketime: the process itself sees another time from its operating system.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isError, textOf } from "../support/resp.ts";
import { tempDir } from "../support/temp-dir.ts";
import { eventually, FaultyNode } from "./faulty-node.ts";
import { Pair } from "./pair.ts";

const HOUR_S = 3_600;

/** libfaketime for programs with threads, which the package `faketime` puts into the folder of the machine's architecture. */
function library(): string {
  const found = readdirSync("/usr/lib")
    .map((folder) => join("/usr/lib", folder, "faketime", "libfaketimeMT.so.1"))
    .find((path) => existsSync(path));
  assert.ok(found !== undefined, "libfaketimeMT.so.1 is there");
  return found;
}

/** A wall clock that can be set while programs read it. */
class WallClock {
  readonly env: Record<string, string>;
  readonly #file: string;

  constructor(dir: string) {
    this.#file = join(dir, "wall-clock");
    this.set(0);
    this.env = {
      LD_PRELOAD: library(),
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      FAKETIME_DONT_RESET: "1",
    };
  }

  /** Seconds that are added to the machine's time. */
  set(offsetSeconds: number): void {
    writeFileSync(`${this.#file}.new`, `${offsetSeconds < 0 ? "" : "+"}${offsetSeconds}\n`);
    renameSync(`${this.#file}.new`, this.#file);
  }
}

async function text(node: FaultyNode, ...command: string[]): Promise<string> {
  return textOf(await node.ask(...command))?.toString() ?? "nil";
}

for (const [name, jumpSeconds] of [
  ["ahead", HOUR_S],
  ["back", -HOUR_S],
] as const) {
  test(`a wall clock that jumps an hour ${name}: stamps go on, nothing expires for it, and later writes elsewhere win`, async () => {
    using dir = tempDir("faults");
    const clock = new WallClock(dir.path);
    await using pair = await Pair.start(dir.path, clock.env);
    const { a: wrong, b: right } = pair;

    await wrong.ask("SET", "lease", "held", "EX", String(HOUR_S / 2));
    await wrong.ask("SET", "k", "before");
    await pair.agree("k", "before");
    await pair.agree("lease", "held");
    const stampBefore = (await wrong.status()).clock.nowMs;

    clock.set(jumpSeconds);
    // Without this the test would prove nothing: the process does see the other time.
    await eventually("the process sees the jump", async () => {
      const { offsetMs } = (await wrong.status()).clock;
      return Math.abs(offsetMs - jumpSeconds * 1_000) < 60_000;
    });
    // It may refuse writes while its clock is wrong, if it says why; it may not make one that beats those of others.
    const reply = await wrong.ask("SET", "k", "jumped");
    if (isError(reply)) assert.match(textOf(reply)?.toString() ?? "", /^MISCONF .*clock/);
    else await pair.agree("k", "jumped");
    await right.ask("SET", "k", "after");
    await pair.agree("k", "after");

    const { clock: now } = await wrong.status();
    assert.ok(now.nowMs >= stampBefore, "time has not gone back");
    assert.ok(now.nowMs - stampBefore < 300_000, "time has not jumped");
    for (const node of [wrong, right]) {
      const seconds = Number(await text(node, "TTL", "lease"));
      assert.ok(seconds > 0 && seconds <= HOUR_S / 2 + 1, `the lease has ${seconds} s left`);
    }
    await pair.agree("lease", "held");

    clock.set(0);
    await eventually(
      "writes are taken again",
      async () => !isError(await wrong.ask("SET", "k", "again")),
    );
    await pair.agree("k", "again");
    await right.ask("SET", "k", "last");
    await pair.agree("k", "last");
  });
}
