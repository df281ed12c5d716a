/**
 * SettingLeaves: what a single setting can be, and how that is said.
 *
 * Invariant: each leaf says in one sentence what it must be; the place, the setting's name and what stands there instead are added.
 */
import { z } from "zod";

/** What regions may be called. */
export const REGION = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

export const text = (error: string): z.ZodString => z.string({ error });
export const int = (error: string, min: number, max: number) =>
  z.int({ error }).min(min, { error }).max(max, { error });
export const port = (error = "must be a port, 0 to 65535 (0 picks a free one)") =>
  int(error, 0, 65_535);
export const quantity = (
  read: (text: string) => number | null,
  error: string,
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
) =>
  z.preprocess(
    (value) => (typeof value === "string" ? (read(value) ?? value) : value),
    int(error, min, max),
  );
export const oneOf = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.enum(values, { error: `must be one of ${values.join(", ")}` });
export const group = <T extends z.ZodRawShape>(shape: T) =>
  z.strictObject(shape, { error: "must be a group of settings, each on its own indented line" });
