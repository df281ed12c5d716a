/**
 * Parameters: what CONFIG GET shows and CONFIG SET may change.
 *
 * Invariant: a value shown is true: it comes from the settings, is how this store always works, or, where nothing here depends on
 * it, is what was set last (`parameters-remembered.ts`).
 */
import { EVICTION_POLICIES } from "../replica/eviction-policy.ts";
import {
  clientsMemoryText,
  outputLimitsText,
  readClientsMemory,
  readOutputLimits,
} from "./client-limits.ts";
import {
  isWrong,
  readInteger,
  readMemory,
  readWord,
  readYesNo,
  type Wrong,
} from "./parameter-kinds.ts";
import { type Remembered, rememberedParameters } from "./parameters-remembered.ts";
import { eventClassesText, readEventClasses } from "./event-classes.ts";
import type { Settings } from "./settings.ts";

const MEBIBYTE = 1024 * 1024;
/** What Redis itself takes unless told otherwise. */
const BULK_MAX_BYTES = 512 * MEBIBYTE;
const INT_MAX = 2 ** 31 - 1;

/** A text of one byte a character. */
export interface Parameter {
  readonly name: string;
  /** Another name for it, from before Redis 7. */
  readonly alias?: string;
  get(settings: Settings): string;
  /** Changes the setting or returns what is wrong with the value. Absent when only a restart may change it. */
  readonly set?: (settings: Settings, value: string) => string | null;
  /** Redis guards it with `enable-protected-configs` and says so. */
  readonly guarded?: boolean;
  /** Shown to those who ask for it by its whole name only. */
  readonly hidden?: boolean;
  /** Its value is a secret: SLOWLOG and MONITOR do not show it. */
  readonly secret?: boolean;
}

