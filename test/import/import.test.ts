/** A running Redis is imported into a node while clients write to it, and nothing differs; whatever goes wrong is said. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { atoll, type Outcome, RunningCommand } from "../lab/lab-process.ts";
import { RespConnection } from "../support/resp-connection.ts";
import { textOf } from "../support/resp.ts";
import { root, startServer, type TestServer } from "../support/server.ts";
import { fill, Writer } from "./source.ts";

interface Result {
  method: string;
  keys: number;
  commands: number;
  libraries: number;
  removed: number;
  caughtUp: boolean;
  pausedUntilMs: number | null;
  comparison: { equal: boolean; compared: number; different: number } | null;
  problemCount: number;
  problems: { db: number; key: string | null; why: string }[];
}

let redis: TestServer;
let node: TestServer;

before(async () => {
  [redis, node] = await Promise.all([startServer("redis"), startServer("atoll")]);
});

after(async () => {
  await redis[Symbol.asyncDispose]();
  await node[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await ask(redis, "CONFIG", "SET", "repl-diskless-sync-delay", "0");
  // A copy by way of the disk would save what a test wants lost.
  await ask(redis, "CONFIG", "SET", "repl-diskless-sync", "yes");
  await ask(redis, "FLUSHALL");
  await ask(redis, "FUNCTION", "FLUSH");
  await ask(node, "FLUSHALL");
});

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function ask(server: TestServer, ...words: string[]): Promise<string> {
  using connection = await RespConnection.open(server.port);
  return String(textOf(await connection.call(...words)));
}

function load(): Writer {
  const writer = new Writer(redis.port);
  cleanups.push(() => writer.stop());
  return writer;
}

const url = (server: TestServer): string => `redis://127.0.0.1:${server.port}`;

async function run(...flags: string[]): Promise<Outcome> {
  return await atoll("import", url(redis), "--into", url(node), "--json", ...flags);
}

function resultOf({ stdout, stderr }: Outcome): Result {
  assert.notEqual(stdout, "", stderr);
  return JSON.parse(stdout) as Result;
}

/** That all went well, everything compared. */
function wellDone(outcome: Outcome): Result {
  const result = resultOf(outcome);
  assert.equal(outcome.code, 0, outcome.stderr + JSON.stringify(result.problems.slice(0, 10)));
  assert.ok(result.comparison === null || result.comparison.equal);
  return result;
}

for (const diskless of ["yes", "no"])
  test(`a Redis is followed while it is written to, and is the same once its writers pause (diskless ${diskless})`, async () => {
    await ask(redis, "CONFIG", "SET", "repl-diskless-sync", diskless);
    await fill(redis.port);
    const writer = load();
    const result = wellDone(await run("--psync", "--pause", "20"));
    assert.equal(result.method, "psync");
    assert.ok(result.keys >= 2_000 && result.commands > 100, JSON.stringify(result));
    assert.equal(result.libraries, 1);
    assert.ok((result.comparison?.compared ?? 0) >= 2_000);
    assert.ok((result.pausedUntilMs ?? 0) > Date.now());
    assert.equal(await ask(node, "FCALL", "twice", "0", "4"), "8");
    const verified = await atoll("import", "verify", url(redis), "--into", url(node), "--json");
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    await ask(redis, "CLIENT", "UNPAUSE");
    await writer.stop();
  });

test("a Redis that will have no replicas is copied by SCAN, in passes until little changes", async () => {
  await fill(redis.port);
  await ask(redis, "ACL", "SETUSER", "reader", "on", ">secret", "~*", "+@all", "-psync", "-sync");
  const writer = load();
  const outcome = await atoll(
    ...["import", `redis://reader:secret@127.0.0.1:${redis.port}`],
    ...["--into", url(node), "--json", "--pause", "20"],
  );
  const result = wellDone(outcome);
  assert.equal(result.method, "scan");
  assert.match(outcome.stderr, /refuses PSYNC: NOPERM.*; copying by SCAN and DUMP/);
  await ask(redis, "CLIENT", "UNPAUSE");
  await writer.stop();
  const asked = await atoll(
    ...["import", `redis://reader:secret@127.0.0.1:${redis.port}`, "--psync"],
    ...["--into", url(node), "--replace"],
  );
  assert.equal(asked.code, 1);
  assert.match(asked.stderr, /refuses PSYNC: NOPERM/);
});

