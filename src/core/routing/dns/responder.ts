/**
 * Responder: packets in, answers out.
 *
 *     packet ─► Query ─► refused, or: which zone ─► which node ─► records, or the rule's choice ─► MessageWriter ─► bytes
 *
 * Invariant: every packet is answered at most once, with something that is well-formed, no longer than may be sent, and at most a cut
 * answer for who asks too often. An existing name that a rule steers has addresses for as long as the rule gives any; its
 * absence is said only by an SOA, as that of any other.
 */
import { Sink } from "../../bytes/sink.ts";
import { CLASS, FLAG, HEADER_BYTES, OPTION, RCODE, TYPE } from "./constants.ts";
import { type Cookies, SERVER_COOKIE_BYTES } from "./cookies.ts";
import type { ClientSubnet } from "./edns.ts";
import { MessageWriter, type ResourceRecord } from "./message-writer.ts";
import { nameKey, ROOT } from "./name.ts";
import { Query } from "./query.ts";
import type { RateLimit } from "./rate-limit.ts";
import type { Zone, ZoneNode } from "./zone.ts";
import type { ZoneView } from "./zone-view.ts";
import {
  type Choosable,
  negativeTtl,
  type RecordSet,
  type ZoneSignatures,
} from "./zone-signatures.ts";

/** What a rule has chosen. */
export interface Steered {
  /** Addresses of four or sixteen bytes, of each region that has any of this type; the regions in their order. */
  readonly sets: readonly (readonly Buffer[])[];
  /** Seconds. */
  readonly ttl: number;
  /** For how many bits of the asker's address the choice is the same. */
  readonly scopeBits: number;
  /** Why nothing may be answered; null when something is, be it nothing of this type. */
  readonly withheld: string | null;
  /** An extended error that goes with the answer: code and words. */
  readonly note: { readonly code: number; readonly text: string } | null;
}

/** Whoever chooses. `address` is that of the client, of which the first `bits` bits are known; `resolver` that of who asks for it. */
export interface Steering {
  choose(rule: string, type: number, address: Buffer, bits: number, resolver: Buffer): Steered;
  /** All that it may choose for a type, whatever happens. */
  choosable(rule: string, type: number): Choosable;
  /** In words, why the answer is what it is. */
  explain(rule: string, address: Buffer, bits: number): readonly string[];
}

/** A zone, and its signatures where it has any. */
export interface ServedZone {
  readonly zone: Zone;
  readonly signatures: ZoneSignatures | null;
}

/** To whom a zone is transferred, and what. */
export interface Transfers {
  readonly isAllowed: (address: Buffer) => boolean;
  readonly view: ZoneView;
}

export interface ResponderOptions {
  readonly zones: readonly ServedZone[];
  /** Of the first zone; null: nobody gets it. */
  readonly transfers: Transfers | null;
  readonly steering: Steering;
  /** What the server is called (NSID, `id.server`). */
  readonly identity: string;
  readonly cookies: Cookies | null;
  readonly rateLimit: RateLimit | null;
}

/** Larger packets are lost on some ways. */
export const UDP_BYTES_MAX = 1232;
const UDP_BYTES_WITHOUT_EDNS = 512;
const TCP_BYTES_MAX = 65_535;
/** Room is left for the zeros. */
const PADDED_BYTES = 468;
const TCP_IDLE_TENTHS = 100;
const DO = 0x8000;
const ALIASES_MAX = 8;
/** `_explain.app.example.` TXT says why `app.example.` is answered as it is. */
const EXPLAIN = Buffer.from("\u0008_explain", "latin1");
const HINFO_DATA = Buffer.from("\u0007RFC8482\u0000", "latin1");
const HINFO_TTL = 3_600;
const V4 = Buffer.alloc(4);

export class Responder {
  readonly #options: ResponderOptions;
  readonly #query = new Query();
  readonly #writer = new MessageWriter();
  readonly #optionSink = new Sink(512);
  /** Questions, and those of them that were cut for the rate limit. */
  asked = 0;
  limited = 0;
  readonly rcodes: Uint32Array = new Uint32Array(32);

  constructor(options: ResponderOptions) {
    this.#options = options;
  }

