/**
 * Yjs as this engine uses it: loading, encoding and editing without chance, without a console and without an identity of its own.
 *
 * Invariant: what is loaded is a function of the bytes. Yjs draws a client id for every document it makes, and another one, with a
 * word to the console, when an update comes in under the one it has. Neither number is ever used: whoever edits brings an
 * author's, and between edits the id is one that no update can carry.
 */
import * as Y from "yjs";

/** No client has this id: those on the wire are not negative. */
const NOBODY = -1;

export function newDoc(): Y.Doc {
  // The guid is what Yjs would ask chance for otherwise.
  const doc = new Y.Doc({ guid: "document" });
  doc.clientID = NOBODY;
  // Else Yjs would tidy the formats of texts by deletions of its own, here and not elsewhere.
  doc.on("afterTransaction", (transaction) => {
    // oxlint-disable-next-line no-underscore-dangle -- there is no other way to keep it from that
    transaction._needFormattingCleanup = false;
  });
  return doc;
}

/** Yjs deletes what lies within something by calling itself, so this bounds its stack. */
const DEPTH_MAX = 512;

/**
 * Applies updates, in whatever order they build on each other, in one transaction. Throws what Yjs throws, and when something lies
 * too deep: then the document must be dropped.
 */
export function applyUpdates(doc: Y.Doc, updates: readonly Uint8Array[]): void {
  if (updates.length === 0) return;
  doc.transact((transaction) => {
    for (const update of updates) Y.applyUpdate(doc, update);
    applyWaiting(doc);
    for (const [client, structs] of doc.store.clients) {
      const from = transaction.beforeState.get(client) ?? 0;
      for (let i = structs.length - 1; i >= 0; i--) {
        const struct = structs[i] as Y.Item | Y.GC;
        if (struct.id.clock + struct.length <= from) break;
        if (struct instanceof Y.Item && struct.content instanceof Y.ContentType) checkDepth(struct);
      }
    }
  });
}

/**
 * Applies what waits and need not any more. Of a struct that waits Yjs may note an id behind the one it builds on, and then does not
 * see that its time has come; all that waits, tried at once, leaves only what must.
 */
function applyWaiting(doc: Y.Doc): void {
  const waiting = doc.store.pendingStructs;
  if (waiting === null) return;
  doc.store.pendingStructs = null;
  Y.applyUpdateV2(doc, waiting.update);
}

function checkDepth(item: Y.Item): void {
  let depth = 0;
  for (let at: Y.Item | null = item; at !== null; depth++) {
    if (depth > DEPTH_MAX) throw new Error("a part of the document lies too deep");
    const parent: unknown = at.parent;
    // oxlint-disable-next-line no-underscore-dangle -- Yjs has no other name for it
    at = parent instanceof Y.AbstractType ? parent._item : null;
  }
}

/** Makes changes under a client's id; what was new is returned as an update, an empty one if nothing was. */
export function changesOf(doc: Y.Doc, client: number, change: () => void): Buffer {
  let update: Uint8Array = new Uint8Array(0);
  const keep = (bytes: Uint8Array): void => void (update = bytes);
  doc.on("update", keep);
  doc.clientID = client;
  try {
    doc.transact(change);
  } finally {
    doc.clientID = NOBODY;
    doc.off("update", keep);
  }
  return Buffer.from(update);
}

/** Whether something was applied that builds on what was not. */
export function isWaiting({ store }: Y.Doc): boolean {
  return store.pendingStructs !== null || store.pendingDs !== null;
}

/** An author's client id: 53 bits of a hash of the name, so that two authors of a document do not meet in one. */
export function clientOf(author: string): number {
  let [a, b] = [0xdeadbeef, 0x41c6ce57];
  for (let i = 0; i < author.length; i++) {
    const unit = author.charCodeAt(i);
    a = Math.imul(a ^ unit, 2654435761);
    b = Math.imul(b ^ unit, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return (b >>> 11) * 2 ** 32 + (a >>> 0);
}
