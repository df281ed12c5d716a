/**
 * Once: what is done once under an id, and ids that are given once: I-41 and I-42.
 *
 * Invariant: it is judged by records: by what they remember, and by what clients had asked for when they were made. A record that does
 * again what it depends on is wrong, whoever made it and whatever clients heard; two that did not know of one another are not.
 */
import type { Outcome } from "../world/actor.ts";
import { ONCE } from "../world/workload.ts";
import type { CommittedRecord, Fx } from "./history.ts";
import { OP } from "./history.ts";

const ONCE_DB = 16_387;

/** What was done again, in words; null when nothing was. */
export function doneAgain(
  records: readonly CommittedRecord[],
  nameOf: (record: CommittedRecord) => string,
): string | null {
  const done = new Map<string, { readonly record: CommittedRecord; readonly fx: Fx }[]>();
  for (const record of records)
    for (const fx of record.effects) {
      if (fx.db !== ONCE_DB || fx.op !== OP.SET_EXPIRING) continue;
      const before = done.get(fx.key) ?? [];
      for (const first of before) {
        const knew = (record.deps[first.record.origin] ?? 0) >= first.record.seq;
        if (knew && first.fx.deadline > record.ms)
          return `${nameOf(record)} did ${fx.key} again, which ${nameOf(first.record)} had done`;
      }
      before.push({ record, fx });
      done.set(fx.key, before);
    }
  return null;
}

/** What was done again by whoever knew that it had been done, by what clients asked for; null when nothing was. */
export function askedAgain(
  outcomes: readonly Outcome[],
  nameOf: (record: CommittedRecord) => string,
): string | null {
  const done = new Map<string, CommittedRecord[]>();
  for (const { operation, origin, seq } of outcomes) {
    const record = origin?.records[seq - 1];
    if (record === undefined || !ONCE.has(operation.kind)) continue;
    const [words = []] = operation.commands;
    const windowMs = Number(words[words.indexOf("WINDOW") + 1]);
    const name = words.join(" ");
    const before = done.get(name) ?? [];
    done.set(name, [...before, record]);
    for (const other of before)
      for (const [first, again] of [
        [record, other],
        [other, record],
      ] as const)
        if ((again.deps[first.origin] ?? 0) >= first.seq && again.ms < first.ms + windowMs)
          return `${nameOf(again)} did ${name} again, which ${nameOf(first)} had done`;
  }
  return null;
}

/** How often something was done that others had done and it had not heard of. */
export function doneApart(records: readonly CommittedRecord[]): number {
  const done = new Set<string>();
  let count = 0;
  for (const { effects } of records)
    for (const { db, op, key } of effects) {
      if (db !== ONCE_DB || op !== OP.SET_EXPIRING) continue;
      if (done.has(key)) count++;
      done.add(key);
    }
  return count;
}