  /**
   * The answer to a packet from `address`, valid until the next; null when there is none. `isStream` says that the asker is known to
   * be there (TCP), and that length hardly matters.
   */
  respond(packet: Buffer, address: Buffer, isStream: boolean, nowMs: number): Buffer | null {
    const query = this.#query;
    if (!query.read(packet)) return null;
    this.asked++;
    const { edns } = query;
    const cookie = edns?.cookie ?? null;
    const { cookies, rateLimit } = this.#options;
    const isKnown =
      isStream || (cookie !== null && cookies?.isValid(cookie, address, nowMs) === true);
    const answer = new Draft();
    if (query.rcode !== RCODE.NOERROR) answer.rcode = query.rcode;
    else if (!isKnown && rateLimit?.take(address, nowMs) === false) {
      this.limited++;
      answer.isCut = true;
      // Who has a cookie asks again at once with ours; everyone else over TCP.
      if (cookie !== null && cookies !== null) answer.rcode = RCODE.BADCOOKIE;
    } else this.#answer(answer, address, nowMs);
    this.rcodes[answer.rcode] = (this.rcodes[answer.rcode] as number) + 1;
    return this.#write(packet, answer, address, isStream, nowMs);
  }

  /** The messages of the transfer that a packet on a connection asks for; null when it asks for none, or may not. */
  transfer(packet: Buffer, address: Buffer): Iterable<Buffer> | null {
    const query = this.#query;
    const { transfers } = this.#options;
    if (transfers === null || !query.read(packet) || query.rcode !== RCODE.NOERROR) return null;
    if (query.type !== TYPE.AXFR && query.type !== TYPE.IXFR) return null;
    const served = this.#servedOf(query.name.key());
    if (query.class !== CLASS.IN || served !== this.#options.zones[0]) return null;
    if (served?.zone.apex.key !== query.name.key() || !transfers.isAllowed(address)) return null;
    this.asked++;
    const question = packet.subarray(HEADER_BYTES, HEADER_BYTES + query.questionBytes);
    return transfers.view.messages(query.id, Buffer.from(question));
  }

  #answer(answer: Draft, address: Buffer, nowMs: number): void {
    const query = this.#query;
    const key = query.name.key();
    if (query.class === CLASS.CH) return this.#answerAboutServer(answer, key);
    const served = query.class === CLASS.IN ? this.#servedOf(key) : null;
    if (served === null || query.type === TYPE.AXFR || query.type === TYPE.IXFR) {
      answer.rcode = RCODE.REFUSED;
      return;
    }
    const { zone, signatures } = served;
    const { subnet } = query.edns ?? {};
    const client = subnet === null || subnet === undefined ? null : wholeAddress(subnet);
    answer.asker = address;
    answer.client = client ?? address;
    answer.clientBits = client === null ? address.length * 8 : (subnet?.sourceBits ?? 0);
    answer.nowMs = nowMs;
    if (signatures !== null && ((query.edns?.flags ?? 0) & DO) !== 0)
      answer.signatures = signatures;
    if (query.type === TYPE.TXT && this.#explain(answer, zone)) return;
    let name = Buffer.from(query.name.bytes.subarray(0, query.name.length));
    let nameAs = key;
    for (let aliases = 0; aliases <= ALIASES_MAX; aliases++) {
      const alias = this.#answerName(answer, served, name, nameAs);
      if (alias === null) break;
      name = alias;
      nameAs = nameKey(alias);
      // Who asked will look elsewhere by himself.
      if (!zone.holds(nameAs)) break;
    }
    if (query.type === TYPE.RRSIG) answer.keep(TYPE.RRSIG);
  }

  /** Adds what a name has. Returns the name that it is an alias of, if that is what was found. */
  #answerName(
    answer: Draft,
    { zone, signatures }: ServedZone,
    name: Buffer,
    key: string,
  ): Buffer<ArrayBuffer> | null {
    const asked = this.#query.type;
    const found = zone.find(key);
    if (found.kind === "absent") {
      answer.rcode = RCODE.NXDOMAIN;
      answer.deny(zone, () => answer.signatures?.absent(key));
      return null;
    }
    const { node } = found;
    // The keys of who is below a cut are vouched for above it.
    if (found.kind === "delegated" && !(asked === TYPE.DS && node.key === key)) {
      answer.refer(zone, node);
      return null;
    }
    const type = isMeta(asked) && answer.signatures !== null ? anyType(node) : asked;
    const alias = node.sets.get(TYPE.CNAME);
    const isWild = node.key !== key;
    if (alias !== undefined && type !== TYPE.CNAME && type !== TYPE.ANY && type !== TYPE.NSEC) {
      // In circles an alias comes once.
      if (answer.answers.some((one) => one.type === TYPE.CNAME && nameKey(one.name) === key))
        return null;
      answer.add(alias, name);
      if (isWild) answer.prove(answer.signatures?.expanded(key));
      return Buffer.from((alias[0] as ResourceRecord).data);
    }
    const before = answer.answers.length;
    if (type === TYPE.ANY && (node.sets.size > 0 || node.rule !== null))
      answer.answers.push(recordOf(name, TYPE.HINFO, CLASS.IN, HINFO_TTL, HINFO_DATA));
    else if (node.rule !== null && (type === TYPE.A || type === TYPE.AAAA))
      this.#steer(answer, node, node.rule, type, name);
    else if (type === TYPE.NSEC) answer.add(signatures?.nsecOf(node) ?? [], name);
    else answer.add(node.sets.get(type) ?? [], name);
    if (answer.rcode !== RCODE.NOERROR) return null;
    if (answer.answers.length === before)
      answer.deny(zone, () => answer.signatures?.empty(key, node, type));
    else if (isWild) answer.prove(answer.signatures?.expanded(key));
    if (type === TYPE.MX || type === TYPE.SRV || type === TYPE.NS)
      for (const record of answer.answers)
        if (record.type === type) answer.addAddresses(zone, record.data.subarray(targetAt(type)));
    return null;
  }

