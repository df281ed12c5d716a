/**
 * `atoll member`, `atoll region`: who belongs to a cluster: members join and leave while everybody serves.
 *
 * Invariant: it returns 0 only once the node that was asked has done with it: a removed member is waited for no longer, an added one may
 * start. Otherwise it says whose word is missing.
 */
import { setTimeout as after } from "node:timers/promises";
import { Command } from "commander";
import type { Membership } from "../host/membership.ts";
import { CliError, EXIT_FAILED, EXIT_USAGE } from "./cli-error.ts";
import { labUrls } from "./lab-urls.ts";
import { table } from "./table.ts";
import { withTarget } from "./target.ts";

type Flags = { dir: string; url?: string; json?: true; force?: true; timeout: string };

const POLL_MS = 200;

export function memberCommand(): Command {
  return new Command("member")
    .description("who belongs to the cluster: add, remove and list members")
    .addCommand(removeCommand("member", "a member such as us-east/1, removed for good"))
    .addCommand(addCommand())
    .addCommand(
      withTarget(
        new Command("list").description("the members, and what stands against those leaving"),
      ).action(async (flags: Flags) => {
        print(flags, await ask((await urlsOf(flags))[0] as string));
      }),
    );
}

export function regionCommand(): Command {
  return new Command("region")
    .description("remove a region with all its members")
    .addCommand(removeCommand("region", "a region such as us-east, removed for good"));
}

function removeCommand(what: string, description: string): Command {
  return withTimeout(
    new Command("remove")
      .description(`remove a ${what}: all others agree on where it ends, and wait for it no longer`)
      .argument(`<${what}>`, description)
      .option(
        "--force",
        "remove with it whoever is silent and so cannot say what it has: what only they have is void",
      ),
  ).action(async (name: string, flags: Flags) => {
    const query = `remove=${encodeURIComponent(name)}${flags.force ? "&force=yes" : ""}`;
    const isMeant = (member: string): boolean => member === name || member.startsWith(`${name}/`);
    await change(flags, query, isMeant, ({ removed }) =>
      removed.flatMap(({ member, state, awaits }) =>
        isMeant(member) && state !== "retired"
          ? [
              `${member} is ${state}${awaits.length > 0 ? `, ${awaits.join(", ")} has not said what it has` : ""}`,
            ]
          : [],
      ),
    );
  });
}

function addCommand(): Command {
  return withTimeout(
    new Command("add")
      .description("add a member: once it returns, start the node with the members that it prints")
      .argument("<member>", "such as ap-south/1; a name that was removed is not used again"),
  ).action(async (name: string, flags: Flags) => {
    await change(
      flags,
      `add=${encodeURIComponent(name)}`,
      (member) => member === name,
      (state) => {
        const awaits = state.awaits.filter((member) => member !== name);
        return awaits.length === 0 ? [] : [`${awaits.join(", ")} does not count ${name} yet`];
      },
    );
  });
}

function withTimeout(command: Command): Command {
  return withTarget(command).option("--timeout <seconds>", "how long to wait for the others", "30");
}

async function urlsOf({ url, dir }: Flags): Promise<string[]> {
  return url === undefined ? labUrls(dir) : [url];
}

/** Asks the first node that answers and is not meant itself, and waits until nothing stands in the way. */
async function change(
  flags: Flags,
  query: string,
  isMeant: (member: string) => boolean,
  obstacles: (state: Membership) => string[],
): Promise<void> {
  const seconds = Number(flags.timeout);
  if (!(seconds > 0)) throw new CliError("--timeout is a number of seconds", EXIT_USAGE);
  let refusal = "no node answers";
  for (const url of await urlsOf(flags)) {
    const member = await memberAt(url);
    if (member === null || isMeant(member)) {
      refusal =
        member === null
          ? `${url} does not answer`
          : `${url} is ${member} itself: ask another member`;
      continue;
    }
    let state = await ask(url, query);
    const untilMs = Date.now() + seconds * 1000;
    while (obstacles(state).length > 0 && Date.now() < untilMs) {
      await after(POLL_MS);
      state = await ask(url);
    }
    print(flags, state);
    const left = obstacles(state);
    if (left.length > 0)
      throw new CliError(
        `it is kept and goes on by itself, but after ${seconds} s ${left.join("; ")}: start what is away, or remove it with --force`,
        EXIT_FAILED,
      );
    return;
  }
  throw new CliError(refusal, EXIT_USAGE);
}

/** The name of the node there; null when it does not answer. */
async function memberAt(url: string): Promise<string | null> {
  try {
    const answer = await fetch(new URL("/status", url), { signal: AbortSignal.timeout(2_000) });
    return ((await answer.json()) as { member: string }).member;
  } catch {
    return null;
  }
}

async function ask(url: string, query: string | null = null): Promise<Membership> {
  const endpoint = new URL("/members", url);
  if (query !== null) endpoint.search = query;
  const answer = await fetch(endpoint, query === null ? {} : { method: "POST" }).catch(
    (cause: unknown) => {
      throw new CliError(`${url} does not answer`, EXIT_USAGE, { cause });
    },
  );
  const body = (await answer.json()) as Membership | { error: string };
  if ("error" in body) throw new CliError(body.error, EXIT_USAGE);
  return body;
}

function print({ json }: Flags, state: Membership): void {
  if (json) {
    process.stdout.write(`${JSON.stringify(state)}\n`);
    return;
  }
  const rows = [
    ...state.members.map((member) => [member, "member", ""]),
    ...state.removed.map(({ member, state: is, awaits }) => [member, is, awaits.join(", ")]),
  ];
  process.stdout.write(table(["name", "state", "waits for"], rows));
}
