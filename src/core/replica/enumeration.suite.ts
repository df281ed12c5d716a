/**
 * Enumeration: every way in which four operations on three replicas can meet, of those a type has.
 *
 *   setting ─► seen by all ─► four operations in the order of their stamps; each is made by one of three replicas, which has seen any of
 *              those before it, with all that these had seen
 *   then they reach readers, in every order that keeps what was seen ahead of what saw it
 *
 * Replicas have no roles, so a plan stands for all that differ from it by their names only.
 *
 * Invariant: nothing is left to chance. Whatever part of a meeting has come, a reader shows what the oracle says of exactly that, and in
 * the end every replica is in the same state.
 */
import assert from "node:assert/strict";
import type { GenerationKind } from "../crdt/generation.ts";
import { kindsWith } from "../crdt/generation-kinds.ts";
import { canonical } from "./canonical.suite.ts";
import { type DecodedRecord, Decoder } from "./decoded.suite.ts";
import { Oracle } from "./oracle.suite.ts";
import { Solo } from "./solo.suite.ts";

export interface Operation {
  readonly name: string;
  /** Does it to a key, or nothing if it does not apply, as the `nth` of its meeting; returns what it added to counters. */
  readonly make: (solo: Solo, key: string, nth: number) => readonly number[];
}

/** One of the operations of a plan. */
export interface Act {
  /** The replica that makes it. */
  readonly at: number;
  /** A bit for each one before it that this replica has seen. */
  readonly sees: number;
}

/** An operation that was made. */
export interface Deed {
  readonly name: string;
  readonly nth: number;
  readonly at: number;
  /** The records that were there when it was made: those of the setting, and what its replica had seen. */
  readonly seen: readonly Deed[];
  readonly record: DecodedRecord;
}

/**
 * Asserts what a type promises beyond what becomes of its cells, told from who did what having seen what. `deeds` are all that the
 * replica has of the key, in the order of their stamps, the setting first.
 */
export type Meaning = (deeds: readonly Deed[], solo: Solo, key: string) => void;

export interface Enumeration {
  readonly operations: readonly Operation[];
  /** Done at first, and seen by all. */
  readonly setting?: Operation;
  /** All there are unless it says otherwise. */
  readonly plans?: readonly (readonly Act[])[];
  readonly engines?: readonly GenerationKind[];
  readonly meaning?: Meaning;
  /** All at one time, so that those that had not seen each other have one stamp; then replicas differ by their names. */
  readonly atOnce?: boolean;
  /** When readers look, in milliseconds after the meeting began; operations are made at 10, 20, 30 and 40. */
  readonly looksMs?: readonly number[];
}

const REPLICAS = 3;
const OPERATIONS = 4;
const STEP_MS = 10;
const LOOK_MS = 50;
/** Meetings are this far apart, so that nothing of one expires in the next. */
const APART_MS = 10_000;
/** Meetings that share replicas; each has a key of its own. */
const BATCH = 256;
const START_MS = 1_700_000_000_000;

/** Every way to spread operations over replicas and to have seen those before. */
export function allPlans(): Act[][] {
  const plans: Act[][] = [];
  const extend = (plan: readonly Act[]): void => {
    if (plan.length === OPERATIONS) return void plans.push([...plan]);
    const known = new Set(plan.map(({ at }) => at)).size;
    for (let at = 0; at < Math.min(known + 1, REPLICAS); at++)
      for (let sees = 0; sees < 1 << plan.length; sees++)
        if (isCausal(plan, at, sees)) extend([...plan, { at, sees }]);
  };
  extend([]);
  return plans;
}

/** Whether a replica that has seen some has seen what they had seen, and what it made itself. */
function isCausal(plan: readonly Act[], at: number, sees: number): boolean {
  return plan.every((act, i) =>
    (sees & (1 << i)) === 0 ? act.at !== at : (act.sees & ~sees) === 0,
  );
}

/** The plans in which the first is seen by all, and each replica makes one of the others. */
export function meetingsOfThree(): Act[][] {
  return allPlans().filter(
    ([, ...others]) =>
      new Set(others.map(({ at }) => at)).size === REPLICAS &&
      others.every(({ sees }) => (sees & 1) !== 0),
  );
}

/** A plan with its replicas in every order. */
function renamed(plan: readonly Act[]): Act[][] {
  const names = [0, 1, 2].flatMap((a) => [0, 1, 2].map((b) => [a, b, 3 - a - b]));
  const all = names
    .filter((of) => new Set(of).size === REPLICAS)
    .map((of) => plan.map(({ at, sees }) => ({ at: of[at] as number, sees })));
  // Where fewer than three replicas act, two orders of their names are the same.
  return [...new Map(all.map((one) => [JSON.stringify(one), one])).values()];
}

