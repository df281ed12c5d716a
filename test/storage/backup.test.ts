/**
 * Backups of a real node by the real command line: taken under load, gone on from, restored, killed half way, damaged, and on a disk
 * that is full.
 */
import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { eventually, FaultyNode } from "../faults/faulty-node.ts";
import { SmallDisk } from "../faults/small-disk.ts";
import { atoll, type Outcome, RunningCommand } from "../lab/lab-process.ts";
import { RespConnection } from "../support/resp-connection.ts";
import { textOf } from "../support/resp.ts";
import { root } from "../support/server.ts";
import { tempDir } from "../support/temp-dir.ts";

interface Summary {
  id: string;
  follows: string | null;
  keys: number;
  bytes: number;
  addedBytes: number;
  vector: Record<string, number>;
  latestMs: number;
  slots: number;
  ofSlots: number;
}

interface Scene extends AsyncDisposable {
  readonly node: FaultyNode;
  readonly url: string;
  readonly place: string;
  readonly path: string;
}

async function scene(options: { requirepass?: string } = {}): Promise<Scene> {
  const dir = tempDir("backup");
  const node = await FaultyNode.start({ dir: dir.path, ...options });
  return {
    node,
    url: `http://127.0.0.1:${node.httpPort}`,
    place: join(dir.path, "place"),
    path: dir.path,
    async [Symbol.asyncDispose]() {
      await node[Symbol.asyncDispose]();
      dir[Symbol.dispose]();
    },
  };
}

async function say<T = Summary>(...words: string[]): Promise<T> {
  const { code, stdout, stderr } = await atoll(...words, "--json");
  assert.equal(code, 0, stdout + stderr);
  return JSON.parse(stdout) as T;
}

async function refused(pattern: RegExp, ...words: string[]): Promise<Outcome> {
  const outcome = await atoll(...words);
  assert.notEqual(outcome.code, 0, outcome.stdout);
  assert.match(outcome.stderr, pattern);
  return outcome;
}

async function textFrom(node: FaultyNode, ...command: string[]): Promise<string | undefined> {
  return textOf(await node.ask(...command))?.toString();
}

/** Starts a node of its own in a directory that was restored. */
async function nodeIn(path: string, name: string, data: string): Promise<FaultyNode> {
  mkdirSync(join(path, name));
  return FaultyNode.start({ dir: join(path, name), data });
}

/** Values that do not compress to nothing, `count` of them, some megabytes in all. */
async function fill(node: FaultyNode, count: number): Promise<void> {
  using connection = await RespConnection.open(node.port);
  for (let from = 0; from < count; from += 100)
    await connection.pipeline(
      Array.from({ length: 100 }, (_, i) => ["SET", `large:${from + i}`, noise(from + i)]),
    );
}

function noise(seed: number): string {
  let text = "";
  for (let state = seed + 1; text.length < 20_000;) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    text += state.toString(36);
  }
  return text;
}

test("a backup under load holds all that was acknowledged before it began; the next one adds only the log; both are restored", async () => {
  await using here = await scene();
  const { node, url, place, path } = here;
  using writer = await RespConnection.open(node.port);
  await writer.pipeline(
    Array.from({ length: 20_000 }, (_, i) =>
      i % 4 === 0 ? ["SADD", `set:${i % 97}`, `${i}`] : ["SET", `key:${i}`, `value ${i}`],
    ),
  );
  await writer.call("DEL", "key:1");
  // Far more than the log grows by meanwhile.
  await fill(node, 1_000);
  let busy = true;
  let counted = 0;
  const load = (async () => {
    while (busy)
      counted += (await writer.pipeline(Array.from({ length: 50 }, () => ["INCR", "count"])))
        .length;
  })();
  const before = counted;
  const full = await say("backup", "--url", url, "--to", place);
  const between = counted;
  const more = await say("backup", "--url", url, "--to", place);
  busy = false;
  await load;
  assert.equal(full.follows, null);
  assert.equal(more.follows, full.id);
  assert.ok(more.addedBytes < full.bytes / 2, "what was there is not copied again");
  // All but the slot that is always written to.
  assert.ok(full.slots >= full.ofSlots - 2, `${full.slots} of ${full.ofSlots}`);
  await say("backup", "verify", "--from", place);

  for (const [id, least, name] of [
    [full.id, before, "first"],
    [more.id, between, "second"],
  ] as const) {
    const data = join(path, `${name}-data`);
    await say("restore", "--from", place, "--backup", id, "--dir", data, "--as-new-cluster");
    await using restored = await nodeIn(path, name, data);
    const count = Number(await textFrom(restored, "GET", "count"));
    assert.ok(count >= least && count <= counted, `${least} <= ${count} <= ${counted}`);
    assert.equal(await textFrom(restored, "GET", "key:1"), undefined);
    assert.equal(await textFrom(restored, "GET", "key:19999"), "value 19999");
    for (const key of ["set:0", "set:8", "set:96"])
      assert.equal(await textFrom(restored, "SCARD", key), await textFrom(node, "SCARD", key));
    // It goes on, under a name of its own.
    await restored.ask("INCR", "count");
    assert.equal(Number(await textFrom(restored, "GET", "count")), count + 1);
    const [was, is] = [await node.status(), await restored.status()];
    assert.notEqual(is.origin, was.origin);
  }
});

