/**
 * Messages, invalidations and waiting clients over three regions of real processes, one of them cut off and one killed.
 *
 * Invariant: nothing here depends on how long something takes: it is waited for until it is so.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { RespConnection } from "../support/resp-connection.ts";
import { encodeCommand, isNull, itemsOf, textOf, type Reply } from "../support/resp.ts";
import { tempDir } from "../support/temp-dir.ts";
import { ChaosLab, type Region } from "./chaos-lab.ts";

const WAITERS = 200;
const ELEMENTS = 400;

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** A client of RESP3 and the pushes it has got, as words; it sends `command` first. */
async function hearing(
  region: Region,
  ...command: string[]
): Promise<{ connection: RespConnection; heard: string[] }> {
  const connection = await RespConnection.open(region.port);
  const heard: string[] = [];
  connection.onPush = (push) => heard.push(words(push));
  await connection.call("HELLO", "3");
  await connection.send(Buffer.concat([encodeCommand(command), encodeCommand(["ECHO", "x"])]), 1);
  return { connection, heard };
}

function words(reply: Reply): string {
  return "items" in reply
    ? itemsOf(reply).map(words).join(" ")
    : (textOf(reply)?.toString() ?? "nil");
}

suite("three regions", () => {
  const dir = tempDir("messages");
  let lab: ChaosLab;
  let regions: readonly [Region, Region, Region];

  before(async () => {
    const file = join(dir.path, "keyspaces.yaml");
    writeFileSync(file, '- { prefix: "g:", pubsub: global }\n');
    lab = await ChaosLab.start("--wan", "none", "--keyspaces", file);
    regions = lab.regions as unknown as readonly [Region, Region, Region];
  });

  after(async () => {
    await lab[Symbol.asyncDispose]();
    dir[Symbol.dispose]();
  });

  /** Every region has heard of what every other one writes now. */
  async function met(): Promise<void> {
    for (const region of regions) await lab.ask(region, "INCR", "met");
    await lab.agree([["GET", "met"]]);
  }

  test("a global message is heard everywhere, not behind a cut, and once again after it is healed", async () => {
    await met();
    const [east, west, europe] = regions;
    const listeners = await Promise.all(
      regions.map((region) => hearing(region, "SUBSCRIBE", "g:news", "news")),
    );
    try {
      const heard = (text: string): boolean[] =>
        listeners.map((listener) => listener.heard.includes(`message g:news ${text}`));
      await lab.ask(east, "PUBLISH", "news", "at home");
      await lab.ask(east, "PUBLISH", "g:news", "1");
      await until(() => heard("1").every(Boolean));
      await lab.do("cut", europe.name);
      await lab.ask(east, "PUBLISH", "g:news", "2");
      await until(() => heard("2").filter(Boolean).length === 2);
      await lab.do("heal");
      // Whether a link is there again is seen by what comes over it.
      for (
        let n = 3;
        !listeners[2]?.heard.some((one) => one.startsWith("message g:news back"));
        n++
      ) {
        await lab.ask(west, "PUBLISH", "g:news", `back ${n}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      for (const { heard: all } of listeners)
        assert.equal(new Set(all).size, all.length, "nothing is heard twice");
      assert.ok(listeners[0]?.heard.includes("message news at home"));
      assert.equal(listeners[1]?.heard.includes("message news at home"), false);
    } finally {
      for (const { connection } of listeners) connection[Symbol.dispose]();
    }
  });

  test("what another region writes invalidates, also when it comes late", async () => {
    await met();
    const [east, west] = regions;
    const reader = await hearing(east, "CLIENT", "TRACKING", "ON");
    try {
      await reader.connection.call("GET", "cached");
      await lab.ask(west, "SET", "cached", "1");
      await until(() => reader.heard.includes("invalidate cached"));
      assert.equal(words(await reader.connection.call("GET", "cached")), "1");
      reader.heard.length = 0;
      await lab.do("cut", west.name);
      await lab.ask(west, "SET", "cached", "2");
      await lab.do("heal");
      await until(() => reader.heard.includes("invalidate cached"));
      assert.equal(words(await reader.connection.call("GET", "cached")), "2");
      await lab.ask(west, "FLUSHALL");
      await until(() => reader.heard.includes("invalidate nil"));
    } finally {
      reader.connection[Symbol.dispose]();
    }
  });

  test(`${WAITERS} clients wait in three regions while one is cut off and one is killed: no element that was acknowledged is left while somebody waits`, async () => {
    await met();
    const [east, west, europe] = regions;
    const given: string[] = [];
    let stopped = false;
    /** Pops one element after the other, and comes back when its region does. */
    const waiter = async (region: Region): Promise<void> => {
      while (!stopped) {
        try {
          using connection = await RespConnection.open(region.port);
          while (!stopped) {
            // The reply may take as long as nothing is pushed.
            const reply = await connection.call("BLPOP", "queue", "2");
            if (!isNull(reply)) given.push(words(itemsOf(reply)[1] as Reply));
          }
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      }
    };
    const waiters: Promise<void>[] = [];
    for (let i = 0; i < WAITERS; i++) waiters.push(waiter(regions[i % 3] as Region));
    const acknowledged = new Set<string>();
    const push = async (region: Region, from: number, to: number): Promise<void> => {
      for (let n = from; n < to; n++)
        try {
          await lab.ask(region, "RPUSH", "queue", `${region.name}:${n}`);
          acknowledged.add(`${region.name}:${n}`);
        } catch {
          // Perhaps it was made: then it may be given, and need not be.
        }
    };
    const phase = (k: number): Promise<unknown> =>
      Promise.all(regions.map((r) => push(r, (k * ELEMENTS) / 12, ((k + 1) * ELEMENTS) / 12)));
    await phase(0);
    await lab.do("cut", europe.name);
    await phase(1);
    await lab.do("heal");
    const during = phase(2);
    await lab.do("kill", west.name);
    await during;
    await lab.do("start", west.name);
    await phase(3);
    // Whatever is there is given to somebody, in the end: nobody is left asleep.
    await until(async () => {
      const lengths = await Promise.all(regions.map((region) => lab.ask(region, "LLEN", "queue")));
      return lengths.every((reply) => words(reply) === "0");
    });
    await lab.agree([["LLEN", "queue"]]);
    const answers = new Set(given);
    stopped = true;
    await lab.ask(east, "DEL", "queue");
    await Promise.all(waiters);
    const lost = [...acknowledged].filter(
      (element) => !answers.has(element) && !given.includes(element),
    );
    // Whoever was killed may have taken one element for each of its clients, and not have said so any more.
    const clientsKilled = Math.ceil(WAITERS / 3);
    assert.ok(lost.length <= clientsKilled, `given to nobody: ${lost.join(" ")}`);
    // An element is given at most once by each region: pops are at least once between regions, and never more.
    const times = new Map<string, number>();
    for (const element of given) times.set(element, (times.get(element) ?? 0) + 1);
    for (const [element, count] of times)
      assert.ok(count <= regions.length, `${element} was given ${count} times`);
  });
});
