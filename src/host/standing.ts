/**
 * Standing: whether this node serves, takes writes, or must stop, and what it says to those it refuses.
 *
 *   takes no writes:   fenced ─► being renewed ─► removed, astray ─► records it lacks ─► full disk ─► time not told ─► wrong clock
 *   serves nothing:    fenced ──────────────────► removed and sealed, astray ─► records it lacks
 *
 * Invariant: clients are told the first of these that holds. A fence is for good, and so is being removed: whatever else has ended is
 * forgotten.
 */
import { AHEAD_MAX_MS } from "../core/clock/stamp.ts";
import type { Replica } from "../core/replica/replica.ts";
import { Progress } from "./joining-progress.ts";
import type { NodeLog } from "./node-world.ts";

export interface StandingHost {
  readonly replica: Replica;
  readonly log: NodeLog;
  readonly monoMs: () => number;
  /** The node cannot go on. */
  fail(error: Error): void;
}

/** What to do about a directory that the others take nothing of any more. */
const START_ANEW =
  "What it wrote and nobody has stays in its directory: keep that, and start with an empty one; one that was removed, as a member of another name";

/** Half of what peers tolerate. */
const CLOCK_AHEAD_MAX_MS = AHEAD_MAX_MS / 2;

export class Standing {
  readonly progress: Progress;
  readonly #host: StandingHost;
  /** What stands against taking writes: a full disk, a wrong clock. Null while nothing does. */
  #full: string | null = null;
  #wrongClock: string | null = null;
  /** Why it cannot be told yet what time it is. */
  #untold: string | null = null;
  #renewing = false;
  #fenced = false;
  /** Why it belongs to the cluster no more; null while it does. */
  #removed: { readonly why: string; readonly isOver: boolean } | null = null;

  constructor(host: StandingHost) {
    this.#host = host;
    this.progress = new Progress(host.replica, host);
  }

  get isFull(): boolean {
    return this.#full !== null;
  }

  get isRenewing(): boolean {
    return this.#renewing;
  }

  get state(): "ready" | "read-only" | "joining" {
    if (!this.#host.replica.exchange.joining.whole) return "joining";
    return this.reason === null ? "ready" : "read-only";
  }

  /** Why it is not ready, in words; null when it is. */
  get reason(): string | null {
    if (this.#removed !== null) return this.#removed.why;
    if (!this.#host.replica.exchange.joining.whole) return this.progress.text();
    return this.#full ?? this.clockReason;
  }

  /** Why no writes are taken for the clock's sake; null when it is right. */
  get clockReason(): string | null {
    return this.#untold ?? this.#wrongClock;
  }

  /** Tells the replica whether it may take writes, and clients why not. */
  refuseOrTake(): void {
    const { run, exchange } = this.#host.replica;
    if (this.#fenced) return;
    run.loading = exchange.joining.whole ? null : `LOADING ${this.progress.text()}`;
    if (this.#removed !== null && this.#removed.isOver)
      run.loading = `AAREMOVED ${this.#removed.why}`;
    if (this.#renewing) return;
    if (this.#removed !== null) run.refuseWrites = `AAREMOVED ${this.#removed.why}`;
    else if (run.loading !== null) run.refuseWrites = run.loading;
    else if (this.#full !== null)
      run.refuseWrites =
        "MISCONF the disk is full, so this node takes no writes: what was acknowledged is safe; free space and it goes on by itself";
    else if (this.#untold !== null)
      run.refuseWrites = `MISCONF ${this.#untold}, so it takes no writes: it goes on by itself when one is heard, or if the clock is right say AA.CLOCK ACCEPT`;
    else if (this.#wrongClock !== null)
      run.refuseWrites = `MISCONF ${this.#wrongClock}, so it takes no writes: set the clock (NTP) and it goes on by itself`;
    else run.refuseWrites = null;
  }

  /** We may be no member any more: nothing is written from when we hear of it, and nothing read once that is sealed. */
  rosterChanged(): void {
    const { replica, log } = this.#host;
    const { roster, member } = replica;
    const before = this.#removed?.why ?? null;
    if (roster.isRemoved(member))
      this.#removed = {
        why: `${member} was removed from the cluster. ${START_ANEW}`,
        isOver: roster.isSealed(member),
      };
    else if (replica.isAstray)
      this.#removed = {
        why: `this node has records that became void when their member was removed. ${START_ANEW}`,
        isOver: true,
      };
    if (this.#removed !== null && this.#removed.why !== before) log.error({}, this.#removed.why);
    this.refuseOrTake();
  }

  /** Refuses everything from now on. */
  fenced(why: string): void {
    this.#fenced = true;
    const { run } = this.#host.replica;
    run.loading = `LOADING ${why}: this one stops`;
    run.refuseWrites = run.loading;
    this.#host.log.error({}, why);
  }

  /** Takes no writes until `renewed`. */
  renewing(): void {
    this.#renewing = true;
    this.#host.replica.run.refuseWrites =
      "TRYAGAIN this node has lost records that a peer still has; it begins a new incarnation, which takes a moment";
  }

  renewed(): void {
    this.#renewing = false;
    this.refuseOrTake();
  }

  diskFailed(kind: "full" | "failed", error: Error): void {
    const { log } = this.#host;
    if (kind === "failed") {
      log.error({ error }, "the disk failed: this node stops, nothing more is answered");
      this.#host.fail(new Error(`the disk failed: ${error.message}`, { cause: error }));
      return;
    }
    this.#full = `the disk is full (${error.message})`;
    log.error({ error }, "the disk is full: reads are served, writes are refused");
    this.refuseOrTake();
  }

  diskRecovered(): void {
    this.#full = null;
    this.refuseOrTake();
    this.#host.log.info({}, "the disk has space again: writes are taken");
  }

  /** Takes no writes, and lets nothing expire, until it can be told what time it is (null). */
  clockUntold(why: string | null): void {
    if (why === this.#untold) return;
    this.#untold = why;
    this.refuseOrTake();
  }

  /**
   * Takes no writes while most of `peers` would hold what we stamp until that time has come: what they write meanwhile would lose
   * against it. `offsets` are milliseconds that peers' clocks are ahead of ours.
   */
  judgeClock(offsets: readonly number[], peers: number): void {
    const { nowMs, clock } = this.#host.replica;
    const clockMs = mostFind(offsets, -CLOCK_AHEAD_MAX_MS, peers);
    const stampsMs = mostFind(offsets, clock.ms - nowMs - AHEAD_MAX_MS, peers);
    const wrong =
      clockMs !== null
        ? `this node's clock is ${Math.round(-clockMs)} ms ahead of its peers'`
        : stampsMs !== null
          ? `this node's clock was wrong: its stamps are ${Math.round(clock.ms - nowMs - stampsMs)} ms ahead of its peers' time, and they would hold its writes that long`
          : null;
    if ((wrong === null) !== (this.#wrongClock === null))
      this.#host.log.warn({}, wrong ?? "this node's clock agrees with its peers' again");
    this.#wrongClock = wrong;
    this.refuseOrTake();
  }
}

/** The highest of the offsets that are less than this, if those are of most of the peers. */
function mostFind(offsets: readonly number[], lessThanMs: number, peers: number): number | null {
  const saying = offsets.filter((offset) => offset < lessThanMs);
  return saying.length > 0 && saying.length * 2 > peers ? Math.max(...saying) : null;
}
