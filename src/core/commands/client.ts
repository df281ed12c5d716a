/**
 * Client: CLIENT and its subcommands: what connections are there, what they are called, which of them must go or wait.
 *
 * Invariant: what is not known of a connection here (its socket, its buffers) is left out of CLIENT LIST rather than invented.
 */
import { parseInteger } from "../crdt/amount.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import { clientKill } from "./client-kill.ts";
import { describe, isOfType, isType, UNKNOWN_TYPE } from "./client-line.ts";
import { trackingSubcommands } from "./client-tracking.ts";
import type { Command } from "./command.ts";
import { isName, setName } from "./connection.ts";
import { container } from "./container.ts";
import { NOT_AN_INTEGER, quote, SYNTAX, wrongUse } from "./errors.ts";
import type { Run } from "./run.ts";

const anyone = ["noscript", "loading", "stale"] as const;
const admin = ["admin", ...anyone] as const;
const common = {
  keys: [0, 0, 0],
  categories: ["connection"],
  group: "connection",
  complexity: "O(1)",
} as const;
const ofClients = "O(N) for N clients";

const subcommands: readonly Command[] = [
  ...trackingSubcommands,
  {
    ...common,
    name: "getname",
    arity: 2,
    flags: anyone,
    since: "2.6.9",
    summary: "Returns the name of the connection",
    run: ({ session }, _args, reply) =>
      session.name === "" ? reply.nil() : reply.text(session.name),
  },
  {
    ...common,
    name: "id",
    arity: 2,
    flags: anyone,
    since: "5.0.0",
    summary: "Returns the number of the connection",
    run: ({ session }, _args, reply) => reply.int(session.id),
  },
  {
    ...common,
    name: "info",
    arity: 2,
    flags: anyone,
    since: "6.2.0",
    summary: "Describes the connection",
    run: (run, _args, reply) => reply.verbatim(`${describe(run, run.session)}\n`),
  },
  {
    ...common,
    name: "kill",
    arity: -3,
    flags: admin,
    since: "2.4.0",
    complexity: ofClients,
    usage: "<ip:port>|<option> <value> [<option> <value> [...]]",
    summary: "Closes connections, by address or by ID, TYPE, USER, ADDR, LADDR and SKIPME",
    run: clientKill,
  },
  {
    ...common,
    name: "list",
    arity: -2,
    flags: admin,
    since: "2.4.0",
    complexity: ofClients,
    usage: "[TYPE <type>|ID <id> [<id> ...]]",
    summary: "Describes every connection in one line each",
    run: list,
  },
  {
    ...common,
    name: "no-evict",
    arity: 3,
    flags: admin,
    since: "7.0.0",
    usage: "(ON|OFF)",
    summary: "Spares the connection when memory is short",
    run: (run, args, reply) => {
      const on = onOrOff(args, reply);
      if (on === null) return;
      run.session.noEvict = on;
      reply.ok();
    },
  },
  {
    ...common,
    name: "no-touch",
    arity: 3,
    flags: anyone,
    since: "7.2.0",
    usage: "(ON|OFF)",
    summary: "Keeps the connection's reads from counting as use of a key",
    run: (run, args, reply) => {
      const on = onOrOff(args, reply);
      if (on === null) return;
      run.session.noTouch = on;
      reply.ok();
    },
  },
  {
    ...common,
    name: "pause",
    arity: -3,
    flags: admin,
    since: "2.9.50",
    usage: "<timeout> [WRITE|ALL]",
    summary: "Makes clients, or those that write, wait for so many milliseconds",
    run: pause,
  },
  {
    ...common,
    name: "reply",
    arity: 3,
    flags: anyone,
    since: "3.2.0",
    usage: "(ON|OFF|SKIP)",
    summary: "Says whether the connection wants replies",
    run: replies,
  },
  {
    ...common,
    name: "setinfo",
    arity: 4,
    flags: anyone,
    since: "7.2.0",
    usage: "(LIB-NAME|LIB-VER) <value>",
    summary: "Notes which library the client uses",
    run: setInfo,
  },
  {
    ...common,
    name: "setname",
    arity: 3,
    flags: anyone,
    since: "2.6.9",
    usage: "<name>",
    summary: "Gives the connection a name",
    run: setName,
  },
  {
    ...common,
    name: "unblock",
    arity: -3,
    flags: admin,
    since: "5.0.0",
    usage: "<clientid> [TIMEOUT|ERROR]",
    summary: "Ends the waiting of a client inside a blocking command",
    run: unblock,
  },
  {
    ...common,
    name: "unpause",
    arity: 2,
    flags: admin,
    since: "6.2.0",
    complexity: ofClients,
    summary: "Ends the pause of clients",
    run: (run, _args, reply) => {
      run.pausedUntilMs = 0;
      reply.ok();
    },
  },
];

