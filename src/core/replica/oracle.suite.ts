/**
 * Oracle: what a reader must see of a key, computed from the partial order of records alone.
 *
 * Invariant: nothing here knows of replicas, states, orders of arrival or collection. An entry lives unless a record that had
 * seen it removed it, or it was born under a floor or before a flush; the rest is how the living are read.
 */
import assert from "node:assert/strict";
import { Source } from "../bytes/source.ts";
import { readOrigin } from "../clock/origins.ts";
import type { DocumentKind } from "../crdt/document.ts";
import type { GenerationKind } from "../crdt/generation.ts";
import { GENERATION_KINDS } from "../crdt/generation-kinds.ts";
import { CHANGES, CHANGES_DENSE, HyperLogLog } from "../hll/hyperloglog.ts";
import { documentText } from "./canonical.suite.ts";
import type { DecodedEffect, DecodedRecord } from "./decoded.suite.ts";

const NEVER = 2 ** 48 - 1;
const TAGS = [1, 2, 4, 8, 0x10, 0x20, 0x40, 0x200];
const [STRING, SET, HASH, ZSET, LIST, STREAM] = [1, 2, 4, 8, 0x10, 0x20] as const;
const [GENERATION, DEADLINES, BITMAP, BOUNDED] = [0x40, 0x80, 0x200, 0x400] as const;

export interface Fact {
  readonly record: DecodedRecord;
  /** Place of the effect in its record. */
  readonly index: number;
  readonly effect: DecodedEffect;
  /** COUNT: what was added, as the test knows it. */
  readonly delta: number;
}

/** What a history knows: dots by origin. */
export type Covers = (origin: string, seq: number) => boolean;

interface Living {
  readonly registers: readonly Fact[];
  readonly counts: readonly Fact[];
  /** Of every collection: registers and additions. */
  readonly cells: readonly Fact[];
  readonly cellCounts: readonly Fact[];
  /** What created a generation, and what was joined to one. */
  readonly creations: readonly Fact[];
  readonly joins: readonly Fact[];
  readonly deadlines: readonly Fact[];
}

export class Oracle {
  readonly #facts = new Map<string, Fact[]>();
  #flushes: Fact[] = [];
  readonly #kinds: ReadonlyMap<number, GenerationKind>;

  constructor(kinds: ReadonlyMap<number, GenerationKind> = GENERATION_KINDS) {
    this.#kinds = kinds;
  }

  /** Takes a record; `deltas` are the additions of its counters, in order. */
  add(record: DecodedRecord, deltas: readonly number[]): void {
    let counted = 0;
    record.effects.forEach((effect, index) => {
      const isCount = effect.op === "COUNT" || effect.op === "COUNT_CELL";
      const fact = { record, index, effect, delta: isCount ? (deltas[counted++] as number) : 0 };
      if (effect.op === "FLUSH") this.#flushes.push(fact);
      else {
        const name = `${effect.db}:${effect.key}`;
        const facts = this.#facts.get(name);
        if (facts === undefined) this.#facts.set(name, [fact]);
        else facts.push(fact);
      }
    });
  }

