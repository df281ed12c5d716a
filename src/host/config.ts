/**
 * Config: the settings of one node, from its YAML file and the environment.
 *
 *     defaults  <  node.yaml  <  ATOLL_<PATH>
 *
 * Invariant: what comes out is complete and consistent, or every problem is named with its place and its mend. No setting is
 * ever guessed, dropped or half applied; a word that is nearly a setting is a problem, not a comment.
 */
import { isMap, isScalar, LineCounter, parse, parseDocument, type Document } from "yaml";
import { z } from "zod";
import { readEventClasses } from "../core/commands/event-classes.ts";
import { FORMATS } from "../core/crdt/format.ts";
import {
  FAILOVERS,
  FORWARDS,
  POLICIES,
  POPS,
  PUBSUBS,
  WRITES_AT,
  XREADS,
} from "../core/crdt/policy.ts";
import { LEVELS } from "../core/replica/levels.ts";
import { EVICTION_POLICIES } from "../core/replica/eviction-policy.ts";
import { parseBytes, parseMs } from "./quantity.ts";
import { group, int, oneOf, port, quantity, REGION, text } from "./setting-leaves.ts";
import { didYouMean } from "./suggestion.ts";
import { trafficContradictions, trafficSettings } from "./traffic-config.ts";

const MEMBER = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\/[1-9][0-9]{0,4}$/;
const ADDRESS = /^(?:\[[0-9a-f:.]+\]|[^\s:[\]]+):[0-9]{1,5}$/i;

const MIB = 1024 ** 2;
const MINUTE_MS = 60_000;

const member = text("must be a member name such as eu-west/1").regex(MEMBER, {
  error: "must be a member name such as eu-west/1",
});

const link = group({
  to: member,
  address: text("must be host:port").regex(ADDRESS, { error: "must be host:port" }),
});

const CONFLICT_ERROR = `must be one of ${POLICIES.join(", ")}, or a module such as ./resolve-cart.cjs`;

const EVENTS_ERROR = "must be classes of events, such as KEA, or empty for none";

const POP_ERROR =
  "must be local or owner: this version has no strong, so let the owner of a key pop";

/** Whether a conflict policy is a file rather than a word. */
function isModule(conflict: string): boolean {
  return /[./]/.test(conflict);
}

const keyspace = group({
  prefix: text("must be the beginning of the keys it is about, in quotes"),
  conflict: text(CONFLICT_ERROR)
    .refine((name) => (POLICIES as readonly string[]).includes(name) || isModule(name), {
      error: CONFLICT_ERROR,
    })
    .default("lww"),
  format: oneOf(FORMATS).optional(),
  xread: oneOf(XREADS).optional(),
  pubsub: oneOf(PUBSUBS).optional(),
  readLevel: oneOf(LEVELS).optional(),
  writeLevel: oneOf(LEVELS).optional(),
  pop: z.enum(POPS, { error: POP_ERROR }).optional(),
  writes: oneOf(WRITES_AT).optional(),
  home: text("must be a region name").regex(REGION, { error: "must be a region name" }).optional(),
  forward: oneOf(FORWARDS).optional(),
  failover: oneOf(FAILOVERS).optional(),
});

