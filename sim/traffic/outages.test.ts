import assert from "node:assert/strict";
import { test } from "node:test";
import { runOutages } from "./outages.ts";

/** `ATOLL_TRAFFIC_SEEDS=10000` for all that were ever run; `ATOLL_TRAFFIC_FROM` for others. */
const SEEDS = Number(process.env["ATOLL_TRAFFIC_SEEDS"] ?? 60);
const FROM = Number(process.env["ATOLL_TRAFFIC_FROM"] ?? 1);

test("no outage, flap, cut or old plan empties an answer, breaks residency or moves who need not move", () => {
  const met = { moves: 0, returns: 0, stalePlans: 0, answers: 0 };
  const detectionMs: number[] = [];
  for (let seed = FROM; seed < FROM + SEEDS; seed++) {
    const report = runOutages(seed);
    assert.deepEqual(report.broken, []);
    for (const key of ["moves", "returns", "stalePlans", "answers"] as const)
      met[key] += report[key];
    detectionMs.push(...report.detectionMs);
  }
  // A run that met nothing has shown nothing.
  for (const [what, count] of Object.entries(met)) assert.ok(count > 0, `there were no ${what}`);
  detectionMs.sort((a, b) => a - b);
  assert.ok((detectionMs[Math.floor(detectionMs.length * 0.99)] ?? Infinity) <= 10_000);
  if (process.env["ATOLL_TRAFFIC_SEEDS"] !== undefined)
    console.log(
      JSON.stringify({
        seeds: SEEDS,
        ...met,
        detections: detectionMs.length,
        p50Ms: detectionMs[detectionMs.length >> 1],
        p99Ms: detectionMs[Math.floor(detectionMs.length * 0.99)],
      }),
    );
});

test("a seed is the same run each time", () => {
  assert.deepEqual(runOutages(4), runOutages(4));
});
