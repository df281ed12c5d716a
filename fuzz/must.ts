/** Must: what every target says of what it sees, and how it cuts streams. */

/** Throws when `condition` does not hold: the fuzzer has found something. */
export function must(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`broken: ${message}`);
}

/** `bytes` from `from` on in pieces; `how` decides where they are cut: 0 to 127 nowhere, beyond that ever more often. */
export function pieces(bytes: Buffer, from: number, how: number): Buffer[] {
  if (how < 128) return [bytes.subarray(from)];
  const mean = how >= 250 ? 1 : 256 - how;
  const cut: Buffer[] = [];
  let noise = how;
  for (let at = from; at < bytes.length;) {
    noise = (Math.imul(noise, 1_103_515_245) + 12_345) >>> 0;
    const end = Math.min(bytes.length, at + 1 + ((noise >>> 16) % (2 * mean - 1)));
    cut.push(bytes.subarray(at, end));
    at = end;
  }
  return cut;
}