  /** A crash took the records of an origin behind `seq` with it: nobody had heard of them. */
  forget(origin: string, seq: number): void {
    const stays = ({ record }: Fact): boolean => record.origin !== origin || record.seq <= seq;
    for (const [name, facts] of this.#facts) this.#facts.set(name, facts.filter(stays));
    this.#flushes = this.#flushes.filter(stays);
  }

  /** What a reader sees at `nowMs` of a key named `db:key` once the records in `covers` are applied. */
  view(name: string, covers: Covers, nowMs: number): string {
    const living = this.#living(name, covers);
    const tags = TAGS.filter((tag) => bornIn(living, tag).length > 0);
    let seen = 0;
    let newest: Birth | null = null;
    for (const tag of tags) {
      const born = bornIn(living, tag).filter((birth) => isVisible(living, tag, birth, nowMs));
      for (const birth of born)
        if (newest === null || isAfter(birth, newest)) {
          newest = birth;
          seen = tag;
        }
    }
    return seen === 0 ? "none" : read(living, seen, nowMs, this.#kinds);
  }

  /** How many distinct registers of a key live: what concurrent writes left. */
  siblings(name: string, covers: Covers): number {
    return this.#living(name, covers).registers.length;
  }

  #living(name: string, covers: Covers): Living {
    const db = Number(name.slice(0, name.indexOf(":")));
    const known = (fact: Fact): boolean => covers(fact.record.origin, fact.record.seq);
    const facts = (this.#facts.get(name) ?? []).filter(known);
    const flushes = this.#flushes.filter(
      (fact) => known(fact) && (fact.effect.db < 0 || fact.effect.db === db),
    );
    const living = facts.filter(
      (fact) => !flushes.some((f) => flushed(f, fact)) && !facts.some((by) => removes(by, fact)),
    );
    const only = (...ops: string[]): Fact[] => living.filter((f) => ops.includes(f.effect.op));
    return {
      registers: only("SET", "SET_EXPIRING"),
      counts: only("COUNT"),
      cells: only("PUT_CELL"),
      cellCounts: only("COUNT_CELL"),
      creations: only("JOIN").filter(creates),
      // Whatever became of the record that joined, it is the generation that lives or not.
      joins: facts.filter((fact) => fact.effect.op === "JOIN" && !creates(fact)),
      deadlines: only("EXPIRE"),
    };
  }
}

function creates({ record, effect }: Fact): boolean {
  return effect.generation === `${record.origin}:${record.seq}`;
}

function observes(by: Fact, fact: Fact): boolean {
  if (by.record === fact.record) return fact.index < by.index;
  return (by.record.deps.get(fact.record.origin) ?? 0) >= fact.record.seq;
}

function compare(aMs: number, aTick: number, bMs: number, bTick: number): number {
  return aMs - bMs || aTick - bTick;
}

/** Birth by which floors and flushes judge: of a counter, that of its era; of a restated field, that of its value. */
function birthOf(fact: Fact): { ms: number; tick: number } {
  const { effect, record } = fact;
  if (effect.bornMs !== undefined) return { ms: effect.bornMs, tick: effect.bornTick as number };
  return effect.startMs === undefined
    ? { ms: record.ms, tick: record.tick }
    : { ms: effect.startMs, tick: effect.startTick as number };
}

/**
 * A flush takes what is older than it, seen or not, and what its own record did before it; not what that record does behind it, nor
 * what is later added to a counter that began there.
 */
function flushed(flush: Fact, fact: Fact): boolean {
  if (flush.record === fact.record && fact.index > flush.index) return false;
  // What is restated by one who had seen the flush had survived it.
  if (fact.effect.bornMs !== undefined && observes(fact, flush)) return false;
  const { ms, tick } = birthOf(fact);
  const order = compare(ms, tick, flush.record.ms, flush.record.tick);
  if (order !== 0 || flush.record === fact.record) return order <= 0;
  const { start } = fact.effect;
  const beganBehind =
    fact.record.origin === flush.record.origin &&
    start !== undefined &&
    Number(start.split("+")[0]) === flush.record.seq;
  return !beganBehind;
}

function removes(by: Fact, fact: Fact): boolean {
  const { effect } = by;
  const { op } = fact.effect;
  const birth = birthOf(fact);
  const isRegister = op === "SET" || op === "SET_EXPIRING";
  const isCount = op === "COUNT" || op === "COUNT_CELL";
  if (effect.op === "REMOVE_EXPIRED") {
    // The floor: seen or not.
    const { ms, tick } = fact.record;
    if (
      isRegister &&
      compare(ms, tick, effect.writtenMs as number, effect.writtenTick as number) <= 0
    )
      return true;
    if (!isRegister && op !== "EXPIRE" && birth.ms <= (effect.horizonMs as number)) return true;
  }
  const sameName = effect.name === fact.effect.name && effect.tag === fact.effect.tag;
  if (effect.op === "REMOVE_OLDER" && op === "PUT_CELL" && sameName) {
    const { ms, tick } = by.record;
    if (compare(birth.ms, birth.tick, ms, tick) < 0) return true;
  }
  if (effect.isStrict === true && isRegister) {
    const { ms, tick } = by.record;
    if (compare(birth.ms, birth.tick, ms, tick) < 0) return true;
  }
  if (!observes(by, fact)) return false;
  switch (effect.op) {
    case "SET":
      if (effect.replaces !== undefined) return isRegister && replaces(by, fact);
      return isRegister || op === "EXPIRE";
    case "REMOVE_STRICT":
      return isRegister;
    case "SET_EXPIRING":
      return isRegister || op === "EXPIRE";
    case "PUT_CELL":
      if (effect.replaces !== undefined) return op === "PUT_CELL" && sameName && replaces(by, fact);
      return op === "PUT_CELL" && sameName;
    case "REMOVE_CELL":
    case "REMOVE_OLDER":
      return op === "PUT_CELL" && sameName;
    case "EXPIRE":
      return op === "EXPIRE";
    case "RESET": {
      if (!isCount || effect.tag !== (op === "COUNT" ? STRING : fact.effect.tag)) return false;
      if (op === "COUNT_CELL" && !sameName) return false;
      return (effect.resets ?? []).some((reset) => reset.origin === fact.record.origin);
    }
    case "REMOVE_EXPIRED":
      return isRegister || op === "EXPIRE";
    case "REMOVE":
    case "REMOVE_BORN": {
      const mask = effect.mask as number;
      if (op === "EXPIRE") return (mask & DEADLINES) !== 0;
      const other =
        op === "PUT_CELL" ? (fact.effect.tag as number) : op === "JOIN" ? GENERATION : 0;
      const tag = isRegister ? STRING : other;
      return (mask & tag) !== 0 && birth.ms <= (effect.horizonMs as number);
    }
    case "REMOVE_KIND":
      return op === "JOIN" && effect.kind === fact.effect.kind;
    default:
      return false;
  }
}

/** Whether a resolution names a write, or both are of one record. */
function replaces({ effect, record }: Fact, fact: Fact): boolean {
  const { origin, seq } = fact.record;
  return fact.record === record || (effect.replaces?.includes(`${origin}:${seq}`) ?? false);
}

interface Birth {
  readonly ms: number;
  readonly tick: number;
  readonly fact: Fact;
}

function bornIn(living: Living, tag: number): Birth[] {
  if (tag === GENERATION) return living.creations.map((fact) => ({ ...birthOf(fact), fact }));
  const facts =
    tag === STRING
      ? [...living.registers, ...living.counts]
      : [...living.cells, ...living.cellCounts].filter(({ effect }) => effect.tag === tag);
  return facts.map((fact) => ({ ...birthOf(fact), fact }));
}

function isAfter(a: Birth, b: Birth): boolean {
  const order = compare(a.ms, a.tick, b.ms, b.tick);
  return order !== 0 ? order > 0 : a.fact.record.origin > b.fact.record.origin;
}

/** The deadline of a string's value: a later EXPIRE or PERSIST overrules its own. */
function deadlineOf(living: Living, register: Fact): number {
  const { ms, tick } = register.record;
  const later = living.deadlines
    .filter((d) => compare(d.record.ms, d.record.tick, ms, tick) >= 0)
    .map((d) => d.effect.deadline as number);
  return forever(later.length > 0 ? Math.max(...later) : (register.effect.deadline as number));
}

/** When everything of a type that was born before then is expired. */
function deadlineOfType(living: Living, tag: number): number {
  const all = living.deadlines.map((d) => forever(d.effect.deadline as number));
  if (tag === STRING) all.push(...living.registers.map((register) => deadlineOf(living, register)));
  return all.length === 0 ? Infinity : Math.max(...all);
}

function forever(deadline: number): number {
  return deadline === NEVER ? Infinity : deadline;
}

/** What was born before its type's deadline goes with it; what was born from then on never shared it. */
function isVisible(living: Living, tag: number, birth: Birth, nowMs: number): boolean {
  const { op } = birth.fact.effect;
  if (tag === STRING && op !== "COUNT") return deadlineOf(living, birth.fact) > nowMs;
  const deadline = deadlineOfType(living, tag);
  if (deadline <= nowMs && birth.ms < deadline) return false;
  return tag !== HASH || isFieldVisible(living, birth, deadline > nowMs ? -1 : deadline, nowMs);
}

/** A value of a field has a deadline or none; increments share the longest of those born from `sinceMs` on. */
function isFieldVisible(living: Living, birth: Birth, sinceMs: number, nowMs: number): boolean {
  const { effect } = birth.fact;
  const until = (fact: Fact): number => forever(fact.effect.deadline ?? NEVER);
  if (effect.op === "PUT_CELL") return until(birth.fact) > nowMs;
  const values = living.cells.filter(
    (f) => f.effect.tag === HASH && f.effect.name === effect.name && birthOf(f).ms >= sinceMs,
  );
  const deadline = values.length === 0 ? Infinity : Math.max(...values.map(until));
  return deadline > nowMs || birth.ms >= deadline;
}

function read(
  living: Living,
  tag: number,
  nowMs: number,
  kinds: ReadonlyMap<number, GenerationKind>,
): string {
  const visible = (fact: Fact): boolean =>
    isVisible(living, tag, { ...birthOf(fact), fact }, nowMs);
  const deadline = deadlineOfType(living, tag);
  const until = deadline > nowMs ? deadline : Infinity;
  if (tag === STRING) {
    const registers = living.registers.filter(visible);
    const value = valueOf(registers, living.counts.filter(visible));
    const winner = winnerOf(registers);
    return `string ${value} until ${winner === null ? until : deadlineOf(living, winner)}`;
  }
  if (tag === GENERATION)
    return `${joined(living, living.creations.filter(visible), kinds)} until ${until}`;
  const registers = named(living.cells.filter((f) => f.effect.tag === tag && visible(f)));
  const counts = named(living.cellCounts.filter((f) => f.effect.tag === tag && visible(f)));
  if (tag === ZSET) return `zset ${ranked(registers, counts)} until ${until}`;
  if (tag === BITMAP) return `string ${bits(registers)} until ${until}`;
  if (tag === STREAM) return `stream ${inHex(registers)} until ${until}`;
  if (tag === LIST) return `list ${positioned(registers)} until ${until}`;
  const cells = [...new Set([...registers.keys(), ...counts.keys()])].map((name) => {
    if (tag === SET) return name;
    const value = valueOf(registers.get(name) ?? [], counts.get(name) ?? []);
    const values = (registers.get(name) ?? []).map((f) => forever(f.effect.deadline ?? NEVER));
    const fieldUntil = values.length === 0 ? Infinity : Math.max(...values);
    return `${name}=${value}${fieldUntil === Infinity ? "" : `~${fieldUntil}`}`;
  });
  return `${tag === SET ? "set" : tag === HASH ? "hash" : `cells of ${tag}`} ${cells.toSorted().join(",")} until ${until}`;
}

/** The generations of the newest one's kind, read as one. */
function joined(
  living: Living,
  creations: readonly Fact[],
  kinds: ReadonlyMap<number, GenerationKind>,
): string {
  const births = creations.map((fact) => ({ ...birthOf(fact), fact }));
  const { effect: newest } = births.reduce((a, b) => (isAfter(a, b) ? a : b)).fact;
  const kind = kinds.get(newest.kind as number) as GenerationKind;
  const ofKind = creations.filter(({ effect }) => effect.kind === newest.kind);
  const seen = new Set(ofKind.map(({ effect }) => effect.generation));
  const payloads = [...ofKind, ...living.joins]
    .filter(({ effect }) => effect.kind === newest.kind && seen.has(effect.generation))
    .map(({ effect }) => Buffer.from(effect.value as string, "latin1"));
  if (kind.type === BOUNDED) return boundedBy(births, [...ofKind, ...living.joins]);
  if (kind.type === STRING) return `string ${raised(payloads)}`;
  const state = kind.create();
  for (const payload of payloads) state.join(payload);
  const alone = { kind, origin: 0, seq: 1, ms: 0, tick: 0, state };
  return `document ${documentText((kind as DocumentKind).open([alone]))}`;
}

/** The bound of the oldest counter, and the room of all that have one of its kind. */
function boundedBy(births: readonly Birth[], joins: readonly Fact[]): string {
  let oldest: { isMax: boolean; at: number } | null = null;
  let room = 0;
  for (const { fact } of births.toSorted((a, b) => (isAfter(a, b) ? 1 : -1))) {
    const own = joins.filter(({ effect }) => effect.generation === fact.effect.generation);
    const rows = new Map<string, { granted: number; used: number }>();
    let bound = { isMax: false, at: 0 };
    for (const { effect } of own) {
      const source = new Source(Buffer.from(effect.value as string, "latin1"));
      if (source.u8() === 1) bound = { isMax: source.u8() === 1, at: source.zigzag() };
      while (source.left > 0) {
        const { incarnation } = readOrigin(source);
        const [granted, used, given] = [source.varint(), source.varint(), source.varint()];
        assert.equal(given, 0, "a replica alone has nobody to give to");
        const row = rows.get(incarnation) ?? { granted: 0, used: 0 };
        rows.set(incarnation, {
          granted: Math.max(granted, row.granted),
          used: Math.max(used, row.used),
        });
      }
    }
    oldest ??= bound;
    if (bound.isMax === oldest.isMax)
      for (const { granted, used } of rows.values()) room += granted - used;
  }
  assert.ok(oldest !== null && room >= 0, "a counter is never beyond its bound");
  const { isMax, at } = oldest;
  return `bounded ${isMax ? at - room : at + room}, ${isMax ? "max" : "min"} ${at}`;
}

/** A HyperLogLog that was raised register by register to the greatest of each. */
function raised(payloads: readonly Buffer[]): string {
  const greatest = new Map<number, number>();
  const hll = new HyperLogLog();
  for (const payload of payloads) {
    assert.ok(payload[0] === CHANGES || payload[0] === CHANGES_DENSE, "commands join changes");
    if (payload[0] === CHANGES_DENSE) hll.makeDense();
    for (let at = 1; at < payload.length; at += 3) {
      const change = payload.readUIntBE(at, 3);
      const [value, index] = [change >> 14, change & 0x3fff];
      greatest.set(index, Math.max(value, greatest.get(index) ?? 0));
    }
  }
  for (const [index, value] of greatest) hll.raise(index, value);
  return hll.text().latin1Slice();
}

function named(facts: readonly Fact[]): Map<string, Fact[]> {
  const found = new Map<string, Fact[]>();
  for (const fact of facts) {
    const name = fact.effect.name as string;
    found.set(name, [...(found.get(name) ?? []), fact]);
  }
  return found;
}

function winnerOf(registers: readonly Fact[]): Fact | null {
  let winner: Birth | null = null;
  for (const fact of registers) {
    const birth = { ...birthOf(fact), fact };
    if (winner === null || isAfter(birth, winner)) winner = birth;
  }
  return winner?.fact ?? null;
}

/** Members with their scores, the lowest first. */
function ranked(registers: Map<string, Fact[]>, counts: Map<string, Fact[]>): string {
  const members = [...new Set([...registers.keys(), ...counts.keys()])].map((name) => {
    const added = (counts.get(name) ?? []).reduce((sum, { delta }) => sum + delta, 0);
    return { name, score: baseOf(registers.get(name) ?? []) + added };
  });
  members.sort((a, b) => a.score - b.score || (a.name < b.name ? -1 : 1));
  return members.map(({ name, score }) => `${name}=${score}`).join(",");
}

/** Every bit that one of a chunk's values has set. */
function bits(registers: Map<string, Fact[]>): string {
  const set: number[] = [];
  for (const [chunk, facts] of registers)
    for (const { effect } of facts)
      Buffer.from(effect.value as string, "latin1").forEach((byte, i) => {
        const at = Number(chunk) * 64 + i;
        set[at] = (set[at] ?? 0) | byte;
      });
  return String.fromCharCode(...Array.from(set, (byte) => byte ?? 0));
}

/** Names and values, in the order of the names' bytes. */
function inHex(registers: Map<string, Fact[]>): string {
  const hex = (text: string): string => Buffer.from(text, "latin1").toString("hex");
  const cells = [...registers].map(([name, facts]) => `${hex(name)}=${hex(valueOf(facts, []))}`);
  return cells.toSorted().join(",");
}

/** Values in the order of the bytes of their positions. */
function positioned(registers: Map<string, Fact[]>): string {
  const positions = [...registers.keys()].sort((a, b) =>
    Buffer.from(a, "latin1").compare(Buffer.from(b, "latin1")),
  );
  return positions.map((name) => valueOf(registers.get(name) as Fact[], [])).join(",");
}

/** What one server would have made of concurrent scores that came in the order of their stamps; 0 of none. */
function baseOf(registers: readonly Fact[]): number {
  const births = registers.map((fact) => ({ ...birthOf(fact), fact }));
  let score: number | null = null;
  for (const { fact } of births.toSorted((a, b) => (isAfter(a, b) ? 1 : -1))) {
    const bytes = Buffer.from(fact.effect.value as string, "latin1");
    const next = bytes.readDoubleBE(0);
    if (score === null || bytes.length === 8) score = next;
    else score = bytes[8] === 1 ? Math.max(score, next) : Math.min(score, next);
  }
  return score ?? 0;
}

/** The last writer's value, plus what was added if it is a number. */
function valueOf(registers: readonly Fact[], counts: readonly Fact[]): string {
  const base = winnerOf(registers)?.effect.value;
  if (counts.length === 0) return base as string;
  const total = counts.reduce((sum, { delta }) => sum + delta, 0);
  if (base === undefined) return `${total}`;
  return /^-?\d+$/.test(base) ? `${Number(base) + total}` : base;
}
