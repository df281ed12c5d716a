/**
 * Agreement: whether a key holds exactly what its facts say, part by part: the fast half of I-5.
 *
 * Nothing is put into words, because almost always all is well; what does not agree is told by `canonical.ts` and `facts.ts`.
 *
 * Invariant: it says yes where both texts are the same, and nowhere else. Of a generation whose payloads only become more, what was
 * joined last time is joined no second time; whoever asks for everything (`factsText`) has it joined anew.
 */
import { type Amount, format, subtract } from "../../src/core/crdt/amount.ts";
import type { Cell, Era } from "../../src/core/crdt/cell.ts";
import { cellOf } from "../../src/core/crdt/cells.ts";
import type { Generation, Semilattice } from "../../src/core/crdt/generation.ts";
import type { Key } from "../../src/core/crdt/key.ts";
import { type Keyspace, keyOf } from "../../src/core/keyspace/keyspace.ts";
import { Place } from "../../src/core/keyspace/place.ts";
import { Entry, OBJECT } from "../../src/core/keyspace/table.ts";
import { locate, numbering, type Numbers } from "./canonical.ts";
import {
  cellName,
  type Fact,
  type Facts,
  type GenerationFacts,
  kindOf,
  type KeyFacts,
} from "./facts.ts";
import type { History } from "./history.ts";

const NONE: readonly Fact[] = [];
const place = new Place();
const entry = new Entry();

/** Whether the key `db:name` of a replica is what its facts say. */
export function agrees(keyspace: Keyspace, facts: Facts, history: History, name: string): boolean {
  const number = numbering(keyspace.origins, history);
  const key = facts.of(name);
  locate(place, keyspace, name);
  const { table, at } = place;
  if (at < 0) return key === undefined || isEmpty(key);
  table.load(at, entry);
  if (entry.kind === OBJECT) return isKey(table.object(entry), key, number);
  if (entry.expires) return isKey(keyOf(entry), key, number);
  return (
    isCell(cellOf(entry), key?.registers ?? NONE, key?.counts ?? NONE, number) &&
    (key === undefined || isPlain(key))
  );
}

function isEmpty(key: KeyFacts): boolean {
  return key.registers.length + key.counts.length === 0 && isPlain(key);
}

/** Whether there is nothing but a string without a deadline of its own. */
function isPlain({ cells, cellCounts, generations, deadlines }: KeyFacts): boolean {
  return cells.size + cellCounts.size + generations.size + deadlines.length === 0;
}

function isKey(is: Key, key: KeyFacts | undefined, number: Numbers): boolean {
  if (!isCell(is.cell, key?.registers ?? NONE, key?.counts ?? NONE, number)) return false;
  let found = 0;
  let counted = 0;
  let agree = true;
  for (const { table, tag } of is.bodies)
    table.each((at) => {
      if (!agree) return;
      table.load(at, entry);
      const name = cellName(tag, entry.bytes.latin1Slice(entry.nameStart, entry.nameEnd));
      const cell = entry.kind === OBJECT ? table.object(entry) : cellOf(entry);
      const registers = key?.cells.get(name);
      const counts = key?.cellCounts.get(name);
      if (registers !== undefined) found++;
      if (counts !== undefined) counted++;
      agree = isCell(cell, registers ?? NONE, counts ?? NONE, number);
    });
  if (!agree || found < (key?.cells.size ?? 0) || counted < (key?.cellCounts.size ?? 0))
    return false;
  if (is.generations.length !== (key?.generations.size ?? 0)) return false;
  for (const generation of is.generations) if (!isJoined(generation, key, number)) return false;
  return areDeadlines(is, key?.deadlines ?? NONE, number);
}

function isCell(
  cell: Cell | null,
  registers: readonly Fact[],
  counts: readonly Fact[],
  number: Numbers,
): boolean {
  if (cell === null) return registers.length + counts.length === 0;
  const { siblings } = cell;
  if (siblings.length !== registers.length) return false;
  for (const s of siblings) {
    const fact = factOf(registers, number(s.origin), s.seq);
    if (
      fact === undefined ||
      fact.ms !== s.ms ||
      fact.tick !== s.tick ||
      fact.deadline !== s.deadline ||
      fact.value.length !== s.value.length ||
      fact.value !== s.value.latin1Slice()
    )
      return false;
  }
  return areSums(cell.eras, counts, number);
}

/** The fact of a dot; none if there are several, whose texts have to be compared. */
function factOf(facts: readonly Fact[], origin: number, seq: number): Fact | undefined {
  let found: Fact | undefined;
  for (const fact of facts) {
    if (fact.origin !== origin || fact.seq !== seq) continue;
    if (found !== undefined) return undefined;
    found = fact;
  }
  return found;
}

function areSums(eras: readonly Era[], counts: readonly Fact[], number: Numbers): boolean {
  if (eras.length === 0) return counts.length === 0;
  const sums = sumsOf(counts);
  let living = 0;
  for (const era of eras) {
    if (era.seq <= era.resetSeq) continue;
    living++;
    const is = era.resetSeq >= era.start ? subtract(era.sum, era.resetSum) : era.sum;
    const should = sums.get(number(era.origin));
    if (should === undefined || !isAmount(is, should)) return false;
  }
  return living === sums.size;
}

function isAmount(is: Amount, should: number): boolean {
  return typeof is === "number" ? is === should : format(is) === String(should);
}

interface Summed {
  length: number;
  readonly sums: Map<number, number>;
}

/** What a list of increments comes to by origin, as of when it was last looked at: lists become longer, or are replaced. */
const summed = new WeakMap<readonly Fact[], Summed>();

function sumsOf(counts: readonly Fact[]): ReadonlyMap<number, number> {
  let known = summed.get(counts);
  if (known === undefined) summed.set(counts, (known = { length: 0, sums: new Map() }));
  const { sums } = known;
  for (; known.length < counts.length; known.length++) {
    const { origin, delta } = counts[known.length] as Fact;
    sums.set(origin, (sums.get(origin) ?? 0) + delta);
  }
  return sums;
}

interface Joined {
  length: number;
  readonly state: Semilattice;
}

const joined = new WeakMap<GenerationFacts, Joined>();

function isJoined(is: Generation, key: KeyFacts | undefined, number: Numbers): boolean {
  const origin = number(is.origin);
  const generation = key?.generations.get(cellName(is.kind.number, `${origin}:${is.seq}`));
  if (generation === undefined) return false;
  const { born, payloads } = generation;
  if (born.ms !== is.ms || born.tick !== is.tick) return false;
  let known = joined.get(generation);
  if (known === undefined)
    joined.set(generation, (known = { length: 0, state: kindOf(is.kind.number).create() }));
  for (; known.length < payloads.length; known.length++)
    known.state.join(Buffer.from(payloads[known.length] as string, "latin1"));
  return known.state.encode().equals(is.state.encode());
}

function areDeadlines(is: Key, deadlines: readonly Fact[], number: Numbers): boolean {
  if (is.deadlines.length !== deadlines.length) return false;
  for (const d of is.deadlines) {
    const fact = factOf(deadlines, number(d.origin), d.seq);
    if (fact === undefined || fact.ms !== d.ms || fact.tick !== d.tick) return false;
    if (fact.deadline !== d.deadline) return false;
  }
  return true;
}
