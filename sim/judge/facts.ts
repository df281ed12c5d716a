/**
 * Facts: what a replica that has applied certain records must hold, by the meaning of the records alone: the oracle.
 *
 * Every write is a fact that lives until a record which had seen it takes it away, or until it turns out to have been born under a
 * floor or before a flush. There are no sums, no eras, no packed forms, no collection: a counter is the list of its increments.
 *
 * Invariant: the result depends on the set of records and what each had seen. Records are taken in a causal order, so what a removal
 * had seen is here when it comes; floors and flushes are kept for ever and judge what comes later too.
 */
import type { GenerationKind } from "../../src/core/crdt/generation.ts";
import {
  COLLECTIONS,
  DEADLINES,
  GENERATION,
  NEVER_MS,
  SET,
  STRING,
} from "../../src/core/crdt/key.ts";
import { kindsWith } from "../../src/core/crdt/generation-kinds.ts";
import { DOCUMENTS } from "../../src/engines/documents/documents.ts";
import { type CommittedRecord, type Fx, OP } from "./history.ts";

const KINDS = kindsWith([DOCUMENTS]);

export interface Fact {
  readonly origin: number;
  /** With a fraction for counters: see `history.ts`. */
  readonly seq: number;
  readonly ms: number;
  readonly tick: number;
  readonly value: string;
  readonly deadline: number;
  readonly delta: number;
}

export interface KeyFacts {
  registers: Fact[];
  counts: Fact[];
  deadlines: Fact[];
  /** Named cells, and what was added to them, by `cellName`. */
  readonly cells: Map<string, Fact[]>;
  readonly cellCounts: Map<string, Fact[]>;
  readonly generations: Map<string, GenerationFacts>;
  /** By member: the latest removal that takes what it has not seen. By null: the latest strict write of the string. */
  readonly memberFloors: Map<string | null, { ms: number; tick: number }>;
  /** The highest floor. */
  bornMs: number;
  writtenMs: number;
  writtenTick: number;
  /** All this in words; null since it last changed. */
  text: string | null;
}

/** What was joined to one generation. */
export interface GenerationFacts {
  readonly kind: number;
  readonly born: Fact;
  readonly payloads: string[];
}

/** The name of a cell within its key: its type and its own name. */
export function cellName(tag: number, name: string): string {
  return `${tag} ${name}`;
}

/** The store's own data: no flush takes it. */
const INTERNAL_DB = 16_384;
const INTERNAL = `${INTERNAL_DB}:`;

interface FlushSeen {
  readonly db: number;
  readonly ms: number;
  readonly tick: number;
  readonly record: CommittedRecord;
}

export class Facts {
  readonly keys = new Map<string, KeyFacts>();
  /** The keys that records have named since somebody last looked; emptied by whoever looks. */
  readonly touched = new Set<string>();
  readonly #flushes: FlushSeen[] = [];
  /** Members of sets and (null) values that the newest record has taken without having seen them. */
  taken: { readonly key: string; readonly member: string | null; readonly fact: Fact }[] = [];

  apply(record: CommittedRecord): void {
    this.taken = [];
    for (const fx of record.effects) this.#apply(record, fx);
  }

  /** The facts of a key named `db:key`. */
  of(name: string): KeyFacts | undefined {
    return this.keys.get(name);
  }

