/**
 * Move: taking traffic away from a region, or giving it back, step by step, as long as all goes well.
 *
 *     may it begin? ─► shift ─► hold, and look ─► next shift … ─► drained: clients gone? ─► shipped? ─► done
 *                                  └─ trouble, or somebody else's plan ─► stop
 *
 * Invariant: each step builds on the plan that the one before made, so that a move never overrides what somebody else has decided; it goes no
 * further while it cannot be seen how things are. What is shifted ends by itself, should nobody be left who moves. A region is done being
 * drained when every region that is up says to have all that it had written by a time when it was given nothing any more.
 */
import type { Mode } from "./plan.ts";

export type MoveKind = "drain" | "evacuate" | "weight" | "failback";

export interface MoveOptions {
  readonly kind: MoveKind;
  readonly region: string;
  /** What it is to have in the end: 1 is all of its traffic. For `weight`. */
  readonly weight: number;
  /** How long each step is looked at before the next. */
  readonly stepMs: number;
  /** Whoever is further behind is given nothing back. */
  readonly lagMsMax: number;
  /** However few are left. */
  readonly isForced: boolean;
}

export interface SceneRegion {
  readonly name: string;
  readonly mode: Mode;
  readonly weight: number;
  readonly share: number;
  readonly load: number;
  readonly lagMs: number | null;
  readonly state: string;
  readonly isFrozen: boolean;
}

/** How things are, as one node knows. */
export interface Scene {
  readonly nowMs: number;
  readonly plan: number;
  readonly regions: readonly SceneRegion[];
  /** What others lack of the region's writes, said by itself at that time; null when it is not heard. */
  readonly unshipped: {
    readonly heardMs: number;
    readonly behindMs: Readonly<Record<string, number | null>>;
  } | null;
  /** Clients at work in the region; null when it cannot be asked. */
  readonly clients: number | null;
}

export type Step =
  | {
      readonly do: "shift";
      readonly mode: Mode | "configured";
      readonly weight: number;
      /** Whether answers that were given before run out first. */
      readonly waitsForAnswers: boolean;
      readonly means: string;
    }
  | { readonly do: "wait"; readonly means: string }
  | { readonly do: "done"; readonly means: string }
  /** `undo`: what was shifted is taken back. */
  | { readonly do: "stop"; readonly undo: boolean; readonly means: string };

type Stage = { readonly mode: Mode | "configured"; readonly weight: number };

const DOWN: readonly number[] = [0.5, 0.25];
const UP: readonly number[] = [0.05, 0.25, 0.5];
const STEPS = 3;
/** Answers that were given shortly before a drain begins live so long; so too what is known of a region when it is heard. */
const ANSWERS_MS = 5_000;
const HEARING_MS = 2_000;
/** Clients that wait for something (BLPOP) are left alone for so long. */
const CLIENTS_MS = 45_000;

export class Move {
  readonly #options: MoveOptions;
  #stages: readonly Stage[] | null = null;
  #at = -1;
  /** The plan of the last step, and when that begins to hold. */
  #plan: number | null = null;
  #fromMs = 0;

  constructor(options: MoveOptions) {
    this.#options = options;
  }

  /** Whether anything was shifted that could be taken back. */
  get hasBegun(): boolean {
    return this.#plan !== null;
  }

  /** The shift that was asked for holds, from that time on. */
  shifted(plan: number, fromMs: number): void {
    this.#plan = plan;
    this.#fromMs = fromMs;
  }

