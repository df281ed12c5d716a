/**
 * Connection: who the client is and how it is spoken to: AUTH HELLO PING ECHO SELECT QUIT RESET.
 *
 * Invariant: who a client is, is decided by a password alone, and noted when it was wrong.
 */
import { parseInteger } from "../crdt/amount.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { quote, SYNTAX, WRONGPASS, wrongArity } from "./errors.ts";
import { databaseAt } from "./numbers.ts";
import { REDIS_VERSION } from "./redis-version.ts";
import type { Run } from "./run.ts";
import { leaveTransaction } from "./transactions.ts";

const BAD_NAME = "ERR Client names cannot contain spaces, newlines or special characters.";
const NO_PASSWORD =
  "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?";
const HELLO_NOAUTH =
  "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time";

/** A word of an error that repeats what a client sent. */
const QUOTE_MAX_BYTES = 128;

const anytime = ["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"] as const;
const common = {
  keys: [0, 0, 0],
  categories: ["connection"],
  group: "connection",
  complexity: "O(1)",
} as const;

export const connectionCommands: readonly Command[] = [
  {
    ...common,
    name: "auth",
    arity: -2,
    flags: anytime,
    since: "1.0.0",
    summary: "Authenticates the connection",
    hides: (_args, i) => i > 0,
    run: auth,
  },
  {
    ...common,
    name: "hello",
    arity: -1,
    flags: anytime,
    since: "6.0.0",
    summary: "Agrees on the protocol version and tells about the server",
    hides: (args, i) => i > 2 && (args.is(i - 1, "AUTH") || (i > 3 && args.is(i - 2, "AUTH"))),
    run: hello,
  },
  {
    ...common,
    name: "ping",
    arity: -1,
    flags: ["fast"],
    since: "1.0.0",
    summary: "Answers, to show that the server is there",
    subscriberMay: true,
    run: ping,
  },
  {
    ...common,
    name: "echo",
    arity: 2,
    flags: ["loading", "stale", "fast"],
    since: "1.0.0",
    summary: "Returns the message it is given",
    run: (_run, args, reply) =>
      reply.bulk(args.bytes, args.start[1] as number, args.end[1] as number),
  },
  {
    ...common,
    name: "select",
    arity: 2,
    flags: ["loading", "stale", "fast"],
    since: "1.0.0",
    summary: "Changes the database of the connection",
    run: select,
  },
  {
    ...common,
    name: "quit",
    arity: -1,
    flags: anytime,
    since: "1.0.0",
    summary: "Closes the connection once everything is answered",
    subscriberMay: true,
    immediate: true,
    run: quit,
  },
  {
    ...common,
    name: "reset",
    arity: 1,
    flags: anytime,
    since: "6.2.0",
    summary: "Makes the connection as it was when it was opened",
    subscriberMay: true,
    immediate: true,
    run: reset,
  },
];

function auth(run: Run, args: Args, reply: Reply): void {
  if (args.count > 3) return reply.error(SYNTAX);
  if (args.count === 2 && run.users.default.noPass) return reply.error(NO_PASSWORD);
  const named = args.count === 3;
  if (!admits(run, args, named ? 1 : -1, named ? 2 : 1)) return reply.error(WRONGPASS);
  reply.ok();
}

/** Authenticates the session with the user in argument `user` (−1: the default one) and the password in argument `password`. */
function admits(run: Run, args: Args, user: number, password: number): boolean {
  const name = user < 0 ? "default" : args.text(user);
  return run.users.authenticate(run, name, args.view(password), args.text(0));
}

function hello(run: Run, args: Args, reply: Reply): void {
  const { session } = run;
  let version: 2 | 3 = session.resp;
  let name = -1;
  if (args.count > 1) {
    const asked = parseInteger(args.bytes, args.start[1] as number, args.end[1] as number);
    if (asked === null)
      return reply.error("ERR Protocol version is not an integer or out of range");
    if (asked !== 2 && asked !== 3) return reply.error("NOPROTO unsupported protocol version");
    version = asked;
  }
  for (let i = 2; i < args.count; i++) {
    const left = args.count - 1 - i;
    if (args.is(i, "AUTH") && left >= 2) {
      if (!admits(run, args, i + 1, i + 2)) return reply.error(WRONGPASS);
      i += 2;
    } else if (args.is(i, "SETNAME") && left >= 1) {
      if (!isName(args, i + 1)) return reply.error(BAD_NAME);
      name = ++i;
    } else
      return reply.error(`ERR Syntax error in HELLO option '${quote(args, i, QUOTE_MAX_BYTES)}'`);
  }
  if (!session.authenticated && !run.users.isOpen) return reply.error(HELLO_NOAUTH);
  if (name >= 0) session.name = args.text(name);
  session.resp = version;
  reply.resp = version;
  reply.map(7);
  reply.text("server");
  reply.text("redis");
  reply.text("version");
  reply.text(REDIS_VERSION);
  reply.text("proto");
  reply.int(version);
  reply.text("id");
  reply.int(session.id);
  reply.text("mode");
  reply.text("standalone");
  reply.text("role");
  reply.text("master");
  reply.text("modules");
  reply.array(0);
}

function ping({ session }: Run, args: Args, reply: Reply): void {
  if (args.count > 2) return reply.error(wrongArity("ping"));
  if (session.subscriptions > 0 && session.resp === 2) {
    // As a message looks, because libraries read everything as one now.
    reply.array(2);
    reply.text("pong");
    return reply.text(args.count === 2 ? args.text(1) : "");
  }
  if (args.count === 1) return reply.status("PONG");
  reply.bulk(args.bytes, args.start[1] as number, args.end[1] as number);
}

function select(run: Run, args: Args, reply: Reply): void {
  const db = databaseAt(args, 1, run.settings.databases, reply);
  if (db < 0) return;
  run.session.db = db;
  reply.ok();
}

function quit(run: Run, _args: Args, reply: Reply): void {
  run.session.closing = true;
  reply.ok();
}

function reset(run: Run, _args: Args, reply: Reply): void {
  const { session } = run;
  leaveTransaction(run, session);
  run.subscriptions.leave(session);
  run.tracking.end(session);
  session.db = 0;
  session.resp = 2;
  session.name = "";
  session.user = null;
  session.authenticated = run.users.isOpen;
  session.replies = "on";
  session.noTouch = false;
  run.monitors.delete(session);
  reply.resp = 2;
  reply.status("RESET");
}

/** CLIENT SETNAME, which HELLO can do too. */
export function setName(run: Run, args: Args, reply: Reply): void {
  if (!isName(args, 2)) return reply.error(BAD_NAME);
  run.session.name = args.text(2);
  reply.ok();
}

/** Whether argument `i` can be shown in the lines of CLIENT LIST: printable, without spaces. */
export function isName(args: Args, i: number): boolean {
  for (let at = args.start[i] as number; at < (args.end[i] as number); at++) {
    const byte = args.bytes[at] as number;
    if (byte < 33 || byte > 126) return false;
  }
  return true;
}
