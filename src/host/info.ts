/**
 * Info: the text of INFO from the node's status, with the field names that clients and tools read.
 *
 * Invariant: a field says what is true here or is left out; what only a single Redis has is not imitated.
 */
import type { NodeStatus } from "./status.ts";

type Section = (status: NodeStatus) => [string, string | number][];

const sections: Record<string, Section> = {
  server: (s) => [
    ["redis_version", "7.0.15"],
    ["atoll_version", s.version],
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
    ["maxclients", s.clients.maximum],
    ["blocked_clients", 0],
  ],
  memory: (s) => [
    ["used_memory", s.memory.arenaUsedBytes + s.memory.heapBytes],
    ["used_memory_rss", s.memory.rssBytes],
    ["used_memory_dataset", s.memory.arenaUsedBytes],
    ["maxmemory", 0],
    ["maxmemory_policy", "noeviction"],
  ],
  persistence: (s) => [
    ["loading", s.state === "starting" ? 1 : 0],
    ["aof_enabled", 1],
    ["aof_current_size", s.log.endPosition - s.log.beginPosition],
    ["aof_pending_bytes", s.log.endPosition - s.log.durablePosition],
    ["aof_last_write_status", s.state === "read-only" ? "err" : "ok"],
  ],
  stats: (s) => [
    ["total_connections_received", s.clients.received],
    ["total_commands_processed", s.commands.reduce((sum, c) => sum + c.calls, 0)],
    ["rejected_connections", s.clients.refused],
    ["expired_keys", s.expired],
    ["evicted_keys", 0],
    ["keyspace_hits", s.hits],
    ["keyspace_misses", s.misses],
  ],
  replication: (s) => [
    ["role", "master"],
    ["connected_slaves", 0],
    ["master_replid", runId(s.origin)],
  ],
  cpu: () => {
    const { user, system } = process.cpuUsage();
    return [
      ["used_cpu_sys", (system / 1e6).toFixed(6)],
      ["used_cpu_user", (user / 1e6).toFixed(6)],
    ];
  },
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
      `conflicts_${prefix === "" ? "default" : JSON.stringify(prefix)}`,
      `policy=${policy},seen=${count}`,
    ]),
    ["clock_suspect", s.clock.suspect ?? "no"],
    ...s.links.map((link): [string, string] => [
      `link_${link.peer}`,
      `state=${link.state},lag_ms=${link.lagMs ?? ""},lag_records=${link.lagRecords ?? ""},rtt_ms=${link.rttMs?.toFixed(1) ?? ""}`,
    ]),
  ],
  cluster: () => [["cluster_enabled", 0]],
  commandstats: (s) =>
    s.commands
      .filter((c) => c.calls > 0)
      .map((c) => [
        `cmdstat_${c.name}`,
        `calls=${c.calls},usec=${Math.round(c.micros)},usec_per_call=${(c.micros / c.calls).toFixed(2)},rejected_calls=0,failed_calls=${c.failures}`,
      ]),
  keyspace: (s) =>
    s.keyspace
      .filter(({ keys }) => keys > 0)
      .map(({ db, keys, expires }) => [`db${db}`, `keys=${keys},expires=${expires},avg_ttl=0`]),
};

const titles: Record<string, string> = { cpu: "CPU" };
const usual = Object.keys(sections).filter((name) => name !== "commandstats");

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

/** Forty hexadecimal digits from the origin, as Redis shows a run id. */
function runId(origin: string): string {
  const digits = origin.slice(origin.indexOf("@") + 1);
  return digits.repeat(3).slice(0, 40).padEnd(40, "0");
}
