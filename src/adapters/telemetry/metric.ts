/**
 * Metric: what one is, how it is read, and the shapes that most have.
 *
 * Invariant: a value that the node does not know is null, never 0.
 */
import type { Counted } from "../../core/histogram.ts";
import type { TrafficFigures } from "../../host/traffic-figures.ts";
import type { NodeStatus } from "../../host/status.ts";

/** What the metrics are read from. */
export type Reading = {
  status: NodeStatus;
  /** How late the event loop was, since the reading before. */
  loopDelaySeconds: { quantile: string; seconds: number }[];
  cpuSeconds: { user: number; system: number };
  /** Null where nothing is routed. */
  traffic: TrafficFigures | null;
};

export type Sample = {
  labels?: Record<string, string | number>;
  /** Null is not known. */
  value: number | null;
  /** What a histogram's series adds to the name. */
  suffix?: "_bucket" | "_sum" | "_count";
};

export type MetricDefinition<R = Reading> = {
  name: `atoll_${string}`;
  type: "gauge" | "counter" | "histogram";
  unit: "seconds" | "bytes" | "records" | "1";
  labels: string[];
  help: string;
  read: (reading: R) => Sample[];
};

export const seconds = (ms: number | null): number | null => (ms === null ? null : ms / 1000);
export const flag = (value: boolean): number => (value ? 1 : 0);

/** A metric of the whole node. */
export function one(
  name: MetricDefinition["name"],
  type: "gauge" | "counter",
  unit: MetricDefinition["unit"],
  help: string,
  value: (status: NodeStatus) => number | null,
): MetricDefinition {
  return { name, type, unit, labels: [], help, read: ({ status }) => [{ value: value(status) }] };
}

/** A metric of every link, by the member names of both ends: `from` is this replica. */
export function perLink(
  name: MetricDefinition["name"],
  type: "gauge" | "counter",
  unit: MetricDefinition["unit"],
  help: string,
  value: (link: NodeStatus["links"][number]) => number | null,
): MetricDefinition {
  const read = ({ status }: Reading): Sample[] =>
    status.links.map((link) => ({
      labels: { from: status.member, to: link.peer },
      value: value(link),
    }));
  return { name, type, unit, labels: ["from", "to"], help, read };
}

export function perCommand(
  name: MetricDefinition["name"],
  unit: MetricDefinition["unit"],
  help: string,
  value: (command: NodeStatus["commands"][number]) => number,
): MetricDefinition {
  const read = ({ status }: Reading): Sample[] =>
    status.commands.map((command) => ({ labels: { cmd: command.name }, value: value(command) }));
  return { name, type: "counter", unit, labels: ["cmd"], help, read };
}

export function byLabel(
  label: string,
  values: Record<string, number>,
): { labels: Record<string, string>; value: number }[] {
  return Object.entries(values).map(([kind, value]) => ({ labels: { [label]: kind }, value }));
}

/** The series of a histogram without labels. */
export function histogram({ bounds, counts, sum, count }: Counted): Sample[] {
  return [
    ...bounds.map((le, i): Sample => ({
      labels: { le },
      value: counts[i] ?? null,
      suffix: "_bucket",
    })),
    { labels: { le: "+Inf" }, value: count, suffix: "_bucket" },
    { value: sum, suffix: "_sum" },
    { value: count, suffix: "_count" },
  ];
}