test("a Redis that is killed and comes back without its history is loaded anew", async () => {
  await fill(redis.port, 20_000);
  await ask(redis, "SAVE");
  await ask(redis, "SET", "after the save", "x");
  const command = new RunningCommand([
    ...["import", url(redis), "--into", url(node), "--json", "--psync"],
  ]);
  cleanups.push(async () => {
    command.child.kill("SIGKILL");
    await command.ended;
  });
  await until(async () => (await ask(node, "GET", "after the save")) === "x", command);
  await redis.kill();
  await redis.start();
  await ask(redis, "SET", "after the kill", "x");
  await until(async () => (await ask(node, "GET", "after the kill")) === "x", command);
  // Commands follow once everything else is done.
  await ask(redis, "SET", "mark", "followed");
  await until(async () => (await ask(node, "GET", "mark")) === "followed", command);
  // It was never saved, so the source has forgotten it.
  assert.equal(await ask(node, "GET", "after the save"), "null");
  command.child.kill("SIGINT");
  const outcome = await command.ended;
  assert.equal(wellDone(outcome).caughtUp, false);
  assert.match(outcome.stderr, /trying again/);
  assert.match(outcome.stderr, /loading everything/);
  const verified = await atoll("import", "verify", url(redis), "--into", url(node), "--json");
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
});

test("a connection that breaks is gone on from where it broke", async () => {
  await fill(redis.port);
  const writer = load();
  const command = new RunningCommand([
    ...["import", url(redis), "--into", url(node), "--json", "--psync"],
  ]);
  cleanups.push(async () => {
    command.child.kill("SIGKILL");
    await command.ended;
  });
  // The first mark may come with the copy.
  for (let breaks = 0; breaks <= 3; breaks++) {
    await ask(redis, "SET", "mark", `${breaks}`);
    await until(async () => (await ask(node, "GET", "mark")) === `${breaks}`, command);
    if (breaks > 0) await ask(redis, "CLIENT", "KILL", "TYPE", "replica");
  }
  await writer.stop();
  await ask(redis, "SET", "mark", "the end");
  await until(async () => (await ask(node, "GET", "mark")) === "the end", command);
  command.child.kill("SIGINT");
  const outcome = await command.ended;
  wellDone(outcome);
  assert.doesNotMatch(outcome.stderr, /loading everything/);
  assert.equal(await ask(node, "GET", "count"), await ask(redis, "GET", "count"));
  const verified = await atoll("import", "verify", url(redis), "--into", url(node), "--json");
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  assert.doesNotMatch(await ask(redis, "CLIENT", "LIST"), /cmd=psync/);
});

test("a file that Redis saved is imported, and one that is damaged or cut off is said to be", async () => {
  await fill(redis.port);
  await ask(redis, "SAVE");
  const file = join(redis.dir, "dump.rdb");
  const outcome = await atoll("import", file, "--into", url(node), "--json");
  assert.equal(wellDone(outcome).method, "file");
  const verified = await atoll("import", "verify", url(redis), "--into", url(node), "--json");
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  const bytes = readFileSync(file);
  for (const [name, changed, why] of [
    ["cut.rdb", bytes.subarray(0, bytes.length - 100), /cut off/],
    ["damaged.rdb", Buffer.from(bytes).fill(0x41, bytes.length - 6), /checksum/],
    ["other.rdb", Buffer.from("something else altogether"), /does not begin as what Redis saves/],
  ] as const) {
    const path = join(redis.dir, name);
    writeFileSync(path, changed);
    const refused = await atoll("import", path, "--into", url(node));
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, why);
  }
  assert.equal((await atoll("import", "/no/such/file", "--into", url(node))).code, 2);
});

