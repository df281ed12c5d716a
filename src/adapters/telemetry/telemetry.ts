/**
 * Telemetry: the node's counters as Prometheus wants them.
 *
 * Invariant: nothing here runs per command. The hot path counts in its own arrays; a scrape reads the node's status once and
 * writes text, at most once a second however many scrape (a large text takes milliseconds of the event loop).
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Gauge, type MetricType, Registry } from "prom-client";
import type { NodeStatus } from "../../host/status.ts";
import type { TrafficFigures } from "../../host/traffic-figures.ts";
import type { MetricDefinition, Reading } from "./metric.ts";
import { METRICS } from "./metrics.ts";
import { TRAFFIC_METRICS } from "./traffic-metrics.ts";

export interface Telemetry extends Disposable {
  /** The text of now, or of less than a second ago, with its content type. */
  metrics(): Promise<{ contentType: string; body: string }>;
}

const FRESH_MS = 1000;
const LOOP_SAMPLE_MS = 20;
const LOOP_QUANTILES = ["0.5", "0.99", "1"];

/** Of a node. `nowMs` is any clock that only runs forward; `traffic` is null where nothing is routed. */
export function createTelemetry(
  status: () => NodeStatus,
  nowMs: () => number = () => performance.now(),
  traffic: () => TrafficFigures | null = () => null,
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
      traffic: traffic(),
    };
    loop.reset();
    return reading;
  };
  return { metrics: textOf(METRICS, read, nowMs), [Symbol.dispose]: () => void loop.disable() };
}

/** Of a gateway that is no node. */
export function createTrafficTelemetry(traffic: () => TrafficFigures): Telemetry["metrics"] {
  return textOf(
    TRAFFIC_METRICS,
    () => ({ traffic: traffic() }),
    () => performance.now(),
  );
}

function textOf<R>(
  definitions: readonly MetricDefinition<R>[],
  read: () => R,
  nowMs: () => number,
): Telemetry["metrics"] {
  const registry = new Registry();
  let reading: R;
  for (const definition of definitions)
    registry.registerMetric(new CopiedMetric(definition, () => reading));
  const scrape = async (): Promise<{ contentType: string; body: string }> => {
    reading = read();
    return { contentType: registry.contentType, body: await registry.metrics() };
  };
  let scraped: Promise<{ contentType: string; body: string }> | null = null;
  let scrapedAtMs = 0;
  return () => {
    if (scraped !== null && nowMs() - scrapedAtMs < FRESH_MS) return scraped;
    scrapedAtMs = nowMs();
    const text = scrape();
    scraped = text;
    // A failure is not for the next one to see.
    text.catch(() => {
      if (scraped === text) scraped = null;
    });
    return text;
  };
}

/**
 * A metric whose samples are copied when it is asked for. The library's own count for themselves: their histograms cannot be
 * given counts that were made elsewhere, and their gauges show 0 for what is not known.
 */
class CopiedMetric<R> extends Gauge {
  readonly #definition: MetricDefinition<R>;
  readonly #reading: () => R;

  constructor(definition: MetricDefinition<R>, reading: () => R) {
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
