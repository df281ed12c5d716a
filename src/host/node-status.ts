/**
 * NodeStatus from its sources: what `/status`, `/metrics`, INFO and the lab read.
 *
 * Invariant: looking changes nothing, and costs only whoever looks.
 */
import { originName } from "../core/clock/origins.ts";
import { clientsBytes } from "../core/commands/client-limits.ts";
import type { ClockFacts } from "../core/commands/clock.ts";
import { percentile } from "../core/commands/command-stats.ts";
import { commandStats } from "../core/commands/dispatch.ts";
import type { Settings } from "../core/commands/settings.ts";
import { policyName } from "../core/crdt/policy.ts";
import type { Replica } from "../core/replica/replica.ts";
import type { CheckpointJob } from "./checkpoint-job.ts";
import type { Clients } from "./clients.ts";
import type { Config } from "./config.ts";
import { READS } from "../core/replica/formats.ts";
import { membershipOf } from "./membership.ts";
import type { Peers } from "./peers.ts";
import type { Log } from "./ports/storage.ts";
import type { LinkStatus, NodeStatus } from "./status.ts";
import type { SyncTimes } from "./sync-times.ts";

export interface StatusSources {
  readonly version: string;
  readonly pid: number;
  readonly config: Config;
  readonly settings: Settings;
  readonly replica: Replica;
  readonly clients: Clients;
  readonly peers: Peers;
  readonly clock: ClockFacts;
  readonly job: CheckpointJob;
  readonly syncs: SyncTimes;
  readonly log: Log;
  readonly ports: { resp: number; http: number; replication: number };
  readonly memory: { rssBytes: number; heapBytes: number };
  readonly state: NodeStatus["state"];
  readonly joining: NodeStatus["joining"];
  readonly scrub: NodeStatus["scrub"];
  readonly verify: NodeStatus["verify"];
  readonly reason: string | null;
  readonly operationsPerSecond: number;
  readonly turnStepsMax: number;
  readonly startedMs: number;
  /** The monotonic clock now. */
  readonly monoMs: number;
}

export function statusOf(sources: StatusSources): NodeStatus {
  const { config, settings, replica, clients, clock, ports, monoMs } = sources;
  const { run, keyspace, delivery, garbage, strong } = replica;
  return {
    version: sources.version,
    region: config.region,
    member: config.member,
    origin: originName(replica.origins.get(replica.me)),
    pid: sources.pid,
    state: sources.state,
    reason: sources.reason ?? clock.suspect,
    uptimeMs: Math.round(monoMs - sources.startedMs),
    durability: config.durability,
    respPort: ports.resp,
    httpPort: ports.http,
    replicationPort: ports.replication,
    clients: {
      connected: clients.count,
      received: clients.received,
      refused: clients.refused,
      cutOff: clients.cutOff,
      evicted: clients.evicted,
      bytes: clientsBytes(run.sessions.values()),
      maximum: settings.maxClients,
      blocked: clients.waitingCount + run.blocking.count,
    },
    messages: {
      subscribers: run.subscriptions.clients,
      channels: run.subscriptions.count("channel"),
      patterns: run.subscriptions.count("pattern"),
      shardChannels: run.subscriptions.count("shard"),
      published: run.subscriptions.published,
      delivered: run.subscriptions.delivered,
      sent: replica.exchange.messages.sent,
      received: replica.exchange.messages.received,
      dropped: replica.exchange.messages.dropped,
    },
    tracking: {
      clients: run.tracking.clients,
      keys: run.tracking.keyCount,
      items: run.tracking.items,
      prefixes: run.tracking.prefixCount,
      sent: run.tracking.sent,
    },
    commands: commandStats(run).map(({ times, ...stat }) => ({
      ...stat,
      percentiles:
        times === null
          ? null
          : settings.latencyPercentiles.map((percent) => ({
              percent,
              micros: percentile(times, percent),
            })),
    })),
    errors: [...run.stats.errors].map(([code, count]) => ({ code, count })),
    keyspace: Array.from({ length: keyspace.databases }, (_, db) => ({
      db,
      keys: keyspace.keys(db),
      expires: keyspace.expiring(db),
    })),
    hits: run.hits,
    misses: run.misses,
    expired: replica.expiry.expired,
    evicted: run.eviction.evicted,
    operationsPerSecond: sources.operationsPerSecond,
    turnStepsMax: sources.turnStepsMax,
    memory: {
      ...sources.memory,
      arenaBytes: keyspace.heap.capacityBytes,
      arenaUsedBytes: keyspace.heap.usedBytes,
      dataBytes: run.eviction.usedBytes,
      dataPeakBytes: Math.max(run.eviction.peakBytes, run.eviction.usedBytes),
      maximumBytes: settings.maxMemoryBytes,
      policy: settings.maxMemoryPolicy,
    },
    scrub: sources.scrub,
    verify: sources.verify,
    log: logStatus(sources),
    joining: sources.joining,
    giving: replica.exchange.snapshots.status(),
    strong: { ...strong.counts, seconds: strong.seconds.read() },
    register: {
      epoch: strong.register.epoch,
      frozen: keyspace.policies.list().filter(({ frozen }) => frozen).length,
      ...strong.register.counts,
    },
    lease: {
      leftMs: keyspace.policies.haveLeases ? strong.lease.leftMs : null,
      ...strong.lease.counts,
    },
    bounded: replica.exchange.escrow.totals,
    clock,
    records: {
      made: replica.applied.get(replica.me),
      applied: delivery.appliedCount,
      pending: delivery.waitingCount,
      duplicates: delivery.duplicateCount,
    },
    conflicts: conflictStatus(replica),
    scripts: {
      cached: run.scripts.count,
      cachedBytes: run.scripts.bytes,
      libraries: run.libraries.all().length,
      functions: run.libraries.functionCount,
      libraryBytes: run.libraries.bytes,
      engineBytes: run.scriptEngine?.bytes ?? 0,
    },
    stability: {
      waitingResets: garbage.waitingResets,
      waitingFloors: garbage.waitingFloors,
      waitsFor: waitsFor(replica),
    },
    membership: membershipOf(replica),
    formats: { reads: READS, usable: replica.formats.usable, awaits: replica.formats.awaited },
    applied: replica.describe(replica.applied),
    durable: replica.describe(replica.durable),
    links: replica.members.names
      .filter((member) => member !== config.member)
      .map((member) => linkStatus(sources, member)),
  };
}

