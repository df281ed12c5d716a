/**
 * LoadedDocuments: which documents are kept loaded: those used last, up to a bound.
 *
 * Invariant: the sum of what they take as bytes stays under the bound, the document now in use aside. Loaded, a document takes
 * some ten times of that.
 */
import type { DocumentState } from "./document-state.ts";

export class LoadedDocuments {
  readonly #boundBytes: number;
  /** In the order of their last use. */
  readonly #bytes = new Map<DocumentState, number>();
  #total = 0;

  constructor(boundBytes: number) {
    this.#boundBytes = boundBytes;
  }

  used(state: DocumentState, bytes: number): void {
    this.#total += bytes + LEAST_BYTES - (this.#bytes.get(state) ?? 0);
    this.#bytes.delete(state);
    this.#bytes.set(state, bytes + LEAST_BYTES);
    for (const [other, weight] of this.#bytes) {
      if (this.#total <= this.#boundBytes || other === state) return;
      this.#bytes.delete(other);
      this.#total -= weight;
      other.drop();
    }
  }
}

/** What the smallest document counts. */
const LEAST_BYTES = 1024;
