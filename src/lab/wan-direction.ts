/**
 * One direction of a WAN link: a queue in which bytes wait for as long as the distance takes.
 *
 *     offer ──► serialised by the bandwidth ──► on the way: delay + jitter ──► delivered
 *
 * Invariant: what was offered is delivered once and in order, never before its time, or dropped by `drop`; whatever happens
 * to the delay meanwhile, nothing overtakes. One timer serves the whole direction.
 */

/** What a direction does to bytes. */
export interface Course {
  /** One way. */
  readonly delayMs: number;
  /** Up to this much is added, by chance. */
  readonly jitterMs: number;
  /** Bytes a second; null is unlimited. */
  readonly bytesPerSecond: number | null;
}

/** The time and the timers of this process, so that tests can bring their own. */
export interface Clock {
  /** Milliseconds that never go back. */
  nowMs(): number;
  /** Calls `run` in about `ms`; returns how to take it back. */
  later(ms: number, run: () => void): () => void;
  /** Chance between 0 and 1. */
  random(): number;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  later: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  random: Math.random,
};

type Parcel = { dueMs: number; bytes: number; deliver: () => void };

/** Timers count whole milliseconds and fire late. What is due within this is delivered now, so that the error is around zero. */
const EARLY_MS = 0.5;

export class WanDirection {
  course: Course;
  readonly #clock: Clock;
  #queue: Parcel[] = [];
  #head = 0;
  #queuedBytes = 0;
  #lineFreeAtMs = 0;
  #lastDueMs = 0;
  #cancel: (() => void) | null = null;

  constructor(course: Course, clock: Clock) {
    this.course = course;
    this.#clock = clock;
  }

  /** Bytes that are on their way. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Sends `bytes` bytes, whose arrival is `deliver`. */
  offer(bytes: number, deliver: () => void): void {
    const { delayMs, jitterMs, bytesPerSecond } = this.course;
    const nowMs = this.#clock.nowMs();
    const lineMs = bytesPerSecond === null ? 0 : (bytes / bytesPerSecond) * 1000;
    this.#lineFreeAtMs = Math.max(nowMs, this.#lineFreeAtMs) + lineMs;
    const dueMs = Math.max(
      this.#lastDueMs,
      this.#lineFreeAtMs + delayMs + jitterMs * this.#clock.random(),
    );
    this.#lastDueMs = dueMs;
    this.#queue.push({ dueMs, bytes, deliver });
    this.#queuedBytes += bytes;
    if (this.#cancel === null) this.#deliverDue();
  }

  /** Loses everything that is on its way. */
  drop(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#queue = [];
    this.#head = 0;
    this.#queuedBytes = 0;
  }

  #deliverDue(): void {
    this.#cancel = null;
    const nowMs = this.#clock.nowMs();
    for (;;) {
      const next = this.#queue[this.#head];
      if (next === undefined) {
        this.#queue.length = 0;
        this.#head = 0;
        return;
      }
      if (next.dueMs > nowMs + EARLY_MS) {
        this.#cancel = this.#clock.later(next.dueMs - nowMs, () => this.#deliverDue());
        return;
      }
      // Emptied from the front in strides: shifting a long array for every parcel would cost its length each time.
      if (++this.#head > 1024) {
        this.#queue.splice(0, this.#head);
        this.#head = 0;
      }
      this.#queuedBytes -= next.bytes;
      next.deliver();
    }
  }
}