  #steer(answer: Draft, node: ZoneNode, rule: string, type: number, name: Buffer): void {
    const { client, clientBits, asker } = answer;
    const chosen = this.#options.steering.choose(rule, type, client, clientBits, asker);
    answer.scopeBits = chosen.scopeBits;
    answer.note = chosen.note;
    if (chosen.withheld !== null) {
      answer.rcode = RCODE.SERVFAIL;
      answer.answers.length = 0;
      return;
    }
    const { sets, ttl } = chosen;
    const { signatures } = answer;
    if (signatures === null) {
      for (const set of sets)
        for (const data of set) answer.answers.push(recordOf(name, type, CLASS.IN, ttl, data));
    } else if (sets.length > 0) {
      const set = signatures.chosen(node, type, sets, answer.nowMs);
      answer.put(sets.length > 1 ? inOrder(set, sets.flat()) : set, name, ttl);
      answer.put(signatures.of(set), name, ttl);
    }
  }

  #explain(answer: Draft, zone: Zone): boolean {
    const { name } = this.#query;
    const label = Buffer.from(name.bytes.subarray(0, EXPLAIN.length));
    if (nameKey(label) !== nameKey(EXPLAIN)) return false;
    const steered = Buffer.from(name.bytes.subarray(EXPLAIN.length, name.length));
    const key = nameKey(steered);
    if (!zone.holds(key)) return false;
    const found = zone.find(key);
    if (found.kind !== "node" || found.node.rule === null) return false;
    const { client, clientBits } = answer;
    const lines = this.#options.steering.explain(found.node.rule, client, clientBits);
    const owner = Buffer.from(name.bytes.subarray(0, name.length));
    for (const line of lines) answer.answers.push(textRecord(owner, CLASS.IN, line));
    return true;
  }

  #answerAboutServer(answer: Draft, key: string): void {
    const { type, name } = this.#query;
    const asked = ABOUT_SERVER.get(key);
    if (asked === undefined || (type !== TYPE.TXT && type !== TYPE.ANY)) {
      answer.rcode = RCODE.REFUSED;
      return;
    }
    const text = asked === "version" ? "atoll" : this.#options.identity;
    const owner = Buffer.from(name.bytes.subarray(0, name.length));
    answer.answers.push(textRecord(owner, CLASS.CH, text));
  }

  /** The zone with the longest apex above a name. */
  #servedOf(key: string): ServedZone | null {
    let best: ServedZone | null = null;
    for (const served of this.#options.zones)
      if (
        served.zone.holds(key) &&
        (best === null || served.zone.origin.length > best.zone.origin.length)
      )
        best = served;
    return best;
  }

  #write(packet: Buffer, answer: Draft, address: Buffer, isStream: boolean, nowMs: number): Buffer {
    const query = this.#query;
    const writer = this.#writer;
    const { edns, questionBytes } = query;
    const options = edns === null ? null : this.#encodeOptions(answer, address, isStream, nowMs);
    const udpBytes =
      edns === null
        ? UDP_BYTES_WITHOUT_EDNS
        : Math.min(UDP_BYTES_MAX, Math.max(UDP_BYTES_WITHOUT_EDNS, edns.udpBytes));
    const isAuthoritative =
      !answer.isReferral && (answer.rcode === RCODE.NOERROR || answer.rcode === RCODE.NXDOMAIN);
    writer.begin(
      query.id,
      FLAG.QR |
        (query.flags & 0x7800) |
        (isAuthoritative ? FLAG.AA : 0) |
        (query.flags & FLAG.RD) |
        (answer.rcode & 0xf),
      questionBytes === 0 ? null : packet.subarray(HEADER_BYTES, HEADER_BYTES + questionBytes),
      isStream ? TCP_BYTES_MAX - PADDED_BYTES : udpBytes,
      options === null ? -1 : options.length,
    );
    if (answer.isCut) writer.cut();
    else {
      for (const record of answer.answers) writer.add("answer", record);
      for (const record of answer.authorities) writer.add("authority", record);
      for (const set of answer.proofs.values()) {
        for (const record of set) writer.add("authority", record);
        for (const record of answer.signatures?.of(set) ?? []) writer.add("authority", record);
      }
      for (const record of answer.additional) writer.add("additional", record);
    }
    if (edns !== null && options !== null)
      writer.opt(
        UDP_BYTES_MAX,
        answer.rcode,
        edns.flags & DO,
        options,
        isStream && edns.wantsPadding ? PADDED_BYTES : 0,
      );
    return writer.end();
  }

  #encodeOptions(answer: Draft, address: Buffer, isStream: boolean, nowMs: number): Buffer {
    const sink = this.#optionSink;
    sink.clear();
    const { edns } = this.#query;
    const { cookies, identity } = this.#options;
    if (edns === null) return sink.view();
    if (edns.subnet !== null) {
      const { family, sourceBits, address: known } = edns.subnet;
      sink.u16(OPTION.ECS);
      sink.u16(4 + known.length);
      sink.u16(family);
      sink.u8(sourceBits);
      // Who wants not to be told apart is told that the answer is for everybody.
      sink.u8(sourceBits === 0 ? 0 : answer.scopeBits);
      sink.raw(known, 0, known.length);
    }
    if (edns.cookie !== null && cookies !== null) {
      sink.u16(OPTION.COOKIE);
      sink.u16(8 + SERVER_COOKIE_BYTES);
      sink.raw(edns.cookie.client, 0, 8);
      const server = cookies.issue(edns.cookie.client, address, nowMs);
      sink.raw(server, 0, server.length);
    }
    if (edns.wantsNsid) {
      sink.u16(OPTION.NSID);
      sink.u16(identity.length);
      sink.latin1(identity);
    }
    if (edns.wantsKeepalive && isStream) {
      sink.u16(OPTION.KEEPALIVE);
      sink.u16(2);
      sink.u16(TCP_IDLE_TENTHS);
    }
    if (answer.note !== null) {
      const text = Buffer.from(answer.note.text.slice(0, 100), "utf8");
      sink.u16(OPTION.EDE);
      sink.u16(2 + text.length);
      sink.u16(answer.note.code);
      sink.raw(text, 0, text.length);
    }
    return sink.view();
  }
}

