/**
 * SpanComparison: many shards at once against the same of all peers: what is equal and has not changed is done with, the rest is looked
 * at more closely, shard by shard.
 *
 * Invariant: as of a single shard.
 */
import { SHARD_SLOTS } from "../keyspace/changes.ts";
import type { Link } from "../replica/link.ts";
import type * as messages from "./messages.ts";
import { comparedSums, type Comparison, type Partner, type Whole } from "./shard-comparison.ts";
import { ShardPass } from "./shard-pass.ts";

const ANSWER_MAX_MS = 20_000;

/** What remains to be done about a shard: with whom, and whether it is known to differ. */
export interface Remainder {
  readonly shard: number;
  readonly partners: Partner[];
  isSuspect: boolean;
}

interface Side {
  readonly partner: Partner;
  id: number;
  told: messages.SumsTold | null;
}

export class SpanComparison implements Comparison {
  readonly #whole: Whole;
  readonly #sides: Side[];
  readonly #pass: ShardPass;
  readonly #beganMs: number;
  readonly shards: number;
  readonly remainders = new Map<number, Remainder>();
  done = false;

  constructor(whole: Whole, shard: number, count: number, partners: readonly Partner[]) {
    const { replica, key } = whole;
    this.#whole = whole;
    this.shards = count;
    this.#beganMs = replica.monoMs;
    this.#pass = new ShardPass(replica, shard, count, key, null);
    const { vector } = this.#pass;
    this.#sides = partners
      .filter(({ silent }) => silent === null)
      .map((partner) => ({ partner, id: 0, told: null }));
    for (const side of this.#sides)
      side.id = whole.ask(side.partner.link, { type: "sums", shard, count, key, vector }, this);
  }

  get busy(): boolean {
    return !this.#pass.done;
  }

  slice(count: number): void {
    this.#pass.slice(count);
  }

  idOf(link: Link): number {
    return this.#sides.find(({ partner }) => partner.link === link)?.id ?? 0;
  }

  told(link: Link, id: number, tell: messages.Tell): void {
    const side = this.#sides.find((one) => one.partner.link === link && one.id === id);
    if (side === undefined) return;
    if (tell.type === "sums") side.told = tell;
    else if (tell.type === "refused") side.partner.silent ??= tell.why;
  }

  step(): void {
    const { applied, monoMs } = this.#whole.replica;
    if (this.done || !this.#pass.done) return;
    const isLate = monoMs - this.#beganMs > ANSWER_MAX_MS;
    const open = this.#sides.filter(({ partner }) => partner.silent === null);
    for (const { partner, told } of open)
      if (told === null && isLate) partner.silent = `it did not answer within ${ANSWER_MAX_MS} ms`;
    const hasCome = ({ partner, told }: Side): boolean =>
      partner.silent !== null || (told !== null && applied.includes(told.vector));
    if (!isLate && !open.every(hasCome)) return;
    for (const side of open) if (side.partner.silent === null) this.#compare(side);
    this.done = true;
  }

  #compare({ partner, told }: Side): void {
    const { shard, count } = this.#pass;
    const known = told !== null && this.#whole.replica.applied.includes(told.vector);
    const { same, unequal } = known ? comparedSums(this.#pass, told) : { same: [], unequal: [] };
    const done = new Set(same);
    partner.verified += same.length * SHARD_SLOTS;
    for (let i = 0; i < count; i++) {
      if (done.has(i)) continue;
      const remainder = this.remainders.get(shard + i) ?? {
        shard: shard + i,
        partners: [],
        isSuspect: false,
      };
      remainder.partners.push(partner);
      remainder.isSuspect ||= unequal.includes(i);
      this.remainders.set(shard + i, remainder);
    }
  }
}
