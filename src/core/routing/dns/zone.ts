/**
 * Zone: the names under one apex, and what each of them has: records, or a rule by which its addresses are chosen.
 *
 * Invariant: every name between one that has something and the apex is there, if empty: so a name that is not there, has nothing
 * beneath it either, and the closest name above it that is there decides about wildcards.
 */
import { TYPE } from "./constants.ts";
import type { ResourceRecord } from "./message-writer.ts";
import { nameKey, nameText, parentAt } from "./name.ts";

export interface ZoneNode {
  readonly name: Buffer;
  /** The `nameKey` of its name. */
  readonly key: string;
  readonly sets: Map<number, ResourceRecord[]>;
  /** The rule that chooses its addresses; null where records alone say what it has. */
  rule: string | null;
}

export type Found =
  /** The name itself, or the wildcard that stands for it. */
  | { readonly kind: "node"; readonly node: ZoneNode }
  /** Another server knows: the NS records of this node, at or above the name, say which. */
  | { readonly kind: "delegated"; readonly node: ZoneNode }
  | { readonly kind: "absent" };

/** The numbers of an SOA come last, its serial first of them. */
const SERIAL_FROM_END = 20;
const ABSENT: Found = { kind: "absent" };

export class Zone {
  readonly origin: Buffer;
  #soa: ResourceRecord;
  readonly #originKey: string;
  readonly #nodes = new Map<string, ZoneNode>();
  #hasCuts = false;

  constructor(origin: Buffer, soa: ResourceRecord) {
    this.origin = origin;
    this.#soa = soa;
    this.#originKey = nameKey(origin);
    this.add(soa);
  }

  get soa(): ResourceRecord {
    return this.#soa;
  }

  /** Gives the zone another serial, and returns the set that says so. */
  number(serial: number): readonly ResourceRecord[] {
    const data = Buffer.from(this.#soa.data);
    data.writeUInt32BE(serial, data.length - SERIAL_FROM_END);
    this.#soa = { ...this.#soa, data };
    const set = [this.#soa];
    this.apex.sets.set(TYPE.SOA, set);
    return set;
  }

  /** Whether the name of this key (see `nameKey`) lies in the zone. */
  holds(key: string): boolean {
    const { length } = this.#originKey;
    if (!key.endsWith(this.#originKey)) return false;
    // The end must begin at a label: walk there.
    let at = 0;
    while (key.length - at > length) at += 1 + key.charCodeAt(at);
    return key.length - at === length;
  }

  /** Adds a record. Returns why not, or null when it is there. */
  add(record: ResourceRecord): string | null {
    const { name, type } = record;
    const key = nameKey(name);
    const say = (why: string): string => `${nameText(name)} ${why}`;
    if (!this.holds(key)) return say("lies outside of its zone");
    if (type === TYPE.NS && key.startsWith("\u0001*"))
      return say("cannot have NS: a wildcard leads nowhere else (RFC 4592)");
    const node = this.#at(name);
    const isAlias = node.sets.has(TYPE.CNAME);
    if (type === TYPE.CNAME ? node.sets.size > 0 || node.rule !== null : isAlias)
      return say("is an alias and something else");
    const set = node.sets.get(type);
    if (type === TYPE.SOA && (set !== undefined || key !== this.#originKey))
      return say("cannot have this SOA: a zone has one, at its apex");
    if (set === undefined) node.sets.set(type, [record]);
    else if (!set.some(({ data }) => data.equals(record.data))) set.push(record);
    if (type === TYPE.NS && key !== this.#originKey) this.#hasCuts = true;
    return null;
  }

  /** Lets a rule choose the addresses of a name. Returns why not, or null. */
  steer(name: Buffer, rule: string): string | null {
    if (!this.holds(nameKey(name))) return `${nameText(name)} lies outside of its zone`;
    const node = this.#at(name);
    if (node.sets.has(TYPE.CNAME) || node.sets.has(TYPE.A) || node.sets.has(TYPE.AAAA))
      return `${nameText(name)} has addresses of its own`;
    node.rule = rule;
    return null;
  }

  /** What there is in this zone of the name with this `nameKey`. */
  find(key: string): Found {
    if (this.#hasCuts) {
      const cut = this.cutOf(key);
      if (cut !== null) return { kind: "delegated", node: cut };
    }
    const node = this.#nodes.get(key);
    if (node !== undefined) return { kind: "node", node };
    const wild = this.#nodes.get(wildcardOf(this.encloserOf(key)));
    return wild === undefined ? ABSENT : { kind: "node", node: wild };
  }

  /** The closest name above one that is not there. */
  encloserOf(key: string): string {
    let at = 0;
    do at += 1 + key.charCodeAt(at);
    while (!this.#nodes.has(key.slice(at)));
    return key.slice(at);
  }

  /** Everything in it, in no order. */
  get nodes(): Iterable<ZoneNode> {
    return this.#nodes.values();
  }

  get apex(): ZoneNode {
    return this.#at(this.origin);
  }

  /** The records of one type at a name, for what goes with an answer. */
  get(key: string, type: number): readonly ResourceRecord[] {
    return this.#nodes.get(key)?.sets.get(type) ?? [];
  }

  /** The highest node at or above a name from which on others know; null when it is ours. */
  cutOf(key: string): ZoneNode | null {
    let found: ZoneNode | null = null;
    for (let at = 0; key.length - at > this.#originKey.length; at += 1 + key.charCodeAt(at)) {
      const node = this.#nodes.get(key.slice(at));
      if (node?.sets.has(TYPE.NS) === true) found = node;
    }
    return found;
  }

  /** The node of a name, made together with all above it. */
  #at(name: Buffer): ZoneNode {
    const key = nameKey(name);
    let node = this.#nodes.get(key);
    if (node !== undefined) return node;
    node = { name, key, sets: new Map(), rule: null };
    this.#nodes.set(key, node);
    if (key !== this.#originKey) this.#at(name.subarray(parentAt(name, 0)));
    return node;
  }
}

/** The name of the wildcard beneath one. */
export function wildcardOf(key: string): string {
  return `\u0001*${key}`;
}
