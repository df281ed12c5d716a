/** Levels and sessions on real processes: what survives the loss of a replica and of a region, and a client that moves. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RespConnection } from "../support/resp-connection.ts";
import { ChaosLab, type Region } from "./chaos-lab.ts";

async function call(connection: RespConnection, ...words: string[]): Promise<string> {
  const reply = await connection.call(...words);
  if ("items" in reply) throw new Error(`${words.join(" ")} answered several`);
  return reply.text === null ? "nil" : reply.text.toString("latin1");
}

/** A connection to a region of the lab by its name. */
function open(lab: ChaosLab, name: string): Promise<RespConnection> {
  const region = lab.regions.find((one) => one.name === name) as Region;
  return RespConnection.open(region.port);
}

/** Calls until the reply is none of those that say that members are missing, for at most ten seconds. */
async function eventually(connection: RespConnection, ...words: string[]): Promise<string> {
  const giveUpMs = performance.now() + 10_000;
  for (;;) {
    const reply = await call(connection, ...words);
    if (!/^AA(NOQUORUM|INCOMPLETE|STALE)/.test(reply) || performance.now() > giveUpMs) return reply;
  }
}

test("a client that moves from a killed region reads its writes in another", async () => {
  await using lab = await ChaosLab.start("--wan", "real");
  const [first, second] = lab.regions as [Region, Region];
  using home = await open(lab, first.name);
  for (let i = 1; i <= 20; i++) {
    const write = ["AA.DO", "WRITE", "GLOBAL_ONE", "SET", "profile", `${i}`];
    assert.equal(await eventually(home, ...write), "OK");
    const token = await call(home, "AA.TOKEN");
    if (i === 20) await lab.do("kill", first.name);
    using away = await open(lab, second.name);
    const [taken, read] = await Promise.all([
      call(away, "AA.SESSION", token),
      call(away, "GET", "profile"),
    ]);
    assert.deepEqual([taken, read], ["OK", `${i}`]);
  }
});

test("a token that is ahead of a region is waited for, and refused when the cable is cut", async () => {
  await using lab = await ChaosLab.start("--wan", "60");
  const [first, second] = lab.regions as [Region, Region];
  using home = await open(lab, first.name);
  using away = await open(lab, second.name);
  await eventually(home, "AA.DO", "WRITE", "ALL", "SET", "k", "0");
  await call(home, "SET", "k", "1");
  const token = await call(home, "AA.TOKEN");
  assert.equal(await call(away, "GET", "k"), "0", "it is still on its way");
  assert.equal(await call(away, "AA.SESSION", token), "OK");
  assert.equal(await call(away, "GET", "k"), "1");
  await lab.do("cut", second.name);
  await call(home, "SET", "k", "2");
  const later = await call(home, "AA.TOKEN");
  await call(away, "AA.SESSION", later, "TIMEOUT", "200");
  assert.match(await call(away, "GET", "k"), /^AASTALE /);
  assert.equal(await call(away, "AA.SESSION", "OFF"), "OK");
  assert.equal(await call(away, "GET", "k"), "1");
  await lab.do("heal");
  await call(away, "AA.SESSION", later);
  assert.equal(await eventually(away, "GET", "k"), "2");
  const forged = `${later.slice(0, 8)}${later[8] === "A" ? "B" : "A"}${later.slice(9)}`;
  assert.match(await call(away, "AA.SESSION", forged), /^AATOKENEPOCH /);
});

test("LOCAL_QUORUM survives a replica and GLOBAL_QUORUM a region, and what was acknowledged is read", async () => {
  await using lab = await ChaosLab.start("--wan", "10", "--replicas", "3");
  assert.equal(lab.regions.length, 9);
  using writer = await open(lab, "us-east/1");
  using reader = await open(lab, "eu-west/3");
  const write = (level: string, value: string): Promise<string> =>
    eventually(writer, "AA.DO", "WRITE", level, "SET", "k", value);
  const read = (level: string): Promise<string> =>
    eventually(reader, "AA.DO", "READ", level, "GET", "k");
  assert.equal(await write("ALL", "1"), "OK");
  assert.equal(await call(reader, "GET", "k"), "1");
  await lab.do("kill", "us-east/2");
  assert.equal(await write("LOCAL_QUORUM", "2"), "OK");
  assert.equal(await write("EACH_QUORUM", "3"), "OK");
  assert.equal(await read("LOCAL_QUORUM"), "3");
  assert.match(await call(writer, "AA.DO", "WRITE", "ALL", "SET", "k", "4"), /^AANOQUORUM ALL /);
  await lab.do("kill", "us-west");
  assert.equal(await write("GLOBAL_QUORUM", "5"), "OK");
  assert.equal(await read("GLOBAL_QUORUM"), "5");
  assert.match(
    await call(writer, "AA.DO", "WRITE", "EACH_QUORUM", "SET", "k", "6"),
    /^AANOQUORUM /,
  );
  assert.equal(await call(writer, "GET", "k"), "5", "what is refused is not written");
  await lab.do("kill", "us-east/3");
  assert.match(
    await call(writer, "AA.DO", "WRITE", "GLOBAL_QUORUM", "SET", "k", "7"),
    /^AANOQUORUM .*nothing was written/,
  );
  for (const name of ["us-east/2", "us-east/3", "us-west"]) await lab.do("start", name);
  assert.equal(await write("ALL", "8"), "OK");
  const seen = await lab.agree([["GET", "k"]]);
  assert.deepEqual(seen, ["8"]);
});
