/**
 * Profiles: parts of what a seed may be drawn from, by name, each directed at one kind of bug.
 *
 * Invariant: a profile leaves things out or makes them certain; what happens is still drawn from the seed, and healthy code keeps every
 * promise in it: `npm run sim -- --profile NAME --seeds 50`.
 */
import type { Profile } from "./swarm.ts";

const HASHES = ["hset", "hincr", "hdel", "hgetall"];
const SETS = ["sadd", "srem", "spop", "smove", "keep"];
const LISTS = ["lpush", "lset", "linsert", "lrem", "ltrim", "lpop", "lmove", "lrange", "ldel"];
const STREAMS = ["xadd", "xtrim", "xgroup", "xreadgroup", "xautoclaim", "xread", "xend"];
const SORTED_SETS = ["zadd", "zincr", "zrem", "zpop", "zcut", "zrange"];
const EXPIRING = ["setex", "expire", "persist", "sadd", "hset", "hincr", "hexpire", "hpersist"];
const DOCUMENT_EDITS = ["jnew", "jset", "jpush", "jpop", "jnum", "jget", "jother"];
const STRONG = ["gset", "gget", "gnx", "gdel", "gincr", "gappend", "gcas", "glock", "gsee"];
const TEN_MINUTES_MS = 600_000;

