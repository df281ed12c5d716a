/**
 * Cover: the cells of the grid that an area may reach into: the one of its center and those around it, of a size that suffices.
 *
 * Invariant: every position of the area lies in one of the cells, unless it is larger than half of Earth. Cells and their order are
 * Redis', since a search that stops early shows what comes first.
 */
import { type Area, boundsOf } from "./earth.ts";
import { type Cell, cellAt, edgesOf, neighbor, STEPS_MAX } from "./grid.ts";

/** Half of the equator on a web map, in meters. */
const MERCATOR_MAX = 20037726.37;

/** Center, north, south, east, west, then the corners: columns to the east, rows to the north. */
const AROUND = [
  [0, 0],
  [0, 1],
  [0, -1],
  [1, 0],
  [-1, 0],
  [1, 1],
  [-1, 1],
  [1, -1],
  [-1, -1],
] as const;

/** The cells to search. */
export function coverOf(area: Area): Cell[] {
  const { center, halfWidth, halfHeight, isBox } = area;
  const bounds = boundsOf(area);
  const reach = isBox ? Math.sqrt(halfWidth * halfWidth + halfHeight * halfHeight) : halfWidth;
  let steps = stepsFor(reach, center.latitude);
  let middle = cellAt(center, steps);
  const isTooSmall =
    edgesOf(neighbor(middle, 0, 1)).north < bounds.north ||
    edgesOf(neighbor(middle, 0, -1)).south > bounds.south ||
    edgesOf(neighbor(middle, 1, 0)).east < bounds.east ||
    edgesOf(neighbor(middle, -1, 0)).west > bounds.west;
  if (steps > 1 && isTooSmall) middle = cellAt(center, --steps);
  const { west, east, south, north } = edgesOf(middle);
  const cells: Cell[] = [];
  let last: Cell | null = null;
  for (const [toEast, toNorth] of AROUND) {
    if (steps >= 2) {
      if (south < bounds.south && toNorth < 0) continue;
      if (north > bounds.north && toNorth > 0) continue;
      if (west < bounds.west && toEast < 0) continue;
      if (east > bounds.east && toEast > 0) continue;
    }
    const cell = neighbor(middle, toEast, toNorth);
    // Of few cells one may be on both sides.
    if (last !== null && cell.column === last.column && cell.row === last.row) continue;
    cells.push(cell);
    if (cell !== cells[0]) last = cell;
  }
  return cells;
}

/** How fine the grid may be for nine cells to cover that far, nearly always. */
function stepsFor(meters: number, latitude: number): number {
  if (meters === 0) return STEPS_MAX;
  let steps = 1;
  for (let reach = meters; reach < MERCATOR_MAX; reach *= 2) steps++;
  steps -= 2;
  if (Math.abs(latitude) > 66) steps--;
  if (Math.abs(latitude) > 80) steps--;
  return Math.min(STEPS_MAX, Math.max(1, steps));
}