  #apply(record: CommittedRecord, fx: Fx): void {
    if (fx.op === OP.FLUSH) return this.#flush(record, fx);
    const key = this.#key(`${fx.db}:${fx.key}`);
    const seen = (fact: Fact): boolean => (record.deps[fact.origin] ?? 0) >= Math.floor(fact.seq);
    switch (fx.op) {
      case OP.SET:
      case OP.SET_EXPIRING: {
        if (this.#dead(record, fx)) return;
        key.deadlines = key.deadlines.filter((d) => !seen(d));
        key.registers = key.registers.filter((r) => !seen(r));
        const under =
          compare(record.ms, record.tick, key.writtenMs, key.writtenTick) <= 0 && key.writtenMs > 0;
        if (!under && !underFloor(key, null, record)) key.registers.push(factOf(record, fx));
        return;
      }
      case OP.SET_STRICT:
        if (this.#dead(record, fx)) return;
        key.deadlines = key.deadlines.filter((d) => !seen(d));
        this.#takeOlder(record, fx, key, seen);
        if (!underFloor(key, null, record)) key.registers.push(factOf(record, fx));
        return raiseFloor(key, null, record);
      case OP.REMOVE_STRICT:
        this.#takeOlder(record, fx, key, seen);
        return raiseFloor(key, null, record);
      case OP.COUNT:
        if (!this.#dead(record, fx) && fx.birthMs > key.bornMs) key.counts.push(factOf(record, fx));
        return;
      case OP.COUNT_CELL:
        if (!this.#dead(record, fx) && fx.birthMs > key.bornMs)
          listOf(key.cellCounts, cellName(fx.tag, fx.name)).push(factOf(record, fx));
        return;
      case OP.PUT_CELL:
      case OP.EXPIRE_FIELD:
        return this.#put(record, fx, key, seen);
      case OP.REMOVE_CELL:
        return drop(key.cells, cellName(fx.tag, fx.name), seen);
      case OP.REMOVE_OLDER:
        return this.#removeOlder(record, fx, key, seen);
      case OP.JOIN:
        return this.#join(record, fx, key);
      case OP.REMOVE_KIND:
        return dropGenerations(key, (g) => g.kind === fx.mask && seen(g.born));
      case OP.RESET: {
        const reset = (count: Fact): boolean =>
          fx.resets.some(({ origin, upTo }) => origin === count.origin && count.seq <= upTo);
        if (fx.tag === STRING) key.counts = key.counts.filter((count) => !reset(count));
        else drop(key.cellCounts, cellName(fx.tag, fx.name), reset);
        return;
      }
      case OP.REMOVE:
      case OP.REMOVE_BORN: {
        const goes = (fact: Fact): boolean => seen(fact) && fact.ms <= fx.bornMs;
        if ((fx.mask & STRING) !== 0) key.registers = key.registers.filter((r) => !goes(r));
        for (const tag of COLLECTIONS)
          if ((fx.mask & tag) !== 0) dropAll(key.cells, goes, cellName(tag, ""));
        if ((fx.mask & GENERATION) !== 0) dropGenerations(key, (g) => goes(g.born));
        if ((fx.mask & DEADLINES) !== 0) key.deadlines = key.deadlines.filter((d) => !seen(d));
        return;
      }
      case OP.EXPIRE:
        if (this.#dead(record, fx)) return;
        key.deadlines = key.deadlines.filter((d) => !seen(d));
        key.deadlines.push(factOf(record, fx));
        return;
      case OP.REMOVE_EXPIRED:
        return this.#expire(fx, key, seen);
    }
  }

  #put(record: CommittedRecord, fx: Fx, key: KeyFacts, seen: (fact: Fact) => boolean): void {
    if (this.#dead(record, fx) || fx.birthMs <= key.bornMs) return;
    const name = cellName(fx.tag, fx.name);
    if (fx.tag === SET && underFloor(key, fx.name, record)) return;
    drop(key.cells, name, seen);
    listOf(key.cells, name).push(factOf(record, fx));
  }

  #removeOlder(
    { ms, tick }: CommittedRecord,
    fx: Fx,
    key: KeyFacts,
    seen: (fact: Fact) => boolean,
  ): void {
    const name = cellName(SET, fx.name);
    drop(key.cells, name, seen);
    const older = (fact: Fact): boolean => compare(fact.ms, fact.tick, ms, tick) < 0;
    for (const fact of key.cells.get(name) ?? [])
      if (older(fact)) this.taken.push({ key: `${fx.db}:${fx.key}`, member: fx.name, fact });
    drop(key.cells, name, older);
    raiseFloor(key, fx.name, { ms, tick });
  }

  /** A strict write takes the values it has seen, and what is older. */
  #takeOlder(
    { ms, tick }: CommittedRecord,
    fx: Fx,
    key: KeyFacts,
    seen: (fact: Fact) => boolean,
  ): void {
    const older = (fact: Fact): boolean => compare(fact.ms, fact.tick, ms, tick) < 0;
    for (const fact of key.registers)
      if (!seen(fact) && older(fact) && (fx.op !== OP.SET_STRICT || fact.value !== fx.value))
        this.taken.push({ key: `${fx.db}:${fx.key}`, member: null, fact });
    key.registers = key.registers.filter((r) => !seen(r) && !older(r));
  }

  #join(record: CommittedRecord, fx: Fx, key: KeyFacts): void {
    const name = cellName(fx.mask, fx.generation);
    const there = key.generations.get(name);
    if (there !== undefined) there.payloads.push(fx.value);
    else if (fx.generation === `${record.origin}:${record.seq}`) {
      if (this.#dead(record, fx) || record.ms <= key.bornMs) return;
      const born = factOf(record, fx);
      key.generations.set(name, { kind: fx.mask, born, payloads: [fx.value] });
    }
  }

  #expire(fx: Fx, key: KeyFacts, seen: (fact: Fact) => boolean): void {
    const { bornMs, writtenMs, writtenTick } = fx;
    const born = (fact: Fact): boolean => fact.ms <= bornMs;
    key.registers = key.registers.filter(
      (r) => !seen(r) && compare(r.ms, r.tick, writtenMs, writtenTick) > 0,
    );
    key.counts = key.counts.filter((count) => !born(count));
    dropAll(key.cells, born);
    dropAll(key.cellCounts, born);
    dropGenerations(key, (g) => born(g.born));
    key.deadlines = key.deadlines.filter((d) => !seen(d));
    key.bornMs = Math.max(key.bornMs, bornMs);
    if (compare(writtenMs, writtenTick, key.writtenMs, key.writtenTick) > 0) {
      key.writtenMs = writtenMs;
      key.writtenTick = writtenTick;
    }
  }

  #flush(record: CommittedRecord, fx: Fx): void {
    const { ms, tick } = record;
    this.#flushes.push({ db: fx.db, ms, tick, record });
    const born = (fact: Fact): boolean => compare(fact.ms, fact.tick, ms, tick) <= 0;
    for (const [name, key] of this.keys) {
      if (fx.db >= 0 && !name.startsWith(`${fx.db}:`)) continue;
      if (name.startsWith(INTERNAL)) continue;
      key.text = null;
      key.registers = key.registers.filter((r) => !born(r));
      key.counts = key.counts.filter((count) => !born(count));
      key.deadlines = key.deadlines.filter((d) => !born(d));
      dropAll(key.cells, born);
      dropAll(key.cellCounts, born);
      dropGenerations(key, (g) => born(g.born));
    }
  }