export const PROFILES: Readonly<Record<string, Profile>> = {
  everything: {},
  /** Clusters of five, for what a simulated hour of them costs. */
  five: { fixed: { regions: 5, replicas: 1 } },
  /** Clusters of five that are asked 2,000 times a second: what an event costs where little else happens. */
  dense: {
    kinds: ["total", "set", "get", "sadd", "srem", "hset", "hincr", "incr", "del"],
    faults: ["crash", "cut"],
    fixed: {
      ...{ regions: 5, replicas: 1, shape: "mesh", durability: "local", clients: 10, meanMs: 5 },
      ...{ depth: 8, delayMs: 10, jitterMs: 0, rate: 0, padding: 0, keys: 50, elements: 30 },
    },
  },
  /** What a crash takes from disks that are slow to store. */
  crashes: {
    kinds: ["set", "get", "sadd", "total", "echo", "del"],
    faults: ["crash", "slow-disk"],
    fixed: { durability: "local", depth: 4 },
  },
  /** Turns that hold next to nothing, so that clients and peers go on in the next one all the time. */
  turns: {
    kinds: ["set", "get", "sadd", "total", "echo", "del"],
    faults: ["cut", "crash"],
    fixed: { durability: "local", depth: 4, turnSteps: 10 },
  },
  /** Counters that are removed while disks store slowly and machines crash. */
  "counters, crashes": {
    kinds: ["incr", "del"],
    faults: ["crash", "slow-disk"],
    everyMs: 2_000,
    fixed: {
      durability: "local",
      regions: 3,
      shape: "mesh",
      keys: 1,
      padding: 0,
      meanMs: 30,
      delayMs: 150,
      jitterMs: 0,
    },
  },
  /** Counters that are removed while a region is away, and all begin anew without having heard of it. */
  "counters, strangers": {
    kinds: ["incr", "del"],
    faults: ["crash-all", "isolate"],
    everyMs: 1_000,
    fixed: { durability: "local", regions: 3, shape: "mesh", keys: 1, padding: 0, meanMs: 30 },
  },
  /** Reports that overtake, over another region, the records of their member. */
  "late counters": {
    kinds: ["incr", "del"],
    faults: ["slow-wire", "cut-one-way"],
    everyMs: 2_000,
    fixed: { regions: 3, shape: "mesh", keys: 1, padding: 0, meanMs: 60, delayMs: 10, jitterMs: 0 },
  },
  /** What an incarnation still had under way when its disk went back to an older state. */
  "counters, older disks": {
    kinds: ["incr", "del"],
    faults: ["older-disk", "cut-one-way", "slow-wire"],
    everyMs: 1_000,
    fixed: {
      regions: 3,
      shape: "mesh",
      keys: 1,
      padding: 0,
      meanMs: 20,
      delayMs: 150,
      jitterMs: 0,
    },
  },
  /** Counters that are removed, and regions that hear of it late. */
  counters: {
    kinds: ["incr", "del", "set", "certain"],
    faults: ["cut", "slow-wire"],
    fixed: { keys: 1, padding: 0, meanMs: 20, regions: 3, shape: "mesh" },
  },
  hashes: {
    kinds: [...HASHES, "del", "certain"],
    faults: ["cut", "isolate", "slow-wire"],
    fixed: { keys: 1, elements: 2, padding: 0 },
  },
  lists: {
    kinds: [...LISTS, "qpush", "qpop", "qwait", "qmove"],
    faults: ["cut", "isolate", "slow-wire"],
    fixed: { keys: 2, elements: 3, padding: 0 },
  },
  streams: {
    kinds: [...STREAMS],
    faults: ["cut", "isolate", "slow-wire", "crash"],
    fixed: { keys: 2, elements: 3, padding: 0 },
  },
  /** Streams that several regions add to and read on, and what is late. */
  tails: {
    kinds: ["tadd", "tail"],
    faults: ["cut", "isolate", "slow-wire", "crash"],
    fixed: { durability: "local", keys: 1, padding: 0, meanMs: 20 },
  },
  /** Clients that wait for elements, and machines that crash under them. */
  queues: {
    kinds: ["qpush", "qpop", "qwait", "qmove"],
    faults: ["cut", "crash", "slow-disk"],
    fixed: { durability: "local", keys: 2, padding: 0, meanMs: 30 },
  },
  /** What owners do for all regions, over wires that break under it. */
  owners: {
    kinds: ["opush", "opop", "owait", "ocount", "oread", "oscript", "otx", "oclaim", "omove"],
    faults: ["cut", "isolate", "slow-wire", "crash", "half-open"],
    fixed: { durability: "local", regions: 3, shape: "mesh", keys: 2, padding: 0, meanMs: 30 },
  },
  /** What is asked for again because nothing was heard of it. */
  once: {
    kinds: ["once", "oonce", "id", "total", "token"],
    faults: ["cut", "isolate", "crash", "half-open", "reset", "slow-disk", "hang-up"],
    everyMs: 2_000,
    fixed: { durability: "local", regions: 3, shape: "mesh", padding: 0, meanMs: 30, wander: 0.1 },
  },
  /** Owners that are found others when they are away, and keys of which it changes who writes them. */
  fences: {
    kinds: ["fpush", "fmove", "xpush", "xset"],
    faults: [
      "cut",
      "isolate",
      "partition",
      "slow-wire",
      "crash",
      "half-open",
      "pause",
      "slow-disk",
    ],
    fixed: {
      ...{ durability: "local", regions: 3, replicas: 1, shape: "mesh", keys: 2, padding: 0 },
      ...{ meanMs: 60, healMs: 120_000 },
    },
    // Longer than it takes to find keys another owner.
    longestMs: 60_000,
    everyMs: 15_000,
  },
  /** The same where clocks run apart, disks are slow, and processes and networks stand still for longer than a lease lasts. */
  leases: {
    kinds: ["fpush", "fforce"],
    faults: ["pause", "isolate"],
    fixed: {
      ...{ durability: "local", regions: 3, replicas: 1, shape: "mesh", keys: 1, padding: 0 },
      ...{ meanMs: 60, depth: 4, syncUs: 200_000, healMs: 120_000, driftMax: 0.1 },
      // Clients are still there when an owner that stood still goes on.
      patienceMs: 60_000,
    },
    shortestMs: 18_000,
    longestMs: 40_000,
    everyMs: 25_000,
  },
  documents: {
    kinds: [...DOCUMENT_EDITS, "certain"],
    faults: ["cut", "isolate", "slow-wire", "crash"],
    fixed: { keys: 2, elements: 3, padding: 0 },
  },
  "sorted sets": {
    kinds: [...SORTED_SETS, "del"],
    faults: ["cut", "isolate", "slow-wire"],
    fixed: { keys: 2, elements: 4, padding: 0 },
  },
  sets: {
    kinds: [...SETS, "del", "certain"],
    faults: ["cut", "isolate", "slow-wire"],
    fixed: { keys: 2, elements: 3, padding: 0 },
  },
  /** Prefixes with a format of their own. */
  formats: {
    kinds: [
      ...["bset", "bfield", "bcount", "bother", "wadd", "wrem", "wpop", "wdel"],
      ...["vset", "vsetex", "vdel", "vget", "certain"],
    ],
    faults: ["cut", "isolate", "slow-wire", "crash"],
    fixed: { keys: 2, elements: 3, padding: 0 },
  },
  /** Removals by the last writer that are late, and members that come back from checkpoints meanwhile. */
  "formats, checkpoints": {
    kinds: ["wadd", "wrem", "wpop"],
    faults: ["isolate", "crash"],
    shortestMs: 1_000,
    everyMs: 4_000,
    fixed: {
      durability: "local",
      regions: 3,
      shape: "mesh",
      keys: 2,
      elements: 30,
      padding: 0,
      meanMs: 40,
      checkpointBytes: 4_000,
    },
  },
  /** Values written at the same time in several regions, and keys of several types. */
  conflicts: {
    kinds: ["set", "hset", "clash", "rename", "append"],
    faults: ["slow-wire"],
    fixed: { keys: 2, elements: 3, padding: 0, skewMs: 0, meanMs: 20, regions: 3, shape: "mesh" },
  },
  /** Transactions whose replies are certain. */
  certain: {
    kinds: ["certain", "echo", "incr", "hincr", "decr", "sadd", "hset"],
    faults: ["cut", "slow-disk"],
    fixed: { keys: 2, elements: 2, padding: 0 },
  },
  transactions: {
    kinds: ["pair", "multi", "watch", "set", "total"],
    faults: ["crash", "cut"],
    fixed: { keys: 1 },
  },
  /** Scripts beside transactions that do the same, and some that are stopped. */
  scripts: {
    kinds: ["script", "stopped", "move", "pair", "sadd", "total"],
    faults: ["crash", "cut"],
    fixed: { keys: 2, elements: 4, padding: 0 },
  },
  expiry: { kinds: EXPIRING, faults: ["isolate", "slow-wire", "crash"], fixed: { keys: 8 } },
  flushes: { kinds: ["flush", "set", "sadd", "incr"], faults: ["cut", "slow-wire", "crash"] },
  /** Reads and writes at levels, and sessions that go from region to region. */
  levels: {
    kinds: ["total", "count", "wlevel", "rlevel", "ratomic", "token", "set", "get"],
    faults: ["cut", "isolate", "slow-wire", "crash"],
    fixed: { regions: 3, shape: "mesh", keys: 2, padding: 0, meanMs: 30, wander: 0.1, delayMs: 20 },
  },
  /** The same with two replicas in each region. */
  replicas: {
    kinds: ["wlevel", "rlevel", "token", "set", "get"],
    faults: ["cut", "slow-wire"],
    everyMs: 2_000,
    fixed: {
      regions: 3,
      replicas: 2,
      shape: "mesh",
      keys: 1,
      padding: 0,
      meanMs: 30,
      delayMs: 120,
      wander: 0.05,
    },
  },
  /** Keys that most regions agree about, wanted by all of them at once. */
  strong: {
    kinds: [...STRONG],
    faults: ["cut", "isolate", "slow-wire", "crash", "slow-disk", "hang-up", "pause"],
    fixed: { keys: 8, padding: 0, meanMs: 60 },
  },
  /** The same on disks that are lost, and on logs that are soon cut. */
  "strong, lost disks": {
    kinds: [...STRONG, "set"],
    faults: ["empty-disk", "older-disk", "crash", "cut", "slow-wire"],
    fixed: {
      keys: 8,
      padding: 0,
      meanMs: 60,
      regions: 3,
      checkpointBytes: 4_000,
      segmentBytes: 8 << 10,
      minRetainMs: 500,
    },
  },
  /** One key, which everybody changes. */
  "strong counters": {
    kinds: ["gincr", "gget"],
    faults: ["cut", "crash", "slow-wire", "reset"],
    everyMs: 2_000,
    fixed: { keys: 8, padding: 0, meanMs: 40, regions: 3, shape: "mesh", delayMs: 20 },
  },
  /** Deletions that are forgotten while nobody asks, and what comes of their keys afterwards. */
  "strong, forgotten": {
    kinds: ["gset", "gget", "gdel", "gincr"],
    faults: ["cut", "crash", "slow-wire"],
    fixed: { keys: 8, padding: 0, meanMs: 60, restMs: [9_000, 24_000], healMs: 32_000 },
  },
  /** One region is away for longer than expiry waits for it. */
  away: {
    kinds: ["sadd", "hset", "hincr", "setex", "expire"],
    fixed: {
      regions: 3,
      shape: "mesh",
      durability: "local",
      meanMs: 60,
      keys: 50,
      elements: 3,
      wander: 0,
      faults: [
        { kind: "isolate", atMs: 4_000, forMs: TEN_MINUTES_MS + 25_000, which: 2, amount: 0 },
      ],
      restMs: [8_000, TEN_MINUTES_MS + 32_000],
      healMs: TEN_MINUTES_MS + 30_000,
    },
  },
  clocks: {
    faults: [
      "clock-offset",
      "clock-hours",
      "clock-years",
      "clock-drift",
      "clock-freeze",
      "clock-back-at-boot",
      "crash",
    ],
    fixed: { durability: "local", skewMs: 100, delayMs: 5 },
  },
  /** Machines that come back with a clock of before, and have not stored how far they had gone. */
  "clocks back": {
    faults: ["clock-back-at-boot", "slow-disk"],
    everyMs: 2_000,
    fixed: { durability: "local", checkpointBytes: 4_000 },
  },
  /** Disks that are lost, and processes that end before they have stored. */
  identity: { faults: ["older-disk", "empty-disk", "crash-all", "crash"] },
  "half-open": { faults: ["half-open", "flap"], everyMs: 3_000 },
  /** Keys enough for a walk of many steps. */
  scans: {
    kinds: ["total", "keep", "set", "sadd"],
    faults: ["crash"],
    fixed: { keys: 50, meanMs: 30, healMs: 8_000 },
  },
  relaxed: { faults: ["crash", "crash-all"], fixed: { durability: "relaxed" } },
  /** Disks that fail or are full. */
  /** Syncs fail and the power goes while what a dead process left in the cache is read. */
  "failing starts": {
    faults: ["sync-error", "crash", "torn-write"],
    everyMs: 300,
    fixed: { durability: "relaxed", padding: 2_000 },
  },
  disks: { faults: ["sync-error", "disk-full", "slow-disk"], fixed: { durability: "local" } },
  /** Much data, small windows, logs that are cut as soon as they may be. */
  large: {
    kinds: ["set", "hset", "keep", "total"],
    faults: ["isolate", "slow-wire", "crash", "slow-disk"],
    fixed: {
      durability: "local",
      padding: 4_000,
      meanMs: 60,
      healMs: 15_000,
      rate: 2_000,
      windowBytes: 1 << 14,
      checkpointBytes: 64_000,
      minRetainMs: 500,
    },
  },
  /** Logs that are cut as soon as they may be, while machines crash that have not stored yet. */
  cuts: {
    kinds: ["set", "hset", "keep"],
    faults: ["crash", "slow-disk"],
    everyMs: 2_000,
    fixed: {
      durability: "local",
      regions: 3,
      shape: "mesh",
      padding: 8_000,
      meanMs: 60,
      healMs: 15_000,
      rate: 0,
      windowBytes: 8 << 20,
      checkpointBytes: 600_000,
      minRetainMs: 500,
    },
  },
  /** Regions that reach one another only over others. */
  relays: {
    faults: ["cut", "crash", "reset"],
    fixed: { regions: 5, shape: "ring", durability: "local" },
  },
  /** Elements on their way through many lists, each of which comes and goes. */
  moves: {
    kinds: ["lpush", "lmove", "qpush", "qmove", "smove", "sadd"],
    fixed: { keys: 50, padding: 0, meanMs: 20 },
  },
  /** What waits behind much else on a wire that is always too slow. */
  "slow wires": {
    faults: ["slow-wire"],
    fixed: { shape: "mesh", regions: 3, keys: 2, padding: 2_000, rate: 60, meanMs: 60 },
  },
  /** A member that lost its disk, and logs that no longer reach back to the beginning. */
  snapshots: {
    faults: ["empty-disk", "older-disk", "cut", "crash", "reset", "slow-wire"],
    fixed: {
      durability: "local",
      checkpointBytes: 4_000,
      segmentBytes: 8 << 10,
      minRetainMs: 500,
      padding: 2_000,
      meanMs: 30,
      keys: 50,
    },
  },
  /** A member that lost its disk, and logs that still hold everything but are longer than a copy. */
  copies: {
    faults: ["empty-disk", "cut", "crash", "reset", "slow-wire"],
    fixed: { durability: "local", checkpointBytes: 1 << 30, copyBeyondBytes: 5_000, meanMs: 30 },
  },
  /** A member that is removed: dead, standing still or alive, while others crash and cannot reach one another. */
  removals: {
    faults: ["removal", "crash", "cut", "slow-wire", "slow-disk"],
    everyMs: 6_000,
    fixed: { regions: 3, replicas: 1, shape: "mesh", durability: "local", meanMs: 30 },
  },
  /** The same, with counters that are removed, and disks that go back or are lost. */
  "removals, older disks": {
    kinds: ["incr", "del", "sadd", "srem"],
    faults: ["removal", "older-disk", "empty-disk", "cut"],
    everyMs: 6_000,
    fixed: { regions: 4, replicas: 1, shape: "mesh", keys: 1, padding: 0, meanMs: 30 },
  },
  /** A member that is removed while some have heard more of it than others. */
  "removals, late": {
    kinds: ["set", "sadd", "srem", "incr", "del", "total", "keep"],
    faults: ["removal", "slow-wire", "isolate", "cut"],
    everyMs: 3_000,
    fixed: {
      regions: 4,
      replicas: 1,
      shape: "mesh",
      durability: "local",
      keys: 2,
      padding: 0,
      meanMs: 20,
      syncUs: 10_000,
    },
  },
  /** Processes that are back while what they said last is on its way over slow wires. */
  "late lives": {
    faults: ["crash", "slow-wire", "late-frames"],
    everyMs: 1_500,
    fixed: { regions: 3, replicas: 1, shape: "mesh", durability: "local", meanMs: 100 },
  },
  /** Members that go and come, while others crash and cannot reach one another. */
  members: {
    faults: ["removal", "addition", "crash", "cut", "slow-wire", "slow-disk"],
    everyMs: 8_000,
    fixed: { regions: 3, replicas: 1, shape: "mesh", durability: "local", meanMs: 40 },
  },
  /** Members that come while logs are cut as soon as they may be. */
  additions: {
    faults: ["addition", "crash", "cut", "reset"],
    everyMs: 8_000,
    fixed: {
      regions: 2,
      replicas: 1,
      shape: "mesh",
      durability: "local",
      checkpointBytes: 4_000,
      segmentBytes: 8 << 10,
      minRetainMs: 500,
      padding: 2_000,
      meanMs: 30,
      keys: 50,
    },
  },
  /** Two processes under one name, while wires are slow or cut and machines crash. */
  twins: {
    faults: ["clone", "crash", "cut", "slow-wire"],
    everyMs: 8_000,
    fixed: { regions: 3, replicas: 1, shape: "mesh", durability: "local", meanMs: 40 },
  },
  /** Members that are away for long while the others' logs come to their limit. */
  absent: {
    faults: ["isolate", "crash", "cut", "slow-wire"],
    everyMs: 6_000,
    fixed: {
      durability: "local",
      regions: 3,
      shape: "mesh",
      checkpointBytes: 4_000,
      segmentBytes: 8 << 10,
      minRetainMs: 500,
      logBytesMax: 400_000,
      padding: 2_000,
      meanMs: 20,
      keys: 50,
    },
  },
  /** Stocks that all regions sell from, and that come to their end. */
  escrow: {
    kinds: ["bound"],
    faults: ["cut", "isolate", "crash", "slow-disk", "reset"],
    everyMs: 4_000,
    fixed: { durability: "local", regions: 3, meanMs: 40, delayMs: 30, rate: 0, wander: 0.01 },
  },
  /** The same with disks that go back to an older state, or are lost. */
  "escrow, older disks": {
    kinds: ["bound"],
    faults: ["older-disk", "empty-disk", "crash", "cut"],
    everyMs: 3_000,
    fixed: { durability: "local", regions: 3, shape: "mesh", meanMs: 20, delayMs: 10, rate: 0 },
  },
  /** The same with members that are removed. */
  "escrow, removals": {
    kinds: ["bound", "reclaim"],
    faults: ["removal", "cut", "crash"],
    everyMs: 6_000,
    fixed: { durability: "local", regions: 3, replicas: 1, shape: "mesh", meanMs: 20, rate: 0 },
  },
  /** Readers of the change feed, who go on elsewhere, while logs are cut and regions hear of one another late. */
  feeds: {
    kinds: ["feed", "set", "sadd", "srem", "keep", "total", "pair", "flush"],
    faults: ["cut", "isolate", "crash", "slow-wire", "reset"],
    everyMs: 4_000,
    fixed: {
      ...{ durability: "local", keys: 2, padding: 0, meanMs: 30, wander: 0.1 },
      ...{ segmentBytes: 8 << 10, checkpointBytes: 4_000, minRetainMs: 500 },
    },
  },
  links: { faults: ["cut", "cut-one-way", "flap", "reset", "slow-wire", "disk-full"] },
  checkpoints: {
    kinds: ["set", "total", "sadd", "srem", "incr", "hset"],
    faults: ["crash", "crash-all", "slow-disk"],
    fixed: { durability: "local", checkpointBytes: 4_000 },
  },
  /** Replicas that compare themselves with one another all the time, and one that is damaged in the end. */
  comparing: {
    kinds: ["set", "incr", "total", "sadd", "srem", "hset", "hincr", "del", "setex"],
    faults: ["cut", "reset", "crash"],
    everyMs: 8_000,
    fixed: { shape: "mesh", regions: 3, durability: "local", keys: 8, meanMs: 40, verifyMs: 400 },
  },
};
