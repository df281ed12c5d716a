/**
 * Judge: hears of everything the machines commit, store and answer, and says which promise was broken.
 *
 * The invariants carry the numbers of the catalogue in `docs/testing.md`:
 *   I-1  what was answered or sent is durable, and what was durable is still there after a crash
 *   I-2  nothing is there that nobody wrote              I-3   equal vectors, equal states
 *   I-5  the state is what the records mean              I-6   each record once, in the order of its origin
 *   I-8  a client reads its own writes and never goes back: where it stays, and where it goes with a token
 *   I-14 no clock is carried away by a wrong one         I-16  nothing is cut off the log that a member still needs
 *   I-15 nothing is collected before all have it
 *   I-7  causes before effects                           I-11  vectors and stamps never go back
 *   I-12 a dot names one record                          I-31  what lost against a concurrent write is in the feed
 *   I-32 an element of a queue is given away once        I-33  a read at a level sees what was acknowledged at one it meets
 *   I-40 what an owner counts, lets one have or gives away, it does once for all regions
 *   I-46 the change feed tells everything behind a position, causes first, wherever it is read on
 *   I-36 no entry of a stable stream appears behind one that was shown
 *   I-18 nothing expires before its time                 I-17  EXEC fails when what was watched has changed
 *   I-23 who lacks something serves nothing
 *   bug  an assertion or an error nobody caught
 *
 * Invariant: the judge only listens. A run with it is the run without it.
 */
import type { Keyspace } from "../../src/core/keyspace/keyspace.ts";
import { agrees } from "./agreement.ts";
import { canonicalKey, canonicalText, numbering } from "./canonical.ts";
import { falseReport, missingFloor } from "./claims.ts";
import { ExpiryChecks } from "./expiry-checks.ts";
import { Facts, factsKey, factsText } from "./facts.ts";
import { type CommittedRecord, History, type HistoryOrigin, OP, type RunSeen } from "./history.ts";
import { Intersection, isStored, levelOf } from "./intersection.ts";
import { Feeds } from "./feeds.ts";
import { Fences } from "./fences.ts";
import { Losses } from "./losses.ts";
import { Marks } from "./marks.ts";
import { Escrow } from "./escrow.ts";
import { Owned } from "./owned.ts";
import { Sessions } from "./sessions.ts";
import { Tails } from "./tails.ts";
import { misread } from "./view.ts";
import type { Machine, MachineEvents } from "../world/machine.ts";
import type { Reply } from "../world/replies.ts";
import type { Operation } from "../world/workload.ts";

/** Values that several records may have written, or that are sums. */
const NUMBER = /^-?\d+(\.\d+)?$/;

/** What a client asked a counter to become. */
export interface Intent {
  readonly key: string;
  readonly field: string;
  readonly delta: number;
}

/** An answered operation. */
interface Told {
  readonly origin: HistoryOrigin | null;
  readonly seq: number;
  readonly machine: Machine;
  readonly operation: Operation;
  readonly replies: readonly Reply[];
  readonly sentUs: number;
}

export interface Failure {
  readonly check: string;
  readonly atMs: number;
  readonly message: string;
}

/** What the judge knows of one machine, from its log alone. */
export interface MachineView {
  readonly machine: Machine;
  facts: Facts;
  /** By the history's numbers. */
  applied: number[];
  durable: number[];
  /** Blocks that are not durable yet. */
  pending: { readonly to: number; readonly applied: readonly number[] }[];
  /** Blocks it appended before it was known to be up. */
  early: { readonly block: Buffer; readonly to: number }[];
  /** The disk was replaced by an older one, or an empty one: what only it held may be lost. */
  replaced: boolean;
  /** The clock as last seen in this life. */
  clockMs: number;
  clockTick: number;
  origin: HistoryOrigin | null;
  /** Where its log began when it came up. */
  beganAt: number;
}

/** Five seconds from a peer that is ahead, three that a process may be when it starts, one of the durable ceiling, some for skew. */
const CLOCK_AHEAD_MAX_MS = 10_000;

