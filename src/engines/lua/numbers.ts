/**
 * Numbers: doubles as text, as C's strtod reads them and printf writes them, and the arithmetic that JavaScript's operators
 * have not.
 *
 * Invariant: a number of up to 14 digits is printed exactly; nothing depends on a locale.
 */

import type { Arithmetic } from "./syntax.ts";

/** Digits of the largest integer of which all below are exact. */
const SAFE_DIGITS = 16;
const ZERO = 48;
const POINT = 46;

const DECIMAL = /^[ \t\n\v\f\r]*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)[ \t\n\v\f\r]*$/;
const HEXADECIMAL =
  /^[ \t\n\v\f\r]*([+-]?)0[xX](?:([\da-fA-F]+)\.?([\da-fA-F]*)|\.([\da-fA-F]+))(?:[pP]([+-]?\d+))?[ \t\n\v\f\r]*$/;
const SPECIAL = /^[ \t\n\v\f\r]*([+-]?)(?:(inf|infinity)|(nan|nan\(\w*\)))[ \t\n\v\f\r]*$/i;

/** The number that a string says, with spaces around it; undefined when it says none. What follows a zero byte is not read. */
export function parseNumber(text: string): number | undefined {
  return parseDigits(text) ?? parseAny(text);
}

/** A number of few digits, with a point or without, which is all that scripts are usually given; undefined of anything else. */
function parseDigits(text: string): number | undefined {
  const { length } = text;
  if (length === 0 || length > SAFE_DIGITS) return undefined;
  let value = 0;
  let point = -1;
  for (let at = 0; at < length; at++) {
    const code = text.charCodeAt(at);
    if (code >= ZERO && code < ZERO + 10) value = value * 10 + code - ZERO;
    else if (code === POINT && point < 0) point = at;
    else return undefined;
  }
  if (point < 0) return length < SAFE_DIGITS ? value : undefined;
  // Both are exact, so the quotient is rounded once.
  return length === 1 ? undefined : value / 10 ** (length - point - 1);
}

function parseAny(text: string): number | undefined {
  const zero = text.indexOf("\0");
  const read = zero < 0 ? text : text.slice(0, zero);
  const decimal = DECIMAL.exec(read);
  if (decimal !== null) return Number(decimal[1]);
  const hexadecimal = HEXADECIMAL.exec(read);
  if (hexadecimal !== null) return hexadecimalNumber(hexadecimal);
  const special = SPECIAL.exec(read);
  if (special === null) return undefined;
  if (special[3] !== undefined) return Number.NaN;
  return special[1] === "-" ? -Infinity : Infinity;
}

function hexadecimalNumber([, sign, whole, fraction, only, exponent]: RegExpExecArray): number {
  const digits = only === undefined ? `${whole ?? ""}${fraction ?? ""}` : only;
  const places = (only ?? fraction ?? "").length;
  let value = 0;
  if (digits.length <= 13) value = Number.parseInt(digits, 16);
  else value = Number(BigInt(`0x${digits}`));
  const scaled = scale(value, Number(exponent ?? 0) - 4 * places);
  return sign === "-" ? -scaled : scaled;
}

/** value * 2^exponent, rounded once. */
export function scale(value: number, exponent: number): number {
  if (value === 0 || !Number.isFinite(value)) return value;
  let left = Math.max(-3000, Math.min(3000, exponent));
  let result = value;
  for (; left > 1000; left -= 1000) result *= 2 ** 1000;
  // Toward the smallest numbers in one step, so that digits are lost only once.
  for (; left < -1022 && Math.abs(result) > 2; left += 52) result *= 2 ** -52;
  for (; left < -1022; left += 1022) result *= 2 ** -1022;
  return result * 2 ** left;
}

