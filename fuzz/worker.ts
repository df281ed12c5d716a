/**
 * Worker: one target's run, in a thread of its own, so that the main thread still lives when an input never comes to its end.
 *
 * Invariant: before an input is fed, its bytes lie in shared memory: `u32 count │ u32 length │ bytes`.
 */
import { parentPort, workerData } from "node:worker_threads";
import { fuzz, type Report } from "./engine.ts";
import { INPUT_BYTES_MAX } from "./mutate.ts";
import { regressions } from "./regressions.ts";
import { newTarget } from "./targets.ts";

export interface Task {
  readonly target: string;
  readonly inputs: number;
  readonly seed: number;
  readonly guided: number;
  readonly box: SharedArrayBuffer;
}

export type Message =
  | { readonly type: "progress"; readonly inputs: number; readonly blocks: number }
  | { readonly type: "report"; readonly report: Report };

export const BOX_BYTES: number = 8 + 4 * INPUT_BYTES_MAX;

if (parentPort !== null) {
  const { target, inputs, seed, guided, box } = workerData as Task;
  const marks = new Uint32Array(box, 0, 2);
  const bytes = new Uint8Array(box, 8);
  // A thread has no origin to name.
  // oxlint-disable-next-line unicorn/require-post-message-target-origin
  const tell = (message: Message): void => parentPort?.postMessage(message);
  const report = await fuzz(newTarget(target), {
    inputs,
    seed,
    guided,
    seeds: regressions(target).flatMap(({ inputs: known }) => known),
    watch: (input) => {
      bytes.set(input.subarray(0, bytes.length));
      marks[1] = Math.min(input.length, bytes.length);
      Atomics.add(marks, 0, 1);
    },
    progress: (fed, blocks) => tell({ type: "progress", inputs: fed, blocks }),
  });
  tell({ type: "report", report });
}
