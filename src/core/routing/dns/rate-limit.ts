/**
 * RateLimit: how many answers a second go to one address over UDP, where senders can be made up.
 *
 * Invariant: fixed memory, whoever asks. Addresses that fall together share what they may have, which costs them a question over TCP at
 * most: who is over the limit is told to ask that way, which only someone who is really there can.
 */

export interface RateLimitOptions {
  /** Answers a second to one address (IPv6: one /64). */
  readonly perSecond: number;
  /** Answers at once after a pause. */
  readonly burst: number;
  /** Mixed into where an address falls, so that nobody can choose whom to fall together with. */
  readonly salt: number;
}

const BUCKETS = 1 << 15;

export class RateLimit {
  readonly #options: RateLimitOptions;
  /** What each bucket may still send, and when that was so. */
  readonly #tokens: Float64Array;
  readonly #sinceMs = new Float64Array(BUCKETS);

  constructor(options: RateLimitOptions) {
    this.#options = options;
    this.#tokens = new Float64Array(BUCKETS).fill(options.burst);
  }

  /** Takes one answer out of what `address` may have; false when there is none left. */
  take(address: Buffer, nowMs: number): boolean {
    const { perSecond, burst, salt } = this.#options;
    const at = bucketOf(address, salt);
    const passedMs = Math.max(0, nowMs - (this.#sinceMs[at] as number));
    const tokens = Math.min(burst, (this.#tokens[at] as number) + (passedMs * perSecond) / 1000);
    this.#sinceMs[at] = nowMs;
    this.#tokens[at] = tokens >= 1 ? tokens - 1 : tokens;
    return tokens >= 1;
  }
}

/** FNV-1a over the address, or the network half of one of IPv6, and a last stir. */
function bucketOf(address: Buffer, salt: number): number {
  let hash = salt ^ 0x811c9dc5;
  const end = address.length === 16 ? 8 : address.length;
  for (let i = 0; i < end; i++) hash = Math.imul(hash ^ (address[i] as number), 0x01000193);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) & (BUCKETS - 1);
}
