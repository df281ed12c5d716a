/**
 * Print: a value of a document as JSON text.
 *
 * Invariant: the text is valid JSON, and a value is printed in one way everywhere. Numbers are printed in the shortest form that
 * reads back as the same double.
 */
import type { Value } from "../crdt/document.ts";

/** What is printed around and between members and elements. */
export interface Spacing {
  readonly indent: string;
  readonly newline: string;
  readonly space: string;
}

export const COMPACT: Spacing = { indent: "", newline: "", space: "" };

/** Deeper than any command writes: clients with updates of their own making may, and this many calls fit on any stack. */
const PRINTED_DEPTH_MAX = 512;

/** What is printed no deeper than a reader can stand; thrown to whoever began to print. */
export class TooDeep extends Error {}

/** `spacing` begins behind `depth` levels of other text. */
export function printJson(value: Value, spacing: Spacing = COMPACT, depth = 0): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value !== "object" || value === null) return printScalar(value);
  if (depth > PRINTED_DEPTH_MAX) throw new TooDeep("a value lies too deep to be printed");
  const parts =
    value.type === "array"
      ? value.values().map((element) => printJson(element, spacing, depth + 1))
      : value.names().map((name) => {
          const member = printJson(value.get(name) ?? null, spacing, depth + 1);
          return `${JSON.stringify(name)}:${spacing.space}${member}`;
        });
  const [open, close] = value.type === "array" ? "[]" : "{}";
  return enclose(open as string, close as string, parts, spacing, depth);
}

/** Parts that are printed already, as an array or an object. */
export function enclose(
  open: string,
  close: string,
  parts: readonly string[],
  spacing: Spacing,
  depth: number,
): string {
  if (parts.length === 0) return open + close;
  const { indent, newline } = spacing;
  const inner = newline + indent.repeat(depth + 1);
  return open + inner + parts.join(`,${inner}`) + newline + indent.repeat(depth) + close;
}

function printScalar(value: null | boolean | number | bigint): string {
  return Object.is(value, -0) ? "-0" : String(value);
}
