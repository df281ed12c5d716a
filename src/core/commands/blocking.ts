/**
 * Blocking: clients whose command waits until a key has something for it.
 *
 *   BLPOP finds nothing ─► wait ─► a waiter at each of its keys, in order of arrival
 *   a key changes ─► touch ─► ready ─► the command that changed it commits ─► serve: the waiters' commands run again, each one a
 *   record of its own, until nothing is left for them ─► answers, which the host delivers at the end of the turn
 *
 * A command that runs again and still finds nothing keeps its place. A key may change because a served command wrote it (BLMOVE);
 * then it is ready in turn.
 *
 * A change made here wakes waiters here. A change that came from a peer wakes those who would take something only at the replica
 * that owns the key: an element that many regions see at once is then handed out once, as long as the regions agree on who they
 * are. Those who only read it are woken everywhere.
 *
 * Invariant: a waiter is answered at most once: by what it waited for, by its deadline, by CLIENT UNBLOCK or not at all because its
 * client has gone. Nobody waits inside a transaction.
 */
import type { Type } from "../crdt/key.ts";
import type { Place } from "../keyspace/place.ts";
import { SLOTS, slotOf } from "../keyspace/slot.ts";
import type { Args } from "../wire/args.ts";
import { Reply } from "../wire/reply.ts";
import { note } from "./call.ts";
import type { CommandEntry } from "./command-table.ts";
import type { Handler } from "./command.ts";
import { keyName } from "../keyspace/key-name.ts";
import type { Run } from "./run.ts";
import type { Session } from "./session.ts";

/** What a blocking command waits for: one object per command. */
export interface Wish {
  /** Keys of this type can grant it. */
  readonly type: Type;
  /** Runs again when one of the keys is ready: takes what it finds, or calls `wait` again. */
  readonly handler: Handler;
  /** Whether granting it writes, which takes what is there: that must wait while no command may write. */
  readonly writes: boolean;
  /** Whether all that a key holds can be taken already: what cannot is waited for when it is there too. Absent: it always can. */
  readonly settled?: (run: Run, place: Place) => boolean;
  /** The error for who waits when the key is gone or of another type; without it, that is waited for as well. */
  readonly gone?: string;
  /** What answers it inside a transaction; when the time is over it is always the nil array. */
  readonly atOnce: "nil" | "nil array";
}

/** A key that somebody waits for. */
interface Queue {
  readonly name: string;
  readonly db: number;
  readonly key: Buffer;
  readonly slot: number;
  /** In order of arrival. */
  readonly waiters: Set<Waiter>;
  /** For whom it has changed since it was last served: for those who read, or for those who take as well. */
  ready: "no" | "readers" | "all";
}

/** One client that waits. */
export interface Waiter {
  readonly session: Session;
  readonly wish: Wish;
  readonly entry: CommandEntry;
  readonly args: Args;
  readonly queues: readonly Queue[];
  /** By `run.monoMs`; Infinity to wait for ever. */
  readonly deadlineMs: number;
  /** Whether the client has said that it wants no reply to this command. */
  readonly muted: boolean;
}

/** What the host owes to a client that waited. */
export interface Answer {
  readonly session: Session;
  readonly bytes: Buffer;
  /** It shows records of ours up to here, and is held until they are durable; Infinity for all there are. */
  readonly seq: number;
  /** Whether the client's command made that record. */
  readonly wrote: boolean;
}

const ERROR = 45;
const MOVED =
  "UNBLOCKED the keys have been moved to another region, or it is changed who writes them; ask again";
const UNBLOCKED = "UNBLOCKED client unblocked via CLIENT UNBLOCK";

export class Blocking {
  readonly #run: Run;
  /** What has been decided since the host last took it. */
  answers: Answer[] = [];
  readonly #waiters = new Set<Waiter>();
  readonly #queues = new Map<string, Queue>();
  /** Slot → how many keys in it somebody waits for, so that a change elsewhere costs a glance. */
  readonly #awaited = new Int32Array(SLOTS);
  #ready: Queue[] = [];
  /** How often keys had been moved when that was last looked at. */
  #homesVersion = 0;
  /** Keys with something that cannot be taken yet, and whom they are ready for once it can. */
  readonly #unsettled = new Map<Queue, "readers" | "all">();
  /** No waiter's time is over before. */
  #nextDeadlineMs = Infinity;
  readonly #reply = new Reply();
  /** While a waiter's command runs again: the key that is ready, and whether the command found nothing. */
  #current: Queue | null = null;
  #waitsOn = false;

  constructor(run: Run) {
    this.#run = run;
  }

  /** Clients that wait. */
  get count(): number {
    return this.#waiters.size;
  }

