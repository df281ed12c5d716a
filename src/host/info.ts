/**
 * Info: the text of INFO from the node's status, with the field names that clients and tools read.
 *
 * Invariant: a field says what is true here or is left out; what only a single Redis has is not imitated.
 */
import { REST_BYTES } from "../core/replica/eviction.ts";
import type { NodeStatus } from "./status.ts";

type Section = (status: NodeStatus) => [string, string | number][];

const sections: Record<string, Section> = {
  server: (s) => [
    ["redis_version", "7.0.15"],
    ["atoll_version", s.version],
    ["atoll_cluster_version", s.formats.usable],
    ["redis_mode", "standalone"],
    ["os", `${process.platform} ${process.arch}`],
    ["arch_bits", 64],
    ["multiplexing_api", "libuv"],
    ["process_id", s.pid],
    ["run_id", runId(s.origin)],
    ["tcp_port", s.respPort],
    ["uptime_in_seconds", Math.floor(s.uptimeMs / 1000)],
    ["uptime_in_days", Math.floor(s.uptimeMs / 86_400_000)],
  ],
  clients: (s) => [
    ["connected_clients", s.clients.connected],
    ["cluster_connections", 0],
    ["maxclients", s.clients.maximum],
    ["blocked_clients", s.clients.blocked],
    ["tracking_clients", s.tracking.clients],
    ["clients_in_timeout_table", 0],
  ],
  memory: ({ memory: m, clients, scripts: f }) => [
    ...shown("used_memory", m.dataBytes),
    ...shown("used_memory_rss", m.rssBytes),
    ...shown("used_memory_peak", m.dataPeakBytes),
    ["used_memory_peak_perc", percentOf(m.dataBytes, m.dataPeakBytes)],
    ["used_memory_overhead", m.dataBytes - m.arenaUsedBytes],
    ["used_memory_startup", REST_BYTES],
    ["used_memory_dataset", m.arenaUsedBytes],
    ["used_memory_dataset_perc", percentOf(m.arenaUsedBytes, m.dataBytes)],
    ["used_memory_heap", m.heapBytes],
    ...shown("used_memory_lua", f.engineBytes),
    ["used_memory_scripts_eval", f.cachedBytes],
    ["number_of_cached_scripts", f.cached],
    ["number_of_functions", f.functions],
    ["number_of_libraries", f.libraries],
    ["used_memory_functions", f.libraryBytes],
    ...shown("used_memory_scripts", f.cachedBytes + f.libraryBytes),
    ["allocator_allocated", m.arenaUsedBytes],
    ["allocator_active", m.arenaBytes],
    ["allocator_resident", m.rssBytes],
    ...shown("maxmemory", m.maximumBytes),
    ["maxmemory_policy", m.policy],
    ["mem_fragmentation_ratio", (m.rssBytes / m.dataBytes).toFixed(2)],
    ["mem_fragmentation_bytes", m.rssBytes - m.dataBytes],
    ["mem_not_counted_for_evict", 0],
    ["mem_clients_normal", clients.bytes],
    ["mem_allocator", "atoll"],
    ["active_defrag_running", 0],
    ["lazyfree_pending_objects", 0],
    ["lazyfreed_objects", 0],
  ],
  persistence: (s) => [
    ["loading", s.state === "starting" || s.state === "joining" ? 1 : 0],
    ["async_loading", 0],
    ["rdb_changes_since_last_save", s.records.made],
    ["rdb_bgsave_in_progress", Number(s.log.checkpointRunning)],
    ["rdb_last_bgsave_status", "ok"],
    ["aof_enabled", 1],
    ["aof_rewrite_in_progress", Number(s.log.checkpointRunning)],
    ["aof_rewrite_scheduled", 0],
    ["aof_last_bgrewrite_status", "ok"],
    ["aof_last_write_status", s.state === "read-only" ? "err" : "ok"],
    ["aof_current_size", s.log.endPosition - s.log.beginPosition],
    ["aof_pending_bytes", s.log.endPosition - s.log.durablePosition],
  ],
  stats: (s) => [
    ["total_connections_received", s.clients.received],
    ["total_commands_processed", s.commands.reduce((sum, c) => sum + c.calls, 0)],
    ["instantaneous_ops_per_sec", s.operationsPerSecond],
    ["turn_steps_max", s.turnStepsMax],
    ["rejected_connections", s.clients.refused],
    ["expired_keys", s.expired],
    ["evicted_keys", s.evicted],
    ["evicted_clients", s.clients.evicted],
    ["client_output_buffer_limit_disconnections", s.clients.cutOff],
    ["pubsub_channels", s.messages.channels],
    ["pubsub_patterns", s.messages.patterns],
    ["pubsubshard_channels", s.messages.shardChannels],
    ["tracking_total_keys", s.tracking.keys],
    ["tracking_total_items", s.tracking.items],
    ["tracking_total_prefixes", s.tracking.prefixes],
    ["keyspace_hits", s.hits],
    ["keyspace_misses", s.misses],
    ["latest_fork_usec", 0],
    ["total_forks", 0],
    ["migrate_cached_sockets", 0],
    ["total_error_replies", s.errors.reduce((sum, { count }) => sum + count, 0)],
  ],
  replication: (s) => [
    ["role", "master"],
    ["connected_slaves", 0],
    ["master_failover_state", "no-failover"],
    ["master_replid", runId(s.origin)],
    ["master_repl_offset", s.records.made],
  ],
  cpu: () => {
    const { user, system } = process.cpuUsage();
    return [
      ["used_cpu_sys", (system / 1e6).toFixed(6)],
      ["used_cpu_user", (user / 1e6).toFixed(6)],
      ["used_cpu_sys_children", "0.000000"],
      ["used_cpu_user_children", "0.000000"],
    ];
  },
  modules: () => [],
  atoll: (s) => [
    ["region", s.region],
    ["member", s.member],
    ["origin", s.origin],
    ["durability", s.durability],
    ["state", s.state],
    ["records_made", s.records.made],
    ["records_applied", s.records.applied],
    ["records_waiting", s.records.pending],
    ["conflicts_seen", s.conflicts.seen.reduce((sum, { count }) => sum + count, 0)],
    ["conflicts_recorded", s.conflicts.recorded],
    ["conflicts_dropped", s.conflicts.dropped],
    ["conflict_entries", s.conflicts.entries],
    ["conflict_resolver_failures", s.conflicts.resolverFailures],
    ...s.conflicts.seen.map(({ prefix, policy, count }): [string, string] => [
      `conflicts_${prefix === "" ? "default" : encodeURIComponent(prefix)}`,
      `policy=${policy},seen=${count}`,
    ]),
    ["clock_suspect", s.clock.suspect ?? "no"],
    ...s.links.map((link): [string, string] => [
      `link_${link.peer}`,
      `state=${link.state},lag_ms=${link.lagMs ?? ""},lag_records=${link.lagRecords ?? ""},rtt_ms=${link.rttMs?.toFixed(1) ?? ""}`,
    ]),
  ],
  errorstats: (s) => s.errors.map(({ code, count }) => [`errorstat_${code}`, `count=${count}`]),
  cluster: () => [["cluster_enabled", 0]],
  commandstats: (s) =>
    s.commands
      .filter((c) => c.calls > 0 || c.rejections > 0)
      .map((c) => [
        `cmdstat_${c.name}`,
        `calls=${c.calls},usec=${Math.round(c.micros)},usec_per_call=${perCall(c)},rejected_calls=${c.rejections},failed_calls=${c.failures}`,
      ]),
  latencystats: (s) =>
    s.commands.flatMap(({ name, percentiles }): [string, string][] =>
      percentiles === null
        ? []
        : [
            [
              `latency_percentiles_usec_${name}`,
              percentiles.map((p) => `p${p.percent}=${p.micros.toFixed(3)}`).join(","),
            ],
          ],
    ),
  keyspace: (s) =>
    s.keyspace
      .filter(({ keys }) => keys > 0)
      .map(({ db, keys, expires }) => [`db${db}`, `keys=${keys},expires=${expires},avg_ttl=0`]),
};

