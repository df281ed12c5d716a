/**
 * Acl: what there is of ACL: one user, who may do everything, with the password of `requirepass` if there is one.
 *
 * Invariant: nothing here shows the password, nor a hash of it that could be attacked.
 */
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import { CATEGORIES, categoriesOf } from "./categories.ts";
import type { CommandTable } from "./command-table.ts";
import type { Command } from "./command.ts";
import { container } from "./container.ts";
import { quote, wrongUse } from "./errors.ts";
import type { Run } from "./run.ts";

/** In place of a password's hash. */
const HIDDEN = "hidden";

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
        name: "getuser",
        arity: 3,
        flags: admin,
        complexity: "O(1)",
        usage: "<username>",
        summary: "Returns the rules of a user",
        run: getUser,
      },
      {
        ...common,
        name: "list",
        arity: 2,
        flags: admin,
        complexity: ofUsers,
        summary: "Lists the users with their rules in one line each",
        run: list,
      },
      {
        ...common,
        name: "users",
        arity: 2,
        flags: admin,
        complexity: ofUsers,
        summary: "Lists the names of the users",
        run: (_run, _args, reply) => {
          reply.array(1);
          reply.text("default");
        },
      },
      {
        ...common,
        name: "whoami",
        arity: 2,
        flags: anyone,
        complexity: "O(1)",
        summary: "Returns the name of the connection's user",
        run: ({ session }, _args, reply) => reply.text(session.user),
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

function list(run: Run, _args: Args, reply: Reply): void {
  const password = run.settings.requirepass === "" ? "nopass" : `#${HIDDEN}`;
  texts([`user default on ${password} ~* &* +@all`], reply);
}

function getUser(run: Run, args: Args, reply: Reply): void {
  if (args.text(2) !== "default") return reply.nil();
  const open = run.settings.requirepass === "";
  reply.map(6);
  reply.text("flags");
  const flags = open ? ["on", "nopass"] : ["on"];
  reply.set(flags.length);
  for (const flag of flags) reply.text(flag);
  reply.text("passwords");
  texts(open ? [] : [HIDDEN], reply);
  reply.text("commands");
  reply.text("+@all");
  reply.text("keys");
  reply.text("~*");
  reply.text("channels");
  reply.text("&*");
  reply.text("selectors");
  reply.array(0);
}

function texts(all: readonly string[], reply: Reply): void {
  reply.array(all.length);
  for (const text of all) reply.text(text);
}
