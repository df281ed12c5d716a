/**
 * What a region wrote behind a cut until it was removed: void for the cluster, but listed, kept as a file, and written again on demand.
 */
import assert from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { atoll } from "../lab/lab-process.ts";
import { ChaosLab, type Region } from "./chaos-lab.ts";

interface Writes {
  writes: { key: string; type: string; what: string; path: string; value: string }[];
}

test("what a removed region had alone is listed, kept, and restored where it is missing", async () => {
  await using lab = await ChaosLab.start("--regions", "a,b,c", "--wan", "none");
  const [a, b, c] = lab.regions as [Region, Region, Region];
  const run = async (code: number, ...words: string[]): Promise<string> => {
    const outcome = await atoll(...words, "--dir", lab.dir, "--json");
    assert.equal(outcome.code, code, `${words.join(" ")}: ${outcome.stdout}${outcome.stderr}`);
    return outcome.stdout;
  };
  const at = async (region: Region, ...command: string[]): Promise<void> => {
    await lab.ask(region, ...command);
  };
  await at(c, "SET", "known", "to all");
  await at(c, "INCRBY", "count", "10");
  await lab.agree([
    ["GET", "known"],
    ["GET", "count"],
  ]);
  await lab.do("cut", "c");
  await at(c, "SET", "order:1", "paid");
  await at(c, "INCRBY", "count", "5");
  await at(c, "SADD", "set", "member");
  await at(c, "HSET", "hash", "field", "value");
  await at(c, "ZADD", "ranks", "2.5", "member");
  await at(c, "RPUSH", "list", "element");
  await at(c, "PFADD", "visitors", "one", "two");
  await at(c, "SET", "taken", "by c");
  await at(a, "INCRBY", "count", "100");
  await at(a, "LPUSH", "taken", "by a");
  await lab.do("kill", "c");
  const source = join(lab.dir, "c", "data");
  assert.deepEqual(JSON.parse(await run(0, "tails", "list", source)), { tails: [] });
  await run(0, "member", "remove", "c/1");
  lab.regions = [a, b];

  const { tails } = JSON.parse(await run(0, "tails", "list", source)) as {
    tails: { origin: string; end: number; newest: number; writes: number; keys: number }[];
  };
  assert.equal(tails.length, 1);
  const [tail] = tails;
  assert.match(tail?.origin ?? "", /^c\/1@/);
  assert.equal(tail?.end, 2);
  assert.deepEqual([tail?.newest, tail?.writes, tail?.keys], [10, 8, 8]);
  const { writes } = JSON.parse(await run(0, "tails", "show", source)) as Writes;
  const sorted = writes.toSorted((one, other) => (one.key < other.key ? -1 : 1));
  assert.deepEqual(
    sorted.map(({ key, type, what, path, value }) =>
      key === "list" || key === "visitors" ? [key, type, what] : [key, type, what, path, value],
    ),
    [
      ["count", "string", "increments", "", "15"],
      ["hash", "hash", "value", "field", "value"],
      ["list", "list", "value"],
      ["order:1", "string", "value", "", "paid"],
      ["ranks", "zset", "value", "member", "2.5"],
      ["set", "set", "member", "member", ""],
      ["taken", "string", "value", "", "by c"],
      ["visitors", "generation", "generation"],
    ],
  );

  const file = join(lab.dir, "c.tails");
  await run(0, "tails", "save", source, "--to", file);
  rmSync(source, { recursive: true });
  assert.ok(existsSync(file));
  await run(0, "tails", "restore", file, "--key", "order:1");
  assert.deepEqual(
    await lab.agree([
      ["GET", "order:1"],
      ["EXISTS", "set"],
    ]),
    ["paid", "0"],
  );
  const rest = ["count", "set", "hash", "ranks", "list", "visitors", "taken"];
  const some = JSON.parse(
    await run(1, "tails", "restore", file, ...rest.flatMap((key) => ["--key", key])),
  ) as { restored: number; refused: { key: string; reason: string }[] };
  assert.equal(some.restored, 6);
  assert.deepEqual(
    some.refused.map(({ key }) => key),
    ["taken"],
    "another type is there by now",
  );
  assert.match(some.refused[0]?.reason ?? "", /^WRONGTYPE/);
  await run(0, "tails", "restore", file, "--key", "taken", "--prefix", "c:");
  assert.deepEqual(
    await lab.agree([
      ["GET", "known"],
      ["GET", "count"],
      ["SMEMBERS", "set"],
      ["HGET", "hash", "field"],
      ["ZSCORE", "ranks", "member"],
      ["LRANGE", "list", "0", "-1"],
      ["PFCOUNT", "visitors"],
      ["LRANGE", "taken", "0", "-1"],
      ["GET", "c:taken"],
    ]),
    ["to all", "115", "[member]", "value", "2.5", "[element]", "2", "[by a]", "by c"],
    "of what it had counted, the others knew the first ten",
  );
});
