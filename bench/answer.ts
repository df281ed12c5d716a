/**
 * Answer: what a benchmark says in the end, one line of JSON per question.
 *
 * Invariant: a ratio is Atoll to Redis, made from runs that stood side by side; above 1 is Atoll's favour for throughput.
 */
export interface Spread {
  median: number;
  min: number;
  max: number;
}

export interface Answer<Cell> {
  question: string;
  /** Over the cells: the median of their medians, the lowest and the highest of them. */
  ratio: Spread;
  cells: Cell[];
}

/** What every question is asked with. */
export interface BenchOptions {
  /** Pairs of runs per cell. */
  pairs: number;
  /** How many keys there are, where that can be chosen; null: as many as the question says. */
  keys: number | null;
  /** Shorter runs that show whether it works; their figures mean little. */
  quick: boolean;
  /** Told what goes on; never printed to stdout. */
  note: (line: string) => void;
}

/** The middle and the ends. The middle of an even number of samples is the mean of the two in the middle. */
export function spreadOf(samples: readonly number[]): Spread {
  const sorted = samples.toSorted((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  const [min, max] = [sorted[0], sorted.at(-1)];
  if (low === undefined || high === undefined || min === undefined || max === undefined) {
    throw new Error("bug: a spread of nothing");
  }
  return { median: (low + high) / 2, min, max };
}

/** As `1.23 [1.10–1.31]`. */
export function showSpread({ median, min, max }: Spread): string {
  return `${median.toFixed(2)} [${min.toFixed(2)}–${max.toFixed(2)}]`;
}

/** Columns as wide as their widest entry; numbers are not aligned otherwise. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row) =>
      row
        .map((entry, column) => entry.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