const schema = group({
  region: text("must be a region name")
    .regex(REGION, {
      error: "must be a name of small letters, digits and hyphens, such as eu-west",
    })
    .default("local"),
  replica: int("must be the replica's number in its region, 1 to 99999", 1, 99_999).default(1),
  dir: text("must be a directory").min(1, { error: "must be a directory" }).default("./atoll-data"),
  durability: oneOf(["local", "relaxed"]).default("local"),
  resp: group({
    host: text("must be a host name or address").default("127.0.0.1"),
    port: port().default(6379),
    maxClients: int("must be a number of clients, 1 to 1000000", 1, 1_000_000).default(10_000),
  }).prefault({}),
  http: group({
    host: text("must be a host name or address").default("127.0.0.1"),
    port: port().default(8080),
    names: z
      .array(text("must be a host name"), { error: "must be a list of host names" })
      .default([]),
  }).prefault({}),
  replication: group({
    host: text("must be a host name or address").default("127.0.0.1"),
    port: port().default(7379),
    secret: text("must be text, in quotes if it looks like a number").default(""),
    topology: oneOf(["mesh", "links"]).default("mesh"),
    links: z.array(link, { error: "must be a list of links" }).default([]),
  }).prefault({}),
  requirepass: text("must be text, in quotes if it looks like a number").default(""),
  aclFile: text("must be the path of a file").default(""),
  protectedMode: z.boolean({ error: "must be true or false" }).default(true),
  protoMaxBulkLen: quantity(
    parseBytes,
    "must be bytes from 1MiB to 512MiB, such as 16MiB",
    MIB,
    512 * MIB,
  ).default(16 * MIB),
  databases: int("must be a number of databases, 1 to 16384", 1, 16_384).default(16),
  memory: group({
    maxBytes: quantity(parseBytes, "must be bytes, such as 4GiB, or 0 for no bound", 0).default(0),
    policy: oneOf(EVICTION_POLICIES).default("noeviction"),
    samples: int("must be a number of keys, 1 to 1000", 1, 1_000).default(5),
  }).prefault({}),
  log: group({
    minRetainMs: quantity(parseMs, "must be a duration such as 10m, or milliseconds", 0).default(
      10 * MINUTE_MS,
    ),
    maxBytes: quantity(
      parseBytes,
      "must be bytes, 256MiB or more, such as 8GiB",
      256 * MIB,
    ).default(8 * 1024 * MIB),
    maxAgeMs: quantity(parseMs, "must be a duration of 1m or more, such as 24h", MINUTE_MS).default(
      24 * 60 * MINUTE_MS,
    ),
  }).prefault({}),
  join: group({
    waitMs: quantity(parseMs, "must be a duration such as 10s, or milliseconds", 0).default(10_000),
  }).prefault({}),
  checkpoint: group({
    everyBytes: quantity(parseBytes, "must be bytes, 1MiB or more, such as 256MiB", MIB).default(
      256 * MIB,
    ),
    everyMs: quantity(parseMs, "must be a duration of 1s or more, such as 5m", 1_000).default(
      5 * MINUTE_MS,
    ),
  }).prefault({}),
  verify: group({
    everyMs: quantity(parseMs, "must be a duration such as 6h, or 0 for never", 0).default(
      6 * 60 * MINUTE_MS,
    ),
    mend: oneOf(["no", "few"]).default("few"),
  }).prefault({}),
  scrub: group({
    everyMs: quantity(parseMs, "must be a duration such as 1d, or 0 for never", 0).default(
      24 * 60 * MINUTE_MS,
    ),
  }).prefault({}),
  members: z.array(member, { error: "must be a list of member names" }).optional(),
  conflicts: group({
    maxEntries: int("must be a number of entries, 0 to 1000000", 0, 1_000_000).default(10_000),
    maxBytes: quantity(parseBytes, "must be bytes, 1MiB or more, such as 16MiB", MIB).default(
      16 * MIB,
    ),
    maxAgeMs: quantity(parseMs, "must be a duration such as 7d", 0).default(
      7 * 24 * 60 * MINUTE_MS,
    ),
  }).prefault({}),
  notifyKeyspaceEvents: text(EVENTS_ERROR)
    .refine((classes) => readEventClasses(classes) !== null, { error: EVENTS_ERROR })
    .default(""),
  keyspaces: z.array(keyspace, { error: "must be a list of keyspaces" }).default([]),
  traffic: trafficSettings,
  logLevel: oneOf(["trace", "debug", "info", "warn", "error", "fatal"]).default("info"),
});

type Settings = z.output<typeof schema>;

/** All settings of a node, complete. */
export type Config = Omit<Settings, "members"> & {
  /** `${region}/${replica}` */
  readonly member: string;
  /** The members whose acks count for stability, this one among them, in order. */
  readonly members: string[];
};

/** How a conflict of keys with a prefix is resolved. */
export type KeyspaceConfig = Settings["keyspaces"][number];

