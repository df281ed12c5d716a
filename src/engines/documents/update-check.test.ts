import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as Y from "yjs";
import { Malformed } from "../../core/bytes/source.ts";
import { DOCUMENTS } from "./documents.ts";

/** An update with every form of content that Yjs writes. */
function richUpdate(): Buffer {
  const doc = new Y.Doc();
  doc.clientID = 7;
  const map = doc.getMap("object");
  map.set("plain", {
    a: [1, -2.5, 2 ** 40, null, true, "é", new Uint8Array([1, 2]), undefined, 12n],
  });
  map.set("bytes", new Uint8Array([3, 4]));
  map.set("list", Y.Array.from([1, 2, 3]));
  const text = doc.getText("text");
  text.insert(0, "some text", { bold: true });
  text.insertEmbed(3, { image: "x" });
  text.delete(1, 4);
  const xml = doc.getXmlFragment("xml");
  xml.insert(0, [new Y.XmlElement("p"), new Y.XmlText("y")]);
  map.delete("list");
  return Buffer.from(Y.encodeStateAsUpdate(doc));
}

/** Whether an update passes the check. */
function passes(update: Buffer): boolean {
  try {
    DOCUMENTS.check(update);
    return true;
  } catch (error) {
    assert.ok(error instanceof Malformed, String(error));
    return false;
  }
}

/** In memory of its own, as a state keeps it. */
function alone(bytes: Uint8Array): Buffer {
  const own = Buffer.allocUnsafeSlow(bytes.length);
  own.set(bytes);
  return own;
}

test("what Yjs writes passes, whole and merged of parts with gaps", () => {
  const update = richUpdate();
  assert.ok(passes(update));
  const late = new Y.Doc();
  Y.applyUpdate(late, update);
  assert.ok(passes(Buffer.from(Y.encodeStateAsUpdate(late))));
  const parts: Uint8Array[] = [];
  const doc = new Y.Doc();
  doc.on("update", (part) => void parts.push(part));
  for (let i = 0; i < 5; i++) doc.getText("t").insert(i, "x");
  assert.ok(passes(Buffer.from(Y.mergeUpdates([parts[0], parts[2], parts[4]] as Uint8Array[]))));
});

test("of an update that was cut or changed anywhere, what passes is read by Yjs within its own bytes", () => {
  const update = richUpdate();
  for (let length = 0; length < update.length; length++)
    assert.ok(!passes(update.subarray(0, length)), `cut at ${length}`);
  let passed = 0;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(update.length - 1), fc.integer({ min: 0, max: 255 })), {
        minLength: 1,
        maxLength: 4,
      }),
      (changes) => {
        const bytes = alone(update);
        for (const [at, byte] of changes) bytes[at] = byte;
        if (!passes(bytes)) return;
        passed++;
        // Reading it throws nothing; applying it may leave a document that is refused to readers, and never more than that.
        Y.decodeUpdate(bytes);
        const state = DOCUMENTS.create();
        state.join(bytes);
        DOCUMENTS.open([{ kind: DOCUMENTS, origin: 0, seq: 1, ms: 1, tick: 0, state }]);
        assert.ok(state.encode().length <= 4 * bytes.length);
      },
    ),
    { numRuns: 3_000 },
  );
  assert.ok(passed > 300, `${passed} passed`);
});

test("no count is believed before what it counts is there", () => {
  const varint = (value: number): number[] => {
    const bytes: number[] = [];
    for (let rest = value; ; rest = Math.floor(rest / 128)) {
      if (rest < 128) return [...bytes, rest];
      bytes.push((rest % 128) + 128);
    }
  };
  const huge = varint(2 ** 40);
  for (const bytes of [
    huge,
    [1, ...huge, 1, 0],
    [1, 1, 1, 0, 4, 1, 1, 0x61, ...huge],
    [1, 1, 1, 0, 8, 1, 1, 0x61, ...huge],
    [1, 1, 1, 0, 8, 1, 1, 0x61, 1, 117, ...huge],
    [1, 1, 1, 0, 3, 1, 1, 0x61, ...huge],
    [0, ...huge],
    [0, 1, 1, ...huge],
  ])
    assert.ok(!passes(Buffer.from(bytes)), String(bytes));
  // A string that would be read from what lies behind the update.
  const neighbours = Buffer.alloc(100, 0x73);
  neighbours.set([1, 1, 1, 0, 4, 1, 1, 0x61, 50]);
  assert.ok(!passes(neighbours.subarray(0, 10)));
  // Clocks beyond what numbers can tell apart.
  assert.ok(!passes(Buffer.from([1, 2, 1, ...varint(2 ** 53 - 1), 0, 1, 0, 1, 0])));
  // Values within values.
  const deep = (depth: number): Buffer =>
    Buffer.from([
      1,
      1,
      1,
      0,
      8,
      1,
      1,
      0x61,
      1,
      ...Array.from({ length: depth }, () => [117, 1]).flat(),
      126,
      0,
    ]);
  assert.ok(passes(deep(100)));
  assert.ok(!passes(deep(200)));
});
