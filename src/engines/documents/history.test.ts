import { test } from "node:test";
import { History } from "../../core/replica/history.suite.ts";
import { everything, type Weights } from "../../core/replica/operations.suite.ts";
import { DOCUMENTS } from "./documents.ts";

/** Runs a history for each seed; a failure names its seed. */
function run(from: number, count: number, steps: number, weights: Weights): void {
  for (let seed = from; seed < from + count; seed++) {
    const history = new History(seed, weights, [DOCUMENTS]);
    try {
      history.run(steps);
    } catch (error) {
      const last = history.trace.slice(-40).join("\n");
      throw new Error(`seed ${seed}, ${steps} steps; the last of them:\n${last}`, { cause: error });
    }
  }
}

const nothing = Object.fromEntries(Object.keys(everything).map((name) => [name, 0]));
const documents = { ...(nothing as unknown as Weights), document: 6, expire: 1, del: 1 };

test("documents: replicas that applied the same records show the same, and what the records mean", () => {
  run(1, 30, 120, documents);
});

test("documents beside every other type, in dispute and flushed", () => {
  run(1_000, 15, 120, { ...everything, hyperloglog: 2, document: 6, flush: 0.6 });
});
