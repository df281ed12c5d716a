/**
 * Settings: what an operator may set and commands read: the part of the node's configuration that CONFIG GET shows.
 *
 * Invariant: plain data, one owner (the node); CONFIG SET changes only what may change while running.
 */
export interface Settings {
  requirepass: string;
  protectedMode: boolean;
  databases: number;
  maxClients: number;
  protoMaxBulkLen: number;
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
}

export const defaultSettings: Settings = {
  requirepass: "",
  protectedMode: true,
  databases: 16,
  maxClients: 10_000,
  protoMaxBulkLen: 16 * 1024 * 1024,
  port: 6379,
  bind: "127.0.0.1",
  dir: "",
  durability: "local",
  region: "local",
  member: "local/1",
  version: "0.0.0",
  runId: "0".repeat(40),
  startedMs: 0,
};