  /**
   * Whether a flush that is here already takes what is being written; a record's own flush took only what came before it, and what is
   * said again by one who had seen a flush had survived it.
   */
  #dead(record: CommittedRecord, fx: Fx): boolean {
    for (const flush of this.#flushes)
      if (
        flush.record !== record &&
        (fx.op !== OP.EXPIRE_FIELD || (record.deps[flush.record.origin] ?? 0) < flush.record.seq) &&
        fx.db !== INTERNAL_DB &&
        (flush.db < 0 || flush.db === fx.db) &&
        compare(fx.birthMs, fx.birthTick, flush.ms, flush.tick) <= 0
      )
        return true;
    return false;
  }

  #key(name: string): KeyFacts {
    let key = this.keys.get(name);
    if (key === undefined) {
      key = {
        registers: [],
        counts: [],
        deadlines: [],
        cells: new Map(),
        cellCounts: new Map(),
        generations: new Map(),
        memberFloors: new Map(),
        bornMs: -1,
        writtenMs: 0,
        writtenTick: 0,
        text: null,
      };
      this.keys.set(name, key);
    }
    key.text = null;
    this.touched.add(name);
    return key;
  }
}

/** One key in the words of `canonical.ts`, without its name. */
export function factsKey(facts: Facts, name: string): string {
  const key = facts.keys.get(name);
  return key === undefined ? "" : (key.text ??= keyText(key));
}

