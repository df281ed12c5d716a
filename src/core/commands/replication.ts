/**
 * Replication: the commands by which Redis is made a replica, and those that ask about it: ROLE REPLICAOF SLAVEOF SYNC PSYNC
 * REPLCONF.
 *
 * Invariant: to a client every region is a master without replicas, for each takes writes. Regions replicate through links, which
 * the configuration names and no command changes.
 */
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import type { Run } from "./run.ts";

const common = { keys: [0, 0, 0], categories: [], group: "server", complexity: "O(1)" } as const;

export const replicationCommands: readonly Command[] = [
  {
    ...common,
    name: "role",
    arity: 1,
    flags: ["noscript", "loading", "stale", "fast"],
    categories: ["admin", "dangerous"],
    since: "2.8.12",
    summary: "Returns the role in replication: always a master",
    run: role,
  },
  replicaOf("replicaof", "5.0.0"),
  replicaOf("slaveof", "1.0.0"),
  {
    ...common,
    name: "sync",
    arity: 1,
    flags: ["admin", "noscript", "no_async_loading", "no_multi"],
    since: "1.0.0",
    summary: "Refused: regions replicate through links",
    run: (_run, _args, reply) => reply.error(throughLinks("SYNC")),
  },
  {
    ...common,
    name: "psync",
    arity: -3,
    flags: ["admin", "noscript", "no_async_loading", "no_multi"],
    since: "2.8.0",
    summary: "Refused: regions replicate through links",
    run: (_run, _args, reply) => reply.error(throughLinks("PSYNC")),
  },
  {
    ...common,
    name: "replconf",
    arity: -1,
    flags: ["admin", "noscript", "loading", "stale", "allow_busy"],
    since: "3.0.0",
    summary: "Refused: regions replicate through links",
    run: (_run, _args, reply) => reply.error(throughLinks("REPLCONF")),
  },
];

function throughLinks(command: string): string {
  return `ERR ${command} is not supported: regions replicate through the links in their configuration`;
}

function role(_run: Run, _args: Args, reply: Reply): void {
  reply.array(3);
  reply.text("master");
  reply.int(0);
  reply.array(0);
}

/** REPLICAOF, or SLAVEOF as it was called before. */
function replicaOf(name: string, since: string): Command {
  return {
    ...common,
    name,
    arity: 3,
    flags: ["admin", "noscript", "stale", "no_async_loading"],
    since,
    summary: "Refused unless it is NO ONE, for a region is never another's replica",
    run: (_run, args, reply) => {
      if (args.is(1, "NO") && args.is(2, "ONE")) reply.ok();
      else reply.error(throughLinks(name.toUpperCase()));
    },
  };
}
