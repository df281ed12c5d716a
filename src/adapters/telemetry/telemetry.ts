/**
 * Telemetry: the node's counters as Prometheus wants them.
 *
 * Invariant: nothing here runs per command. The hot path counts in its own arrays; a scrape reads the node's status once and
 * writes text, at most once a second however many scrape (a large text takes milliseconds of the event loop).
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Gauge, type MetricType, Registry } from "prom-client";
import type { NodeStatus } from "../../host/status.ts";
import type { MetricDefinition, Reading } from "./metric.ts";
import { METRICS } from "./metrics.ts";

export interface Telemetry extends Disposable {
  /** The text of now, or of less than a second ago, with its content type. */
  metrics(): Promise<{ contentType: string; body: string }>;
}

const FRESH_MS = 1000;
const LOOP_SAMPLE_MS = 20;
const LOOP_QUANTILES = ["0.5", "0.99", "1"];

/** `nowMs` is any clock that only runs forward. */
export function createTelemetry(
  status: () => NodeStatus,
  nowMs: () => number = () => performance.now(),
): Telemetry {
  const loop = monitorEventLoopDelay({ resolution: LOOP_SAMPLE_MS });
  loop.enable();
  const read = (): Reading => {
    const cpu = process.cpuUsage();
    const reading = {
      status: status(),
      loopDelaySeconds: LOOP_QUANTILES.map((quantile) => ({
        quantile,
        // What is recorded is the time between two samples, so a loop that is never late shows the interval itself.
        seconds: Math.max(0, loop.percentile(Number(quantile) * 100) / 1e9 - LOOP_SAMPLE_MS / 1e3),
      })),
      cpuSeconds: { user: cpu.user / 1e6, system: cpu.system / 1e6 },
    };
    loop.reset();
    return reading;
  };
  const registry = new Registry();
  let reading: Reading;
  for (const definition of METRICS)
    registry.registerMetric(new CopiedMetric(definition, () => reading));

  let scraped: Promise<{ contentType: string; body: string }> | null = null;
  let scrapedAtMs = 0;
  return {
    metrics() {
      if (scraped !== null && nowMs() - scrapedAtMs < FRESH_MS) return scraped;
      scrapedAtMs = nowMs();
      const text = scrape();
      scraped = text;
      // A failure is not for the next one to see.
      text.catch(() => {
        if (scraped === text) scraped = null;
      });
      return text;
    },
    [Symbol.dispose]: () => {
      loop.disable();
    },
  };

  async function scrape(): Promise<{ contentType: string; body: string }> {
    reading = read();
    return { contentType: registry.contentType, body: await registry.metrics() };
  }
}

/**
 * A metric whose samples are copied when it is asked for. The library's own count for themselves: their histograms cannot be
 * given counts that were made elsewhere, and their gauges show 0 for what is not known.
 */
class CopiedMetric extends Gauge {
  readonly #definition: MetricDefinition;
  readonly #reading: () => Reading;

  constructor(definition: MetricDefinition, reading: () => Reading) {
    // It is put into our registry by hand, or it would also stand in the library's global one.
    super({ name: definition.name, help: definition.help, registers: [] });
    this.#definition = definition;
    this.#reading = reading;
  }

  override async get(): Promise<Awaited<ReturnType<Gauge["get"]>>> {
    const { name, type, read } = this.#definition;
    const values = read(this.#reading()).flatMap(({ labels, value, suffix }) =>
      value === null ? [] : [{ labels: labels ?? {}, value, metricName: name + (suffix ?? "") }],
    );
    // The library's types call it a number, its text is written from the word.
    return { ...(await super.get()), type: type as unknown as MetricType, values };
  }
}
