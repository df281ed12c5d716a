/**
 * Compatibility notes: where a command of Redis 7.0.15 stands in Atoll, if not simply there.
 *
 * Invariant: a command that no note names is `full` when the command table has it, and `not yet` when it has not. Every note
 * is shown in docs/compatibility.md, and one that names nothing fails the tests.
 */

export type Stand = "full" | "different" | "not yet" | "refused";

export interface Note {
  stand: Stand;
  /** How it differs, or why it is not there. */
  text: string;
}

const different = (text: string): Note => ({ stand: "different", text });
const refused = (text: string): Note => ({ stand: "refused", text });
const full = (text: string): Note => ({ stand: "full", text });

const CLUSTER = "as Redis does while cluster mode is off";
const LINKS = "regions replicate through links, not as masters and replicas";
const OWN_WORDS = "lists the subcommands there are, in its own words";
const SLOTS = "cluster mode spreads keys over servers; here every region holds all of them";
const RULES = "rules are told in the commands and subcommands that are here";

const HERE = "of this replica";
const SCRIPTS =
  "one record; one that runs beyond `busy-reply-threshold` is stopped and leaves nothing behind; `redis.set_repl` changes nothing";
const EVERYWHERE = "in every region";

const STORED_DISTANCE =
  "`STOREDIST` may store another last digit: sine and cosine of two machines differ";

