import assert from "node:assert/strict";
import { test } from "node:test";
import * as Y from "yjs";
import { exchange, Region } from "../../core/commands/regions.suite.ts";
import { DOCUMENTS } from "./documents.ts";

/** Two regions that both have a document. */
function regionsWith(text: string | null): [Region, Region] {
  const [a, b] = [new Region("a", {}, [DOCUMENTS]), new Region("b", {}, [DOCUMENTS])];
  if (text !== null) a.raw("JSON.SET", "d", "$", text);
  exchange(a, b);
  return [a, b];
}

/** What both show of the document once each has what the other wrote; they must show the same. */
function merged(a: Region, b: Region): unknown {
  exchange(a, b);
  exchange(a, b);
  const shown = a.raw("JSON.GET", "d");
  assert.equal(b.raw("JSON.GET", "d"), shown);
  if (shown === "$-1\r\n") return undefined;
  const text = Buffer.from(shown.slice(shown.indexOf("\n") + 1), "latin1").toString();
  return JSON.parse(text) as unknown;
}

function concurrently(
  text: string | null,
  atA: readonly string[],
  atB: readonly string[],
): unknown {
  const [a, b] = regionsWith(text);
  assert.match(a.raw(...atA), /^[^-]/);
  assert.match(b.raw(...atB), /^[^-]/);
  return merged(a, b);
}

test("two documents created at once under one key are one, with the members of both", () => {
  const both = concurrently(
    null,
    ["JSON.SET", "d", "$", '{"a":1,"c":1}'],
    ["JSON.SET", "d", "$", '{"b":2,"c":2}'],
  ) as Record<string, number>;
  assert.deepEqual(Object.keys(both).toSorted(), ["a", "b", "c"]);
  assert.ok(both["c"] === 1 || both["c"] === 2);
});

test("a document that came to be twice goes on as one", () => {
  const [a, b] = regionsWith(null);
  a.raw("JSON.SET", "d", "$", '{"a":{}}');
  b.raw("JSON.SET", "d", "$", '{"b":{}}');
  merged(a, b);
  a.raw("JSON.SET", "d", "$.b.x", "1");
  b.raw("JSON.SET", "d", "$.a.y", "2");
  assert.deepEqual(merged(a, b), { a: { y: 2 }, b: { x: 1 } });
  a.raw("JSON.DEL", "d", "$.a");
  b.raw("JSON.NUMINCRBY", "d", "$.b.x", "4");
  assert.deepEqual(merged(a, b), { b: { x: 5 } });
  a.raw("DEL", "d");
  assert.equal(merged(a, b), undefined);
});

test("different members that are set at once are all there", () => {
  assert.deepEqual(
    concurrently("{}", ["JSON.SET", "d", "$.a", "1"], ["JSON.SET", "d", "$.b", "2"]),
    { a: 1, b: 2 },
  );
});

test("elements that are added at once are all there", () => {
  const both = concurrently(
    "[0]",
    ["JSON.ARRAPPEND", "d", "$", '"a"', '"b"'],
    ["JSON.ARRAPPEND", "d", "$", '"c"'],
  ) as unknown[];
  assert.ok(["0abc", "0cab"].includes(both.join("")));
});

test("an edit within what is removed at once is removed with it", () => {
  const text = '{"a":{"x":1},"k":1}';
  assert.deepEqual(concurrently(text, ["JSON.DEL", "d", "$.a"], ["JSON.SET", "d", "$.a.x", "2"]), {
    k: 1,
  });
});

test("removing a document takes concurrent edits of it along, and none of a new one", () => {
  assert.equal(concurrently("{}", ["DEL", "d"], ["JSON.SET", "d", "$.a", "1"]), undefined);
  assert.deepEqual(
    concurrently('{"a":1}', ["JSON.SET", "d", "$", '{"b":2}'], ["JSON.SET", "d", "$.a", "3"]),
    { b: 2 },
  );
  assert.deepEqual(concurrently('{"a":1}', ["DEL", "d"], ["JSON.SET", "d", "$", '{"b":2}']), {
    b: 2,
  });
});

test("two arrays created at once are one, and of an array and an object one is shown", () => {
  const both = concurrently(
    null,
    ["JSON.SET", "d", "$", "[1]"],
    ["JSON.SET", "d", "$", "[2]"],
  ) as number[];
  assert.deepEqual(
    both.toSorted((x, y) => x - y),
    [1, 2],
  );
  const one = concurrently(null, ["JSON.SET", "d", "$", "{}"], ["JSON.SET", "d", "$", "[1]"]);
  assert.ok(["{}", "[1]"].includes(JSON.stringify(one)));
});

test("of two values for one member one is shown, the same everywhere", () => {
  const one = (a: string, b: string): string =>
    JSON.stringify(
      concurrently('{"n":1}', ["JSON.SET", "d", "$.n", a], ["JSON.SET", "d", "$.n", b]),
    );
  assert.ok(['{"n":2}', '{"n":3}'].includes(one("2", "3")));
  assert.ok(['{"n":{"x":1}}', '{"n":{"y":2}}'].includes(one('{"x":1}', '{"y":2}')));
  const sum = ["JSON.NUMINCRBY", "d", "$.n", "1"];
  assert.deepEqual(concurrently('{"n":1}', sum, sum), { n: 2 });
});

