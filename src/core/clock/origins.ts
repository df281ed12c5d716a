/**
 * Origins: who writes records, under the short local numbers that vectors and dots use.
 *
 * Invariant: a local number is never reused and never changes; two replicas may number the same origins differently, so a
 * number never leaves the replica. `rank` orders origins by their full identity, the same way everywhere: it is what breaks a
 * tie between equal stamps.
 */
import { assert } from "../assert.ts";
import type { Sink } from "../bytes/sink.ts";
import { Malformed, type Source } from "../bytes/source.ts";

/** Bytes of an incarnation on the wire. */
const INCARNATION_BYTES = 8;

/** Origins a replica can know: a dot keeps the number in 16 bits. */
const ORIGINS_MAX = 4096;

export interface Origin {
  /** The member, such as `us-east/1`. */
  readonly member: string;
  /** Eight bytes as text of one byte a character: boot time in milliseconds (48 bits), then 16 random bits. */
  readonly incarnation: string;
}

/** The name of an origin in logs, metrics and status: `us-east/1@018f3a…`. */
export function originName(origin: Origin): string {
  return `${origin.member}@${Buffer.from(origin.incarnation, "latin1").toString("hex")}`;
}

/** The incarnation of a replica that starts anew at `bootMs`; `chance` is 16 random bits. */
export function newIncarnation(bootMs: number, chance: number): string {
  const bytes = Buffer.alloc(INCARNATION_BYTES);
  bytes.writeUIntBE(bootMs, 0, 6);
  bytes.writeUInt16BE(chance, 6);
  return bytes.latin1Slice();
}

export class Origins {
  readonly #origins: Origin[] = [];
  /** Incarnation → number: 64 bits with boot time and chance in them name the origin alone. */
  readonly #numbers = new Map<string, number>();
  /** Local number → place in the order of identities. */
  ranks: Int32Array = new Int32Array(16);

  get count(): number {
    return this.#origins.length;
  }

  get(number: number): Origin {
    const origin = this.#origins[number];
    assert(origin !== undefined, `origin ${number} is known`);
    return origin;
  }

  /** The local number of an incarnation, or −1. */
  find(incarnation: string): number {
    return this.#numbers.get(incarnation) ?? -1;
  }

  /** The local number of `origin`, which is introduced if it is new. */
  introduce(origin: Origin): number {
    const known = this.find(origin.incarnation);
    if (known >= 0) {
      if (this.get(known).member !== origin.member)
        throw new Malformed(
          `one incarnation is claimed by ${originName(this.get(known))} and ${originName(origin)}`,
        );
      return known;
    }
    const number = this.#origins.length;
    if (number >= ORIGINS_MAX) throw new Malformed(`more than ${ORIGINS_MAX} origins`);
    this.#origins.push(origin);
    this.#numbers.set(origin.incarnation, number);
    this.#rank();
    return number;
  }

  /** Whether a later incarnation of its member is known. */
  isSucceeded(number: number): boolean {
    const { member, incarnation } = this.get(number);
    return this.#origins.some(
      (other) => other.member === member && other.incarnation > incarnation,
    );
  }

  #rank(): void {
    const order = this.#origins.map((_, number) => number);
    order.sort((a, b) => compareOrigins(this.get(a), this.get(b)));
    if (order.length > this.ranks.length) this.ranks = new Int32Array(order.length * 2);
    order.forEach((number, rank) => (this.ranks[number] = rank));
  }

  /** Whether stamp and origin a come after b: the total order that picks a winner. */
  after(
    aMs: number,
    aTick: number,
    aOrigin: number,
    bMs: number,
    bTick: number,
    bOrigin: number,
  ): boolean {
    if (aMs !== bMs) return aMs > bMs;
    if (aTick !== bTick) return aTick > bTick;
    return (this.ranks[aOrigin] as number) > (this.ranks[bOrigin] as number);
  }
}

function compareOrigins(a: Origin, b: Origin): number {
  if (a.member !== b.member) return a.member < b.member ? -1 : 1;
  return a.incarnation < b.incarnation ? -1 : a.incarnation > b.incarnation ? 1 : 0;
}

export function writeOrigin(sink: Sink, origin: Origin): void {
  sink.latin1(origin.incarnation);
  sink.text(origin.member);
}

export function readOrigin(source: Source): Origin {
  const start = source.skip(INCARNATION_BYTES);
  const incarnation = source.bytes.latin1Slice(start, start + INCARNATION_BYTES);
  return { incarnation, member: source.text() };
}