/** By name as COMMAND LIST has it. */
export const notes: Readonly<Record<string, Note>> = {
  // ── connection ─────────────────────────────────────────────────────────────────────────────────────────────────────
  auth: full("one user, `default`"),
  "client|help": different(OWN_WORDS),
  "client|info": different("as `CLIENT LIST`"),
  "client|list": different(
    "there are no buffers of a fixed size, so `rbs`, `obl` and their kin are 0 and `omem` is all that waits; `lib-name` and `lib-ver` are there as in Redis 7.2",
  ),
  "client|reply": different("`OFF` and `SKIP` are refused inside of a transaction"),
  "client|tracking": full(
    "changes from other regions invalidate too, and so does a deadline in the moment when it comes",
  ),

  // ── publish and subscribe ──────────────────────────────────────────────────────────────────────────────────────────
  publish: full(
    "counts the subscribers of this replica; a keyspace with `pubsub: global` reaches those of the other regions too",
  ),
  spublish: full("as Redis does while cluster mode is off"),
  "pubsub|help": different(OWN_WORDS),
  "pubsub|channels": full(HERE),
  "pubsub|numpat": full(HERE),
  "pubsub|numsub": full(HERE),
  "pubsub|shardchannels": full(HERE),
  "pubsub|shardnumsub": full(HERE),

  // ── scripts and functions ──────────────────────────────────────────────────────────────────────────────────────────
  eval: different(SCRIPTS),
  evalsha: different(`${SCRIPTS}; each replica knows the scripts it was sent`),
  fcall: different(SCRIPTS),
  "function|delete": full(EVERYWHERE),
  "function|flush": full(EVERYWHERE),
  "function|help": different(OWN_WORDS),
  "function|kill": different(
    "always `NOTBUSY`: while a function runs nobody is heard, and it ends by itself",
  ),
  "function|load": full(
    `${EVERYWHERE}; of one library loaded in two regions at once the last writer's stays`,
  ),
  "function|restore": full(EVERYWHERE),
  "script|debug": different("`YES` and `SYNC` are refused: there is no debugger"),
  "script|help": different(OWN_WORDS),
  "script|kill": different(
    "always `NOTBUSY`: while a script runs nobody is heard, and it ends by itself",
  ),
  "script|load": full("on this replica"),

  // ── stream ─────────────────────────────────────────────────────────────────────────────────────────────────────────
  xadd: full(
    "with several regions, the sequences of generated ids begin with the number of the region and go on in steps of 4096; nodes of `~` are counted by the bytes of names and values",
  ),
  xtrim: full("nodes of `~` are counted by the bytes of names and values"),
  xreadgroup: full(
    "between regions at least once; entries that arrive late with lower ids are delivered too",
  ),
  "xgroup|help": different(OWN_WORDS),
  "xinfo|help": different(OWN_WORDS),
  "xinfo|stream": different("there is no radix tree: its keys are nodes, its nodes one more"),

  // ── generic ────────────────────────────────────────────────────────────────────────────────────────────────────────
  dump: full("the payload of Redis 7.0; members and fields may stand in another order"),
  restore: different(
    "takes payloads up to Redis 7.4; `IDLETIME` and `FREQ` are remembered where a `maxmemory-policy` makes the server note when keys are used; a time to live beyond 64 bits is refused, where Redis answers `OK` and keeps nothing; a payload is always checked as a whole, " +
      "where Redis does so with `sanitize-dump-payload yes`; fields of Redis 7.4 keep their deadlines",
  ),
  migrate: refused("a node opens no connections for clients; `DUMP` and `RESTORE` copy keys"),
  sort: full("text is ordered byte by byte, as Redis does in the locale `C`"),
  sort_ro: full("text is ordered byte by byte, as Redis does in the locale `C`"),
  "object|encoding": different(
    "what Redis would choose for the value as it is now; Redis remembers how it got there, so a value that shrank or was appended to may show another",
  ),
  "object|help": different(OWN_WORDS),
  "object|idletime": different(
    "the time since the last write, until a `maxmemory-policy` or the first `TOUCH` makes the server note when keys are used",
  ),
  "object|refcount": different(
    "2147483647 for every integer below 10,000; Redis shares one only if it was written as a whole",
  ),
  wait: different(
    "counts the replicas in other regions that have applied what this connection wrote",
  ),

  // ── geo ────────────────────────────────────────────────────────────────────────────────────────────────────────────────
  georadius: different(STORED_DISTANCE),
  georadiusbymember: different(STORED_DISTANCE),
  geosearchstore: different(STORED_DISTANCE),

  // ── server ─────────────────────────────────────────────────────────────────────────────────────────────────────────
  "acl|getuser": different(RULES),
  "acl|help": different(OWN_WORDS),
  "acl|list": different(RULES),
  "acl|load": different(
    "the file is `aclFile` of the configuration; what is wrong with it is told in other words",
  ),
  "acl|save": different("the file is `aclFile` of the configuration"),
  "acl|setuser": different("a user is this node's alone; give every node the same"),
  "acl|cat": different("lists the commands that are here"),
  bgrewriteaof: different("a checkpoint is written, behind which the log may be cut"),
  bgsave: different("a checkpoint is written, in a format of its own"),
  save: different(
    "answers at once and writes a checkpoint in the background: what was answered is stored without it",
  ),
  command: different("lists the commands that are here; tips and notes are left out"),
  "command|count": different("counts the commands that are here"),
  "command|docs": different("its own summaries; arguments and history are left out"),
  "command|help": different(OWN_WORDS),
  "command|info": different("tips and notes are left out"),
  "command|list": different("lists the commands that are here"),
  "config|get": different(
    "every parameter of Redis 7.0; those that mean nothing here, such as the sizes of its encodings' nodes, show what they were set to",
  ),
  "config|help": different(OWN_WORDS),
  "config|rewrite": refused("the configuration file belongs to the operator"),
  "config|set": different(
    "until the next start. What Redis may change and a node may not (`port`, `bind`, `appendonly`, `appendfsync`) is refused as immutable; what means nothing here is remembered",
  ),
  debug: different(
    "what tests of clients and of Redis need: `HELP` lists it; `SLEEP` makes its own connection wait and no other, `RELOAD` writes a checkpoint. Redis refuses `DEBUG` unless it is configured to take it",
  ),
  failover: refused(LINKS),
  info: different(
    "the sections and fields that mean something here under the names Redis gave them, and a section `Atoll`. `used_memory` is what the data takes, which `maxmemory` bounds; the process is `used_memory_rss`",
  ),
  lastsave: different("when the newest checkpoint was written"),
  "latency|doctor": different("in its own words and lines"),
  "latency|graph": different("in its own words and lines"),
  "latency|help": different(OWN_WORDS),
  lolwut: different("draws an atoll"),
  "memory|doctor": different("in its own words"),
  "memory|help": different(OWN_WORDS),
  "memory|malloc-stats": different("in its own words"),
  "memory|purge": full("there is nothing to purge"),
  "memory|stats": different("the figures that mean something here, under the names of Redis"),
  "memory|usage": different("an estimate of what the key takes here, with what replication needs"),
  "module|help": different(OWN_WORDS),
  "module|list": full("always empty"),
  "module|load": refused("there are no modules"),
  "module|loadex": refused("there are no modules"),
  "module|unload": refused("there are no modules"),
  psync: refused(LINKS),
  replconf: refused(LINKS),
  replicaof: refused(`${LINKS}; \`NO ONE\` is taken, for it is so already`),
  role: different("always `master`, at offset 0, without replicas"),
  shutdown: different("everything answered is stored, whether `SAVE` or `NOSAVE` is said"),
  slaveof: refused(`${LINKS}; \`NO ONE\` is taken, for it is so already`),
  swapdb: different(
    "writes every key of both databases anew, so it costs O(N) and is refused beyond 100,000 keys; what another region writes meanwhile stays where it was written",
  ),
  sync: refused(LINKS),
  "restore-asking": refused(SLOTS),

  // ── cluster ────────────────────────────────────────────────────────────────────────────────────────────────────────
  asking: refused(SLOTS),
  "cluster|countkeysinslot": refused(CLUSTER),
  "cluster|getkeysinslot": refused(CLUSTER),
  "cluster|help": different(OWN_WORDS),
  "cluster|info": refused(CLUSTER),
  "cluster|keyslot": different("answers, where Redis refuses while cluster mode is off"),
  "cluster|links": refused(CLUSTER),
  "cluster|myid": refused(CLUSTER),
  "cluster|nodes": refused(CLUSTER),
  "cluster|shards": refused(CLUSTER),
  "cluster|slots": refused(CLUSTER),
  readonly: refused(CLUSTER),
  readwrite: refused(CLUSTER),
  ...Object.fromEntries(
    [
      ...["addslots", "addslotsrange", "bumpepoch", "count-failure-reports", "delslots"],
      ...["delslotsrange", "failover", "flushslots", "forget", "meet", "replicas", "replicate"],
      ...["reset", "saveconfig", "set-config-epoch", "setslot", "slaves"],
    ].map((name) => [`cluster|${name}`, refused(SLOTS)]),
  ),

  // ── hyperloglog ────────────────────────────────────────────────────────────────────────────────────────────────────
  pfadd: full("a corrupt sparse HyperLogLog is always refused"),
  pfselftest: different("ten thousand elements instead of ten million"),
};
