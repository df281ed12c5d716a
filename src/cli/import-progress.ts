/**
 * Import progress: one line on stderr that says how far an import is: rewritten where somebody watches, else now and then another one.
 *
 * Invariant: what is noted stands on lines of its own, whole.
 */
import type { Progress } from "../import/progress.ts";

const REWRITE_MS = 200;
const REPEAT_MS = 5_000;
/** A rate is that of about so long. */
const RATE_MS = 5_000;

interface Moment {
  readonly atMs: number;
  readonly keys: number;
  readonly bytes: number;
}

export class ProgressLine {
  readonly #progress: Progress;
  readonly #shows: boolean;
  readonly #rewrites: boolean;
  #timer: NodeJS.Timeout | null = null;
  #moments: Moment[] = [];

  constructor(progress: Progress, shows: boolean) {
    this.#progress = progress;
    this.#shows = shows;
    this.#rewrites = shows && process.stderr.isTTY;
  }

  begin(): void {
    if (!this.#shows) return;
    this.#timer = setInterval(() => this.#show(), this.#rewrites ? REWRITE_MS : REPEAT_MS);
  }

  end(): void {
    if (this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
    if (this.#rewrites) process.stderr.write("\r\u001b[K");
  }

  note(text: string): void {
    process.stderr.write(`${this.#rewrites ? "\r\u001b[K" : ""}atoll: ${text}\n`);
  }

  #show(): void {
    const { keys, compared, bytes, phase } = this.#progress;
    this.#moments.push({
      atMs: performance.now(),
      keys: phase === "comparing" ? compared : keys,
      bytes,
    });
    const oldestMs = performance.now() - RATE_MS;
    while (this.#moments.length > 2 && (this.#moments[0] as Moment).atMs < oldestMs)
      this.#moments.shift();
    const [from, to] = [this.#moments[0], this.#moments.at(-1)] as [Moment, Moment];
    const text = describe(this.#progress, from, to);
    process.stderr.write(this.#rewrites ? `\r${text}\u001b[K` : `${text}\n`);
  }
}

/** The state in words; rates and the time left are told from two moments of it. */
function describe(progress: Progress, from: Moment, to: Moment): string {
  const { phase, keysTotal, bytes, bytesTotal, commands, lagBytes, different } = progress;
  const seconds = (to.atMs - from.atMs) / 1000;
  const keyRate = seconds > 0 ? Math.max(0, (to.keys - from.keys) / seconds) : 0;
  const byteRate = seconds > 0 ? (to.bytes - from.bytes) / seconds : 0;
  const parts: string[] = [phase];
  if (phase === "copying" || phase === "comparing") {
    parts.push(`${to.keys}${keysTotal === null ? "" : ` of ${keysTotal}`} keys`);
    if (keyRate > 0) parts.push(`${Math.round(keyRate)}/s`);
    const [left, rate] =
      keysTotal !== null ? [keysTotal - to.keys, keyRate] : [(bytesTotal ?? 0) - bytes, byteRate];
    if (left > 0 && rate > 0) parts.push(`${Math.ceil(left / rate)} s left`);
  }
  if (phase === "copying") parts.push(`${mebibytes(bytes)} MiB, ${mebibytes(byteRate)} MiB/s`);
  if (phase === "comparing") parts.push(`${different} different`);
  if (phase === "following") parts.push(`${commands} commands, ${mebibytes(byteRate)} MiB/s`);
  if (lagBytes !== null) parts.push(`${lagBytes} bytes behind the source`);
  return parts.join(", ");
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
