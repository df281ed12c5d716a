/**
 * SipHash-2-4 (Aumasson and Bernstein): 64 bits that nobody can find for other bytes without the key.
 *
 * Invariant: a function of key and bytes alone. It is not for hot paths: a word takes a microsecond here.
 */

/** The mark of `bytes` under a key of 16 bytes. */
export function sipHash(key: Buffer, bytes: Buffer): bigint {
  const k0 = key.readBigUInt64LE(0);
  const k1 = key.readBigUInt64LE(8);
  const state: State = [
    k0 ^ 0x736f6d6570736575n,
    k1 ^ 0x646f72616e646f6dn,
    k0 ^ 0x6c7967656e657261n,
    k1 ^ 0x7465646279746573n,
  ];
  const whole = bytes.length - (bytes.length % 8);
  const last = Buffer.alloc(8);
  bytes.copy(last, 0, whole);
  last[7] = bytes.length & 0xff;
  for (let at = 0; at < whole; at += 8) absorb(state, bytes.readBigUInt64LE(at));
  absorb(state, last.readBigUInt64LE(0));
  state[2] ^= 0xffn;
  for (let i = 0; i < 4; i++) round(state);
  return state[0] ^ state[1] ^ state[2] ^ state[3];
}

type State = [bigint, bigint, bigint, bigint];

function absorb(state: State, word: bigint): void {
  state[3] ^= word;
  round(state);
  round(state);
  state[0] ^= word;
}

function round(state: State): void {
  let [v0, v1, v2, v3] = state;
  v0 = add(v0, v1);
  v1 = rotate(v1, 13n) ^ v0;
  v0 = rotate(v0, 32n);
  v2 = add(v2, v3);
  v3 = rotate(v3, 16n) ^ v2;
  v0 = add(v0, v3);
  v3 = rotate(v3, 21n) ^ v0;
  v2 = add(v2, v1);
  v1 = rotate(v1, 17n) ^ v2;
  v2 = rotate(v2, 32n);
  state[0] = v0;
  state[1] = v1;
  state[2] = v2;
  state[3] = v3;
}

function add(a: bigint, b: bigint): bigint {
  return BigInt.asUintN(64, a + b);
}

function rotate(word: bigint, by: bigint): bigint {
  return BigInt.asUintN(64, word << by) | (word >> (64n - by));
}
