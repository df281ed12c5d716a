/**
 * Keys: commands on keys of any type, and on databases as a whole.
 *
 * Invariant: a removal takes what this replica has seen, so what another region writes meanwhile survives it. FLUSHALL and
 * FLUSHDB alone take everything that was written up to their time, seen or not.
 */
import {
  BOUNDED,
  DOCUMENT,
  HASH,
  LIST,
  NONE,
  SET,
  STREAM,
  STRING,
  type Type,
  ZSET,
} from "../crdt/key.ts";
import { Entry } from "../keyspace/table.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import { HAS_BOUNDED, holdsBounded } from "./bounded-guard.ts";
import type { Command, Handler } from "./command.ts";
import { SYNTAX } from "./errors.ts";
import { copyCommands, swapdb } from "./keys-copies.ts";
import { objectCommands } from "./keys-objects.ts";
import type { Run } from "./run.ts";

function del(run: Run, args: Args, reply: Reply): void {
  let removed = 0;
  for (let i = 1; i < args.count; i++) {
    const place = run.look(args, i);
    if (place.type === NONE) continue;
    run.write.remove(place);
    removed++;
  }
  reply.int(removed);
}

function exists(run: Run, args: Args, reply: Reply): void {
  let count = 0;
  for (let i = 1; i < args.count; i++) if (run.look(args, i).type !== NONE) count++;
  reply.int(count);
}

/** Whoever touches keys cares when they were used, so from the first TOUCH on that is known. */
function touch(run: Run, args: Args, reply: Reply): void {
  run.keyspace.trackAccess();
  run.touching = true;
  exists(run, args, reply);
}

function type(run: Run, args: Args, reply: Reply): void {
  reply.status(typeName(run.look(args, 1).type));
}

/** The name of a type, as TYPE tells it. */
export function typeName(of: Type): string {
  switch (of) {
    case STRING:
      return "string";
    case SET:
      return "set";
    case HASH:
      return "hash";
    case ZSET:
      return "zset";
    case LIST:
      return "list";
    case STREAM:
      return "stream";
    case DOCUMENT:
      return "ReJSON-RL";
    case BOUNDED:
      return "bounded";
    case NONE:
      return "none";
  }
}

/** How many keys RANDOMKEY looks at before it asks them in order. */
const DRAWS_MAX = 100;

function randomkey(run: Run, _args: Args, reply: Reply): void {
  run.holdForEverything();
  const { keyspace, session } = run;
  if (keyspace.keys(session.db) === 0) return reply.nil();
  const entry = new Entry();
  const isThere = (): boolean => {
    if (entry.db !== session.db) return false;
    return run.lookAt(entry.db, entry.bytes, entry.nameStart, entry.nameEnd).type !== NONE;
  };
  for (let draws = 0; draws < DRAWS_MAX; draws++) {
    const some = keyspace.some(run.chance());
    if (some === null) break;
    some.table.load(some.at, entry);
    if (isThere()) return reply.bulk(entry.bytes, entry.nameStart, entry.nameEnd);
  }
  // Nearly everything is expired or in other databases: take the first that is not.
  let found: Buffer | null = null;
  for (let cursor = 0; ;) {
    cursor = keyspace.walk(cursor, DRAWS_MAX, (table, at) => {
      if (found !== null) return;
      table.load(at, entry);
      if (isThere()) found = Buffer.from(entry.bytes.subarray(entry.nameStart, entry.nameEnd));
    });
    if (found !== null) return reply.buffer(found);
    if (cursor === 0) return reply.nil();
  }
}

function dbsize(run: Run, _args: Args, reply: Reply): void {
  run.holdForEverything();
  reply.int(run.keyspace.keys(run.session.db));
}

/** FLUSHALL and FLUSHDB; ASYNC and SYNC are taken and mean the same. */
function flushing(everything: boolean): Handler {
  return (run, args, reply) => {
    const known =
      args.count === 1 || (args.count === 2 && (args.is(1, "ASYNC") || args.is(1, "SYNC")));
    if (!known) return reply.error(SYNTAX);
    if (holdsBounded(run, everything ? null : run.session.db)) return reply.error(HAS_BOUNDED);
    run.write.flush(run.place(0), everything ? -1 : run.session.db);
    reply.ok();
  };
}

const common = { categories: ["keyspace"], group: "generic" } as const;
const many = {
  ...common,
  arity: -2,
  keys: [1, -1, 1],
  complexity: "O(N) for N keys",
  strong: true,
} as const;
const whole = {
  categories: ["keyspace", "dangerous"],
  group: "server",
  keys: [0, 0, 0],
} as const;

/** Every command on keys of any type, deadlines and walks apart. */
export const keyCommands: readonly Command[] = [
  {
    ...many,
    name: "del",
    keyFlags: ["RM", "delete"],
    flags: ["write"],
    since: "1.0.0",
    summary: "Deletes keys and counts them",
    run: del,
  },
  {
    ...many,
    name: "unlink",
    keyFlags: ["RM", "delete"],
    flags: ["write", "fast"],
    since: "4.0.0",
    summary: "Deletes keys and counts them, as DEL does",
    run: del,
  },
  {
    ...many,
    name: "exists",
    keyFlags: ["RO"],
    flags: ["readonly", "fast"],
    since: "1.0.0",
    summary: "Counts the keys that exist",
    glances: true,
    run: exists,
  },
  {
    ...many,
    name: "touch",
    keyFlags: ["RO"],
    flags: ["readonly", "fast"],
    since: "3.2.1",
    summary: "Makes keys as if they had just been used, and counts those that exist",
    run: touch,
  },
  {
    ...common,
    name: "type",
    keyFlags: ["RO"],
    arity: 2,
    flags: ["readonly", "fast"],
    keys: [1, 1, 1],
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Tells the type of a key",
    glances: true,
    strong: true,
    run: type,
  },
  {
    ...common,
    name: "randomkey",
    arity: 1,
    flags: ["readonly"],
    keys: [0, 0, 0],
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Draws the name of a key by chance",
    run: randomkey,
  },
  {
    ...whole,
    name: "dbsize",
    arity: 1,
    flags: ["readonly", "fast"],
    categories: ["keyspace"],
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Counts the keys of the database",
    run: dbsize,
  },
  {
    ...whole,
    name: "flushdb",
    arity: -1,
    flags: ["write"],
    since: "1.0.0",
    complexity: "O(N) for N keys in all databases",
    summary: "Empties the database, in all regions",
    run: flushing(false),
  },
  {
    ...whole,
    name: "flushall",
    arity: -1,
    flags: ["write"],
    since: "1.0.0",
    complexity: "O(N) for N keys in all databases",
    summary: "Empties all databases, in all regions",
    run: flushing(true),
  },
  {
    ...whole,
    name: "swapdb",
    arity: 3,
    flags: ["write", "fast"],
    since: "4.0.0",
    complexity: "O(N) for N keys in both databases, with what they hold",
    summary: "Exchanges two databases: every key of each is written anew in the other",
    run: swapdb,
  },
  ...copyCommands,
  ...objectCommands,
];