export class Judge implements MachineEvents {
  readonly history = new History();
  readonly losses = new Losses(this.history);
  readonly views = new Map<Machine, MachineView>();
  readonly #expiry = new ExpiryChecks();
  /** Who wrote a value that only one record wrote. */
  readonly #values = new Map<string, CommittedRecord>();
  /** Values that a client had written once more, having heard nothing: by two records. */
  readonly #writtenAgain = new Set<string>();
  readonly #intents = new Map<Machine, Map<number, Intent[]>>();
  /** Highest acknowledged seq by origin. */
  readonly acknowledged: number[] = [];
  readonly failures: Failure[] = [];
  readonly marks = new Marks();
  /** Called with the first failure, which ends the run. */
  onFailure: () => void = () => {};
  /** Machines that lost a disk: what only they held may be gone. */
  readonly lostDisks = new Set<Machine>();
  /** Those of them whose disk was damaged or replaced: not even a removed member tells what lay there. */
  readonly damagedDisks = new Set<Machine>();
  /** Machines that belong to the cluster no more. */
  readonly removed = new Set<Machine>();
  /** Members whose removal or addition has begun and is not at its end. */
  readonly awaited = new Set<string>();
  onRecord: (machine: Machine, record: CommittedRecord, isNew: boolean) => void = () => {};
  /** Called once the judge knows what a machine came back with. */
  onStarted: (machine: Machine) => void = () => {};
  onEnded: (machine: Machine, why: string, error: unknown) => void = () => {};
  readonly durability: "local" | "relaxed";

  /** Whether two processes have lived under one name: what a copy found to be lost may have gone with its directory. */
  hadTwins = false;
  /** Whether members were added. */
  hasGrown = false;
  /** Whether something in this run removes what otherwise only grows. */
  forgetsTotals = false;
  readonly sessions: Sessions;
  readonly intersection: Intersection;

  constructor(durability: "local" | "relaxed") {
    this.durability = durability;
    this.sessions = new Sessions(durability);
    this.intersection = new Intersection(durability);
  }

  /** A member under whose name two machines run. */
  #twin: string | null = null;

  watch(machine: Machine): void {
    for (const { name } of this.views.keys()) if (name === machine.name) this.#twin = name;
    this.views.set(machine, {
      machine,
      facts: new Facts(),
      applied: [],
      durable: [],
      pending: [],
      early: [],
      replaced: false,
      clockMs: 0,
      clockTick: 0,
      origin: null,
      beganAt: -1,
    });
    this.#intents.set(machine, new Map());
  }

  /** It was taken away: nothing is asked of it any more. */
  forget(machine: Machine): void {
    this.views.delete(machine);
    this.#intents.delete(machine);
    this.#twin = null;
  }

  view(machine: Machine): MachineView {
    return this.views.get(machine) as MachineView;
  }

  fail(check: string, machine: Machine | null, message: string): void {
    if (this.failures.length > 0) return;
    const atMs = machine?.timeline.nowMs ?? [...this.views.keys()][0]?.timeline.nowMs ?? 0;
    const who = machine === null ? "" : `${machine.name}: `;
    this.failures.push({ check, atMs: Math.round(atMs), message: who + message });
    this.onFailure();
  }

  /** Records that left machines in batches, each as often as it did. */
  sentCount = 0;

  // ── what machines do ───────────────────────────────────────────────────────────────────────────────────────────────────────

  broke(machine: Machine, error: unknown): void {
    this.fail(
      "bug",
      machine,
      error instanceof Error ? (error.stack ?? error.message) : String(error),
    );
  }

  superseded(): void {
    this.marks.sometimes("a node started anew on a snapshot");
  }

