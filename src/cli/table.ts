/** Table: rows of words in columns that line up. */

/** The heads and rows as lines, each column as wide as its widest word. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = heads.map((head, i) =>
    Math.max(head.length, ...rows.map((row) => row[i]?.length ?? 0)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((word, i) => word.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd();
  return [heads, ...rows].map((row) => `${line(row)}\n`).join("");
}
