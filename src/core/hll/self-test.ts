/**
 * SelfTest: what PFSELFTEST tries: that registers keep what is written to them, that both forms count alike, and that the
 * estimates are as near as they should be.
 *
 * Invariant: it takes some tens of milliseconds, because other clients wait meanwhile.
 */
import { Element } from "./element.ts";
import { estimateText } from "./estimate.ts";
import { HyperLogLog } from "./hyperloglog.ts";
import { DENSE_BYTES, denseRegister, REGISTERS, setDenseRegister } from "./text.ts";

const ELEMENTS = 10_000;
/** The standard error of as many registers, and how often it may be met before something is wrong. */
const ERROR = 1.04 / Math.sqrt(REGISTERS);
const ERRORS_MAX = 6;

/** What failed, or null. `chance` draws from [0, 1). */
export function selfTest(chance: () => number): string | null {
  return testRegisters(chance) ?? testEstimates(chance);
}

function testRegisters(chance: () => number): string | null {
  const bytes = Buffer.alloc(DENSE_BYTES);
  const values = Uint8Array.from({ length: REGISTERS }, () => chance() * 64);
  values.forEach((value, i) => {
    setDenseRegister(bytes, i, value);
  });
  const wrong = values.findIndex((value, i) => denseRegister(bytes, 0, i) !== value);
  if (wrong < 0) return null;
  return `Register ${wrong} should be ${values[wrong]} but is ${denseRegister(bytes, 0, wrong)}`;
}

function testEstimates(chance: () => number): string | null {
  const sparse = new HyperLogLog();
  const dense = new HyperLogLog();
  dense.makeDense();
  const element = new Element();
  const bytes = Buffer.alloc(8);
  const seed = Math.floor(chance() * 2 ** 32);
  for (let count = 1, look = 1; count <= ELEMENTS; count++) {
    bytes.writeUInt32LE(count, 0);
    bytes.writeUInt32LE(seed, 4);
    element.read(bytes, 0, 8);
    if (!sparse.dense) sparse.raise(element.index, element.run, DENSE_BYTES);
    dense.raise(element.index, element.run);
    if (count < look) continue;
    look *= 10;
    const estimate = estimateText(dense.text(), 0, DENSE_BYTES, "dense") as number;
    const text = sparse.text();
    if (!sparse.dense && estimateText(text, 0, text.length, "sparse") !== estimate)
      return "dense/sparse disagree";
    const error = Math.abs(estimate - count);
    if (error > Math.ceil(ERROR * ERRORS_MAX * count))
      return `Too big error. card:${count} abserr:${error}`;
  }
  return null;
}
