/**
 * GenerationKinds: every kind of generation there is, by its number on the wire and on disk.
 *
 * Invariant: a number is given once and never to another kind.
 */
import type { GenerationKind } from "./generation.ts";

export const GENERATION_KINDS: ReadonlyMap<number, GenerationKind> = new Map<
  number,
  GenerationKind
>();