/** "%.14g": how Lua 5.1 shows a number. */
export function formatNumber(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude < 1e14 && magnitude >= 1e-4) {
    // The shortest text that reads as this number, which is the one when it has no more than 14 digits.
    const text = `${magnitude}`;
    if (text.length <= 15) return value < 0 ? `-${text}` : text;
  } else if (value === 0) {
    return Object.is(value, -0) ? "-0" : "0";
  }
  return formatGeneral(value, 14, false);
}

/** Infinity and not-a-number, as C writes them; undefined of others. Arithmetic on x86 makes negative ones of the latter. */
export function formatSpecial(value: number): string | undefined {
  if (Number.isNaN(value)) return "-nan";
  if (Number.isFinite(value)) return undefined;
  return value < 0 ? "-inf" : "inf";
}

/** "%.{precision}g", keeping trailing zeros when `alternate` ("#"). */
export function formatGeneral(value: number, precision: number, alternate: boolean): string {
  // Of these no digit is lost, and scripts hand commands little else.
  if (precision >= SAFE_DIGITS && !alternate) {
    if (Number.isSafeInteger(value)) return Object.is(value, -0) ? "-0" : `${value}`;
    if (precision < MOST_DIGITS) {
      const text = formatPlain(value, precision);
      if (text !== undefined) return text;
    }
  }
  const special = formatSpecial(value);
  if (special !== undefined) return special;
  const digits = precision === 0 ? 1 : precision;
  const exponential = formatExponential(value, digits - 1, alternate);
  const split = exponential.lastIndexOf("e");
  const exponent = Number(exponential.slice(split + 1));
  if (exponent < -4 || exponent >= digits) {
    if (alternate) return exponential;
    return trimZeros(exponential.slice(0, split)) + exponential.slice(split);
  }
  const fixed = formatFixed(value, digits - 1 - exponent, alternate);
  return alternate ? fixed : trimZeros(fixed);
}

/** "%.{precision}g" of a number that needs no exponent and is no tie, which is nearly every fraction; undefined of any other. */
function formatPlain(value: number, precision: number): string | undefined {
  const magnitude = Math.abs(value);
  if (!(magnitude >= 1e-4 && magnitude < 1e15)) return undefined;
  // A tie has one digit more, a 5: JavaScript rounds it up, C to the even digit.
  if (value.toPrecision(precision + 1).endsWith("5")) return undefined;
  return trimZeros(value.toPrecision(precision));
}

/** "%.{precision}e". */
export function formatExponential(value: number, precision: number, alternate: boolean): string {
  const special = formatSpecial(value);
  if (special !== undefined) return special;
  const written = exponentialDigits(value, precision);
  const split = written.indexOf("e");
  let mantissa = written.slice(0, split);
  const sign = written[split + 1] as string;
  const exponent = written.slice(split + 2).padStart(2, "0");
  if (alternate && precision === 0) mantissa += ".";
  return `${Object.is(value, -0) ? "-" : ""}${mantissa}e${sign}${exponent}`;
}

/** "%.{precision}f". */
export function formatFixed(value: number, precision: number, alternate: boolean): string {
  const special = formatSpecial(value);
  if (special !== undefined) return special;
  const magnitude = Math.abs(value);
  const written =
    magnitude < 1e21 && precision <= MOST_DIGITS - TIE_DIGITS
      ? evenFixed(magnitude, precision)
      : exactFixed(magnitude, precision);
  const negative = value < 0 || Object.is(value, -0);
  return `${negative ? "-" : ""}${written}${alternate && precision === 0 ? "." : ""}`;
}

/** JavaScript writes no more. */
const MOST_DIGITS = 100;
/** A double that looks like a tie for that many digits is one. */
const TIE_DIGITS = 40;
const TIE = /^50*$/;

/** C rounds a tie to the even digit, JavaScript up. */
function evenFixed(magnitude: number, precision: number): string {
  const rounded = magnitude.toFixed(precision);
  const long = magnitude.toFixed(precision + TIE_DIGITS);
  const cut = long.length - TIE_DIGITS;
  return TIE.test(long.slice(cut)) && isEven(long[cut - 1] === "." ? long[cut - 2] : long[cut - 1])
    ? long.slice(0, precision === 0 ? cut - 1 : cut)
    : rounded;
}

