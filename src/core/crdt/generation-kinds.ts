/**
 * GenerationKinds: every kind of generation there is, by its number on the wire and on disk.
 *
 * Invariant: a number is given once and never to another kind.
 */
import { HYPERLOGLOG } from "../hll/hyperloglog.ts";
import type { GenerationKind } from "./generation.ts";

export const GENERATION_KINDS: ReadonlyMap<number, GenerationKind> = new Map(
  [HYPERLOGLOG].map((kind) => [kind.number, kind]),
);
