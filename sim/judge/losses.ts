/**
 * Losses: which writes have lost against concurrent ones, by the records alone, and whether the conflict feed has them all (I-31).
 *
 * Where a member made a write, it holds it until a record that had seen it takes it away. So a loss is what happens there: a record
 * is applied that had not seen the write and is shown instead of it. What was taken away before that is no loss, but a change.
 *
 * Invariant: a loss counts only while the record that showed it is held: what a crash takes back was never answered for.
 */
import {
  BITMAP,
  COLLECTIONS,
  GENERATION,
  SET,
  STREAM,
  STRING,
  ZSET,
} from "../../src/core/crdt/key.ts";
import { readConflict } from "../../src/core/replica/conflict.ts";
import { cellName, type Fact, type Facts, type KeyFacts } from "./facts.ts";
import type { CommittedRecord, Fx, History } from "./history.ts";

/** The database of the store's own data. */
const INTERNAL_DB = 16_384;

interface Loss {
  /** `db:key`. */
  readonly key: string;
  readonly tag: number;
  readonly path: string;
  readonly loser: Fact;
  readonly lost: CommittedRecord | undefined;
  /** The record that showed it. */
  readonly shownBy: CommittedRecord;
}

type IsLater = (a: Fact, b: Fact) => boolean;

export class Losses {
  readonly #history: History;
  #losses: Loss[] = [];

  constructor(history: History) {
    this.#history = history;
  }

  get count(): number {
    return this.#losses.length;
  }

  /** A member has applied a record: what of its own has it lost by it? */
  applied(member: string, facts: Facts, record: CommittedRecord): void {
    this.#taken(member, facts, record);
    const keys = new Map<string, Fx[]>();
    for (const fx of record.effects) {
      if (fx.db === INTERNAL_DB) continue;
      const name = `${fx.db}:${fx.key}`;
      const effects = keys.get(name);
      if (effects === undefined) keys.set(name, [fx]);
      else effects.push(fx);
    }
    for (const [name, effects] of keys) {
      const key = facts.of(name);
      if (key === undefined) continue;
      for (const { tag, path, loser } of lossesOf(key, record, effects, this.#isLater)) {
        if (this.#history.origins[loser.origin]?.member !== member) continue;
        const lost = this.#history.origins[loser.origin]?.records[Math.floor(loser.seq) - 1];
        this.#losses.push({ key: name, tag, path, loser, lost, shownBy: record });
      }
    }
  }

  /** A write by the last writer's rule has taken members or values that it had not seen. */
  #taken(member: string, facts: Facts, shownBy: CommittedRecord): void {
    for (const { key, member: path, fact: loser } of facts.taken) {
      const tag = path === null ? STRING : SET;
      const of = this.#history.origins[loser.origin];
      if (of?.member !== member || key.startsWith(`${INTERNAL_DB}:`)) continue;
      const lost = of.records[Math.floor(loser.seq) - 1];
      this.#losses.push({ key, tag, path: path ?? "", loser, lost, shownBy });
    }
  }

  /** A member came back with these records: what it had not kept, it has not lost anything by. */
  restarted(member: string, applied: readonly number[]): void {
    this.#losses = this.#losses.filter(
      ({ loser, shownBy }) =>
        this.#history.origins[loser.origin]?.member !== member ||
        (applied[shownBy.origin] ?? 0) >= shownBy.seq,
    );
  }

  /** A loss that is not in the feed, in words; null when all are. */
  silent(facts: Facts, removed: ReadonlySet<string>): string | null {
    const kept = new Set<string>();
    for (const [name, { registers }] of facts.keys) {
      if (!name.startsWith(`${INTERNAL_DB}:`)) continue;
      for (const { value } of registers) {
        const { db, key, tag, path, loser } = readConflict(Buffer.from(value, "latin1"));
        const { index } = this.#history.origin(loser.origin.incarnation, loser.origin.member);
        const where = `${db}:${key.latin1Slice()} ${tag} ${path.latin1Slice()}`;
        kept.add(`${where} ${index}:${loser.seq}`);
      }
    }
    for (const { key, tag, path, loser, lost, shownBy } of this.#losses) {
      const of = this.#history.origins[loser.origin];
      // Lost with a crash before anybody heard of it.
      if (lost === undefined || of?.records[lost.seq - 1] !== lost) continue;
      // A removed member may have known of it when nobody listened any more.
      if (removed.has(of.member)) continue;
      if (kept.has(`${key} ${tag} ${path} ${loser.origin}:${loser.seq}`)) continue;
      const by = `${this.#history.origins[shownBy.origin]?.member}:${shownBy.seq}`;
      return `${of.member}:${loser.seq} wrote ${loser.value} to ${key} ${path} and lost it to ${by}: the feed does not say so`;
    }
    return null;
  }