/** What an answer will be made of. */
class Draft {
  rcode: number = RCODE.NOERROR;
  isCut = false;
  isReferral = false;
  scopeBits = 0;
  asker: Buffer = V4;
  client: Buffer = V4;
  clientBits = 0;
  note: Steered["note"] = null;
  nowMs = 0;
  /** Where who asks wants signatures, and there are any. */
  signatures: ZoneSignatures | null = null;
  /** By their owners: of two about one name the later is about the choice of its rule. */
  readonly proofs = new Map<Buffer, RecordSet>();
  readonly answers: ResourceRecord[] = [];
  readonly authorities: ResourceRecord[] = [];
  readonly additional: ResourceRecord[] = [];

  /** Adds a set with its signatures, for the name that was asked: that of a wildcard's records is another. */
  add(set: RecordSet, name: Buffer): void {
    this.put(set, name, Number.POSITIVE_INFINITY);
    this.put(this.signatures?.of(set) ?? [], name, Number.POSITIVE_INFINITY);
  }

  /** Adds records for the name that was asked, and for `ttl` seconds at most. */
  put(records: RecordSet, name: Buffer, ttl: number): void {
    for (const record of records)
      this.answers.push({ ...record, name, ttl: Math.min(record.ttl, ttl) });
  }

  /** Adds what tells for how long there is nothing (RFC 2308), and the proofs of that. */
  deny(zone: Zone, proofs: () => readonly RecordSet[] | undefined): void {
    const ttl = negativeTtl(zone);
    const set = zone.apex.sets.get(TYPE.SOA) ?? [];
    for (const record of [...set, ...(this.signatures?.of(set) ?? [])])
      this.authorities.push({ ...record, ttl });
    for (const proof of proofs() ?? []) this.prove(proof);
  }

