/**
 * ZoneSignatures: a zone's signatures, and the chain of NSEC records by which it proves what is not there.
 *
 *     load: every set of the zone │ NSEC of every name │ every set of addresses that a rule may choose
 *     tick: what is half through its validity is signed again, a few sets at a time
 *
 * Invariant: what is asked finds its signatures made. Only a choice among more sets than are kept may be signed when it is asked for, so
 * often a second and no more; beyond that the answer is cut down to the first region of the choice, whose set is always there.
 *
 * Names that are not there cost no signature either: the chain is of the names that are (RFC 4034 §4), not made up for each question.
 */
import { CLASS, TYPE } from "./constants.ts";
import {
  delegationData,
  keyData,
  nameOrder,
  nsecData,
  signSet,
  type Validity,
  type ZoneKey,
} from "./dnssec.ts";
import type { ResourceRecord } from "./message-writer.ts";
import { wildcardOf, type Zone, type ZoneNode } from "./zone.ts";

/** What a rule can choose from. */
export interface Choosable {
  /** The addresses of each of its regions that has any of this type. */
  readonly sets: readonly (readonly Buffer[])[];
  /** How many regions one answer names. */
  readonly limit: number;
  /** Seconds; an answer's own may be less. */
  readonly ttl: number;
}

export interface SigningOptions {
  /** The first signs; all of them are published, and sign that. At least one. */
  readonly keys: readonly ZoneKey[];
  /** How long a signature counts. */
  readonly validitySeconds: number;
  readonly choosable: (rule: string, type: number) => Choosable;
  readonly nowMs: number;
}

export type RecordSet = readonly ResourceRecord[];

/** A name that has something, and its NSEC. */
interface Link {
  readonly order: string;
  readonly node: ZoneNode;
  readonly nsec: RecordSet;
  /** The same without one type: where a rule chooses a region that has no such address, and another has. */
  readonly without: ReadonlyMap<number, RecordSet>;
  /** The same without any that a rule chooses. */
  readonly bare: RecordSet;
}

interface Signed {
  signatures: readonly ResourceRecord[];
  dueSeconds: number;
  /** Of a choice: who keeps it, by what. It goes when it is due. */
  readonly kept: { readonly choices: Map<string, RecordSet>; readonly key: string } | null;
}

const KEYS_TTL = 3_600;
/** Clocks that are behind ours shall take them. */
const BACKDATED_SECONDS = 3_600;
/** A signature takes a tenth of a millisecond. */
const RENEWED_AT_ONCE = 32;
/** Choices of one name and type that are signed before they are asked for. */
const CHOICES_MAX = 1_024;
/** Choices that are signed when they are asked for: so many are kept, so many a second are made. */
const LATE_MAX = 4_096;
const LATE_PER_SECOND = 100;
const STEERED = [TYPE.A, TYPE.AAAA];

export class ZoneSignatures {
  readonly #zone: Zone;
  readonly #options: SigningOptions;
  /** The one that is due first comes first: all count equally long. */
  readonly #signed = new Map<RecordSet, Signed>();
  readonly #chain: Link[];
  readonly #links = new Map<ZoneNode, Link>();
  /** Sets of addresses that rules choose, by their node, type and bytes. */
  readonly #choices = new Map<ZoneNode, Map<number, Map<string, RecordSet>>>();
  #late = 0;
  #lateTokens = LATE_PER_SECOND;
  #lateMs: number;