  appended(machine: Machine, block: Uint8Array, to: number): void {
    const view = this.view(machine);
    if (machine.node === null) {
      // A node may write before it is known to be up: what had expired goes in its first turn.
      view.early.push({ block: Buffer.from(block), to });
      return;
    }
    if (block[0] === 0)
      try {
        for (const run of this.#runsOf(Buffer.from(block)))
          run.records.forEach((bytes, i) =>
            this.#committed(view, run.origin, run.firstSeq + i, bytes),
          );
      } catch (error) {
        this.broke(machine, error);
      }
    view.pending.push({ to, applied: [...view.applied] });
  }

  #committed(view: MachineView, origin: HistoryOrigin, seq: number, bytes: Buffer): void {
    const { machine } = view;
    const dot = `${origin.member}:${seq}`;
    let record = origin.records[seq - 1];
    const isNew = record === undefined;
    if (record === undefined) {
      const isOwn = origin.member === machine.name && this.#me(machine) === origin;
      if (!isOwn || seq !== origin.records.length + 1)
        return this.fail("I-2", machine, `it has record ${dot}, which its origin never made`);
      const last = origin.records.at(-1);
      record = this.history.add(origin, bytes);
      if (
        last !== undefined &&
        (record.ms < last.ms || (record.ms === last.ms && record.tick <= last.tick))
      )
        this.fail(
          "I-11",
          machine,
          `the stamp of ${dot} is not later than that of the record before it`,
        );
      view.origin = origin;
      const again = this.owned.made(record);
      if (again !== null) this.fail("I-40", machine, again);
      this.#made(view, record);
      this.#attribute(view, record);
    } else if (!record.bytes.equals(bytes))
      return this.fail("I-12", machine, `it has another record than others under the dot ${dot}`);
    if (seq !== (view.applied[origin.index] ?? 0) + 1)
      return this.fail(
        "I-6",
        machine,
        `it applied ${dot} after ${view.applied[origin.index] ?? 0}`,
      );
    record.deps.forEach((dep, of) => {
      if (of !== origin.index && (view.applied[of] ?? 0) < dep)
        this.fail("I-7", machine, `it applied ${dot} before what that had seen`);
    });
    view.applied[origin.index] = seq;
    view.facts.apply(record);
    // What a copy loses, the original answers for.
    if (this.#twin !== machine.name) this.losses.applied(machine.name, view.facts, record);
    this.onRecord(machine, record, isNew);
  }

  /** Up to when a machine has promised another not to stamp this record; one that was made when it spoke is not meant. */
  #promised(to: Machine, by: Machine, record: CommittedRecord): number {
    const replica = to.node?.replica;
    const report = replica?.members.latest(by.name) ?? null;
    if (replica === undefined || report === null) return 0;
    const { incarnation } = this.history.origins[record.origin] as HistoryOrigin;
    const number = replica.origins.find(incarnation);
    return number >= 0 && report.applied.covers(number, record.seq) ? 0 : report.promiseMs;
  }