/** In the order in which CONFIG GET answers. */
export const parameters: readonly Parameter[] = [
  parameter("maxclients", "maxClients", (value) => readInteger(value, 1, 0xffffffff)),
  parameter("proto-max-bulk-len", "protoMaxBulkLen", (value) =>
    readMemory(value, MEBIBYTE, BULK_MAX_BYTES),
  ),
  parameter("hll-sparse-max-bytes", "hllSparseMaxBytes", (value) =>
    readMemory(value, 0, Number.MAX_SAFE_INTEGER),
  ),
  parameter("document-max-bytes", "documentMaxBytes", (value) =>
    readMemory(value, MEBIBYTE, BULK_MAX_BYTES),
  ),
  parameter("protected-mode", "protectedMode", readYesNo),
  {
    name: "requirepass",
    secret: true,
    get: (settings) => Buffer.from(settings.requirepass).latin1Slice(),
    set: (settings, value) => {
      const bytes = Buffer.from(value, "latin1");
      const password = bytes.toString("utf8");
      // The configuration file is text, so a password is too.
      if (!Buffer.from(password).equals(bytes)) return "argument must be UTF-8";
      settings.requirepass = password;
      return null;
    },
  },
  parameter("maxmemory", "maxMemoryBytes", (value) =>
    readMemory(value, 0, Number.MAX_SAFE_INTEGER),
  ),
  parameter("maxmemory-policy", "maxMemoryPolicy", (value) => readWord(value, EVICTION_POLICIES)),
  parameter("maxmemory-samples", "maxMemorySamples", (value) => readInteger(value, 1, INT_MAX)),
  parameter("lfu-log-factor", "lfuLogFactor", (value) => readInteger(value, 0, INT_MAX)),
  parameter("lfu-decay-time", "lfuDecayMinutes", (value) => readInteger(value, 0, INT_MAX)),
  parameter("slowlog-log-slower-than", "slowlogSlowerThanMicros", (value) =>
    readInteger(value, -1, Number.MAX_SAFE_INTEGER),
  ),
  parameter("slowlog-max-len", "slowlogMaxLen", (value) =>
    readInteger(value, 0, Number.MAX_SAFE_INTEGER),
  ),
  parameter("latency-monitor-threshold", "latencyThresholdMs", (value) =>
    readInteger(value, 0, Number.MAX_SAFE_INTEGER),
  ),
  parameter("latency-tracking", "latencyTracking", readYesNo),
  {
    name: "latency-tracking-info-percentiles",
    get: (settings) => settings.latencyPercentiles.join(" "),
    set: (settings, value) => {
      const words = value.trim() === "" ? [] : value.trim().split(/\s+/);
      const percentiles = words.map(Number);
      if (percentiles.some((percentile) => !(percentile >= 0 && percentile <= 100)))
        return "latency-tracking-info-percentiles should contain a numeric value between 0.0 and 100.0 inclusive";
      settings.latencyPercentiles = percentiles;
      return null;
    },
  },
  {
    name: "client-output-buffer-limit",
    get: ({ outputLimits }) => outputLimitsText(outputLimits),
    set: (settings, value) => {
      const limits = readOutputLimits(value, settings.outputLimits);
      if (isWrong(limits)) return limits.wrong;
      settings.outputLimits = limits;
      return null;
    },
  },
  {
    name: "maxmemory-clients",
    get: ({ maxMemoryClients }) => clientsMemoryText(maxMemoryClients),
    set: (settings, value) => {
      const memory = readClientsMemory(value);
      if (isWrong(memory)) return memory.wrong;
      settings.maxMemoryClients = memory;
      return null;
    },
  },
  parameter("tracking-table-max-keys", "trackingTableMaxKeys", (value) =>
    readInteger(value, 0, Number.MAX_SAFE_INTEGER),
  ),
  {
    name: "notify-keyspace-events",
    get: (settings) => eventClassesText(settings.notifyEvents),
    set: (settings, value) => {
      const classes = readEventClasses(value);
      if (classes === null) return "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
      settings.notifyEvents = classes;
      return null;
    },
  },
  {
    ...parameter("busy-reply-threshold", "scriptTimeLimitMs", (value) =>
      readInteger(value, 0, Number.MAX_SAFE_INTEGER),
    ),
    alias: "lua-time-limit",
  },
  parameter("timeout", "timeoutSeconds", (value) => readInteger(value, 0, INT_MAX)),
  fromSettings("port", (settings) => String(settings.port)),
  fromSettings("bind", (settings) => Buffer.from(settings.bind).latin1Slice()),
  {
    name: "dir",
    get: (settings) => Buffer.from(settings.dir).latin1Slice(),
    guarded: true,
  },
  fromSettings("aclfile", (settings) => Buffer.from(settings.aclFile).latin1Slice()),
  fromSettings("databases", (settings) => String(settings.databases)),
  fromSettings("appendfsync", ({ durability }) => (durability === "local" ? "always" : "everysec")),
  ...fixed({
    appendonly: "yes",
    "cluster-enabled": "no",
    daemonize: "no",
    pidfile: "",
    logfile: "",
    supervised: "no",
    "syslog-enabled": "no",
    "tcp-backlog": "511",
    "always-show-logo": "no",
    "set-proc-title": "no",
    rdbchecksum: "yes",
    "disable-thp": "no",
    appendfilename: "appendonly.aof",
    appenddirname: "appendonlydir",
    "cluster-config-file": "nodes.conf",
    "cluster-port": "0",
    unixsocket: "",
    unixsocketperm: "0",
    "socket-mark-id": "0",
    "tls-port": "0",
    "io-threads": "1",
    "io-threads-do-reads": "no",
    activedefrag: "no",
    "enable-module-command": "no",
    "enable-debug-command": "yes",
    "enable-protected-configs": "no",
  }),
  { name: "replicaof", alias: "slaveof", get: () => "" },
  { name: "min-replicas-to-write", alias: "min-slaves-to-write", get: () => "0" },
  { name: "dbfilename", get: () => "", guarded: true },
  ...rememberedParameters.map(remembered),
];

/** What a parameter that means nothing here is set to, as a number. Its name must be one of `rememberedParameters`. */
export function limitOf(settings: Settings, name: string): number {
  return Number(settings.remembered[name]);
}

/** A parameter that stands for one setting. */
function parameter<K extends keyof Settings>(
  name: string,
  key: K,
  read: (value: string) => Settings[K] | Wrong,
): Parameter {
  return {
    name,
    get: (settings) => {
      const value: unknown = settings[key];
      return typeof value === "boolean" ? (value ? "yes" : "no") : String(value);
    },
    set: (settings, value) => {
      const result = read(value);
      if (isWrong(result)) return result.wrong;
      settings[key] = result;
      return null;
    },
  };
}

function remembered({ name, alias, read, hidden = false }: Remembered): Parameter {
  return {
    name,
    ...(alias === undefined ? {} : { alias }),
    hidden,
    secret: name === "masterauth" || name === "masteruser",
    get: (settings) => settings.remembered[name] ?? "",
    set: (settings, value) => {
      const result = read(value, settings.remembered[name] ?? "");
      if (isWrong(result)) return result.wrong;
      settings.remembered = { ...settings.remembered, [name]: result };
      return null;
    },
  };
}

/** A setting of the configuration file. */
function fromSettings(name: string, get: (settings: Settings) => string): Parameter {
  return { name, get };
}

/** How this store always works. */
function fixed(values: Record<string, string>): Parameter[] {
  return Object.entries(values).map(([name, value]) => ({ name, get: () => value }));
}
