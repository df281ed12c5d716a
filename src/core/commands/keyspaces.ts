/**
 * Keyspaces: AA.KEYSPACE, which shows and changes how conflicts of keys with a prefix are resolved and how those keys are kept.
 *
 * Invariant: a policy is a lens: changing it changes what readers see and nothing that is stored. Whoever watches a key of the
 * prefix is told. A format is chosen while there are no keys. The change is this node's alone, and lasts until it stops;
 * but where a prefix was moved to, every node knows and keeps.
 */
import { type Format, FORMATS } from "../crdt/format.ts";
import {
  FORWARDS,
  type KeyspacePolicy,
  type More,
  PLAIN,
  POLICIES,
  type Policy,
  policyName,
  POPS,
  PUBSUBS,
  WRITES_AT,
  XREADS,
} from "../crdt/policy.ts";
import { Entry } from "../keyspace/table.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import { LEVELS } from "../replica/levels.ts";
import type { Command } from "./command.ts";
import { container } from "./container.ts";
import { SYNTAX } from "./errors.ts";
import type { Run } from "./run.ts";

const HAS_KEYS =
  "ERR the format of a prefix is chosen before there are keys: those that are there would keep theirs";

/** The words of a keyspace that are one of a few. */
const CHOICES = {
  xread: XREADS,
  pubsub: PUBSUBS,
  readLevel: LEVELS,
  writeLevel: LEVELS,
  writes: WRITES_AT,
  pop: POPS,
  forward: FORWARDS,
} as const;
const CHOSEN = Object.keys(CHOICES) as (keyof typeof CHOICES)[];

/** What a prefix says that says nothing. */
const NONE_OF_ITS_OWN: Required<KeyspacePolicy> = {
  prefix: "",
  conflict: "lww",
  format: null,
  ...PLAIN,
};

function list(run: Run, _args: Args, reply: Reply): void {
  const keyspaces = run.keyspace.policies.list();
  reply.array(keyspaces.length);
  for (const keyspace of keyspaces) {
    const { prefix, conflict, format, home } = keyspace;
    reply.map(5 + CHOSEN.length);
    reply.text("prefix");
    reply.text(prefix);
    reply.text("conflict");
    reply.text(policyName(conflict));
    replyFormat(format, reply);
    for (const name of CHOSEN) {
      reply.text(name.toLowerCase());
      reply.text(keyspace[name]);
    }
    reply.text("home");
    reply.text(run.homes.regionOf(prefix, home));
    reply.text("conflicts");
    reply.int(run.write.conflicts.seen.get(prefix) ?? 0);
  }
}

function replyFormat(format: Format | null, reply: Reply): void {
  reply.text("format");
  reply.text(format ?? "plain");
}

function set(run: Run, args: Args, reply: Reply): void {
  const { policies } = run.keyspace;
  const prefix = args.text(2);
  const before = policies.list().find((keyspace) => keyspace.prefix === prefix);
  const { prefix: _, conflict, format: kept, ...rest } = before ?? NONE_OF_ITS_OWN;
  let policy: Policy = conflict;
  let format: Format | null = kept;
  let more: Required<More> = rest;
  for (let i = 3; i < args.count; i += 2) {
    if (i + 1 === args.count) return reply.error(SYNTAX);
    const word = args.text(i + 1).toLowerCase();
    const choice = CHOSEN.find((name) => args.is(i, name.toUpperCase()));
    if (choice !== undefined) {
      const known: readonly string[] = CHOICES[choice];
      const named = known.find((one) => one.toLowerCase() === word);
      if (named === undefined)
        return reply.error(`ERR ${choice.toLowerCase()} is one of ${known.join(", ")}`);
      more = { ...more, [choice]: named };
    } else if (args.is(i, "HOME")) {
      const { regions } = run.homes;
      if (!regions.includes(word)) return reply.error(noRegion(word, regions));
      more = { ...more, home: word };
    } else if (args.is(i, "CONFLICT")) {
      const named = policyOf(run, args.text(i + 1));
      if (named === null) {
        const known = [...POLICIES, ...policies.resolvers.keys()];
        return reply.error(`ERR a conflict policy is one of ${known.join(", ")}`);
      }
      policy = named;
    } else if (args.is(i, "FORMAT")) {
      const named = FORMATS.find((name) => name === word) ?? null;
      if (named === null && word !== "plain")
        return reply.error(`ERR a format is one of plain, ${FORMATS.join(", ")}`);
      format = named;
    } else return reply.error(SYNTAX);
  }
  if (format !== kept && holdsKeys(run, prefix)) return reply.error(HAS_KEYS);
  policies.set(prefix, policy, format, more);
  dirty(run, prefix);
  reply.ok();
}

