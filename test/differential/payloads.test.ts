/**
 * Payloads of DUMP, of every type and form, read and written by our codec: what a real Redis dumps we read, and what we write of
 * it that Redis restores, with the same content.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { decodePayload, encodePayload, isWhole } from "../../src/core/rdb/payload.ts";
import { RespConnection } from "../support/resp-connection.ts";
import { isError, itemsOf, textOf, type Reply } from "../support/resp.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { Chance } from "./chance.ts";

const DECOMPRESSED_MAX = 64 * 1024 * 1024;
const SEED = 20_260_101;

let server: TestServer;
let redis: RespConnection;

before(async () => {
  server = await startServer("redis");
  redis = await RespConnection.open(server.port);
});

after(async () => {
  redis[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
});

type Arg = Buffer | string | number;

async function call(...args: Arg[]): Promise<Reply> {
  const reply = await redis.call(...args);
  assert.ok(!isError(reply), `${String(args[0])}: ${textOf(reply)?.toString() ?? ""}`);
  return reply;
}

/** A value that fits one of the forms Redis has: small or large, numbers or text, text that compresses or does not. */
function value(chance: Chance): Buffer {
  switch (chance.below(7)) {
    case 0:
      return Buffer.from(String(chance.between(-200, 200)));
    case 1:
      return Buffer.from(String(chance.between(-(2 ** 40), 2 ** 40)));
    case 2:
      return Buffer.from(
        chance.pick([
          "32767",
          "-32769",
          "8388608",
          "2147483648",
          "9223372036854775807",
          "4095",
          "-4097",
          "007",
          "-0",
          "",
        ]),
      );
    case 3:
      return chance.bytes(chance.between(0, 70));
    case 4:
      return Buffer.from("abcabcabd".repeat(chance.between(1, 40)));
    case 5:
      return chance.bytes(chance.pick([63, 64, 65, 127, 128, 4095, 4096]));
    default:
      return Buffer.from(`value-${chance.below(50)}`);
  }
}

const score = (chance: Chance): string =>
  chance.pick([
    ...["inf", "-inf", "0", "-0", "1e300", "-1.5e-300", "0.1", "3.14159", "17179869184.5", "1e21"],
    String(chance.between(-1_000, 1_000)),
    String(chance.below(10 ** 9) / 997),
  ]);

/** Commands that make a value of each type under `key`, sometimes of many parts. */
const makers: Readonly<Record<string, (key: string, chance: Chance) => Arg[][]>> = {
  string: (key, chance) => [["SET", key, value(chance)]],
  list: (key, chance) =>
    parts(chance, (count) => ["RPUSH", key, ...many(count, () => value(chance))]),
  "set of integers": (key, chance) =>
    parts(chance, (count) => [
      "SADD",
      key,
      ...many(count, () => chance.between(-(2 ** chance.pick([6, 14, 30, 44])), 2 ** 20)),
    ]),
  set: (key, chance) =>
    parts(chance, (count) => ["SADD", key, ...many(count, () => value(chance))]),
  hash: (key, chance) =>
    parts(chance, (count) => [
      "HSET",
      key,
      ...many(count, () => [value(chance), value(chance)]).flat(),
    ]),
  zset: (key, chance) =>
    parts(chance, (count) => [
      "ZADD",
      key,
      ...many(count, () => [score(chance), value(chance)]).flat(),
    ]),
  stream: (key, chance) => stream(key, chance),
};

function parts(chance: Chance, make: (count: number) => Arg[]): Arg[][] {
  return chance.happens(0.7)
    ? [make(chance.between(1, 8))]
    : many(chance.between(1, 12), () => make(chance.between(1, 120)));
}

function many<T>(count: number, make: () => T): T[] {
  return Array.from({ length: count }, make);
}