  /** Adds a set with its signatures that says something about the answer. */
  prove(set: RecordSet | undefined): void {
    const owner = set?.[0]?.name;
    if (set !== undefined && owner !== undefined) this.proofs.set(owner, set);
  }

  /** Leads to the servers that know, with what vouches for them or says that nothing does. */
  refer(zone: Zone, cut: ZoneNode): void {
    this.isReferral = this.answers.length === 0;
    const servers = cut.sets.get(TYPE.NS) ?? [];
    this.authorities.push(...servers);
    if (this.signatures !== null) this.prove(cut.sets.get(TYPE.DS) ?? this.signatures.nsecOf(cut));
    for (const { data } of servers) this.addAddresses(zone, data);
  }

  /** Leaves out of the answers all that is of another type. */
  keep(type: number): void {
    const kept = this.answers.filter((record) => record.type === type);
    this.answers.splice(0, this.answers.length, ...kept);
  }

  /** Adds the addresses of a name that others point to. */
  addAddresses(zone: Zone, name: Buffer): void {
    const key = nameKey(name);
    for (const type of [TYPE.A, TYPE.AAAA])
      for (const record of zone.get(key, type)) this.additional.push(record);
  }
}

const ABOUT_SERVER = new Map<string, "identity" | "version">([
  ["\u0002id\u0006server\u0000", "identity"],
  ["\u0008hostname\u0004bind\u0000", "identity"],
  ["\u0007version\u0006server\u0000", "version"],
  ["\u0007version\u0004bind\u0000", "version"],
]);

/** Types that stand for whatever there is (RFC 8482). */
function isMeta(type: number): boolean {
  return type === TYPE.ANY || type === TYPE.RRSIG;
}

/** One of the types that a node has. */
function anyType({ sets, rule }: ZoneNode): number {
  for (const type of sets.keys()) return type;
  return rule === null ? TYPE.ANY : TYPE.A;
}

/** What is signed, in the order in which it was chosen. */
function inOrder(set: RecordSet, chosen: readonly Buffer[]): RecordSet {
  const rank = ({ data }: ResourceRecord): number => chosen.findIndex((one) => one.equals(data));
  return set.toSorted((a, b) => rank(a) - rank(b));
}

function targetAt(type: number): number {
  return type === TYPE.MX ? 2 : type === TYPE.SRV ? 6 : 0;
}

function recordOf(
  name: Buffer,
  type: number,
  klass: number,
  ttl: number,
  data: Buffer,
): ResourceRecord {
  return { name, type, class: klass, ttl, data };
}

function textRecord(name: Buffer, klass: number, text: string): ResourceRecord {
  const bytes = Buffer.from(text, "utf8").subarray(0, 255);
  return recordOf(name, TYPE.TXT, klass, 0, Buffer.concat([Buffer.from([bytes.length]), bytes]));
}

/** The address of a subnet with zeros behind what is known; null for one without a family. */
function wholeAddress({ family, address }: ClientSubnet): Buffer | null {
  if (family === 0) return null;
  const whole = Buffer.alloc(family === 1 ? 4 : 16);
  address.copy(whole);
  return whole;
}

/** A record of the apex of a zone that has none of its own. */
export function defaultSoa(origin: Buffer, server: Buffer, ttl: number): ResourceRecord {
  const numbers = Buffer.alloc(20);
  for (const [i, value] of [1, 3_600, 900, 604_800, ttl].entries())
    numbers.writeUInt32BE(value, i * 4);
  const admin = Buffer.concat([Buffer.from("\u000ahostmaster", "latin1"), origin]);
  const data = Buffer.concat([server, admin, numbers]);
  return { name: origin.length === 0 ? ROOT : origin, type: TYPE.SOA, class: CLASS.IN, ttl, data };
}
