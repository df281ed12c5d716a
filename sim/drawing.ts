/**
 * Drawing: a run as a picture: time goes to the right, each replica is a line, each record a dot where it was made and a thread to
 * where it was applied. What happened to a replica is a number above its line, and in words below the picture.
 *
 *   us-east/1   ──①──●───────▒▒▒ off ▒▒▒────②──
 *                     ╲
 *   eu-west/1   ───────●────────────────────────
 *   ① 1.2 s us-east/1 …      ② 4.0 s us-east/1 …
 *
 * Invariant: it shows what the judge heard, nothing else, and no two numbers or lines of text lie upon each other.
 */
import type { Simulation } from "./simulation.ts";

interface Stroke {
  readonly lane: number;
  readonly atUs: number;
}

interface Note extends Stroke {
  readonly text: string;
}

interface Span extends Stroke {
  readonly toUs: number;
  readonly kind: "off" | "paused";
}

const WIDTH = 1400;
const LEFT = 90;
const RIGHT = 20;
const TOP = 40;
/** Between two replicas' lines: rows of numbers, and room for threads to be told apart. */
const LANE = 110;
const ROWS = 4;
const ROW = 15;
const NUMBER_WIDTH = 20;
const LINE = 15;
const COLUMNS = 2;
/** About how many characters of a note one column takes. */
const COLUMN_CHARACTERS = 108;
/** Notes that are told; a run with more is one to be made shorter first. */
const NOTES_MAX = 160;
const COLOURS = ["#4269d0", "#c98500", "#d6463a", "#2a9d7f", "#8a4fd3"];

