/**
 * Run: the differential comparison from the command line.
 *
 *   node test/differential/run.ts --count 200000 --seed 1 [--json] [--only SET,GET] [--most 20]
 *
 * Invariant: exit code 0 means that nothing differed and everything was tried often enough; 1 that it was not so; 2 that
 * it could not be told. With --json stdout carries one line.
 */
import { parseArgs } from "node:util";
import { startServer, startSubject, subjectKind } from "../support/server.ts";
import { runDifferential, type DifferentialResult, type Found } from "./differential.ts";

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "200000" },
    seed: { type: "string", default: "1" },
    most: { type: "string", default: "20" },
    only: { type: "string" },
    json: { type: "boolean", default: false },
  },
});

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error);
  process.exitCode = 2;
}

async function main(): Promise<number> {
  await using reference = await startServer("redis");
  await using subject = await startSubject();
  const result = await runDifferential({
    referencePort: reference.port,
    subjectPort: subject.port,
    revive: async () => {
      await subject.kill();
      await subject.start();
    },
    seed: Number(values.seed),
    count: Number(values.count),
    most: Number(values.most),
    ...(values.only === undefined ? {} : { only: values.only.toUpperCase().split(",") }),
    onFound: (found) => console.error(describe(found)),
  });
  console.log(values.json ? JSON.stringify({ subject: subjectKind(), ...result }) : table(result));
  return result.differences.length === 0 && result.tooSeldom.length === 0 ? 0 : 1;
}

function describe(found: Found): string {
  return [
    `DIFFERENT  ${found.reason}${found.shrunk ? "" : "   (it did not show again; this is all that was done)"}`,
    ...(found.shrunk ? found.script : found.script.slice(-30)).map((line) => `    ${line}`),
    `  redis:   ${shown(found.reference)}`,
    `  subject: ${shown(found.subject)}`,
    "",
  ].join("\n");
}

function shown(reply: string): string {
  const text = JSON.stringify(reply);
  return text.length > 400 ? `${text.slice(0, 400)}… (${reply.length} bytes)` : text;
}

function table(result: DifferentialResult): string {
  const counts = (map: Record<string, number>): string =>
    Object.entries(map)
      .map(([name, times]) => `${name} ${times}`)
      .join(" · ");
  return [
    `${result.total} commands, ${result.succeededPercent.toFixed(1)} % succeeded, seed ${result.seed}, ${(result.elapsedMs / 1_000).toFixed(1)} s`,
    `commands: ${counts(result.commands)}`,
    `options: ${counts(result.options)}`,
    ...(Object.keys(result.known).length > 0
      ? [`known differences met: ${counts(result.known)}`]
      : []),
    ...result.tooSeldom.map(
      ({ name, times }) => `tried too seldom: ${name}, ${times} times instead of ${result.least}`,
    ),
    ...result.differences.map((one) => `different (${one.times} times): ${one.signature}`),
    `${result.differences.length} differences`,
  ].join("\n");
}