test("an element that both pop is gone once, and what is cleared keeps what was added meanwhile", () => {
  const pop = ["JSON.ARRPOP", "d", "$.l"];
  assert.deepEqual(concurrently('{"l":[1,2]}', pop, pop), { l: [1] });
  assert.deepEqual(
    concurrently('{"l":[0]}', ["JSON.CLEAR", "d", "$.l"], ["JSON.ARRAPPEND", "d", "$.l", "1"]),
    { l: [1] },
  );
});

test("a member that is written anew outlives its removal, and merges of different members all count", () => {
  assert.deepEqual(
    concurrently('{"a":1}', ["JSON.DEL", "d", "$.a"], ["JSON.SET", "d", "$.a", "2"]),
    { a: 2 },
  );
  const merge = (text: string): string[] => ["JSON.MERGE", "d", "$", text];
  assert.deepEqual(concurrently("{}", merge('{"a":{"x":1}}'), merge('{"b":2}')), {
    a: { x: 1 },
    b: 2,
  });
});

test("an edit of a document that expires is kept until then", () => {
  const [a, b] = regionsWith("{}");
  a.raw("EXPIRE", "d", "100");
  b.raw("JSON.SET", "d", "$.a", "1");
  assert.deepEqual(merged(a, b), { a: 1 });
  assert.equal(b.raw("TTL", "d"), ":100\r\n");
});

test("a client of Yjs is given what it lacks, and what it makes is taken once", () => {
  const [a, b] = regionsWith('{"a":1}');
  const doc = new Y.Doc();
  const bytes = (reply: string): Buffer =>
    Buffer.from(reply.slice(reply.indexOf("\n") + 1, -2), "latin1");
  Y.applyUpdate(doc, bytes(a.raw("DOC.SYNC", "d")));
  assert.deepEqual(doc.getMap("object").toJSON(), { a: 1 });
  const before = Y.encodeStateVector(doc);
  doc.getMap("object").set("plain", { list: [1, { x: 1 }] });
  doc.getText("t").insert(0, "text");
  const update = Buffer.from(Y.encodeStateAsUpdate(doc, before));
  assert.equal(a.raw("DOC.APPLY", "d", update), ":1\r\n");
  assert.equal(a.raw("DOC.APPLY", "d", update), ":0\r\n");
  assert.deepEqual(merged(a, b), { a: 1, plain: { list: [1, { x: 1 }] } });
  // A plain value becomes a shared one when a command edits it.
  assert.equal(b.raw("JSON.NUMINCRBY", "d", "$..x", "4"), "$3\r\n[5]\r\n");
  assert.equal(a.raw("JSON.ARRAPPEND", "d", "$.plain.list", "2"), "*1\r\n:3\r\n");
  assert.equal(JSON.stringify((merged(a, b) as { plain: unknown }).plain).includes("list"), true);
  // Nothing is lacking: nothing but the deletions comes.
  Y.applyUpdate(doc, bytes(b.raw("DOC.SYNC", "d")));
  const vector = Buffer.from(Y.encodeStateVector(doc));
  assert.equal(bytes(b.raw("DOC.SYNC", "d", vector))[0], 0);
  assert.match(b.raw("DOC.SYNC", "d", "\xff\xff"), /^-ERR not a state vector/);
});

test("an update that builds on what is not here is refused whole", () => {
  const [a, b] = regionsWith(null);
  const doc = new Y.Doc();
  const updates: Buffer[] = [];
  doc.on("update", (update) => void updates.push(Buffer.from(update)));
  doc.getMap("object").set("first", 1);
  doc.getMap("object").set("second", 2);
  const [first, second] = updates as [Buffer, Buffer];
  assert.match(a.raw("DOC.APPLY", "d", second), /^-ERR the update builds on changes/);
  assert.equal(a.raw("EXISTS", "d"), ":0\r\n");
  a.raw("DOC.APPLY", "d", first);
  assert.equal(a.raw("DOC.APPLY", "d", second), ":1\r\n");
  assert.deepEqual(merged(a, b), { first: 1, second: 2 });
});

test("a document of a client's making that lies too deep is refused, and harms nobody", () => {
  const [a] = regionsWith("{}");
  const doc = new Y.Doc();
  const outer = doc.getMap("object");
  doc.transact(() => {
    for (let i = 0, at: Y.Map<unknown> = outer; i < 20_000; i++) {
      const inner = new Y.Map<unknown>();
      at.set("m", inner);
      at = inner;
    }
  });
  const update = Buffer.from(Y.encodeStateAsUpdate(doc));
  assert.match(a.raw("DOC.APPLY", "d", update), /^-ERR not an update/);
  assert.equal(a.raw("JSON.GET", "d"), "$2\r\n{}\r\n");
  // What a peer brought all the same cannot be read, and can be removed and replaced.
  const state = DOCUMENTS.create();
  state.join(update);
  const made = { kind: DOCUMENTS, origin: 0, seq: 1, ms: 1, tick: 0, state };
  assert.equal(DOCUMENTS.open([made]), null);
  const copy = DOCUMENTS.create();
  copy.join(state.encode());
  assert.ok(copy.bytes > 100_000);
});
