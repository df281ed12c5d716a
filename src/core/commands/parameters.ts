/**
 * Parameters: what CONFIG GET shows and CONFIG SET may change.
 *
 * Invariant: a value shown is true: it comes from the settings, or is how this store always works. A parameter of Redis for which
 * nothing here stands is not listed.
 */
import type { Settings } from "./settings.ts";

const MEBIBYTE = 1024 * 1024;
/** What Redis itself takes unless told otherwise. */
const BULK_MAX_BYTES = 512 * MEBIBYTE;

/** A text of one byte a character. */
export interface Parameter {
  readonly name: string;
  get(settings: Settings): string;
  /** Changes the setting or returns what is wrong with the value. Absent when only a restart may change it. */
  readonly set?: (settings: Settings, value: string) => string | null;
  /** Redis guards it with `enable-protected-configs` and says so. */
  readonly guarded?: boolean;
}

/** In the order in which CONFIG GET answers. */
export const parameters: readonly Parameter[] = [
  {
    name: "maxclients",
    get: (settings) => String(settings.maxClients),
    set: (settings, value) => {
      const count = /^\d{1,15}$/.test(value) ? Number(value) : NaN;
      if (Number.isNaN(count)) return "argument couldn't be parsed into an integer";
      if (count < 1 || count > 0xffffffff) return between(1, 0xffffffff);
      settings.maxClients = count;
      return null;
    },
  },
  {
    name: "proto-max-bulk-len",
    get: (settings) => String(settings.protoMaxBulkLen),
    set: (settings, value) => {
      const bytes = memory(value);
      if (bytes === null) return "argument must be a memory value";
      if (bytes < MEBIBYTE || bytes > BULK_MAX_BYTES) return between(MEBIBYTE, BULK_MAX_BYTES);
      settings.protoMaxBulkLen = bytes;
      return null;
    },
  },
  {
    name: "protected-mode",
    get: (settings) => (settings.protectedMode ? "yes" : "no"),
    set: (settings, value) => {
      const word = value.toLowerCase();
      if (word !== "yes" && word !== "no") return "argument must be 'yes' or 'no'";
      settings.protectedMode = word === "yes";
      return null;
    },
  },
  {
    name: "requirepass",
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
  fromSettings("port", (settings) => String(settings.port)),
  fromSettings("bind", (settings) => Buffer.from(settings.bind).latin1Slice()),
  {
    name: "dir",
    get: (settings) => Buffer.from(settings.dir).latin1Slice(),
    guarded: true,
  },
  fromSettings("databases", (settings) => String(settings.databases)),
  fromSettings("appendfsync", ({ durability }) => (durability === "local" ? "always" : "everysec")),
  ...fixed({
    save: "",
    appendonly: "yes",
    maxmemory: "0",
    "maxmemory-policy": "noeviction",
    "maxmemory-clients": "0",
    timeout: "0",
    "cluster-enabled": "no",
    "notify-keyspace-events": "",
    "latency-tracking": "no",
    "latency-monitor-threshold": "0",
    "slowlog-log-slower-than": "-1",
    "slowlog-max-len": "0",
    "lazyfree-lazy-eviction": "no",
    "lazyfree-lazy-expire": "no",
    "lazyfree-lazy-server-del": "no",
    "lazyfree-lazy-user-del": "no",
    "lazyfree-lazy-user-flush": "no",
    "min-replicas-to-write": "0",
    replicaof: "",
    aclfile: "",
    unixsocket: "",
    "tls-port": "0",
    "io-threads": "1",
    activedefrag: "no",
    "enable-module-command": "no",
    "enable-protected-configs": "no",
  }),
];

/** A setting of the configuration file. */
function fromSettings(name: string, get: (settings: Settings) => string): Parameter {
  return { name, get };
}

/** How this store always works. */
function fixed(values: Record<string, string>): Parameter[] {
  return Object.entries(values).map(([name, value]) => ({ name, get: () => value }));
}

function between(low: number, high: number): string {
  return `argument must be between ${low} and ${high} inclusive`;
}

const units: Record<string, number> = {
  "": 1,
  b: 1,
  k: 1000,
  kb: 1024,
  m: 1000 ** 2,
  mb: 1024 ** 2,
  g: 1000 ** 3,
  gb: 1024 ** 3,
};

/** Bytes as Redis reads them, such as `20mb`; null when they are none. */
function memory(value: string): number | null {
  const [, digits = "", unit = ""] = /^(\d{1,12})([a-z]*)$/.exec(value.toLowerCase()) ?? [];
  const factor = units[unit];
  return digits === "" || factor === undefined ? null : Number(digits) * factor;
}
