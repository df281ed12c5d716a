/**
 * `atoll import`: a running Redis, or a file that it saved, is brought into a node; `atoll import verify` compares the two.
 *
 * Invariant: exit code 0 says that everything selected is there, and equal as far as it was compared; 1 that something is not, or that it did
 * not come to its end; 2 that the words or the servers were not understood. A second import over the first one is always safe.
 */
import { stat } from "node:fs/promises";
import { Command, Option } from "commander";
import { type Address, parseAddress } from "../adapters/redis-client/address.ts";
import { RedisClient } from "../adapters/redis-client/redis-client.ts";
import { Lost, reason, Unwilling } from "../adapters/redis-client/redis-socket.ts";
import { Malformed } from "../core/bytes/source.ts";
import { compare, type Comparison } from "../import/compare.ts";
import { databases } from "../import/keys.ts";
import { type ImportResult, LiveImport } from "../import/live-import.ts";
import { itemsOfFile, load } from "../import/load.ts";
import { Progress } from "../import/progress.ts";
import type { Selection } from "../import/selection.ts";
import { Target } from "../import/target.ts";
import { CliError, EXIT_FAILED, EXIT_USAGE, usage } from "./cli-error.ts";
import { ProgressLine } from "./import-progress.ts";
import { table } from "./table.ts";

type Flags = {
  into?: string;
  db?: string;
  prefix: string;
  json?: true;
};

type ImportFlags = Flags & {
  psync?: true;
  scan?: true;
  replace?: true;
  mirror?: true;
  untilCaughtUp?: true;
  pause?: string;
  compare: string;
  retry: string;
};

const PROBLEMS_PRINTED = 20;

export function importCommand(): Command {
  const command = withFlags(
    new Command("import")
      .description("bring the data of a running Redis, or of a file that it saved, into a node")
      .argument(
        "<source>",
        "redis://[[user]:password@]host[:port][/db], or a file such as dump.rdb",
      ),
  )
    .addOption(new Option("--psync", "as a replica of the source, or not at all").conflicts("scan"))
    .option("--scan", "by SCAN and DUMP, for a source that will have no replicas")
    .option("--replace", "write over what the node has already")
    .option("--mirror", "remove keys from the node that the source does not have")
    .option("--until-caught-up", "end once the node has everything; otherwise on Ctrl-C")
    .option("--pause <seconds>", "once caught up, pause writes at the source for so long")
    .option(
      "--compare <part>",
      "how much to compare in the end: all, none, or a part such as 0.1",
      "all",
    )
    .option("--retry <seconds>", "for how long to try again when the source is lost", "30")
    .action((source: string, _flags: unknown, self: Command) =>
      run(source, self.opts<ImportFlags>()),
    );
  command.addCommand(
    withFlags(
      new Command("verify")
        .description(
          "compare a node with the Redis that it was imported from, keys, values and deadlines",
        )
        .argument("<source>", "redis://…")
        .option("--sample <part>", "compare only a part, such as 0.1", "all"),
    ).action((source: string, _flags: unknown, self: Command) =>
      verify(source, self.optsWithGlobals<Flags & { sample: string }>()),
    ),
  );
  return command;
}

function withFlags(command: Command): Command {
  return command
    .option("--into <url>", "the node: redis://[[user]:password@]host[:port]")
    .option("--db <numbers>", "only these databases, separated by commas")
    .option("--prefix <text>", "only keys that begin so", "")
    .option("--json", "the result as one line of JSON");
}

async function run(source: string, flags: ImportFlags): Promise<void> {
  const stop = stopSignal();
  const progress = new Progress((text) => line.note(text));
  const line = new ProgressLine(progress, !flags.json);
  try {
    if (!/^rediss?:/.test(source)) return await runFile(source, flags, progress, line);
    const address = addressOf(source);
    const options = {
      source: address,
      target: nodeOf(flags),
      method: flags.psync ? "psync" : flags.scan ? "scan" : "auto",
      selection: selectionOf(flags, address),
      replace: flags.replace === true || flags.mirror === true,
      mirror: flags.mirror === true,
      untilCaughtUp: flags.untilCaughtUp === true || flags.pause !== undefined,
      pauseMs: flags.pause === undefined ? null : numberOf(flags.pause, "--pause") * 1000,
      compareShare: shareOf(flags.compare, "--compare"),
      retryMs: numberOf(flags.retry, "--retry") * 1000,
    } as const;
    using work = new LiveImport(options, progress, stop);
    line.begin();
    const result = await work.run();
    line.end();
    tell(flags, progress, result);
  } catch (error) {
    line.end();
    if (stop.aborted)
      throw new CliError("interrupted; begin again with --replace to finish", EXIT_FAILED);
    throw explained(error);
  }
}

async function runFile(
  path: string,
  flags: ImportFlags,
  progress: Progress,
  line: ProgressLine,
): Promise<void> {
  const size = await stat(path).catch((cause: unknown) => {
    throw new CliError(`cannot read ${path}: ${reason(cause)}`, EXIT_USAGE, { cause });
  });
  if (flags.psync || flags.scan || flags.pause !== undefined)
    throw usage("--psync, --scan and --pause are for a running Redis, not for a file");
  const selection = selectionOf(flags, null);
  using client = await RedisClient.open(nodeOf(flags));
  const target = await Target.open(client, progress);
  line.begin();
  progress.bytesTotal = size.size;
  await load(itemsOfFile(path, target.valueBytesMax), selection, target, progress).catch(
    (cause: unknown) => {
      if (cause instanceof Malformed)
        throw new CliError(
          `${path} is damaged: ${cause.message}; ${progress.keys} keys before that were written`,
          EXIT_FAILED,
          { cause },
        );
      throw cause;
    },
  );
  progress.phase = "done";
  line.end();
  tell(flags, progress, null);
}

