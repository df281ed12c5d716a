/**
 * Pub/sub: SUBSCRIBE PSUBSCRIBE SSUBSCRIBE, their opposites, PUBLISH, SPUBLISH, PUBSUB.
 *
 * Invariant: a message goes at most once to whoever listens when it is published, and is kept for nobody. What PUBLISH answers are
 * the receivers at this replica: which other regions hear of it is decided by `pubsub` of the channel's keyspace, and not waited
 * for.
 */
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command, Flag, Handler } from "./command.ts";
import { container } from "./container.ts";
import { wrongUse } from "./errors.ts";
import { globMatches } from "./glob.ts";
import type { Run } from "./run.ts";
import type { Kind } from "./subscriptions.ts";

const listening = ["pubsub", "noscript", "loading", "stale"] as const;
const publishing = ["pubsub", "loading", "stale", "fast"] as const;
const asking = ["pubsub", "loading", "stale"] as const;
const common = { keys: [0, 0, 0], categories: [], group: "pubsub" } as const;
/** Shard channels are hashed to slots as keys are, and COMMAND says so. */
const shardKeyFlags = ["not_key"] as const;

export const pubsubCommands: readonly Command[] = [
  listens("subscribe", "2.0.0", "Listens to channels", subscribe("channel", "subscribe")),
  listens("psubscribe", "2.0.0", "Listens to patterns", subscribe("pattern", "psubscribe")),
  listens("ssubscribe", "7.0.0", "Listens to shard channels", subscribe("shard", "ssubscribe")),
  listens(
    "unsubscribe",
    "2.0.0",
    "Stops listening to channels, to all of them by default",
    unsubscribe("channel", "unsubscribe"),
  ),
  listens(
    "punsubscribe",
    "2.0.0",
    "Stops listening to patterns, to all of them by default",
    unsubscribe("pattern", "punsubscribe"),
  ),
  listens(
    "sunsubscribe",
    "7.0.0",
    "Stops listening to shard channels, to all of them by default",
    unsubscribe("shard", "sunsubscribe"),
  ),
  {
    ...common,
    name: "publish",
    arity: 3,
    flags: publishing,
    since: "2.0.0",
    complexity: "O(N+M) for N subscribers of the channel and M patterns in all",
    summary: "Sends a message to whoever listens to a channel now",
    waitsWithWriters: true,
    channels: "one",
    run: (run, args, reply) => reply.int(run.publish(args.view(1), args.view(2))),
  },
  {
    ...common,
    name: "spublish",
    arity: 3,
    flags: publishing,
    keys: [1, 1, 1],
    keyFlags: shardKeyFlags,
    since: "7.0.0",
    complexity: "O(N) for N subscribers of the shard channel",
    summary: "Sends a message to whoever listens to a shard channel now",
    waitsWithWriters: true,
    channels: "one",
    run: (run, args, reply) =>
      reply.int(run.subscriptions.publishShard(args.view(1), args.view(2))),
  },
  container(
    {
      name: "pubsub",
      group: "pubsub",
      since: "2.8.0",
      helpSince: "6.2.0",
      summary: "Tells what is listened to at this replica",
    },
    [
      asks(
        "channels",
        -2,
        "2.8.0",
        "[<pattern>]",
        "Lists channels that somebody listens to",
        list("channel"),
      ),
      asks(
        "numpat",
        2,
        "2.8.0",
        "",
        "Counts the patterns that somebody listens to",
        (run, _args, reply) => reply.int(run.subscriptions.count("pattern")),
      ),
      asks(
        "numsub",
        -2,
        "2.8.0",
        "[<channel> ...]",
        "Counts who listens to channels",
        count("channel"),
      ),
      asks(
        "shardchannels",
        -2,
        "7.0.0",
        "[<pattern>]",
        "Lists shard channels that somebody listens to",
        list("shard"),
      ),
      asks(
        "shardnumsub",
        -2,
        "7.0.0",
        "[<shardchannel> ...]",
        "Counts who listens to shard channels",
        count("shard"),
      ),
    ],
  ),
];

// ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

function listens(name: string, since: string, summary: string, run: Handler): Command {
  const shard = name.startsWith("s") && name !== "subscribe";
  return {
    ...common,
    name,
    arity: name.includes("unsub") ? -1 : -2,
    flags: listening,
    ...(name.includes("unsub") ? {} : { channels: name === "psubscribe" ? "patterns" : "all" }),
    ...(shard ? { keys: [1, -1, 1], keyFlags: shardKeyFlags } : {}),
    since,
    complexity: "O(N) for N names",
    summary,
    subscriberMay: true,
    pushes: true,
    run,
  };
}

function asks(
  name: string,
  arity: number,
  since: string,
  usage: string,
  summary: string,
  run: Handler,
): Command {
  const flags: readonly Flag[] = asking;
  const complexity = name === "numpat" ? "O(1)" : "O(N) for N channels";
  return { ...common, name, arity, flags, since, usage, complexity, summary, run };
}

// ── handlers ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

function subscribe(kind: Kind, word: string): Handler {
  return (run, args, reply) => {
    for (let i = 1; i < args.count; i++) {
      const name = args.text(i);
      run.subscriptions.add(run.session, kind, name);
      confirm(run, kind, word, name, reply);
    }
  };
}

function unsubscribe(kind: Kind, word: string): Handler {
  return (run, args, reply) => {
    const { subscriptions, session } = run;
    const names = args.count > 1 ? namesIn(args) : [...subscriptions.of(session, kind)];
    for (const name of names) {
      subscriptions.remove(session, kind, name);
      confirm(run, kind, word, name, reply);
    }
    if (names.length === 0) confirm(run, kind, word, null, reply);
  };
}

function namesIn(args: Args): string[] {
  const names: string[] = [];
  for (let i = 1; i < args.count; i++) names.push(args.text(i));
  return names;
}

/** Tells the client what it has just begun or stopped to listen to, and to how many names it listens now. */
function confirm(run: Run, kind: Kind, word: string, name: string | null, reply: Reply): void {
  const { subscriptions, session } = run;
  const of = (some: Kind): number => subscriptions.of(session, some).size;
  reply.push(3);
  reply.text(word);
  if (name === null) reply.nil();
  else reply.text(name);
  reply.int(kind === "shard" ? of("shard") : of("channel") + of("pattern"));
}

function list(kind: Kind): Handler {
  return ({ subscriptions }, args, reply) => {
    if (args.count > 3) return reply.error(wrongUse(args));
    const pattern = args.count === 3 ? args.copy(2) : null;
    const mark = reply.mark;
    let found = 0;
    for (const name of subscriptions.names(kind)) {
      if (pattern !== null && !globMatches(pattern, Buffer.from(name, "latin1"), 0, name.length))
        continue;
      reply.text(name);
      found++;
    }
    reply.insertArrayHeader(mark, found);
  };
}

function count(kind: Kind): Handler {
  return ({ subscriptions }, args, reply) => {
    reply.array((args.count - 2) * 2);
    for (let i = 2; i < args.count; i++) {
      const name = args.text(i);
      reply.text(name);
      reply.int(subscriptions.countOf(kind, name));
    }
  };
}