function noRegion(word: string, regions: readonly string[]): string {
  return `ERR there is no region ${word}; there are ${regions.join(", ")}`;
}

function move(run: Run, args: Args, reply: Reply): void {
  const { homes } = run;
  const prefix = args.text(2);
  const region = args.text(3).toLowerCase();
  const isForced = args.count === 5;
  if (isForced && !args.is(4, "FORCE")) return reply.error(SYNTAX);
  const keyspace = run.keyspace.policies.list().find((one) => one.prefix === prefix);
  if (keyspace === undefined || keyspace.writes !== "home" || keyspace.home === "")
    return reply.error("ERR only a prefix with writes: home and a home can be moved");
  const owner = homes.ownerIn(region, prefix);
  if (owner === null) return reply.error(noRegion(region, homes.regions));
  const before = homes.ownerIn(homes.regionOf(prefix, keyspace.home), prefix);
  if (isForced && before !== null && homes.isUp(before))
    return reply.error(
      `ERR ${before}, which owns the keys, can be reached: move them without FORCE`,
    );
  if (isForced && owner !== homes.me)
    return reply.error(`ERR only the new owner takes keys by force: ask ${owner}`);
  if (owner !== before) homes.move(prefix, region);
  reply.ok();
}

/** Whether any key begins with a prefix, those that have expired included. */
function holdsKeys({ keyspace }: Run, prefix: string): boolean {
  const entry = new Entry();
  const wanted = Buffer.from(prefix, "latin1");
  let cursor = 0;
  let found = false;
  do
    cursor = keyspace.walk(cursor, 1024, (table, at) => {
      if (!keyspace.isOfClients(table)) return;
      table.load(at, entry);
      const { bytes, nameStart, nameEnd } = entry;
      const end = Math.min(nameEnd, nameStart + wanted.length);
      if (wanted.compare(bytes, nameStart, end) === 0) found = true;
    });
  while (cursor !== 0 && !found);
  return found;
}

/** The policy of a name, or the resolver if the configuration names that module; null when there is none. */
function policyOf(run: Run, word: string): Policy | null {
  const known = POLICIES.find((name) => name === word.toLowerCase());
  return known ?? run.keyspace.policies.resolvers.get(word) ?? null;
}

function remove(run: Run, args: Args, reply: Reply): void {
  const prefix = args.text(2);
  const { policies } = run.keyspace;
  const format = policies.list().find((keyspace) => keyspace.prefix === prefix)?.format ?? null;
  if (format !== null && holdsKeys(run, prefix)) return reply.error(HAS_KEYS);
  const wasThere = policies.delete(prefix);
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
  const { writes, pop } = policies.find(bytes, start, end) ?? PLAIN;
  reply.map(9);
  reply.text("key");
  reply.bulk(bytes, start, end);
  reply.text("prefix");
  reply.text(policies.prefixOf(bytes, start, end));
  reply.text("conflict");
  reply.text(policyName(policies.of(bytes, start, end)));
  replyFormat(policies.formatOf(bytes, start, end), reply);
  reply.text("xread");
  reply.text(policies.xreadOf(bytes, start, end));
  reply.text("pubsub");
  reply.text(policies.isGlobal(bytes.subarray(start, end)) ? "global" : "local");
  reply.text("writes");
  reply.text(writes);
  reply.text("pop");
  reply.text(pop);
  reply.text("owner");
  reply.text(run.homes.ownerOf(args, 2));
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
      summary: "How keys with a prefix are kept, and conflicts resolved, on this node",
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
        arity: -5,
        flags: admin,
        usage:
          "<prefix> [CONFLICT <policy>] [FORMAT <format>] [XREAD (LOCAL|STABLE)] [PUBSUB (LOCAL|GLOBAL)] [WRITES (LOCAL|HOME)] [HOME <region>] [POP (LOCAL|OWNER)] [FORWARD (YES|NO)] [READLEVEL <level>] [WRITELEVEL <level>]",
        summary: "Sets policy and format of a prefix on this node, until it stops",
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
        name: "move",
        arity: -4,
        flags: ["write", "admin", "noscript", "no_multi"],
        // The owner gives them away; who takes them by force asks nobody.
        findKeys: (args) => (args.count === 4 ? [2] : []),
        keyFlags: ["RW", "update"],
        usage: "<prefix> <region> [FORCE]",
        complexity: "O(1)",
        summary:
          "Moves the keys of a prefix to another home, everywhere; FORCE, from one that is gone",
        run: move,
      },
      {
        ...common,
        name: "explain",
        arity: 3,
        flags: ["readonly"],
        keys: [2, 2, 1],
        keyFlags: ["RO"],
        usage: "<key>",
        summary: "Tells which policy and format hold for a key, by which prefix, and who owns it",
        run: explain,
      },
    ],
  ),
];
