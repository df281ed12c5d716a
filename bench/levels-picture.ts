/**
 * LevelsPicture: what each level takes, beside the network's own share, as an SVG.
 *
 *   SET GLOBAL_QUORUM   ████████████████▌· 75.3 ms      grey: the network; coloured: beyond it; a dot: p99
 *
 * Invariant: all bars have one scale, and the figures beside them are those of the answer.
 */
import type { LevelCell, LevelsAnswer } from "./levels.ts";

const WIDTH = 860;
const LEFT = 230;
const RIGHT = 150;
const TOP = 64;
const ROW = 24;
const BAR = 14;

export function levelsPicture({ cells, from }: LevelsAnswer): string {
  const mostMs = Math.max(
    ...cells.flatMap(({ p50Ms, p99Ms, networkMs }) => [p50Ms, p99Ms, networkMs]),
  );
  const stepMs = [1, 2, 5, 10, 20, 50, 100, 200].find((step) => mostMs / step <= 8) ?? 500;
  const endMs = Math.ceil(mostMs / stepMs) * stepMs;
  const x = (ms: number): number =>
    Math.round((LEFT + (ms / endMs) * (WIDTH - LEFT - RIGHT)) * 10) / 10;
  const bottom = TOP + cells.length * ROW;
  const ticks = Array.from({ length: Math.round(endMs / stepMs) + 1 }, (_, i) => i * stepMs);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${bottom + 34}" viewBox="0 0 ${WIDTH} ${bottom + 34}" font-family="system-ui, sans-serif" font-size="12">`,
    `<title>What each level takes, from ${from}</title>`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    `<text x="16" y="24" font-size="15" fill="#1f2933">What each level takes, from ${from}</text>`,
    `<rect x="16" y="36" width="12" height="12" fill="#b8c2cc"/><text x="34" y="46" fill="#52606d">the network's round trip</text>`,
    `<rect x="190" y="36" width="12" height="12" fill="#0b7285"/><text x="208" y="46" fill="#52606d">beyond it, median</text>`,
    `<circle cx="336" cy="42" r="3.5" fill="#d9480f"/><text x="346" y="46" fill="#52606d">p99</text>`,
    ...ticks.map(
      (ms) =>
        `<line x1="${x(ms)}" y1="${TOP}" x2="${x(ms)}" y2="${bottom}" stroke="#e4e7eb"/><text x="${x(ms)}" y="${bottom + 18}" fill="#52606d" text-anchor="middle">${ms}${ms === endMs ? " ms" : ""}</text>`,
    ),
    ...cells.map((cell, row) => bar(cell, TOP + row * ROW, x)),
    "</svg>\n",
  ].join("\n");
}

function bar(cell: LevelCell, top: number, x: (ms: number) => number): string {
  const { command, level, networkMs, p50Ms, p99Ms, overheadMs } = cell;
  const y = top + (ROW - BAR) / 2;
  const middle = top + ROW / 2;
  const from = Math.min(networkMs, p50Ms);
  // A share that is hardly to be seen is shown all the same.
  const beyond = Math.max(1, x(p50Ms) - x(from));
  return [
    `<text x="${LEFT - 10}" y="${middle + 4}" fill="#1f2933" text-anchor="end">${command} · ${level}</text>`,
    `<rect x="${x(0)}" y="${y}" width="${Math.round((x(from) - x(0)) * 10) / 10}" height="${BAR}" fill="#b8c2cc"/>`,
    `<rect x="${x(from)}" y="${y}" width="${Math.round(beyond * 10) / 10}" height="${BAR}" fill="#0b7285"/>`,
    `<circle cx="${x(p99Ms)}" cy="${middle}" r="3.5" fill="#d9480f"/>`,
    `<text x="${WIDTH - RIGHT + 16}" y="${middle + 4}" fill="#1f2933">${p50Ms.toFixed(1)} ms (+${overheadMs.toFixed(1)})</text>`,
  ].join("");
}
