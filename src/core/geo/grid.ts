/**
 * Grid: positions on Earth as cells of a grid, and cells as scores of a sorted set.
 *
 *   longitude −180 … 180 and latitude −85.05… … 85.05… each become a whole number of up to 26 bits; the bits in turn, latitude last,
 *   are a number of 52: what is near is often near there too, and a cell of fewer bits is a range of scores
 *
 * Invariant: a score is Redis' to the last bit. A position on the very edge (180°) lies one cell outside of the grid, there as here.
 */

export const LONGITUDE_MAX = 180;
/** Web maps end here, and so do positions. */
export const LATITUDE_MAX = 85.05112878;
/** Bits of a longitude or a latitude in a score. */
export const STEPS_MAX = 26;

export interface Position {
  readonly longitude: number;
  readonly latitude: number;
}

/** One square of the grid with 2^steps columns and rows. */
export interface Cell {
  readonly column: number;
  readonly row: number;
  readonly steps: number;
}

/** A cell's edges in degrees. */
export interface Edges {
  readonly west: number;
  readonly east: number;
  readonly south: number;
  readonly north: number;
}

/** The cell in which a position lies. */
export function cellAt(
  { longitude, latitude }: Position,
  steps: number,
  latitudeMax = LATITUDE_MAX,
): Cell {
  const size = 2 ** steps;
  const x = (longitude + LONGITUDE_MAX) / (2 * LONGITUDE_MAX);
  const y = (latitude + latitudeMax) / (2 * latitudeMax);
  return { column: Math.floor(x * size), row: Math.floor(y * size), steps };
}

/** The cell so many columns to the east and rows to the north: the grid is round both ways. */
export function neighbor({ column, row, steps }: Cell, east: number, north: number): Cell {
  const mask = 2 ** steps - 1;
  return {
    column: east === 0 ? column : (column + east) & mask,
    row: north === 0 ? row : (row + north) & mask,
    steps,
  };
}

export function edgesOf({ column, row, steps }: Cell): Edges {
  const size = 2 ** steps;
  const width = 2 * LONGITUDE_MAX;
  const height = 2 * LATITUDE_MAX;
  return {
    west: -LONGITUDE_MAX + (column / size) * width,
    east: -LONGITUDE_MAX + ((column + 1) / size) * width,
    south: -LATITUDE_MAX + (row / size) * height,
    north: -LATITUDE_MAX + ((row + 1) / size) * height,
  };
}

/** The score of a cell, which is the lowest of all positions in it. */
export function scoreOfCell(cell: Cell): number {
  return bitsOf(cell) * 4 ** (STEPS_MAX - cell.steps);
}

/** The first score behind a cell. */
export function scoreBehindCell(cell: Cell): number {
  return (bitsOf(cell) + 1) * 4 ** (STEPS_MAX - cell.steps);
}

/** The bits of row and column in turn, the column's higher. */
function bitsOf({ column, row }: Cell): number {
  const high = spread(row >>> 13) | (spread(column >>> 13) << 1);
  const low = spread(row & 0x1fff) | (spread(column & 0x1fff) << 1);
  return high * 2 ** 26 + low;
}

/** Puts a zero in front of each of 14 bits. */
function spread(bits: number): number {
  let spaced = bits;
  spaced = (spaced | (spaced << 8)) & 0x00ff00ff;
  spaced = (spaced | (spaced << 4)) & 0x0f0f0f0f;
  spaced = (spaced | (spaced << 2)) & 0x33333333;
  return (spaced | (spaced << 1)) & 0x55555555;
}

/** The middle of the smallest cell that a score stands for; any score stands for one. */
export function positionOf(score: number): Position {
  const bits = wholeBits(score);
  const cell = { column: collect(bits >> 1n), row: collect(bits), steps: STEPS_MAX };
  const { west, east, south, north } = edgesOf(cell);
  return {
    longitude: clamp((west + east) / 2, LONGITUDE_MAX),
    latitude: clamp((south + north) / 2, LATITUDE_MAX),
  };
}

/** A score as 64 bits, as a processor makes them of a double. */
function wholeBits(score: number): bigint {
  if (score >= 2 ** 64 || score <= -(2 ** 63)) return score > 0 ? 0n : 2n ** 63n;
  return BigInt.asUintN(64, BigInt(Math.trunc(score)));
}

/** Every other bit of 64, from the lowest on. */
function collect(bits: bigint): number {
  const low = squeeze(Number(bits & 0xffffffffn));
  return squeeze(Number((bits >> 32n) & 0xffffffffn)) * 2 ** 16 + low;
}

/** Every other bit of 32. */
function squeeze(bits: number): number {
  let dense = bits & 0x55555555;
  dense = (dense | (dense >>> 1)) & 0x33333333;
  dense = (dense | (dense >>> 2)) & 0x0f0f0f0f;
  dense = (dense | (dense >>> 4)) & 0x00ff00ff;
  return (dense | (dense >>> 8)) & 0x0000ffff;
}

function clamp(value: number, most: number): number {
  return Math.max(-most, Math.min(most, value));
}

const ALPHABET = "0123456789bcdefghjkmnpqrstuvwxyz";

/** The position as eleven characters of the common geohash, whose latitudes go up to 90°; the last two bits are not known. */
export function geohash(position: Position): string {
  const bits = BigInt(bitsOf(cellAt(position, STEPS_MAX, 90)));
  let text = "";
  for (let shift = 47n; shift >= 0n; shift -= 5n)
    text += ALPHABET.charAt(Number((bits >> shift) & 31n));
  return `${text}0`;
}
