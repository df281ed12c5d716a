/**
 * Double: numbers with a fraction as Redis reads them (`strtod`) and prints them (`%.17g`).
 *
 * Invariant: what is printed is read back as the same double. NaN stands for "no number" and is never read.
 */

const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const INFINITE = /^[+-]?inf(?:inity)?$/i;
const HEXADECIMAL = /^([+-]?)0x([\da-f]*)(?:\.([\da-f]*))?(?:p([+-]?\d{1,5}))?$/i;
const DIGIT = /[1-9]/;

/** Whole numbers of so many digits are exact, and no exponent is needed to print them. */
const PLAIN_DIGITS = 15;
const PRECISION = 17;

/** The double that all of the bytes are, or NaN; a number too large or too small to be one is none. */
export function parseDouble(bytes: Buffer, start: number, end: number): number {
  const whole = parseWhole(bytes, start, end);
  if (!Number.isNaN(whole)) return whole;
  const text = bytes.latin1Slice(start, end);
  const value = readDouble(text);
  const isOver = Math.abs(value) === Infinity && !INFINITE.test(text);
  const isUnder = value === 0 && DIGIT.test(text.replace(/[ep].*$/is, ""));
  return isOver || isUnder ? Number.NaN : value;
}

/**
 * As `parseDouble`, in the way of C: blanks in front are skipped, a zero byte ends the text, nothing at all is 0, and a number too
 * large is infinite.
 */
export function parseDoubleLoosely(bytes: Buffer, start: number, end: number): number {
  const whole = parseWhole(bytes, start, end);
  if (!Number.isNaN(whole)) return whole;
  const text = bytes.latin1Slice(start, end).replace(/\0.*$/s, "");
  return text === "" ? 0 : readDouble(text.replace(/^[ \t-\r]+/, ""));
}

/** A whole number of few digits, or NaN: nearly every number is one. */
function parseWhole(bytes: Buffer, start: number, end: number): number {
  const isNegative = bytes[start] === 45 && start < end;
  const first = isNegative ? start + 1 : start;
  if (first >= end || end - first > PLAIN_DIGITS) return Number.NaN;
  let value = 0;
  for (let i = first; i < end; i++) {
    const digit = (bytes[i] as number) - 48;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return isNegative ? -value : value;
}

function readDouble(text: string): number {
  if (DECIMAL.test(text)) return Number(text);
  if (INFINITE.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  const match = HEXADECIMAL.exec(text);
  if (match === null) return Number.NaN;
  const [, sign, before = "", behind = "", power = "0"] = match;
  if (before.length + behind.length === 0) return Number.NaN;
  const value = ofBinary(BigInt(`0x${before}${behind}`), Number(power) - 4 * behind.length);
  return sign === "-" ? -value : value;
}

/** `digits · 2^power`, in two steps since 2^1074 is no double. */
function ofBinary(digits: bigint, power: number): number {
  if (digits === 0n) return 0;
  const first = Math.max(power, -1000);
  return Number(digits) * 2 ** first * 2 ** (power - first);
}

/** As `%.17g`, and `inf` or `-inf`. */
export function formatDouble(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 10 ** PLAIN_DIGITS)
    return Object.is(value, -0) ? "-0" : String(value);
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const [digits, exponent] = significant(Math.abs(value));
  const sign = value < 0 ? "-" : "";
  if (exponent < -4 || exponent >= PRECISION) {
    const [first, rest] = [digits.slice(0, 1), trimmed(digits.slice(1))];
    const power = String(Math.abs(exponent)).padStart(2, "0");
    return `${sign}${first}${rest === "" ? "" : `.${rest}`}e${exponent < 0 ? "-" : "+"}${power}`;
  }
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${trimmed(digits)}`;
  const rest = trimmed(digits.slice(exponent + 1));
  return `${sign}${digits.slice(0, exponent + 1)}${rest === "" ? "" : `.${rest}`}`;
}

/** The first 17 digits, of two equally near the even one, and the power of ten of the first. */
function significant(value: number): [digits: string, exponent: number] {
  const [digits, exponent] = split(value.toExponential(PRECISION - 1));
  // JavaScript rounds up what lies right in the middle.
  if (Number(digits.at(-1)) % 2 === 0) return [digits, exponent];
  // oxlint-disable-next-line oxc/number-arg-out-of-range -- up to 100 are allowed since ES2018, and a tie has few digits more
  const [all] = split(value.toExponential(60));
  if (!/^50*$/.test(all.slice(PRECISION)) || all.slice(0, PRECISION) === digits)
    return [digits, exponent];
  return [all.slice(0, PRECISION), exponent];
}

function split(text: string): [digits: string, exponent: number] {
  const [mantissa, exponent] = text.split("e") as [string, string];
  return [mantissa.replace(".", ""), Number(exponent)];
}

function trimmed(digits: string): string {
  return digits.replace(/0+$/, "");
}