  /** Publishes the keys in the zone, and signs it. */
  constructor(zone: Zone, options: SigningOptions) {
    this.#zone = zone;
    this.#options = options;
    this.#lateMs = options.nowMs;
    const { keys, nowMs } = options;
    const now = Math.floor(nowMs / 1000);
    for (const key of keys) {
      for (const type of [TYPE.DNSKEY, TYPE.CDNSKEY]) this.#publish(type, keyData(key));
      this.#publish(TYPE.CDS, delegationData(zone.origin, key));
    }
    for (const node of zone.nodes)
      for (const [type, set] of node.sets) if (this.#isOurs(node, type)) this.#sign(set, now);
    this.#chain = this.#chained();
    for (const link of this.#chain) {
      this.#links.set(link.node, link);
      for (const set of [link.nsec, link.bare, ...link.without.values()]) this.#sign(set, now);
      if (link.node.rule !== null) this.#foresee(link.node, link.node.rule, now);
    }
  }

  /** The signatures of a set of the zone or of this; none when it is not ours to sign. */
  of(set: RecordSet): readonly ResourceRecord[] {
    return this.#signed.get(set)?.signatures ?? [];
  }

  /** How many sets are signed. */
  get size(): number {
    return this.#signed.size;
  }

  /** Seconds since 1970 until which every signature counts that is not about to be renewed. */
  get dueSeconds(): number {
    for (const { dueSeconds } of this.#signed.values()) return dueSeconds;
    return Number.POSITIVE_INFINITY;
  }

  /** How often all that was due has been signed again. */
  rounds = 0;

  /** Signs again what is half through its validity, or as much of it as a tick should. */
  renew(nowMs: number): void {
    const now = Math.floor(nowMs / 1000);
    let left = RENEWED_AT_ONCE;
    for (const [set, { dueSeconds, kept }] of this.#signed) {
      if (dueSeconds > now) break;
      if (left-- === 0) return;
      this.forget(set);
      if (kept === null) this.#sign(set, now);
      else {
        this.#late--;
        kept.choices.delete(kept.key);
      }
    }
    if (left < RENEWED_AT_ONCE) this.rounds++;
  }

  /** Signs a set that has come to the zone since. */
  add(set: RecordSet, nowMs: number): void {
    this.#sign(set, Math.floor(nowMs / 1000));
  }

  forget(set: RecordSet): void {
    this.#signed.delete(set);
  }

  /**
   * The set for what the rule of a node has chosen: addresses of each region. When its signature is not there and may not be made now, it is
   * the set of the first region alone. Its time to live is the longest that the rule gives.
   */
  chosen(
    node: ZoneNode,
    type: number,
    sets: readonly (readonly Buffer[])[],
    nowMs: number,
  ): RecordSet {
    const choices = this.#choicesOf(node, type);
    const key = choiceKey(sets);
    const known = choices.get(key);
    if (known !== undefined) return known;
    if (sets.length > 1 && !this.#mayBeLate(nowMs))
      return this.chosen(node, type, sets.slice(0, 1), nowMs);
    this.#late++;
    const { ttl } = this.#options.choosable(node.rule ?? "", type);
    const set = this.#keep(node, type, sets, ttl, choices, key);
    this.#sign(set, Math.floor(nowMs / 1000), { choices, key });
    return set;
  }

  /** Proofs that a name is not there, nor a wildcard in its place. */
  absent(key: string): RecordSet[] {
    const name = this.#covering(key).nsec;
    const wildcard = this.#covering(wildcardOf(this.#zone.encloserOf(key))).nsec;
    return name === wildcard ? [name] : [name, wildcard];
  }

  /** Proofs that what stands for a name, itself or a wildcard, has nothing of a type. */
  empty(key: string, node: ZoneNode, type: number): RecordSet[] {
    const link = this.#links.get(node);
    // Of a name that is there only because something is beneath it, the chain says so by passing over it.
    const own = link?.without.get(type) ?? link?.nsec ?? this.#covering(node.key).nsec;
    const name = this.#covering(key);
    // One NSEC of a name is enough, and one that is about its rule's choice is the one.
    return name.node === node || name.nsec === own ? [own] : [own, name.nsec];
  }

  /** Proof that a wildcard answers rightly: that the name itself is not there. */
  expanded(key: string): RecordSet {
    return this.#covering(key).nsec;
  }

  /** The NSEC of a node that has something; of one that a rule steers, where it has these types of address (null: all that it may). */
  nsecOf(node: ZoneNode, types: readonly number[] | null = null): RecordSet {
    const link = this.#links.get(node);
    if (link === undefined) return [];
    const missing =
      types === null ? [] : [...link.without.keys()].filter((one) => !types.includes(one));
    if (missing.length === 0) return link.nsec;
    return missing.length === 1 ? (link.without.get(missing[0] as number) ?? []) : link.bare;
  }

  /** The link whose name is this one, or the last before it. */
  #covering(key: string): Link {
    const order = nameOrder(key);
    let low = 0;
    let high = this.#chain.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.#chain[middle] as Link).order <= order) low = middle;
      else high = middle;
    }
    return this.#chain[low] as Link;
  }

  #publish(type: number, data: Buffer): void {
    const { origin } = this.#zone;
    this.#zone.add({ name: origin, type, class: CLASS.IN, ttl: KEYS_TTL, data });
  }

