import assert from "node:assert/strict";
import { test } from "node:test";
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
