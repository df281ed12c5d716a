/**
 * Run: benchmarks from the command line, one question at a time.
 *
 *   npm run -s bench -- --list [--json]
 *   npm run -s bench -- throughput [--json] [--pairs 5] [--quick]
 *   npm run -s bench -- levels --docs       writes its tables and its picture into docs, too
 *
 * Invariant: with --json the last line of stdout is the answer, and nothing else is written there. Exit code 0 when it was
 * measured, 2 when it could not be; a benchmark never fails for being slow.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type BenchOptions, table } from "./answer.ts";
import { bigKeys, bigKeysTable } from "./big-keys.ts";
import { dns, dnsTable } from "./dns.ts";
import { gateway, gatewayTable } from "./gateway.ts";
import { join, joinTable } from "./join.ts";
import { levels, type LevelsAnswer, levelsMarkdown, levelsTable } from "./levels.ts";
import { levelsPicture } from "./levels-picture.ts";
import { memory, memoryTable } from "./memory.ts";
import { mesh, meshTable } from "./mesh.ts";
import { pubsub, pubsubTable } from "./pubsub.ts";
import { restart, restartTable } from "./restart.ts";
import { scripts, scriptsTable } from "./scripts.ts";
import { throughput, throughputTable } from "./throughput.ts";
import { verify, verifyTable } from "./verify.ts";

interface Question {
  /** What it wants to know, in a line. */
  readonly asks: string;
  /** Measures, and gives the line and the table of its answer, and how it is documented. */
  readonly answer: (options: BenchOptions) => Promise<{
    json: string;
    text: string;
    document: () => void;
  }>;
}

function question<Answer>(
  asks: string,
  measure: (options: BenchOptions) => Promise<Answer>,
  shown: (answer: Answer) => string,
  document: (answer: Answer) => void = () => {},
): Question {
  return {
    asks,
    answer: async (options) => {
      const answer = await measure(options);
      return {
        json: JSON.stringify(answer),
        text: shown(answer),
        document: () => document(answer),
      };
    },
  };
}

const questions: Readonly<Record<string, Question>> = {
  throughput: question(
    "commands per second and their cost, beside Redis",
    throughput,
    throughputTable,
  ),
  mesh: question(
    "three nodes that replicate, beside a redis-server with two replicas",
    mesh,
    meshTable,
  ),
  memory: question("what data takes with its metadata, beside Redis without", memory, memoryTable),
  restart: question(
    "how soon a million keys are served again after kill -9, beside Redis",
    restart,
    restartTable,
  ),
  "big-keys": question("how long turns are with keys of a million elements", bigKeys, bigKeysTable),
  scripts: question("cached rate-limit scripts by EVALSHA, beside Redis", scripts, scriptsTable),
  pubsub: question("messages to 1, 50 and 1,000 subscribers, beside Redis", pubsub, pubsubTable),
  levels: question(
    "what each level takes, with real distances between the regions",
    levels,
    levelsTable,
    documentLevels,
  ),
  verify: question(
    "100,000 differences among a million keys, found and mended",
    verify,
    verifyTable,
  ),
  join: question("a fourth region joins three that are written to", join, joinTable),
  gateway: question("the gateway beside HAProxy, for Redis and for HTTP", gateway, gatewayTable),
  dns: question("answers of the DNS server, beside PowerDNS", dns, dnsTable),
};

function documentLevels(answer: LevelsAnswer): void {
  writeFileSync(docs("levels.svg"), levelsPicture(answer));
  const text = readFileSync(docs("consistency.md"), "utf8");
  const [before, , after] = text.split(/(?<=<!-- levels -->)|(?=<!-- end of levels -->)/);
  writeFileSync(docs("consistency.md"), `${before}\n\n${levelsMarkdown(answer)}\n\n${after}`);
}

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
      list: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      docs: { type: "boolean", default: false },
      pairs: { type: "string", default: "5" },
      keys: { type: "string" },
    },
  });
  if (values.list) return list(values.json);
  const asked = questions[positionals[0] ?? ""];
  const pairs = Number(values.pairs);
  const keys = values.keys === undefined ? null : Number(values.keys);
  const isNumber = (n: number): boolean => Number.isInteger(n) && n >= 1;
  if (asked === undefined || positionals.length !== 1 || ![pairs, keys ?? 1].every(isNumber)) {
    console.error(
      `usage: bench <${Object.keys(questions).join("|")}> [--json] [--pairs n] [--keys n] [--quick] [--docs], or bench --list [--json]`,
    );
    process.exitCode = 2;
    return;
  }
  const note = (line: string): void => console.error(line);
  const { json, text, document } = await asked.answer({ pairs, keys, quick: values.quick, note });
  if (values.docs) document();
  console.log(values.json ? json : text);
}

function list(json: boolean): void {
  const all = Object.entries(questions).map(([name, { asks }]) => ({ question: name, asks }));
  console.log(
    json
      ? JSON.stringify({ questions: all })
      : table(all.map(({ question: name, asks }) => [name, asks])),
  );
}