export const clientCommands: readonly Command[] = [
  container(
    {
      name: "client",
      group: "connection",
      since: "2.4.0",
      summary: "Commands about client connections",
      categories: ["connection"],
      helpSince: "5.0.0",
    },
    subcommands,
  ),
];

/** ON or OFF in argument 2; anything else is refused, and null. */
function onOrOff(args: Args, reply: Reply): boolean | null {
  if (args.is(2, "ON")) return true;
  if (args.is(2, "OFF")) return false;
  reply.error(SYNTAX);
  return null;
}

function list(run: Run, args: Args, reply: Reply): void {
  const chosen = new Set<number>();
  const everyone = args.count === 2;
  if (args.count === 4 && args.is(2, "TYPE")) {
    if (!isType(args, 3)) return reply.error(UNKNOWN_TYPE(args, 3));
    for (const session of run.sessions.values())
      if (isOfType(session, args, 3)) chosen.add(session.id);
  } else if (args.count > 3 && args.is(2, "ID")) {
    for (let i = 3; i < args.count; i++) {
      const id = parseInteger(args.bytes, args.start[i] as number, args.end[i] as number);
      if (typeof id !== "number" || id < 1) return reply.error("ERR Invalid client ID");
      chosen.add(id);
    }
  } else if (!everyone) return reply.error(SYNTAX);
  let text = "";
  for (const session of run.sessions.values())
    if (everyone || chosen.has(session.id)) text += `${describe(run, session)}\n`;
  reply.verbatim(text);
}

function pause(run: Run, args: Args, reply: Reply): void {
  if (args.count > 4) return reply.error(wrongUse(args));
  const write = args.count === 4 && args.is(3, "WRITE");
  if (args.count === 4 && !write && !args.is(3, "ALL"))
    return reply.error("ERR CLIENT PAUSE mode must be WRITE or ALL");
  const ms = parseInteger(args.bytes, args.start[2] as number, args.end[2] as number);
  if (ms === null) return reply.error("ERR timeout is not an integer or out of range");
  if (typeof ms !== "number") return reply.error("ERR timeout is out of range");
  if (ms < 0) return reply.error("ERR timeout is negative");
  const untilMs = run.wallMs + ms;
  // As in Redis, a pause is neither shortened nor made milder by another one.
  const under = run.pausedUntilMs > run.wallMs;
  run.paused = write && !(under && run.paused === "all") ? "write" : "all";
  run.pausedUntilMs = under ? Math.max(untilMs, run.pausedUntilMs) : untilMs;
  reply.ok();
}

function replies(run: Run, args: Args, reply: Reply): void {
  const { session } = run;
  if (args.is(2, "ON")) {
    session.replies = "on";
    return reply.ok();
  }
  const off = args.is(2, "OFF");
  if (!off && !args.is(2, "SKIP")) return reply.error(SYNTAX);
  // The replies of a transaction are one array, in which none may be missing.
  if (run.inTransaction) return reply.error("ERR Command not allowed inside a transaction");
  if (off) session.replies = "off";
  else if (session.replies !== "off") session.replies = "skip next";
}

function setInfo(run: Run, args: Args, reply: Reply): void {
  const name = args.is(2, "LIB-NAME");
  if (!name && !args.is(2, "LIB-VER"))
    return reply.error(`ERR Unrecognized option '${quote(args, 2, 128)}'`);
  if (!isName(args, 3)) {
    const what = name ? "lib-name" : "lib-ver";
    return reply.error(`ERR ${what} cannot contain spaces, newlines or special characters.`);
  }
  if (name) run.session.libraryName = args.text(3);
  else run.session.libraryVersion = args.text(3);
  reply.ok();
}

function unblock(run: Run, args: Args, reply: Reply): void {
  if (args.count > 4) return reply.error(wrongUse(args));
  if (args.count === 4 && !args.is(3, "TIMEOUT") && !args.is(3, "ERROR"))
    return reply.error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
  const id = parseInteger(args.bytes, args.start[2] as number, args.end[2] as number);
  if (id === null) return reply.error(NOT_AN_INTEGER);
  const session = typeof id === "number" ? run.sessions.get(id) : undefined;
  const how = args.count === 4 && args.is(3, "ERROR") ? "error" : "timeout";
  reply.int(run.blocking.unblock(session, how) ? 1 : 0);
}
