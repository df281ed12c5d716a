/**
 * CommandKind: what a gateway may do with a command whose region dies before it has answered.
 *
 * Invariant: a command that is made twice leaves what it leaves when it is made once, or it is `unsafe`; so is what nobody has judged. The answer
 * of the second time may tell that there was nothing left to do (a SADD that adds none).
 */
import { READS, WRITES } from "../../commands/command-table.ts";
import { commandTable } from "../../commands/table.ts";
import type { Args } from "../../wire/args.ts";

export const KIND = {
  /** Changes nothing. */
  read: 0,
  /** Writes, and does nothing more when it is made again. */
  idempotent: 1,
  /** Would do again what it does, or it is not known. */
  unsafe: 2,
  /** Says something of the connection, which holds at the next region too. */
  state: 3,
  multi: 4,
  exec: 5,
  discard: 6,
  watch: 7,
  unwatch: 8,
  /** Asks for messages, or for no more: answered once a channel. */
  subscription: 9,
  reset: 10,
  quit: 11,
  /** Not taken: it is about one region, or about the bytes of the connection itself. */
  refused: 12,
} as const;
export type Kind = (typeof KIND)[keyof typeof KIND];

/** Writes that leave the same when they are made again, whatever their options. */
const IDEMPOTENT = [
  ["setex", "psetex", "mset", "setrange", "setbit", "hset", "hmset", "hdel", "sadd", "srem"],
  ["zrem", "geoadd", "lset", "pfadd", "pfmerge", "del", "unlink", "persist", "hpersist", "xack"],
  ["expire", "pexpire", "expireat", "pexpireat", "hexpire", "hpexpire", "hexpireat", "hpexpireat"],
  ["sinterstore", "sunionstore", "sdiffstore", "zunionstore", "zinterstore", "zdiffstore"],
  ["zrangestore", "geosearchstore", "zremrangebyscore", "zremrangebylex", "xdel", "hsetex"],
  ["json.set", "json.mset", "json.merge", "json.del", "json.forget", "json.clear"],
  ["xgroup|setid", "xgroup|createconsumer", "doc.apply"],
].flat();

/** Neither read nor write by their flags, and harmless. */
const HARMLESS = [
  ["ping", "echo", "time", "info", "lastsave", "role", "command", "lolwut", "wait", "waitaof"],
  ["client|id", "client|info", "client|list", "client|getname", "client|getredir"],
  ["client|trackinginfo", "client|caching", "config|get", "aa.token", "aa.keyspace|list"],
  ["acl|cat", "acl|genpass", "acl|getuser", "acl|list", "acl|users", "acl|whoami", "acl|dryrun"],
  ["slowlog|get", "slowlog|len", "latency|latest", "latency|history", "memory|doctor"],
  ["memory|stats", "script|exists", "script|load", "function|list", "function|dump"],
  ["function|stats", "module|list", "cluster|info", "cluster|keyslot", "cluster|nodes"],
  ["cluster|shards", "cluster|slots", "cluster|myid", "cluster|links", "cluster|countkeysinslot"],
  ["cluster|getkeysinslot", "pubsub|channels", "pubsub|numpat", "pubsub|numsub"],
  ["pubsub|shardchannels", "pubsub|shardnumsub", "xinfo|help", "object|help"],
  ["command|count", "command|docs", "command|getkeys", "command|getkeysandflags"],
  ["command|info", "command|list"],
].flat();

const STATE = [
  ["auth", "hello", "select", "readonly", "readwrite", "aa.level", "aa.session"],
  ["client|setname", "client|setinfo", "client|no-evict", "client|no-touch", "client|tracking"],
].flat();

const SUBSCRIPTION = [
  ["subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe"],
].flat();

const REFUSED = [
  ["monitor", "sync", "psync", "replconf", "replicaof", "slaveof", "shutdown", "client|reply"],
].flat();

const SINGLE: Readonly<Record<string, Kind>> = {
  multi: KIND.multi,
  exec: KIND.exec,
  discard: KIND.discard,
  watch: KIND.watch,
  unwatch: KIND.unwatch,
  reset: KIND.reset,
  quit: KIND.quit,
};

/** By the index of the entry in the table. */
const kinds: Uint8Array = new Uint8Array(commandTable.entries.length).fill(KIND.unsafe);
for (const { index, name, bits } of commandTable.entries)
  if ((bits & READS) !== 0 && (bits & WRITES) === 0) kinds[index] = KIND.read;
  else if (name in SINGLE) kinds[index] = SINGLE[name] as Kind;
for (const [names, kind] of [
  [IDEMPOTENT, KIND.idempotent],
  [HARMLESS, KIND.read],
  [STATE, KIND.state],
  [SUBSCRIPTION, KIND.subscription],
  [REFUSED, KIND.refused],
] as const)
  for (const name of names) {
    const entry = commandTable.named(name);
    if (entry === null) throw new Error(`bug: there is no command ${name}`);
    kinds[entry.index] = kind;
  }

const [SET, ZADD, GETEX, AA_DO, AA_READ] = ["set", "zadd", "getex", "aa.do", "aa.read"].map(
  (name) => commandTable.named(name),
);

/** What a command is; one that nobody knows is `unsafe`. */
export function kindOf(args: Args): Kind {
  const entry = commandTable.find(args);
  if (entry === null) return KIND.unsafe;
  if (entry === SET) return hasAny(args, 3, "NX", "XX", "GET") ? KIND.unsafe : KIND.idempotent;
  // With INCR it adds; all other options leave the same.
  if (entry === ZADD) return hasAny(args, 2, "INCR", "NX") ? KIND.unsafe : KIND.idempotent;
  if (entry === GETEX) return KIND.idempotent;
  if (entry === AA_READ) return KIND.read;
  // What runs at a level is as it is without; where it begins is not worth finding out.
  if (entry === AA_DO) return KIND.unsafe;
  return kinds[entry.index] as Kind;
}

/** Whether one of the words from argument `i` on is one of these, in capitals. */
function hasAny(args: Args, i: number, ...words: string[]): boolean {
  for (; i < args.count; i++) for (const word of words) if (args.is(i, word)) return true;
  return false;
}
