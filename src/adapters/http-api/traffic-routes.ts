/**
 * TrafficRoutes: routing over HTTP: what regions tell one another, what operators ask and decide.
 *
 *   /traffic          what this region sees of the others, and the plan; 503 while it serves nobody itself
 *   /traffic/status   verdicts with their evidence, troubles, the audit
 *   /traffic/explain  ?name=app&address=203.0.113.9 (or country=, continent=, region=): why the answer is what it is
 *   /traffic/latecomers  ?region=us-east: who comes to it although it is drained, as far as this node sees
 *   /traffic/plan     the plan; POST makes the next one
 *
 * Invariant: a change is made whole and stored before it is confirmed, or refused with the reason.
 */
import type { Shift } from "../../core/routing/plan.ts";

/** What these routes need of a node's router. */
export interface TrafficApi {
  readonly nowMs: number;
  readonly ttlMax: number;
  view(): { readonly plan: { readonly number: number } };
  status(): unknown;
  latecomers(region: string): unknown;
  explainTo(
    rule: string,
    from: { address?: string; country?: string; continent?: string; region?: string },
  ): readonly string[] | null;
  change(
    change: { base: number | null; why: string; shifts: Record<string, Shift | null> },
    isForced: boolean,
  ): string | null;
}

/** A value to be sent as JSON, or what is wrong with the question. */
export type Told =
  { readonly value: unknown } | { readonly status: number; readonly error: string };

/** A shift by hand ends after this, unless it is said for how long. */
const HOUR_MS = 3_600_000;
const MODES = ["serving", "standby", "drained"] as const;
const FROM = ["address", "country", "continent", "region"] as const;

export function explainRoute(traffic: TrafficApi, query: URLSearchParams): Told {
  const name = query.get("name");
  if (name === null) return { status: 400, error: "say which name: ?name=app" };
  const from: Partial<Record<(typeof FROM)[number], string>> = {};
  for (const key of FROM) {
    const value = query.get(key);
    if (value !== null) from[key] = value;
  }
  const lines = traffic.explainTo(name, from);
  return lines === null
    ? { status: 404, error: `no name ${name} is steered here` }
    : { value: { name, explanation: lines } };
}

/** `?region=us-east&mode=drained[&weight=1][&forMs=3600000|forMs=ever][&lead=no][&base=7][&force=yes][&why=…]` */
export function planRoute(traffic: TrafficApi, query: URLSearchParams): Told {
  const region = query.get("region") ?? "";
  const mode = query.get("mode");
  const shift = mode === "configured" ? null : shiftOf(traffic, query, mode);
  if (typeof shift === "string") return { status: 400, error: shift };
  const base = numberOf(query, "base", null);
  if (base === undefined) return { status: 400, error: "base must be the number of a plan" };
  const why = query.get("why") ?? `${region} ${mode ?? ""}`;
  const refused = traffic.change(
    { base, why: why.slice(0, 200), shifts: { [region]: shift } },
    query.get("force") === "yes",
  );
  return refused === null ? { value: traffic.view().plan } : { status: 409, error: refused };
}

function shiftOf(traffic: TrafficApi, query: URLSearchParams, text: string | null): Shift | string {
  const mode = MODES.find((one) => one === text);
  if (mode === undefined) return `mode must be ${MODES.join(", ")} or configured`;
  const weight = numberOf(query, "weight", 1);
  const forMs = query.get("forMs") === "ever" ? null : numberOf(query, "forMs", HOUR_MS);
  if (weight === undefined || weight === null) return "weight must be a number";
  if (forMs === undefined) return "forMs must be milliseconds, or ever";
  // Who has an answer keeps it for its time: those given from now on live shortly, and then the shift begins.
  const lead = query.get("lead") ?? (mode === "drained" ? "yes" : "no");
  if (lead !== "yes" && lead !== "no") return "lead must be yes or no";
  const fromMs = traffic.nowMs + (lead === "yes" ? traffic.ttlMax * 1000 : 0);
  return { mode, weight, fromMs, untilMs: forMs === null ? null : fromMs + forMs };
}

/** Undefined when what stands there is none. */
function numberOf<T>(query: URLSearchParams, key: string, otherwise: T): number | T | undefined {
  const text = query.get(key);
  if (text === null) return otherwise;
  const value = text === "" ? Number.NaN : Number(text);
  return Number.isFinite(value) && value >= 0 ? value : undefined;
}
