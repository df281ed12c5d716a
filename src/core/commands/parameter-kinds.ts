/**
 * Parameter kinds: how the text of a parameter is read, with Redis' words for what is wrong with it.
 *
 * Invariant: a reader returns the value, or the refusal as an object; it changes nothing.
 */
export interface Wrong {
  readonly wrong: string;
}

/** What CONFIG GET shows as `yes` and `no`. */
export function readYesNo(value: string): boolean | Wrong {
  const word = value.toLowerCase();
  if (word !== "yes" && word !== "no") return { wrong: "argument must be 'yes' or 'no'" };
  return word === "yes";
}

/** A whole number from `low` to `high`, both included. */
export function readInteger(value: string, low: number, high: number): number | Wrong {
  const number = /^-?\d{1,15}$/.test(value) ? Number(value) : NaN;
  if (Number.isNaN(number)) return { wrong: "argument couldn't be parsed into an integer" };
  return number < low || number > high ? { wrong: between(low, high) } : number;
}

/** Bytes, such as `20mb`, from `low` to `high`. */
export function readMemory(value: string, low: number, high: number): number | Wrong {
  const bytes = memory(value);
  if (bytes === null) return { wrong: "argument must be a memory value" };
  return bytes < low || bytes > high ? { wrong: between(low, high) } : bytes;
}

/** One of `words`, in any case. */
export function readWord<const T extends string>(value: string, words: readonly T[]): T | Wrong {
  const word = words.find((other) => other === value.toLowerCase());
  return word ?? { wrong: `argument(s) must be one of the following: ${words.join(", ")}` };
}

/** Whether a reader found something wrong. */
export function isWrong(value: unknown): value is Wrong {
  return typeof value === "object" && value !== null && "wrong" in value;
}

function between(low: number, high: number): string {
  return `argument must be between ${low} and ${high} inclusive`;
}

const units: Record<string, number> = {
  "": 1,
  b: 1,
  k: 1000,
  kb: 1024,
  m: 1000 ** 2,
  mb: 1024 ** 2,
  g: 1000 ** 3,
  gb: 1024 ** 3,
};

/** Bytes as Redis reads them, such as `20mb`; null when they are none. */
function memory(value: string): number | null {
  const [, digits = "", unit = ""] = /^(\d{1,15})([a-z]*)$/.exec(value.toLowerCase()) ?? [];
  const factor = units[unit];
  return digits === "" || factor === undefined ? null : Number(digits) * factor;
}