function exponentialDigits(value: number, precision: number): string {
  if (precision > MOST_DIGITS - TIE_DIGITS) return exactExponential(value, precision);
  const rounded = value.toExponential(precision);
  const long = value.toExponential(precision + TIE_DIGITS);
  const split = long.indexOf("e");
  const cut = split - TIE_DIGITS;
  return TIE.test(long.slice(cut, split)) &&
    isEven(long[cut - 1] === "." ? long[cut - 2] : long[cut - 1])
    ? long.slice(0, precision === 0 ? cut - 1 : cut) + long.slice(split)
    : rounded;
}

function isEven(digit: string | undefined): boolean {
  return digit !== undefined && Number(digit) % 2 === 0;
}

/** JavaScript stops at 100 digits; a double has no more than 1074 after the point, and the rest is zeros. */
function exactFixed(magnitude: number, precision: number): string {
  const { mantissa, exponent } = parts(magnitude);
  if (exponent >= 0) {
    const whole = (mantissa << BigInt(exponent)).toString();
    return precision === 0 ? whole : `${whole}.${"0".repeat(precision)}`;
  }
  const scaled = mantissa * 10n ** BigInt(precision);
  const rounded = divideToEven(scaled, 1n << BigInt(-exponent));
  const text = rounded.toString().padStart(precision + 1, "0");
  return precision === 0 ? text : `${text.slice(0, -precision)}.${text.slice(-precision)}`;
}

function exactExponential(value: number, precision: number): string {
  const short = value.toExponential(MOST_DIGITS);
  const split = short.indexOf("e");
  const exponent = Number(short.slice(split + 1));
  const decimals = precision - exponent;
  const { mantissa, exponent: binary } = parts(Math.abs(value));
  let digits = mantissa;
  let divisor = 1n;
  if (binary >= 0) digits <<= BigInt(binary);
  else divisor <<= BigInt(-binary);
  if (decimals >= 0) digits *= 10n ** BigInt(decimals);
  else divisor *= 10n ** BigInt(-decimals);
  const text = divideToEven(digits, divisor)
    .toString()
    .padStart(precision + 1, "0");
  return `${value < 0 ? "-" : ""}${text[0]}.${text.slice(1)}${short.slice(split)}`;
}

function parts(magnitude: number): { mantissa: bigint; exponent: number } {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, magnitude);
  const bits = view.getBigUint64(0);
  const exponent = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & 0xfffffffffffffn;
  return exponent === 0
    ? { mantissa: fraction, exponent: -1074 }
    : { mantissa: fraction | (1n << 52n), exponent: exponent - 1075 };
}

function divideToEven(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor;
  const twice = (value % divisor) * 2n;
  const up = twice > divisor || (twice === divisor && (quotient & 1n) === 1n);
  return up ? quotient + 1n : quotient;
}

function trimZeros(text: string): string {
  if (!text.includes(".")) return text;
  let end = text.length;
  while (text.charCodeAt(end - 1) === ZERO) end--;
  if (text.charCodeAt(end - 1) === POINT) end--;
  return text.slice(0, end);
}

/** Lua's `%`: the result has the sign of the divisor. */
export function modulo(a: number, b: number): number {
  return a - Math.floor(a / b) * b;
}

/** C's pow: where JavaScript has not-a-number of 1 to any power and of -1 to an infinite one, C has 1. */
export function power(a: number, b: number): number {
  return a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : a ** b;
}

export function compute(operator: Arithmetic, a: number, b: number): number {
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return a / b;
    case "%":
      return modulo(a, b);
    case "^":
      return power(a, b);
    default:
      return operator satisfies never;
  }
}
