/**
 * Ceiling: how far the clock may have gone, kept in the log, so that what was promised binds whoever we are after a crash.
 *
 *   wanted ─► block asked for ─► appended ─► durable: promises may reach up to it
 *
 * Invariant: no promise reaches beyond a durable ceiling, and after a restart the clock begins at the newest one. It is at most `AHEAD_MS`
 * ahead of the time or, where the clock is that far ahead itself, `STEP_MS` ahead of the clock: so restarts in quick succession add up
 * to no more than one of them does, unless they take less than a step each, and members that restart in turns do not drive one
 * another on.
 */
import { checkStampMs, type HybridClock } from "../clock/stamp.ts";
import { Malformed } from "../bytes/source.ts";
import { BLOCK_CEILING } from "./record.ts";

const AHEAD_MS = 1_000;
/** How often, and by how much, a clock that is ahead of the time is outrun: what the next life says of itself must be newer than this. */
const STEP_MS = 100;
/** u8 kind, u48 milliseconds */
const BLOCK_BYTES = 7;

export class Ceiling {
  readonly #clock: HybridClock;
  /** The newest durable one, and the newest asked for. */
  #durableMs = 0;
  #askedMs = 0;
  /** The time at which the last one was asked for. */
  #raisedMs = -Infinity;
  /** Those that are appended but not durable. */
  readonly #appended: { readonly to: number; readonly ms: number }[] = [];

  constructor(clock: HybridClock) {
    this.#clock = clock;
  }

  /** No promise made of the ceilings so far reaches beyond, those that are not durable yet included. */
  get newestMs(): number {
    return Math.max(this.#askedMs, this.#durableMs);
  }

  /** A restart begins here or later. */
  get durableMs(): number {
    return this.#durableMs;
  }

  /** The block to append so that promises can go on; null while there is room. */
  raise(nowMs: number): Buffer | null {
    const clockMs = this.#clock.ms;
    const isNear = this.newestMs < nowMs + AHEAD_MS / 2;
    const isBehind = this.newestMs < clockMs + STEP_MS / 2 && nowMs - this.#raisedMs >= STEP_MS;
    if (!isNear && !isBehind) return null;
    this.#raisedMs = nowMs;
    this.#askedMs = Math.max(nowMs + AHEAD_MS, clockMs + STEP_MS);
    return blockOf(this.#askedMs);
  }

  /** A block was appended; `to` is the position behind it. */
  appended(to: number, block: Buffer): void {
    this.#appended.push({ to, ms: msOf(block) });
  }

  /** Everything before `position` survives a crash. */
  stored(position: number): void {
    const count = this.#appended.findLastIndex(({ to }) => to <= position) + 1;
    for (const { ms } of this.#appended.splice(0, count))
      this.#durableMs = Math.max(this.#durableMs, ms);
  }

  /** A block of our own log at a restart: stamps begin behind it. */
  replay(block: Buffer): void {
    if (block.length !== BLOCK_BYTES) throw new Malformed("a ceiling has another length");
    const ms = checkStampMs(msOf(block));
    this.#clock.observe(ms, 0);
    this.#durableMs = Math.max(this.#durableMs, ms);
  }

  /** Promises that no stamp at or before the returned millisecond will be issued from now on. */
  promise(nowMs: number): number {
    const promiseMs = Math.min(Math.max(nowMs, this.#clock.ms), this.#durableMs) - 1;
    if (promiseMs <= 0) return 0;
    this.#clock.observe(promiseMs, 0xffff);
    return promiseMs;
  }

  /** A block that lets stamps begin exactly here after a clean stop. */
  final(nowMs: number): Buffer {
    return blockOf(Math.max(this.#clock.ms, nowMs));
  }
}

function msOf(block: Buffer): number {
  return block.readUIntBE(1, 6);
}

function blockOf(ms: number): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  block[0] = BLOCK_CEILING;
  block.writeUIntBE(ms, 1, 6);
  return block;
}
