/**
 * Drawing: members and fields chosen by chance.
 *
 * Invariant: only what a reader sees is drawn, and without repetition unless it is asked for.
 *
 * Small collections are listed first, so every cell is as likely as any other. In large ones a bucket of the table is chosen,
 * so cells behind gaps come up more often, as in Redis those in short chains do.
 */
import type { Cells } from "../crdt/cells.ts";
import type { Reply } from "../wire/reply.ts";
import type { Run } from "./run.ts";

/** Up to here listing costs less than it is worth to avoid. */
const LISTED_MAX = 512;
/** How often a cell that no reader sees may be met before all are listed. */
const MISSES_MAX = 100;

/** With repetition a few bytes could ask for all memory and hours of time: more draws, or more bytes of them, are refused. */
const DRAWS_MAX = 2 ** 20;
const DRAWN_MAX_BYTES = 64 * 1024 * 1024;
const TOO_MANY = `ERR more than ${DRAWS_MAX} draws with repetition, draw fewer at once`;
const TOO_MUCH = "ERR the reply would exceed 64 MiB, draw fewer at once";

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

/** Answers with `count` draws from what has a living cell, any of them again and again. */
export function replyDraws(
  urn: Urn,
  count: number,
  reply: Reply,
  announce: (count: number) => void,
  write: (at: number) => void,
): void {
  if (count > DRAWS_MAX) return reply.error(TOO_MANY);
  const { mark } = reply;
  announce(count);
  for (let i = 0; i < count; i++) {
    write(urn.draw());
    if (reply.mark - mark <= DRAWN_MAX_BYTES) continue;
    reply.truncate(mark);
    return reply.error(TOO_MUCH);
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
