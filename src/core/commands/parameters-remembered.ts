/**
 * Remembered parameters: those of Redis 7.0 for which nothing stands here, such as the sizes of its encodings' nodes or its
 * snapshots. They may be set and are shown again, so that tools that set them go on; nothing else changes.
 *
 * Invariant: what is remembered is valid for Redis, and a value that Redis refuses is refused in its words.
 */
import {
  isWrong,
  readInteger,
  readMemory,
  readWord,
  readYesNo,
  type Wrong,
} from "./parameter-kinds.ts";

/** One parameter that is only remembered. */
export interface Remembered {
  readonly name: string;
  readonly alias?: string;
  readonly initially: string;
  /** The value as it will be shown, or what is wrong with it; `now` is the present one. */
  readonly read: (value: string, now: string) => string | Wrong;
  /** Not among those that a pattern finds. */
  readonly hidden?: boolean;
}

const INT_MAX = 2 ** 31 - 1;
const LONG_MAX = Number.MAX_SAFE_INTEGER;

const yesNo = (name: string, initially: "yes" | "no", alias?: string): Remembered =>
  one(name, initially, alias, (value) => {
    const read = readYesNo(value);
    return isWrong(read) ? read : read ? "yes" : "no";
  });
const integer = (
  name: string,
  initially: number,
  low: number,
  high: number,
  alias?: string,
): Remembered =>
  one(name, String(initially), alias, (value) => shown(readInteger(value, low, high)));
const bytes = (name: string, initially: number, low = 0, alias?: string): Remembered =>
  one(name, String(initially), alias, (value) => shown(readMemory(value, low, LONG_MAX)));
const word = (name: string, initially: string, words: readonly string[]): Remembered =>
  one(name, initially, undefined, (value) => readWord(value, words));
const text = (name: string, initially = "", alias?: string): Remembered =>
  one(name, initially, alias, (value) => value);
const hidden = (name: string, initially: number): Remembered => ({
  ...integer(name, initially, -INT_MAX, INT_MAX),
  hidden: true,
});

function one(
  name: string,
  initially: string,
  alias: string | undefined,
  read: Remembered["read"],
): Remembered {
  return alias === undefined ? { name, initially, read } : { name, alias, initially, read };
}

function shown(value: number | Wrong): string | Wrong {
  return isWrong(value) ? value : String(value);
}

