/** Processor time is counted where it was used. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { busySeconds, ownSeconds, processSeconds } from "./processor-time.ts";

test("work of this process and of its ended children is its own, and the machine was busy as long", () => {
  const before = { own: ownSeconds(), alone: processSeconds(process.pid), busy: busySeconds() };
  const work =
    "let x = 0; const end = process.cpuUsage().user + 3e5; while (process.cpuUsage().user < end) x++;";
  spawnSync(process.execPath, ["-e", work]);
  const own = ownSeconds() - before.own;
  // The child counted its own time; what the kernel counted for it is the same to a tick or two.
  assert.ok(own >= 0.25, `${own} s of a child's 0.3 s were counted`);
  assert.ok(
    processSeconds(process.pid) - before.alone <= own,
    "a child's time is not the parent's",
  );
  assert.ok(busySeconds() - before.busy >= 0.25, "the machine did that work");
});
