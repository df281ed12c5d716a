/**
 * Timeline: virtual time and everything that is going to happen in it.
 *
 *   at(time, …) ─► heap by (time, order of asking) ─► one event at a time ─► promises drained ─► the next
 *
 * Invariant: events happen in the order of their times and, at the same time, of their asking. The few promises of the host are
 * carried on to their end before the next event, so what happens between two events never depends on how long it took.
 *
 * Times are whole microseconds since the simulation began.
 */
import type { Trace } from "./trace.ts";

/** Whose event it is: events of a machine that has been killed since are dropped, those of a paused one wait. */
export interface Owner {
  readonly name: string;
  /** Grows whenever the process ends: events of an earlier life never happen. */
  life: number;
  paused: boolean;
  /** What came while it was paused. */
  readonly missed: Event[];
}

export interface Event {
  at: number;
  order: number;
  readonly kind: string;
  readonly owner: Owner | null;
  readonly life: number;
  readonly happen: () => void;
}

// Taken before a sandbox may replace it.
const { setImmediate } = globalThis;
const drained = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** More than ever happens within a millisecond, unless something goes on and on without waiting. */
const STORM_EVENTS = 200_000;

export class Timeline {
  readonly #heap: Event[] = [];
  readonly #trace: Trace;
  #order = 0;
  now = 0;
  /** Messages delivered, disk operations completed, client commands carried out, and timers that did something. */
  events = 0;
  /** What processes have done that shows outside of them: bytes sent, given to the disk, answered. */
  deeds = 0;
  /** Something may have left a promise behind. */
  stirred = false;
  /** While positive, every event may. */
  stirring = 0;
  #stopped = false;
  /** Since when `#lapEvents` are counted. */
  #lapUs = 0;
  #lapEvents = 0;

  constructor(trace: Trace) {
    this.#trace = trace;
  }

  get nowMs(): number {
    return this.now / 1000;
  }

  /** `afterUs` from now. */
  after(afterUs: number, kind: string, owner: Owner | null, happen: () => void): void {
    this.#push({
      at: this.now + Math.max(0, Math.round(afterUs)),
      order: this.#order++,
      kind,
      owner,
      life: owner?.life ?? 0,
      happen,
    });
  }

  /** What a machine missed while it was paused happens now. */
  resume(owner: Owner): void {
    owner.paused = false;
    for (const event of owner.missed.splice(0)) {
      event.at = this.now;
      event.order = this.#order++;
      this.#push(event);
    }
  }

  /** Ends `run` after the event that is happening. */
  stop(): void {
    this.#stopped = true;
  }

  /** Lets time pass until `untilUs`. */
  async run(untilUs: number): Promise<void> {
    while (!this.#stopped) {
      const next = this.#heap[0];
      if (next === undefined || next.at > untilUs) break;
      this.#pop();
      this.now = next.at;
      this.#notice(next);
      const { owner } = next;
      if (owner !== null) {
        if (owner.life !== next.life) continue;
        if (owner.paused) {
          owner.missed.push(next);
          continue;
        }
      }
      this.#trace.event(next.at, next.kind, owner?.name ?? "");
      next.happen();
      if (this.stirred || this.stirring > 0) {
        this.stirred = false;
        await drained();
      }
    }
    if (!this.#stopped) this.now = Math.max(this.now, untilUs);
  }

  /** Throws where so much happens within a millisecond that time stands still. */
  #notice({ at, kind, owner }: Event): void {
    if (at - this.#lapUs >= 1_000) {
      this.#lapUs = at;
      this.#lapEvents = 0;
    } else if (++this.#lapEvents > STORM_EVENTS)
      throw new Error(
        `time stands still: over ${STORM_EVENTS} events in a millisecond, the last "${kind}" of ${owner?.name ?? "nobody"}`,
      );
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(event);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent] as Event;
      if (!isBefore(event, above)) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    const { length } = heap;
    if (length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= length) break;
      if (child + 1 < length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child++;
      const below = heap[child] as Event;
      if (!isBefore(below, last)) break;
      heap[i] = below;
      i = child;
    }
    heap[i] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at !== b.at ? a.at < b.at : a.order < b.order;
}
