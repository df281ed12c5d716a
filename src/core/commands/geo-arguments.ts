/**
 * Geo arguments: positions, members and units as commands name them, and positions and distances as they are answered.
 */
import { parseDouble } from "../bytes/double.ts";
import { LATITUDE_MAX, LONGITUDE_MAX, type Position, positionOf } from "../geo/grid.ts";
import type { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import { NOT_A_FLOAT } from "./errors.ts";
import type { Run } from "./run.ts";

/** The longitude and latitude in two arguments; null after the refusal was answered. */
export function positionAt(args: Args, i: number, reply: Reply): Position | null {
  const { bytes, start, end } = args;
  const longitude = parseDouble(bytes, start[i] as number, end[i] as number);
  const latitude = parseDouble(bytes, start[i + 1] as number, end[i + 1] as number);
  if (Number.isNaN(longitude) || Number.isNaN(latitude)) reply.error(NOT_A_FLOAT);
  else if (Math.abs(longitude) > LONGITUDE_MAX || Math.abs(latitude) > LATITUDE_MAX)
    reply.error(
      `ERR invalid longitude,latitude pair ${sixDigits(longitude)},${sixDigits(latitude)}`,
    );
  else return { longitude, latitude };
  return null;
}

/** As `%f`. */
function sixDigits(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0.000000";
  return Math.abs(value) < 1e21 ? value.toFixed(6) : `${BigInt(value)}.000000`;
}

/** The position of the member named in argument `i`; null when no reader sees it. */
export function memberPosition(run: Run, place: Place, args: Args, i: number): Position | null {
  const score = place.score(
    run.keyspace,
    args.bytes,
    args.start[i] as number,
    args.end[i] as number,
  );
  return Number.isNaN(score) ? null : positionOf(score);
}

const UNITS = [
  ["M", 1],
  ["KM", 1000],
  ["FT", 0.3048],
  ["MI", 1609.34],
] as const;

/** The meters of the unit in argument `i`; NaN after the refusal was answered. */
export function unitAt(args: Args, i: number, reply: Reply): number {
  for (const [name, meters] of UNITS) if (args.is(i, name)) return meters;
  reply.error("ERR unsupported unit provided. please use M, KM, FT, MI");
  return Number.NaN;
}

/** Four digits behind the point, of two equally near the even one. */
export function replyDistance(reply: Reply, distance: number): void {
  const scaled = distance * 10_000;
  let rounded = Math.round(scaled);
  if (rounded - scaled === 0.5 && rounded % 2 === 1) rounded--;
  const digits = BigInt(rounded).toString().padStart(5, "0");
  reply.text(`${digits.slice(0, -4)}.${digits.slice(-4)}`);
}

export function replyPosition(reply: Reply, { longitude, latitude }: Position): void {
  reply.array(2);
  reply.double(degrees(longitude));
  reply.double(degrees(latitude));
}

/** 17 digits behind the point, without zeros at the end. */
function degrees(value: number): string {
  const text = value.toFixed(17).replace(/\.?0+$/, "");
  return text === "-0" ? "0" : text;
}
