/** Homes: keys that an owner writes for all regions, and elements that an owner gives away, over real processes. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { encodeCommand } from "../support/resp.ts";
import { RespConnection } from "../support/resp-connection.ts";
import { ChaosLab } from "./chaos-lab.ts";

const KEYSPACES = `
- { prefix: "home:", writes: home, home: eu-west }
- { prefix: "tag:", writes: home }
- { prefix: "near:", writes: home, home: eu-west, forward: "no" }
- { prefix: "queue:", pop: owner }
- { prefix: "moving:", writes: home, home: us-west }
`;
const NAMES = ["us-east", "us-west", "eu-west"] as const;
type Name = (typeof NAMES)[number];

let lab: ChaosLab;
let at: Record<Name, RespConnection>;

before(async () => {
  lab = await ChaosLab.withKeyspaces(KEYSPACES);
  at = await clients();
});
after(async () => {
  for (const client of Object.values(at)) client[Symbol.dispose]();
  await lab[Symbol.asyncDispose]();
});

async function clients(): Promise<Record<Name, RespConnection>> {
  const opened = await Promise.all(lab.regions.map(({ port }) => RespConnection.open(port)));
  return Object.fromEntries(NAMES.map((name, i) => [name, opened[i]])) as typeof at;
}

/** One command, and its reply as it came: of an owner that is gone it comes after some ten seconds. */
async function ask(client: RespConnection, ...words: (string | number)[]): Promise<string> {
  const [frame] = await client.send(encodeCommand(words), 1, 30_000);
  return (frame as Buffer).latin1Slice();
}

test("who writes from another region is answered by the owner, and reads at once what it wrote", async () => {
  for (const [i, name] of NAMES.entries()) {
    const client = at[name];
    assert.equal(await ask(client, "INCR", "home:count"), `:${i + 1}\r\n`);
    assert.equal(await ask(client, "GET", "home:count"), `$1\r\n${i + 1}\r\n`);
    assert.equal(
      await ask(client, "SET", "home:lock", name, "NX"),
      i === 0 ? "+OK\r\n" : "$-1\r\n",
    );
    assert.equal(await ask(client, "RPUSH", "home:list", name), `:${i + 1}\r\n`);
    assert.equal(await ask(client, "LRANGE", "home:list", -1, -1), `*1\r\n$7\r\n${name}\r\n`);
    assert.equal(
      await ask(client, "AA.DO", "GLOBAL_QUORUM", "HINCRBY", "home:hash", "f", 2),
      `:${2 * i + 2}\r\n`,
    );
  }
});

test("what all regions count at once is counted one after the other, and one of them takes a lock", async () => {
  const counted: string[] = [];
  const locks: string[] = [];
  const rounds = NAMES.map(async (name) => {
    for (let i = 0; i < 20; i++) {
      counted.push(await ask(at[name], "INCR", "home:tickets"));
      locks.push(await ask(at[name], "SET", `home:lock:${i}`, name, "NX"));
    }
  });
  await Promise.all(rounds);
  assert.equal(new Set(counted).size, 60, "no number was given twice");
  assert.equal(locks.filter((reply) => reply === "+OK\r\n").length, 20);
});

test("keys with the same tag have one owner; keys of several owners are not written together", async () => {
  const client = at["us-east"];
  assert.equal(await ask(client, "MSET", "tag:{7}a", 1, "tag:{7}b", 2), "+OK\r\n");
  const pairs = Array.from({ length: 12 }, (_, i) => [`tag:${i}`, i]).flat();
  assert.match(await ask(client, "MSET", ...pairs), /^-AAMIXED .* belong to different replicas/);
  assert.equal(await ask(client, "EXISTS", ...pairs), ":0\r\n");
});

test("a keyspace that does not forward names the place to go to", async () => {
  assert.match(await ask(at["us-west"], "SET", "near:a", 1), /^-AAHOME .* written at eu-west\/1/);
  assert.equal(await ask(at["eu-west"], "SET", "near:a", 1), "+OK\r\n");
});

