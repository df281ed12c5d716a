/**
 * SumsRound: one pass of ours over some shards, and what peers tell of the same ones.
 *
 *   SUMS to every peer ─► our pass, theirs ─► told, and all that they had applied is applied here: ready
 *
 * Invariant: what `told` shows of something that has changed on neither side is of exactly the same records as our own sum.
 */
import type { Link } from "../replica/link.ts";
import type * as messages from "./messages.ts";
import type { Comparison, Partner, Whole } from "./shard-comparison.ts";
import { ANSWER_MAX_MS, lacking, Patience } from "./patience.ts";
import { ShardPass } from "./shard-pass.ts";

interface Side {
  readonly partner: Partner;
  id: number;
  told: messages.SumsTold | null;
  /** One for the answer, and one for having applied what it is about. */
  patience: Patience;
}

export class SumsRound {
  readonly pass: ShardPass;
  readonly #whole: Whole;
  readonly #sides: Side[];

  /** `comparison` is told what comes of it. */
  constructor(
    whole: Whole,
    comparison: Comparison,
    shard: number,
    count: number,
    partners: readonly Partner[],
  ) {
    const { replica, key } = whole;
    this.#whole = whole;
    this.pass = new ShardPass(replica, shard, count, key, null, replica.slotSums.of(key));
    const { vector } = this.pass;
    this.#sides = partners
      .filter(({ silent }) => silent === null)
      .map((partner) => ({ partner, id: 0, told: null, patience: new Patience() }));
    for (const side of this.#sides)
      side.id = whole.ask(
        side.partner.link,
        { type: "sums", shard, count, key, vector },
        comparison,
      );
  }

  idOf(link: Link): number {
    return this.#sides.find(({ partner }) => partner.link === link)?.id ?? 0;
  }

  told(link: Link, id: number, tell: messages.Tell): void {
    const side = this.#sides.find((one) => one.partner.link === link && one.id === id);
    if (side === undefined) return;
    if (tell.type === "sums") {
      side.told = tell;
      side.patience = new Patience();
    }
    if (tell.type === "refused") side.partner.silent ??= tell.why;
  }

  /** Whether all that is to be expected has come. Who is late is waited for no longer. */
  get ready(): boolean {
    if (!this.pass.done) return false;
    const awaited = this.#sides.filter(
      (side) => side.partner.silent === null && !this.#counts(side) && !this.#isLate(side),
    );
    return awaited.length === 0;
  }

  #isLate({ partner, told, patience }: Side): boolean {
    const { applied, monoMs } = this.#whole.replica;
    const lacks =
      told === null
        ? lacking(this.pass.vector, partner.link.peerApplied)
        : lacking(told.vector, applied);
    const isLate = patience.isOver(monoMs, lacks, partner.answers);
    if (isLate && told === null) partner.silent ??= `it did not answer within ${ANSWER_MAX_MS} ms`;
    return isLate;
  }

  #counts({ told }: Side): boolean {
    return told !== null && this.#whole.replica.applied.includes(told.vector);
  }

  /** Who still answers, with what it told; null if that cannot be compared with ours. */
  get answers(): { partner: Partner; told: messages.SumsTold | null }[] {
    return this.#sides
      .filter(({ partner }) => partner.silent === null)
      .map((side) => ({ partner: side.partner, told: this.#counts(side) ? side.told : null }));
  }
}
