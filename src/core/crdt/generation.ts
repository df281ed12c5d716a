/**
 * Generation: a value that only grows by joining, as a HyperLogLog or a document does, from the record that created it until a record
 * that had seen it removes it whole.
 *
 *   JOIN at seq s of a generation (origin, s)       creates it
 *   JOIN later, naming (origin, seq)                adds to it, or nothing: absent and covered means removed
 *
 * Invariant: the state is the join of the payloads applied, in whatever order and however often. Nothing within can be removed, so
 * a removal takes additions it had not seen with it, if they were made to a generation it had seen.
 */
import type { BOUNDED, DOCUMENT, STRING } from "./key.ts";

/** The state of a generation: a join-semilattice. */
export interface Semilattice {
  /** Adds what a record or a checkpoint brought. Throws `Malformed` for bytes that are none of its own. */
  join(payload: Buffer): void;
  /** Everything as one payload: joined into an empty state it gives this one. */
  encode(): Buffer;
  /** What a reader of a string sees; other types have none. */
  text(): Buffer;
  /** Forgets what it keeps beside the payloads; a state that keeps nothing else has no such method. */
  drop?(): void;
  /** What it takes in memory, about. */
  readonly bytes: number;
}

/** A kind of generation: what it looks like to a reader, and how one begins. */
export interface GenerationKind {
  /** Its number on the wire and on disk, 1…255: never given to another. */
  readonly number: number;
  readonly type: typeof STRING | typeof DOCUMENT | typeof BOUNDED;
  /** What TYPE and the conflict feed call it. */
  readonly name: string;
  create(): Semilattice;
  /** Throws `Malformed` unless `join` would take the payload. */
  check(payload: Buffer): void;
}

export interface Generation {
  readonly kind: GenerationKind;
  /** The record that created it: its dot, and its stamp as birth. */
  readonly origin: number;
  readonly seq: number;
  readonly ms: number;
  readonly tick: number;
  readonly state: Semilattice;
}