test("transactions run at the owner as a whole, and not at all when what they watch has changed", async () => {
  const [east, west] = [at["us-east"], at["us-west"]];
  await ask(east, "SET", "home:watched", "1");
  assert.equal(await ask(east, "WATCH", "home:watched"), "+OK\r\n");
  assert.equal(await ask(west, "SET", "home:watched", "2"), "+OK\r\n");
  const transaction = [["MULTI"], ["SET", "home:watched", "3"], ["EXEC"]];
  assert.equal((await east.pipeline(transaction)).at(-1)?.raw.latin1Slice(), "*-1\r\n");
  assert.equal(await ask(east, "WATCH", "home:watched"), "+OK\r\n");
  assert.equal(await ask(east, "GET", "home:watched"), "$1\r\n2\r\n");
  const [, , third] = await east.pipeline([["MULTI"], ["INCR", "home:watched"], ["EXEC"]]);
  assert.equal(third?.raw.latin1Slice(), "*1\r\n:3\r\n");
  assert.equal(await ask(east, "WATCH", "home:watched"), "+OK\r\n");
  await ask(east, "UNWATCH");
  await ask(west, "INCR", "home:watched");
  assert.equal((await east.pipeline(transaction)).at(-1)?.raw.latin1Slice(), "*1\r\n+OK\r\n");
});

test("scripts run at the owner, which is taught those that it does not know", async () => {
  const body = "return redis.call('INCRBY', KEYS[1], ARGV[1])";
  const sha = (await ask(at["us-east"], "SCRIPT", "LOAD", body)).split("\r\n")[1] as string;
  assert.equal(await ask(at["us-east"], "EVALSHA", sha, 1, "home:scripted", 5), ":5\r\n");
  assert.equal(await ask(at["us-east"], "EVALSHA", sha, 1, "home:scripted", 5), ":10\r\n");
  const undeclared = "return redis.call('INCR', ARGV[1])";
  assert.match(await ask(at["us-east"], "EVAL", undeclared, 0, "home:scripted"), /^-AAMIXED/);
  assert.equal(await ask(at["us-east"], "GET", "home:scripted"), "$2\r\n10\r\n");
});

test("who waits for an element elsewhere is given it, and is forgotten when it goes", async () => {
  const waiting = ask(at["us-west"], "BLPOP", "home:jobs", 5);
  await until(async () =>
    (await ask(at["eu-west"], "INFO", "clients")).includes("blocked_clients:1"),
  );
  await ask(at["us-east"], "RPUSH", "home:jobs", "one");
  assert.equal(await waiting, "*2\r\n$9\r\nhome:jobs\r\n$3\r\none\r\n");
  const port = lab.regions.find(({ name }) => name === "us-east")?.port ?? 0;
  const gone = await RespConnection.open(port);
  gone.call("BLPOP", "home:jobs", 0).catch(() => {});
  await until(async () =>
    (await ask(at["eu-west"], "INFO", "clients")).includes("blocked_clients:1"),
  );
  gone[Symbol.dispose]();
  await until(async () =>
    (await ask(at["eu-west"], "INFO", "clients")).includes("blocked_clients:0"),
  );
  await ask(at["us-east"], "RPUSH", "home:jobs", "two");
  assert.equal(await ask(at["us-west"], "LPOP", "home:jobs"), "$3\r\ntwo\r\n");
});

test("elements that every region adds and every region takes are given away once each", async () => {
  const given: string[] = [];
  await Promise.all(
    NAMES.map(async (name) => {
      for (let i = 0; i < 20; i++) {
        await ask(at[name], "RPUSH", "queue:a", `${name}.${i}`);
        given.push(await ask(at[name], "LPOP", "queue:a"));
      }
    }),
  );
  for (let taken = ""; taken !== "$-1\r\n"; given.push(taken))
    taken = await ask(at["us-east"], "LPOP", "queue:a");
  const elements = given.filter((reply) => reply !== "$-1\r\n");
  assert.equal(new Set(elements).size, elements.length, "none was given twice");
  assert.equal(elements.length, 60);
});

