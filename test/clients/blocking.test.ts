/**
 * Blocking commands through the clients people have: who waits longest is served first, and nobody waits for ever who need not.
 *
 * Invariant: nothing here depends on how long something takes: it is waited for until it is so.
 */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { startSubject, type TestServer } from "../support/server.ts";
import type { DrivenClient } from "./driven-client.ts";
import { ioredis } from "./ioredis.ts";
import { nodeRedis } from "./node-redis.ts";

const WAITERS = 100;

for (const library of [...ioredis, ...nodeRedis])
  suite(`blocking through ${library.name} over RESP${library.protocol}`, () => {
    let server: TestServer;
    let client: DrivenClient;

    before(async () => {
      server = await startSubject({ durability: "local" });
      client = await library.connect({ port: server.port });
    });

    after(async () => {
      await client[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    });

    const connect = (): Promise<DrivenClient> => library.connect({ port: server.port });

    /** Resolves once so many clients wait. */
    async function blocked(count: number): Promise<void> {
      const wanted = `blocked_clients:${count}\r`;
      while (!String(await client.call("INFO", "clients")).includes(wanted));
    }

    async function idOf(waiter: DrivenClient): Promise<string> {
      return String(await waiter.call("CLIENT", "ID"));
    }

    test(`${WAITERS} clients that wait are served in the order in which they came`, async () => {
      const waiters: DrivenClient[] = [];
      const served: string[] = [];
      const all: Promise<unknown>[] = [];
      for (let i = 0; i < WAITERS; i++) {
        const waiter = await connect();
        waiters.push(waiter);
        all.push(
          waiter.call("BLPOP", "queue", "0").then((reply) => served.push(`${i}:${String(reply)}`)),
        );
        await blocked(i + 1);
      }
      const values = Array.from({ length: WAITERS }, (_, i) => `v${i}`);
      await client.call("RPUSH", "queue", ...values);
      await Promise.all(all);
      const expected = values.map((value, i) => `${i}:queue,${value}`);
      assert.deepEqual(served.toSorted(), expected.toSorted());
      assert.equal(String(await client.call("EXISTS", "queue")), "0");
      for (const waiter of waiters) await waiter[Symbol.asyncDispose]();
    });

    test("whose time is over gets nothing, and goes on", async () => {
      await using waiter = await connect();
      assert.equal(await waiter.call("BLPOP", "none", "0.05"), null);
      assert.equal(await waiter.call("BLMOVE", "none", "to", "LEFT", "LEFT", "0.05"), null);
      assert.equal(String(await waiter.call("PING")), "PONG");
    });

    test("CLIENT UNBLOCK ends the waiting with nothing or with an error", async () => {
      await using waiter = await connect();
      const id = await idOf(waiter);
      const first = waiter.call("BRPOP", "none", "0");
      await blocked(1);
      assert.equal(String(await client.call("CLIENT", "UNBLOCK", id)), "1");
      assert.equal(await first, null);
      const second = assert.rejects(waiter.call("BRPOP", "none", "0"), /UNBLOCKED/);
      await blocked(1);
      assert.equal(String(await client.call("CLIENT", "UNBLOCK", id, "ERROR")), "1");
      await second;
    });

    test("a client that goes away while it waits takes no element with it", async () => {
      const gone = await connect();
      await using stays = await connect();
      gone.call("BLPOP", "left", "0").catch(() => {});
      await blocked(1);
      const reply = stays.call("BLPOP", "left", "0");
      await blocked(2);
      await gone[Symbol.asyncDispose]();
      await blocked(1);
      await client.call("RPUSH", "left", "x");
      assert.deepEqual(((await reply) as unknown[]).map(String), ["left", "x"]);
    });

    test("commands behind one that waits are answered behind it", async () => {
      await using waiter = await connect();
      const order: string[] = [];
      const replies = ["BLPOP", "PING"].map((name) =>
        waiter.call(name, ...(name === "PING" ? [] : ["behind", "0"])).then(() => order.push(name)),
      );
      await blocked(1);
      await client.call("LPUSH", "behind", "x");
      await Promise.all(replies);
      assert.deepEqual(order, ["BLPOP", "PING"]);
    });
  });
