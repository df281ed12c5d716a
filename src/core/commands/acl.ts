/**
 * Acl: ACL and its subcommands: who may use this node, and for what.
 *
 * Invariant: a change of users is made as a whole or not at all. Clients of a user that is gone are cut off, as are those that listen
 * to channels they may not use any more.
 */
import { parseInteger } from "../crdt/amount.ts";
import { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import { admitsChannel, type AclSelector, hasSpaces } from "./acl-selector.ts";
import type { AclUser } from "./acl-user.ts";
import { CATEGORIES, categoriesOf } from "./categories.ts";
import type { CommandTable } from "./command-table.ts";
import type { Command } from "./command.ts";
import { container } from "./container.ts";
import { NOT_AN_INTEGER, quote, wrongArity, wrongUse } from "./errors.ts";
import type { Run } from "./run.ts";
import type { Session } from "./session.ts";

const NO_FILE =
  "ERR This Redis instance is not configured to use an ACL file. Name one with `aclFile` in the node's configuration, or change users with ACL SETUSER until the next start.";
const BITS_MAX = 4096;
const BITS_DEFAULT = 256;
const BITS_PER_CHARACTER = 4;
const LOG_DEFAULT = 10;

const anyone = ["noscript", "loading", "stale"] as const;
const admin = ["admin", ...anyone] as const;
const common = { keys: [0, 0, 0], categories: [], group: "server", since: "6.0.0" } as const;
const ofUsers = "O(N) for N users";

/** ACL; `table` is asked when a command runs, for it lists ACL too. */
export function aclCommands(table: () => CommandTable): readonly Command[] {
  return [
    container({ name: "acl", group: "server", since: "6.0.0", summary: "Commands about users" }, [
      {
        ...common,
        name: "cat",
        arity: -2,
        flags: anyone,
        complexity: "O(1)",
        usage: "[<category>]",
        summary: "Lists the categories of commands, or the commands of one",
        run: (_run, args, reply) => cat(table(), args, reply),
      },
      {
        ...common,
        name: "deluser",
        arity: -3,
        flags: admin,
        complexity: "O(1) for each user",
        usage: "<username> [<username> ...]",
        summary: "Removes users and closes their connections",
        run: deleteUsers,
      },
      {
        ...common,
        name: "dryrun",
        arity: -4,
        flags: admin,
        since: "7.0.0",
        complexity: "O(1)",
        usage: "<username> <command> [<arg> ...]",
        summary: "Tells whether a user may run a command, without running it",
        run: (run, args, reply) => dryRun(run, table(), args, reply),
      },
      {
        ...common,
        name: "genpass",
        arity: -2,
        flags: anyone,
        complexity: "O(1)",
        usage: "[<bits>]",
        summary: "Makes a password that nobody can guess",
        run: generatePassword,
      },
      {
        ...common,
        name: "getuser",
        arity: 3,
        flags: admin,
        complexity: "O(N) for N rules",
        usage: "<username>",
        summary: "Returns the rules of a user",
        run: (run, args, reply) => getUser(run, table(), args, reply),
      },
      {
        ...common,
        name: "list",
        arity: 2,
        flags: admin,
        complexity: ofUsers,
        summary: "Lists the users with their rules in one line each",
        run: (run, _args, reply) => texts(run.users.describe(table()), reply),
      },
      {
        ...common,
        name: "load",
        arity: 2,
        flags: admin,
        complexity: ofUsers,
        summary: "Replaces the users by those of the ACL file",
        run: (run, _args, reply) => load(run, table(), reply),
      },
      {
        ...common,
        name: "log",
        arity: -2,
        flags: admin,
        complexity: "O(N) for N entries",
        usage: "[<count>|RESET]",
        summary: "Lists what users were denied, newest first, or forgets that",
        run: log,
      },
      {
        ...common,
        name: "save",
        arity: 2,
        flags: admin,
        complexity: ofUsers,
        summary: "Writes the users to the ACL file",
        run: (run, _args, reply) => save(run, table(), reply),
      },
      {
        ...common,
        name: "setuser",
        arity: -3,
        flags: admin,
        complexity: "O(N) for N rules",
        usage: "<username> [<rule> [<rule> ...]]",
        summary: "Makes or changes a user",
        hides: (_args, i) => i > 2,
        run: (run, args, reply) => setUser(run, table(), args, reply),
      },
      {
        ...common,
        name: "users",
        arity: 2,
        flags: admin,
        complexity: ofUsers,
        summary: "Lists the names of the users",
        run: (run, _args, reply) =>
          texts(
            run.users.all().map(({ name }) => name),
            reply,
          ),
      },
      {
        ...common,
        name: "whoami",
        arity: 2,
        flags: anyone,
        complexity: "O(1)",
        summary: "Returns the name of the connection's user",
        run: ({ session, users }, _args, reply) => reply.text(users.of(session).name),
      },
    ]),
  ];
}

function cat(table: CommandTable, args: Args, reply: Reply): void {
  if (args.count > 3) return reply.error(wrongUse(args));
  if (args.count === 2) return texts(CATEGORIES, reply);
  const category = args.text(2).toLowerCase();
  if (!CATEGORIES.includes(category))
    return reply.error(`ERR Unknown category '${quote(args, 2, 128)}'`);
  const inIt = table.entries.filter(({ command }) => categoriesOf(command).includes(category));
  texts(
    inIt.map(({ name }) => name),
    reply,
  );
}

function setUser(run: Run, table: CommandTable, args: Args, reply: Reply): void {
  const name = args.text(2);
  if (hasSpaces(name)) return reply.error("ERR Usernames can't contain spaces or null characters");
  const rules = Array.from({ length: args.count - 3 }, (_, i) => args.text(i + 3));
  const wrong = run.users.set(name, rules, table);
  if (wrong !== null) return reply.error(inOneLine(wrong));
  const user = run.users.named(name) as AclUser;
  cutOff(run, (session) => run.users.of(session) === user && listensBeyond(run, session, user));
  reply.ok();
}

/** Whether a session listens to what its user may not listen to any more. */
function listensBeyond({ subscriptions }: Run, session: Session, { selectors }: AclUser): boolean {
  if (session.subscriptions === 0 || selectors.some(({ everyChannel }) => everyChannel))
    return false;
  const patterns = selectors.flatMap(({ channels }) => channels);
  const denied = (kind: "channel" | "pattern" | "shard"): boolean =>
    [...subscriptions.of(session, kind)].some(
      (name) => !admitsChannel(patterns, name, kind === "pattern"),
    );
  return denied("pattern") || denied("channel") || denied("shard");
}

function cutOff(run: Run, whom: (session: Session) => boolean): void {
  for (const session of [...run.sessions.values()].filter(whom))
    if (session === run.session) session.closing = true;
    else run.node.closeClient(session.id);
}

function deleteUsers(run: Run, args: Args, reply: Reply): void {
  const names = Array.from({ length: args.count - 2 }, (_, i) => args.text(i + 2));
  if (names.includes("default")) return reply.error("ERR The 'default' user cannot be removed");
  let count = 0;
  for (const name of names) {
    const user = run.users.named(name);
    if (user === null) continue;
    count++;
    run.users.delete(name);
    cutOff(run, (session) => session.user === user);
  }
  reply.int(count);
}

function getUser(run: Run, table: CommandTable, args: Args, reply: Reply): void {
  const user = run.users.named(args.text(2));
  if (user === null) return reply.nil();
  reply.map(6);
  reply.text("flags");
  reply.set(user.flags.length);
  for (const flag of user.flags) reply.text(flag);
  reply.text("passwords");
  texts(user.passwords, reply);
  showSelector(user.own, table, reply);
  reply.text("selectors");
  const [, ...more] = user.selectors;
  reply.array(more.length);
  for (const selector of more) {
    reply.map(3);
    showSelector(selector, table, reply);
  }
}

function showSelector(selector: AclSelector, table: CommandTable, reply: Reply): void {
  reply.text("commands");
  reply.text(selector.describeCommands(table));
  reply.text("keys");
  reply.text(selector.describeKeys());
  reply.text("channels");
  reply.text(selector.describeChannels());
}

function dryRun(run: Run, table: CommandTable, args: Args, reply: Reply): void {
  const user = run.users.named(args.text(2));
  if (user === null) return reply.error(`ERR User '${quote(args, 2, 128)}' not found`);
  const entry = table.find(args, 3);
  if (entry === null) return reply.error(`ERR Command '${quote(args, 3, 128)}' not found`);
  const inner = new Args();
  inner.begin(args.bytes);
  for (let i = 3; i < args.count; i++) inner.push(args.start[i] as number, args.end[i] as number);
  if (!entry.takes(inner.count)) return reply.error(wrongArity(entry.name));
  const denial = user.denies(entry, inner);
  if (denial === null) return reply.ok();
  const { kind, at } = denial;
  reply.text(
    kind === "command"
      ? `This user has no permissions to run the '${entry.name}' command`
      : `This user has no permissions to access the '${inner.text(at)}' ${kind}`,
  );
}

function generatePassword(run: Run, args: Args, reply: Reply): void {
  if (args.count > 3) return reply.error(wrongUse(args));
  const bits =
    args.count === 2
      ? BITS_DEFAULT
      : parseInteger(args.bytes, args.start[2] as number, args.end[2] as number);
  if (bits === null) return reply.error(NOT_AN_INTEGER);
  if (typeof bits !== "number" || bits <= 0 || bits > BITS_MAX)
    return reply.error(
      `ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to ${BITS_MAX}`,
    );
  const characters = Math.ceil(bits / BITS_PER_CHARACTER);
  reply.text(
    run.node
      .secret(Math.ceil(characters / 2))
      .toString("hex")
      .slice(0, characters),
  );
}

function load(run: Run, table: CommandTable, reply: Reply): void {
  const { aclFile } = run.node;
  if (aclFile === null) return reply.error(NO_FILE);
  const read = aclFile.read();
  if ("problem" in read) return reply.error(`ERR Error loading ACLs: ${inOneLine(read.problem)}`);
  const wrong = run.users.load(read.text, table);
  if (wrong !== null) return reply.error(`ERR ${inOneLine(wrong)}`);
  // Whoever they were, they say it again.
  cutOff(run, (session) => session.user !== null);
  reply.ok();
}

function save(run: Run, table: CommandTable, reply: Reply): void {
  const { aclFile } = run.node;
  if (aclFile === null) return reply.error(NO_FILE);
  const lines = run.users.describe(table);
  const problem = aclFile.write(lines.map((line) => `${line}\n`).join(""));
  if (problem === null) return reply.ok();
  reply.error(`ERR There was an error trying to save the ACLs: ${inOneLine(problem)}`);
}

function inOneLine(text: string): string {
  return text.replaceAll(/[\r\n]/g, " ");
}

function log(run: Run, args: Args, reply: Reply): void {
  if (args.count > 3) return reply.error(wrongUse(args));
  const { log: denied } = run.users;
  let count = LOG_DEFAULT;
  if (args.count === 3) {
    if (args.is(2, "RESET")) {
      denied.entries = [];
      return reply.ok();
    }
    const asked = parseInteger(args.bytes, args.start[2] as number, args.end[2] as number);
    if (asked === null) return reply.error(NOT_AN_INTEGER);
    count = Math.max(0, Number(asked));
  }
  const shown = denied.entries.slice(0, count);
  reply.array(shown.length);
  for (const entry of shown) {
    reply.map(7);
    reply.text("count");
    reply.int(entry.count);
    reply.text("reason");
    reply.text(entry.reason);
    reply.text("context");
    reply.text(entry.context);
    reply.text("object");
    reply.text(entry.object);
    reply.text("username");
    reply.text(entry.user);
    reply.text("age-seconds");
    reply.double(String((run.wallMs - entry.atMs) / 1000));
    reply.text("client-info");
    reply.text(entry.client);
  }
}

function texts(all: readonly string[], reply: Reply): void {
  reply.array(all.length);
  for (const text of all) reply.text(text);
}
