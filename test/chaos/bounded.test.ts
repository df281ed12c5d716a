/** Bounded counters: a stock that three regions sell from at once, through cuts, over real processes. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { encodeCommand } from "../support/resp.ts";
import { RespConnection } from "../support/resp-connection.ts";
import { ChaosLab } from "./chaos-lab.ts";

const STOCK = 1_000;
/** Of each region, while all are together, and while nobody reaches anybody. */
const TOGETHER = 60;
const APART = 250;
const LOCAL_PART_MIN = 0.95;

let lab: ChaosLab;
let clients: RespConnection[];

before(async () => {
  lab = await ChaosLab.start("--wan", "20");
  clients = await Promise.all(lab.regions.map(({ port }) => RespConnection.open(port)));
});
after(async () => {
  for (const client of clients) client[Symbol.dispose]();
  await lab[Symbol.asyncDispose]();
});

async function ask(client: RespConnection, ...words: (string | number)[]): Promise<string> {
  const [frame] = await client.send(encodeCommand(words), 1, 30_000);
  return (frame as Buffer).latin1Slice();
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (await holds()) return;
    await delay(50);
  }
  assert.fail(`${what} did not come to be`);
}

/** The figures of AA.BOUND INFO at each region. */
async function figures(key: string): Promise<Record<string, number>[]> {
  return Promise.all(
    clients.map(async (client) => {
      const words = (await ask(client, "AA.BOUND", "INFO", key)).split("\r\n");
      const found: Record<string, number> = {};
      for (const [i, word] of words.entries())
        if (words[i + 1]?.startsWith(":") === true) found[word] = Number(words[i + 1]?.slice(1));
      return found;
    }),
  );
}

/** Bytes that each region has received over its links. */
async function received(): Promise<number[]> {
  const all = await Promise.all(lab.regions.map(({ name }) => lab.status(name)));
  return all.map(({ links }) => links.reduce((sum, link) => sum + link.receivedBytes, 0));
}

/** Sells one by one until so many are sold, or what comes of one is for `ends` to say. */
async function sell(
  client: RespConnection,
  most: number,
  ends: (reply: string) => boolean,
): Promise<number> {
  let sold = 0;
  while (sold < most) {
    const reply = await ask(client, "AA.BOUND", "DECR", "stock", 1);
    if (reply.startsWith(":")) {
      assert.ok(Number(reply.slice(1)) >= 0, `a region saw ${reply}`);
      sold++;
    } else if (ends(reply)) break;
    else {
      assert.match(reply, /^-AANORIGHTS/);
      await delay(20);
    }
  }
  return sold;
}

const never = (): boolean => false;
const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

test("1,000 are sold by three regions at once and through cuts: never more, and nearly all without asking anybody", async () => {
  const [first] = clients as [RespConnection];
  assert.equal(
    await ask(first, "AA.BOUND", "CREATE", "stock", "MIN", 0, "VALUE", STOCK),
    "+OK\r\n",
  );
  await until("the stock in all regions", async () =>
    (await Promise.all(clients.map((client) => ask(client, "AA.BOUND", "GET", "stock")))).every(
      (reply) => reply === `:${STOCK}\r\n`,
    ),
  );
  let sold = sum(await Promise.all(clients.map((client) => sell(client, TOGETHER, never))));
  assert.equal(sold, 3 * TOGETHER);

  for (const { name } of lab.regions) await lab.do("cut", name);
  // What was under way when the wires were cut may still come.
  let silent = await received();
  await until("silence on the links", async () => {
    const last = silent;
    await delay(300);
    silent = await received();
    return silent.every((bytes, i) => bytes <= (last[i] as number));
  });
  const apart = await Promise.all(
    clients.map((client) => sell(client, APART, (reply) => reply.startsWith("-AANORIGHTS"))),
  );
  const heard = await received();
  assert.ok(
    heard.every((bytes, i) => bytes <= (silent[i] as number)),
    `nothing came over the links: ${silent.join()} bytes before, ${heard.join()} after`,
  );
  assert.ok(
    apart.every((count) => count > APART / 2),
    `each went on alone: ${apart.join()}`,
  );
  sold += sum(apart);

  await lab.do("heal");
  sold += sum(
    await Promise.all(
      clients.map((client) => sell(client, STOCK, (reply) => reply.startsWith("-AABOUND"))),
    ),
  );
  assert.equal(sold, STOCK, "all of it is sold, and nothing twice");
  await until("an empty stock in all regions", async () =>
    (await Promise.all(clients.map((client) => ask(client, "AA.BOUND", "GET", "stock")))).every(
      (reply) => reply === ":0\r\n",
    ),
  );
  const told = await figures("stock");
  const figure = (name: string): number => sum(told.map((one) => one[name] ?? 0));
  assert.equal(
    figure("used_at_once") + figure("used_after_region") + figure("used_after_wan"),
    STOCK,
    "the regions' own count is the clients' count",
  );
  assert.ok(
    figure("used_at_once") >= LOCAL_PART_MIN * STOCK,
    `${figure("used_at_once")} of ${STOCK} were sold without asking anybody`,
  );
});
