/**
 * Verifier: compares everything this replica holds with its peers, a few shards at a time, and mends what is wrong here if asked to.
 *
 * Invariant: nothing but this replica's own state is ever changed by it. What another replica holds wrong is for that one to mend: it
 * is told where to look, and compares for itself.
 */
import { Sink } from "../bytes/sink.ts";
import { Source } from "../bytes/source.ts";
import type { Vector } from "../clock/vector.ts";
import { ALL_SHARDS, SHARD_SLOTS } from "../keyspace/changes.ts";
import type { Link } from "../replica/link.ts";
import type { Replica } from "../replica/replica.ts";
import { type Finding, rightOf, statesOf } from "./findings.ts";
import * as messages from "./messages.ts";
import {
  type Comparison,
  type Partner,
  ShardComparison,
  SYMBOLS_FIRST,
  type Whole,
} from "./shard-comparison.ts";
import { SlotVote } from "./slot-vote.ts";
import { SpanComparison } from "./span-comparison.ts";
import { SLICE_CELLS } from "./shard-pass.ts";

/** What is to be compared, and whether what is wrong here is mended. */
export interface Order {
  /** Four words of chance. */
  readonly chance: Int32Array;
  readonly mends: boolean;
  /** Who is wrong is taken from the sums of slots where these tell, and keys are not told apart there; so it is in mending. */
  readonly votes: boolean;
  /** Slots among all; null for everything. */
  readonly slots: readonly number[] | null;
}

/** How far a comparison is, and what it has found. */
export interface Progress {
  readonly startedMs: number;
  /** Everything that was applied here when it began: of every origin, all up to here has been compared. */
  readonly vector: Vector;
  readonly shards: number;
  shardsDone: number;
  readonly partners: readonly Partner[];
  readonly findings: ReadonlyMap<string, Finding>;
  /** Slot among all → what each member holds there, where keys were not told apart. */
  readonly verdicts: ReadonlyMap<number, ReadonlyMap<string, string>>;
  bytesSent: number;
  bytesReceived: number;
  done: boolean;
}

/** Comparisons at a time. */
const WINDOW = 16;
/** Keys that are looked at together before anybody asks in which shard they are. */
const SPAN_KEYS = 8_192;

interface Run extends Progress {
  readonly whole: Whole;
  readonly votes: boolean;
  readonly queue: Task[];
  readonly active: Set<Comparison>;
}

/** What is to be compared: shards at once, slots of one shard by vote, or slots of one with some partners. */
type Task =
  | { readonly kind: "span"; readonly shard: number; readonly count: number }
  | { readonly kind: "vote"; readonly shard: number; readonly slots: readonly number[] }
  | {
      readonly kind: "slots";
      readonly shard: number;
      readonly slots: readonly number[];
      readonly partners: readonly Partner[];
      readonly isSuspect: boolean;
      readonly vouchers: readonly string[];
    };

interface GivenOrder {
  readonly link: Link;
  readonly untilMs: number;
  readonly done: (outcome: string | null) => void;
}

export class Verifier {
  readonly #replica: Replica;
  readonly #send: (link: Link, body: Buffer) => void;
  readonly #sink = new Sink(4096);
  /** What was asked → who waits for the answer. */
  readonly #asked = new Map<number, Comparison>();
  /** Orders to mend, given to peers → what to do with what came of them. */
  readonly #orders = new Map<number, GivenOrder>();
  #ids = 0;
  #run: Run | null = null;

  constructor(replica: Replica, send: (link: Link, body: Buffer) => void) {
    this.#replica = replica;
    this.#send = send;
  }

