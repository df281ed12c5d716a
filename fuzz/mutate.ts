/**
 * Mutate: another input out of one or two that are worth it: a few changes of the kinds that parsers get wrong.
 *
 * Invariant: the result depends on the inputs and the chance alone and is at most `INPUT_BYTES_MAX` long.
 */
import type { Chance } from "../sim/world/chance.ts";

export const INPUT_BYTES_MAX = 4_096;

/** Lengths, counts and edges as the formats write them: big endian, varints, decimal. */
const EDGES: readonly Buffer[] = [
  ...["00", "01", "7f", "80", "ff", "ffff", "7fffffff", "80000000", "ffffffff", "ffffffffffff"],
  ...["8001", "ff7f", "ffffffff0f", "ffffffffffffff7f", "ffffffffffffff0f", "0000000000000000"],
  ...["7ff8000000000000", "7ff0000000000000", "ffffffffffffffff", "0d0a"],
].map((hex) => Buffer.from(hex, "hex"));
const WORDS: readonly Buffer[] = [
  ...["-1", "0", "2147483648", "9223372036854775807", "-9223372036854775808", "1e400", "nan"],
  ...["\r\n", "*", "$", "*-1\r\n", "*0\r\n", "$-1\r\n", '"', "'", "\0", "POST / HTTP/1.1\r\n"],
].map((text) => Buffer.from(text, "latin1"));

export function mutate(input: Buffer, other: Buffer, chance: Chance): Buffer {
  let bytes = input;
  for (let left = 1 + chance.below(chance.is(0.2) ? 8 : 3); left > 0; left--)
    bytes = change(bytes, other, chance);
  return bytes.length > INPUT_BYTES_MAX ? bytes.subarray(0, INPUT_BYTES_MAX) : bytes;
}

function change(bytes: Buffer, other: Buffer, chance: Chance): Buffer {
  const at = chance.below(bytes.length + 1);
  const length = 1 + chance.below(chance.is(0.8) ? 8 : 200);
  switch (chance.below(9)) {
    case 0:
    case 1: {
      if (at === bytes.length) return bytes;
      const copy = Buffer.from(bytes);
      copy[at] = chance.is(0.5)
        ? chance.below(256)
        : (bytes[at] as number) ^ (1 << chance.below(8));
      return copy;
    }
    case 2: {
      if (at === bytes.length) return bytes;
      const copy = Buffer.from(bytes);
      copy[at] = (bytes[at] as number) + chance.between(-3, 3);
      return copy;
    }
    case 3:
      return splice(bytes, at, length, Buffer.alloc(0));
    case 4: {
      const from = chance.below(bytes.length + 1);
      return splice(bytes, at, 0, bytes.subarray(from, from + length));
    }
    case 5: {
      const from = chance.below(other.length + 1);
      return splice(bytes, at, chance.is(0.5) ? length : 0, other.subarray(from, from + length));
    }
    case 6: {
      const edge = chance.pick(EDGES);
      return splice(bytes, at, chance.is(0.7) ? edge.length : 0, edge);
    }
    case 7: {
      const word = chance.pick(WORDS);
      return splice(bytes, at, chance.is(0.5) ? word.length : 0, word);
    }
    default:
      return Buffer.concat([bytes.subarray(0, at), other.subarray(chance.below(other.length + 1))]);
  }
}

/** `bytes` with `count` of them from `at` on replaced by `put`. */
function splice(bytes: Buffer, at: number, count: number, put: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + count)]);
}
