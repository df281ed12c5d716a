/**
 * Breaker: whether a region is given requests, by what became of the last ones.
 *
 *     closed ── five errors in a row, or more than half of twenty ──► open, 10 s, twice as long each time
 *       ▲                                                               │
 *       └──── after 10 s ──── ramp, ever more ◄── one real request ── probing
 *
 * Invariant: what is open is tried again by a request that somebody really wants, one at a time, never by a probe: a region that answers
 * probes may fail at work. Times in milliseconds, of a clock that does not go back.
 */
export interface BreakerSettings {
  /** The time over which errors are counted, in tenths. */
  readonly windowMs: number;
  /** Fewer requests than so many in a window say nothing. */
  readonly requestsMin: number;
  readonly errorShare: number;
  readonly errorsInRow: number;
  readonly openMs: number;
  readonly openMsMax: number;
  /** Over how long it is given ever more, once it answers again. */
  readonly rampMs: number;
}

export const defaultBreaker: BreakerSettings = {
  windowMs: 10_000,
  requestsMin: 20,
  errorShare: 0.5,
  errorsInRow: 5,
  openMs: 10_000,
  openMsMax: 300_000,
  rampMs: 10_000,
};

type State =
  | { readonly name: "closed" }
  | { readonly name: "open"; readonly untilMs: number }
  | { readonly name: "probing"; readonly sinceMs: number }
  | { readonly name: "ramp"; readonly sinceMs: number };

const CLOSED: State = { name: "closed" };
const TENTHS = 10;

export class Breaker {
  readonly #settings: BreakerSettings;
  #state: State = CLOSED;
  /** How often it opened without having been closed for a while. */
  #falls = 0;
  #errorsInRow = 0;
  readonly #requests = new Float64Array(TENTHS);
  readonly #errors = new Float64Array(TENTHS);
  /** The tenth that is counted in, since the beginning of time. */
  #tenth = 0;

  constructor(settings: BreakerSettings = defaultBreaker) {
    this.#settings = settings;
  }

  /** Whether those who are there should go: not while it is being found out whether it works, nor since. */
  get isOpen(): boolean {
    return this.#state.name === "open";
  }

  /** From 0, given nothing, to 1. What is due to be probed has 0 as well. */
  share(nowMs: number): number {
    const state = this.#state;
    if (state.name === "closed") return 1;
    if (state.name !== "ramp") return 0;
    return Math.min(1, (nowMs - state.sinceMs) / this.#settings.rampMs);
  }

  /** Whether a request may now be the one that finds out. */
  isDue(nowMs: number): boolean {
    const state = this.#state;
    return (
      (state.name === "open" && nowMs >= state.untilMs) ||
      // A request that nobody told the end of must not keep a region out for ever.
      (state.name === "probing" && nowMs - state.sinceMs >= this.#settings.openMs)
    );
  }

  /** That request is on its way. */
  probe(nowMs: number): void {
    this.#state = { name: "probing", sinceMs: nowMs };
  }

  succeeded(nowMs: number, count = 1): void {
    this.#turn(nowMs);
    add(this.#requests, this.#tenth, count);
    this.#errorsInRow = 0;
    const state = this.#state;
    if (state.name === "probing") this.#state = { name: "ramp", sinceMs: nowMs };
    else if (state.name === "ramp" && nowMs - state.sinceMs >= this.#settings.rampMs) {
      this.#state = CLOSED;
      this.#falls = 0;
    }
  }

  failed(nowMs: number): void {
    this.#turn(nowMs);
    add(this.#requests, this.#tenth, 1);
    add(this.#errors, this.#tenth, 1);
    this.#errorsInRow++;
    const { errorsInRow, requestsMin, errorShare } = this.#settings;
    const requests = this.#requests.reduce((sum, one) => sum + one, 0);
    const errors = this.#errors.reduce((sum, one) => sum + one, 0);
    const isBad =
      this.#errorsInRow >= errorsInRow ||
      (requests >= requestsMin && errors > requests * errorShare);
    if (this.#state.name === "probing" || (isBad && !this.isOpen)) this.#open(nowMs);
  }

  /** Opens at once: the region is known to be gone. */
  trip(nowMs: number): void {
    if (!this.isOpen) this.#open(nowMs);
  }

  #open(nowMs: number): void {
    const { openMs, openMsMax } = this.#settings;
    const heldMs = Math.min(openMsMax, openMs * 2 ** this.#falls);
    this.#falls++;
    this.#errorsInRow = 0;
    this.#requests.fill(0);
    this.#errors.fill(0);
    this.#state = { name: "open", untilMs: nowMs + heldMs };
  }

  /** Forgets what is older than the window. */
  #turn(nowMs: number): void {
    const tenth = Math.floor(nowMs / (this.#settings.windowMs / TENTHS));
    for (let left = Math.min(TENTHS, tenth - this.#tenth); left > 0; left--) {
      const at = (tenth - left + 1) % TENTHS;
      this.#requests[at] = 0;
      this.#errors[at] = 0;
    }
    this.#tenth = Math.max(tenth, this.#tenth);
  }
}

function add(counts: Float64Array, tenth: number, count: number): void {
  counts[tenth % TENTHS] = (counts[tenth % TENTHS] as number) + count;
}
