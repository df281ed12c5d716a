/**
 * Regressions: inputs that once found something, and what a good input looks like, one file each: `testdata/fuzz/<target>/*.hex`.
 *
 * A file holds one input a line, in hex, to be fed to a fresh target in order; lines that begin with # say what it was.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";

const root = new URL("../testdata/fuzz/", import.meta.url);

export interface Regression {
  readonly file: string;
  readonly inputs: readonly Buffer[];
}

export function regressions(target: string): Regression[] {
  const folder = new URL(`${target}/`, root);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".hex"))
    .toSorted()
    .map((file) => ({ file, inputs: parseHex(readFileSync(new URL(file, folder), "latin1")) }));
}

/** The inputs in the text of such a file. Throws when a line is not hex. */
export function parseHex(text: string): Buffer[] {
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      if (!/^([0-9a-f]{2})*$/.test(line)) throw new Error(`a line is not hex: ${line}`);
      return Buffer.from(line, "hex");
    });
}
