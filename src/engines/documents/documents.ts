/**
 * Documents: JSON and text that several edit at once, by Yjs.
 *
 *   "object"   a map: the members of a root that is an object          "array"   a list: the elements of one that is an array
 *   "root"     a map: under "type" which of them is shown, or "value" and under "value" a scalar; an object when it says nothing
 *
 * Invariant: a root's container is there from the beginning and never replaced, so two that were created at once are one: their
 * members or elements are all there. Whatever else a client of Yjs keeps in the document (a text of its own) is kept with it.
 */
import * as Y from "yjs";
import { Malformed, Source } from "../../core/bytes/source.ts";
import {
  DOCUMENT_NUMBER,
  type DocumentKind,
  type OpenDocument,
  type Value,
} from "../../core/crdt/document.ts";
import type { Generation } from "../../core/crdt/generation.ts";
import { DOCUMENT } from "../../core/crdt/key.ts";
import type { Json } from "../../core/json/json.ts";
import { DocumentState } from "./document-state.ts";
import { LoadedDocuments } from "./loaded-documents.ts";
import { heldOf, ListNode, MapNode, valueOf } from "./nodes.ts";
import { checkUpdate, checkVector } from "./update-check.ts";
import { applyUpdates, changesOf, clientOf, isWaiting, newDoc } from "./yjs.ts";

/** What a client may hand in at once. */
const TAKEN_STRUCTS_MAX = 2 ** 20;
const LOADED_MAX_BYTES = 32 * 1024 * 1024;

const cache = new LoadedDocuments(LOADED_MAX_BYTES);

class YjsDocument implements OpenDocument {
  readonly #doc: Y.Doc;
  readonly #states: readonly DocumentState[];

  constructor(doc: Y.Doc, states: readonly DocumentState[]) {
    this.#doc = doc;
    this.#states = states;
  }

  get root(): Value {
    const root = this.#doc.getMap("root");
    switch (root.get("type")) {
      case "array":
        return new ListNode(this.#doc.getArray("array"));
      case "value":
        return valueOf(root.get("value"), (value) => this.setRoot(value));
      default:
        return new MapNode(this.#doc.getMap("object"));
    }
  }

  setRoot(value: Json): void {
    const root = this.#doc.getMap("root");
    if (value instanceof Map) {
      root.set("type", "object");
      const members = this.#doc.getMap("object");
      for (const [name, member] of value) members.set(name, heldOf(member as Json));
    } else if (Array.isArray(value)) {
      root.set("type", "array");
      this.#doc.getArray("array").insert(0, value.map(heldOf));
    } else {
      root.set("type", "value");
      root.set("value", value);
    }
  }

  edit(author: string, change: () => void): Buffer {
    const changes = changesOf(this.#doc, clientOf(author), change);
    const [first] = this.#states;
    // An edit may build on any of the generations, and the first must stand without the others.
    if (first === undefined || this.#states.length === 1) return changes;
    const alone = first.load();
    const seen = alone === null ? undefined : Y.encodeStateVector(alone);
    return Buffer.from(Y.encodeStateAsUpdate(this.#doc, seen));
  }

  missing(vector: Buffer): Buffer | null {
    try {
      checkVector(new Source(vector));
    } catch (error) {
      if (error instanceof Malformed) return null;
      throw error;
    }
    return Buffer.from(Y.encodeStateAsUpdate(this.#doc, vector));
  }

  take(update: Buffer): Buffer | "incomplete" | "malformed" {
    const own = Buffer.allocUnsafeSlow(update.length);
    own.set(update);
    try {
      if (checkUpdate(new Source(own)) > TAKEN_STRUCTS_MAX) return "malformed";
      const changes = this.#takeChecked(own);
      if (!isWaiting(this.#doc)) return changes;
      this.#forget();
      return "incomplete";
    } catch {
      this.#forget();
      return "malformed";
    }
  }

  #takeChecked(update: Buffer): Buffer {
    let changes: Uint8Array = new Uint8Array(0);
    const keep = (bytes: Uint8Array): void => void (changes = bytes);
    this.#doc.on("update", keep);
    try {
      applyUpdates(this.#doc, [update]);
    } finally {
      this.#doc.off("update", keep);
    }
    const [first] = this.#states;
    if (changes.length === 0 || first === undefined || this.#states.length === 1)
      return Buffer.from(changes);
    const alone = first.load();
    const seen = alone === null ? undefined : Y.encodeStateVector(alone);
    return Buffer.from(Y.encodeStateAsUpdate(this.#doc, seen));
  }

  /** What was applied is not to happen. */
  #forget(): void {
    for (const state of this.#states) state.drop();
  }
}

function open(generations: readonly Generation[]): OpenDocument | null {
  const states = generations.map(({ state }) => state as DocumentState);
  const [first] = states;
  if (first === undefined) return new YjsDocument(newDoc(), states);
  const doc = states.length === 1 ? first.load() : together(states);
  return doc === null ? null : new YjsDocument(doc, states);
}

/** Several as one, loaded for this command alone. */
function together(states: readonly DocumentState[]): Y.Doc | null {
  const doc = newDoc();
  try {
    applyUpdates(
      doc,
      states.map((state) => state.encode()),
    );
    return doc;
  } catch {
    return null;
  }
}

/** Documents as generations. */
export const DOCUMENTS: DocumentKind = {
  number: DOCUMENT_NUMBER,
  type: DOCUMENT,
  name: "document",
  create: () => new DocumentState(cache),
  check: (payload) => void checkUpdate(new Source(payload)),
  open,
};
