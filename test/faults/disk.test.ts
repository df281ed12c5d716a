/**
 * A disk that fails and a disk that is full, under a real process: its system calls are made to fail by strace, and its file
 * system is a small one of its own.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { atExit } from "../support/cleanup.ts";
import { RespConnection } from "../support/resp-connection.ts";
import { encodeCommand, isError, parseReply, type Reply, textOf } from "../support/resp.ts";
import { tempDir } from "../support/temp-dir.ts";
import { eventually, FaultyNode } from "./faulty-node.ts";
import { SmallDisk } from "./small-disk.ts";

const PIPELINE = 16;
const VALUE = "x".repeat(4_096);

interface Written {
  sent: number;
  acknowledged: number;
  refusal: string;
  /** Asks the writer to send no more. */
  enough?: boolean;
}

/** Increments a counter, with a large value beside it, until the node is gone or refuses. */
async function writeUntilStopped(node: FaultyNode, written: Written): Promise<void> {
  using connection = await RespConnection.open(node.port);
  const count = (replies: Reply[]): boolean => {
    for (let i = 0; i + 1 < replies.length; i += 2) {
      const [set, incr] = [replies[i] as Reply, replies[i + 1] as Reply];
      const refused = [set, incr].find(isError);
      if (!isError(incr)) written.acknowledged++;
      if (refused !== undefined) {
        written.refusal = textOf(refused)?.toString() ?? "";
        return false;
      }
    }
    return true;
  };
  while (written.enough !== true) {
    const batch: string[][] = [];
    for (let i = 0; i < PIPELINE; i++) {
      batch.push(["SET", `k${written.sent % 1_000}`, VALUE], ["INCR", "count"]);
      written.sent++;
    }
    try {
      const frames = await connection.send(
        Buffer.concat(batch.map(encodeCommand)),
        batch.length,
        60_000,
      );
      if (!count(frames.map(parseReply))) return;
    } catch {
      count(connection.takeAnswered().map(parseReply));
      return;
    }
  }
}

async function counter(node: FaultyNode): Promise<number> {
  return Number(textOf(await node.ask("GET", "count"))?.toString() ?? "0");
}

/** Makes the `nth` call of that name, counted from now on in each thread, fail with `error` in the running process. */
async function inject(pid: number, call: string, error: string, nth: number): Promise<Disposable> {
  const tracer = spawn(
    "strace",
    [
      ...["-f", "-o", "/dev/null", "-e", `trace=${call}`],
      ...["-e", `inject=${call}:error=${error}:when=${nth}`, "-p", String(pid)],
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  const forget = atExit(() => tracer.kill("SIGKILL"));
  let said = "";
  tracer.stderr.on("data", (chunk) => (said += String(chunk)));
  await eventually("strace has attached", () => {
    if (said.includes("attached")) return true;
    assert.equal(tracer.exitCode, null, `strace ended: ${said}`);
    return false;
  });
  return {
    [Symbol.dispose]: () => {
      tracer.kill("SIGKILL");
      forget();
    },
  };
}

// The log's own writes (O_DSYNC), and the sync behind what it writes ahead of itself, which carries the log under `relaxed`.
for (const [call, durability, nth] of [
  ["pwrite64", "local", 40],
  ["fdatasync", "local", 1],
  ["fdatasync", "relaxed", 1],
] as const) {
  test(`a node whose ${call} fails once (${durability}) stops, names the disk, and has acknowledged nothing it lost`, async () => {
    using dir = tempDir("faults");
    await using node = await FaultyNode.start({ dir: dir.path, durability });
    const written: Written = { sent: 0, acknowledged: 0, refusal: "" };
    {
      using _ = await inject(node.pid, call, "EIO", nth);
      const writers = writeUntilStopped(node, written);
      assert.equal(await node.ended, 1, node.output);
      await writers;
    }
    assert.match(node.output, /the disk failed: the log in \S+ failed: EIO/);
    assert.equal(written.refusal, "", "it stops, it does not refuse");
    if (durability === "local") assert.ok(written.acknowledged > 0, "something was acknowledged");

    await node.start();
    const count = await counter(node);
    // `relaxed` promises only what is a second old.
    if (durability === "local")
      assert.ok(count >= written.acknowledged, `${count} of ${written.acknowledged} acknowledged`);
    assert.ok(count <= written.sent, `${count} of ${written.sent} sent`);
  });
}

test("a node whose disk is full refuses writes, serves reads, says why, and goes on by itself once there is space", async (t) => {
  using dir = tempDir("faults");
  await using disk = await SmallDisk.make(`${dir.path}/disk`, 24);
  if (disk === null) {
    assert.notEqual(process.env["ATOLL_REQUIRE_ALL"], "1", "a user namespace can be made");
    return t.skip("this machine allows no user namespaces");
  }
  await disk.run("fallocate", "-l", "10M", `${disk.path}/ballast`);
  await using node = await FaultyNode.start({
    dir: dir.path,
    data: `${disk.path}/data`,
    within: disk.within,
  });
  const written: Written = { sent: 0, acknowledged: 0, refusal: "" };
  const writer = writeUntilStopped(node, written);
  await eventually("it is not ready, with the reason", async () => {
    const { status, text } = await node.ready();
    return status === 503 && text.includes("the disk is full") && text.includes("ENOSPC");
  });
  // Its last replies may wait for the disk, and come when there is space.
  written.enough = true;
  const refused = await node.ask("SET", "another", "x");
  assert.match(textOf(refused)?.toString() ?? "", /^MISCONF the disk is full/);
  assert.equal(textOf(await node.ask("GET", "k0"))?.length, VALUE.length);
  assert.equal((await node.status()).state, "read-only");

  await disk.run("rm", `${disk.path}/ballast`);
  await eventually("it is ready again", async () => (await node.ready()).status === 200);
  await writer;
  const before = await counter(node);
  assert.ok(before >= written.acknowledged);
  const again: Written = { sent: 0, acknowledged: 0, refusal: "" };
  using connection = await RespConnection.open(node.port);
  for (let i = 0; i < 20; i++) {
    again.sent++;
    assert.equal(isError(await connection.call("INCR", "count")), false);
    again.acknowledged++;
  }

  await node.end();
  await node.start();
  const count = await counter(node);
  const least = written.acknowledged + again.acknowledged;
  assert.ok(least <= count && count <= written.sent + again.sent, `${least} ≤ ${count}`);
  assert.equal(count, before + again.acknowledged);
});
