/**
 * Drawing: a run as a picture: time goes to the right, each replica is a line, each record a dot where it was made and a thread to
 * where it was applied; what happened to a replica is written at its line.
 *
 * Invariant: it shows what the judge heard, nothing else.
 */
import type { Simulation } from "./simulation.ts";

interface Stroke {
  readonly lane: number;
  readonly atUs: number;
}

const LANE = 90;
const LEFT = 90;
const TOP = 60;
const COLOURS = ["#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#a463f2"];

export class Drawing {
  readonly #names: string[] = [];
  readonly #made = new Map<object, Stroke>();
  readonly #threads: { readonly from: Stroke; readonly to: Stroke }[] = [];
  readonly #notes: (Stroke & { readonly text: string })[] = [];
  #endUs = 1;

  /** Listens to a simulation that is about to begin. */
  watch(simulation: Simulation): void {
    const { machines, judge, timeline } = simulation;
    for (const { name } of machines) this.#names.push(name);
    judge.onRecord = (machine, record, isNew) => {
      const stroke = { lane: machines.indexOf(machine), atUs: timeline.now };
      if (isNew) this.#made.set(record, stroke);
      const from = this.#made.get(record);
      if (!isNew && from !== undefined) this.#threads.push({ from, to: stroke });
    };
  }

  /** A line of the story. */
  note(atUs: number, who: string, text: string): void {
    this.#endUs = Math.max(this.#endUs, atUs);
    const lane = this.#names.indexOf(who);
    if (lane >= 0 && !/connect|says/.test(text)) this.#notes.push({ lane, atUs, text });
  }

  /** The picture, and under it why it was drawn. */
  svg(caption: string): string {
    const last = [...this.#made.values(), ...this.#threads.map(({ to }) => to)];
    const endUs = Math.max(this.#endUs, ...last.map(({ atUs }) => atUs));
    const width = 1400;
    const height = TOP + this.#names.length * LANE + 40;
    const x = (us: number): string => (LEFT + (us / endUs) * (width - LEFT - 20)).toFixed(1);
    const y = (lane: number): number => TOP + lane * LANE;
    const parts: string[] = [];
    this.#names.forEach((name, lane) => {
      parts.push(
        `<line x1="${LEFT}" x2="${width - 20}" y1="${y(lane)}" y2="${y(lane)}" stroke="#8886"/>`,
        `<text x="8" y="${y(lane) + 4}">${escaped(name)}</text>`,
      );
    });
    for (const { from, to } of this.#threads)
      parts.push(
        `<line x1="${x(from.atUs)}" y1="${y(from.lane)}" x2="${x(to.atUs)}" y2="${y(to.lane)}" stroke="${colour(from.lane)}" stroke-opacity="0.35"/>`,
      );
    for (const { lane, atUs } of this.#made.values())
      parts.push(`<circle cx="${x(atUs)}" cy="${y(lane)}" r="2.5" fill="${colour(lane)}"/>`);
    this.#notes.forEach(({ lane, atUs, text }, i) => {
      const at = y(lane) - 10 - (i % 4) * 11;
      parts.push(
        `<path d="M${x(atUs)} ${y(lane) - 5}V${at}" stroke="#c33"/>`,
        `<text x="${x(atUs)}" y="${at}" fill="#c33" font-size="9">${escaped(text)}</text>`,
      );
    });
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
      `<rect width="100%" height="100%" fill="#fff"/>`,
      ...parts,
      `<text x="8" y="${height - 10}">${escaped(caption)}; ${(endUs / 1e6).toFixed(1)} s</text>`,
      "</svg>\n",
    ].join("\n");
  }
}

function colour(lane: number): string {
  return COLOURS[lane % COLOURS.length] as string;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").slice(0, 300);
}