  /** Begins a comparison, or returns null while another one is under way or this replica is not whole. */
  start({ chance, mends, votes, slots }: Order): Progress | null {
    if (this.#run !== null || !this.#replica.exchange.joining.whole) return null;
    const replica = this.#replica;
    const partners: Partner[] = [];
    for (const link of replica.exchange.links.values())
      if (link.member !== null)
        partners.push({
          ...{ member: link.member, link, silent: null },
          ...{ answers: 0, verified: 0, unsettled: 0 },
        });
    const findings = new Map<string, Finding>();
    const verdicts = new Map<number, ReadonlyMap<string, string>>();
    const whole: Whole = {
      replica,
      key: chance,
      mends,
      findings,
      verdicts,
      members: replica.members.names.length,
      symbols: SYMBOLS_FIRST,
      ask: (link, ask, comparison) => this.#ask(link, ask, comparison),
    };
    const queue =
      slots === null ? spansOf(replica.keyspace.entries) : tasksOf(slots, partners, mends || votes);
    const shards = queue.reduce((sum, task) => sum + (task.kind === "span" ? task.count : 1), 0);
    this.#run = {
      whole,
      votes: mends || votes,
      queue,
      active: new Set(),
      startedMs: replica.monoMs,
      vector: replica.applied.copy(),
      shards,
      shardsDone: 0,
      partners,
      findings,
      verdicts,
      bytesSent: 0,
      bytesReceived: 0,
      done: false,
    };
    return this.#run;
  }

