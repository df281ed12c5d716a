/**
 * Keyspaces: AA.KEYSPACE, which shows and changes what holds for keys with a prefix, in the whole cluster.
 *
 * Invariant: a change holds for all members or for none: `core/strong/register.ts` has them agree on it. A policy is a lens: changing it
 * changes what readers see and nothing that is stored. A format is chosen while there are no keys. Who writes keys changes while nobody
 * does.
 */
import { CHOICES, CHOSEN } from "../crdt/keyspace-words.ts";
import { type Format, FORMATS } from "../crdt/format.ts";
import { PLAIN, POLICIES, policyName } from "../crdt/policy.ts";
import { MOVED_HOMES } from "../replica/formats.ts";
import type { Configuration, Edit, Takeover } from "../strong/configuration.ts";
import type { Args } from "../wire/args.ts";
import { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { container } from "./container.ts";
import { notReadByAll, SYNTAX } from "./errors.ts";
import { explainKey } from "./explain-key.ts";
import type { Run } from "./run.ts";

/** What has all members agree on a change. */
export interface Agreeing {
  /** What is in force. */
  readonly configuration: Configuration;
  /** The prefixes of which this node's own file says something else. */
  differences(): string[];
  /** `end` is told when it holds, or why it does not, as an error with its code; at once, or in a later turn. */
  change(edit: Edit, timeoutMs: number, end: (changed: Changed) => void): void;
  /** Gives the keys of an owner that is away to another region; as `change`. */
  takeOver(takeover: Takeover, timeoutMs: number, end: (changed: Changed) => void): void;
}

type Changed = { readonly epoch: number } | { readonly refusal: string };

/** A change waits for every member; longer when AA.DO TIMEOUT says so. */
const CHANGE_WITHIN_MS = 10_000;

function list(run: Run, _args: Args, reply: Reply): void {
  const keyspaces = run.keyspace.policies.list();
  const differences = run.register?.differences() ?? [];
  const configuration = run.register?.configuration ?? [];
  reply.array(keyspaces.length);
  for (const keyspace of keyspaces) {
    const { prefix, conflict, format, home, since, fence } = keyspace;
    reply.map(8 + CHOSEN.length);
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
    reply.text(run.homes.regionOf({ name: prefix, home, fence }));
    reply.text("conflicts");
    reply.int(run.write.conflicts.seen.get(prefix) ?? 0);
    reply.text("since");
    reply.int(since);
    reply.text("changing");
    reply.text(changing(configuration, prefix));
    reply.text("file");
    reply.text(differences.includes(prefix) ? "differs" : "");
  }
}

/** What a keyspace is to say once nobody writes its keys; empty when it does not change. */
function changing(configuration: Configuration, prefix: string): string {
  const change = configuration.find((one) => one.prefix === prefix)?.change ?? null;
  if (change === null) return "";
  if (change.words === null) return "removed";
  return Object.entries(change.words)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
}

function replyFormat(format: Format | null, reply: Reply): void {
  reply.text("format");
  reply.text(format ?? "plain");
}

function set(run: Run, args: Args, reply: Reply): void {
  const words: Record<string, string> = {};
  for (let i = 3; i < args.count; i += 2) {
    if (i + 1 === args.count) return reply.error(SYNTAX);
    const read = readWord(run, args.text(i), args.text(i + 1));
    if ("problem" in read) return reply.error(read.problem);
    words[read.name] = read.value;
  }
  const edit = { prefix: args.text(2), words };
  agree(
    run,
    (register, ...rest) => register.change(edit, ...rest),
    reply,
    (to) => to.ok(),
  );
}

/** One setting of a keyspace as it is agreed on: empty for what is as everywhere. */
export function readWord(
  run: Run,
  name: string,
  text: string,
): { readonly name: string; readonly value: string } | { readonly problem: string } {
  const wanted = name.toLowerCase();
  const word = text.toLowerCase();
  const choice = CHOSEN.find((one) => one.toLowerCase() === wanted);
  if (choice !== undefined) {
    const known: readonly string[] = CHOICES[choice];
    const value = known.find((one) => one.toLowerCase() === word);
    if (value === undefined) return { problem: `ERR ${wanted} is one of ${known.join(", ")}` };
    return { name: choice, value: value === PLAIN[choice] ? "" : value };
  }
  if (wanted === "home") {
    const { regions } = run.homes;
    if (word !== "" && !regions.includes(word)) return { problem: noRegion(word, regions) };
    return { name: wanted, value: word };
  }
  if (wanted === "conflict") {
    const { resolvers } = run.keyspace.policies;
    const value = POLICIES.find((one) => one === word) ?? resolvers.get(text)?.name;
    if (value === undefined) {
      const known = [...POLICIES, ...resolvers.keys()];
      return { problem: `ERR a conflict policy is one of ${known.join(", ")}` };
    }
    return { name: wanted, value: value === "lww" ? "" : value };
  }
  if (wanted === "format") {
    const value = FORMATS.find((one) => one === word);
    if (value === undefined && word !== "plain")
      return { problem: `ERR a format is one of plain, ${FORMATS.join(", ")}` };
    return { name: wanted, value: value ?? "" };
  }
  return { problem: SYNTAX };
}

/** Has a change agreed on; its client waits for that. */
function agree(
  run: Run,
  what: (register: Agreeing, timeoutMs: number, end: (changed: Changed) => void) => void,
  reply: Reply,
  agreed: (reply: Reply) => void,
): void {
  const { session, register } = run;
  if (register === null) return reply.error("ERR nothing is agreed on here");
  const { resp } = session;
  const muted = session.replies !== "on";
  let isOver = false;
  let waits = false;
  what(register, session.said?.timeoutMs ?? CHANGE_WITHIN_MS, (changed) => {
    isOver = true;
    const to = waits ? new Reply() : reply;
    to.resp = resp;
    if ("refusal" in changed) to.error(changed.refusal);
    else agreed(to);
    if (waits)
      run.blocking.answers.push({
        session,
        bytes: muted ? Buffer.alloc(0) : to.sink.copy(),
        seq: 0,
        wrote: false,
      });
  });
  waits = !isOver;
  session.deciding ||= waits;
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
  const before = homes.ownerIn(homes.regionOf({ ...keyspace, name: prefix }), prefix);
  if (isForced && before !== null && homes.isUp(before))
    return reply.error(
      `ERR ${before}, which owns the keys, can be reached: move them without FORCE`,
    );
  if (isForced && keyspace.failover === "auto") {
    const takeover = { prefix, fence: keyspace.fence, region };
    return agree(
      run,
      (register, ...rest) => register.takeOver(takeover, ...rest),
      reply,
      (to) => to.ok(),
    );
  }
  if (isForced && owner !== homes.me)
    return reply.error(`ERR only the new owner takes keys by force: ask ${owner}`);
  if (!run.allRead(MOVED_HOMES)) return reply.error(notReadByAll("homes that are moved"));
  if (owner !== before) homes.move(prefix, region, keyspace.fence);
  reply.ok();
}

function remove(run: Run, args: Args, reply: Reply): void {
  const prefix = args.text(2);
  const wasThere = run.keyspace.policies.list().some((keyspace) => keyspace.prefix === prefix);
  if (!wasThere) return reply.int(0);
  const edit = { prefix, words: null };
  agree(
    run,
    (register, ...rest) => register.change(edit, ...rest),
    reply,
    (to) => to.int(1),
  );
}

function explain(run: Run, args: Args, reply: Reply): void {
  const { db, bytes, start, end } = run.look(args, 2);
  const explained = Object.entries(explainKey(run, db, bytes.subarray(start, end)));
  reply.map(1 + explained.length);
  reply.text("key");
  reply.bulk(bytes, start, end);
  for (const [name, value] of explained) {
    reply.text(name);
    if (typeof value === "number") reply.int(value);
    else reply.text(value);
  }
}

const common = {
  keys: [0, 0, 0],
  categories: [],
  group: "atoll",
  since: "0.1.0",
  complexity: "O(N) for N keyspaces",
} as const;
const admin = ["admin", "noscript", "loading", "stale"] as const;
const changes = ["admin", "noscript", "no_multi"] as const;

/** AA.KEYSPACE. */
export const keyspaceCommands: readonly Command[] = [
  container(
    {
      name: "aa.keyspace",
      group: "atoll",
      since: "0.1.0",
      summary:
        "How keys with a prefix are kept, written, and conflicts resolved, in the whole cluster",
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
        flags: changes,
        usage:
          "<prefix> [CONFLICT <policy>] [FORMAT <format>] [XREAD (LOCAL|STABLE)] [PUBSUB (LOCAL|GLOBAL)] [WRITES (LOCAL|HOME|GLOBAL)] [HOME <region>] [POP (LOCAL|OWNER)] [FORWARD (YES|NO)] [FAILOVER (MANUAL|AUTO)] [READLEVEL <level>] [WRITELEVEL <level>]",
        complexity: "O(N) for N keyspaces; a change of who writes waits for every member",
        summary: "Sets what holds for the keys of a prefix, everywhere, once all members agree",
        run: set,
      },
      {
        ...common,
        name: "del",
        arity: 3,
        flags: changes,
        usage: "<prefix>",
        complexity: "O(N) for N keyspaces; a change of who writes waits for every member",
        summary: "Takes the keyspace of a prefix away, everywhere, once all members agree",
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
        summary:
          "Tells which keyspace governs a key, what it says, why, since which epoch, and who owns the key",
        run: explain,
      },
    ],
  ),
];