  readonly #isLater: IsLater = (a, b) => {
    const rank = ({ origin }: Fact): string => {
      const { member, incarnation } = this.#history.origins[origin] as History["origins"][0];
      return `${member} ${Buffer.from(incarnation, "latin1").toString("hex")}`;
    };
    if (a.ms !== b.ms) return a.ms > b.ms;
    return a.tick === b.tick ? rank(a) > rank(b) : a.tick > b.tick;
  };
}

interface Found {
  readonly tag: number;
  readonly path: string;
  readonly loser: Fact;
}

/** What a record made the key lose; `effects` are those of the record on it. */
function lossesOf(
  key: KeyFacts,
  record: CommittedRecord,
  effects: readonly Fx[],
  isLater: IsLater,
): Found[] {
  const losses: Found[] = [];
  const consider = (tag: number, path: string, facts: readonly Fact[]): void => {
    const loser = loserOf(facts, record, isLater);
    if (loser !== null) losses.push({ tag, path, loser });
  };
  consider(STRING, "", key.registers);
  const written = new Set<string>();
  for (const fx of effects) if (fx.tag !== 0) written.add(cellName(fx.tag, fx.name));
  for (const name of written) {
    const facts = key.cells.get(name);
    // One that nobody else wrote to has lost nothing.
    if (facts === undefined || facts.length < 2) continue;
    const [tag, path] = partsOf(name);
    // A member of a set is there, whoever added it; bitmaps and cells of streams are merged; a score with a condition (its ninth byte) asked to lose.
    const conditional = tag === ZSET && facts.some(({ value }) => value.length > 8);
    if (tag !== SET && tag !== BITMAP && tag !== STREAM && !conditional) consider(tag, path, facts);
  }
  return isDisputed(key) ? [...losses, ...hidden(key, record, isLater)] : losses;
}

/** Of a register to which the record wrote: the value that is not shown because of it, or its own. */
function loserOf(facts: readonly Fact[], record: CommittedRecord, isLater: IsLater): Fact | null {
  const written = facts.find((fact) => isBy(fact, record));
  const before = facts
    .filter((fact) => fact !== written)
    .reduce<Fact | null>((best, f) => (best === null || isLater(f, best) ? f : best), null);
  if (written === undefined || before === null || written.value === before.value) return null;
  return isLater(written, before) ? before : written;
}

function isBy(fact: Fact, { origin, seq }: CommittedRecord): boolean {
  return fact.origin === origin && Math.floor(fact.seq) === seq;
}

/** Whether it holds more than one type. */
function isDisputed({ registers, counts, cells, cellCounts, generations }: KeyFacts): boolean {
  let types = Number(registers.length + counts.length > 0) + Number(generations.size > 0);
  let prefix: string | null = null;
  for (const names of [cells, cellCounts])
    for (const name of names.keys()) {
      if (prefix !== null && name.startsWith(prefix)) continue;
      if (++types > 1) return true;
      prefix = name.slice(0, name.indexOf(" ") + 1);
    }
  return types > 1;
}

/** Everything of the types that are not shown, if the record wrote to the key. */
function hidden(key: KeyFacts, record: CommittedRecord, isLater: IsLater): Found[] {
  const found: Found[] = key.registers.map((loser) => ({ tag: STRING, path: "", loser }));
  for (const [name, facts] of key.cells) {
    const [tag, path] = partsOf(name);
    for (const loser of facts) found.push({ tag, path, loser });
  }
  // What increments lose is told by origin, so they only take part in who is shown.
  const shown: Found[] = [...found];
  for (const loser of key.counts) shown.push({ tag: STRING, path: "", loser });
  for (const [name, facts] of key.cellCounts)
    for (const loser of facts) shown.push({ tag: partsOf(name)[0], path: "", loser });
  for (const { born } of key.generations.values())
    shown.push({ tag: GENERATION, path: "", loser: born });
  if (!shown.some(({ loser }) => isBy(loser, record))) return [];
  const top = shown.reduce<Found | null>(
    (best, one) => (best === null || isLater(one.loser, best.loser) ? one : best),
    null,
  );
  return found.filter(({ tag }) => tag !== top?.tag);
}

/** The type and the name of a cell. */
function partsOf(cell: string): [tag: number, path: string] {
  const space = cell.indexOf(" ");
  const tag = COLLECTIONS.find((other) => other === Number(cell.slice(0, space)));
  if (tag === undefined) throw new Error(`${cell} is of no type`);
  const name = cell.slice(space + 1);
  // The feed tells a chunk by the byte it begins with.
  return [tag, tag === BITMAP ? `${Buffer.from(name, "latin1").readUInt32BE() * 64}` : name];
}
