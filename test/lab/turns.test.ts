import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { TURN_STEPS } from "../../src/host/turn.ts";
import { RespConnection } from "../support/resp-connection.ts";
import { textOf } from "../support/resp.ts";
import { tempDir } from "../support/temp-dir.ts";
import { RunningCommand } from "./lab-process.ts";

const CLIENTS = 4;
/** As many commands as one read of a socket brings, and more. */
const COMMANDS = 40;
const ELEMENTS = 100;
const ROUNDS = 6;
/** What a turn may hold beyond its limit: the command, or the record, that fills it, and a walk through a body that becomes large. */
const COMMAND_STEPS = 3_500;

test("no turn does more than its share, here and where it is replicated to, and nothing is lost by that", async (t) => {
  using dir = tempDir("turns");
  const lab = new RunningCommand(
    ["lab", "--json", "--port", "0", "--wan", "none", "--regions", "here,there"].concat([
      "--dir",
      `${dir.path}/lab`,
      "--durability",
      "relaxed",
    ]),
  );
  t.after(async () => {
    lab.child.kill("SIGINT");
    await lab.ended;
  });
  await lab.until(({ stdout }) => stdout.includes("\n"));
  const { regions } = JSON.parse(lab.stdout) as { regions: { redis: string }[] };
  const open = (i: number): Promise<RespConnection> =>
    RespConnection.open(Number(new URL(regions[i]?.redis ?? "").port));
  const fill = async (client: number): Promise<void> => {
    using here = await open(0);
    for (let round = 0; round < ROUNDS; round++) {
      const commands = Array.from({ length: COMMANDS }, (_, command) => {
        const pairs = Array.from({ length: ELEMENTS }, (_pair, i) => [
          i,
          `m:${client}:${round}:${command}:${i}`,
        ]);
        return ["ZADD", "zset", ...pairs.flat()];
      });
      const replies = await here.pipeline(commands);
      assert.deepEqual(
        new Set(replies.map((reply) => String(textOf(reply)))),
        new Set([String(ELEMENTS)]),
      );
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, client) => fill(client)));
  const all = CLIENTS * ROUNDS * COMMANDS * ELEMENTS;
  for (const i of [0, 1]) {
    using node = await open(i);
    while (String(textOf(await node.call("ZCARD", "zset"))) !== String(all)) await sleep(20);
    const stats = String(textOf(await node.call("INFO", "stats")));
    const steps = Number(/turn_steps_max:(\d+)/.exec(stats)?.[1]);
    assert.ok(steps >= TURN_STEPS, `a turn was full: ${steps}`);
    assert.ok(steps <= TURN_STEPS + COMMAND_STEPS, `${steps} steps in a turn of region ${i}`);
  }
});