  /** What is to be done now. */
  step(scene: Scene): Step {
    const { region: name, stepMs } = this.#options;
    const region = scene.regions.find((one) => one.name === name);
    if (region === undefined)
      return stop(
        `there is no region ${name}; there are ${scene.regions.map((one) => one.name).join(", ")}`,
      );
    if (this.#stages === null) return this.#begin(scene, region);
    if (this.#plan !== null && scene.plan < this.#plan)
      return wait(`plan ${this.#plan} has not come to the region that is asked`);
    if (this.#plan !== null && scene.plan > this.#plan)
      return stop(`somebody has made plan ${scene.plan} meanwhile`);
    const trouble = this.#trouble(scene, region);
    if (trouble !== null) return { do: "stop", undo: true, means: trouble };
    if (scene.nowMs < this.#fromMs)
      return wait(
        `answers that were given before run out in ${secondsOf(this.#fromMs - scene.nowMs)}`,
      );
    const isLast = this.#at === this.#stages.length - 1;
    if (isLast && this.#stages[this.#at]?.mode === "drained") return this.#settle(scene, region);
    const leftMs = this.#fromMs + stepMs - scene.nowMs;
    if (leftMs > 0) return wait(`looking for another ${secondsOf(leftMs)}`);
    if (isLast) return { do: "done", means: `${name} has its traffic` };
    const late = this.#gate(region);
    return late === null ? this.#shift() : wait(late);
  }

  #begin(scene: Scene, region: SceneRegion): Step {
    const { kind, weight, isForced } = this.#options;
    if (kind === "failback") {
      const late = this.#gate(region);
      if (late !== null) return wait(late);
    }
    const objection = isForced ? null : this.#objection(scene, region);
    if (objection !== null) return stop(`${objection}; --force if that is meant`);
    const now = region.mode === "serving" ? region.weight : 0;
    this.#stages = stagesOf(kind, now, weight);
    return this.#shift();
  }

  #shift(): Step {
    const stage = (this.#stages ?? [])[++this.#at];
    if (stage === undefined) return { do: "done", means: "there is nothing to do" };
    const { kind, region } = this.#options;
    const { mode, weight } = stage;
    return {
      do: "shift",
      ...stage,
      waitsForAnswers: this.#at === 0 && kind === "drain",
      means:
        mode === "drained"
          ? `${region} is drained`
          : mode === "configured"
            ? `${region} is as configured`
            : `${region} has ${Math.round(weight * 100)} % of its traffic`,
    };
  }

  /** Why a region is not given more yet. */
  #gate({ name, state, isFrozen, share, lagMs }: SceneRegion): string | null {
    const { kind, lagMsMax } = this.#options;
    if (kind !== "failback") return null;
    if (state !== "up") return `${name} is ${state}`;
    if (isFrozen) return `too few can tell how ${name} is`;
    if (share === 0) return `${name} has come back, and is not let in yet`;
    if (lagMs === null) return `nobody can tell how far ${name} is behind`;
    return lagMs > lagMsMax ? `${name} is ${lagMs} ms behind, and ${lagMsMax} may be` : null;
  }

  /** Why the others could not carry what is taken away. */
  #objection({ regions }: Scene, { name, load, mode, weight }: SceneRegion): string | null {
    const { kind, weight: goal } = this.#options;
    const gone = kind === "weight" ? Math.max(0, Math.min(1, weight) - goal) : 1;
    if (kind === "failback" || mode !== "serving" || gone === 0) return null;
    const others = regions.filter((one) => one.name !== name && isCarrying(one));
    if (others.length === 0) return "no other region serves";
    const room = others.reduce((sum, one) => sum + Math.max(0, 1 - one.load), 0);
    return room < load * gone
      ? `the others have room for ${Math.round(room * 100)} % of a region, and ${Math.round(load * gone * 100)} % would come`
      : null;
  }

  /** What has gone wrong since. */
  #trouble({ regions }: Scene, { name, state, lagMs }: SceneRegion): string | null {
    const { kind, isForced, lagMsMax } = this.#options;
    if (isForced || kind === "evacuate") return null;
    if (kind === "failback") {
      if (state !== "up") return `${name} is ${state}`;
      return lagMs !== null && lagMs > 2 * lagMsMax
        ? `${name} has fallen ${lagMs} ms behind`
        : null;
    }
    const others = regions.filter((one) => one.name !== name && one.mode === "serving");
    const full = others.find(({ load }) => load >= 1);
    if (full !== undefined) return `${full.name} carries all that it can`;
    return others.some(isCarrying) ? null : "no other region serves any more";
  }

  #settle({ nowMs, regions, unshipped, clients }: Scene, { name, state }: SceneRegion): Step {
    const sinceMs = nowMs - this.#fromMs;
    if (sinceMs < ANSWERS_MS)
      return wait(`the last answers run out in ${secondsOf(ANSWERS_MS - sinceMs)}`);
    if (state === "down")
      return {
        do: "done",
        means: `${name} is drained, and it is down: what it had not shipped is there alone`,
      };
    if (clients !== null && clients > 0 && sinceMs < CLIENTS_MS)
      return wait(`${clients} clients are still at work in ${name}`);
    if (unshipped === null) return wait(`${name} is not heard, so nobody knows what it has alone`);
    if (unshipped.heardMs - HEARING_MS < this.#fromMs + ANSWERS_MS)
      return wait(`what ${name} has written is asked for`);
    const others = regions.filter((one) => one.name !== name && one.state === "up");
    const lacking = others.filter((one) => unshipped.behindMs[one.name] !== 0);
    if (lacking.length > 0)
      return wait(
        `not everything is there yet: ${lacking.map((one) => lackOf(one.name, unshipped.behindMs)).join(", ")}`,
      );
    const down = regions.filter((one) => one.state !== "up").map((one) => one.name);
    const but = down.length === 0 ? "" : ` but ${down.join(", ")}, which cannot be asked,`;
    return {
      do: "done",
      means: `${name} is drained, and all others${but} have everything that it had written`,
    };
  }
}

function stagesOf(kind: MoveKind, now: number, goal: number): Stage[] {
  const serving = (weight: number): Stage => ({ mode: "serving", weight });
  switch (kind) {
    case "evacuate":
      return [{ mode: "drained", weight: 1 }];
    case "drain":
      return [
        ...DOWN.filter((weight) => weight < now).map(serving),
        { mode: "drained", weight: 1 },
      ];
    case "failback":
      return [
        ...UP.filter((weight) => weight > now).map(serving),
        { mode: "configured", weight: 1 },
      ];
    case "weight":
      return Array.from({ length: STEPS }, (_, i) =>
        serving(Math.round((now + ((goal - now) * (i + 1)) / STEPS) * 1000) / 1000),
      );
  }
}

function isCarrying({ mode, state, share, weight }: SceneRegion): boolean {
  return mode === "serving" && state === "up" && share > 0 && weight > 0;
}

function lackOf(name: string, behindMs: Readonly<Record<string, number | null>>): string {
  const lagMs = behindMs[name] ?? null;
  return lagMs === null ? `${name} is not linked` : `${name} is ${lagMs} ms behind`;
}

function secondsOf(ms: number): string {
  return `${Math.ceil(ms / 1000)} s`;
}

function wait(means: string): Step {
  return { do: "wait", means };
}

function stop(means: string): Step {
  return { do: "stop", undo: false, means };
}
