/**
 * Verifier: compares everything this replica holds with its peers, a few shards at a time, and mends what is wrong here if asked to.
 *
 * Invariant: nothing but this replica's own state is ever changed by it. What another replica holds wrong is for that one to mend: it
 * is told where to look, and compares for itself.
 */
import { Sink } from "../bytes/sink.ts";
import { Source } from "../bytes/source.ts";
import type { Vector } from "../clock/vector.ts";
import { ALL_SHARDS, ALL_SLOTS, SHARD_SLOTS } from "../keyspace/changes.ts";
import type { Link } from "../replica/link.ts";
import type { Replica } from "../replica/replica.ts";
import { type Finding, judge, statesOf } from "./findings.ts";
import * as messages from "./messages.ts";
import { type Partner, ShardComparison, type Whole } from "./shard-comparison.ts";
import { SLICE_CELLS } from "./shard-pass.ts";

/** What is to be compared, and whether what is wrong here is mended. */
export interface Order {
  /** Four words of chance. */
  readonly chance: Int32Array;
  readonly mends: boolean;
  /** Slots among all that are known to differ; null for everything. */
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
  bytesSent: number;
  bytesReceived: number;
  done: boolean;
}

/** Shards compared at a time. */
const WINDOW = 16;

interface Run extends Progress {
  readonly whole: Whole;
  readonly queue: { shard: number; slots: number[] }[];
  readonly active: Set<ShardComparison>;
  readonly suspect: boolean;
}

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
  readonly #asked = new Map<number, ShardComparison>();
  /** Orders to mend, given to peers → what to do with what came of them. */
  readonly #orders = new Map<number, GivenOrder>();
  #ids = 0;
  #run: Run | null = null;

  constructor(replica: Replica, send: (link: Link, body: Buffer) => void) {
    this.#replica = replica;
    this.#send = send;
  }

  /** Begins a comparison, or returns null while another one is under way. */
  start({ chance, mends, slots }: Order): Progress | null {
    if (this.#run !== null) return null;
    const replica = this.#replica;
    const partners: Partner[] = [];
    for (const link of replica.exchange.links.values())
      if (link.member !== null)
        partners.push({ member: link.member, link, silent: null, verified: 0, unsettled: 0 });
    const findings = new Map<string, Finding>();
    const whole: Whole = {
      replica,
      key: chance,
      mends,
      findings,
      members: replica.members.names.length,
      symbols: 16,
      ask: (link, ask, comparison) => this.#ask(link, ask, comparison),
    };
    const queue = shardsOf(slots);
    this.#run = {
      whole,
      queue,
      active: new Set(),
      suspect: slots !== null,
      startedMs: replica.monoMs,
      vector: replica.applied.copy(),
      shards: queue.length,
      shardsDone: 0,
      partners,
      findings,
      bytesSent: 0,
      bytesReceived: 0,
      done: false,
    };
    return this.#run;
  }

  #ask(link: Link, ask: messages.Ask, comparison: ShardComparison): number {
    const begins = ask.type === "slots" || ask.type === "keys";
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

  /** Has a peer compare the slots that differ and mend what is wrong there; `done` hears what came of it, null if nothing did. */
  order(
    link: Link,
    slots: number[],
    withinMs: number,
    done: (outcome: string | null) => void,
  ): void {
    const id = ++this.#ids;
    const untilMs = this.#replica.monoMs + withinMs;
    this.#orders.set(id, { link, untilMs, done });
    this.#write(link, id, { type: "heal", slots });
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
    } else if (tell !== null) this.#asked.get(id)?.told(link, id, tell, source);
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
      run.shardsDone++;
    }
    while (run.active.size < WINDOW) {
      const next = run.queue.shift();
      if (next === undefined) break;
      const { shard, slots } = next;
      const comparison = new ShardComparison(run.whole, shard, run.partners, slots, run.suspect);
      run.active.add(comparison);
      comparison.step();
    }
    if (run.active.size > 0) return;
    run.done = true;
    this.#run = null;
    this.#asked.clear();
  }
}

function shardsOf(slots: readonly number[] | null): { shard: number; slots: number[] }[] {
  const shards = new Map<number, number[]>();
  const wanted = slots ?? Array.from({ length: ALL_SLOTS }, (_, slot) => slot);
  for (const slot of wanted) {
    const shard = Math.floor(slot / SHARD_SLOTS);
    if (shard >= ALL_SHARDS) continue;
    const those = shards.get(shard);
    if (those === undefined) shards.set(shard, [slot]);
    else those.push(slot);
  }
  return [...shards].map(([shard, those]) => ({ shard, slots: those }));
}

/** Members that would do better to adopt another state of something, by what was found, and in which slots. */
export function astray(
  { partners, findings }: Progress,
  me: string,
  members: number,
): Map<string, number[]> {
  const compared = partners.filter(({ silent }) => silent === null).map(({ member }) => member);
  const slots = new Map<string, Set<number>>();
  for (const finding of findings.values()) {
    const states = statesOf(finding, me, compared);
    for (const member of states.keys()) {
      if (judge(states, member, members).type !== "adopt") continue;
      const those = slots.get(member) ?? new Set();
      for (const slot of finding.slots) those.add(slot);
      slots.set(member, those);
    }
  }
  return new Map([...slots].map(([member, those]) => [member, [...those]]));
}