  /**
   * The session's client waits for the keys in the arguments from `first` on, at most `timeoutMs` (0: for ever). Nothing may have
   * been written, neither data nor reply. `args` is copied; it is what the command runs with again.
   */
  wait(
    wish: Wish,
    args: Args,
    first: number,
    keyCount: number,
    timeoutMs: number,
    reply: Reply,
  ): void {
    const run = this.#run;
    const { session } = run;
    if (this.#current !== null) {
      this.#waitsOn = true;
      return;
    }
    if (run.inTransaction) {
      if (wish.atOnce === "nil") reply.nil();
      else reply.nilArray();
      return;
    }
    const queues = new Set<Queue>();
    for (let i = first; i < first + keyCount; i++) queues.add(this.#queue(args, i));
    const deadlineMs = timeoutMs === 0 ? Infinity : run.monoMs + timeoutMs;
    const muted = session.replies !== "on";
    const kept = args.keep();
    const entry = run.stats.current;
    const waiter = { session, wish, entry, args: kept, queues: [...queues], deadlineMs, muted };
    for (const queue of queues) {
      queue.waiters.add(waiter);
      // It comes as one that reads when what is there can be taken: then it takes that, in whatever region.
      this.#noteUnsettled(queue, wish, "all");
    }
    this.#waiters.add(waiter);
    session.waiter = waiter;
    if (deadlineMs < this.#nextDeadlineMs) this.#nextDeadlineMs = deadlineMs;
    run.listen();
  }

  /** Whether the command that runs has waited. */
  get again(): boolean {
    return this.#current !== null;
  }

  /** Whether a command may take from the key in argument `i`: when it runs again, from the one that is ready alone. */
  offers(args: Args, i: number): boolean {
    if (this.#current === null) return true;
    const { db, key } = this.#current;
    const length = args.length(i);
    return (
      db === this.#run.session.db &&
      key.length === length &&
      args.bytes.compare(key, 0, length, args.start[i] as number, args.end[i] as number) === 0
    );
  }

  /** A key has changed. */
  touch(place: Place): void {
    if ((this.#awaited[place.slot] as number) === 0) return;
    const { db, bytes, start, end } = place;
    const queue = this.#queues.get(keyName(db, bytes, start, end));
    if (queue === undefined || queue.ready === "all") return;
    const local = this.#run.write.writing;
    const mine = local || this.#run.homes.wakesAt(bytes, start, end, db);
    this.#makeReady(queue, mine ? "all" : "readers");
  }

  #makeReady(queue: Queue, whom: "readers" | "all"): void {
    if (queue.ready === "no") this.#ready.push(queue);
    if (queue.ready !== "all") queue.ready = whom;
  }

  /** Time has passed, so more of what is there can be taken. The host serves afterwards. */
  settle(): void {
    for (const [queue, whom] of this.#unsettled) this.#makeReady(queue, whom);
    this.#unsettled.clear();
  }

  /** What is at a key and cannot be taken yet is offered again later, to the same. */
  #noteUnsettled(queue: Queue, wish: Wish, whom: "readers" | "all"): void {
    if (wish.settled === undefined) return;
    const run = this.#run;
    const place = run.lookAt(queue.db, queue.key, 0, queue.key.length);
    if (place.type !== wish.type || wish.settled(run, place)) return;
    if (this.#unsettled.get(queue) !== "all") this.#unsettled.set(queue, whom);
  }

  /** Gives what has become ready to those who wait for it, unless clients are paused. The host calls it after each command. */
  serve(): void {
    const { homesVersion } = this.#run.keyspace;
    if (homesVersion !== this.#homesVersion) this.#sendOff(homesVersion);
    if (this.#ready.length === 0 || this.#current !== null) return;
    const run = this.#run;
    if (run.pausedUntilMs > run.wallMs) return;
    const refused: Queue[] = [];
    // What is served may make other keys ready: they join the end.
    for (const queue of this.#ready) {
      const whom = queue.ready;
      queue.ready = "no";
      if (!this.#serveAt(queue, whom === "all")) refused.push(queue);
    }
    this.#ready = refused;
    for (const queue of refused) queue.ready = "all";
  }

  /** Keys have been moved: nobody takes from them here any more, and who waits to is told. */
  #sendOff(homesVersion: number): void {
    this.#homesVersion = homesVersion;
    const { homes } = this.#run;
    for (const waiter of this.#waiters) {
      const { wish, queues, session } = waiter;
      if (!wish.writes || queues.every(({ db, key }) => homes.mayTake(db, key))) continue;
      session.isMisplaced = session.peer !== null;
      this.#end(waiter, MOVED);
    }
  }

  /** Time has passed: gives up for those whose time is over. */
  tick(): void {
    const { monoMs } = this.#run;
    if (monoMs < this.#nextDeadlineMs) return;
    let next = Infinity;
    for (const waiter of this.#waiters)
      if (waiter.deadlineMs <= monoMs) this.#end(waiter, null);
      else if (waiter.deadlineMs < next) next = waiter.deadlineMs;
    this.#nextDeadlineMs = next;
  }

  /** Ends the waiting of a client, as if its time were over or with an error; false when it does not wait. */
  unblock(session: Session | undefined, how: "timeout" | "error"): boolean {
    const waiter = session?.waiter ?? null;
    if (waiter === null) return false;
    this.#end(waiter, how === "error" ? UNBLOCKED : null);
    return true;
  }

  /** A client waits no more, and is owed nothing: it has gone, or is made to go. */
  leave(session: Session): void {
    const { waiter } = session;
    if (waiter === null) return;
    session.waiter = null;
    this.#waiters.delete(waiter);
    for (const queue of waiter.queues) {
      queue.waiters.delete(waiter);
      if (queue.waiters.size > 0) continue;
      this.#queues.delete(queue.name);
      (this.#awaited[queue.slot] as number)--;
    }
    this.#run.listen();
  }

  // ── below ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #queue(args: Args, i: number): Queue {
    const { db } = this.#run.session;
    const start = args.start[i] as number;
    const end = args.end[i] as number;
    const name = keyName(db, args.bytes, start, end);
    const there = this.#queues.get(name);
    if (there !== undefined) return there;
    const key = args.copy(i);
    const slot = slotOf(key, 0, key.length);
    const queue: Queue = { name, db, key, slot, waiters: new Set(), ready: "no" };
    this.#queues.set(name, queue);
    (this.#awaited[slot] as number)++;
    return queue;
  }

  /** Serves those who wait at one key, in order of arrival; false when some have to wait until writes are taken again. */
  #serveAt(queue: Queue, takers: boolean): boolean {
    const run = this.#run;
    let all = true;
    for (const waiter of queue.waiters) {
      const { db, key } = queue;
      const { type } = run.lookAt(db, key, 0, key.length);
      const { wish } = waiter;
      if (wish.writes && !takers) continue;
      if (type !== wish.type) {
        if (wish.gone !== undefined) this.#end(waiter, wish.gone);
      } else if (wish.writes && run.refuseWrites !== null) all = false;
      else {
        this.#again(waiter, queue);
        if (waiter.session.waiter !== null)
          this.#noteUnsettled(queue, wish, takers ? "all" : "readers");
      }
    }
    return all;
  }

  #again(waiter: Waiter, queue: Queue): void {
    const run = this.#run;
    const { session, wish, args } = waiter;
    const reply = this.#reply;
    reply.sink.clear();
    reply.resp = session.resp;
    run.session = session;
    run.holdSeq = run.write.everywhereSeq;
    this.#current = queue;
    this.#waitsOn = false;
    run.stopwatch.settle();
    const beganMicros = run.stopwatch.lapMicros;
    run.executing = true;
    wish.handler(run, args, reply);
    run.executing = false;
    // What it waits with is what it sent last.
    if (run.events.pending) run.events.settle(session.lastCommand, "", args);
    this.#current = null;
    const made = run.write.commit();
    const took = run.stopwatch.large(waiter.entry.index, beganMicros, 0, false, !this.#waitsOn);
    if (this.#waitsOn) return;
    if (took >= run.notableMicros) note(run, waiter.entry, args, took);
    if (reply.sink.buffer[0] === ERROR) run.stats.failedLater(waiter.entry.index, reply);
    this.leave(session);
    this.#answer(waiter, made > 0 ? made : run.holdSeq, made > 0);
  }

  /** Answers without having found anything: with an error, or because the time is over. */
  #end(waiter: Waiter, error: string | null): void {
    const run = this.#run;
    const reply = this.#reply;
    reply.sink.clear();
    reply.resp = waiter.session.resp;
    if (error === null) reply.nilArray();
    else {
      reply.error(error);
      run.stats.failedLater(waiter.entry.index, reply);
    }
    // That nothing was there is something to be shown only once it is stored.
    let seq = run.write.everywhereSeq;
    for (const { slot } of waiter.queues) seq = Math.max(seq, run.write.slotSeqs[slot] as number);
    this.leave(waiter.session);
    this.#answer(waiter, seq);
  }

  #answer({ session, muted }: Waiter, seq: number, wrote = false): void {
    const { sink } = this.#reply;
    this.answers.push({ session, bytes: muted ? NOTHING : Buffer.from(sink.view()), seq, wrote });
  }
}

const NOTHING = Buffer.alloc(0);
