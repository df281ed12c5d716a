/**
 * Document: JSON that several write at once, as commands see it; the engine behind it is injected as a kind of generation.
 *
 *   generations ─► open ─► root: objects and arrays to walk        edit ─► payload ─► writer.join
 *
 * Invariant: what is opened shows all of the generations as one. An edit changes nothing but what is opened; it happens once its
 * payload is joined, which the caller does before anything else is opened.
 */
import type { Json } from "../json/json.ts";
import type { Generation, GenerationKind } from "./generation.ts";

/** A value within a document: a scalar, or a container that is read and edited in place. */
export type Value = null | boolean | number | bigint | string | ObjectNode | ArrayNode;

export interface ObjectNode {
  readonly type: "object";
  /** Of a plain value, which a client of the engine's own put there: makes a shared one of it, which then must be found again. */
  readonly thaw: (() => void) | null;
  readonly size: number;
  /** The members' names, in an order that is the same everywhere. */
  names(): string[];
  get(name: string): Value | undefined;
  set(name: string, value: Json): void;
  remove(name: string): void;
}

export interface ArrayNode {
  readonly type: "array";
  readonly thaw: (() => void) | null;
  readonly length: number;
  values(): Value[];
  /** The element at an index within the array. */
  get(index: number): Value | undefined;
  set(index: number, value: Json): void;
  insert(index: number, values: readonly Json[]): void;
  remove(index: number, count: number): void;
}

export interface OpenDocument {
  readonly root: Value;
  /** Sets the root to a scalar. A container is never replaced in place: a new generation begins with it. */
  setRoot(value: Json): void;
  /**
   * Makes changes under an author's name and returns them as a payload. A name belongs to one author of one generation for ever.
   */
  edit(author: string, change: () => void): Buffer;
  /** What someone who has seen `vector` lacks, both in the engine's own format; null for a vector that is none. */
  missing(vector: Buffer): Buffer | null;
  /**
   * Takes an update in the engine's own format and returns what was new in it as a payload: an empty one if nothing was, a refusal
   * if it builds on what is not here or is none.
   */
  take(update: Buffer): Buffer | "incomplete" | "malformed";
}

/** The number of documents among the kinds of generations. */
export const DOCUMENT_NUMBER = 2;

/** Documents as generations. */
export interface DocumentKind extends GenerationKind {
  /**
   * Opens what several generations show together, for edits of the first of them; a new document when there is none. Null when the
   * engine cannot read it, which only a peer or a client with updates of its own making can bring about.
   */
  open(generations: readonly Generation[]): OpenDocument | null;
}
