/**
 * Hunt: runs outages until one breaks a promise: exit 1 and the seed; 0 when none of `--seeds` did. For mutants, and for seeds by the million.
 */
import { parseArgs } from "node:util";
import { runOutages } from "./outages.ts";

const { values } = parseArgs({ options: { seeds: { type: "string", default: "300" } } });

for (let seed = 1; seed <= Number(values.seeds); seed++) {
  const [broken] = runOutages(seed).broken;
  if (broken === undefined) continue;
  console.log(broken);
  process.exit(1);
}
