import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as Y from "yjs";
import type { ArrayNode, OpenDocument, Value } from "../../core/crdt/document.ts";
import type { Generation } from "../../core/crdt/generation.ts";
import { printJson } from "../../core/json/print.ts";
import { parseJson } from "../../core/json/parse.ts";
import type { Json } from "../../core/json/json.ts";
import { DOCUMENTS } from "./documents.ts";

/** A document alone, as of a replica. */
function generation(): Generation {
  return { kind: DOCUMENTS, origin: 0, seq: 1, ms: 1, tick: 0, state: DOCUMENTS.create() };
}

function opened(of: Generation): OpenDocument {
  const document = DOCUMENTS.open([of]);
  assert.ok(document !== null);
  return document;
}

function json(text: string): Json {
  const bytes = Buffer.from(text);
  const parsed = parseJson(bytes, 0, bytes.length);
  assert.ok(typeof parsed === "object");
  return parsed.value;
}

/** One change of something within a document: `draw` gives numbers below another. */
function change(document: OpenDocument, draw: (below: number) => number): void {
  let at: Value = document.root;
  for (let steps = draw(3); steps > 0; steps--) {
    if (typeof at !== "object" || at === null) break;
    const next: Value | undefined =
      at.type === "object" ? at.get(at.names()[draw(9)] ?? "") : at.get(draw(5));
    if (typeof next !== "object" || next === null) break;
    at = next;
  }
  const value = json(
    ["1", `"${"long".repeat(1_500)}"`, "{}", "[1,2]", '{"a":{"b":[null]}}'][draw(5)] as string,
  );
  if (typeof at !== "object" || at === null) return document.setRoot("scalar");
  if (at.type === "object") {
    const name = ["a", "b", "c"][draw(3)] as string;
    if (draw(3) > 0 || at.get(name) === undefined) at.set(name, value);
    else at.remove(name);
  } else if (draw(3) === 0 && at.length > 0) at.remove(draw(at.length), 1);
  else if (draw(2) === 0 && at.length > 0) at.set(draw(at.length), value);
  else at.insert(draw(at.length + 1), [value, 7]);
}

test("replicas that joined the same edits show the same, and encode to the same bytes", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(fc.nat(2), fc.array(fc.nat(1000), { minLength: 12, maxLength: 12 }), fc.nat(9)),
        {
          minLength: 1,
          maxLength: 40,
        },
      ),
      fc.infiniteStream(fc.nat(1_000_000)),
      (script, order) => {
        const replicas = [generation(), generation(), generation()];
        const edits: Buffer[] = [];
        /** How many of the edits each replica has, the first so many: enough for any of them to build on any other's. */
        const known = [0, 0, 0];
        const catchUp = (n: number, to: number): void => {
          for (let i = known[n] as number; i < to; i++) replicas[n]?.state.join(edits[i] as Buffer);
          known[n] = Math.max(known[n] as number, to);
        };
        const pending: { by: number; payload: Buffer }[] = [];
        for (const [by, numbers, step] of script) {
          let i = 0;
          const document = opened(replicas[by] as Generation);
          const payload = document.edit(`author ${by}`, () =>
            change(document, (below) => (numbers[i++] ?? 0) % below),
          );
          if (payload.length > 0) {
            replicas[by]?.state.join(payload);
            pending.push({ by, payload });
          }
          // Now and then all hear of everything so far, in the order of its making.
          if (step > 6) {
            edits.push(...pending.splice(0).map(({ payload: made }) => made));
            for (const n of [0, 1, 2]) catchUp(n, edits.length);
          }
          if (step === 3) (replicas[by] as Generation).state.encode();
        }
        edits.push(...pending.map(({ payload }) => payload));
        for (const n of [0, 1, 2]) catchUp(n, edits.length);
        // One that was not there hears of them in any order, some twice.
        const late = generation();
        const shuffled = edits.map((edit) => ({ edit, key: order.next().value as number }));
        shuffled.sort((a, b) => a.key - b.key);
        for (const { edit, key } of shuffled) {
          late.state.join(edit);
          if (key % 5 === 0) opened(late);
        }
        for (const { edit, key } of shuffled) if (key % 3 === 0) late.state.join(edit);
        const restored = generation();
        restored.state.join(late.state.encode());
        const all = [...replicas, late, restored];
        const texts = all.map((one) => printJson(opened(one).root));
        assert.equal(new Set(texts).size, 1, texts.join("\n"));
        const bytes = all.map(({ state }) => state.encode().toString("hex"));
        assert.equal(new Set(bytes).size, 1, bytes.join("\n"));
        // Two that lack some of them, and so what others build on, have the same nevertheless.
        const [inOrder, shuffledToo] = [generation(), generation()];
        const lost = new Set(shuffled.filter(({ key }) => key % 7 === 0).map(({ edit }) => edit));
        for (const edit of edits) if (!lost.has(edit)) inOrder.state.join(edit);
        for (const { edit, key } of shuffled) {
          if (!lost.has(edit)) shuffledToo.state.join(edit);
          if (key % 5 === 0) opened(shuffledToo);
          if (key % 5 === 1) shuffledToo.state.encode();
        }
        assert.equal(printJson(opened(shuffledToo).root), printJson(opened(inOrder).root));
        assert.equal(
          shuffledToo.state.encode().toString("hex"),
          inOrder.state.encode().toString("hex"),
        );
      },
    ),
    { numRuns: 300 },
  );
});

