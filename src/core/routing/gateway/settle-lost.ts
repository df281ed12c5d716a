/**
 * SettleLost: what becomes of each command that a region was sent and did not answer, when that region is lost.
 *
 * Invariant: afterwards every one of them either has an answer of ours or may be sent to another region; so does what the client has sent behind
 * them, as far as it belongs to a transaction that is lost.
 */
import { KIND, type Kind } from "./command-kind.ts";
import type { Ledger } from "./ledger.ts";
import type { LostTransaction } from "./lost-transaction.ts";

export interface LostAt {
  readonly region: string;
  readonly protocol: 2 | 3;
  /** As the region has answered: MULTI was, EXEC not yet; keys are watched. */
  readonly hasBegun: boolean;
  readonly hasWatched: boolean;
}

const OK = Buffer.from("+OK\r\n");
const QUEUED = Buffer.from("+QUEUED\r\n");

/** Returns how many are answered to be unknown, and whether what comes next is queued by a transaction that was not sent yet. */
export function settleLost(
  ledger: Ledger,
  transaction: LostTransaction,
  { region, protocol, hasBegun, hasWatched }: LostAt,
  mayRepeat: (i: number, kind: Kind) => boolean,
): { readonly unknown: number; readonly isQueuing: boolean } {
  let unknown = 0;
  let isOpen = hasBegun;
  if (hasWatched && !isOpen) transaction.lose("watched", region);
  for (let i = 0; i < ledger.sent; i++) {
    if (ledger.own(i) !== null) continue;
    const kind = ledger.kind(i);
    if (kind === KIND.multi) isOpen = true;
    if (isOpen && kind !== KIND.exec && kind !== KIND.reset && kind !== KIND.quit) {
      const isQueued = kind !== KIND.multi && kind !== KIND.discard;
      ledger.answer(i, isQueued ? QUEUED : OK);
      if (kind === KIND.discard) isOpen = false;
    } else if (kind === KIND.exec || !mayRepeat(i, kind)) {
      isOpen = false;
      ledger.answer(i, unknownAt(region));
      unknown++;
    } else isOpen = false;
  }
  if (isOpen) transaction.lose("begun", region);
  let isQueuing = false;
  for (let i = ledger.sent; i < ledger.length; i++) {
    if (ledger.own(i) !== null) continue;
    const kind = ledger.kind(i);
    const own = transaction.answer(kind, protocol);
    if (own !== null) ledger.answer(i, own);
    else if (kind === KIND.multi) isQueuing = true;
    else if (kind === KIND.exec || kind === KIND.discard || kind === KIND.reset) isQueuing = false;
  }
  return { unknown, isQueuing };
}

function unknownAt(region: string): Buffer {
  return Buffer.from(
    `-AAUNKNOWN ${region} was lost before it answered: the command may have run or not, and was not tried again\r\n`,
  );
}
