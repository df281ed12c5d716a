/**
 * Quantities as people write them: `16MiB`, `80ms`, `+1h`.
 *
 * Invariant: a text is either a whole quantity or null; a part of it is never read as the rest.
 */
const BYTE_UNITS: Record<string, number> = {
  "": 1,
  b: 1,
  kb: 1024,
  kib: 1024,
  mb: 1024 ** 2,
  mib: 1024 ** 2,
  gb: 1024 ** 3,
  gib: 1024 ** 3,
};

const MS_UNITS: Record<string, number> = {
  "": 1,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Bytes: a number, or one with `KiB`, `MiB` or `GiB` (`KB` counts as `KiB`, as Redis does); null when it is neither. */
export function parseBytes(text: string): number | null {
  return scaled(/^(\d+(?:\.\d+)?)\s*([a-z]*)$/i, text, BYTE_UNITS);
}

/** Milliseconds: a number, or one with `ms`, `s`, `m`, `h` or `d`; null when it is neither. */
export function parseMs(text: string): number | null {
  return scaled(/^(\d+(?:\.\d+)?)\s*([a-z]*)$/i, text, MS_UNITS);
}

/** As `parseMs`, with a sign in front if wanted: `+1h`, `-30s`. */
export function parseOffsetMs(text: string): number | null {
  const sign = text.startsWith("-") ? -1 : 1;
  const ms = parseMs(text.replace(/^[+-]/, ""));
  return ms === null ? null : sign * ms + 0;
}

function scaled(pattern: RegExp, text: string, units: Record<string, number>): number | null {
  const match = pattern.exec(text.trim());
  const unit = units[match?.[2]?.toLowerCase() ?? "?"];
  if (match === null || unit === undefined) return null;
  const value = Math.round(Number(match[1]) * unit);
  return Number.isSafeInteger(value) ? value : null;
}
