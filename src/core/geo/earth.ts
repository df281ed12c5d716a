/**
 * Earth: distances on the sphere that Redis takes it for.
 *
 * Invariant: distances are those of Redis but for the last bits, in which sine and cosine of two machines may differ.
 */
import type { Edges, Position } from "./grid.ts";

const RADIUS_METERS = 6372797.560856;
const DEGREE = Math.PI / 180;

/** Meters between two latitudes. */
function metersNorth(a: number, b: number): number {
  return RADIUS_METERS * Math.abs(b * DEGREE - a * DEGREE);
}

/** Meters between two positions along the great circle. */
export function metersBetween(a: Position, b: Position): number {
  const v = Math.sin((b.longitude * DEGREE - a.longitude * DEGREE) / 2);
  if (v === 0) return metersNorth(a.latitude, b.latitude);
  const from = a.latitude * DEGREE;
  const to = b.latitude * DEGREE;
  const u = Math.sin((to - from) / 2);
  const haversine = u * u + Math.cos(from) * Math.cos(to) * v * v;
  return 2 * RADIUS_METERS * Math.asin(Math.sqrt(haversine));
}

/** What is searched: within a distance of its center, or within a box around it. All in meters. */
export interface Area {
  readonly center: Position;
  /** Half the width and height of a box; a circle has its radius as both. */
  readonly halfWidth: number;
  readonly halfHeight: number;
  readonly isBox: boolean;
}

/** How far a position within the area is from its center, in meters; −1 for one outside. */
export function metersWithin({ center, halfWidth, halfHeight, isBox }: Area, at: Position): number {
  if (isBox) {
    if (metersNorth(at.latitude, center.latitude) > halfHeight) return -1;
    const beside = { longitude: center.longitude, latitude: at.latitude };
    if (metersBetween(at, beside) > halfWidth) return -1;
    return metersBetween(center, at);
  }
  const meters = metersBetween(center, at);
  return meters > halfWidth ? -1 : meters;
}

/** The longitudes and latitudes between which an area lies; they may leave the grid. */
export function boundsOf({ center, halfWidth, halfHeight }: Area): Edges {
  const { longitude, latitude } = center;
  const up = halfHeight / RADIUS_METERS / DEGREE;
  // Towards the poles a degree of longitude is shorter.
  const far = latitude < 0 ? latitude - up : latitude + up;
  const side = halfWidth / RADIUS_METERS / Math.cos(far * DEGREE) / DEGREE;
  return {
    west: longitude - side,
    east: longitude + side,
    south: latitude - up,
    north: latitude + up,
  };
}