/** The state in the words of `canonical.ts`. */
export function factsText(facts: Facts): string {
  const lines: string[] = [];
  for (const [name, key] of facts.keys) {
    const text = (key.text ??= keyText(key));
    if (text !== "") lines.push(`${name} ${text}`);
  }
  return lines.toSorted().join("\n");
}

function keyText(key: KeyFacts): string {
  const parts: string[] = [];
  for (const r of key.registers)
    parts.push(`=${r.origin}:${r.seq}@${r.ms}.${r.tick}~${r.deadline} ${r.value}`);
  parts.push(...sums("", key.counts));
  for (const [name, facts] of key.cells)
    for (const f of facts)
      parts.push(`${name} ${f.origin}:${f.seq}@${f.ms}.${f.tick}~${f.deadline} ${f.value}`);
  for (const [name, facts] of key.cellCounts) parts.push(...sums(name, facts));
  for (const { kind, born, payloads } of key.generations.values())
    parts.push(
      `${kind} ${born.origin}:${born.seq}@${born.ms}.${born.tick} ${joined(kind, payloads)}`,
    );
  for (const d of key.deadlines)
    parts.push(`d${d.origin}:${d.seq}@${d.ms}.${d.tick}~${d.deadline}`);
  return parts.toSorted().join(" | ");
}

/** The kind of generations of a number. */
export function kindOf(number: number): GenerationKind {
  return KINDS.get(number) as GenerationKind;
}

/** What payloads come to, in the one form that a state has. */
function joined(number: number, payloads: readonly string[]): string {
  const state = kindOf(number).create();
  for (const payload of payloads) state.join(Buffer.from(payload, "latin1"));
  return state.encode().latin1Slice();
}

/** What each origin's living increments add up to. */
function sums(name: string, counts: readonly Fact[]): string[] {
  const byOrigin = new Map<number, number>();
  for (const { origin, delta } of counts) byOrigin.set(origin, (byOrigin.get(origin) ?? 0) + delta);
  return [...byOrigin].map(([origin, sum]) => `+${name} ${origin}:${sum}`);
}

function factOf(record: CommittedRecord, fx: Fx): Fact {
  return {
    origin: record.origin,
    seq: fx.op === OP.COUNT || fx.op === OP.COUNT_CELL ? fx.at : record.seq,
    ms: fx.birthMs,
    tick: fx.birthTick,
    value: fx.value,
    deadline: fx.deadline === NEVER_MS ? NEVER_MS : fx.deadline,
    delta: fx.delta,
  };
}

function listOf(lists: Map<string, Fact[]>, name: string): Fact[] {
  let list = lists.get(name);
  if (list === undefined) {
    list = [];
    lists.set(name, list);
  }
  return list;
}

function drop(lists: Map<string, Fact[]>, name: string, goes: (fact: Fact) => boolean): void {
  const list = lists.get(name);
  if (list === undefined) return;
  if (!list.some(goes)) return;
  const kept = list.filter((fact) => !goes(fact));
  if (kept.length === 0) lists.delete(name);
  else lists.set(name, kept);
}

function dropAll(lists: Map<string, Fact[]>, goes: (fact: Fact) => boolean, prefix = ""): void {
  for (const name of lists.keys()) if (name.startsWith(prefix)) drop(lists, name, goes);
}

function dropGenerations(key: KeyFacts, goes: (generation: GenerationFacts) => boolean): void {
  for (const [name, generation] of key.generations)
    if (goes(generation)) key.generations.delete(name);
}

interface Stamp {
  readonly ms: number;
  readonly tick: number;
}

function underFloor(key: KeyFacts, member: string | null, { ms, tick }: Stamp): boolean {
  const floor = key.memberFloors.get(member);
  return floor !== undefined && compare(ms, tick, floor.ms, floor.tick) < 0;
}

function raiseFloor(key: KeyFacts, member: string | null, { ms, tick }: Stamp): void {
  const floor = key.memberFloors.get(member);
  if (floor === undefined || compare(floor.ms, floor.tick, ms, tick) < 0)
    key.memberFloors.set(member, { ms, tick });
}

function compare(aMs: number, aTick: number, bMs: number, bTick: number): number {
  return aMs - bMs || aTick - bTick;
}