test("only the databases and keys that were chosen come, and what cannot be divided is reported", async () => {
  await fill(redis.port, 50);
  wellDone(await run("--db", "3", "--until-caught-up"));
  assert.match(await ask(node, "INFO", "keyspace"), /^# Keyspace\s+db3:keys=2,/);
  await ask(node, "FLUSHALL");
  const command = new RunningCommand([
    ...["import", url(redis), "--into", url(node), "--json", "--prefix", "many:"],
  ]);
  cleanups.push(async () => {
    command.child.kill("SIGKILL");
    await command.ended;
  });
  await ask(redis, "SET", "many:mark", "1");
  await until(async () => (await ask(node, "GET", "many:mark")) === "1", command);
  await ask(redis, "RENAME", "many:1", "string");
  await ask(redis, "SET", "many:mark", "2");
  await until(async () => (await ask(node, "GET", "many:mark")) === "2", command);
  command.child.kill("SIGINT");
  const outcome = await command.ended;
  assert.equal(outcome.code, 1);
  const result = resultOf(outcome);
  assert.equal(result.keys >= 50, true);
  assert.match(result.problems[0]?.why ?? "", /RENAME: .*only some were selected/);
  assert.equal(await ask(node, "GET", "string"), "null");
});

test("what the node does not take is named key by key, and the rest comes", async () => {
  await ask(redis, "SET", "small", "x");
  await ask(redis, "CONFIG", "SET", "rdbcompression", "no");
  await ask(redis, "SETRANGE", "large", String(17 * 1024 * 1024), "x");
  await ask(redis, "CONFIG", "SET", "rdbcompression", "yes");
  for (const method of ["--psync", "--scan"]) {
    await ask(node, "FLUSHALL");
    const outcome = await run(method, "--until-caught-up", "--compare", "none");
    const { keys, problems } = resultOf(outcome);
    assert.equal(outcome.code, 1);
    assert.deepEqual([keys, problems.map(({ key }) => key)], [1, ["large"]]);
    assert.equal(await ask(node, "GET", "small"), "x");
  }
  const outcome = await run("--replace", "--until-caught-up");
  assert.equal(resultOf(outcome).comparison?.equal, false);
});

test("a node that has keys is not written over unasked, and mirrored only when asked", async () => {
  await fill(redis.port, 10);
  await ask(node, "SET", "mine", "x");
  await ask(node, "SET", "string", "mine too");
  const refused = await run("--until-caught-up");
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /database 0 of .* has keys already \(2\).*--replace/);
  assert.equal(await ask(node, "GET", "string"), "mine too");
  wellDone(await run("--replace", "--until-caught-up", "--compare", "none"));
  assert.equal(await ask(node, "GET", "mine"), "x");
  assert.equal(await ask(node, "GET", "string"), "plain");
  for (const method of ["--psync", "--scan"]) {
    await ask(node, "SET", "mine", "x");
    const { removed } = wellDone(await run("--mirror", method, "--until-caught-up"));
    assert.equal(removed, 1, method);
    assert.equal(await ask(node, "GET", "mine"), "null");
  }
});

test("a difference is found and named by verify, in both directions", async () => {
  await fill(redis.port, 100);
  wellDone(await run("--until-caught-up"));
  await ask(node, "SADD", "large set", "one more");
  await ask(node, "PERSIST", "deadline");
  await ask(node, "SET", "extra", "x");
  await ask(node, "DEL", "many:7");
  const outcome = await atoll("import", "verify", url(redis), "--into", url(node), "--json");
  assert.equal(outcome.code, 1);
  const { equal, problems } = JSON.parse(outcome.stdout) as {
    equal: boolean;
    problems: Result["problems"];
  };
  assert.equal(equal, false);
  const named = problems
    .map(({ key, why }) => `${key}: ${why.replace(/in \d+ ms/, "in time")}`)
    .toSorted();
  assert.deepEqual(named, [
    "deadline: it expires in time at the source, never at the target",
    "extra: the source does not have it",
    "large set: the values differ",
    "many:7: the target does not have it",
  ]);
});

