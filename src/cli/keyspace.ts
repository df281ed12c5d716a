/**
 * `atoll keyspace`: what holds for keys with a prefix: shown, explained and changed while everybody serves.
 *
 * Invariant: `set` and `remove` return 0 only once the change holds in the whole cluster; otherwise nothing was changed, or it is said that
 * this is not known.
 */
import { Command } from "commander";
import type { KeyspacesTold, KeyspaceTold } from "../host/keyspaces.ts";
import { CliError, EXIT_FAILED, EXIT_USAGE } from "./cli-error.ts";
import { labUrls } from "./lab-urls.ts";
import { table } from "./table.ts";
import { withTarget } from "./target.ts";

type Flags = { dir: string; url?: string; json?: true; timeout: string };

export function keyspaceCommand(): Command {
  return new Command("keyspace")
    .description("what holds for keys with a prefix: list, explain and change it, for all members")
    .addCommand(
      withTimeout(
        new Command("set")
          .description("set what a keyspace says; it is made if there is none")
          .argument("<prefix>", "how the keys begin")
          .argument("<setting=value...>", "such as conflict=max or writes=home home=eu-west"),
      ).action(async (prefix: string, words: string[], flags: Flags) => {
        await change(flags, new URLSearchParams([["set", prefix], ...words.map(settingOf)]));
      }),
    )
    .addCommand(
      withTimeout(
        new Command("remove")
          .description(
            "take a keyspace away: its keys are as those of no prefix, or of a shorter one",
          )
          .argument("<prefix>"),
      ).action(async (prefix: string, flags: Flags) => {
        await change(flags, new URLSearchParams({ remove: prefix }));
      }),
    )
    .addCommand(
      withTarget(new Command("list").description("the keyspaces in force, and since when")).action(
        async (flags: Flags) => {
          printList(flags, (await ask(flags, new URLSearchParams(), "GET")) as KeyspacesTold);
        },
      ),
    )
    .addCommand(
      withTarget(
        new Command("explain")
          .description("which keyspace governs a key, what it says, why, and who owns the key")
          .argument("<key>"),
      ).action(async (key: string, flags: Flags) => {
        const told = await ask(flags, new URLSearchParams({ explain: key }), "GET");
        const rows = Object.entries(told as object).map(([name, value]) => [name, String(value)]);
        process.stdout.write(flags.json ? `${JSON.stringify(told)}\n` : table(["", ""], rows));
      }),
    );
}

function withTimeout(command: Command): Command {
  return withTarget(command).option(
    "--timeout <seconds>",
    "how long to wait for the others, 25 at most",
    "10",
  );
}

function settingOf(word: string): [string, string] {
  const at = word.indexOf("=");
  if (at < 1) throw new CliError(`${word} is no setting: write it as name=value`, EXIT_USAGE);
  return [word.slice(0, at), word.slice(at + 1)];
}

async function change(flags: Flags, query: URLSearchParams): Promise<void> {
  const seconds = Number(flags.timeout);
  if (!(seconds > 0 && seconds <= 25))
    throw new CliError("--timeout is a number of seconds, 25 at most", EXIT_USAGE);
  query.set("timeout", String(Math.ceil(seconds * 1000)));
  printList(flags, (await ask(flags, query, "POST")) as KeyspacesTold);
}

/** The answer of the first node that answers at all. */
async function ask(flags: Flags, query: URLSearchParams, method: "GET" | "POST"): Promise<unknown> {
  const urls = flags.url === undefined ? await labUrls(flags.dir) : [flags.url];
  for (const url of urls) {
    const endpoint = new URL("/keyspaces", url);
    endpoint.search = query.toString();
    const answer = await fetch(endpoint, { method }).catch(() => null);
    if (answer === null) continue;
    const told = (await answer.json()) as { error?: string };
    if (told.error !== undefined)
      throw new CliError(told.error, answer.status === 409 ? EXIT_FAILED : EXIT_USAGE);
    return told;
  }
  throw new CliError(`${urls.join(", ")} does not answer`, EXIT_USAGE);
}

function printList({ json }: Flags, told: KeyspacesTold): void {
  if (json) {
    process.stdout.write(`${JSON.stringify(told)}\n`);
    return;
  }
  const { epoch, keyspaces, file } = told;
  const rows = [
    ...keyspaces.map((one) => [
      one.prefix,
      one.since === 0 ? "file" : `epoch ${one.since}`,
      said(one.settings),
      stateOf(one),
    ]),
    ...file.map(({ prefix, settings }) => [
      prefix,
      "file",
      said(settings),
      "does not hold: the cluster has agreed on something else",
    ]),
  ];
  const by =
    epoch === 0
      ? "nothing was agreed on yet: each node goes by its own file\n"
      : `in force: epoch ${epoch}\n`;
  process.stdout.write(by + table(["prefix", "since", "settings", "state"], rows));
}

function stateOf({ changing, home, settings }: KeyspaceTold): string {
  if (changing === "removed") return "takes no writes while it is removed";
  if (changing !== null) return `takes no writes while it becomes ${said(changing)}`;
  return home !== (settings["home"] ?? "") ? `moved to ${home}` : "";
}

function said(settings: Readonly<Record<string, string>>): string {
  const words = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  return words.length === 0 ? "as everywhere" : words.join(" ");
}