/** Every order in which the operations of a plan can arrive. */
function ordersOf(plan: readonly Act[]): number[][] {
  const orders: number[][] = [];
  const extend = (order: readonly number[], mask: number): void => {
    if (order.length === plan.length) return void orders.push([...order]);
    plan.forEach(({ sees }, i) => {
      if ((mask & (1 << i)) === 0 && (sees & ~mask) === 0) extend([...order, i], mask | (1 << i));
    });
  };
  extend([], 0);
  return orders;
}

/** Tries all there is; returns how many meetings that were. */
export function enumerate(enumeration: Enumeration): number {
  const { operations, plans = allPlans() } = enumeration;
  const worlds = new Map<number, World>();
  let count = 0;
  for (const plan of enumeration.atOnce === true ? plans.flatMap(renamed) : plans) {
    const orders = ordersOf(plan);
    for (let which = 0; which < operations.length ** OPERATIONS; which++) {
      let world = worlds.get(orders.length);
      if (world === undefined) {
        world = new World(enumeration, orders.length);
        worlds.set(orders.length, world);
      }
      const chosen = plan.map(
        (_, i) => operations[digit(which, i, operations.length)] as Operation,
      );
      world.meet(plan, orders, chosen);
      count++;
      if (world.meetings < BATCH) continue;
      world.compare();
      worlds.delete(orders.length);
    }
  }
  for (const world of worlds.values()) world.compare();
  return count;
}

function digit(number: number, i: number, base: number): number {
  return Math.floor(number / base ** i) % base;
}

/** Replicas, and the meetings that share them: of plans with so many orders. */
class World {
  readonly #enumeration: Enumeration;
  readonly #writers: readonly Solo[];
  readonly #readers: readonly Solo[];
  readonly #oracle: Oracle;
  readonly #decoder = new Decoder();
  meetings = 0;
  #nowMs = START_MS;

  constructor(enumeration: Enumeration, orders: number) {
    const { engines = [] } = enumeration;
    const solo = (member: string): Solo => new Solo(member, 1, { engines });
    this.#enumeration = enumeration;
    this.#writers = ["a/1", "b/1", "c/1"].map(solo);
    this.#readers = Array.from({ length: orders }, (_, i) => solo(`r${i}/1`));
    this.#oracle = new Oracle(kindsWith(engines));
  }

  get #all(): Solo[] {
    return [...this.#writers, ...this.#readers];
  }

