/**
 * What docs/types promises of writes on both sides of a cut cable, with real processes and clients.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, suite, test } from "node:test";
import { textOf } from "../support/resp.ts";
import { ChaosLab, drive, type Region, type Tally } from "./chaos-lab.ts";

suite("two sides of a cut cable", () => {
  let lab: ChaosLab;
  let left: Region;
  let right: Region;
  before(async () => {
    lab = await ChaosLab.start("--wan", "5");
    [left, right] = lab.regions as [Region, Region];
  });
  after(() => lab[Symbol.asyncDispose]());

  /** Runs `first` and lets it arrive everywhere, cuts `left` off, runs both sides, heals, and returns what all agree on. */
  async function split(
    first: string[][],
    onLeft: string[][],
    onRight: string[][],
    read: string[],
  ): Promise<string | undefined> {
    for (const command of [["FLUSHALL"], ...first]) await lab.ask(left, ...command);
    const seen = await lab.agree([read]);
    if (first.length > 0) assert.notDeepEqual(seen, ["nil"]);
    await lab.do("cut", left.name);
    try {
      for (const command of onLeft) await lab.ask(left, ...command);
      // A clock tick between the sides, so that "later" means something.
      await sleep(20);
      for (const command of onRight) await lab.ask(right, ...command);
    } finally {
      await lab.do("heal");
    }
    const [agreed] = await lab.agree([read]);
    return agreed;
  }

  test("SET against SET: the later one is seen everywhere", async () => {
    assert.equal(
      await split([], [["SET", "k", "left"]], [["SET", "k", "right"]], ["GET", "k"]),
      "right",
    );
  });

  test("SET against DEL: the SET, which the DEL has not seen, survives", async () => {
    const start = [["SET", "k", "old"]];
    assert.equal(await split(start, [["SET", "k", "new"]], [["DEL", "k"]], ["GET", "k"]), "new");
  });

  test("INCR against INCR: both count", async () => {
    const start = [["SET", "n", "10"]];
    assert.equal(
      await split(start, [["INCRBY", "n", "5"]], [["DECRBY", "n", "2"]], ["GET", "n"]),
      "13",
    );
  });

  test("INCR against DEL: the increment that the DEL has not seen survives alone", async () => {
    const start = [["INCRBY", "n", "100"]];
    assert.equal(await split(start, [["INCRBY", "n", "5"]], [["DEL", "n"]], ["GET", "n"]), "5");
  });

  test("SADD against SREM: the member added again is there", async () => {
    const start = [["SADD", "s", "milk", "bread"]];
    assert.equal(
      await split(
        start,
        [["SADD", "s", "milk"]],
        [["SREM", "s", "milk", "bread"]],
        ["SMEMBERS", "s"],
      ),
      "[milk]",
    );
  });

  test("HSET against HDEL: the field written again is there, the other is gone", async () => {
    const start = [["HSET", "h", "a", "1", "b", "1"]];
    assert.equal(
      await split(start, [["HSET", "h", "a", "2"]], [["HDEL", "h", "a", "b"]], ["HGETALL", "h"]),
      "[2,a]",
    );
  });

  test("HINCRBY against HINCRBY and DEL: what the DEL has not seen remains", async () => {
    const start = [["HINCRBY", "h", "n", "10"]];
    assert.equal(
      await split(
        start,
        [["HINCRBY", "h", "n", "3"]],
        [
          ["HINCRBY", "h", "n", "4"],
          ["DEL", "h"],
        ],
        ["HGETALL", "h"],
      ),
      "[3,n]",
    );
  });

  test("EXPIRE against EXPIRE: the longer one counts", async () => {
    const start = [["SADD", "s", "x"]];
    const at = Math.floor(Date.now() / 1000);
    assert.equal(
      await split(
        start,
        [["EXPIREAT", "s", String(at + 9_000)]],
        [["EXPIREAT", "s", String(at + 5_000)]],
        ["EXPIRETIME", "s"],
      ),
      String(at + 9_000),
    );
  });

  test("EXPIRE against PERSIST: the key stays", async () => {
    const start = [
      ["SADD", "s", "x"],
      ["EXPIRE", "s", "1000"],
    ];
    assert.equal(
      await split(start, [["PERSIST", "s"]], [["EXPIRE", "s", "2000"]], ["TTL", "s"]),
      "-1",
    );
  });

  test("a set against a hash: one of them is seen, the same everywhere", async () => {
    assert.equal(
      await split([], [["SADD", "k", "member"]], [["HSET", "k", "field", "1"]], ["TYPE", "k"]),
      "hash",
    );
  });

  test("an expired key is gone everywhere and its memory is given back", async () => {
    await split(
      [],
      [["SET", "t", "x", "PX", "300"]],
      [
        ["SADD", "u", "y"],
        ["PEXPIRE", "u", "300"],
      ],
      ["EXISTS", "never"],
    );
    await sleep(400);
    assert.deepEqual(await lab.agree([["EXISTS", "t", "u"]]), ["0"]);
    // The removal is a record made once every region has promised to extend nothing any more.
    while ((await lab.agree([["DBSIZE"]])).join() !== "0") await sleep(50);
  });
});