test("what was flushed is there as it was a moment before", async () => {
  await using here = await scene();
  const { node, url, place, path } = here;
  await node.ask("SET", "kept", "1");
  const first = await say("backup", "--url", url, "--to", place);
  await node.ask("SET", "kept", "2");
  await node.ask("RPUSH", "list", "a", "b");
  const cut = await say("backup", "--url", url, "--to", place);
  await node.ask("FLUSHALL");
  await node.ask("SET", "later", "1");
  await say("backup", "--url", url, "--to", place);

  const restored = async (name: string, ...words: string[]): Promise<FaultyNode> => {
    const data = join(path, `${name}-data`);
    const to = ["--from", place, "--dir", data, "--as-new-cluster"];
    await say("restore", ...to, ...words);
    return nodeIn(path, name, data);
  };
  {
    await using flushed = await restored("now");
    assert.equal(await textFrom(flushed, "DBSIZE"), "1");
  }
  {
    await using then = await restored("then", "--at", new Date(cut.latestMs).toISOString());
    assert.equal(await textFrom(then, "GET", "kept"), "2");
    assert.equal(await textFrom(then, "LLEN", "list"), "2");
    assert.equal(await textFrom(then, "DBSIZE"), "2");
  }
  {
    await using then = await restored("vector", "--to-vector", JSON.stringify(first.vector));
    assert.equal(await textFrom(then, "GET", "kept"), "1");
    assert.equal(await textFrom(then, "DBSIZE"), "1");
  }
  const dir = join(path, "none");
  const to = ["--from", place, "--dir", dir, "--as-new-cluster"];
  await refused(/reaches that moment/, "restore", ...to, "--at", "2001-01-01T00:00:00Z");
  await refused(/needs --as-new-cluster/, "restore", ...to.slice(0, 4), "--at", "2030-01-01");
  const beyond = Object.fromEntries(Object.keys(first.vector).map((name) => [name, 1_000_000]));
  const vector = JSON.stringify(beyond);
  await refused(/does not reach/, "restore", ...to, "--to-vector", vector);
  assert.ok(!existsSync(dir), "nothing is left of what was refused");
});

test("a backup that lost a piece, a byte or its manifest's end is refused by name, and leaves nothing behind", async () => {
  await using here = await scene();
  const { node, url, place, path } = here;
  for (let i = 0; i < 200; i++) await node.ask("SET", `k${i}`, noise(i));
  const first = await say("backup", "--url", url, "--to", place);
  await node.ask("SET", "more", "1");
  const { id } = await say("backup", "--url", url, "--to", place);
  const dir = join(path, "restored");
  const pieces = readdirSync(join(place, "pieces"));
  assert.equal(pieces.length, 2);
  const [piece = ""] = pieces.map((name) => join(place, "pieces", name));
  const whole = readFileSync(piece);
  const flipped = Buffer.from(whole);
  flipped.writeUInt8((flipped[whole.length >> 1] ?? 0) ^ 1, whole.length >> 1);
  const spoilt: [() => void, RegExp][] = [
    [() => writeFileSync(piece, flipped), /pieces\/\S+-00001 .*does not match its checksum/],
    [() => truncateSync(piece, whole.length - 1), /the manifest says/],
    [() => rmSync(piece), /pieces\/\S+-00001 .*it is missing/],
  ];
  for (const [spoil, said] of spoilt) {
    spoil();
    await refused(said, "backup", "verify", "--from", place);
    await refused(said, "restore", "--from", place, "--dir", dir);
    assert.ok(!existsSync(dir), "nothing is left");
    writeFileSync(piece, whole);
  }
  await say("backup", "verify", "--from", place);
  const manifest = join(place, "backups", `${id}.json`);
  const text = readFileSync(manifest, "utf8");
  writeFileSync(manifest, text.replace('"keys":', '"keys":1'));
  await refused(/does not match its checksum/, "restore", "--from", place, "--dir", dir);
  truncateSync(manifest, text.length >> 1);
  await refused(/cut off or damaged/, "restore", "--from", place, "--dir", dir);
  // The one before is whole.
  const to = ["--from", place, "--backup", first.id, "--dir", dir];
  await say("restore", ...to);
  await refused(/is not empty/, "restore", ...to);
});