  /** Whether a set is ours to sign: beyond a cut nothing is, and at it the keys of the others are all that is. */
  #isOurs(node: ZoneNode, type: number): boolean {
    const cut = this.#zone.cutOf(node.key);
    return cut === null || (cut === node && type === TYPE.DS);
  }

  #chained(): Link[] {
    const named = [...this.#zone.nodes]
      .filter((node) => node.sets.size > 0 || node.rule !== null)
      .filter((node) => [null, node].includes(this.#zone.cutOf(node.key)))
      .map((node) => ({ order: nameOrder(node.key), node }))
      .toSorted((a, b) => (a.order < b.order ? -1 : 1));
    return named.map(({ order, node }, i) => {
      const next = (named[i + 1] ?? named[0])?.node.name ?? node.name;
      const types = new Set([TYPE.RRSIG, TYPE.NSEC, ...this.#typesAt(node)]);
      const without = STEERED.filter((type) => node.rule !== null && types.has(type));
      const but = (...left: number[]): RecordSet =>
        this.#nsec(
          node,
          next,
          [...types].filter((type) => !left.includes(type)),
        );
      const nsec = but();
      return {
        order,
        node,
        nsec,
        without: new Map(without.map((type) => [type, but(type)])),
        bare: without.length === 2 ? but(...without) : nsec,
      };
    });
  }

  #typesAt(node: ZoneNode): number[] {
    const own = [...node.sets.keys()];
    if (this.#zone.cutOf(node.key) === node)
      return own.filter((type) => type === TYPE.NS || type === TYPE.DS);
    const { rule } = node;
    if (rule === null) return own;
    const chosen = STEERED.filter((type) => this.#options.choosable(rule, type).sets.length > 0);
    return [...own, ...chosen];
  }

  #nsec({ name }: ZoneNode, next: Buffer, types: Iterable<number>): RecordSet {
    const ttl = negativeTtl(this.#zone);
    return [{ name, type: TYPE.NSEC, class: CLASS.IN, ttl, data: nsecData(next, types) }];
  }

  /** Signs what a rule may choose: single regions first, then ever more of them at once. */
  #foresee(node: ZoneNode, rule: string, now: number): void {
    for (const type of STEERED) {
      const { sets, limit, ttl } = this.#options.choosable(rule, type);
      const choices = this.#choicesOf(node, type);
      for (const chosen of combinations(sets, limit)) {
        const key = choiceKey(chosen);
        if (!choices.has(key)) this.#sign(this.#keep(node, type, chosen, ttl, choices, key), now);
        if (choices.size >= CHOICES_MAX) break;
      }
    }
  }

  #keep(
    { name }: ZoneNode,
    type: number,
    sets: readonly (readonly Buffer[])[],
    ttl: number,
    choices: Map<string, RecordSet>,
    key: string,
  ): RecordSet {
    const set = distinct(sets).map((data) => ({ name, type, class: CLASS.IN, ttl, data }));
    choices.set(key, set);
    return set;
  }

  #choicesOf(node: ZoneNode, type: number): Map<string, RecordSet> {
    let types = this.#choices.get(node);
    if (types === undefined) this.#choices.set(node, (types = new Map()));
    let choices = types.get(type);
    if (choices === undefined) types.set(type, (choices = new Map()));
    return choices;
  }

  #mayBeLate(nowMs: number): boolean {
    const passedMs = Math.max(0, nowMs - this.#lateMs);
    this.#lateMs = nowMs;
    this.#lateTokens = Math.min(
      LATE_PER_SECOND,
      this.#lateTokens + (passedMs * LATE_PER_SECOND) / 1000,
    );
    if (this.#lateTokens < 1 || this.#late >= LATE_MAX) return false;
    this.#lateTokens--;
    return true;
  }

  #sign(set: RecordSet, now: number, kept: Signed["kept"] = null): void {
    const { keys, validitySeconds } = this.#options;
    const validity: Validity = { from: now - BACKDATED_SECONDS, until: now + validitySeconds };
    const signers = set[0]?.type === TYPE.DNSKEY ? keys : keys.slice(0, 1);
    this.#signed.set(set, {
      signatures: signers.map((key) => signSet(set, this.#zone.origin, key, validity)),
      dueSeconds: now + Math.floor(validitySeconds / 2),
      kept,
    });
  }
}

/** For how many seconds it is known that something is not there (RFC 2308, RFC 9077). */
export function negativeTtl({ soa }: Zone): number {
  return Math.min(soa.ttl, soa.data.readUInt32BE(soa.data.length - 4));
}

/** The addresses of some regions, each once. */
function distinct(sets: readonly (readonly Buffer[])[]): Buffer[] {
  return [...new Map(sets.flat().map((data) => [data.latin1Slice(), data])).values()];
}

/** The same for the same addresses in any order. */
function choiceKey(sets: readonly (readonly Buffer[])[]): string {
  const only = sets.length === 1 && sets[0]?.length === 1 ? sets[0][0] : undefined;
  if (only !== undefined) return only.latin1Slice();
  return distinct(sets)
    .map((data) => data.latin1Slice())
    .toSorted()
    .join("");
}

/** Every choice of one to `limit` of `all`, the small ones first. */
function* combinations<T>(all: readonly T[], limit: number): Generator<T[]> {
  for (let size = 1; size <= Math.min(limit, all.length); size++) yield* choicesOf(all, size);
}

function* choicesOf<T>(all: readonly T[], size: number): Generator<T[]> {
  if (size === 0) return yield [];
  for (const [i, one] of all.entries())
    for (const rest of choicesOf(all.slice(i + 1), size - 1)) yield [one, ...rest];
}
