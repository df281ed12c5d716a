/** docs/moving-data.md: its commands copy keys from Redis and back, as they are printed. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { RespConnection } from "../support/resp-connection.ts";
import { itemsOf, textOf } from "../support/resp.ts";
import { root, startServer, startSubject, type TestServer } from "../support/server.ts";
import { tempDir } from "../support/temp-dir.ts";

const page = readFileSync(join(root, "docs", "moving-data.md"), "utf8");
const shell = promisify(execFile);

let redis: TestServer;
let atoll: TestServer;

before(async () => {
  [redis, atoll] = await Promise.all([startServer("redis"), startSubject()]);
});

after(async () => {
  await redis[Symbol.asyncDispose]();
  await atoll[Symbol.asyncDispose]();
});

/** Runs lines of the page, with other ports in place of those printed. */
async function run(script: string, from: TestServer, to: TestServer): Promise<string> {
  using dir = tempDir("moving");
  const lines = script.replaceAll("6379", String(from.port)).replaceAll("6380", String(to.port));
  const { stdout, stderr } = await shell("bash", ["-ec", lines], {
    cwd: dir.path,
    timeout: 30_000,
  });
  assert.equal(stderr, "");
  return stdout;
}

const [single = ""] = /(?<=^\$ redis-cli -p 6379)[^`]*/m.exec(page) ?? [];
const oneKey = `redis-cli -p 6379${single}`.replaceAll("\n$ ", "\n").replace("\nOK\n", "\n");
const [, allKeys = ""] = /```sh\n([^`]*)```/.exec(page) ?? [];

test("one key moves as the page says", async () => {
  using source = await RespConnection.open(redis.port);
  using target = await RespConnection.open(atoll.port);
  await source.call("HSET", "cart:7", "milk", "2", "bread", "1\r\n");
  assert.equal(await run(oneKey, redis, atoll), "OK\n");
  assert.equal(textOf(await target.call("HGET", "cart:7", "bread"))?.toString(), "1\r\n");
});

test("all keys move to a node and back as the page says, deadlines among them", async () => {
  using source = await RespConnection.open(redis.port);
  using target = await RespConnection.open(atoll.port);
  await source.call("FLUSHALL");
  await target.call("FLUSHALL");
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  await source.call("SET", "bytes", bytes);
  await source.call("SET", "session 1", "x", "PX", "7200000");
  await source.call("SADD", "set", "a", "b", "1");
  await source.call("HSET", "hash", ...Array.from({ length: 1200 }, (_, i) => `n${i}`));
  await run(allKeys, redis, atoll);
  await source.call("FLUSHALL");
  assert.equal(await run(allKeys, atoll, redis), "");
  assert.deepEqual(textOf(await source.call("GET", "bytes")), bytes);
  const left = Number(textOf(await source.call("PTTL", "session 1")));
  assert.ok(left > 3_600_000 && left <= 7_200_000, `${left} ms left`);
  assert.equal(itemsOf(await source.call("SMEMBERS", "set")).length, 3);
  assert.equal(textOf(await source.call("HGET", "hash", "n1198"))?.toString(), "n1199");
  assert.equal(Number(textOf(await source.call("DBSIZE"))), 4);
});
