/**
 * Keyspaces: AA.KEYSPACE, which shows and changes how conflicts of keys with a prefix are resolved.
 *
 * Invariant: a policy is a lens: changing it changes what readers see and nothing that is stored. Whoever watches a key of the
 * prefix is told. The change is this node's alone, and lasts until it stops.
 */
import { POLICIES, type Policy, policyName } from "../crdt/policy.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { container } from "./container.ts";
import { SYNTAX } from "./errors.ts";
import type { Run } from "./run.ts";

function list(run: Run, _args: Args, reply: Reply): void {
  const keyspaces = run.keyspace.policies.list();
  reply.array(keyspaces.length);
  for (const { prefix, conflict } of keyspaces) {
    reply.map(3);
    reply.text("prefix");
    reply.text(prefix);
    reply.text("conflict");
    reply.text(policyName(conflict));
    reply.text("conflicts");
    reply.int(run.write.conflicts.seen.get(prefix) ?? 0);
  }
}

function set(run: Run, args: Args, reply: Reply): void {
  if (!args.is(3, "CONFLICT")) return reply.error(SYNTAX);
  const policy = policyOf(run, args.text(4));
  if (policy === null) {
    const known = [...POLICIES, ...run.keyspace.policies.resolvers.keys()];
    return reply.error(`ERR a conflict policy is one of ${known.join(", ")}`);
  }
  const prefix = args.text(2);
  run.keyspace.policies.set(prefix, policy);
  dirty(run, prefix);
  reply.ok();
}

/** The policy of a name, or the resolver if the configuration names that module; null when there is none. */
function policyOf(run: Run, word: string): Policy | null {
  const known = POLICIES.find((name) => name === word.toLowerCase());
  return known ?? run.keyspace.policies.resolvers.get(word) ?? null;
}

function remove(run: Run, args: Args, reply: Reply): void {
  const prefix = args.text(2);
  const wasThere = run.keyspace.policies.delete(prefix);
  if (wasThere) dirty(run, prefix);
  reply.int(wasThere ? 1 : 0);
}

/** What somebody watches may read otherwise now. */
function dirty(run: Run, prefix: string): void {
  for (const [name, sessions] of run.watchers)
    if (name.startsWith(prefix, name.indexOf(":") + 1))
      for (const session of sessions) session.dirty = true;
}

function explain(run: Run, args: Args, reply: Reply): void {
  const { bytes, start, end } = run.look(args, 2);
  const { policies } = run.keyspace;
  reply.map(3);
  reply.text("key");
  reply.bulk(bytes, start, end);
  reply.text("prefix");
  reply.text(policies.prefixOf(bytes, start, end));
  reply.text("conflict");
  reply.text(policyName(policies.of(bytes, start, end)));
}

const common = {
  keys: [0, 0, 0],
  categories: [],
  group: "atoll",
  since: "0.1.0",
  complexity: "O(N) for N keyspaces",
} as const;
const admin = ["admin", "noscript", "loading", "stale"] as const;

/** AA.KEYSPACE. */
export const keyspaceCommands: readonly Command[] = [
  container(
    {
      name: "aa.keyspace",
      group: "atoll",
      since: "0.1.0",
      summary: "How conflicts of keys with a prefix are resolved on this node",
    },
    [
      {
        ...common,
        name: "list",
        arity: 2,
        flags: admin,
        summary: "Lists the prefixes with a policy of their own",
        run: list,
      },
      {
        ...common,
        name: "set",
        arity: 5,
        flags: admin,
        usage: "<prefix> CONFLICT <policy>",
        summary: "Sets the policy of a prefix on this node, until it stops",
        run: set,
      },
      {
        ...common,
        name: "del",
        arity: 3,
        flags: admin,
        usage: "<prefix>",
        summary: "Takes the policy of a prefix away, on this node, until it stops",
        run: remove,
      },
      {
        ...common,
        name: "explain",
        arity: 3,
        flags: ["readonly"],
        keys: [2, 2, 1],
        keyFlags: ["RO"],
        usage: "<key>",
        summary: "Tells which policy holds for a key, and by which prefix",
        run: explain,
      },
    ],
  ),
];
