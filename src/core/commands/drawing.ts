/**
 * Drawing: members and fields chosen by chance.
 *
 * Invariant: only what a reader sees is drawn, and without repetition unless it is asked for.
 *
 * Small collections are listed first, so every cell is as likely as any other. In large ones a bucket of the table is chosen,
 * so cells behind gaps come up more often, as in Redis those in short chains do.
 */
import type { Cells } from "../crdt/cells.ts";
import type { Run } from "./run.ts";

/** Up to here listing costs less than it is worth to avoid. */
const LISTED_MAX = 512;
/** How often a cell that no reader sees may be met before all are listed. */
const MISSES_MAX = 100;

/** A reply drawn with repetition is refused beyond this size: a few bytes must not ask for all memory. */
export const DRAWN_MAX_BYTES = 64 * 1024 * 1024;
export const DRAWN_TOO_MUCH = "ERR the reply would exceed 64 MiB, draw fewer at once";

/** The positions of all cells that a reader sees. */
export function listed(cells: Cells, horizonMs: number): number[] {
  const positions: number[] = [];
  cells.each(horizonMs, (at) => positions.push(at));
  return positions;
}

/** Draws positions one by one, any of them again and again. There must be one that a reader sees. */
export class Urn {
  readonly #run: Run;
  readonly #cells: Cells;
  readonly #horizonMs: number;
  #positions: number[] | null;

  constructor(run: Run, cells: Cells, horizonMs: number) {
    this.#run = run;
    this.#cells = cells;
    this.#horizonMs = horizonMs;
    this.#positions = cells.table.size <= LISTED_MAX ? listed(cells, horizonMs) : null;
  }

  draw(): number {
    for (let misses = 0; this.#positions === null; misses++) {
      const at = this.#cells.table.some(this.#run.chance());
      if (this.#cells.liveAt(at, this.#horizonMs)) return at;
      if (misses === MISSES_MAX) this.#positions = listed(this.#cells, this.#horizonMs);
    }
    return this.#positions[Math.floor(this.#run.chance() * this.#positions.length)] as number;
  }
}

/** `count` different positions, fewer than a reader sees. */
export function drawDistinct(
  run: Run,
  cells: Cells,
  horizonMs: number,
  count: number,
): readonly number[] {
  if (cells.table.size > LISTED_MAX && count * 4 < cells.countLive(horizonMs)) {
    const urn = new Urn(run, cells, horizonMs);
    const drawn = new Set<number>();
    while (drawn.size < count) drawn.add(urn.draw());
    return [...drawn];
  }
  const positions = listed(cells, horizonMs);
  for (let i = 0; i < count; i++) {
    const other = i + Math.floor(run.chance() * (positions.length - i));
    const drawn = positions[other] as number;
    positions[other] = positions[i] as number;
    positions[i] = drawn;
  }
  return positions.slice(0, count);
}
