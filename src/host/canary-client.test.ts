import assert from "node:assert/strict";
import { test } from "node:test";
import { CanaryClient } from "./canary-client.ts";
import type { ClientOutput, ClientService } from "./ports/clients.ts";

/** Two regions' stores, from one to the other in so many milliseconds. */
class World {
  nowMs = 1_000;
  delayMs = 30;
  refusal = "";
  readonly refusals: string[] = [];
  readonly marks: { text: string; atMs: number }[] = [];
  readonly outputs: ClientOutput[] = [];
  readonly us: CanaryClient;
  readonly eu: CanaryClient;

  constructor() {
    const client = (region: string, other: string) =>
      new CanaryClient({
        service: this.#service(),
        prefix: "c:",
        everyMs: 1_000,
        user: "",
        password: "secret",
        region,
        others: [other],
        nowMs: () => this.nowMs,
        aheadMs: () => 0,
        onRefused: (why) => this.refusals.push(why),
      });
    this.us = client("us", "eu");
    this.eu = client("eu", "us");
  }

  #service(): ClientService {
    return {
      open: (output) => {
        this.outputs.push(output);
        return {
          receive: (bytes, start, end) => {
            this.#answer(bytes.latin1Slice(start, end), output);
            return end;
          },
          need: 0,
          unread() {},
          drained() {},
          closed() {},
        };
      },
    };
  }

  #answer(text: string, output: ClientOutput): void {
    for (const command of text.split(/(?=\*\d+\r\n)/)) {
      const words = command.split("\r\n").filter((_, i) => i > 0 && i % 2 === 0);
      if (this.refusal !== "") output.write(Buffer.from(`-${this.refusal}\r\n`));
      else if (words[0] === "SET" && words[1] === "c:us")
        this.marks.push({ text: words[2] ?? "", atMs: this.nowMs });
      const arrived = this.marks.findLast(({ atMs }) => atMs + this.delayMs <= this.nowMs);
      if (this.refusal !== "") continue;
      const isRead = words[0] === "MGET" && words[1] === "c:us" && arrived !== undefined;
      if (isRead) output.write(Buffer.from(`*1\r\n$${arrived.text.length}\r\n${arrived.text}\r\n`));
      else output.write(Buffer.from(words[0] === "MGET" ? "*1\r\n$-1\r\n" : "+OK\r\n"));
    }
  }

  pass(ms: number): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; this.nowMs += 10) {
      this.us.tick();
      this.eu.tick();
    }
  }
}

test("what is written in one region is read in another after as long as it takes, and that is what is told", () => {
  const world = new World();
  world.pass(3_000);
  const tookMs = world.eu.tookMs("us") ?? -1;
  assert.ok(tookMs >= 30 && tookMs <= 40, `${tookMs}`);
  assert.equal(world.us.tookMs("eu"), null, "nothing comes the other way");
  world.delayMs = Infinity;
  world.pass(10_000);
  assert.ok((world.eu.tookMs("us") ?? 0) > 6_000, "what does not come takes ever longer");
});

test("a refusal is told once, and a connection that is closed is opened again", () => {
  const world = new World();
  world.refusal = "NOPERM no";
  world.pass(500);
  assert.deepEqual(world.refusals, ["NOPERM no", "NOPERM no"], "once at each end");
  world.refusal = "";
  for (const output of world.outputs.splice(0)) output.close();
  world.pass(3_000);
  assert.equal(world.outputs.length, 2);
  assert.ok((world.eu.tookMs("us") ?? -1) >= 30);
});
