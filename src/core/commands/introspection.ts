/**
 * Introspection: COMMAND and its subcommands, told from the rows of the table.
 *
 * Invariant: every entry has the ten elements of Redis 7.0, in its order; tips, which only proxies of a Redis cluster read, are
 * always empty.
 */
import { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import { categoriesOf } from "./categories.ts";
import { writeDocs } from "./command-docs.ts";
import type { CommandEntry, CommandTable } from "./command-table.ts";
import type { Command, Handler } from "./command.ts";
import { writeHelp } from "./container.ts";
import { SYNTAX } from "./errors.ts";
import { globMatches } from "./glob.ts";
import { hasKeys, keyFlagsOf, keyPositions } from "./key-positions.ts";
import { statuses, writeKeySpecs } from "./key-specs.ts";

const common = {
  flags: ["loading", "stale"],
  keys: [0, 0, 0],
  categories: ["connection"],
  group: "server",
} as const;
const ofCommands = "O(N) for N commands";

/** COMMAND; `table` is asked when a command runs, for it lists COMMAND too. */
export function introspectionCommands(table: () => CommandTable): readonly Command[] {
  const subcommands: Command[] = [
    {
      ...common,
      name: "count",
      arity: 2,
      since: "2.8.13",
      complexity: "O(1)",
      summary: "Returns how many commands there are",
      run: (_run, _args, reply) => reply.int(table().commands.length),
    },
    {
      ...common,
      name: "docs",
      arity: -2,
      since: "7.0.0",
      complexity: ofCommands,
      usage: "[<command-name> ...]",
      summary: "Returns what is to be read about commands",
      run: (_run, args, reply) => writeDocs(chosen(table(), args), reply),
    },
    {
      ...common,
      name: "getkeys",
      arity: -4,
      since: "2.8.13",
      complexity: "O(N) for N arguments",
      usage: "<full-command>",
      summary: "Returns the keys of a whole command",
      run: (_run, args, reply) => getKeys(table(), args, reply, false),
    },
    {
      ...common,
      name: "getkeysandflags",
      arity: -4,
      since: "7.0.0",
      complexity: "O(N) for N arguments",
      usage: "<full-command>",
      summary: "Returns the keys of a whole command and how it uses them",
      run: (_run, args, reply) => getKeys(table(), args, reply, true),
    },
    {
      ...common,
      name: "info",
      arity: -2,
      since: "2.8.13",
      complexity: ofCommands,
      usage: "[<command-name> ...]",
      summary: "Returns arity, flags and keys of commands",
      run: (_run, args, reply) =>
        args.count === 2 ? writeAll(table(), reply) : info(table(), args, reply),
    },
    {
      ...common,
      name: "list",
      arity: -2,
      since: "7.0.0",
      complexity: ofCommands,
      usage: "[FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]",
      summary: "Returns the names of commands",
      run: (_run, args, reply) => list(table(), args, reply),
    },
  ];
  const help: Command = {
    ...common,
    name: "help",
    arity: 2,
    since: "5.0.0",
    complexity: "O(1)",
    summary: "Prints this help",
    run: (_run, _args, reply) => writeHelp("command", subcommands, reply),
  };
  const all: Handler = (_run, _args, reply) => writeAll(table(), reply);
  return [
    {
      ...common,
      name: "command",
      arity: -1,
      since: "2.8.13",
      complexity: ofCommands,
      summary: "Returns arity, flags and keys of all commands",
      subcommands: [...subcommands, help],
      run: all,
    },
  ];
}

/** The commands that the arguments from 2 on name; all of them when there are none. */
function chosen(table: CommandTable, args: Args): readonly CommandEntry[] {
  if (args.count === 2) return table.commands;
  const entries: CommandEntry[] = [];
  for (let i = 2; i < args.count; i++) {
    const entry = table.named(args.text(i));
    if (entry !== null) entries.push(entry);
  }
  return entries;
}

function writeAll(table: CommandTable, reply: Reply): void {
  reply.array(table.commands.length);
  for (const entry of table.commands) writeEntry(entry, reply);
}

function info(table: CommandTable, args: Args, reply: Reply): void {
  reply.array(args.count - 2);
  for (let i = 2; i < args.count; i++) {
    const entry = table.named(args.text(i));
    if (entry === null) reply.nil();
    else writeEntry(entry, reply);
  }
}

function writeEntry({ name, arity, command, subcommands }: CommandEntry, reply: Reply): void {
  const [first, last, step] = command.keys;
  reply.array(10);
  reply.text(name);
  reply.int(arity);
  statuses(command.flags, reply);
  reply.int(first);
  reply.int(last);
  reply.int(step);
  statuses(
    categoriesOf(command).map((category) => `@${category}`),
    reply,
  );
  reply.set(0);
  writeKeySpecs(command, reply);
  if (subcommands === null) return reply.set(0);
  reply.array(subcommands.all.length);
  for (const sub of subcommands.all) writeEntry(sub, reply);
}

function list(table: CommandTable, args: Args, reply: Reply): void {
  const filtered = args.count === 5 && args.is(2, "FILTERBY");
  if (args.count !== 2 && !filtered) return reply.error(SYNTAX);
  let names: string[];
  if (!filtered) names = table.entries.map(({ name }) => name);
  else if (args.is(3, "MODULE")) names = [];
  else if (args.is(3, "ACLCAT")) {
    const category = args.text(4).toLowerCase();
    names = table.entries
      .filter(({ command }) => categoriesOf(command).includes(category))
      .map(({ name }) => name);
  } else if (args.is(3, "PATTERN")) {
    const pattern = Buffer.from(args.text(4).toLowerCase(), "latin1");
    names = table.entries
      .map(({ name }) => name)
      .filter((name) => globMatches(pattern, Buffer.from(name, "latin1"), 0, name.length));
  } else return reply.error(SYNTAX);
  reply.array(names.length);
  for (const name of names) reply.text(name);
}

function getKeys(table: CommandTable, args: Args, reply: Reply, flags: boolean): void {
  const entry = table.find(args, 2);
  if (entry === null) return reply.error("ERR Invalid command specified");
  if (!hasKeys(entry.command)) return reply.error("ERR The command has no key arguments");
  if (!entry.takes(args.count - 2))
    return reply.error("ERR Invalid number of arguments specified for command");
  const inner = new Args();
  inner.begin(args.bytes);
  for (let i = 2; i < args.count; i++) inner.push(args.start[i] as number, args.end[i] as number);
  const positions = keyPositions(entry.command, inner);
  const { flags: said } = entry.command;
  if (positions.length === 0 && !said.includes("no_mandatory_keys"))
    return reply.error("ERR Invalid arguments specified for command");
  reply.array(positions.length);
  for (const [index, at] of positions.entries()) {
    if (flags) reply.array(2);
    reply.bulk(inner.bytes, inner.start[at] as number, inner.end[at] as number);
    if (flags)
      statuses(entry.command.keyFlagsFor?.(inner) ?? keyFlagsOf(entry.command, index), reply);
  }
}
