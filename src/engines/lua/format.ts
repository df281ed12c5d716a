/**
 * Format: `string.format`, which hands each item to C's printf.
 *
 * Invariant: what printf writes ends at its first zero byte.
 */
import { numberArgument, textArgument, toLong } from "./arguments.ts";
import { formatExponential, formatFixed, formatGeneral } from "./numbers.ts";
import type { Runtime } from "./runtime.ts";
import type { LuaValue } from "./values.ts";

const SPECIFICATION = /([-+ #0]*)(\d{0,2})(?:\.(\d{0,2}))?/y;
const MOST_FLAGS = 5;
/** From this length on, a text without a precision is not formatted but copied. */
const LONG_TEXT = 100;

interface Specification {
  left: boolean;
  plus: boolean;
  space: boolean;
  alternate: boolean;
  zeros: boolean;
  width: number;
  precision: number | undefined;
}

export function format(runtime: Runtime, args: readonly LuaValue[]): string {
  const text = textArgument(runtime, args, 1);
  let result = "";
  let argument = 1;
  let at = 0;
  for (;;) {
    const percent = text.indexOf("%", at);
    if (percent < 0) return result + text.slice(at);
    result += text.slice(at, percent);
    at = percent + 1;
    if (text[at] === "%") {
      result += "%";
      at++;
      continue;
    }
    argument++;
    if (argument > args.length) throw runtime.argumentError(argument, "no value");
    const value = args[argument - 1];
    if (text[at] === "d" && typeof value === "number" && Number.isSafeInteger(value)) {
      result += `${value + 0}`;
      at++;
      continue;
    }
    const { specification, end } = specificationAt(runtime, text, at);
    at = end + 1;
    const item = itemOf(runtime, args, argument, text[end] ?? "", specification);
    runtime.heap.charge(item.length);
    result += item;
  }
}

function specificationAt(
  runtime: Runtime,
  text: string,
  at: number,
): { specification: Specification; end: number } {
  SPECIFICATION.lastIndex = at;
  const [all, flags, width, precision] = SPECIFICATION.exec(text) as unknown as [
    ...[string, string, string, string?],
  ];
  if (flags.length > MOST_FLAGS) throw runtime.error("invalid format (repeated flags)");
  const end = at + all.length;
  if (/\d/.test(text[end] ?? "")) {
    throw runtime.error("invalid format (width or precision too long)");
  }
  const specification: Specification = {
    left: flags.includes("-"),
    plus: flags.includes("+"),
    space: flags.includes(" "),
    alternate: flags.includes("#"),
    zeros: flags.includes("0"),
    width: Number(width),
    precision: precision === undefined ? undefined : Number(precision),
  };
  return { specification, end };
}

function itemOf(
  runtime: Runtime,
  args: readonly LuaValue[],
  argument: number,
  conversion: string,
  specification: Specification,
): string {
  switch (conversion) {
    case "c": {
      const number = numberArgument(runtime, args, argument);
      // What does not fit into an int becomes the least one.
      const code = Math.abs(number) <= 2 ** 31 ? number & 0xff : 0;
      return cut(padded(String.fromCharCode(code), specification));
    }
    case "d":
    case "i":
      return integer(toLong(numberArgument(runtime, args, argument)), specification);
    case "o":
    case "u":
    case "x":
    case "X":
      return unsigned(numberArgument(runtime, args, argument), conversion, specification);
    case "e":
    case "E":
    case "f":
    case "g":
    case "G":
      return float(numberArgument(runtime, args, argument), conversion, specification);
    case "q":
      return quoted(textArgument(runtime, args, argument));
    case "s": {
      const text = textArgument(runtime, args, argument);
      if (specification.precision === undefined && text.length >= LONG_TEXT) return text;
      return padded(cut(text).slice(0, specification.precision), specification);
    }
    default:
      throw runtime.error(`invalid option '%${conversion === "\0" ? "" : conversion}' to 'format'`);
  }
}

function integer(value: number, specification: Specification): string {
  const digits = BigInt(value < 0 ? -value : value).toString();
  return signed(value < 0, withPrecision(digits, specification), specification);
}

function unsigned(value: number, conversion: string, specification: Specification): string {
  const bits =
    value >= 2 ** 63
      ? value < 2 ** 64
        ? BigInt(value)
        : 0n
      : BigInt.asUintN(64, BigInt(toLong(value)));
  let digits = bits.toString(conversion === "o" ? 8 : conversion === "u" ? 10 : 16);
  if (conversion === "X") digits = digits.toUpperCase();
  let number = withPrecision(digits, specification);
  if (conversion === "o" && specification.alternate && !number.startsWith("0")) {
    number = `0${number}`;
  }
  const prefix =
    specification.alternate && bits !== 0n && (conversion === "x" || conversion === "X")
      ? `0${conversion}`
      : "";
  return numberPadded(prefix, number, specification, specification.precision === undefined);
}

function float(value: number, conversion: string, specification: Specification): string {
  const { precision = 6, alternate } = specification;
  const text = floatDigits(value, conversion.toLowerCase(), precision, alternate);
  const negative = text.startsWith("-");
  const shown = negative ? text.slice(1) : text;
  return signed(
    negative,
    conversion < "a" ? shown.toUpperCase() : shown,
    specification,
    Number.isFinite(value),
  );
}

function floatDigits(
  value: number,
  conversion: string,
  precision: number,
  alternate: boolean,
): string {
  switch (conversion) {
    case "e":
      return formatExponential(value, precision, alternate);
    case "f":
      return formatFixed(value, precision, alternate);
    default:
      return formatGeneral(value, precision, alternate);
  }
}

function withPrecision(digits: string, { precision }: Specification): string {
  if (precision === 0 && digits === "0") return "";
  return digits.padStart(precision ?? 0, "0");
}

function signed(
  negative: boolean,
  digits: string,
  specification: Specification,
  zerosAllowed = specification.precision === undefined,
): string {
  const sign = negative ? "-" : specification.plus ? "+" : specification.space ? " " : "";
  return numberPadded(sign, digits, specification, zerosAllowed);
}

function numberPadded(
  prefix: string,
  digits: string,
  specification: Specification,
  zerosAllowed: boolean,
): string {
  const { left, zeros, width } = specification;
  return zeros && !left && zerosAllowed
    ? prefix + digits.padStart(width - prefix.length, "0")
    : padded(prefix + digits, specification);
}

function padded(text: string, { left, width }: Specification): string {
  return left ? text.padEnd(width) : text.padStart(width);
}

function cut(text: string): string {
  const zero = text.indexOf("\0");
  return zero < 0 ? text : text.slice(0, zero);
}

const QUOTED = new Map([
  ['"', '\\"'],
  ["\\", "\\\\"],
  ["\n", "\\\n"],
  ["\r", "\\r"],
  ["\0", "\\000"],
]);

function quoted(text: string): string {
  return `"${text.replace(/["\\\n\r\0]/g, (char) => QUOTED.get(char) ?? char)}"`;
}