async function verify(source: string, flags: Flags & { sample: string }): Promise<void> {
  const progress = new Progress((text) => line.note(text));
  const line = new ProgressLine(progress, !flags.json);
  try {
    const address = addressOf(source);
    const share = shareOf(flags.sample, "--sample");
    const selection = selectionOf(flags, address);
    using there = await RedisClient.open(address);
    using here = await RedisClient.open(nodeOf(flags));
    const counts = await databases(there, selection);
    progress.keysTotal =
      flags.prefix === "" ? [...counts.values()].reduce((sum, count) => sum + count, 0) : null;
    line.begin();
    const result = await compare({ source: there, target: here }, selection, share, progress);
    line.end();
    if (flags.json) print({ ...result, problems: problemsOf(progress) });
    else process.stdout.write(describe(result) + problemTable(progress));
    if (!result.equal) throw new CliError("source and node differ", EXIT_FAILED);
  } catch (error) {
    line.end();
    throw explained(error, EXIT_USAGE);
  }
}

function tell(flags: Flags, progress: Progress, result: ImportResult | null): void {
  const { keys, commands, bytes, libraries, removed, problemCount } = progress;
  const comparison = result?.comparison ?? null;
  if (flags.json)
    print({
      method: result?.method ?? "file",
      ...{ keys, commands, bytes, libraries, removed },
      caughtUp: result?.caughtUp ?? true,
      pausedUntilMs: result?.pausedUntilMs ?? null,
      comparison,
      problemCount,
      problems: problemsOf(progress),
    });
  else {
    const followed = result?.method === "psync" ? `, ${commands} commands behind them` : "";
    const functions = libraries > 0 ? `, ${libraries} libraries of functions` : "";
    const gone = removed > 0 ? `, ${removed} others removed` : "";
    process.stdout.write(`imported: ${keys} keys${followed}${functions}${gone}\n`);
    if (comparison !== null) process.stdout.write(describe(comparison));
    process.stdout.write(problemTable(progress));
    const pausedMs = (result?.pausedUntilMs ?? 0) - Date.now();
    if (pausedMs > 0)
      process.stdout.write(
        `writes at the source are paused for ${Math.floor(pausedMs / 1000)} s more: send clients to the node now\n`,
      );
  }
  if (problemCount > 0) throw new CliError(`${problemCount} problems, see above`, EXIT_FAILED);
}

function describe({ equal, compared, sourceKeys, targetKeys, different }: Comparison): string {
  const counts = `${sourceKeys} keys at the source, ${targetKeys} at the node, ${compared} compared`;
  return `${equal ? "equal" : `different: ${different} keys`}: ${counts}\n`;
}

function problemsOf({ problems }: Progress): object[] {
  return problems.map(({ db, key, why }) => ({ db, key: key?.toString() ?? null, why }));
}

function problemTable({ problems, problemCount }: Progress): string {
  if (problemCount === 0) return "";
  const rows = problems
    .slice(0, PROBLEMS_PRINTED)
    .map(({ db, key, why }) => [`${db}`, key === null ? "" : JSON.stringify(key.toString()), why]);
  const more = problemCount - rows.length;
  return table(["db", "key", "why"], rows) + (more > 0 ? `and ${more} more\n` : "");
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

function addressOf(text: string): Address {
  const address = parseAddress(text);
  if (address === null)
    throw usage(`"${text}" is no address; write redis://host:port or redis://:password@host:port`);
  return address;
}

function nodeOf({ into }: Flags): Address {
  if (into === undefined) throw usage("say which node it goes to: --into redis://host:port");
  return addressOf(into);
}

function selectionOf({ db, prefix }: Flags, source: Address | null): Selection {
  const chosen = db ?? (source?.db == null ? undefined : String(source.db));
  const dbs = chosen?.split(",").map((one) => {
    if (!/^\d{1,5}$/.test(one)) throw usage(`"${one}" is no number of a database`);
    return Number(one);
  });
  return { dbs: dbs === undefined ? null : new Set(dbs), prefix: Buffer.from(prefix) };
}

function numberOf(text: string, flag: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0)) throw usage(`${flag} takes a number, not "${text}"`);
  return value;
}

function shareOf(text: string, flag: string): number {
  if (text === "all") return 1;
  const share = text === "none" ? 0 : numberOf(text, flag);
  if (share > 1) throw usage(`${flag} takes all, or a part between 0 and 1, not "${text}"`);
  return share;
}

function explained(error: unknown, exitCode: number = EXIT_FAILED): unknown {
  const known = error instanceof Lost || error instanceof Unwilling || error instanceof Malformed;
  return known ? new CliError(error.message, exitCode, { cause: error }) : error;
}

/** Aborts on the first Ctrl-C or SIGTERM; the second one ends the process. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(EXIT_FAILED);
    controller.abort();
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  return controller.signal;
}
