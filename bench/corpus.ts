/**
 * Corpus: the values of benchmarks that write what is read, sent or kept: small JSON objects as applications have them.
 *
 * Invariant: always the same values, so that figures of bytes are comparable from one day to another; no two are alike, and all have
 * 64 bytes, or any other length that is asked for.
 */

const NAMES = ["Ada", "Bo", "Chidi", "Dana", "Emre", "Fatima", "Goran", "Hana", "Ines", "Jun"];
const PLACES = ["Oslo", "Lima", "Pune", "Kyiv", "Cork", "Bari", "Graz", "Nice", "Riga", "Faro"];
const PLANS = ["free", "team", "pro"];

/** So many values of `bytes` bytes each (at least 48): `{"id":48213,"name":"Ada",…}`. */
export function corpus(count: number, bytes = 64): Buffer[] {
  const random = xorshift(0x9e3779b9);
  return Array.from({ length: count }, () => {
    const pick = (words: readonly string[]): string => words[random() % words.length] as string;
    const head = `{"id":${10_000 + (random() % 90_000)},"name":"${pick(NAMES)}","in":"${pick(PLACES)}","plan":"${pick(PLANS)}"`;
    // What is left is a token, as sessions and references have them: it does not compress.
    let token = "";
    while (token.length < bytes) token += random().toString(36);
    const room = bytes - head.length - ',"t":""}'.length;
    return Buffer.from(
      room > 0 ? `${head},"t":"${token.slice(0, room)}"}` : `${head}}`.padEnd(bytes, " "),
    );
  });
}

/** Marsaglia's xorshift of 32 bits: numbers from 0 to 2^32, the same ones each time. */
export function xorshift(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}
