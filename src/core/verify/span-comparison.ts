/**
 * SpanComparison: many shards at once against the same of all peers: what is equal and has not changed is done with, the rest is looked
 * at more closely, shard by shard.
 *
 * Invariant: as of a single shard.
 */
import type { Source } from "../bytes/source.ts";
import { SHARD_SLOTS } from "../keyspace/changes.ts";
import type { Link } from "../replica/link.ts";
import type * as messages from "./messages.ts";
import { comparedSums, type Comparison, type Partner, type Whole } from "./shard-comparison.ts";
import { SumsRound } from "./sums-round.ts";

/** What remains to be done about a shard: with whom, and whether it is known to differ. */
export interface Remainder {
  readonly shard: number;
  readonly partners: Partner[];
  isSuspect: boolean;
}

export class SpanComparison implements Comparison {
  readonly #round: SumsRound;
  readonly shards: number;
  readonly remainders = new Map<number, Remainder>();
  done = false;

  constructor(whole: Whole, shard: number, count: number, partners: readonly Partner[]) {
    this.shards = count;
    this.#round = new SumsRound(whole, this, shard, count, partners);
  }

  get busy(): boolean {
    return !this.#round.pass.done;
  }

  slice(count: number): void {
    this.#round.pass.slice(count);
  }

  idOf(link: Link): number {
    return this.#round.idOf(link);
  }

  told(link: Link, id: number, tell: messages.Tell, _source: Source): void {
    this.#round.told(link, id, tell);
  }

  step(): void {
    if (this.done || !this.#round.ready) return;
    for (const { partner, told } of this.#round.answers) this.#compare(partner, told);
    this.done = true;
  }

  #compare(partner: Partner, told: messages.SumsTold | null): void {
    const { pass } = this.#round;
    const { shard, count } = pass;
    const { same, unequal } = told === null ? { same: [], unequal: [] } : comparedSums(pass, told);
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
