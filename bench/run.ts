/**
 * Run: benchmarks from the command line, one question at a time.
 *
 *   npm run -s bench -- throughput [--json] [--pairs 5] [--quick]
 *   npm run -s bench -- levels --docs       writes its tables and its picture into docs, too
 *
 * Invariant: with --json the last line of stdout is the answer, and nothing else is written there. Exit code 0 when it was
 * measured, 2 when it could not be; a benchmark never fails for being slow.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { BenchOptions } from "./answer.ts";
import { bigKeys, bigKeysTable } from "./big-keys.ts";
import { dns, dnsTable } from "./dns.ts";
import { gateway, gatewayTable } from "./gateway.ts";
import { join, joinTable } from "./join.ts";
import { levels, levelsMarkdown, levelsTable } from "./levels.ts";
import { levelsPicture } from "./levels-picture.ts";
import { pubsub, pubsubTable } from "./pubsub.ts";
import { scripts, scriptsTable } from "./scripts.ts";
import { throughput, throughputTable } from "./throughput.ts";
import { verify, verifyTable } from "./verify.ts";

/** Each measures, and gives the line and the table of its answer, and how it is documented. */
const questions: Record<
  string,
  (options: BenchOptions) => Promise<{ json: string; text: string; document?: () => void }>
> = {
  throughput: async (options) => {
    const answer = await throughput(options);
    return { json: JSON.stringify(answer), text: throughputTable(answer) };
  },
  "big-keys": async (options) => {
    const answer = await bigKeys(options);
    return { json: JSON.stringify(answer), text: bigKeysTable(answer) };
  },
  dns: async (options) => {
    const answer = await dns(options);
    return { json: JSON.stringify(answer), text: dnsTable(answer) };
  },
  gateway: async (options) => {
    const answer = await gateway(options);
    return { json: JSON.stringify(answer), text: gatewayTable(answer) };
  },
  join: async (options) => {
    const answer = await join(options);
    return { json: JSON.stringify(answer), text: joinTable(answer) };
  },
  levels: async (options) => {
    const answer = await levels(options);
    const document = (): void => {
      writeFileSync(docs("levels.svg"), levelsPicture(answer));
      const text = readFileSync(docs("consistency.md"), "utf8");
      const [before, , after] = text.split(/(?<=<!-- levels -->)|(?=<!-- end of levels -->)/);
      writeFileSync(docs("consistency.md"), `${before}\n\n${levelsMarkdown(answer)}\n\n${after}`);
    };
    return { json: JSON.stringify(answer), text: levelsTable(answer), document };
  },
  pubsub: async (options) => {
    const answer = await pubsub(options);
    return { json: JSON.stringify(answer), text: pubsubTable(answer) };
  },
  scripts: async (options) => {
    const answer = await scripts(options);
    return { json: JSON.stringify(answer), text: scriptsTable(answer) };
  },
  verify: async (options) => {
    const answer = await verify(options);
    return { json: JSON.stringify(answer), text: verifyTable(answer) };
  },
};

function docs(name: string): string {
  return fileURLToPath(new URL(`../docs/${name}`, import.meta.url));
}

try {
  await main();
} catch (error) {
  console.error(error);
  process.exitCode = 2;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      docs: { type: "boolean", default: false },
      pairs: { type: "string", default: "5" },
      keys: { type: "string" },
    },
  });
  const question = questions[positionals[0] ?? ""];
  const pairs = Number(values.pairs);
  const keys = values.keys === undefined ? null : Number(values.keys);
  const isNumber = (n: number): boolean => Number.isInteger(n) && n >= 1;
  if (question === undefined || positionals.length !== 1 || ![pairs, keys ?? 1].every(isNumber)) {
    console.error(
      `usage: bench <${Object.keys(questions).join("|")}> [--json] [--pairs n] [--keys n] [--quick] [--docs]`,
    );
    process.exitCode = 2;
    return;
  }
  const note = (line: string): void => console.error(line);
  const { json, text, document } = await question({ pairs, keys, quick: values.quick, note });
  if (values.docs) document?.();
  console.log(values.json ? json : text);
}
