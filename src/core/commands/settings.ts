/**
 * Settings: what an operator may set and commands read: the part of the node's configuration that CONFIG GET shows.
 *
 * Invariant: plain data, one owner (the node); CONFIG SET changes only what may change while running.
 */
import { type ClientsMemory, DEFAULT_OUTPUT_LIMITS, type OutputLimits } from "./client-limits.ts";
import type { EvictionPolicy } from "../replica/eviction-policy.ts";
import { REMEMBERED } from "./parameters-remembered.ts";

export interface Settings {
  requirepass: string;
  /** The path of the file of users; empty for none. */
  aclFile: string;
  protectedMode: boolean;
  databases: number;
  maxClients: number;
  protoMaxBulkLen: number;
  /** A sparse HyperLogLog that would grow beyond as many bytes becomes dense. */
  hllSparseMaxBytes: number;
  /** A document may not take more than that, as updates. */
  documentMaxBytes: number;
  port: number;
  bind: string;
  dir: string;
  durability: "local" | "relaxed";
  /** CLIENT and INFO name them. */
  region: string;
  member: string;
  version: string;
  runId: string;
  startedMs: number;
  /** What the data may take before keys are evicted or writes refused, in bytes; 0 for no bound. */
  maxMemoryBytes: number;
  maxMemoryPolicy: EvictionPolicy;
  /** Keys that each eviction chooses among. */
  maxMemorySamples: number;
  /** How fast the LFU counter of a key saturates, and after how many minutes without use it falls by one. */
  lfuLogFactor: number;
  lfuDecayMinutes: number;
  /** Commands that took at least so long are logged by SLOWLOG; negative: none. */
  slowlogSlowerThanMicros: number;
  slowlogMaxLen: number;
  /** Events that took at least so long are kept by LATENCY; 0: none. */
  latencyThresholdMs: number;
  /** Whether the distribution of each command's time is kept. */
  latencyTracking: boolean;
  latencyPercentiles: readonly number[];
  /** How much may be owed to a client that reads slowly. Never changed in place. */
  outputLimits: OutputLimits;
  /** What all clients together may hold before the largest is cut off. */
  maxMemoryClients: ClientsMemory;
  /** Keys that are remembered for clients that track; 0 for no bound. */
  trackingTableMaxKeys: number;
  /** Of which classes keyspace events are told, and in which channels, as bits; 0: none. */
  notifyEvents: number;
  /** A client that is silent for so long is disconnected; 0: never. */
  timeoutSeconds: number;
  /** A script that runs for longer is stopped, and nothing of it is kept; 0: none is. */
  scriptTimeLimitMs: number;
  /** Parameters that mean nothing here, by name: what they were set to. Never changed in place. */
  remembered: Readonly<Record<string, string>>;
}

export const defaultSettings: Settings = {
  requirepass: "",
  aclFile: "",
  protectedMode: true,
  databases: 16,
  maxClients: 10_000,
  protoMaxBulkLen: 16 * 1024 * 1024,
  hllSparseMaxBytes: 3000,
  documentMaxBytes: 16 * 1024 * 1024,
  port: 6379,
  bind: "127.0.0.1",
  dir: "",
  durability: "local",
  region: "local",
  member: "local/1",
  version: "0.0.0",
  runId: "0".repeat(40),
  startedMs: 0,
  maxMemoryBytes: 0,
  maxMemoryPolicy: "noeviction",
  maxMemorySamples: 5,
  lfuLogFactor: 10,
  lfuDecayMinutes: 1,
  slowlogSlowerThanMicros: 10_000,
  slowlogMaxLen: 128,
  latencyThresholdMs: 0,
  latencyTracking: true,
  latencyPercentiles: [50, 99, 99.9],
  outputLimits: DEFAULT_OUTPUT_LIMITS,
  maxMemoryClients: 0,
  trackingTableMaxKeys: 1_000_000,
  notifyEvents: 0,
  timeoutSeconds: 0,
  scriptTimeLimitMs: 5_000,
  remembered: REMEMBERED,
};
