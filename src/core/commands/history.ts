/**
 * History: the writes of which something is left: those that are there, shown or hidden, and those the conflict feed keeps.
 *
 * Invariant: it tells only what is known for certain. A write that a later one replaced having seen it is gone, and not listed.
 */
import { Vector } from "../clock/vector.ts";
import { format } from "../crdt/amount.ts";
import type { Cell } from "../crdt/cell.ts";
import { type Cells, cellOf } from "../crdt/cells.ts";
import type { Generation } from "../crdt/generation.ts";
import { GENERATION, SET, STRING } from "../crdt/key.ts";
import type { Place } from "../keyspace/place.ts";
import { Entry, OBJECT } from "../keyspace/table.ts";
import { conflictId, type What, type Written } from "../replica/conflict.ts";
import { pathOf, textOf } from "../replica/conflicts.ts";
import type { Run } from "./run.ts";

export interface HistoryItem {
  readonly write: Written;
  readonly tag: number;
  readonly what: What;
  readonly path: Buffer;
  readonly value: Buffer;
  /** There; there and lost against a concurrent one; no longer there and lost. */
  readonly state: "kept" | "hidden" | "lost";
}

const nothing = Buffer.alloc(0);

/** What is left of the writes to the key at a place that was looked at, the newest first. */
export function historyOf(run: Run, place: Place): HistoryItem[] {
  const { db, bytes, start, end } = place;
  const key = Buffer.from(bytes.subarray(start, end));
  const items: HistoryItem[] = [];
  const lost = new Map<string, HistoryItem>();
  for (const { id, conflict } of run.conflicts.page(
    new Vector(),
    Infinity,
    (other) => other.db === db && other.key.equals(key),
  ))
    lost.set(id, { ...conflict, write: conflict.loser, state: "lost" });
  eachWrite(run, place, (item) => {
    const id = conflictId({ ...item, db, key, loser: item.write });
    items.push({ ...item, state: lost.delete(id) ? "hidden" : "kept" });
  });
  items.push(...lost.values());
  return items.sort(
    (a, b) => b.write.ms - a.write.ms || b.write.tick - a.write.tick || b.write.seq - a.write.seq,
  );
}

type Visit = (item: Omit<HistoryItem, "state">, generation: Generation | null) => void;

/** Shows every write of which something is there, at a place that was located. */
export function eachWrite(run: Run, place: Place, visit: Visit): void {
  if (place.at < 0) return;
  const key = run.keyspace.open(place);
  if (key.cell !== null) writesOf(run, key.cell, STRING, nothing, visit);
  for (const cells of key.bodies) writesIn(run, cells, cells.tag, visit);
  for (const generation of key.generations) {
    const { kind, origin, seq, ms, tick } = generation;
    const write = { origin: run.keyspace.origins.get(origin), seq, ms, tick };
    const path = Buffer.from(kind.name);
    const tag = GENERATION;
    visit({ write, tag, what: "generation", path, value: nothing }, generation);
  }
}

function writesIn(run: Run, cells: Cells, tag: number, visit: Visit): void {
  const entry = new Entry();
  cells.table.each((at) => {
    cells.table.load(at, entry);
    const path = Buffer.from(entry.bytes.subarray(entry.nameStart, entry.nameEnd));
    const cell = entry.kind === OBJECT ? cells.table.object(entry) : cellOf(entry);
    writesOf(run, cell, tag, path, visit);
  });
}

function writesOf(run: Run, cell: Cell, tag: number, path: Buffer, visit: Visit): void {
  const { origins } = run.keyspace;
  for (const { origin, seq, ms, tick, value } of cell.siblings) {
    const write = { origin: origins.get(origin), seq, ms, tick };
    const what = tag === SET ? "member" : "value";
    visit({ write, tag, what, path: pathOf(tag, path), value: textOf(tag, value) }, null);
  }
  for (const { origin, seq, startMs, startTick, resetSeq, sum } of cell.eras) {
    if (seq <= resetSeq) continue;
    const dot = { seq: Math.floor(seq), ms: startMs, tick: startTick };
    const write = { origin: origins.get(origin), ...dot };
    visit({ write, tag, what: "increments", path, value: Buffer.from(format(sum)) }, null);
  }
}
