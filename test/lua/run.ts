/**
 * Run: random programs in Redis and in the engine.
 *
 *   node test/lua/run.ts --count 100000 --seed 1 [--most 20]
 *
 * Invariant: exit code 0 means that nothing differed, 1 that something did.
 */
import { parseArgs } from "node:util";
import { startServer } from "../support/server.ts";
import { compareMany } from "./compare.ts";

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "100000" },
    seed: { type: "string", default: "1" },
    most: { type: "string", default: "20" },
  },
});

await using reference = await startServer("redis");
const result = await compareMany({
  port: reference.port,
  seed: Number(values.seed),
  count: Number(values.count),
  most: Number(values.most),
});
for (const { program, redis, own } of result.differences) {
  console.log(`DIFFERENT\n${program}\n  redis: ${redis}\n  own:   ${own}\n`);
}
const { total, succeeded, failed, uncompiled, endless, excused } = result;
console.log(
  `${total} programs: ${succeeded} ran, ${failed} raised an error, ${uncompiled} did not compile, ${endless} left out, ${excused} different for known reasons; ${result.differing} different`,
);
process.exitCode = result.differing === 0 ? 0 : 1;
