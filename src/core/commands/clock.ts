/**
 * Clock: AA.CLOCK: which time this node goes by, what others show, and whose records are held for being from the future.
 *
 * Invariant: looking changes nothing; an operator's word counts only where nobody else can give one.
 */
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { SYNTAX } from "./errors.ts";
import type { Run } from "./run.ts";

/** What a node knows of its clock, in milliseconds. */
export interface ClockFacts {
  /** The time it goes by, since 1970. */
  readonly nowMs: number;
  /** The wall clock minus that. */
  readonly offsetMs: number;
  /** Why its clock is believed to be wrong; null while it is not. */
  readonly suspect: string | null;
  /** The newest stamp, given or seen, and what the next life of this directory begins behind. */
  readonly stampMs: number;
  readonly ceilingMs: number;
  /** Whether it could be told yet what time it is. */
  readonly told: boolean;
  readonly members: readonly MemberClock[];
}

export interface MemberClock {
  readonly member: string;
  /** Its wall clock minus the time we go by; null while it is not heard. */
  readonly offsetMs: number | null;
  /** Its records that wait here until their time has come, and how far the first of them is ahead. */
  readonly heldRecords: number;
  readonly heldMs: number;
}

export const clockCommands: readonly Command[] = [
  {
    name: "aa.clock",
    arity: -1,
    flags: ["admin", "noscript", "no_multi", "loading", "stale", "fast"],
    keys: [0, 0, 0],
    categories: [],
    group: "server",
    since: "0.1.0",
    complexity: "O(N) for N members",
    summary: "Shows which time the node goes by, or says that its clock is right",
    usage: "[ACCEPT]",
    run: clock,
  },
];

function clock(run: Run, args: Args, reply: Reply): void {
  if (args.count > 2 || (args.count === 2 && !args.is(1, "ACCEPT"))) return reply.error(SYNTAX);
  if (args.count === 2) {
    const refusal = run.node.acceptClock();
    return refusal === null ? reply.ok() : reply.error(`ERR ${refusal}`);
  }
  const facts = run.node.clock();
  if (facts === null) return reply.nil();
  reply.map(7);
  number(reply, "now-ms", facts.nowMs);
  number(reply, "wall-clock-ahead-ms", facts.offsetMs);
  number(reply, "newest-stamp-ms", facts.stampMs);
  number(reply, "stamps-begin-ms", facts.ceilingMs);
  reply.text("told");
  reply.text(facts.told ? "yes" : "no");
  reply.text("suspect");
  reply.text(facts.suspect ?? "");
  reply.text("members");
  reply.array(facts.members.length);
  for (const { member, offsetMs, heldRecords, heldMs } of facts.members) {
    reply.map(4);
    reply.text("member");
    reply.text(member);
    reply.text("ahead-ms");
    if (offsetMs === null) reply.nil();
    else reply.int(Math.round(offsetMs));
    number(reply, "held-records", heldRecords);
    number(reply, "held-for-ms", heldMs);
  }
}

function number(reply: Reply, name: string, value: number): void {
  reply.text(name);
  reply.int(Math.round(value));
}
