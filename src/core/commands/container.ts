/**
 * Container: a command that is only a name for its subcommands, such as CLIENT.
 *
 * Invariant: HELP lists the subcommands there are, from the same rows that run them.
 */
import type { Reply } from "../wire/reply.ts";
import type { Command, Flag } from "./command.ts";
import { assert } from "../assert.ts";

/** What is common to a container and the HELP it is given. */
export interface ContainerOptions {
  readonly name: string;
  readonly group: string;
  readonly since: string;
  readonly summary: string;
  /** Of HELP; a container itself has none. */
  readonly categories?: readonly string[];
  readonly helpSince?: string;
  /** Of the container itself; none by default. */
  readonly flags?: readonly Flag[];
  readonly openEnded?: boolean;
}

/** A command whose first argument names one of `subcommands`, or HELP. */
export function container(options: ContainerOptions, subcommands: readonly Command[]): Command {
  const { name, group, since, summary, categories = [], helpSince = since, flags = [] } = options;
  const { openEnded = false } = options;
  const help: Command = {
    name: "help",
    arity: 2,
    flags: ["loading", "stale"],
    keys: [0, 0, 0],
    categories,
    group,
    since: helpSince,
    complexity: "O(1)",
    summary: "Prints this help",
    run: (_run, _args, reply) => writeHelp(name, subcommands, reply),
  };
  return {
    name,
    arity: -2,
    flags,
    keys: [0, 0, 0],
    categories: [],
    group,
    since,
    complexity: "Depends on the subcommand",
    summary,
    subcommands: [...subcommands, help],
    openEnded,
    run: () => assert(false, "a container never runs: its arity asks for a subcommand"),
  };
}

/** Answers HELP: one line of usage and one of explanation for each subcommand. */
export function writeHelp(name: string, subcommands: readonly Command[], reply: Reply): void {
  const lines = [`${name.toUpperCase()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`];
  for (const { name: sub, usage = "", summary } of subcommands)
    lines.push(`${sub.toUpperCase()} ${usage}`.trimEnd(), `    ${summary}.`);
  lines.push("HELP", "    Prints this help.");
  reply.array(lines.length);
  for (const line of lines) reply.status(line);
}
