/**
 * Table: what is known of each mutant, as `docs/testing.md` shows it: name, profile, the check that killed it, after how many seeds.
 *
 * Invariant: rows are in the order of the catalogue; those of mutants that were not hunted this time stay as they were.
 */
const HEAD = "| mutant | profile | killed by | seeds |";
const BEGIN = "<!-- mutants -->";
const END = "<!-- end of mutants -->";

/** The cells of each row, in order; none when the documentation has no table. */
export function rowsOf(text: string): string[][] {
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin) return [];
  const rows = text
    .slice(begin, end)
    .split("\n")
    .filter((line) => line.startsWith("|"));
  return rows.slice(2).map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** The text with these rows instead of its own. */
export function withRows(text: string, rows: readonly (readonly (string | number)[])[]): string {
  const [before = "", rest = ""] = text.split(BEGIN);
  const [, after = ""] = rest.split(END);
  const lines = [
    HEAD,
    "| --- | --- | --- | ---: |",
    ...rows.map((cells) => `| ${cells.join(" | ")} |`),
  ];
  return `${before}${BEGIN}\n\n${lines.join("\n")}\n\n${END}${after}`;
}
