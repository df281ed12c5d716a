/**
 * Sessions: AA.TOKEN gives what a session has seen, AA.SESSION takes it up, at whichever replica.
 *
 *   AA.TOKEN ─► token ─► any replica: AA.SESSION token ─► OK ─► each later command runs once what the token names is applied there
 *
 * Invariant: from then on the connection reads what the session wrote, never an older state than it saw, and what it writes is
 * applied nowhere before what it had seen. A replica never forgets, so once it has caught up there is nothing more to wait for.
 */
import type { Named } from "../replica/waits.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { SYNTAX } from "./errors.ts";
import type { Run } from "./run.ts";
import type { Session } from "./session.ts";
import { readToken, tokenOf } from "./session-token.ts";
import { millisecondsAt } from "./timeouts.ts";

const common = {
  keys: [0, 0, 0],
  categories: ["connection"],
  group: "consistency",
  since: "0.1.0",
} as const;
const flags = ["noscript", "loading", "stale", "fast"] as const;

export const sessionCommands: readonly Command[] = [
  {
    ...common,
    name: "aa.token",
    arity: 1,
    flags,
    complexity: "O(N) for N origins",
    summary: "Gives what this session has seen, to go on with elsewhere",
    run: token,
  },
  {
    ...common,
    name: "aa.session",
    arity: -2,
    flags,
    complexity: "O(N) for N origins",
    summary: "Takes up a session: later commands see all that it has seen",
    usage: "<token> [POLICY WAIT|REFUSE] [TIMEOUT <milliseconds>] | ON | OFF",
    run: session,
  },
];

function token(run: Run, _args: Args, reply: Reply): void {
  // What it names must not be lost in a crash.
  run.holdForEverything();
  reply.text(tokenOf(seenBy(run, run.session), run.tokenKey));
}

/** What a session may have seen, as far as not every member is known to have it. */
export function seenBy(run: Run, { behind }: Session): Named[] {
  const seen: Named[] = [];
  const { origins } = run.keyspace;
  for (const { number, seq } of run.waits.unstable())
    seen.push({ incarnation: origins.get(number).incarnation, seq });
  const lacking = missing(run, behind?.seen ?? []);
  const known = seen.filter((one) => lacking.every((b) => b.incarnation !== one.incarnation));
  return [...known, ...lacking];
}

function session(run: Run, args: Args, reply: Reply): void {
  const { session: own } = run;
  if (args.count === 2 && (args.is(1, "ON") || args.is(1, "OFF"))) {
    if (args.is(1, "OFF")) own.behind = null;
    return reply.ok();
  }
  let timeoutMs = own.consistency.timeoutMs;
  let refuses = false;
  for (let i = 2; i < args.count; i += 2) {
    if (i + 1 === args.count) return reply.error(SYNTAX);
    if (args.is(i, "POLICY") && (args.is(i + 1, "WAIT") || args.is(i + 1, "REFUSE")))
      refuses = args.is(i + 1, "REFUSE");
    else if (args.is(i, "TIMEOUT")) {
      timeoutMs = millisecondsAt(args, i + 1, reply);
      if (Number.isNaN(timeoutMs)) return;
    } else return reply.error(SYNTAX);
  }
  const seen = readToken(args.text(1), run.tokenKey);
  if (typeof seen === "string") return reply.error(seen);
  // What was taken up before stays: sessions that meet in one connection are one from then on.
  const all = missing(run, [...(own.behind?.seen ?? []), ...seen]);
  own.behind = all.length === 0 ? null : { seen: all, timeoutMs: refuses ? 0 : timeoutMs };
  reply.ok();
}

/** What is not applied here, each origin once. */
function missing({ waits, keyspace }: Run, seen: readonly Named[]): Named[] {
  const newest = new Map<string, number>();
  for (const { incarnation, seq } of seen) {
    if (waits.applied.covers(keyspace.origins.find(incarnation), seq)) continue;
    newest.set(incarnation, Math.max(seq, newest.get(incarnation) ?? 0));
  }
  return [...newest].map(([incarnation, seq]) => ({ incarnation, seq }));
}
