/**
 * ClientTracking: CLIENT TRACKING, CACHING, GETREDIR and TRACKINGINFO.
 *
 * Invariant: options that contradict each other or how the client tracks already are refused before anything changes.
 */
import { parseInteger } from "../crdt/amount.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { NOT_AN_INTEGER, SYNTAX } from "./errors.ts";
import type { Run } from "./run.ts";
import type { Session } from "./session.ts";
import type { Tracked } from "./tracking.ts";

const NO_CACHING =
  "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled";
const ONE_REDIRECT = "ERR A client can only redirect to a single other client";
const NO_SUCH_CLIENT = "ERR The client ID you want redirect to does not exist";
const PREFIX_ALONE = "ERR PREFIX option requires BCAST mode to be enabled";
const OTHER_BROADCAST =
  "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode.";
const NOT_WITH_BROADCAST = "ERR OPTIN and OPTOUT are not compatible with BCAST";
const BOTH_OPTIONS = "ERR You can't specify both OPTIN mode and OPTOUT mode";
const OTHER_OPTION =
  "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode.";

const common = {
  flags: ["noscript", "loading", "stale"],
  keys: [0, 0, 0],
  categories: ["connection"],
  group: "connection",
  complexity: "O(1)",
} as const;

export const trackingSubcommands: readonly Command[] = [
  {
    ...common,
    name: "caching",
    arity: 3,
    since: "6.0.0",
    usage: "(YES|NO)",
    summary:
      "Says whether the next command's keys are tracked, in a tracking mode that asks for it",
    run: caching,
  },
  {
    ...common,
    name: "getredir",
    arity: 2,
    since: "6.0.0",
    summary: "Returns the client that gets the connection's invalidation messages",
    run: ({ session }, _args, reply) => reply.int(session.tracking?.redirect ?? -1),
  },
  {
    ...common,
    name: "tracking",
    arity: -3,
    since: "6.0.0",
    usage: "(ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]] [OPTIN] [OPTOUT] [NOLOOP]",
    summary: "Controls messages about keys that the client may have cached",
    run: tracking,
  },
  {
    ...common,
    name: "trackinginfo",
    arity: 2,
    since: "6.2.0",
    summary: "Describes the connection's tracking",
    run: trackingInfo,
  },
];

/** What CLIENT TRACKING asks for. */
interface Wanted {
  redirect: number;
  broadcast: boolean;
  optIn: boolean;
  optOut: boolean;
  noLoop: boolean;
  readonly prefixes: string[];
}

function tracking(run: Run, args: Args, reply: Reply): void {
  const wanted = {
    redirect: 0,
    broadcast: false,
    optIn: false,
    optOut: false,
    noLoop: false,
    prefixes: [],
  };
  const unreadable = readOptions(run, args, wanted);
  if (unreadable !== null) return reply.error(unreadable);
  if (args.is(2, "OFF")) run.tracking.end(run.session);
  else if (args.is(2, "ON")) {
    const contradiction = contradictionIn(run.session, wanted);
    if (contradiction !== null) return reply.error(contradiction);
    begin(run, wanted);
  } else return reply.error(SYNTAX);
  reply.ok();
}

function begin({ tracking: all, session }: Run, wanted: Wanted): void {
  const { redirect, noLoop, broadcast, optIn, optOut, prefixes } = wanted;
  const mode = broadcast ? "broadcast" : optIn ? "opt in" : optOut ? "opt out" : "all";
  const tracked = all.begin(session, { mode, noLoop, redirect });
  if (!broadcast) return;
  for (const prefix of prefixes.length === 0 ? [""] : prefixes)
    all.addPrefix(session, tracked, prefix);
}

