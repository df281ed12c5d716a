/**
 * Heartbeat: when somebody is asked whether he is there, and what his silence means.
 *
 *     every 250 ms: asked ─► answered, and how fast
 *     a second without an answer, or two connections in a row that end ─► lost
 *
 * Invariant: silence is counted in ticks: who asks and stands still himself finds the answers that came meanwhile, and takes nobody for dead.
 * Nobody is lost twice without an answer in between.
 */
const IDLE_MS = 250;
const RECONNECT_MS = 200;
/** Ticks without an answer after which somebody is lost: a second. */
const SILENT_TICKS = 20;
/** How much a new round trip counts in the average. */
const LATENCY_SHARE = 0.2;

export class Heartbeat {
  /** Whether there was an answer to the last question. */
  isUp = false;
  latencyMs: number | null = null;
  #isAsked = false;
  /** Connections that ended in a row. */
  #failures = 0;
  #silentTicks = 0;
  #nextMs = 0;
  /** Since it was lost last. */
  #hasAnswered = false;

  /** What is to be done now: to ask, or to give up the connection that the last question went out on. */
  tick(nowMs: number, isUrgent: boolean): "ask" | "silent" | "wait" {
    if (this.#isAsked) return ++this.#silentTicks >= SILENT_TICKS ? "silent" : "wait";
    if (nowMs < this.#nextMs && !(isUrgent && this.isUp)) return "wait";
    this.#isAsked = true;
    this.#silentTicks = 0;
    this.#nextMs = nowMs + IDLE_MS;
    return "ask";
  }

  /** `tookMs` is null when it says nothing: the first answer waited for the connection too. */
  answered(isReady: boolean, tookMs: number | null): void {
    this.isUp = isReady;
    if (isReady) {
      this.#hasAnswered = true;
      this.#failures = 0;
    }
    if (tookMs === null) return;
    const { latencyMs } = this;
    this.latencyMs = latencyMs === null ? tookMs : latencyMs + (tookMs - latencyMs) * LATENCY_SHARE;
  }

  /** All that was asked for is there. */
  done(): void {
    this.#isAsked = false;
  }

  /** The connection is gone. True when that is the news that he is lost: one that ends may be an accident. */
  ended(nowMs: number, isSilent: boolean): boolean {
    this.#isAsked = false;
    this.#failures++;
    this.#nextMs = this.#failures === 1 ? nowMs : nowMs + RECONNECT_MS;
    this.isUp = false;
    if (!this.#hasAnswered || (!isSilent && this.#failures === 1)) return false;
    this.#hasAnswered = false;
    return true;
  }
}
