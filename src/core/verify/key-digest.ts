/**
 * KeyDigest: the parts of a key as one sum of digests, the same on every replica that has applied the same records to it.
 *
 *   digest of a part = key ─► name of the key ─► what, whose, when, name of the cell, value
 *   digest of a key  = Σ parts            of a slot = Σ keys
 *
 * Invariant: an origin counts by its full identity and never by its number, which is each replica's own.
 */
import type { Origins } from "../clock/origins.ts";
import { format, subtract } from "../crdt/amount.ts";
import type { Cell } from "../crdt/cell.ts";
import type { Generation } from "../crdt/generation.ts";
import type { Deadline } from "../crdt/key.ts";
import type { Entry } from "../keyspace/table.ts";
import { DIGEST_WORDS, Digest } from "./digest.ts";
import { isLiving, type PartsVisitor } from "./parts.ts";

/** What a part is, beside the type it belongs to. */
const ADDITION = 0x10000;
const GENERATION = 0x20000;
const DEADLINE = 0x30000;

export class KeyDigest implements PartsVisitor {
  /** The name of the key, digested: under it its parts are. Its first two words name the key among others. */
  readonly name = new Int32Array(DIGEST_WORDS);
  readonly #key: Int32Array;
  readonly #origins: Origins;
  readonly #digest = new Digest();
  /** Two words an origin. */
  #identities = new Int32Array(0);
  #known = 0;
  #sums: Int32Array = new Int32Array(DIGEST_WORDS);
  #at = 0;

  /** `key` is four words of chance that both sides of a comparison share. */
  constructor(key: Int32Array, origins: Origins) {
    this.#key = key;
    this.#origins = origins;
  }

  /** Names the key whose parts come next, and where their sum is to be added. */
  begin(db: number, bytes: Buffer, start: number, end: number, sums: Int32Array, at: number): void {
    const digest = this.#digest;
    digest.seed(this.#key, 0);
    digest.word(db);
    digest.bytes(bytes, start, end);
    digest.writeTo(this.name, 0);
    this.#sums = sums;
    this.#at = at;
  }

  /** Goes on with a key that was begun before. */
  resume(name: Int32Array, nameAt: number, sums: Int32Array, at: number): void {
    for (let i = 0; i < DIGEST_WORDS; i++) this.name[i] = name[nameAt + i] as number;
    this.#sums = sums;
    this.#at = at;
  }

  register(tag: number, name: Buffer, nameStart: number, nameEnd: number, entry: Entry): void {
    const { origin, seq, ms, tick, deadline, bytes, valueStart, valueEnd } = entry;
    this.#part(tag, origin, seq, ms, tick);
    const digest = this.#digest;
    digest.double(deadline);
    digest.bytes(name, nameStart, nameEnd);
    digest.bytes(bytes, valueStart, valueEnd);
    digest.addTo(this.#sums, this.#at);
  }

  cell(tag: number, name: Buffer, nameStart: number, nameEnd: number, cell: Cell): void {
    const digest = this.#digest;
    for (const { origin, seq, ms, tick, deadline, value } of cell.siblings) {
      this.#part(tag, origin, seq, ms, tick);
      digest.double(deadline);
      digest.bytes(name, nameStart, nameEnd);
      digest.bytes(value, 0, value.length);
      digest.addTo(this.#sums, this.#at);
    }
    for (const era of cell.eras) {
      if (!isLiving(era)) continue;
      this.#part(tag | ADDITION, era.origin, era.seq, era.startMs, era.startTick);
      digest.double(era.start);
      digest.bytes(name, nameStart, nameEnd);
      const sum = era.resetSeq >= era.start ? subtract(era.sum, era.resetSum) : era.sum;
      if (typeof sum === "number") digest.double(sum);
      else {
        const text = Buffer.from(format(sum));
        digest.bytes(text, 0, text.length);
      }
      digest.addTo(this.#sums, this.#at);
    }
  }

  generation({ kind, origin, seq, ms, tick, state }: Generation): void {
    this.#part(kind.number | GENERATION, origin, seq, ms, tick);
    const payload = state.encode();
    this.#digest.bytes(payload, 0, payload.length);
    this.#digest.addTo(this.#sums, this.#at);
  }

  deadline({ origin, seq, ms, tick, deadline }: Deadline): void {
    this.#part(DEADLINE, origin, seq, ms, tick);
    this.#digest.double(deadline);
    this.#digest.addTo(this.#sums, this.#at);
  }

  #part(what: number, origin: number, seq: number, ms: number, tick: number): void {
    if (origin >= this.#known) this.#identify();
    const digest = this.#digest;
    digest.seed(this.name, 0);
    digest.word(what);
    digest.word(this.#identities[2 * origin] as number);
    digest.word(this.#identities[2 * origin + 1] as number);
    digest.double(seq);
    digest.double(ms);
    digest.word(tick);
  }

  /** Digests the identities of all origins there are by now. */
  #identify(): void {
    const { count } = this.#origins;
    const words = new Int32Array(DIGEST_WORDS);
    const identities = new Int32Array(2 * count);
    for (let number = 0; number < count; number++) {
      const { member, incarnation } = this.#origins.get(number);
      const text = Buffer.from(incarnation + member, "latin1");
      this.#digest.seed(this.#key, 0);
      this.#digest.bytes(text, 0, text.length);
      this.#digest.writeTo(words, 0);
      identities.set(words.subarray(0, 2), 2 * number);
    }
    this.#identities = identities;
    this.#known = count;
  }
}