function readOptions(run: Run, args: Args, wanted: Wanted): string | null {
  for (let i = 3; i < args.count; i++) {
    const more = i + 1 < args.count;
    if (more && args.is(i, "REDIRECT")) {
      if (wanted.redirect !== 0) return ONE_REDIRECT;
      const id = parseInteger(args.bytes, args.start[++i] as number, args.end[i] as number);
      if (id === null) return NOT_AN_INTEGER;
      if (typeof id !== "number" || !run.sessions.has(id)) return NO_SUCH_CLIENT;
      wanted.redirect = id;
    } else if (more && args.is(i, "PREFIX")) wanted.prefixes.push(args.text(++i));
    else if (args.is(i, "BCAST")) wanted.broadcast = true;
    else if (args.is(i, "OPTIN")) wanted.optIn = true;
    else if (args.is(i, "OPTOUT")) wanted.optOut = true;
    else if (args.is(i, "NOLOOP")) wanted.noLoop = true;
    else return SYNTAX;
  }
  return null;
}

function contradictionIn({ tracking: now }: Session, wanted: Wanted): string | null {
  const { broadcast, optIn, optOut, prefixes } = wanted;
  if (!broadcast && prefixes.length > 0) return PREFIX_ALONE;
  if (now !== null && (now.mode === "broadcast") !== broadcast) return OTHER_BROADCAST;
  if (broadcast && (optIn || optOut)) return NOT_WITH_BROADCAST;
  if (optIn && optOut) return BOTH_OPTIONS;
  if ((optIn && now?.mode === "opt out") || (optOut && now?.mode === "opt in")) return OTHER_OPTION;
  return broadcast ? overlapIn(now, prefixes) : null;
}

/** Of prefixes that overlap a client would be told twice. */
function overlapIn(now: Tracked | null, prefixes: readonly string[]): string | null {
  const overlap = (a: string, b: string): boolean => a.startsWith(b) || b.startsWith(a);
  for (const [i, prefix] of prefixes.entries()) {
    for (const there of now?.prefixes ?? [])
      if (overlap(prefix, there))
        return `ERR Prefix '${prefix}' overlaps with an existing prefix '${there}'. Prefixes for a single client must not overlap.`;
    const other = prefixes.slice(i + 1).find((later) => overlap(prefix, later));
    if (other !== undefined)
      return `ERR Prefix '${prefix}' overlaps with another provided prefix '${other}'. Prefixes for a single client must not overlap.`;
  }
  return null;
}

function caching({ session: { tracking: tracked } }: Run, args: Args, reply: Reply): void {
  if (tracked === null) return reply.error(NO_CACHING);
  const yes = args.is(2, "YES");
  if (!yes && !args.is(2, "NO")) return reply.error(SYNTAX);
  if (yes && tracked.mode !== "opt in")
    return reply.error(
      "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
    );
  if (!yes && tracked.mode !== "opt out")
    return reply.error(
      "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
    );
  tracked.caching = true;
  reply.ok();
}

function trackingInfo({ session: { tracking: tracked } }: Run, _args: Args, reply: Reply): void {
  const flags = tracked === null ? ["off"] : flagsOf(tracked);
  reply.map(3);
  reply.text("flags");
  reply.set(flags.length);
  for (const flag of flags) reply.text(flag);
  reply.text("redirect");
  reply.int(tracked?.redirect ?? -1);
  reply.text("prefixes");
  const prefixes = [...(tracked?.prefixes ?? [])];
  reply.array(prefixes.length);
  for (const prefix of prefixes) reply.text(prefix);
}

function flagsOf({ mode, caching: excepted, noLoop, broken }: Tracked): string[] {
  const flags = ["on"];
  if (mode === "broadcast") flags.push("bcast");
  if (mode === "opt in") flags.push("optin");
  if (mode === "opt in" && excepted) flags.push("caching-yes");
  if (mode === "opt out") flags.push("optout");
  if (mode === "opt out" && excepted) flags.push("caching-no");
  if (noLoop) flags.push("noloop");
  if (broken) flags.push("broken_redirect");
  return flags;
}