test("whoever may not do everything gets no backup", async () => {
  await using here = await scene({ requirepass: "secret" });
  const { node, url, place } = here;
  using connection = await RespConnection.open(node.port);
  await connection.call("AUTH", "secret");
  await connection.call("ACL", "SETUSER", "reader", "on", ">half", "~*", "+@read");
  await refused(/the password is wrong/, "backup", "--url", url, "--to", place);
  const as = (who: string): string => url.replace("//", `//${who}@`);
  await refused(/may not do everything/, "backup", "--url", as("reader:half"), "--to", place);
  assert.ok(!existsSync(place), "nothing was begun");
  await say("backup", "--url", as("default:secret"), "--to", place);
});

test("a backup that was killed or interrupted half way is none, and the next one is whole", async () => {
  await using here = await scene();
  const { node, url, place } = here;
  await fill(node, 4_000);
  const files = (folder: string): string[] =>
    existsSync(join(place, folder)) ? readdirSync(join(place, folder)) : [];
  for (const signal of ["SIGKILL", "SIGINT"] as const) {
    const before = files("pieces").length;
    const taking = new RunningCommand(["backup", "--url", url, "--to", place]);
    await eventually("a piece is there", () => files("pieces").length > before);
    taking.child.kill(signal);
    const { code, stderr } = await taking.ended;
    assert.notEqual(code, 0, "it was ended before its end");
    assert.deepEqual(files("backups"), []);
    if (signal === "SIGKILL") continue;
    assert.match(stderr, /interrupted: nothing of it was kept/);
    assert.equal(files("pieces").length, before, "what it had put is removed");
  }
  const listed = await say<{ backups: Summary[] }>("backup", "list", "--from", place);
  assert.deepEqual(listed.backups, []);
  await say("backup", "--url", url, "--to", place);
  await say("backup", "verify", "--from", place);
});

test("a restore that was killed half way leaves a directory in which no node starts", async () => {
  await using here = await scene();
  const { node, url, place, path } = here;
  await fill(node, 4_000);
  await say("backup", "--url", url, "--to", place);
  const data = join(path, "killed-data");
  const restoring = new RunningCommand(["restore", "--from", place, "--dir", data]);
  await eventually("it has begun", () => existsSync(join(data, "checkpoint.1.tmp")));
  restoring.child.kill("SIGKILL");
  await restoring.ended;
  await assert.rejects(nodeIn(path, "killed", data), /did not come to its end/);
});

test("a backup and a restore that find no space say so, and leave nothing that looks whole", async (t) => {
  await using here = await scene();
  const { node, url, place, path } = here;
  await using disk = await SmallDisk.make(`${path}/disk`, 4);
  if (disk === null) {
    assert.notEqual(process.env["ATOLL_REQUIRE_ALL"], "1", "a user namespace can be made");
    return t.skip("this machine allows no user namespaces");
  }
  await fill(node, 1_000);
  const inside = async (...words: string[]): Promise<string> => {
    const output = `${path}/said`;
    const main = join(root, "src", "main.ts");
    const script = `"$@" > ${output} 2>&1; test $? -ne 0`;
    await disk.run("sh", "-c", script, "sh", process.execPath, main, ...words);
    return readFileSync(output, "utf8");
  };
  const small = `${disk.path}/place`;
  assert.match(await inside("backup", "--url", url, "--to", small), /ENOSPC|no space/);
  assert.match(await inside("restore", "--from", small, "--dir", `${disk.path}/x`), /no backup/);
  await say("backup", "--url", url, "--to", place);
  const into = `${disk.path}/data`;
  assert.match(await inside("restore", "--from", place, "--dir", into), /space/);
  await disk.run("test", "!", "-e", into);
});
