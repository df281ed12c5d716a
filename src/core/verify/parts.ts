/**
 * Parts: what a key holds that a reader can ever see, part by part: values with their dots, living additions, generations, deadlines.
 *
 * Invariant: replicas that have applied the same records to a key show the same parts, whatever the order in which its tables came to
 * be. What collection may take (floors, and additions that were reset) is no part of it, so who has collected it and who has not are
 * equal.
 */
import type { Cell, Era } from "../crdt/cell.ts";
import { type Cells, cellOf } from "../crdt/cells.ts";
import type { Generation } from "../crdt/generation.ts";
import { type Deadline, type Key, STRING } from "../crdt/key.ts";
import { keyOf } from "../keyspace/keyspace.ts";
import { COUNTER, Entry, OBJECT, type Table } from "../keyspace/table.ts";

/** What is shown the parts. Bytes are valid only inside the call. */
export interface PartsVisitor {
  /** A cell that is one register: a string's (`tag` 1, no name), or a collection's of that name. */
  register(tag: number, name: Buffer, nameStart: number, nameEnd: number, entry: Entry): void;
  cell(tag: number, name: Buffer, nameStart: number, nameEnd: number, cell: Cell): void;
  generation(generation: Generation): void;
  deadline(deadline: Deadline): void;
}

const nothing = Buffer.alloc(0);
const inner = new Entry();

/** Whether an addition still counts. */
export function isLiving(era: Era): boolean {
  return era.seq > era.resetSeq;
}

/** Shows the parts of the key whose entry was loaded, but for bodies that are `large`: `visitCells` shows those. */
export function visitKey(
  table: Table<Key>,
  entry: Entry,
  visitor: PartsVisitor,
  isLarge: (body: Cells) => boolean,
): void {
  if (entry.kind !== OBJECT && entry.expires) return visitParts(keyOf(entry), visitor, isLarge);
  if (entry.kind === COUNTER) return visitor.cell(STRING, nothing, 0, 0, cellOf(entry));
  if (entry.kind !== OBJECT) return visitor.register(STRING, nothing, 0, 0, entry);
  table.peek(entry, (key) => visitParts(key, visitor, isLarge));
}

/** The same of a key that is an object already. */
export function visitParts(
  { cell, bodies, generations, deadlines }: Key,
  visitor: PartsVisitor,
  isLarge: (body: Cells) => boolean,
): void {
  if (cell !== null) visitor.cell(STRING, nothing, 0, 0, cell);
  for (const body of bodies)
    if (!isLarge(body)) body.table.each((at) => visitCell(body, at, visitor));
  for (const generation of generations) visitor.generation(generation);
  for (const deadline of deadlines) visitor.deadline(deadline);
}

/** Shows the cell of a body at a position. */
export function visitCell({ tag, table }: Cells, at: number, visitor: PartsVisitor): void {
  table.load(at, inner);
  const { bytes, nameStart, nameEnd } = inner;
  if (inner.kind === OBJECT) visitor.cell(tag, bytes, nameStart, nameEnd, table.object(inner));
  else visitor.register(tag, bytes, nameStart, nameEnd, inner);
}