export const rememberedParameters: readonly Remembered[] = [
  one("save", "", undefined, savePoints),
  one("oom-score-adj-values", "0 200 800", undefined, adjustments),
  yesNo("rdbcompression", "yes"),
  yesNo("rdb-del-sync-files", "no"),
  yesNo("activerehashing", "yes"),
  yesNo("stop-writes-on-bgsave-error", "yes"),
  yesNo("dynamic-hz", "yes"),
  yesNo("lazyfree-lazy-eviction", "no"),
  yesNo("lazyfree-lazy-expire", "no"),
  yesNo("lazyfree-lazy-server-del", "no"),
  yesNo("lazyfree-lazy-user-del", "no"),
  yesNo("lazyfree-lazy-user-flush", "no"),
  yesNo("repl-disable-tcp-nodelay", "no"),
  yesNo("repl-diskless-sync", "yes"),
  yesNo("aof-rewrite-incremental-fsync", "yes"),
  yesNo("no-appendfsync-on-rewrite", "no"),
  yesNo("cluster-require-full-coverage", "yes"),
  yesNo("rdb-save-incremental-fsync", "yes"),
  yesNo("aof-load-truncated", "yes"),
  yesNo("aof-use-rdb-preamble", "yes"),
  yesNo("aof-timestamp-enabled", "no"),
  yesNo("cluster-replica-no-failover", "no", "cluster-slave-no-failover"),
  yesNo("replica-lazy-flush", "no", "slave-lazy-flush"),
  yesNo("replica-serve-stale-data", "yes", "slave-serve-stale-data"),
  yesNo("replica-read-only", "yes", "slave-read-only"),
  yesNo("replica-ignore-maxmemory", "yes", "slave-ignore-maxmemory"),
  yesNo("jemalloc-bg-thread", "yes"),
  yesNo("cluster-allow-reads-when-down", "no"),
  yesNo("cluster-allow-pubsubshard-when-down", "yes"),
  yesNo("crash-log-enabled", "yes"),
  yesNo("crash-memcheck-enabled", "yes"),
  yesNo("cluster-allow-replica-migration", "yes"),
  yesNo("replica-announced", "yes"),
  yesNo("aof-disable-auto-gc", "no"),
  yesNo("replica-ignore-disk-write-errors", "no"),
  yesNo("tls-cluster", "no"),
  yesNo("tls-replication", "no"),
  text("replica-announce-ip", "", "slave-announce-ip"),
  text("masteruser"),
  text("masterauth"),
  text("cluster-announce-ip"),
  text("cluster-announce-hostname"),
  text("ignore-warnings"),
  text("proc-title-template", "{title} {listen-addr} {server-mode}"),
  text("bind-source-addr"),
  text("tls-key-file-pass"),
  text("tls-client-key-file-pass"),
  text("shutdown-on-sigint", "default"),
  text("shutdown-on-sigterm", "default"),
  word("tls-auth-clients", "yes", ["no", "yes", "optional"]),
  word("repl-diskless-load", "disabled", ["disabled", "on-empty-db", "swapdb"]),
  word("loglevel", "notice", ["debug", "verbose", "notice", "warning"]),
  word("oom-score-adj", "no", ["no", "yes", "relative", "absolute"]),
  word("acl-pubsub-default", "resetchannels", ["allchannels", "resetchannels"]),
  word("sanitize-dump-payload", "no", ["no", "yes", "clients"]),
  word("cluster-preferred-endpoint-type", "ip", ["ip", "hostname", "unknown-endpoint"]),
  word("propagation-error-behavior", "ignore", ["ignore", "panic", "panic-on-replicas"]),
  integer("auto-aof-rewrite-percentage", 100, 0, INT_MAX),
  integer("cluster-replica-validity-factor", 10, 0, INT_MAX, "cluster-slave-validity-factor"),
  integer("list-max-listpack-size", -2, -INT_MAX, INT_MAX, "list-max-ziplist-size"),
  integer("list-compress-depth", 0, 0, INT_MAX),
  integer("tcp-keepalive", 300, 0, INT_MAX),
  integer("cluster-migration-barrier", 1, 0, INT_MAX),
  integer("active-defrag-cycle-min", 1, 1, 99),
  integer("active-defrag-cycle-max", 25, 1, 99),
  integer("active-defrag-threshold-lower", 10, 0, 1000),
  integer("active-defrag-threshold-upper", 100, 0, 1000),
  integer("active-defrag-max-scan-fields", 1000, 1, LONG_MAX),
  integer("replica-priority", 100, 0, INT_MAX, "slave-priority"),
  integer("repl-diskless-sync-delay", 5, 0, INT_MAX),
  integer("repl-diskless-sync-max-replicas", 0, 0, INT_MAX),
  integer("maxmemory-eviction-tenacity", 10, 0, 100),
  integer("replica-announce-port", 0, 0, 65_535, "slave-announce-port"),
  integer("cluster-announce-bus-port", 0, 0, 65_535),
  integer("cluster-announce-port", 0, 0, 65_535),
  integer("cluster-announce-tls-port", 0, 0, 65_535),
  integer("repl-timeout", 60, 1, INT_MAX),
  integer("repl-ping-replica-period", 10, 1, INT_MAX, "repl-ping-slave-period"),
  integer("active-expire-effort", 1, 1, 10),
  integer("hz", 10, 0, INT_MAX),
  integer("min-replicas-max-lag", 10, 0, INT_MAX, "min-slaves-max-lag"),
  integer("shutdown-timeout", 10, 0, INT_MAX),
  integer("acllog-max-len", 128, 0, LONG_MAX),
  integer("cluster-node-timeout", 15_000, 0, LONG_MAX),
  integer("stream-node-max-entries", 100, 0, LONG_MAX),
  integer("hash-max-listpack-entries", 512, 0, LONG_MAX, "hash-max-ziplist-entries"),
  integer("set-max-intset-entries", 512, 0, LONG_MAX),
  integer("zset-max-listpack-entries", 128, 0, LONG_MAX, "zset-max-ziplist-entries"),
  integer("repl-backlog-ttl", 3600, 0, LONG_MAX),
  integer("tls-session-cache-size", 20_480, 0, INT_MAX),
  integer("tls-session-cache-timeout", 300, 0, INT_MAX),
  bytes("repl-backlog-size", 1024 * 1024, 1),
  bytes("cluster-link-sendbuf-limit", 0),
  bytes("active-defrag-ignore-bytes", 100 * 1024 * 1024, 1),
  bytes("hash-max-listpack-value", 64, 0, "hash-max-ziplist-value"),
  bytes("stream-node-max-bytes", 4096),
  bytes("zset-max-listpack-value", 64, 0, "zset-max-ziplist-value"),
  bytes("client-query-buffer-limit", 1024 ** 3, 1024 ** 2),
  bytes("auto-aof-rewrite-min-size", 64 * 1024 * 1024),
  hidden("rdb-key-save-delay", 0),
  hidden("key-load-delay", 0),
  hidden("watchdog-period", 0),
  { ...yesNo("use-exit-on-panic", "no"), hidden: true },
  { ...bytes("loading-process-events-interval-bytes", 1024 * 1024, 1024), hidden: true },
];

/** What each is at the start. */
export const REMEMBERED: Readonly<Record<string, string>> = Object.fromEntries(
  rememberedParameters.map(({ name, initially }) => [name, initially]),
);

/** Pairs of seconds and changes. */
function savePoints(value: string): string | Wrong {
  const words = value.trim() === "" ? [] : value.trim().split(/\s+/);
  const right = words.every(
    (number, i) => /^\d{1,15}$/.test(number) && (i % 2 === 1 || number !== "0"),
  );
  return right && words.length % 2 === 0 ? words.join(" ") : { wrong: "Invalid save parameters" };
}

/** Three numbers that do not fall. */
function adjustments(value: string): string | Wrong {
  const words = value.trim().split(/\s+/);
  if (words.length !== 3) return { wrong: "wrong number of arguments" };
  if (words.some((number) => isWrong(readInteger(number, -2000, 2000))))
    return { wrong: "Invalid oom-score-adj-values, elements must be between -2000 and 2000." };
  return words.map(Number).join(" ");
}