type Outcome<T> = T | { problems: string[] };

/**
 * The configuration that `yaml` (the file `fileName`) and the environment describe, or everything that is wrong with them.
 * `env` is `process.env` or a part of it.
 */
export function parseConfig(
  yaml: string,
  env: Record<string, string | undefined>,
  fileName: string,
): Outcome<{ config: Config }> {
  const file = readYaml(yaml, fileName);
  if ("problems" in file) return file;
  const overridden = override(file.value, env);
  const problems = [...overridden.problems];
  const place: Place = (path, ofKey) =>
    overridden.from.get(settingOf(path)) ?? file.place(path, ofKey);
  notYet(file.value, ["keyspaces"], place, problems);
  const parsed = schema.safeParse(overridden.value);
  if (!parsed.success)
    problems.push(...parsed.error.issues.flatMap((i) => say(i, overridden.value, place)));
  if (!parsed.success || problems.length > 0) return { problems };
  const config = complete(parsed.data);
  problems.push(...contradictions(config, place));
  return problems.length > 0 ? { problems } : { config };
}

/** The keyspaces of a file that holds only their list, as `lab --keyspaces` takes it. */
export function parseKeyspaces(
  yaml: string,
  fileName: string,
): Outcome<{ keyspaces: KeyspaceConfig[] }> {
  const file = readYaml(yaml, fileName);
  if ("problems" in file) return file;
  const value =
    file.value["keyspaces"] === undefined && file.isList ? file.list : file.value["keyspaces"];
  const place: Place = (path, ofKey) => file.place(file.isList ? path.slice(1) : path, ofKey);
  const whole = { keyspaces: value };
  const problems: string[] = [];
  notYet(whole, ["keyspaces"], place, problems);
  const parsed = z.strictObject({ keyspaces: schema.shape.keyspaces }).safeParse(whole);
  if (!parsed.success) problems.push(...parsed.error.issues.flatMap((i) => say(i, whole, place)));
  if (!parsed.success || problems.length > 0) return { problems };
  problems.push(...keyspaceProblems(parsed.data.keyspaces, place));
  return problems.length > 0 ? { problems } : parsed.data;
}

/** Where the value (or the key) at `path` stands, as `file:line:column` or the variable's name. */
type Place = (path: readonly PropertyKey[], ofKey?: string) => string;

type YamlFile = {
  value: Record<string, unknown>;
  isList: boolean;
  list: unknown;
  place: Place;
};

function readYaml(yaml: string, fileName: string): Outcome<YamlFile> {
  const lines = new LineCounter();
  const document = parseDocument(yaml, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${fileName}:${line}:${col}`;
  };
  if (document.errors.length > 0)
    return {
      problems: document.errors.map((e) => `${at(e.pos[0])}: is not valid YAML: ${e.message}`),
    };
  const value: unknown = withoutNulls(document.toJS());
  const isList = Array.isArray(value);
  if (value !== undefined && !isList && !isRecord(value))
    return { problems: [`${at(0)}: must be settings, one \`name: value\` a line`] };
  return {
    value: isRecord(value) ? value : {},
    isList,
    list: value,
    place: (path, ofKey) => at(offsetOf(document, path, ofKey)),
  };
}

/** A key with nothing behind it is a setting left at its default. */
function withoutNulls(value: unknown): unknown {
  if (value === null) return undefined;
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isRecord(value)) return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, withoutNulls(inner)] as const);
  return Object.fromEntries(entries.filter(([, inner]) => inner !== undefined));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Where the value at `path` begins, or its nearest ancestor that is there; with `ofKey`, where that key of it does. */
function offsetOf(document: Document.Parsed, path: readonly PropertyKey[], ofKey?: string): number {
  for (let depth = path.length; depth >= 0; depth--) {
    const node: unknown =
      depth === 0 ? document.contents : document.getIn(path.slice(0, depth), true);
    if (isMap(node) && ofKey !== undefined)
      for (const { key } of node.items)
        if (isScalar(key) && key.value === ofKey && key.range) return key.range[0];
    if (typeof node === "object" && node !== null && "range" in node && Array.isArray(node.range))
      return Number(node.range[0]);
  }
  return 0;
}

