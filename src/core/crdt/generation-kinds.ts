/**
 * GenerationKinds: every kind of generation there is, by its number on the wire and on disk.
 *
 * Invariant: a number is given once and never to another kind.
 */
import { HYPERLOGLOG } from "../hll/hyperloglog.ts";
import { BOUNDED_COUNTER } from "./bounded-counter.ts";
import type { GenerationKind } from "./generation.ts";

export const GENERATION_KINDS: ReadonlyMap<number, GenerationKind> = kindsWith([]);

/** The core's own kinds, and those that engines bring. */
export function kindsWith(engines: readonly GenerationKind[]): ReadonlyMap<number, GenerationKind> {
  return new Map([HYPERLOGLOG, BOUNDED_COUNTER, ...engines].map((kind) => [kind.number, kind]));
}