  /** What must hold of a record that was made just now, before it is applied to `view`. */
  #made(view: MachineView, record: CommittedRecord): void {
    const { machine } = view;
    record.deps.forEach((dep, of) => {
      const seen = this.history.origins[of]?.records[dep - 1];
      if (of !== record.origin && seen !== undefined && compareStamps(record, seen) <= 0)
        this.fail("I-11", machine, "it stamps a record no later than one that it had seen");
    });
    if (this.durability === "local" && !this.lostDisks.has(machine))
      for (const other of this.views.keys()) {
        const promise = this.#promised(other, machine, record);
        if (record.ms <= promise)
          this.fail(
            "I-11",
            machine,
            `it stamps a record ${promise - record.ms} ms before its promise`,
          );
      }
    // Under `relaxed` a record may be lost everywhere, and nobody is told.
    if (this.durability === "local")
      this.#expiry.judge(record, view.facts, this.history, (why) =>
        this.fail("I-18", machine, why),
      );
    for (const { op, value } of record.effects)
      if (op === OP.SET && !NUMBER.test(value)) {
        if (this.#values.has(value)) this.#writtenAgain.add(value);
        this.#values.set(value, record);
      }
  }

  /** A reply to a read leaves the machine. */
  shown(machine: Machine, value: string): void {
    const record = this.#values.get(value);
    if (record === undefined || this.durability === "relaxed") return;
    const origin = this.history.origins[record.origin] as HistoryOrigin;
    if (this.#me(machine) !== origin || origin.records[record.seq - 1] !== record) return;
    if ((this.durableOf(machine)[record.origin] ?? 0) < record.seq)
      this.fail("I-1", machine, `it shows ${origin.member}:${record.seq} before that is durable`);
  }

  /** The record that wrote a value that only one record wrote, or null. */
  writerOf(value: string): { readonly origin: HistoryOrigin; readonly seq: number } | null {
    const record = this.#values.get(value);
    if (record === undefined || this.#writtenAgain.has(value)) return null;
    const origin = this.history.origins[record.origin] as HistoryOrigin;
    return origin.records[record.seq - 1] === record ? { origin, seq: record.seq } : null;
  }

  #me(machine: Machine): HistoryOrigin | null {
    const replica = machine.node?.replica;
    if (replica === undefined) return null;
    const index = numbering(replica.origins, this.history)(replica.me);
    return this.history.origins[index] as HistoryOrigin;
  }

  /** A command made a record: what it asked counters to become. */
  made(machine: Machine, seq: number, intents: readonly Intent[]): void {
    const waiting = this.#intents.get(machine) as Map<number, Intent[]>;
    waiting.set(seq, [...(waiting.get(seq) ?? []), ...intents]);
  }

  #attribute(view: MachineView, record: CommittedRecord): void {
    const waiting = this.#intents.get(view.machine) as Map<number, Intent[]>;
    const intents = waiting.get(record.seq) ?? [];
    waiting.delete(record.seq);
    for (const fx of record.effects) {
      if (fx.op !== OP.COUNT && fx.op !== OP.COUNT_CELL) continue;
      // A score to which nothing is added is written only if it is new: which of several zeros it was makes no sum.
      const asked = ({ key, field }: Intent): boolean => key === fx.key && field === fx.name;
      const more = intents.findIndex((intent) => asked(intent) && intent.delta !== 0);
      const at = more < 0 ? intents.findIndex(asked) : more;
      if (at < 0)
        return this.fail("I-2", view.machine, `the counter ${fx.key} ${fx.name} moved unasked`);
      fx.delta = (intents[at] as Intent).delta;
      intents.splice(at, 1);
    }
  }

  /** What is durable on a machine now, by its disk. */
  durableOf(machine: Machine): readonly number[] {
    const view = this.view(machine);
    const durableTo = machine.storage?.log.durable ?? 0;
    let count = 0;
    for (const { to, applied } of view.pending) {
      if (to > durableTo) break;
      view.durable = [...applied];
      count++;
    }
    if (count > 0) view.pending.splice(0, count);
    return view.durable;
  }

  /** Whether a record lies on the disk of somebody. */
  isKept(incarnation: string, seq: number): boolean {
    const origin = this.history.origins.find((one) => one.incarnation === incarnation);
    if (origin === undefined) return false;
    for (const machine of this.views.keys())
      if ((this.durableOf(machine)[origin.index] ?? 0) >= seq) return true;
    return false;
  }

  /** A reply that shows record `seq` of an origin leaves the machine. */
  answered(machine: Machine, origin: HistoryOrigin, seq: number): void {
    if (this.durability === "relaxed") return;
    if ((this.durableOf(machine)[origin.index] ?? 0) < seq)
      this.fail("I-1", machine, `it answered for ${origin.member}:${seq} before that was durable`);
    this.acknowledged[origin.index] = Math.max(this.acknowledged[origin.index] ?? 0, seq);
  }

  /** An element of a queue, which was pushed once, leaves the machine for good: I-32. */
  given(machine: Machine, element: string): void {
    // A crash may take a pop back, and a lost disk all of them.
    if (this.durability === "relaxed" || this.lostDisks.has(machine)) return;
    const given = this.#given.get(machine) ?? new Set();
    this.#given.set(machine, given);
    if (given.has(element)) this.fail("I-32", machine, `it gave ${element} away twice`);
    given.add(element);
  }

  readonly #given = new Map<Machine, Set<string>>();

  /** An id leaves the machine: I-42. */
  identified(machine: Machine, id: string): void {
    // A crash may take the clock back that had not been stored.
    if (this.durability === "relaxed" || this.lostDisks.size > 0) return;
    if (this.#ids.has(id))
      this.fail("I-42", machine, `it gave the id ${id}, which was given before`);
    this.#ids.add(id);
  }

  readonly #ids = new Set<string>();

  /** A client is shown the newest entries of a stable stream: I-36. */
  tailed(machine: Machine, key: string, reply: Reply): void {
    // A crash, or a lost disk, may take what was shown.
    if (this.durability === "relaxed" || this.lostDisks.size > 0) return;
    const wrong = this.#tails.shown(key, reply);
    if (wrong !== null) this.fail("I-36", machine, wrong);
  }

  readonly #tails = new Tails();
  readonly owned = new Owned();
  readonly escrow = new Escrow();
  readonly fences = new Fences();
  readonly feeds = new Feeds(this.history);

  /** An owner tells its client that it has done something: I-44. */
  confirmed(machine: Machine, origin: HistoryOrigin, seq: number): void {
    const wrong = this.fences.confirmed(origin.incarnation, seq);
    if (wrong !== null) this.fail("I-44", machine, wrong);
  }

  /** A reader of the change feed asks for a page. */
  reads(machine: Machine, operation: Operation): void {
    this.feeds.asked(operation, this.view(machine).applied);
  }

  /** A reader of the change feed was told a page: I-46. */
  fed(machine: Machine, operation: Operation, reply: Reply): void {
    // A crash, or a lost disk, may take what was told.
    if (this.durability === "relaxed" || this.lostDisks.size > 0) return;
    const wrong = this.feeds.answered(operation, reply, this.durableOf(machine));
    if (wrong !== null) this.fail("I-46", machine, wrong);
    if (this.feeds.told > 0) this.marks.sometimes("a reader was told of changes");
  }

  /** A client was answered about bounded counters: I-43. */
  sold(machine: Machine, operation: Operation, reply: Reply): void {
    const wrong = this.escrow.answered(operation, reply);
    if (wrong !== null) this.fail("I-43", machine, wrong);
    if (this.escrow.sold > 0) this.marks.sometimes("rights of a bounded counter were used");
  }

  /** A client was told what it had asked for: I-8. */
  told(client: number, told: Told): void {
    const { machine, operation, replies, sentUs } = told;
    if (this.forgetsTotals || this.lostDisks.has(machine)) return;
    const wrong = this.sessions.answered(client, machine, operation, replies, sentUs);
    if (wrong !== null) this.fail("I-8", machine, wrong);
    // A lost disk may have been one of those that a level counted on, and who comes changes how many a level means and who owns what.
    if (this.lostDisks.size > 0 || this.hasGrown) return;
    const owned =
      this.durability === "relaxed" ? null : this.owned.answered(client, operation, replies);
    if (owned !== null) this.fail(owned[0], machine, owned[1]);
    if (this.owned.count > 0) this.marks.sometimes("an owner did something once for all regions");
    const missed = this.intersection.answered(machine, operation, replies, sentUs);
    if (missed !== null) this.fail("I-33", machine, missed);
    if (this.intersection.count > 0) this.marks.sometimes("a read at a level had something to see");
    this.#stored(told);
  }

  /** What was acknowledged at a level lies on the disks that it names. */
  #stored({ machine, operation, origin, seq }: Told): void {
    const level = levelOf(operation);
    if (level === null || origin === null || this.durability === "relaxed") return;
    const machines = [...this.views.keys()];
    const has = (member: string): boolean => {
      const found = machines.find(({ name }) => name === member) as Machine;
      return (this.durableOf(found)[origin.index] ?? 0) >= seq;
    };
    const names = machines.map(({ name }) => name);
    if (!isStored(level, machine.name, names, has))
      this.fail(
        "I-33",
        machine,
        `it acknowledged ${origin.member}:${seq} at ${level}, and only ${names.filter(has).join(", ")} have stored it`,
      );
  }

  /** A batch leaves the machine. */
  sent(machine: Machine, body: Uint8Array): void {
    const durable = this.durability === "relaxed" ? null : this.durableOf(machine);
    for (const { origin, lastSeq, count } of this.history.spans(body)) {
      this.sentCount += count;
      if (durable !== null && (durable[origin.index] ?? 0) < lastSeq)
        this.fail("I-1", machine, `it sent ${origin.member}:${lastSeq} before that was durable`);
    }
  }

  started(machine: Machine): void {
    const view = this.view(machine);
    const replica = machine.node?.replica;
    if (replica === undefined) return;
    this.#intents.set(machine, new Map());
    const applied: number[] = [];
    for (let number = 0; number < replica.origins.count; number++) {
      const { incarnation, member } = replica.origins.get(number);
      const { index } = this.history.origin(incarnation, member);
      const seq = replica.applied.get(number);
      if (seq > 0) applied[index] = seq;
    }
    const me = this.#me(machine) as HistoryOrigin;
    if (view.origin !== null && view.origin !== me)
      this.marks.sometimes("a node went on as a new incarnation");
    if (machine.disk.namesOf("checkpoint.").length > 0)
      this.marks.sometimes("a node came back from a checkpoint");
    for (const { block } of view.early)
      for (const { origin, records } of this.#runsOf(block))
        applied[origin.index] = (applied[origin.index] ?? 0) - records.length;
    if (!view.replaced) this.#survived(view, applied);
    this.losses.restarted(machine.name, applied);
    this.#forgetTail(view, me, applied[me.index] ?? 0);
    view.origin = me;
    view.replaced = false;
    view.beganAt = replica.index.marks()[0]?.position ?? -1;
    view.applied = applied;
    view.durable = [...applied];
    view.pending = [];
    view.clockMs = 0;
    view.clockTick = 0;
    view.facts = new Facts();
    for (const record of this.history.inOrder())
      if (record.seq <= (applied[record.origin] ?? 0)) view.facts.apply(record);
    for (const { block, to } of view.early.splice(0)) this.appended(machine, block, to);
    const missing = missingFloor(replica, view.facts);
    if (missing !== null) this.fail("I-5", machine, missing);
    this.onStarted(machine);
  }

  #runsOf(block: Buffer): RunSeen[] {
    return block[0] === 0 ? this.history.runs(block, 1) : [];
  }

  #survived(view: MachineView, applied: readonly number[]): void {
    view.durable.forEach((seq, of) => {
      if ((applied[of] ?? 0) < seq)
        this.fail(
          "I-1",
          view.machine,
          `it lost ${this.history.origins[of]?.member}:${seq}, which was durable, and came back with ${applied[of] ?? 0}`,
        );
    });
    const own = view.origin?.index ?? -1;
    if (own >= 0 && (this.acknowledged[own] ?? 0) > (applied[own] ?? 0))
      this.fail(
        "I-1",
        view.machine,
        `it lost ${view.origin?.member}:${this.acknowledged[own]}, which was acknowledged, and came back with ${applied[own] ?? 0}`,
      );
  }

  /** What an origin goes on from: a tail nobody heard of is lost without a trace, anything else would be a dot used twice. */
  #forgetTail(view: MachineView, me: HistoryOrigin, seq: number): void {
    // Commands of the turn that the crash cut short made records that never reached the log.
    me.lost.push({ seq, atUs: view.machine.timeline.now });
    if (me.records.length <= seq) return;
    this.marks.sometimes("a tail was lost in a crash");
    for (const other of this.views.values())
      if (other !== view && (other.applied[me.index] ?? 0) > seq)
        this.fail(
          "I-12",
          view.machine,
          `it goes on at ${seq} under an incarnation of which ${other.machine.name} has ${other.applied[me.index]}`,
        );
    this.history.forget(me, seq);
  }

  ended(machine: Machine, why: "killed" | "failed" | "refused", error: unknown): void {
    this.durableOf(machine);
    this.view(machine).early = [];
    this.onEnded(machine, why, error);
  }

  // ── what can be asked at any time ──────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Compares every machine that is up with the oracle: the keys that records have named since, or everything it holds, and then with
   * the others too. False when one was in the middle of something.
   */
  check(everything = true): boolean {
    const states = new Map<string, { machine: Machine; text: string }>();
    let whole = true;
    for (const view of this.views.values()) {
      const { machine, facts } = view;
      const replica = machine.node?.replica;
      if (replica === undefined || machine.state !== "up") continue;
      if (!replica.records.empty) {
        whole = false;
        continue;
      }
      // What it holds is a snapshot in part, or less than it is to have; nobody is shown any of it.
      if (!replica.exchange.joining.whole) {
        this.marks.sometimes("a node served nothing because it lacked something");
        continue;
      }
      this.#checkClock(view);
      this.#checkLog(view);
      const told = falseReport(this, machine);
      if (told !== null) this.fail("I-1", machine, told);
      this.marks.look(machine, facts.touched);
      const vector = this.#vector(machine);
      if (vector !== vectorText(view.applied))
        this.fail("I-11", machine, `it says ${vector}, its log says ${vectorText(view.applied)}`);
      if (everything) {
        const missing = missingFloor(replica, view.facts);
        if (missing !== null) this.fail("I-5", machine, missing);
        const text = canonicalText(replica.keyspace, this.history);
        const same = states.get(vector);
        if (same === undefined) states.set(vector, { machine, text });
        else if (same.text !== text)
          this.fail(
            "I-3",
            machine,
            `it differs from ${same.machine.name}: ${difference(text, same.text)}`,
          );
        const meant = factsText(facts);
        if (text !== meant) this.fail("I-5", machine, difference(text, meant));
      } else this.#checkTouched(view, replica.keyspace);
      // What is shown follows from what is held; it is read less often.
      const wrong = everything
        ? misread(replica.keyspace, facts, facts.keys.keys(), this.history, replica.run.nowMs)
        : null;
      if (wrong !== null)
        this.fail(
          "I-5",
          machine,
          `it shows ${wrong.name} as ${wrong.is} instead of ${wrong.should}`,
        );
      facts.touched.clear();
    }
    return whole;
  }

  #checkTouched({ machine, facts }: MachineView, keyspace: Keyspace): void {
    for (const name of facts.touched) {
      if (agrees(keyspace, facts, this.history, name)) continue;
      const text = canonicalKey(keyspace, this.history, name);
      const meant = factsKey(facts, name);
      if (text !== meant)
        this.fail("I-5", machine, difference(`${name} ${text}`, `${name} ${meant}`));
    }
  }

  #checkClock(view: MachineView): void {
    const { ms, tick } = (view.machine.node as NonNullable<Machine["node"]>).replica.clock;
    if (ms < view.clockMs || (ms === view.clockMs && tick < view.clockTick))
      this.fail("I-11", view.machine, "its clock went back");
    if (ms - view.machine.trueMs > CLOCK_AHEAD_MAX_MS)
      this.fail(
        "I-14",
        view.machine,
        `its clock is ${Math.round(ms - view.machine.trueMs)} ms ahead of the time`,
      );
    view.clockMs = ms;
    view.clockTick = tick;
  }

  /** I-16: what lies before the log's first mark may be cut off, so everyone has to have it durably. */
  #checkLog({ machine }: MachineView): void {
    const { replica } = machine.node as NonNullable<Machine["node"]>;
    const [first] = replica.index.marks();
    if (first === undefined) return;
    // A log behind a snapshot begins where that does: others have what it never had.
    if (first.position === this.view(machine).beganAt) return;
    for (let number = 0; number < replica.origins.count; number++) {
      const { incarnation, member } = replica.origins.get(number);
      const origin = this.history.origin(incarnation, member);
      const begins = first.vector.get(number);
      const lacking = [...this.views.values()].filter(
        (other) =>
          other.machine !== machine &&
          !this.removed.has(machine) &&
          !this.lostDisks.has(other.machine) &&
          !this.awaited.has(other.machine.name) &&
          (this.durableOf(other.machine)[origin.index] ?? 0) < begins,
      );
      if (lacking.length === 0) continue;
      const isAtLimit = machine.config.log.maxBytes < 2 ** 32;
      if (isAtLimit && (this.views.size - lacking.length) * 2 > this.views.size) {
        this.marks.sometimes("the log was cut at its limit");
        continue;
      }
      const has = this.durableOf((lacking[0] as MachineView).machine)[origin.index] ?? 0;
      return this.fail(
        "I-16",
        machine,
        `its log begins behind ${member}:${begins}, of which ${lacking[0]?.machine.name} has ${has}`,
      );
    }
  }

  #vector(machine: Machine): string {
    const { replica } = machine.node as NonNullable<Machine["node"]>;
    const applied: number[] = [];
    const numbers = numbering(replica.origins, this.history);
    for (let number = 0; number < replica.origins.count; number++) {
      const seq = replica.applied.get(number);
      if (seq > 0) applied[numbers(number)] = seq;
    }
    return vectorText(applied);
  }

  /** Whether everyone is up and has applied the same. */
  get converged(): boolean {
    if (this.removal() !== null || this.awaited.size > 0 || this.#twin !== null) return false;
    const vectors = new Set<string>();
    for (const { machine, applied } of this.views.values()) {
      if (this.removed.has(machine)) continue;
      if (machine.state !== "up" || machine.node?.replica.records.empty === false) return false;
      if (machine.node?.replica.exchange.joining.whole === false) return false;
      vectors.add(vectorText(applied));
    }
    return vectors.size === 1;
  }

  /** What is not as it should be about those removed, in words: they are waited for no longer, and have heard of it. */
  removal(): string | null {
    for (const gone of this.removed) {
      for (const { machine } of this.views.values()) {
        if (this.removed.has(machine) || machine.node === null) continue;
        const { members, roster } = machine.node.replica;
        if (members.names.includes(gone.name) || roster.waiting().length > 0)
          return `${machine.name} waits for ${gone.name}: ${JSON.stringify(roster.waiting())}`;
      }
      if (gone.state !== "up" || gone.paused || gone.node === null) continue;
      const { run } = gone.node.replica;
      if (run.loading === null || run.refuseWrites === null)
        return `${gone.name} serves although it was removed`;
    }
    return null;
  }

  /** How far everyone is, in words. */
  progress(): string {
    const told = [...this.views.values()]
      .map(({ machine, applied }) => `${machine.name} ${machine.state} ${vectorText(applied)}`)
      .join("; ");
    return [
      told,
      this.removal(),
      this.awaited.size > 0 ? `awaited: ${[...this.awaited].join(", ")}` : null,
      this.#twin === null ? null : `two processes run as ${this.#twin}`,
    ]
      .filter((text) => text !== null)
      .join("; ");
  }
}

function compareStamps(a: CommittedRecord, b: CommittedRecord): number {
  return a.ms - b.ms || a.tick - b.tick;
}

function vectorText(applied: readonly number[]): string {
  return Array.from(applied, (seq, of) => (seq > 0 ? `${of}:${seq}` : ""))
    .filter((entry) => entry !== "")
    .join(" ");
}

/** The first line in which two states differ. */
function difference(is: string, should: string): string {
  const a = is.split("\n");
  const b = should.split("\n");
  const only = (x: string[], y: string[]): string =>
    x.find((line) => !y.includes(line)) ?? "nothing";
  return `it holds ${shown(only(a, b))} and should hold ${shown(only(b, a))}`;
}

function shown(line: string): string {
  return line.length > 600 ? `${line.slice(0, 600)}…` : line;
}