export class Drawing {
  readonly #names: string[] = [];
  readonly #made = new Map<object, Stroke>();
  readonly #threads: { readonly from: Stroke; readonly to: Stroke }[] = [];
  readonly #notes: Note[] = [];
  readonly #spans: Span[] = [];
  /** Since when a replica has been off. */
  readonly #offSince = new Map<number, number>();
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
    if (lane < 0 || /connect/.test(text)) return;
    if (text === "is up") return this.#wasOff(lane, atUs);
    if (/^(killed|failed|refused)/.test(text)) this.#offSince.set(lane, atUs);
    const paused = /^is paused for (\d+) ms/.exec(text)?.[1];
    if (paused !== undefined)
      this.#spans.push({ lane, atUs, toUs: atUs + Number(paused) * 1000, kind: "paused" });
    if (!/^(says|killed)/.test(text)) this.#notes.push({ lane, atUs, text });
  }

  #wasOff(lane: number, toUs: number): void {
    const atUs = this.#offSince.get(lane);
    this.#offSince.delete(lane);
    if (atUs !== undefined) this.#spans.push({ lane, atUs, toUs, kind: "off" });
  }

  /** The picture, and under it why it was drawn. */
  svg(caption: string): string {
    const last = [...this.#made.values(), ...this.#threads.map(({ to }) => to)];
    const endUs = Math.max(this.#endUs, ...last.map(({ atUs }) => atUs));
    for (const lane of [...this.#offSince.keys()]) this.#wasOff(lane, endUs);
    const x = (us: number): number => LEFT + (us / endUs) * (WIDTH - LEFT - RIGHT);
    const y = (lane: number): number => TOP + ROWS * ROW + lane * LANE;
    const told = this.#notes.slice(0, NOTES_MAX);
    const bottom = y(this.#names.length - 1) + 30;
    const captionLines = wrapped(caption, COLUMNS * COLUMN_CHARACTERS);
    const rows = Math.ceil(told.length / COLUMNS);
    const height = bottom + 40 + (captionLines.length + 1 + rows) * LINE;
    const parts = [...axis(endUs, x, bottom), ...this.#lines(x, y)];
    const opacity = Math.max(0.06, Math.min(0.4, 200 / (this.#threads.length + 1))).toFixed(2);
    for (const { from, to } of this.#threads)
      parts.push(
        `<line x1="${round(x(from.atUs))}" y1="${y(from.lane)}" x2="${round(x(to.atUs))}" y2="${y(to.lane)}" stroke="${colour(from.lane)}" stroke-opacity="${opacity}"/>`,
      );
    for (const { lane, atUs } of this.#made.values())
      parts.push(`<circle cx="${round(x(atUs))}" cy="${y(lane)}" r="2.5" fill="${colour(lane)}"/>`);
    parts.push(...numbers(told, x, y));
    captionLines.forEach((line, i) =>
      parts.push(`<text x="8" y="${bottom + 40 + i * LINE}" font-weight="bold">${line}</text>`),
    );
    parts.push(...this.#legend(told, bottom + 40 + (captionLines.length + 0.5) * LINE, rows));
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
      `<rect width="100%" height="100%" fill="#fff"/>`,
      ...parts,
      "</svg>\n",
    ].join("\n");
  }

  #lines(x: (us: number) => number, y: (lane: number) => number): string[] {
    const parts = this.#names.flatMap((name, lane) => [
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(lane)}" y2="${y(lane)}" stroke="#8886"/>`,
      `<text x="8" y="${y(lane) + 4}" fill="${colour(lane)}" font-weight="bold">${escaped(name)}</text>`,
    ]);
    for (const { lane, atUs, toUs, kind } of this.#spans) {
      const width = Math.max(2, x(toUs) - x(atUs));
      const fill = kind === "off" ? "#d334" : "#db04";
      parts.push(
        `<rect x="${round(x(atUs))}" y="${y(lane) - 5}" width="${round(width)}" height="10" fill="${fill}"/>`,
      );
      if (width > 40)
        parts.push(
          `<text x="${round(x(atUs) + 3)}" y="${y(lane) + 15}" font-size="10" fill="#888">${kind}</text>`,
        );
    }
    return parts;
  }

  #legend(notes: readonly Note[], top: number, rows: number): string[] {
    const parts = notes.map(({ lane, atUs, text }, i) => {
      const left = 8 + Math.floor(i / rows) * (WIDTH / COLUMNS);
      const words = `${(atUs / 1e6).toFixed(2)} s ${this.#names[lane]} ${text}`;
      const line =
        words.length > COLUMN_CHARACTERS ? `${words.slice(0, COLUMN_CHARACTERS)}…` : words;
      return `<text x="${left}" y="${top + ((i % rows) + 1) * LINE}" font-size="11"><tspan fill="#c33">${i + 1}</tspan> ${escaped(line)}</text>`;
    });
    const more = this.#notes.length - notes.length;
    if (more > 0)
      parts.push(`<text x="${WIDTH - 120}" y="${top}" font-size="11">and ${more} more</text>`);
    return parts;
  }
}

/** A line every so many seconds, with its time. */
function axis(endUs: number, x: (us: number) => number, bottom: number): string[] {
  const stepUs = [1, 2, 5, 10, 20, 50].map((s) => s * 1e6).find((s) => endUs / s <= 16) ?? 1e8;
  const parts: string[] = [];
  for (let atUs = 0; atUs <= endUs; atUs += stepUs)
    parts.push(
      `<line x1="${round(x(atUs))}" x2="${round(x(atUs))}" y1="${TOP - 15}" y2="${bottom}" stroke="#8882"/>`,
      `<text x="${round(x(atUs) - 8)}" y="${TOP - 22}" font-size="10" fill="#888">${atUs / 1e6} s</text>`,
    );
  return parts;
}

/** Each note's number above its line, in the first row that has room; where no row has, the number is only in the list. */
function numbers(
  notes: readonly Note[],
  x: (us: number) => number,
  y: (lane: number) => number,
): string[] {
  const ends = new Map<string, number>();
  const parts: string[] = [];
  notes.forEach(({ lane, atUs }, i) => {
    const at = x(atUs);
    for (let row = 0; row < ROWS; row++) {
      const place = `${lane} ${row}`;
      if ((ends.get(place) ?? 0) > at) continue;
      ends.set(place, at + NUMBER_WIDTH);
      const top = y(lane) - 8 - row * ROW;
      parts.push(
        `<path d="M${round(at)} ${y(lane) - 4}V${top - 9}" stroke="#c336"/>`,
        `<text x="${round(at + 2)}" y="${top}" font-size="10" fill="#c33" stroke="#fff" stroke-width="3" paint-order="stroke">${i + 1}</text>`,
      );
      return;
    }
  });
  return parts;
}

/** Lines of about so many characters, escaped. */
function wrapped(text: string, characters: number): string[] {
  const lines: string[] = [];
  for (let at = 0; at < text.length && lines.length < 4; at += characters)
    lines.push(escaped(text.slice(at, at + characters)));
  return lines;
}

function colour(lane: number): string {
  return COLOURS[lane % COLOURS.length] as string;
}

function round(value: number): string {
  return value.toFixed(1);
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll("\n", " ");
}
