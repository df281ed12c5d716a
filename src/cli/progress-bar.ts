/** Progress bar: how far something is, on a line of a terminal that is written over. */
const WIDTH = 30;

/** Takes the line away. */
export const NO_BAR = "\r\u001b[K";

/** Only people look at one. */
export function showsBar({ json }: { json?: true }): boolean {
  return json !== true && process.stderr.isTTY;
}

/** `part` is from 0 to 1. */
export function bar(phase: string, part: number, more: string): string {
  const filled = Math.round(part * WIDTH);
  const drawn = "#".repeat(filled) + ".".repeat(WIDTH - filled);
  return `\r${phase} [${drawn}] ${Math.floor(part * 100)} %, ${more}\u001b[K`;
}
