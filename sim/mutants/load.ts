/**
 * Load: patches a source as it is loaded: `node --import ./sim/mutants/load.ts`, the mutant named by `ATOLL_MUTANT`.
 *
 * Invariant: the patch fitted exactly once, or the process ends with exit code 3.
 */
import { registerHooks } from "node:module";
import { TRAFFIC_MUTANTS } from "../traffic/mutants.ts";
import { MUTANTS } from "./catalogue.ts";

const name = process.env["ATOLL_MUTANT"];
const mutant = [...MUTANTS, ...TRAFFIC_MUTANTS].find((candidate) => candidate.name === name);
let fitted = 0;

function refuse(why: string): never {
  process.stderr.write(`mutant ${name ?? ""}: ${why}\n`);
  process.exit(3);
}

if (mutant === undefined) refuse("there is no such mutant");

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    if (!url.endsWith(`/src/${mutant.file}`)) return loaded;
    const source = Buffer.from(loaded.source as Uint8Array).toString();
    const parts = source.split(mutant.find);
    if (parts.length !== 2) refuse(`its patch fits ${parts.length - 1} times in ${mutant.file}`);
    fitted++;
    return { ...loaded, source: parts.join(mutant.put) };
  },
});

process.on("exit", () => {
  if (fitted !== 1) refuse(`${mutant.file} was loaded ${fitted} times`);
});
