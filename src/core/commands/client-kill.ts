/**
 * ClientKill: CLIENT KILL in its old form, an address, and its new one, filters that must all match.
 *
 * Invariant: the caller's own connection is closed only after its reply.
 */
import { parseInteger } from "../crdt/amount.ts";
import type { AclUser } from "./acl-user.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import { isOfType, isType, UNKNOWN_TYPE } from "./client-line.ts";
import { quote, SYNTAX } from "./errors.ts";
import type { Run } from "./run.ts";
import type { Session } from "./session.ts";

/** What a client must be like to be closed; null does not matter. */
interface Filter {
  id: number | null;
  address: string | null;
  localAddress: string | null;
  user: AclUser | null;
  /** The argument that names a type of client. */
  type: number;
  skipMe: boolean;
}

/** Handler of CLIENT KILL. */
export function clientKill(run: Run, args: Args, reply: Reply): void {
  const filter: Filter = {
    id: null,
    address: null,
    localAddress: null,
    user: null,
    type: -1,
    skipMe: args.count > 3,
  };
  if (args.count === 3) filter.address = args.text(2);
  else {
    const wrong = readFilter(run, args, filter);
    if (wrong !== null) return reply.error(wrong);
  }
  const victims = [...run.sessions.values()].filter((session) =>
    matches(run, args, filter, session),
  );
  for (const session of victims) {
    if (session === run.session) session.closing = true;
    else run.node.closeClient(session.id);
  }
  if (args.count > 3) reply.int(victims.length);
  else if (victims.length === 0) reply.error("ERR No such client");
  else reply.ok();
}

/** Reads pairs of option and value; returns what is wrong with them, or null. */
function readFilter(run: Run, args: Args, filter: Filter): string | null {
  for (let i = 2; i < args.count; i += 2) {
    if (i + 1 === args.count) return SYNTAX;
    const value = i + 1;
    if (args.is(i, "ID")) {
      const id = parseInteger(args.bytes, args.start[value] as number, args.end[value] as number);
      if (id === null || (typeof id === "number" && id < 1))
        return "ERR client-id should be greater than 0";
      filter.id = typeof id === "number" ? id : -1;
    } else if (args.is(i, "TYPE")) {
      if (!isType(args, value)) return UNKNOWN_TYPE(args, value);
      filter.type = value;
    } else if (args.is(i, "ADDR")) filter.address = args.text(value);
    else if (args.is(i, "LADDR")) filter.localAddress = args.text(value);
    else if (args.is(i, "USER")) {
      filter.user = run.users.named(args.text(value));
      if (filter.user === null) return `ERR No such user '${quote(args, value, 128)}'`;
    } else if (args.is(i, "SKIPME")) {
      filter.skipMe = args.is(value, "YES");
      if (!filter.skipMe && !args.is(value, "NO")) return SYNTAX;
    } else return SYNTAX;
  }
  return null;
}

function matches(run: Run, args: Args, filter: Filter, session: Session): boolean {
  if (filter.skipMe && session === run.session) return false;
  return (
    (filter.type < 0 || isOfType(session, args, filter.type)) &&
    (filter.id === null || filter.id === session.id) &&
    (filter.address === null || filter.address === session.address) &&
    (filter.localAddress === null || filter.localAddress === session.localAddress) &&
    (filter.user === null || filter.user === run.users.of(session))
  );
}