async function until(is: () => Promise<boolean>): Promise<void> {
  for (const giveUpMs = performance.now() + 20_000; !(await is());) {
    assert.ok(performance.now() < giveUpMs, "it did not become so");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("a prefix is moved while all regions write to it: no number is given twice, and who waits waits on", async () => {
  const counted: string[] = [];
  let isOver = false;
  const counting = NAMES.map(async (name) => {
    while (!isOver) counted.push(await ask(at[name], "INCR", "moving:count"));
  });
  const [operator, waiter] = await Promise.all(
    lab.regions.slice(0, 2).map(({ port }) => RespConnection.open(port)),
  );
  assert.ok(operator !== undefined && waiter !== undefined);
  const waiting = ask(waiter, "BLPOP", "moving:jobs", 20);
  for (const region of ["eu-west", "us-east", "us-west", "eu-west"]) {
    assert.equal(await ask(operator, "AA.KEYSPACE", "MOVE", "moving:", region), "+OK\r\n");
    const soFar = counted.length;
    await until(async () => counted.length > soFar + 6);
    assert.match(
      await ask(operator, "AA.KEYSPACE", "EXPLAIN", "moving:count"),
      new RegExp(`${region}/1`),
    );
  }
  isOver = true;
  await Promise.all(counting);
  assert.deepEqual(
    counted.filter((reply) => !reply.startsWith(":")),
    [],
  );
  assert.equal(new Set(counted).size, counted.length, "no number was given twice");
  await ask(operator, "RPUSH", "moving:jobs", "one");
  const got = await waiting;
  // Who waited in the region that lost the keys is told to ask again, as of a server that is no master any more.
  assert.match(got, /one|^-UNBLOCKED/);
  operator[Symbol.dispose]();
  waiter[Symbol.dispose]();
});

test("keys are taken by force from an owner that is gone, and from no other", async () => {
  const move = ["AA.KEYSPACE", "MOVE", "moving:", "us-east", "FORCE"];
  assert.match(await ask(at["us-east"], ...move), /^-ERR eu-west\/1.* can be reached/);
  await lab.do("kill", "eu-west");
  await until(async () => (await ask(at["us-east"], ...move)) === "+OK\r\n");
  assert.match(await ask(at["us-east"], "INCR", "moving:count"), /^:/);
  await until(async () => (await ask(at["us-west"], "INCR", "moving:count")).startsWith(":"));
  await lab.do("start", "eu-west");
  using back = await RespConnection.open(
    lab.regions.find(({ name }) => name === "eu-west")?.port ?? 0,
  );
  // Until it hears of it, it takes itself for the owner still.
  await until(async () =>
    (await ask(back, "AA.KEYSPACE", "EXPLAIN", "moving:count")).includes("us-east/1"),
  );
  assert.match(await ask(back, "INCR", "moving:count"), /^:/);
});

test("while the owner cannot be reached, what has not run says so, and reads go on", async () => {
  await lab.do("kill", "eu-west");
  let said = "";
  await until(async () =>
    (said = await ask(at["us-east"], "INCR", "home:count")).startsWith("-AA"),
  );
  assert.match(said, /^-AA(HOME|UNKNOWN) .*eu-west\/1/);
  assert.match(await ask(at["us-east"], "INCR", "home:count"), /^-AAHOME .* has not run/);
  assert.match(await ask(at["us-east"], "GET", "home:count"), /^\$1\r\n[3-9]/);
  await lab.do("start", "eu-west");
  await until(async () => (await ask(at["us-east"], "INCR", "home:count")).startsWith(":"));
});