  meet(
    plan: readonly Act[],
    orders: readonly (readonly number[])[],
    operations: readonly Operation[],
  ): void {
    const key = `k${this.meetings++}`;
    this.#nowMs += APART_MS;
    for (const solo of this.#all) solo.at(this.#nowMs);
    const meeting = new Meeting(plan, operations);
    const isWhole = this.#act(meeting, key);
    const all = (1 << operations.length) - 1;
    this.#writers.forEach((solo, at) => meeting.tell(solo, at, all));
    // Where one does not apply, three have met: they are the beginning of meetings in which another one does.
    if (!isWhole) {
      for (const solo of this.#readers) for (const { block } of meeting.made) solo.receive(block);
      return;
    }
    const { looksMs = [LOOK_MS] } = this.#enumeration;
    for (const lookMs of looksMs) {
      const nowMs = this.#nowMs + lookMs;
      const expected = new Expected(this.#enumeration, this.#oracle, meeting, key, nowMs);
      for (const solo of this.#all) solo.at(nowMs);
      this.#readers.forEach((solo, which) => {
        let has = 0;
        for (const i of orders[which] as readonly number[]) {
          has |= 1 << i;
          if (solo.receive((meeting.made[i] as Made).block) > 0) expected.checkOnce(solo, has);
        }
      });
      for (const solo of this.#all) expected.check(solo, all);
    }
  }

  /** Does what is planned as long as it applies; returns whether all of it did. */
  #act(meeting: Meeting, key: string): boolean {
    const { setting } = this.#enumeration;
    if (setting !== undefined) {
      const made = this.#make(this.#writers[0] as Solo, setting, key, 0, 0, []);
      assert.ok(made !== null, "the setting writes");
      meeting.setting = made.deed;
      for (const solo of this.#all.slice(1)) solo.receive(made.block);
    }
    return meeting.plan.every(({ at, sees }, i) => {
      const solo = this.#writers[at] as Solo;
      solo.at(this.#nowMs + (this.#enumeration.atOnce === true ? 1 : i + 1) * STEP_MS);
      meeting.tell(solo, at, sees);
      const operation = meeting.operations[i] as Operation;
      const made = this.#make(solo, operation, key, i + 1, at, meeting.deeds(sees));
      meeting.told[at] = sees | (1 << i);
      if (made !== null) meeting.made[i] = made;
      return made !== null;
    });
  }

  /** Makes one record, or none. */
  #make(
    solo: Solo,
    { name, make }: Operation,
    key: string,
    nth: number,
    at: number,
    seen: readonly Deed[],
  ): Made | null {
    const before = solo.blocks.length;
    let deltas: readonly number[] = [];
    solo.write(() => (deltas = make(solo, key, nth)));
    if (solo.blocks.length === before) return null;
    const block = solo.blocks.at(-1) as Buffer;
    const [record, another] = this.#decoder.runs(block.subarray(1));
    assert.ok(record !== undefined && another === undefined, `${name} makes one record`);
    this.#oracle.add(record, deltas);
    return { block, deed: { name, nth, at, seen, record } };
  }

  /** Whether all hold the same, not only show it. */
  compare(): void {
    const [first, ...others] = this.#all as [Solo, ...Solo[]];
    const wanted = canonical(first.replica.keyspace);
    for (const solo of others)
      assert.equal(canonical(solo.replica.keyspace), wanted, "replicas hold the same");
  }
}

interface Made {
  readonly block: Buffer;
  readonly deed: Deed;
}

/** What was made at one key, and which writer was told of it. */
class Meeting {
  setting: Deed | null = null;
  readonly made: Made[] = [];
  readonly told: number[] = [];
  readonly plan: readonly Act[];
  readonly operations: readonly Operation[];

  constructor(plan: readonly Act[], operations: readonly Operation[]) {
    this.plan = plan;
    this.operations = operations;
  }

  /** Brings one what it has not seen yet of some. */
  tell(solo: Solo, at: number, sees: number): void {
    this.made.forEach(({ block }, i) => {
      if ((sees & ~(this.told[at] ?? 0) & (1 << i)) !== 0) solo.receive(block);
    });
    this.told[at] = sees;
  }

  /** The setting and those of some that were made. */
  deeds(mask: number): Deed[] {
    const deeds = this.setting === null ? [] : [this.setting];
    this.made.forEach(({ deed }, i) => {
      if ((mask & (1 << i)) !== 0) deeds.push(deed);
    });
    return deeds;
  }

  /** What happened to whoever has some of it. */
  story(has: number): string {
    const numbers = (mask: number): string =>
      this.plan.flatMap((_, i) => ((mask & (1 << i)) === 0 ? [] : [i + 1])).join(" ") || "nothing";
    const lines = this.plan.map(
      ({ at, sees }, i) =>
        `${i + 1}: ${this.operations[i]?.name} at ${"abc"[at]}, which has ${numbers(sees)}`,
    );
    return `to whoever has ${numbers(has)} of\n${lines.join("\n")}`;
  }
}

/** What readers must see of a meeting, by which of its records they have. */
class Expected {
  readonly #meaning: Meaning | undefined;
  readonly #oracle: Oracle;
  readonly #meeting: Meeting;
  readonly #key: string;
  readonly #nowMs: number;
  readonly #views = new Map<number, string>();

  constructor(
    { meaning }: Enumeration,
    oracle: Oracle,
    meeting: Meeting,
    key: string,
    nowMs: number,
  ) {
    this.#meaning = meaning;
    this.#oracle = oracle;
    this.#meeting = meeting;
    this.#key = key;
    this.#nowMs = nowMs;
  }

  /** Only for the first that has just these: that there is one state for them, the end shows. */
  checkOnce(solo: Solo, has: number): void {
    if (!this.#views.has(has)) this.check(solo, has);
  }

  check(solo: Solo, has: number): void {
    try {
      const known = this.#views.get(has);
      if (known !== undefined) return assert.equal(solo.view(this.#key), known);
      const deeds = this.#meeting.deeds(has);
      assert.equal(solo.view(this.#key), this.#view(has, deeds));
      this.#meaning?.(deeds, solo, this.#key);
    } catch (cause) {
      throw new Error(this.#meeting.story(has), { cause });
    }
  }

  #view(has: number, deeds: readonly Deed[]): string {
    const covers = (origin: string, seq: number): boolean =>
      deeds.some(({ record }) => record.origin === origin && record.seq === seq);
    const view = this.#oracle.view(`0:${this.#key}`, covers, this.#nowMs);
    this.#views.set(has, view);
    return view;
  }
}