test("strings, sets, hashes and deadlines written everywhere through cuts and kills end equal", async () => {
  await using lab = await ChaosLab.start("--wan", "5");
  const [a, b, c] = lab.regions.map(({ name }) => name) as [string, string, string];
  const key = (n: number, of: number): string => `k${(n * 7919) % of}`;
  const command =
    (region: number) =>
    (n: number): string[] => {
      const v = `${region}:${n}`;
      const kinds: string[][] = [
        ["SET", `s${key(n, 40)}`, v],
        ["DEL", `s${key(n + 3, 40)}`],
        ["INCRBY", `n${key(n, 10)}`, String(n % 10)],
        ["SADD", `m${key(n, 8)}`, key(n, 60)],
        ["SREM", `m${key(n, 8)}`, key(n + 5, 60)],
        ["HSET", `h${key(n, 8)}`, key(n, 30), v],
        ["HDEL", `h${key(n, 8)}`, key(n + 11, 30)],
        ["HINCRBY", `h${key(n, 8)}`, "count", "1"],
        ["DEL", `h${key(n, 8)}`],
        ["PEXPIRE", `m${key(n, 8)}`, String(200 + (n % 5) * 100)],
        ["SET", `s${key(n, 40)}`, v, "PX", String(150 + (n % 7) * 50)],
        ["PERSIST", `m${key(n, 8)}`],
        ["APPEND", `s${key(n, 40)}`, "+"],
      ];
      return kinds[(n * 31 + region) % kinds.length] as string[];
    };
  const tally: Tally = { acknowledged: 0, perhaps: 0 };
  const writers = Promise.all(
    lab.regions.map((region, i) => drive(region, 8_000, 10, command(i), tally)),
  );
  await lab.do("cut", a, b);
  await lab.do("kill", c);
  await sleep(500);
  await lab.do("start", c);
  await lab.do("cut", c, "--one-way");
  await sleep(500);
  await lab.do("heal");
  await writers;
  const names = [
    ...Array.from({ length: 40 }, (_, i) => ["GET", `sk${i}`]),
    ...Array.from({ length: 10 }, (_, i) => ["GET", `nk${i}`]),
    ...Array.from({ length: 8 }, (_, i) => ["SMEMBERS", `mk${i}`]),
    ...Array.from({ length: 8 }, (_, i) => ["HGETALL", `hk${i}`]),
  ];
  // The deadlines of the last writes must have passed, or two regions are asked at two times.
  await sleep(1_000);
  await lab.agree([...names, ["DBSIZE"]]);
  assert.ok(tally.acknowledged > 10_000);
  const one = textOf(await lab.ask(lab.regions[0] as Region, "PING"))?.toString();
  assert.equal(one, "PONG");
});
