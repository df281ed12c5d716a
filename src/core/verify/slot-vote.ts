/**
 * SlotVote: slots of one shard against the same of all peers, to learn from their sums alone which members hold what most of them hold.
 *
 *   SUMS of everybody ─► all equal ─► done with
 *                     ├► most are equal ─► who is astray is known; here: one of the others is asked for its keys, and they vouch for it
 *                     ├► nobody can tell ─► key by key, with everybody
 *                     └► it changed meanwhile ─► again, and if it always does, key by key
 *
 * Invariant: a sum counts only if its slot has changed on neither side and both have applied exactly the same records to it. So members
 * whose sums are equal hold the same keys, and go on holding the same, whatever is written later.
 */
import type { Source } from "../bytes/source.ts";
import { SHARD_SLOTS } from "../keyspace/changes.ts";
import type { Link } from "../replica/link.ts";
import { DIGEST_WORDS, hex } from "./digest.ts";
import { rightOf } from "./findings.ts";
import type * as messages from "./messages.ts";
import { type Comparison, type Partner, SLOT_ATTEMPTS, type Whole } from "./shard-comparison.ts";
import { SumsRound } from "./sums-round.ts";

/** Slots that must be looked at key by key: with whom, and who holds the same as those. */
export interface Question {
  readonly slots: number[];
  readonly partners: readonly Partner[];
  readonly vouchers: readonly string[];
}

export class SlotVote implements Comparison {
  readonly shard: number;
  readonly #whole: Whole;
  readonly #partners: readonly Partner[];
  readonly #pending: Set<number>;
  readonly #questions = new Map<string, Question>();
  #round: SumsRound | null = null;
  #attempt = 0;
  done = false;

  constructor(whole: Whole, shard: number, partners: readonly Partner[], slots: readonly number[]) {
    this.shard = shard;
    this.#whole = whole;
    this.#partners = partners;
    this.#pending = new Set(slots);
  }

  /** What is left to be done. */
  get questions(): Question[] {
    return [...this.#questions.values()];
  }

  get busy(): boolean {
    return this.#round !== null && !this.#round.pass.done;
  }

  slice(count: number): void {
    this.#round?.pass.slice(count);
  }

  idOf(link: Link): number {
    return this.#round?.idOf(link) ?? 0;
  }

  told(link: Link, id: number, tell: messages.Tell, _source: Source): void {
    this.#round?.told(link, id, tell);
  }

  step(): void {
    if (this.done) return;
    if (this.#round?.ready) {
      this.#count(this.#round);
      this.#round = null;
      this.#attempt++;
    }
    if (this.#round !== null) return;
    if (this.#pending.size > 0 && this.#attempt < SLOT_ATTEMPTS)
      this.#round = new SumsRound(this.#whole, this, this.shard, 1, this.#partners);
    else {
      for (const slot of this.#pending) this.#ask(slot, this.#answering(), []);
      this.done = true;
    }
  }

  #answering(): Partner[] {
    return this.#partners.filter(({ silent }) => silent === null);
  }

  #count({ pass, answers }: SumsRound): void {
    const { members, replica } = this.#whole;
    const votes = answers.map(({ partner, told }) => ({
      partner,
      sums: told === null ? [] : sumsTold(told),
    }));
    for (const slot of [...this.#pending]) {
      const i = slot % SHARD_SLOTS;
      if (pass.changed(slot) || votes.some(({ sums }) => sums[i] == null)) continue;
      this.#pending.delete(slot);
      const own = hex(pass.sums, i * DIGEST_WORDS);
      const states = new Map([[replica.member, own]]);
      for (const { partner, sums } of votes) states.set(partner.member, sums[i] as string);
      const right = rightOf(states, members);
      const isUnanimous = votes.every(({ sums }) => sums[i] === own);
      if (!isUnanimous && right === null) {
        this.#ask(slot, this.#answering(), []);
        continue;
      }
      for (const { partner } of votes) partner.verified++;
      if (isUnanimous || right === null) continue;
      if (!this.#whole.mends) this.#whole.verdicts.set(slot, states);
      else if (right.digest !== own) this.#askOneOf(slot, right.holders);
    }
  }

  /** Asks one of those that are right; by shard another one, so that they share the work. */
  #askOneOf(slot: number, holders: readonly string[]): void {
    const { length } = holders;
    const chosen = holders[this.shard % length];
    const partners = this.#partners.filter(({ member }) => member === chosen);
    this.#ask(slot, partners, holders);
  }

  #ask(slot: number, partners: readonly Partner[], vouchers: readonly string[]): void {
    const name = vouchers.join();
    const question = this.#questions.get(name);
    if (question === undefined) this.#questions.set(name, { slots: [slot], partners, vouchers });
    else question.slots.push(slot);
  }
}

/** Of each slot its sum as text; null where it has changed. */
function sumsTold({ changed, sums }: messages.SumsTold): (string | null)[] {
  let at = -DIGEST_WORDS;
  return changed.map((has) => (has ? null : hex(sums, (at += DIGEST_WORDS))));
}
