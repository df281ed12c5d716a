/**
 * Status: everything a node says about itself, as plain data: `/status`, `/metrics`, INFO and the lab read this one account.
 *
 * Invariant: units stand in the names; a value that is not known is null, never a stand-in.
 */
import type { ClockFacts } from "../core/commands/clock.ts";
import type { Figures } from "../core/commands/rights.ts";
import type { Counted } from "../core/histogram.ts";
import type { Strong } from "../core/strong/strong.ts";
import type { Membership } from "./membership.ts";

export interface LinkStatus {
  /** The peer's member name, such as `eu-west/1`, or the configured link's name while nobody has answered. */
  peer: string;
  region: string | null;
  state: "down" | "catching up" | "live";
  /** Why it is down, in words; null while it is up. */
  reason: string | null;
  rttMs: number | null;
  /** How long ago the oldest of our records that the peer has not applied was made; 0 when it has all. */
  lagMs: number | null;
  /** Our records that the peer is not known to have applied. */
  lagRecords: number | null;
  backlogBytes: number;
  /** The log that is kept from the oldest record on that the peer is not known to have stored. */
  retainedBytes: number;
  /** Whether the log no longer holds what it needs: it is to be given a snapshot. */
  behindLog: boolean;
  sentBytes: number;
  receivedBytes: number;
  sentRecords: number;
  receivedRecords: number;
  /** The peer's clock minus ours. */
  clockOffsetMs: number | null;
  /** Links that were opened since the start. */
  connects: number;
}

/** How a node comes by what it lacks. */
export interface JoiningStatus {
  phase: "waiting" | "catching up" | "receiving" | "installing";
  /** Who gives a snapshot; null in the other phases. */
  from: string | null;
  keys: number | null;
  /** As many as its giver had when it began. */
  keysTotal: number | null;
  bytes: number | null;
  bytesPerSecond: number | null;
  /** Records that are missing, of those it waits for; null while that is not known. */
  records: number | null;
  etaMs: number | null;
  /** For how long nothing has come. */
  stalledForMs: number;
}

export interface NodeStatus {
  version: string;
  region: string;
  member: string;
  origin: string;
  pid: number;
  /** `reason` says why when the state is not `ready`. */
  state: "starting" | "joining" | "ready" | "read-only" | "stopping";
  reason: string | null;
  uptimeMs: number;
  durability: "local" | "relaxed";
  respPort: number;
  httpPort: number;
  replicationPort: number;
  clients: {
    connected: number;
    received: number;
    refused: number;
    /** Cut off: too much was owed to them; all clients together held too much. */
    cutOff: number;
    evicted: number;
    /** What all of them hold now: requests, replies. */
    bytes: number;
    maximum: number;
    blocked: number;
  };
  /** Channels, patterns and shard channels that are listened to; messages published here, and handed to a subscriber. */
  messages: {
    subscribers: number;
    channels: number;
    patterns: number;
    shardChannels: number;
    published: number;
    delivered: number;
    /** To and from other regions: sent once for each link, taken, and given up. */
    sent: number;
    received: number;
    dropped: number;
  };
  /** Clients that track, what is remembered for them, and what they were told. */
  tracking: { clients: number; keys: number; items: number; prefixes: number; sent: number };
  /** Calls, failures and time per command name in lower case. */
  commands: {
    name: string;
    calls: number;
    failures: number;
    rejections: number;
    micros: number;
    /** What so many percent of the calls did not exceed, in microseconds; null where it is not measured. */
    percentiles: { percent: number; micros: number }[] | null;
  }[];
  /** Errors answered, by their code. */
  errors: { code: string; count: number }[];
  keyspace: { db: number; keys: number; expires: number }[];
  hits: number;
  misses: number;
  expired: number;
  evicted: number;
  /** Commands a second, over the last few seconds. */
  operationsPerSecond: number;
  /** Steps of the longest turn since the start: `turn.ts`. */
  turnStepsMax: number;
  memory: {
    rssBytes: number;
    heapBytes: number;
    arenaBytes: number;
    arenaUsedBytes: number;
    /** What the data takes: the figure that `maximumBytes` bounds. */
    dataBytes: number;
    /** The most that `dataBytes` was, when it was looked at. */
    dataPeakBytes: number;
    /** 0 for no bound. */
    maximumBytes: number;
    policy: string;
  };
  log: {
    beginPosition: number;
    endPosition: number;
    durablePosition: number;
    syncs: number;
    /** Upper bounds in seconds and cumulative counts, as Prometheus histograms want them. */
    syncSeconds: Counted;
    checkpointPosition: number | null;
    checkpointRunning: boolean;
    checkpointAgeMs: number | null;
  };
  /** Null while it lacks nothing. */
  joining: JoiningStatus | null;
  /** Whom it gives a snapshot, and how many keys of it are sent. */
  giving: { to: string; keys: number }[];
  /** Reading again what was stored. */
  scrub: { running: boolean; ageMs: number | null; damaged: number };
  /** The comparison with other members: since the last one, what it said, and keys mended since the start. */
  verify: {
    running: boolean;
    ageMs: number | null;
    equal: boolean | null;
    differences: number;
    mendedKeys: number;
  };
  /** What regions agree on: strong keys, keyspaces, and who owns keys until when. */
  strong: Strong["counts"] & { readonly seconds: Counted };
  register: {
    /** Of what is in force here; 0 for the node's own file. */
    epoch: number;
    /** Prefixes that nobody may write while it changes who does. */
    frozen: number;
    /** Changes agreed on by this node, and changes of others that it gave up. */
    changes: number;
    givenUp: number;
  };
  lease: {
    /** For how long this node may do what an owner does; null where no owner needs a lease. */
    leftMs: number | null;
    /** Homes that this node has taken over, and replies not given because the lease was over meanwhile. */
    taken: number;
    late: number;
  };
  /** Bounded counters, all together. */
  bounded: Readonly<Figures>;
  clock: ClockFacts;
  records: { made: number; applied: number; pending: number; duplicates: number };
  /** What was lost against concurrent writes. */
  conflicts: {
    /** Concurrent writes seen since the start, by the prefix of their keyspace. */
    seen: { prefix: string; policy: string; count: number }[];
    /** This node's losses written to the feed since the start, and those that were too many at once. */
    recorded: number;
    dropped: number;
    /** Entries in the feed, of all members. */
    entries: number;
    /** Reads whose custom resolver failed, since the start. */
    resolverFailures: number;
  };
  /** Scripts that clients call by digest, libraries of functions, and what they take in memory, what they compute with aside. */
  scripts: {
    cached: number;
    cachedBytes: number;
    libraries: number;
    functions: number;
    libraryBytes: number;
    /** What the engine's interpreters hold. */
    engineBytes: number;
  };
  /** What removals left behind, and the members without which the oldest of it cannot be collected. */
  stability: { waitingResets: number; waitingFloors: number; waitsFor: string[] };
  /** Who belongs to the cluster, and whom it waits for on behalf of those removed. */
  membership: Membership;
  /** Formats of records and checkpoints, by version. */
  formats: {
    /** What this build reads, and what may be written because every member does: the cluster's version. */
    reads: number;
    usable: number;
    /** Members that do not read as much, or have not said so. */
    awaits: string[];
  };
  /** Origin → highest seq applied; and durable in this replica's log. */
  applied: Record<string, number>;
  durable: Record<string, number>;
  links: LinkStatus[];
}
