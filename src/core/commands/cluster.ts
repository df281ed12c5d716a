/**
 * Cluster: CLUSTER, READONLY and READWRITE, as a Redis that is not in cluster mode answers them.
 *
 * Invariant: CLUSTER KEYSLOT works all the same, because slots exist here too and it needs nothing else.
 */
import { slotOf } from "../keyspace/slot.ts";
import type { Command, Flag } from "./command.ts";
import { container } from "./container.ts";
import { CLUSTER_DISABLED } from "./errors.ts";

const common = { keys: [0, 0, 0], categories: [], group: "cluster", complexity: "O(1)" } as const;

export const clusterCommands: readonly Command[] = [
  container(
    {
      name: "cluster",
      group: "cluster",
      since: "3.0.0",
      summary: "Commands of the cluster mode, which is off",
      helpSince: "5.0.0",
    },
    [
      {
        ...common,
        name: "keyslot",
        arity: 3,
        flags: ["stale"],
        since: "3.0.0",
        complexity: "O(N) for N bytes of the key",
        usage: "<key>",
        summary: "Returns the hash slot of a key",
        run: (_run, args, reply) =>
          reply.int(slotOf(args.bytes, args.start[2] as number, args.end[2] as number)),
      },
      ...[
        disabled("countkeysinslot", 3, "3.0.0", "<slot>"),
        disabled("getkeysinslot", 4, "3.0.0", "<slot> <count>"),
        disabled("info", 2, "3.0.0"),
        disabled("links", 2, "7.0.0"),
        disabled("myid", 2, "3.0.0"),
        disabled("nodes", 2, "3.0.0"),
        disabled("shards", 2, "7.0.0"),
        disabled("slots", 2, "3.0.0"),
      ],
    ],
  ),
  disabled("readonly", 1, "3.0.0", "", ["loading", "stale", "fast"], ["connection"]),
  disabled("readwrite", 1, "3.0.0", "", ["loading", "stale", "fast"], ["connection"]),
];

function disabled(
  name: string,
  arity: number,
  since: string,
  usage = "",
  flags: readonly Flag[] = ["stale"],
  categories: readonly string[] = [],
): Command {
  return {
    ...common,
    name,
    arity,
    flags,
    categories,
    since,
    usage,
    summary: "Refused: cluster mode is off",
    run: (_run, _args, reply) => reply.error(CLUSTER_DISABLED),
  };
}
