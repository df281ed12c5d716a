/**
 * The clients people have work unchanged: ioredis and node-redis, in both protocols, against a real server.
 *
 * Invariant: every test has its own keys, so the libraries share one server; those that kill it have one of their own.
 */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { startSubject, subjectKind, type TestServer } from "../support/server.ts";
import type { DrivenClient } from "./driven-client.ts";
import { ioredis } from "./ioredis.ts";
import { nodeRedis } from "./node-redis.ts";

const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

for (const library of [...ioredis, ...nodeRedis]) {
  suite(`${library.name} over RESP${library.protocol}`, () => {
    const space = `${library.name}:${library.protocol}`.replaceAll(" ", "");
    let server: TestServer;
    let client: DrivenClient;

    before(async () => {
      server = await startSubject();
      client = await library.connect({ port: server.port });
    });

    after(async () => {
      await client[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    });

    test("it connects and speaks the protocol that was asked for", async () => {
      assert.match(
        String(await client.call("CLIENT", "INFO")),
        new RegExp(` resp=${library.protocol}\\b`),
      );
      assert.equal(await client.call("PING"), "PONG");
    });

    test("a pipeline of 1,000 commands is answered in order", async () => {
      const replies = await client.incrementPipelined(`${space}:n`, 1_000);
      assert.deepEqual(
        replies.map(Number),
        Array.from({ length: 1_000 }, (_, i) => i + 1),
      );
    });

    test("a transaction gives the replies of its commands", async () => {
      assert.deepEqual((await client.transaction(`${space}:t`)).map(String), ["OK", "2", "1"]);
      assert.deepEqual(await client.hgetall(`${space}:t:hash`), { field: "value" });
    });

    const skip = subjectKind() === "redis" && "Redis 7.0 knows no deadlines of fields";
    test("fields of a hash are given deadlines, told them, and kept", { skip }, async () => {
      await client.call("HSET", `${space}:f`, "a", "1");
      assert.deepEqual(await client.expireFields(`${space}:f`, "a", "none"), [
        [1, -2],
        [100, -2],
        [1, -2],
        [-1, -2],
      ]);
    });

    test("a transaction is aborted exactly when a watched key was changed", async () => {
      const key = `${space}:w`;
      await using other = await library.connect({ port: server.port });
      assert.equal(await client.isAborted(key, () => other.set(key, "theirs")), true);
      assert.equal(String(await client.getBuffer(key)), "theirs");
      assert.equal(await client.isAborted(key, () => other.set(`${key}:other`, "x")), false);
      assert.equal(String(await client.getBuffer(key)), "mine");
    });

    test("keys and values keep all 256 bytes", async () => {
      const key = Buffer.concat([Buffer.from(space), everyByte]);
      await client.set(key, everyByte);
      assert.deepEqual(await client.getBuffer(key), everyByte);
    });

    test("a value of 5 MB comes back whole", async () => {
      const value = Buffer.alloc(5 << 20, everyByte);
      await client.set(`${space}:big`, value);
      const back = await client.getBuffer(`${space}:big`);
      assert.ok(back?.equals(value));
    });

    test("a refusal is an error of the library, and the connection goes on", async () => {
      await client.set(`${space}:text`, "text");
      await assert.rejects(
        client.call("INCR", `${space}:text`),
        /ERR value is not an integer or out of range/,
      );
      await assert.rejects(client.call("HGET", `${space}:text`, "f"), /WRONGTYPE/);
      await assert.rejects(client.call("NOSUCHCOMMAND"), /ERR unknown command/);
      assert.equal(String(await client.getBuffer(`${space}:text`)), "text");
    });

    test("a scan finds every key that was there from beginning to end", async () => {
      const keys = Array.from({ length: 300 }, (_, i) => `${space}:scan:${i}`);
      await Promise.all(keys.map((key) => client.set(key, "x")));
      const found = new Set(await client.scanAll(`${space}:scan:*`));
      assert.deepEqual([...found].sort(), keys.toSorted());
    });

    test("databases are apart", async () => {
      await using own = await library.connect({ port: server.port });
      await own.set(`${space}:db`, "zero");
      await own.select(3);
      assert.equal(await own.getBuffer(`${space}:db`), null);
      await own.set(`${space}:db`, "three");
      await own.select(0);
      assert.equal(String(await own.getBuffer(`${space}:db`)), "zero");
    });

    test("the client finds a killed server again, with every value that was confirmed", async () => {
      await using mortal = await startSubject({ durability: "local" });
      await using own = await library.connect({ port: mortal.port });
      const keys = Array.from({ length: 200 }, (_, i) => `durable:${i}`);
      await Promise.all(keys.map((key) => own.set(key, key)));
      await own.incrementPipelined("durable:n", 50);
      await mortal.kill();
      await mortal.start();
      assert.equal(await eventually(() => own.getBuffer("durable:n")), "50");
      for (const key of keys) assert.equal(String(await own.getBuffer(key)), key);
    });

    test("without the password nothing is served, and with it everything", async () => {
      await using closed = await startSubject({ requirepass: 'a secret, "quoted"' });
      await using own = await library.connect({
        port: closed.port,
        password: 'a secret, "quoted"',
      });
      assert.equal(String(await own.set("k", "v")), "OK");
      await assert.rejects(library.connect({ port: closed.port, password: "wrong" }), /WRONGPASS/);
      await assert.rejects(async () => {
        await using anonymous = await library.connect({ port: closed.port });
        await anonymous.set("k", "v");
      }, /NOAUTH/);
    });
  });
}

/** A call that was under way when the connection ended may fail; the library connects again by itself. */
async function eventually(read: () => Promise<Buffer | null>): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    try {
      return String(await read());
    } catch (error) {
      if (attempt === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
