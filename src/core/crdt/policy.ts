/**
 * Policy: which of a register's concurrent siblings a reader sees. A lens: it never changes what is stored, so a policy may
 * change at any time.
 *
 * Invariant: the winner is a function of the siblings alone, so replicas with the same siblings and policy show the same value.
 */
import type { Origins } from "../clock/origins.ts";
import type { Sibling } from "./cell.ts";
import type { Level } from "../replica/levels.ts";
import type { Format } from "./format.ts";

/** The policies that need no module. */
export const POLICIES = ["lww", "fww", "siblings", "max", "min"] as const;
export type Policy = (typeof POLICIES)[number] | Resolver;

/** One concurrent value, as a resolver is shown it. */
export interface Seen {
  readonly value: Buffer;
  /** The member that wrote it. */
  readonly member: string;
  /** Milliseconds since 1970. */
  readonly ms: number;
}

/** A policy of the operator's own: what a reader sees of several values. It runs on reads only, so it can be wrong without harm. */
export interface Resolver {
  readonly name: string;
  /** The value to show, or null if it fails; the values come in the order in which they were written. */
  resolve(values: readonly Seen[]): Buffer | null;
}

/** What the policy is called in configurations and in the feed. */
export function policyName(policy: Policy): string {
  return typeof policy === "string" ? policy : policy.name;
}

/** Whether `a` is shown rather than `b`; with `siblings` or a resolver that is the last writer's. */
export function wins(policy: Policy, origins: Origins, a: Sibling, b: Sibling): boolean {
  if (policy === "max" || policy === "min") {
    const order = Buffer.compare(a.value, b.value) || a.value.length - b.value.length;
    const numbers = [Number(a.value.latin1Slice()), Number(b.value.latin1Slice())] as const;
    const numeric =
      a.value.length > 0 &&
      b.value.length > 0 &&
      numbers.every(Number.isFinite) &&
      numbers[0] !== numbers[1]
        ? numbers[0] - numbers[1]
        : order;
    if (numeric !== 0) return policy === "max" ? numeric > 0 : numeric < 0;
  }
  const later = origins.after(a.ms, a.tick, a.origin, b.ms, b.tick, b.origin);
  return policy === "fww" ? !later : later;
}

/** What readers of streams see: all that is here, or what nothing earlier can follow. */
export const XREADS = ["local", "stable"] as const;
export type XRead = (typeof XREADS)[number];

/** Where a message goes: to the subscribers of this replica, or of all regions. */
export const PUBSUBS = ["local", "global"] as const;
type PubSub = (typeof PUBSUBS)[number];

/** Where keys are written: in every region; by one owner, to whom the others forward; or by agreement of most regions. */
export const WRITES_AT = ["local", "home", "global"] as const;
type WritesAt = (typeof WRITES_AT)[number];

/** Who takes elements out of lists, sorted sets, sets and streams: every region what it sees, or the owner of the key. */
export const POPS = ["local", "owner"] as const;
type Pop = (typeof POPS)[number];

/** Whether a command whose keys have another owner is sent there, or refused. */
export const FORWARDS = ["yes", "no"] as const;
type Forward = (typeof FORWARDS)[number];

/** Who finds another home for keys whose owner is gone: an operator, or most of the members. */
export const FAILOVERS = ["manual", "auto"] as const;
type Failover = (typeof FAILOVERS)[number];

export interface KeyspacePolicy {
  readonly prefix: string;
  readonly conflict: Policy;
  /** Null: as everything is kept that has no format of its own. */
  readonly format: Format | null;
  readonly xread?: XRead;
  /** Which regions hear what is published to channels with the prefix. */
  readonly pubsub?: PubSub;
  /** The levels of reads and writes for which nothing was said. */
  readonly readLevel?: Level;
  readonly writeLevel?: Level;
  readonly writes?: WritesAt;
  /** The region that owns all its keys; empty: each tag has an owner of its own. */
  readonly home?: string;
  readonly pop?: Pop;
  readonly forward?: Forward;
  readonly failover?: Failover;
}

/** What a keyspace says beside how conflicts are resolved and how values are kept. */
export type More = Omit<KeyspacePolicy, "prefix" | "conflict" | "format">;

/** What holds for keys of no keyspace. */
export const PLAIN: Required<More> = {
  xread: "local",
  pubsub: "local",
  readLevel: "LOCAL_ONE",
  writeLevel: "LOCAL_ONE",
  writes: "local",
  home: "",
  pop: "local",
  forward: "yes",
  failover: "manual",
};

/** How the cluster has come to a keyspace. */
export interface Agreement {
  /** The epoch of the cluster's configuration in which it became what it is; 0: it is from this node's own file. */
  readonly since: number;
  /** The epoch in which it was last decided who writes its keys: where a prefix was moved to before is of no account. */
  readonly fence: number;
  /** It takes no writes: who writes its keys, or how they are kept, is being changed. */
  readonly frozen: boolean;
  /** Its home was taken from an owner that was away: the new one begins when the lease of that is over. */
  readonly forced: boolean;
}

const NOT_AGREED: Agreement = { since: 0, fence: 0, frozen: false, forced: false };

export interface Keyspace extends Required<More>, Agreement {
  readonly prefix: Buffer;
  readonly name: string;
  readonly conflict: Policy;
  readonly format: Format | null;
}

/** The policy and the format of each keyspace: the longest matching prefix decides, and `lww` and no format where none does. */
export class Policies {
  /** Reads whose custom resolver failed. */
  failures = 0;
  /** The resolvers that were configured, by name. */
  readonly resolvers = new Map<string, Resolver>();
  /** Longest first. Prefixes are text of one byte a character. */
  #keyspaces: Keyspace[] = [];

