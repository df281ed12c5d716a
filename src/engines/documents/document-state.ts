/**
 * DocumentState: a document as the updates that make it, and as a loaded one while it is in use.
 *
 *   whole   most of it as one update       recent   the updates joined since, each as it came
 *   loaded  a document of Yjs that has applied `whole` and the first so many of `recent`; it may be dropped at any time
 *
 * Invariant: joining only keeps bytes. What Yjs makes of them shows when somebody reads; if it cannot, the document is refused to
 * readers, and every replica has it all the same. `encode` is a function of the set of updates, not of their order.
 */
import * as Y from "yjs";
import type { Semilattice } from "../../core/crdt/generation.ts";
import type { LoadedDocuments } from "./loaded-documents.ts";
import { applyUpdates, newDoc } from "./yjs.ts";

/** What an update takes beside its bytes. */
const PIECE_BYTES = 128;
/** Updates are made one when they weigh as much as what is one already, and more than this. */
const RECENT_MIN_BYTES = 16 * 1024;
const NOTHING = Buffer.from([0, 0]);

export class DocumentState implements Semilattice {
  #whole: Buffer = NOTHING;
  /** Whether `whole` is what every replica makes of it. */
  #canonical = true;
  #recent: Buffer[] = [];
  #recentBytes = 0;
  #loaded: Y.Doc | null = null;
  /** How many of `recent` are in `loaded`. */
  #applied = 0;
  readonly #cache: LoadedDocuments;

  constructor(cache: LoadedDocuments) {
    this.#cache = cache;
  }

  get bytes(): number {
    return this.#whole.length + this.#recentBytes;
  }

  join(payload: Buffer): void {
    // In memory of its own to the byte: Yjs reads from what lies under a view.
    const update = Buffer.allocUnsafeSlow(payload.length);
    update.set(payload);
    this.#recent.push(update);
    this.#recentBytes += update.length + PIECE_BYTES;
    if (this.#recentBytes > RECENT_MIN_BYTES + this.#whole.length) this.#compact();
  }

  /** Makes one update of all, without the expense of a canonical one. */
  #compact(): void {
    const doc = this.load();
    this.#settle(
      doc === null ? Y.mergeUpdates([this.#whole, ...this.#recent]) : Y.encodeStateAsUpdate(doc),
      false,
    );
  }

  #settle(whole: Uint8Array, canonical: boolean): void {
    if (this.#applied < this.#recent.length) this.#loaded = null;
    this.#whole = Buffer.from(whole);
    this.#canonical = canonical;
    this.#recent = [];
    this.#recentBytes = 0;
    this.#applied = 0;
  }

  encode(): Buffer {
    if (this.#canonical && this.#recent.length === 0) return this.#whole;
    // Only a fresh load in one transaction joins all that can be joined, wherever the parts came from.
    const doc = newDoc();
    try {
      applyUpdates(doc, [this.#whole, ...this.#recent]);
      this.#settle(Y.encodeStateAsUpdate(doc), true);
    } catch {
      this.#settle(Y.mergeUpdates([this.#whole, ...this.#recent]), false);
    }
    return this.#whole;
  }

  text(): Buffer {
    throw new Error("bug: a document is not read as a string");
  }

  /** The document, or null if Yjs cannot read it. It belongs to this state: whoever edits it joins the edit, or drops it. */
  load(): Y.Doc | null {
    const updates = this.#recent.slice(this.#applied);
    const doc = this.#loaded ?? newDoc();
    if (this.#loaded === null) updates.unshift(this.#whole);
    try {
      applyUpdates(doc, updates);
    } catch {
      this.drop();
      return null;
    }
    this.#loaded = doc;
    this.#applied = this.#recent.length;
    this.#cache.used(this, this.bytes);
    return doc;
  }

  /** Forgets what is loaded. */
  drop(): void {
    this.#loaded = null;
    this.#applied = 0;
  }
}