/** Puts `ATOLL_<PATH>` variables over what the file says. */
function override(
  value: Record<string, unknown>,
  env: Record<string, string | undefined>,
): { value: Record<string, unknown>; from: Map<string, string>; problems: string[] } {
  const merged = structuredClone(value);
  const from = new Map<string, string>();
  const problems: string[] = [];
  const leaves = new Map(settings(schema, []).map((leaf) => [variableOf(leaf.path), leaf]));
  for (const [name, given] of Object.entries(env)) {
    if (!name.startsWith("ATOLL_") || given === undefined) continue;
    const leaf = leaves.get(name);
    if (leaf === undefined) {
      // Other programs name variables after a service too (Kubernetes does), so only what is nearly right is wrong.
      const meant = didYouMean(name, [...leaves.keys()], 2);
      if (meant !== "") problems.push(`environment ${name}: there is no such setting${meant}`);
      continue;
    }
    from.set(leaf.path.join("."), `environment ${name}`);
    let target = merged;
    for (const key of leaf.path.slice(0, -1)) {
      const inner = target[key];
      target = isRecord(inner) ? inner : (target[key] = {});
    }
    target[leaf.path.at(-1) ?? ""] = leaf.isText ? given : yamlOf(given);
  }
  return { value: merged, from, problems };
}

function yamlOf(given: string): unknown {
  try {
    return parse(given);
  } catch {
    return given; // the schema says what it must be
  }
}

/** `resp.maxClients` → `ATOLL_RESP_MAX_CLIENTS` */
function variableOf(path: readonly string[]): string {
  return `ATOLL_${path.map((word) => word.replaceAll(/([A-Z])/g, "_$1").toUpperCase()).join("_")}`;
}

function settingOf(path: readonly PropertyKey[]): string {
  const list = path.findIndex((key) => typeof key === "number");
  return (list < 0 ? path : path.slice(0, list)).map(String).join(".");
}

type Leaf = { path: string[]; isText: boolean };

/** Every setting below `type`: the groups are walked through, lists are one setting. */
function settings(type: unknown, path: string[]): Leaf[] {
  const inner = unwrapped(type);
  if (inner instanceof z.ZodObject)
    return Object.entries(inner.shape).flatMap(([key, of]) => settings(of, [...path, key]));
  return [{ path, isText: inner instanceof z.ZodString || inner instanceof z.ZodEnum }];
}

function unwrapped(type: unknown): unknown {
  if (
    type instanceof z.ZodDefault ||
    type instanceof z.ZodPrefault ||
    type instanceof z.ZodOptional
  )
    return unwrapped(type.unwrap());
  return type;
}

/** One problem of the schema, in words. */
function say(issue: z.core.$ZodIssue, root: unknown, place: Place): string[] {
  if (issue.code === "unrecognized_keys") {
    const known = keysAt(issue.path);
    return issue.keys
      .filter((key) => !isPlanned(issue.path, key))
      .map((key) => {
        const meant = didYouMean(key, known);
        const mend = meant === "" ? `; known here: ${known.join(", ")}` : meant;
        return `${place(issue.path, key)}: \`${named([...issue.path, key])}\` is not a setting${mend}`;
      });
  }
  const value = valueAt(root, issue.path);
  const found = value === undefined ? "is missing" : `is ${JSON.stringify(value)}`;
  return [`${place(issue.path)}: \`${named(issue.path)}\` ${issue.message}; it ${found}`];
}

function named(path: readonly PropertyKey[]): string {
  return path
    .map((key, i) =>
      typeof key === "number" ? `[${key + 1}]` : `${i > 0 ? "." : ""}${String(key)}`,
    )
    .join("");
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const key of path) {
    if (Array.isArray(value)) value = value[Number(key)];
    else if (isRecord(value)) value = value[String(key)];
    else return undefined;
  }
  return value;
}

