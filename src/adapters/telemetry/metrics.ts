/**
 * Metrics: what Prometheus may know of a node, one entry each. `docs/metrics.md` is the same table for people.
 *
 * Invariant: names begin with `atoll_` and end in their unit, counters in `_total`; labels take few values (no key, no client,
 * no address), so the number of series does not grow with the data; a value the node does not know is absent, never 0.
 */
import { AGREEMENT_METRICS } from "./agreement-metrics.ts";
import {
  byLabel,
  flag,
  histogram,
  type MetricDefinition,
  one,
  perCommand,
  perLink,
  seconds,
} from "./metric.ts";
import { TRAFFIC_METRICS } from "./traffic-metrics.ts";
import type { NodeStatus } from "../../host/status.ts";

const STATES: NodeStatus["state"][] = ["starting", "joining", "ready", "read-only", "stopping"];

export const METRICS: readonly MetricDefinition[] = [
  // The node.
  {
    name: "atoll_info",
    type: "gauge",
    unit: "1",
    labels: ["version", "region", "member", "durability"],
    help: "Always 1; the labels say which node this is.",
    read: ({ status: { version, region, member, durability } }) => [
      { labels: { version, region, member, durability }, value: 1 },
    ],
  },
  one(
    "atoll_cluster_version",
    "gauge",
    "1",
    "The newest formats that every member reads, so that they may be written.",
    (status) => status.formats.usable,
  ),
  one("atoll_ready", "gauge", "1", "1 when the node may be given traffic.", (status) =>
    flag(status.state === "ready"),
  ),
  {
    name: "atoll_state",
    type: "gauge",
    unit: "1",
    labels: ["state"],
    help: "1 for the state the node is in: starting, joining, ready, read-only or stopping.",
    read: ({ status }) =>
      STATES.map((state) => ({ labels: { state }, value: flag(status.state === state) })),
  },
  one("atoll_uptime_seconds", "gauge", "seconds", "Since the process started.", (status) =>
    seconds(status.uptimeMs),
  ),
  {
    name: "atoll_memory_bytes",
    type: "gauge",
    unit: "bytes",
    labels: ["kind"],
    help: "Memory: rss of the process, heap of the runtime, arena kept for data, arena_used by data.",
    read: ({ status: { memory } }) =>
      byLabel("kind", {
        rss: memory.rssBytes,
        heap: memory.heapBytes,
        arena: memory.arenaBytes,
        arena_used: memory.arenaUsedBytes,
      }),
  },
  {
    name: "atoll_cpu_seconds_total",
    type: "counter",
    unit: "seconds",
    labels: ["mode"],
    help: "CPU time of the process, in user and system mode.",
    read: ({ cpuSeconds }) => byLabel("mode", cpuSeconds),
  },
  {
    name: "atoll_eventloop_delay_seconds",
    type: "gauge",
    unit: "seconds",
    labels: ["quantile"],
    help: "How late the event loop was since the last scrape; quantile 1 is the worst.",
    read: ({ loopDelaySeconds }) =>
      loopDelaySeconds.map((delay) => ({
        labels: { quantile: delay.quantile },
        value: delay.seconds,
      })),
  },

  // Clients.
  one(
    "atoll_connected_clients",
    "gauge",
    "1",
    "Clients connected now.",
    (s) => s.clients.connected,
  ),
  one(
    "atoll_blocked_clients",
    "gauge",
    "1",
    "Clients whose command waits for a key.",
    (s) => s.clients.blocked,
  ),
  one(
    "atoll_clients_max",
    "gauge",
    "1",
    "Clients that may be connected.",
    (s) => s.clients.maximum,
  ),
  one(
    "atoll_clients_received_total",
    "counter",
    "1",
    "Clients that have connected.",
    (status) => status.clients.received,
  ),
  one(
    "atoll_clients_refused_total",
    "counter",
    "1",
    "Clients refused because there were too many.",
    (status) => status.clients.refused,
  ),
  {
    name: "atoll_clients_cut_off_total",
    type: "counter",
    unit: "1",
    labels: ["reason"],
    help: "Clients cut off: they read too slowly (output), or all together held too much (memory).",
    read: ({ status: { clients } }) =>
      byLabel("reason", { output: clients.cutOff, memory: clients.evicted }),
  },
  one(
    "atoll_clients_bytes",
    "gauge",
    "bytes",
    "What clients hold: requests, queued commands, replies.",
    (status) => status.clients.bytes,
  ),
  // Messages.
  {
    name: "atoll_subscriptions",
    type: "gauge",
    unit: "1",
    labels: ["kind"],
    help: "Names that somebody listens to.",
    read: ({ status: { messages } }) =>
      byLabel("kind", {
        channel: messages.channels,
        pattern: messages.patterns,
        shard: messages.shardChannels,
      }),
  },
  one(
    "atoll_subscribers",
    "gauge",
    "1",
    "Clients that listen to channels.",
    (s) => s.messages.subscribers,
  ),
  one(
    "atoll_messages_published_total",
    "counter",
    "1",
    "Messages published to clients of this replica.",
    (s) => s.messages.published,
  ),
  one(
    "atoll_messages_delivered_total",
    "counter",
    "1",
    "Messages handed to a subscriber, once for each.",
    (s) => s.messages.delivered,
  ),
  {
    name: "atoll_messages_between_regions_total",
    type: "counter",
    unit: "1",
    labels: ["outcome"],
    help: "Messages to channels with pubsub: global, once for each link: sent, received, or dropped (a link down or full, too large, too many).",
    read: ({ status: { messages } }) =>
      byLabel("outcome", {
        sent: messages.sent,
        received: messages.received,
        dropped: messages.dropped,
      }),
  },
  one(
    "atoll_tracking_clients",
    "gauge",
    "1",
    "Clients that are told when a key changes (CLIENT TRACKING).",
    (s) => s.tracking.clients,
  ),
  one(
    "atoll_tracked_keys",
    "gauge",
    "1",
    "Keys that are remembered for them.",
    (s) => s.tracking.keys,
  ),
  one(
    "atoll_invalidations_total",
    "counter",
    "1",
    "Invalidations sent to them.",
    (s) => s.tracking.sent,
  ),
  perCommand("atoll_ops_total", "1", "Commands executed.", (command) => command.calls),
  perCommand(
    "atoll_op_failures_total",
    "1",
    "Commands answered with an error.",
    (command) => command.failures,
  ),
  perCommand(
    "atoll_op_seconds_total",
    "seconds",
    "Time spent executing commands, where it is measured.",
    (command) => command.micros / 1e6,
  ),

  // Data.
  {
    name: "atoll_keys",
    type: "gauge",
    unit: "1",
    labels: ["db"],
    help: "Keys.",
    read: ({ status }) => status.keyspace.map(({ db, keys }) => ({ labels: { db }, value: keys })),
  },
  {
    name: "atoll_keys_expiring",
    type: "gauge",
    unit: "1",
    labels: ["db"],
    help: "Keys with a deadline.",
    read: ({ status }) =>
      status.keyspace.map(({ db, expires }) => ({ labels: { db }, value: expires })),
  },
  one("atoll_hits_total", "counter", "1", "Reads that found their key.", (status) => status.hits),
  one(
    "atoll_misses_total",
    "counter",
    "1",
    "Reads that did not find their key.",
    (status) => status.misses,
  ),
  one("atoll_expired_total", "counter", "1", "Keys that expired here.", (status) => status.expired),
  one("atoll_evicted_total", "counter", "1", "Keys evicted here.", (status) => status.evicted),

  // Conflicts.
  {
    name: "atoll_conflicts_total",
    type: "counter",
    unit: "1",
    labels: ["prefix"],
    help: "Concurrent writes seen, by the keyspace's prefix; every node counts each.",
    read: ({ status: { conflicts } }) =>
      conflicts.seen.map(({ prefix, count }) => ({ labels: { prefix }, value: count })),
  },
  {
    name: "atoll_conflicts_lost_total",
    type: "counter",
    unit: "1",
    labels: ["kept"],
    help: "Writes of this node that lost: kept in the conflict feed (yes), or too many at once (no).",
    read: ({ status: { conflicts } }) =>
      byLabel("kept", { yes: conflicts.recorded, no: conflicts.dropped }),
  },
  one(
    "atoll_conflict_entries",
    "gauge",
    "1",
    "Entries in the conflict feed, of all nodes.",
    (status) => status.conflicts.entries,
  ),
  one(
    "atoll_conflict_resolver_failures_total",
    "counter",
    "1",
    "Reads that fell back to lww because a custom resolver failed or took too long.",
    (status) => status.conflicts.resolverFailures,
  ),

  // What regions agree on.
  ...AGREEMENT_METRICS,
  ...TRAFFIC_METRICS,
  // The log.
  one(
    "atoll_log_bytes",
    "gauge",
    "bytes",
    "Bytes the log retains.",
    ({ log }) => log.endPosition - log.beginPosition,
  ),
  one(
    "atoll_log_undurable_bytes",
    "gauge",
    "bytes",
    "Bytes appended to the log that a crash could still lose.",
    ({ log }) => log.endPosition - log.durablePosition,
  ),
  {
    name: "atoll_fsync_seconds",
    type: "histogram",
    unit: "seconds",
    labels: [],
    help: "How long syncing the log took.",
    read: ({ status }) => histogram(status.log.syncSeconds),
  },
  one(
    "atoll_checkpoint_age_seconds",
    "gauge",
    "seconds",
    "Since the newest checkpoint; absent while there is none.",
    (status) => seconds(status.log.checkpointAgeMs),
  ),
  one(
    "atoll_checkpoint_behind_bytes",
    "gauge",
    "bytes",
    "Bytes of the log that a restart would replay; absent while there is no checkpoint.",
    ({ log }) =>
      log.checkpointPosition === null ? null : log.endPosition - log.checkpointPosition,
  ),
  one(
    "atoll_scrub_age_seconds",
    "gauge",
    "seconds",
    "Since log and checkpoints were last read again to their end; absent before the first time.",
    (status) => seconds(status.scrub.ageMs),
  ),
  one(
    "atoll_scrub_damaged_total",
    "counter",
    "1",
    "Damaged places found by reading again what was stored.",
    (status) => status.scrub.damaged,
  ),

  // Comparing.
  one(
    "atoll_verify_age_seconds",
    "gauge",
    "seconds",
    "Since this node last compared itself with the others; absent before the first time.",
    (status) => seconds(status.verify.ageMs),
  ),
  one(
    "atoll_verify_differences",
    "gauge",
    "1",
    "Keys that differed when this node last compared itself with the others.",
    (status) => status.verify.differences,
  ),
  one(
    "atoll_verify_mended_keys_total",
    "counter",
    "1",
    "Keys of this node that were wrong and now hold what the other members do.",
    (status) => status.verify.mendedKeys,
  ),

  // Replication.
  {
    name: "atoll_records_total",
    type: "counter",
    unit: "records",
    labels: ["kind"],
    help: "Records made here, applied from peers, and received again (duplicate).",
    read: ({ status: { records } }) =>
      byLabel("kind", {
        made: records.made,
        applied: records.applied,
        duplicate: records.duplicates,
      }),
  },
  one(
    "atoll_records_pending",
    "gauge",
    "records",
    "Records received whose causes have not arrived yet.",
    (status) => status.records.pending,
  ),
  {
    name: "atoll_stability_waiting",
    type: "gauge",
    unit: "1",
    labels: ["kind"],
    help: "What waits to be stable everywhere before it is cleaned up: resets, floors.",
    read: ({ status: { stability } }) =>
      byLabel("kind", { resets: stability.waitingResets, floors: stability.waitingFloors }),
  },
  {
    name: "atoll_stability_waits_for",
    type: "gauge",
    unit: "1",
    labels: ["member"],
    help: "1 for each member without whose word the oldest of what waits cannot be cleaned up.",
    read: ({ status }) =>
      status.stability.waitsFor.map((member) => ({ labels: { member }, value: 1 })),
  },
  {
    name: "atoll_removal_waits_for",
    type: "gauge",
    unit: "1",
    labels: ["removed", "member"],
    help: "1 for each member that has not said yet what it has of one that is removed.",
    read: ({ status }) =>
      status.membership.removed.flatMap(({ member: removed, awaits }) =>
        awaits.map((member) => ({ labels: { removed, member }, value: 1 })),
      ),
  },
  perLink(
    "atoll_log_retained_bytes",
    "gauge",
    "bytes",
    "Bytes of the log of `from` that are kept because `to` may need them.",
    (link) => link.retainedBytes,
  ),
  perLink(
    "atoll_link_behind_log",
    "gauge",
    "1",
    "1 while `to` needs what the log of `from` no longer holds: a snapshot takes its place.",
    (link) => flag(link.behindLog),
  ),
  perLink("atoll_link_up", "gauge", "1", "1 while the link is open.", (link) =>
    flag(link.state !== "down"),
  ),
  perLink("atoll_link_live", "gauge", "1", "1 while the peer has caught up and follows.", (link) =>
    flag(link.state === "live"),
  ),
  perLink(
    "atoll_link_rtt_seconds",
    "gauge",
    "seconds",
    "Round trip to the peer; absent while not measured.",
    (link) => seconds(link.rttMs),
  ),
  perLink(
    "atoll_link_connects_total",
    "counter",
    "1",
    "Times the link was opened.",
    (link) => link.connects,
  ),
  perLink(
    "atoll_link_sent_bytes_total",
    "counter",
    "bytes",
    "Bytes sent to the peer.",
    (link) => link.sentBytes,
  ),
  perLink(
    "atoll_link_received_bytes_total",
    "counter",
    "bytes",
    "Bytes received from the peer.",
    (link) => link.receivedBytes,
  ),
  perLink(
    "atoll_link_sent_records_total",
    "counter",
    "records",
    "Records sent to the peer.",
    (link) => link.sentRecords,
  ),
  perLink(
    "atoll_link_received_records_total",
    "counter",
    "records",
    "Records received from the peer.",
    (link) => link.receivedRecords,
  ),
  perLink(
    "atoll_replication_lag_seconds",
    "gauge",
    "seconds",
    "Age of the oldest record of `from` that `to` has not applied; 0 when it has all, absent while not known.",
    (link) => seconds(link.lagMs),
  ),
  perLink(
    "atoll_replication_backlog_records",
    "gauge",
    "records",
    "Records of `from` that `to` is not known to have applied; absent while not known.",
    (link) => link.lagRecords,
  ),
  perLink(
    "atoll_replication_backlog_bytes",
    "gauge",
    "bytes",
    "Bytes of the log still to be sent to the peer.",
    (link) => link.backlogBytes,
  ),

  // Filling, and being filled.
  {
    name: "atoll_joining",
    type: "gauge",
    unit: "1",
    labels: ["phase"],
    help: "1 for how the node comes by what it lacks: waiting, catching up, receiving or installing a snapshot; absent when it lacks nothing.",
    read: ({ status: { joining } }) =>
      joining === null ? [] : [{ labels: { phase: joining.phase }, value: 1 }],
  },
  one(
    "atoll_joining_keys",
    "gauge",
    "1",
    "Keys of the snapshot that have come.",
    ({ joining }) => joining?.keys ?? null,
  ),
  one(
    "atoll_joining_keys_expected",
    "gauge",
    "1",
    "Keys its giver had when it began.",
    ({ joining }) => joining?.keysTotal ?? null,
  ),
  one(
    "atoll_joining_bytes",
    "gauge",
    "bytes",
    "Bytes of the snapshot that have come.",
    ({ joining }) => joining?.bytes ?? null,
  ),
  one(
    "atoll_joining_missing_records",
    "gauge",
    "records",
    "Records to go before the node serves.",
    ({ joining }) => joining?.records ?? null,
  ),
  one(
    "atoll_joining_stalled_seconds",
    "gauge",
    "seconds",
    "For how long nothing has come of what the node waits for.",
    ({ joining }) => seconds(joining?.stalledForMs ?? null),
  ),
  {
    name: "atoll_snapshot_given_keys",
    type: "gauge",
    unit: "1",
    labels: ["to"],
    help: "Keys sent of a snapshot that a peer is given.",
    read: ({ status }) => status.giving.map(({ to, keys }) => ({ labels: { to }, value: keys })),
  },

  // Clocks.
  {
    name: "atoll_clock_offset_seconds",
    type: "gauge",
    unit: "seconds",
    labels: ["peer"],
    help: "The peer's clock minus this node's; absent while not measured.",
    read: ({ status }) =>
      status.links.map((link) => ({
        labels: { peer: link.peer },
        value: seconds(link.clockOffsetMs),
      })),
  },
  {
    name: "atoll_clock_held_records",
    type: "gauge",
    unit: "1",
    labels: ["peer"],
    help: "Records of the peer that wait here until their time has come, as its clock was ahead when it made them.",
    read: ({ status }) =>
      status.clock.members.map(({ member, heldRecords }) => ({
        labels: { peer: member },
        value: heldRecords,
      })),
  },
  one(
    "atoll_clock_suspect",
    "gauge",
    "1",
    "1 while this node's own clock is believed to be wrong.",
    (status) => flag(status.clock.suspect !== null),
  ),
];
