/**
 * Plan: what people have decided about regions, numbered. What regions do by themselves (fail, return) is no plan.
 *
 *     change {based on 7} ─► is 7 still the newest? ─► does enough stay in service? ─► plan 8 ─► stored ─► told to every region
 *
 * Invariant: a plan leaves at least `servingMin` regions in service, now and at every later time, or it is refused, by whoever makes it
 * and by whoever is told of it; an older plan never replaces a newer one. Of two with one number, made on two sides of a cut, all take
 * the same. A shift made by hand ends by itself.
 */
import { isRecord } from "./ballot.ts";

export type Mode =
  /** It has its share of the traffic. */
  | "serving"
  /** It is given traffic only when no other region is left. */
  | "standby"
  /** It is given none, as long as any other is left. */
  | "drained";

export interface Shift {
  readonly mode: Mode;
  /** Its share where regions are drawn; 1 is the usual one. Elsewhere a weight below 1 is that part of its traffic. */
  readonly weight: number;
  /** When it begins: earlier, answers already live only shortly. */
  readonly fromMs: number;
  /** When it ends by itself; null: when somebody ends it. */
  readonly untilMs: number | null;
}

export interface Plan {
  readonly number: number;
  /** The region at which it was made, and why. */
  readonly author: string;
  readonly madeAtMs: number;
  readonly why: string;
  /** Regions that are not named serve. */
  readonly shifts: Readonly<Record<string, Shift>>;
}

export const FIRST_PLAN: Plan = {
  number: 0,
  author: "",
  madeAtMs: 0,
  why: "as configured",
  shifts: {},
};

const SERVES: Shift = { mode: "serving", weight: 1, fromMs: 0, untilMs: null };
const MODES: readonly Mode[] = ["serving", "standby", "drained"];
const PLAN_NUMBER_MAX = 2 ** 48;
/** A plan from elsewhere that runs further ahead than that is a mistake, or meant to be the last one ever. */
const AHEAD_MAX = 1_000_000;

export interface PlanChange {
  /** The number of the plan that it builds on. */
  readonly base: number;
  readonly author: string;
  readonly why: string;
  /** Regions and what becomes of them; null: what the configuration says. */
  readonly shifts: Readonly<Record<string, Shift | null>>;
}

export interface PlanRules {
  readonly regions: readonly string[];
  readonly servingMin: number;
}

/** The next plan, or why there is none. `healthy` are the regions that could take traffic; null where that is not to be asked. */
export function makePlan(
  current: Plan,
  change: PlanChange,
  rules: PlanRules,
  healthy: readonly string[] | null,
  nowMs: number,
): { plan: Plan } | { refused: string } {
  if (change.base !== current.number)
    return {
      refused: `the plan is number ${current.number} by now, not ${change.base}: look at it, then ask again`,
    };
  const shifts: Record<string, Shift> = { ...current.shifts };
  for (const [region, shift] of Object.entries(change.shifts)) {
    if (!rules.regions.includes(region))
      return { refused: `there is no region ${region}; there are ${rules.regions.join(", ")}` };
    if (shift === null) delete shifts[region];
    else shifts[region] = shift;
  }
  const plan: Plan = {
    number: current.number + 1,
    author: change.author,
    madeAtMs: nowMs,
    why: change.why,
    shifts,
  };
  const why = objection(plan, rules);
  if (why !== null) return { refused: why };
  if (healthy !== null) {
    const left = servingOf(plan, rules.regions).filter((region) => healthy.includes(region));
    if (left.length < rules.servingMin)
      return {
        refused: `only ${left.length === 0 ? "regions that are down" : left.join(", ")} would be left in service; force it if that is meant`,
      };
  }
  return { plan };
}

/** Why a plan may not be followed; null when it may. */
function objection(plan: Plan, { regions, servingMin }: PlanRules): string | null {
  const strangers = Object.keys(plan.shifts).filter((region) => !regions.includes(region));
  if (strangers.length > 0) return `the plan speaks of unknown regions: ${strangers.join(", ")}`;
  const serving = servingOf(plan, regions);
  if (serving.length < Math.max(1, servingMin))
    return `${serving.length} regions would be left in service, and ${Math.max(1, servingMin)} must be`;
  return null;
}

/** Regions that serve throughout: shifts that have yet to begin, or will end, count as if they lasted. */
function servingOf(plan: Plan, regions: readonly string[]): string[] {
  return regions.filter((region) => {
    const { mode, weight } = plan.shifts[region] ?? SERVES;
    return mode === "serving" && weight > 0;
  });
}

/** Whether `plan` is to be followed rather than `current`. */
function supersedes(plan: Plan, current: Plan): boolean {
  if (plan.number !== current.number) return plan.number > current.number;
  if (plan.author !== current.author) return plan.author > current.author;
  return plan.madeAtMs > current.madeAtMs;
}

/** Why a plan that came from elsewhere is not taken over; null when it is. */
export function reject(plan: Plan, current: Plan, rules: PlanRules): string | null {
  if (!supersedes(plan, current)) return `plan ${plan.number} is not newer than ${current.number}`;
  if (plan.number > current.number + AHEAD_MAX) return `plan ${plan.number} is too far ahead`;
  return objection(plan, rules);
}

/** What holds for a region at this time. */
export function shiftOf(plan: Plan, region: string, nowMs: number): Shift {
  const shift = plan.shifts[region];
  if (shift === undefined || nowMs < shift.fromMs) return SERVES;
  return shift.untilMs !== null && nowMs >= shift.untilMs ? SERVES : shift;
}

/** Whether a shift is announced that has not begun yet. */
export function isPending(plan: Plan, nowMs: number): boolean {
  return Object.values(plan.shifts).some(
    ({ fromMs, untilMs }) => nowMs < fromMs && (untilMs === null || nowMs < untilMs),
  );
}

/** A plan out of what a file or another region says; null when it is none. */
export function parsePlan(value: unknown): Plan | null {
  if (!isRecord(value) || !isRecord(value["shifts"])) return null;
  const { number, author, madeAtMs, why } = value;
  if (!isTime(number) || number > PLAN_NUMBER_MAX || !Number.isInteger(number)) return null;
  if (typeof author !== "string" || typeof why !== "string" || !isTime(madeAtMs)) return null;
  const shifts: Record<string, Shift> = {};
  for (const [region, shift] of Object.entries(value["shifts"])) {
    const parsed = parseShift(shift);
    if (parsed === null) return null;
    shifts[region] = parsed;
  }
  return { number, author, madeAtMs, why, shifts };
}

/** A shift out of the same; null when it is none. */
function parseShift(value: unknown): Shift | null {
  if (!isRecord(value)) return null;
  const mode = MODES.find((one) => one === value["mode"]);
  const { weight, fromMs, untilMs } = value;
  if (mode === undefined || !isTime(weight) || !isTime(fromMs)) return null;
  if (untilMs !== null && !isTime(untilMs)) return null;
  return { mode, weight, fromMs, untilMs };
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}