/** Those who have not stored what left the oldest of what waits; all others, when it is only not known whether more can come. */
function waitsFor({ garbage, members }: Replica): string[] {
  const oldest = garbage.oldest;
  return oldest === null ? [] : members.unsettled(oldest.origin, oldest.seq);
}

function conflictStatus({ run, keyspace, writer }: Replica): NodeStatus["conflicts"] {
  const { policies } = keyspace;
  return {
    seen: [...writer.conflicts.seen].map(([prefix, count]) => {
      const bytes = Buffer.from(prefix, "latin1");
      return {
        prefix: bytes.toString(),
        policy: policyName(policies.of(bytes, 0, bytes.length)),
        count,
      };
    }),
    recorded: run.conflicts.recorded,
    dropped: writer.conflicts.dropped,
    entries: run.conflicts.size,
    resolverFailures: policies.failures,
  };
}

function logStatus({ log, syncs, job, monoMs }: StatusSources): NodeStatus["log"] {
  return {
    beginPosition: log.begin,
    endPosition: log.end,
    durablePosition: log.durable,
    syncs: syncs.count,
    syncSeconds: syncs.histogram(),
    checkpointPosition: job.position,
    checkpointRunning: job.running,
    checkpointAgeMs: job.position === null ? null : Math.round(monoMs - job.installedAtMs),
  };
}

function linkStatus({ replica, peers }: StatusSources, member: string): LinkStatus {
  const link = [...replica.exchange.links.values()].find((other) => other.member === member);
  const lag = replica.exchange.lagOf(member);
  return {
    peer: member,
    region: link?.region ?? null,
    state: link === undefined ? "down" : lag?.records === 0 ? "live" : "catching up",
    reason: link === undefined ? peers.reasonDown(member) : null,
    rttMs: link?.rttMs ?? null,
    lagMs: lag?.ms ?? null,
    lagRecords: lag?.records ?? null,
    backlogBytes: link === undefined ? 0 : Math.max(0, replica.shipTo - link.backlog.cursor),
    retainedBytes: Math.max(0, replica.index.end - replica.neededFrom(member)),
    behindLog: link?.isBehind ?? false,
    sentBytes: link?.sentBytes ?? 0,
    receivedBytes: link?.receivedBytes ?? 0,
    sentRecords: link?.sentRecords ?? 0,
    receivedRecords: link?.receivedRecords ?? 0,
    clockOffsetMs: link?.clockOffsetMs ?? null,
    connects: peers.openedTo(member),
  };
}