function stream(key: string, chance: Chance): Arg[][] {
  const commands: Arg[][] = [];
  const count = chance.pick([0, 1, 5, 99, 100, 101, 350]);
  const ids: string[] = [];
  let ms = 1_000;
  for (let i = 0; i < count; i++) {
    ms += chance.below(3);
    const id = `${ms}-${i + 1}`;
    const fields = chance.happens(0.8)
      ? ["a", value(chance), "b", value(chance)]
      : many(2 * chance.between(1, 4), () => value(chance));
    ids.push(id);
    commands.push(["XADD", key, id, ...fields]);
  }
  commands.push(["XGROUP", "CREATE", key, "readers", chance.pick(["0", "$"]), "MKSTREAM"]);
  commands.push(["XGROUP", "CREATE", key, "g2", "0"]);
  commands.push(["XGROUP", "CREATECONSUMER", key, "g2", "idle"]);
  for (const who of ["ann", "bob", "ann"])
    commands.push([
      "XREADGROUP",
      "GROUP",
      "g2",
      who,
      "COUNT",
      chance.between(1, 40),
      "STREAMS",
      key,
      ">",
    ]);
  for (const id of ids) {
    const how = chance.below(10);
    if (how === 0) commands.push(["XACK", key, "g2", id]);
    if (how === 1) commands.push(["XDEL", key, id]);
  }
  if (chance.happens(0.2)) commands.push(["XTRIM", key, "MAXLEN", "3"]);
  if (chance.happens(0.2))
    commands.push(["XSETID", key, "18446744073709551615-18446744073709551615"]);
  return commands;
}

/** Everything there is to read of a value, as one text. */
async function read(type: string, key: string): Promise<string> {
  const show = async (...args: Arg[]): Promise<string> =>
    (await call(...args)).raw.toString("latin1");
  const items = async (...args: Arg[]): Promise<string[]> =>
    itemsOf(await call(...args)).map((item) => item.raw.toString("latin1"));
  switch (type) {
    case "string":
      return show("GET", key);
    case "list":
      return show("LRANGE", key, 0, -1);
    case "hash": {
      const flat = await items("HGETALL", key);
      return many(flat.length / 2, () => flat.splice(0, 2).join(""))
        .sort()
        .join("");
    }
    case "zset":
      return show("ZRANGE", key, 0, -1, "WITHSCORES");
    case "stream": {
      // How the nodes are cut is not content, and how long a consumer is idle changes.
      const info = await show("XINFO", "STREAM", key, "FULL", "COUNT", 0);
      const withoutNodes = info.replace(/(radix-tree-(?:keys|nodes)\r\n):\d+/g, "$1");
      return withoutNodes + (await show("XRANGE", key, "-", "+"));
    }
    default:
      return (await items("SMEMBERS", key)).sort().join("");
  }
}

for (const [type, make] of Object.entries(makers))
  test(`a ${type} that Redis dumps is read here, written here, and restored by Redis as it was`, async () => {
    const chance = new Chance(SEED);
    for (let i = 0; i < 60; i++) {
      await call("FLUSHALL");
      for (const command of make("from", chance)) await call(...command);
      const payload = textOf(await call("DUMP", "from"));
      assert.ok(payload !== null && isWhole(payload));
      const decoded = decodePayload(payload, DECOMPRESSED_MAX);
      assert.ok(decoded !== null, `${type} ${i}: cannot be read`);
      await call("RESTORE", "to", 0, encodePayload(decoded));
      assert.equal(await read(type, "to"), await read(type, "from"), `${type} ${i}`);
      assert.equal(
        textOf(await call("OBJECT", "ENCODING", "to"))?.toString(),
        textOf(await call("OBJECT", "ENCODING", "from"))?.toString(),
        `${type} ${i}: the form`,
      );
    }
  });

test("strings at the limits of the lengths that a listpack has are read and written as Redis does", async () => {
  const lengths = [62, 63, 64, 125, 126, 127, 128, 4094, 4095, 4096, 4097];
  for (let length = 16_370; length < 16_390; length++) lengths.push(length);
  await call("FLUSHALL");
  await call("RPUSH", "from", ...lengths.map((length) => Buffer.alloc(length, `${length} `)));
  const payload = textOf(await call("DUMP", "from"));
  const decoded = decodePayload(payload ?? Buffer.alloc(0), DECOMPRESSED_MAX);
  assert.ok(decoded !== null);
  await call("RESTORE", "to", 0, encodePayload(decoded));
  assert.equal(await read("list", "to"), await read("list", "from"));
  // From the other end Redis reads what tells the lengths backwards.
  for (const at of [-1, -2, -20, -31])
    assert.deepEqual((await call("LINDEX", "to", at)).raw, (await call("LINDEX", "from", at)).raw);
});
