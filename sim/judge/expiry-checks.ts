/**
 * Expiry checks (I-18): a key is removed because it expired only when a deadline says so, and not before everything has arrived that
 * could have extended it.
 *
 *   removal at R of what was born before deadline D ─► every record stamped before D, made before or after, is among what it had seen,
 *                                                       or a region was away so long that the grace was over
 *
 * Invariant: the check sees all records of all machines as they are made: what is on its way counts too.
 */
import type { Facts } from "./facts.ts";
import { type CommittedRecord, type Fx, type History, OP } from "./history.ts";

/** How long a removal waits for a region that is away. */
const GRACE_MS = 10 * 60 * 1000;
/** Removals that what is made later is held against. */
const KEPT = 200;

interface Removal {
  readonly record: CommittedRecord;
  readonly bornMs: number;
}

export class ExpiryChecks {
  readonly #removals: Removal[] = [];

  /** Judges a record when it is made; `facts` are those of its maker without it. */
  judge(
    record: CommittedRecord,
    facts: Facts,
    history: History,
    fail: (why: string) => void,
  ): void {
    for (const removal of this.#removals)
      if (record.ms <= removal.bornMs && concerns(removal, record, history))
        fail(
          `what could have extended a key was made ${removal.bornMs - record.ms} ms before its deadline, and comes too late`,
        );
    for (const fx of record.effects)
      if (fx.op === OP.REMOVE_EXPIRED) this.#removed(record, fx, facts, history, fail);
  }

  #removed(
    record: CommittedRecord,
    fx: Fx,
    facts: Facts,
    history: History,
    fail: (why: string) => void,
  ): void {
    const key = facts.of(`${fx.db}:${fx.key}`);
    const deadlines = [...(key?.deadlines ?? []), ...(key?.registers ?? [])].map(
      ({ deadline }) => deadline,
    );
    if (fx.bornMs > 0 && !deadlines.includes(fx.bornMs + 1))
      fail(`${fx.key} was removed by a deadline that nobody set`);
    // Of several the first: which of them counts for what is decided where the key is read.
    const bornMs = Math.min(fx.bornMs, ...deadlines.map((deadline) => deadline - 1));
    if (bornMs >= record.ms)
      fail(`${fx.key} was removed ${bornMs - record.ms} ms before its deadline`);
    if (record.ms > bornMs + GRACE_MS) return;
    for (const { index, records } of history.origins) {
      const unseen = index === record.origin ? undefined : records[record.deps[index] ?? 0];
      if (unseen !== undefined && unseen.ms <= bornMs)
        fail(`${fx.key} was removed before all had come that could have extended it`);
    }
    this.#removals.push({ record, bornMs });
    if (this.#removals.length > KEPT) this.#removals.shift();
  }
}

/** Whether a removal that still counts was made without a record, and the record without it. */
function concerns(
  { record: removal }: Removal,
  record: CommittedRecord,
  history: History,
): boolean {
  const isLost = history.origins[removal.origin]?.records[removal.seq - 1] !== removal;
  return (
    !isLost && record.origin !== removal.origin && (record.deps[removal.origin] ?? 0) < removal.seq
  );
}
