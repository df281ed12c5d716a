/**
 * RetryBudget: how much may be asked a second time.
 *
 * Invariant: retries never add more than a fifth to the load, beside three a second, so they do not help a cluster that is overloaded to
 * fall. What was not spent is worth ten seconds at most.
 */
const SHARE = 0.2;
const PER_SECOND = 3;
const SECONDS = 10;

export class RetryBudget {
  #fromRequests = 0;
  #floor = PER_SECOND * SECONDS;
  #atMs = 0;

  /** So many requests were made for the first time. */
  made(count: number, nowMs: number): void {
    this.#pass(nowMs);
    this.#fromRequests += count * SHARE;
  }

  /** Whether one more may be made again. It is spent, then. */
  take(nowMs: number): boolean {
    this.#pass(nowMs);
    if (this.#floor >= 1) this.#floor--;
    else if (this.#fromRequests >= 1) this.#fromRequests--;
    else return false;
    return true;
  }

  /** What requests have earned fades; what time gives grows. */
  #pass(nowMs: number): void {
    const seconds = Math.max(0, nowMs - this.#atMs) / 1_000;
    this.#atMs = Math.max(nowMs, this.#atMs);
    this.#floor = Math.min(PER_SECOND * SECONDS, this.#floor + seconds * PER_SECOND);
    this.#fromRequests *= Math.exp(-seconds / SECONDS);
  }
}