const titles: Record<string, string> = { cpu: "CPU" };
const usual = Object.keys(sections).filter(
  (name) => name !== "commandstats" && name !== "latencystats",
);

/** INFO for the sections a client named, in lower case; none means the usual ones. */
export function infoText(status: NodeStatus, wanted: readonly string[]): string {
  const names = new Set<string>();
  for (const name of wanted.length === 0 ? ["default"] : wanted)
    if (name === "default") usual.forEach((n) => names.add(n));
    else if (name === "all" || name === "everything")
      Object.keys(sections).forEach((n) => names.add(n));
    else names.add(name);
  return [...names]
    .filter((name) => name in sections)
    .map((name) => {
      const lines = (sections[name] as Section)(status).map(
        ([field, value]) => `${field}:${value}`,
      );
      const title = titles[name] ?? name[0]?.toUpperCase() + name.slice(1);
      return `# ${title}\r\n${lines.map((line) => `${line}\r\n`).join("")}`;
    })
    .join("\r\n");
}

function perCall({ calls, micros }: NodeStatus["commands"][number]): string {
  return calls === 0 ? "0.00" : (micros / calls).toFixed(2);
}

/** Bytes, and the same as a person reads them. */
function shown(name: string, bytes: number): [string, string | number][] {
  return [
    [name, bytes],
    [`${name}_human`, human(bytes)],
  ];
}

function human(bytes: number): string {
  const unit = Math.min(4, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return unit === 0 ? `${bytes}B` : `${(bytes / 1024 ** unit).toFixed(2)}${"KMGT"[unit - 1] ?? ""}`;
}

function percentOf(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(2)}%`;
}

/** Forty hexadecimal digits from the origin, as Redis shows a run id. */
function runId(origin: string): string {
  const digits = origin.slice(origin.indexOf("@") + 1);
  return digits.repeat(3).slice(0, 40).padEnd(40, "0");
}
