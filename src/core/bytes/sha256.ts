/**
 * SHA-256 (FIPS 180-4), in plain code: the core has nobody to ask. Passwords are kept as their hashes.
 *
 *   message ─► padded to blocks of 64 bytes ─► each mixed into eight words ─► those words
 *
 * Invariant: it keeps nothing of what it hashed.
 */

const BLOCK_BYTES = 64;
const LENGTH_BYTES = 8;

/** The fractions of the cube and square roots of the first primes, 32 bits of each. */
const [ROUNDS, START] = ((): [Uint32Array, Uint32Array] => {
  const primes: number[] = [];
  for (let n = 2; primes.length < BLOCK_BYTES; n++)
    if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  const fraction = (x: number): number => Math.floor((x - Math.floor(x)) * 2 ** 32);
  return [
    Uint32Array.from(primes, (prime) => fraction(Math.cbrt(prime))),
    Uint32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime))),
  ];
})();

/** The hash, 32 bytes. */
export function sha256(message: Uint8Array): Buffer {
  const blocks = Math.ceil((message.length + 1 + LENGTH_BYTES) / BLOCK_BYTES);
  const padded = Buffer.alloc(blocks * BLOCK_BYTES);
  padded.set(message);
  padded[message.length] = 0x80;
  const bits = message.length * 8;
  padded.writeUInt32BE(Math.floor(bits / 2 ** 32), padded.length - LENGTH_BYTES);
  padded.writeUInt32BE(bits >>> 0, padded.length - LENGTH_BYTES / 2);
  const state = Uint32Array.from(START);
  const words = new Uint32Array(BLOCK_BYTES);
  for (let at = 0; at < padded.length; at += BLOCK_BYTES) mix(state, words, padded, at);
  padded.fill(0);
  words.fill(0);
  const hash = Buffer.alloc(32);
  for (const [i, word] of state.entries()) hash.writeUInt32BE(word, i * 4);
  return hash;
}

function mix(state: Uint32Array, w: Uint32Array, bytes: Buffer, at: number): void {
  for (let i = 0; i < 16; i++) w[i] = bytes.readUInt32BE(at + i * 4);
  for (let i = 16; i < BLOCK_BYTES; i++) {
    const [x, y] = [w[i - 15] as number, w[i - 2] as number];
    const s0 = turned(x, 7) ^ turned(x, 18) ^ (x >>> 3);
    const s1 = turned(y, 17) ^ turned(y, 19) ^ (y >>> 10);
    w[i] = (w[i - 16] as number) + s0 + (w[i - 7] as number) + s1;
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as Eight;
  for (let i = 0; i < BLOCK_BYTES; i++) {
    const s1 = turned(e, 6) ^ turned(e, 11) ^ turned(e, 25);
    const choice = (e & f) ^ (~e & g);
    const t1 = (h + s1 + choice + (ROUNDS[i] as number) + (w[i] as number)) | 0;
    const s0 = turned(a, 2) ^ turned(a, 13) ^ turned(a, 22);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + s0 + majority) | 0];
  }
  for (const [i, word] of [a, b, c, d, e, f, g, h].entries())
    state[i] = (state[i] as number) + word;
}

type Eight = [number, number, number, number, number, number, number, number];

function turned(x: number, by: number): number {
  return (x >>> by) | (x << (32 - by));
}