/** The settings of the group at `path`. */
function keysAt(path: readonly PropertyKey[]): string[] {
  let type: unknown = schema;
  for (const key of path) {
    type = unwrapped(type);
    if (type instanceof z.ZodObject) type = type.shape[String(key)];
    else if (type instanceof z.ZodArray) type = type.element;
  }
  const inner = unwrapped(type);
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : [];
}

/** What a keyspace can say in the design, and not yet here. */
const PLANNED_KEYS = ["residency"];

function isPlanned(path: readonly PropertyKey[], key: string): boolean {
  return path[0] === "keyspaces" && path.length === 2 && PLANNED_KEYS.includes(key);
}

/** Names the settings of keyspaces that are known, and not available. */
function notYet(
  root: Record<string, unknown>,
  path: string[],
  place: Place,
  problems: string[],
): void {
  const keyspaces = valueAt(root, path);
  if (!Array.isArray(keyspaces)) return;
  for (const [i, one] of keyspaces.entries()) {
    if (!isRecord(one)) continue;
    for (const key of PLANNED_KEYS)
      if (one[key] !== undefined)
        problems.push(
          `${place([...path, i], key)}: \`${named([...path, i, key])}\` is not available in this version; remove the line`,
        );
  }
}

function complete(data: Settings): Config {
  const me = `${data.region}/${data.replica}`;
  const others = data.replication.links.map((one) => one.to);
  const members = [...new Set(data.members ?? [me, ...others])].sort();
  return { ...data, member: me, members };
}

/** What each setting allows and all of them together do not. */
function contradictions(config: Config, place: Place): string[] {
  const out: string[] = [];
  const { links, secret, host } = config.replication;
  if (!config.members.includes(config.member))
    out.push(
      `${place(["members"])}: \`members\` must contain this node, ${config.member}; add it to the list`,
    );
  const seen = new Set<string>();
  for (const [i, { to, address }] of links.entries()) {
    const path = ["replication", "links", i, "to"];
    if (to === config.member)
      out.push(`${place(path)}: \`${named(path)}\` is this node itself; remove the link`);
    if (seen.has(to))
      out.push(`${place(path)}: \`${named(path)}\` is the second link to ${to}; remove one`);
    seen.add(to);
    const portNumber = Number(address.slice(address.lastIndexOf(":") + 1));
    if (portNumber < 1 || portNumber > 65_535)
      out.push(
        `${place(["replication", "links", i, "address"])}: \`${named(["replication", "links", i, "address"])}\` must end in a port, 1 to 65535`,
      );
  }
  // Whoever can reach the port could write into the cluster.
  if (secret === "" && (links.length > 0 || config.members.length > 1 || !isLoopback(host)))
    out.push(
      `${place(["replication"], "secret")}: \`replication.secret\` must be set when the node has peers; give every node the same long random text`,
    );
  out.push(...keyspaceProblems(config.keyspaces, place));
  for (const { path, problem } of trafficContradictions(config.traffic, config.region))
    out.push(`${place(["traffic", ...path])}: \`${named(["traffic", ...path])}\` ${problem}`);
  return out;
}

function keyspaceProblems(keyspaces: KeyspaceConfig[], place: Place): string[] {
  const lacking = keyspaces.flatMap(({ failover, writes, home = "" }, i) =>
    failover === "auto" && (writes !== "home" || home === "")
      ? [
          `${place(["keyspaces", i, "failover"])}: \`keyspaces[${i + 1}].failover\` auto is for keyspaces with \`writes: home\` and a \`home\`; add those, or remove it`,
        ]
      : [],
  );
  return [...repeatedPrefixes(keyspaces, place), ...lacking];
}

function repeatedPrefixes(keyspaces: KeyspaceConfig[], place: Place): string[] {
  return keyspaces.flatMap(({ prefix }, i) =>
    keyspaces.findIndex((other) => other.prefix === prefix) === i
      ? []
      : [
          `${place(["keyspaces", i, "prefix"])}: \`keyspaces[${i + 1}].prefix\` ${JSON.stringify(prefix)} is there twice; remove one`,
        ],
  );
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}