test("a text edited by clients of Yjs encodes to the same bytes in whatever order their edits came", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(1), fc.nat(20), fc.nat(3), fc.nat(5)), {
        minLength: 1,
        maxLength: 40,
      }),
      fc.infiniteStream(fc.nat(1_000_000)),
      (script, order) => {
        const clients = [11, 22].map((id) => {
          const doc = new Y.Doc();
          doc.clientID = id;
          return doc;
        }) as [Y.Doc, Y.Doc];
        const updates: Buffer[] = [];
        for (const doc of clients)
          doc.on("update", (update, origin) => {
            if (origin !== "other") updates.push(Buffer.from(update));
          });
        for (const [by, at, what, length] of script) {
          const doc = clients[by] as Y.Doc;
          const text = doc.getText("t");
          const from = Math.min(at, text.length);
          if (what === 0) text.delete(from, Math.min(length, text.length - from));
          else if (what === 1 && text.length > 0)
            text.format(from, Math.min(length, text.length - from), {
              bold: length % 2 === 0 || null,
            });
          else text.insert(from, "words that are written".slice(0, length + 1));
          if (length === 5)
            for (const [to, other] of [clients, clients.toReversed()] as [Y.Doc, Y.Doc][])
              Y.applyUpdate(to, Y.encodeStateAsUpdate(other), "other");
        }
        const shuffled = updates.map((update) => ({ update, key: order.next().value as number }));
        const [first, second] = [generation(), generation()];
        for (const { update } of shuffled) first.state.join(update);
        shuffled.sort((a, b) => a.key - b.key);
        for (const [i, { update }] of shuffled.entries()) {
          second.state.join(update);
          if (i === 5) opened(second);
          if (i === 9) second.state.encode();
        }
        assert.equal(second.state.encode().toString("hex"), first.state.encode().toString("hex"));
        // What was loaded in between shows all of it as well.
        const vector = Buffer.from([0]);
        assert.deepEqual(opened(second).missing(vector), opened(first).missing(vector));
      },
    ),
    { numRuns: 300 },
  );
});

test("what waited is there as soon as all it builds on is, whatever Yjs noted that it waits for", () => {
  const clients = [11, 22].map((id) => {
    const doc = new Y.Doc();
    doc.clientID = id;
    return doc;
  });
  const [low, high] = clients as [Y.Doc, Y.Doc];
  const edit = (doc: Y.Doc, make: () => void): Buffer => {
    let update: Uint8Array = new Uint8Array(0);
    doc.once("update", (made: Uint8Array) => void (update = made));
    doc.transact(make);
    return Buffer.from(update);
  };
  const append = (doc: Y.Doc, value: string): Buffer =>
    edit(doc, () => doc.getArray("array").push([value]));
  const first = append(low, "first");
  const other = edit(high, () => high.getMap("root").set("type", "array"));
  Y.applyUpdate(high, first);
  const second = append(high, "second");
  Y.applyUpdate(low, Y.encodeStateAsUpdate(high));
  const [third, fourth] = [append(low, "third"), append(low, "fourth")];
  const [inOrder, otherwise] = [generation(), generation()];
  for (const update of [first, other, second, third, fourth]) inOrder.state.join(update);
  // Once the other is there the second is tried again, and of its client the fourth is met where the first is sought: Yjs notes that
  // the third is to come, which waits for the second itself.
  for (const update of [fourth, second, other, first, third]) otherwise.state.join(update);
  assert.equal(printJson(opened(otherwise).root), '["first","second","third","fourth"]');
  assert.deepEqual(otherwise.state.encode(), inOrder.state.encode());
});

test("an element is found where it is after others have changed the list", () => {
  const [here, there] = [generation(), generation()];
  const list = (of: Generation): ArrayNode => opened(of).root as ArrayNode;
  const both = (payload: Buffer): void => {
    here.state.join(payload);
    there.state.join(payload);
  };
  both(
    opened(here).edit("a", () => opened(here).setRoot(Array.from({ length: 200 }, (_, i) => i))),
  );
  for (let i = 0; i < 100; i++) {
    // Each element apart, and a place in the middle that Yjs remembers.
    both(opened(here).edit("a", () => list(here).insert(2 * i, [new Map()])));
    list(here).get(150);
  }
  both(opened(there).edit("b", () => list(there).remove(0, 290)));
  assert.equal(list(here).length, 10);
  both(opened(here).edit("a", () => list(here).remove(9, 1)));
  assert.equal(printJson(list(here)), "[190,191,192,193,194,195,196,197,198]");
  assert.equal(printJson(list(there)), printJson(list(here)));
});
