/**
 * What was acknowledged survives kill -9, again and again, under load.
 *
 * `ATOLL_KILL_CYCLES` sets how many times the node is killed; 20 unless told.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { RespConnection } from "../support/resp-connection.ts";
import { textOf } from "../support/resp.ts";
import { startServer, type TestServer } from "../support/server.ts";

const CYCLES = Number(process.env["ATOLL_KILL_CYCLES"] ?? 20);
const WRITERS = 4;
const PIPELINE = 16;

interface Written {
  /** Writer → number of the last write acknowledged; each writer's writes are acknowledged in order. */
  readonly acknowledged: number[];
  readonly sent: number[];
}

/** Write `n` of writer `w`: a key of its own, a counter, a member and a field. */
function commands(w: number, n: number): string[][] {
  return [
    ["SET", `w${w}:${n % 5000}`, String(n)],
    ["INCR", `count:${w}`],
    ["SADD", `set:${w}`, String(n % 1000)],
    ["HSET", `hash:${w}`, String(n % 1000), String(n)],
  ];
}

async function write(server: TestServer, w: number, written: Written): Promise<void> {
  using connection = await RespConnection.open(server.port);
  for (;;) {
    const batch: string[][] = [];
    const from = written.sent[w] ?? 0;
    for (let i = 0; i < PIPELINE; i++) batch.push(...commands(w, from + i));
    written.sent[w] = from + PIPELINE;
    try {
      await connection.pipeline(batch);
    } catch {
      const answered = Math.floor(connection.takeAnswered().length / commands(w, 0).length);
      written.acknowledged[w] = from + answered;
      return;
    }
    written.acknowledged[w] = from + PIPELINE;
  }
}

async function check(server: TestServer, written: Written): Promise<void> {
  using connection = await RespConnection.open(server.port);
  const read = async (...words: string[]): Promise<string> =>
    textOf(await connection.call(...words))?.toString() ?? "nothing";
  for (let w = 0; w < WRITERS; w++) {
    const acknowledged = written.acknowledged[w] ?? 0;
    const sent = written.sent[w] ?? 0;
    const count = Number(await read("GET", `count:${w}`));
    assert.ok(
      acknowledged <= count && count <= sent,
      `writer ${w}: ${acknowledged} of ${sent} acknowledged, the counter says ${count}`,
    );
    for (let n = Math.max(0, acknowledged - 200); n < acknowledged; n++) {
      const value = Number(await read("GET", `w${w}:${n % 5000}`));
      assert.ok(value >= n, `writer ${w}: SET ${n} was acknowledged, the key says ${value}`);
      assert.equal(await read("SISMEMBER", `set:${w}`, String(n % 1000)), "1");
      const field = Number(await read("HGET", `hash:${w}`, String(n % 1000)));
      assert.ok(field >= n, `writer ${w}: HSET ${n} was acknowledged, the field says ${field}`);
    }
    // What was sent and not acknowledged may be there or not: the next round goes on behind it.
    written.sent[w] = sent;
    written.acknowledged[w] = count;
    written.sent[w] = count;
  }
}

test(`nothing acknowledged is lost in ${CYCLES} cycles of kill -9 under load`, async () => {
  await using server = await startServer("atoll", { durability: "local" });
  const written: Written = {
    acknowledged: Array.from({ length: WRITERS }, () => 0),
    sent: Array.from({ length: WRITERS }, () => 0),
  };
  for (let cycle = 0; cycle < CYCLES; cycle++) {
    const writers = Array.from({ length: WRITERS }, (_, w) => write(server, w, written));
    await sleep(150 + (cycle % 7) * 40);
    await server.kill();
    await Promise.all(writers);
    await server.start();
    await check(server, written);
  }
  assert.ok(Math.min(...written.acknowledged) > CYCLES, "every writer wrote in every cycle");
});
