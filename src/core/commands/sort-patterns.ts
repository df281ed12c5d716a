/**
 * Sort patterns: the names of keys that BY and GET make out of elements, and what lies there.
 *
 *   #                the element itself
 *   weight_*         the string under that name, the element in place of the first asterisk
 *   object_*->field  that field of the hash under that name
 *   anything else    nothing
 *
 * Invariant: a pattern is read up to its first zero byte, as Redis does, but what stands behind it is part of names all the same.
 */
import type { Strings } from "../bytes/strings.ts";
import { HASH, STRING } from "../crdt/key.ts";
import type { Run } from "./run.ts";

export type Pattern =
  | { readonly kind: "element" | "nothing" }
  | {
      readonly kind: "key";
      readonly before: Buffer;
      readonly after: Buffer;
      /** Null for a string. */
      readonly field: Buffer | null;
    };

/** Bytes that stay as they are until the next look. */
export interface Found {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/** The pattern in some bytes, which must stay as they are while it is used. */
export function patternOf(bytes: Buffer): Pattern {
  const zero = bytes.indexOf(0);
  const text = zero < 0 ? bytes : bytes.subarray(0, zero);
  if (text.latin1Slice() === "#") return { kind: "element" };
  const star = text.indexOf("*");
  if (star < 0) return { kind: "nothing" };
  const before = bytes.subarray(0, star);
  const arrow = text.indexOf("->", star + 1);
  if (arrow < 0 || arrow + 2 === text.length)
    return { kind: "key", before, after: bytes.subarray(star + 1), field: null };
  const field = bytes.subarray(arrow + 2);
  return { kind: "key", before, after: bytes.subarray(star + 1, arrow), field };
}

/** What lies where a pattern and element `at` lead; null for nothing. Looks at place 1. */
export function lookByPattern(
  run: Run,
  pattern: Pattern,
  elements: Strings,
  at: number,
): Found | null {
  const start = elements.start(at);
  const end = elements.end(at);
  switch (pattern.kind) {
    case "element":
      return { bytes: elements.bytes, start, end };
    case "nothing":
      return null;
    case "key": {
      const { before, after, field } = pattern;
      const name = Buffer.concat([before, elements.bytes.subarray(start, end), after]);
      const place = run.lookAt(run.session.db, name, 0, name.length, 1);
      if (place.type !== (field === null ? STRING : HASH)) return null;
      if (field !== null && !place.lookField(run.keyspace, field, 0, field.length)) return null;
      return { bytes: place.value, start: place.valueStart, end: place.valueEnd };
    }
  }
}