test("a wrong password, no source and no node are told apart, and leave nothing behind", async () => {
  const wrong = await atoll(
    "import",
    `redis://:wrong@127.0.0.1:${redis.port}`,
    "--into",
    url(node),
  );
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /refuses: (WRONGPASS|ERR AUTH)/);
  const nobody = await atoll("import", "redis://127.0.0.1:1", "--into", url(node));
  assert.match(nobody.stderr, /cannot reach 127\.0\.0\.1:1: /);
  const nowhere = await atoll("import", url(redis), "--into", "redis://127.0.0.1:1");
  assert.match(nowhere.stderr, /cannot reach 127\.0\.0\.1:1: /);
  for (const words of [
    ["import", url(redis)],
    ["import", "redis://", "--into", url(node)],
    ["import", url(redis), "--into", url(node), "--db", "x"],
    ["import", url(redis), "--into", url(node), "--compare", "2"],
    ["import", url(redis), "--into", url(node), "--psync", "--scan"],
  ])
    assert.equal((await atoll(...words)).code, 2, words.join(" "));
});

test("a node that is full ends the import with why", async () => {
  await fill(redis.port, 5_000);
  await ask(node, "CONFIG", "SET", "maxmemory", "1");
  try {
    const outcome = await run("--until-caught-up");
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, /the target refuses: OOM/);
  } finally {
    await ask(node, "CONFIG", "SET", "maxmemory", "0");
  }
  wellDone(await run("--replace", "--until-caught-up"));
});

test("an import that is interrupted while it pauses writers lets them go on", async () => {
  await fill(redis.port, 30_000);
  const command = new RunningCommand([
    ...["import", url(redis), "--into", url(node), "--json", "--pause", "600"],
  ]);
  cleanups.push(async () => {
    command.child.kill("SIGKILL");
    await command.ended;
    await ask(redis, "CLIENT", "UNPAUSE");
  });
  await command.until(({ stderr }) => stderr.includes("are paused"));
  command.child.kill("SIGINT");
  const outcome = await command.ended;
  assert.equal(outcome.code, 1);
  assert.match(outcome.stderr, /interrupted/);
  // It would be answered in ten minutes.
  assert.equal(await ask(redis, "SET", "free", "again"), "OK");
});

test("the commands of the page work as they are printed", async () => {
  const page = readFileSync(join(root, "docs", "moving-data.md"), "utf8");
  const lines = [...page.matchAll(/^\$ atoll (import .*)$/gm)].map(([, line = ""]) => line);
  assert.equal(lines.length, 4);
  await fill(redis.port);
  await ask(redis, "SAVE");
  for (const line of lines) {
    // The file is imported into a node that is empty.
    if (line.includes("dump.rdb")) await ask(node, "FLUSHALL");
    const words = line
      .replace("127.0.0.1:6379", `127.0.0.1:${redis.port}`)
      .replace("127.0.0.1:6380", `127.0.0.1:${node.port}`)
      .replace("dump.rdb", join(redis.dir, "dump.rdb"));
    const outcome = await atoll(...words.split(" "));
    await ask(redis, "CLIENT", "UNPAUSE");
    assert.equal(outcome.code, 0, line + outcome.stdout + outcome.stderr);
    assert.match(outcome.stdout, line.includes("dump.rdb") ? /^imported: 2025 keys/ : /^equal: /m);
  }
});

async function until(holds: () => Promise<boolean>, command: RunningCommand): Promise<void> {
  const giveUpMs = performance.now() + 60_000;
  while (!(await holds())) {
    const ended = command.child.exitCode !== null;
    assert.ok(performance.now() < giveUpMs && !ended, `it does not happen: ${command.stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