  #begin({ whole, partners }: Run, task: Task): Comparison {
    const { shard } = task;
    switch (task.kind) {
      case "span":
        return new SpanComparison(whole, shard, task.count, partners);
      case "vote":
        return new SlotVote(whole, shard, partners, task.slots);
      case "slots": {
        const { slots, isSuspect, vouchers } = task;
        return new ShardComparison(whole, shard, task.partners, slots, isSuspect, vouchers);
      }
    }
  }

  #ask(link: Link, ask: messages.Ask, comparison: Comparison): number {
    const begins = ask.type === "sums" || ask.type === "keys";
    const id = begins ? ++this.#ids : comparison.idOf(link);
    if (begins) this.#asked.set(id, comparison);
    else if (ask.type === "end") this.#asked.delete(id);
    this.#write(link, id, ask);
    return id;
  }

  #write(link: Link, id: number, ask: messages.Ask): void {
    this.#sink.clear();
    messages.writeAsk(this.#sink, link.numbering, id, ask);
    if (this.#run !== null) this.#run.bytesSent += this.#sink.length;
    this.#send(link, this.#sink.copy());
  }

  /**
   * Has a peer compare the slots that differ, by the same chance, and mend what is wrong there; `done` hears what came of it, null if
   * nothing did.
   */
  order(
    link: Link,
    { slots, chance }: { slots: number[]; chance: Int32Array },
    withinMs: number,
    done: (outcome: string | null) => void,
  ): void {
    const id = ++this.#ids;
    const untilMs = this.#replica.monoMs + withinMs;
    this.#orders.set(id, { link, untilMs, done });
    this.#write(link, id, { type: "heal", slots, key: chance });
  }

  /** A VERIFY_TELL has come. */
  told(link: Link, body: Buffer): void {
    const source = new Source(body);
    const { id, tell } = messages.readTell(source, link.numbering);
    if (this.#run !== null) this.#run.bytesReceived += body.length;
    const order = this.#orders.get(id);
    if (order !== undefined && order.link === link) {
      this.#orders.delete(id);
      order.done(tell?.type === "healed" ? tell.outcome : null);
    } else if (tell !== null) {
      const partner = this.#run?.partners.find((one) => one.link === link);
      if (partner !== undefined) partner.answers++;
      this.#asked.get(id)?.told(link, id, tell, source);
    }
    this.step();
  }

  /** Whether slices are to be made. */
  get busy(): boolean {
    const run = this.#run;
    if (run === null) return false;
    for (const comparison of run.active) if (comparison.busy) return true;
    return run.active.size < WINDOW && run.queue.length > 0;
  }

  /** Makes one slice, and goes on with what can go on. */
  work(): void {
    const run = this.#run;
    if (run === null) return;
    for (const comparison of run.active)
      if (comparison.busy) {
        comparison.slice(SLICE_CELLS);
        break;
      }
    this.step();
  }

  /** Goes on with what can go on: answers have come, or time has passed. */
  step(): void {
    const { monoMs, exchange } = this.#replica;
    const { links } = exchange;
    for (const [id, { link, untilMs, done }] of this.#orders)
      if (links.get(link.id) !== link || monoMs > untilMs) {
        this.#orders.delete(id);
        done(null);
      }
    const run = this.#run;
    if (run === null) return;
    for (const partner of run.partners)
      if (links.get(partner.link.id) !== partner.link) partner.silent ??= "its link has closed";
    for (const comparison of run.active) {
      comparison.step();
      if (!comparison.done) continue;
      run.active.delete(comparison);
      this.#ended(run, comparison);
    }
    while (run.active.size < WINDOW) {
      const next = run.queue.shift();
      if (next === undefined) break;
      const comparison = this.#begin(run, next);
      run.active.add(comparison);
      comparison.step();
    }
    if (run.active.size > 0) return;
    run.done = true;
    this.#run = null;
    this.#asked.clear();
  }

  /** A comparison has come to its end: what it leaves to be done is queued, a shard counted with the last of it. */
  #ended(run: Run, comparison: Comparison): void {
    if (comparison instanceof SpanComparison) {
      const { shards, remainders } = comparison;
      run.shardsDone += shards - remainders.size;
      for (const { shard, partners, isSuspect } of remainders.values()) {
        const slots = slotsOf(shard);
        if (run.votes) run.queue.push({ kind: "vote", shard, slots });
        else run.queue.push({ kind: "slots", shard, slots, partners, isSuspect, vouchers: [] });
      }
    } else if (comparison instanceof SlotVote) {
      const { shard, questions } = comparison;
      for (const question of questions)
        run.queue.push({ kind: "slots", shard, isSuspect: true, ...question });
      run.shardsDone += 1 - questions.length;
    } else run.shardsDone++;
  }
}

/** Everything, so many shards at once as hold a few thousand keys. */
function spansOf(keys: number): Task[] {
  const each = Math.min(ALL_SHARDS, Math.max(1, Math.floor((SPAN_KEYS * ALL_SHARDS) / (keys + 1))));
  const spans: Task[] = [];
  for (let shard = 0; shard < ALL_SHARDS; shard += each)
    spans.push({ kind: "span", shard, count: Math.min(each, ALL_SHARDS - shard) });
  return spans;
}

/** Slots by their shards. */
function tasksOf(slots: readonly number[], partners: readonly Partner[], votes: boolean): Task[] {
  const shards = Map.groupBy(slots, (slot) => Math.floor(slot / SHARD_SLOTS));
  return [...shards]
    .filter(([shard]) => shard < ALL_SHARDS)
    .map(([shard, those]) =>
      votes
        ? { kind: "vote", shard, slots: those }
        : { kind: "slots", shard, slots: those, partners, isSuspect: false, vouchers: [] },
    );
}

function slotsOf(shard: number): number[] {
  return Array.from({ length: SHARD_SLOTS }, (_, i) => shard * SHARD_SLOTS + i);
}

/** Members that would do better to adopt another state of something, by what was found, and in which slots. */
export function astray(
  { partners, findings, verdicts }: Progress,
  me: string,
  members: number,
): Map<string, number[]> {
  const compared = partners.filter(({ silent }) => silent === null).map(({ member }) => member);
  const slots = new Map<string, Set<number>>();
  const note = (states: ReadonlyMap<string, string>, where: readonly number[]): void => {
    const right = rightOf(states, members);
    for (const [member, digest] of states) {
      if (right === null || digest === right.digest) continue;
      const those = slots.get(member) ?? new Set();
      for (const slot of where) those.add(slot);
      slots.set(member, those);
    }
  };
  for (const finding of findings.values()) note(statesOf(finding, me, compared), finding.slots);
  for (const [slot, states] of verdicts) note(states, [slot]);
  return new Map([...slots].map(([member, those]) => [member, [...those]]));
}