  /** Prefixes are UTF-8, as they stand in a configuration. */
  constructor(keyspaces: readonly KeyspacePolicy[] = []) {
    for (const { prefix, conflict, format, ...more } of keyspaces) {
      if (typeof conflict === "object") this.resolvers.set(conflict.name, conflict);
      this.set(Buffer.from(prefix).latin1Slice(), conflict, format, more);
    }
  }

  /** Whether any keyspace has a level of its own. */
  haveLevels = false;

  /** Whether some keys of any keyspace are written or taken from by an owner. */
  haveOwners = false;

  /** Whether the keys of any keyspace are strong. */
  haveStrong = false;

  /** Whether any keyspace takes no writes. */
  haveFrozen = false;

  /** Whether owners of any keyspace need a lease. */
  haveLeases = false;

  /** The keyspaces whose owners need a lease. */
  leased(): readonly Keyspace[] {
    return this.#keyspaces.filter(needsLease);
  }

  /** Whether a key is strong: most regions agree on each of its changes. */
  isStrong(bytes: Uint8Array, start: number, end: number): boolean {
    return this.haveStrong && this.find(bytes, start, end)?.writes === "global";
  }

  /** The levels of reads and writes of a key for which nothing was said. */
  levelsOf(bytes: Uint8Array, start: number, end: number): Required<More> {
    return this.find(bytes, start, end) ?? PLAIN;
  }

  of(bytes: Uint8Array, start: number, end: number): Policy {
    return this.find(bytes, start, end)?.conflict ?? "lww";
  }

  /** In which format what is written to a key is kept. */
  formatOf(bytes: Uint8Array, start: number, end: number): Format | null {
    return this.find(bytes, start, end)?.format ?? null;
  }

  /** What readers of a stream see. */
  xreadOf(bytes: Uint8Array, start: number, end: number): XRead {
    return this.find(bytes, start, end)?.xread ?? "local";
  }

  /** Whether a message to a channel goes to the other regions too. */
  isGlobal(channel: Buffer): boolean {
    return this.find(channel, 0, channel.length)?.pubsub === "global";
  }

  /** The prefix that decides about a key, one byte a character; empty when none does. */
  prefixOf(bytes: Uint8Array, start: number, end: number): string {
    return this.find(bytes, start, end)?.name ?? "";
  }

  /** The keyspace of a key; null when no prefix is its. */
  find(bytes: Uint8Array, start: number, end: number): Keyspace | null {
    for (const keyspace of this.#keyspaces) {
      const { prefix } = keyspace;
      if (prefix.length > end - start) continue;
      let i = 0;
      while (i < prefix.length && prefix[i] === bytes[start + i]) i++;
      if (i === prefix.length) return keyspace;
    }
    return null;
  }

  /** What a resolver makes of siblings, or null when it fails: then the last writer's value is shown. */
  resolve(resolver: Resolver, siblings: readonly Sibling[], origins: Origins): Buffer | null {
    const inOrder = siblings.toSorted((a, b) =>
      origins.after(a.ms, a.tick, a.origin, b.ms, b.tick, b.origin) ? 1 : -1,
    );
    const value = resolver.resolve(
      inOrder.map(({ value: bytes, origin, ms }) => ({
        value: bytes,
        member: origins.get(origin).member,
        ms,
      })),
    );
    if (value === null) this.failures++;
    return value;
  }

  /** Every prefix, the longest first. */
  list(): (Required<KeyspacePolicy> & Agreement)[] {
    return this.#keyspaces.map(({ name, ...rest }) => ({ ...rest, prefix: name }));
  }

  /** Only these keyspaces are there from now on; prefixes of one byte a character. */
  become(keyspaces: readonly (KeyspacePolicy & Agreement)[]): void {
    this.#keyspaces = [];
    for (const { prefix, conflict, format, ...more } of keyspaces)
      this.set(prefix, conflict, format, more);
    this.#lookForMore();
  }

  set(
    name: string,
    conflict: Policy,
    format: Format | null = null,
    more: More & Partial<Agreement> = {},
  ): void {
    this.delete(name);
    const prefix = Buffer.from(name, "latin1");
    this.#keyspaces.push({ prefix, name, conflict, format, ...PLAIN, ...NOT_AGREED, ...more });
    this.#keyspaces.sort((a, b) => b.prefix.length - a.prefix.length);
    this.#lookForMore();
  }

  #lookForMore(): void {
    this.haveLevels = this.#keyspaces.some(
      ({ readLevel, writeLevel }) => readLevel !== "LOCAL_ONE" || writeLevel !== "LOCAL_ONE",
    );
    this.haveOwners = this.#keyspaces.some(
      ({ writes, pop }) => writes === "home" || pop === "owner",
    );
    this.haveStrong = this.#keyspaces.some(({ writes }) => writes === "global");
    this.haveLeases = this.#keyspaces.some(needsLease);
    this.haveFrozen = this.#keyspaces.some(({ frozen }) => frozen);
  }

  /** Whether the prefix was there. */
  delete(prefix: string): boolean {
    const { length } = this.#keyspaces;
    this.#keyspaces = this.#keyspaces.filter(({ name }) => name !== prefix);
    this.#lookForMore();
    return this.#keyspaces.length < length;
  }
}

/** Whether what an owner does needs a lease. */
export function needsLease({ writes, home, failover }: Keyspace): boolean {
  return failover === "auto" && writes === "home" && home !== "";
}
