import assert from "node:assert/strict";
import { test } from "node:test";
import { Standalone } from "../../core/commands/standalone.suite.ts";
import { DOCUMENTS } from "./documents.ts";

const OK = "+OK\r\n";
const NIL = "$-1\r\n";

function bulk(text: string): string {
  const bytes = Buffer.from(text);
  return `$${bytes.length}\r\n${bytes.latin1Slice()}\r\n`;
}

function storeWith(...documents: readonly [key: string, text: string][]): Standalone {
  const store = new Standalone({}, {}, [DOCUMENTS]);
  for (const [key, text] of documents) assert.equal(store.raw("JSON.SET", key, "$", text), OK);
  return store;
}

test("a document is read as it was written, members in their order", () => {
  const text = '{"b":1,"a":[1,-2.5,1e+300,"\\u0001é",true,null,{"10":1,"9":{}}],"":[]}';
  const store = storeWith(["d", text]);
  assert.equal(store.raw("JSON.GET", "d"), bulk(text));
  assert.equal(store.raw("JSON.GET", "d", "$"), bulk(`[${text}]`));
  assert.equal(store.raw("TYPE", "d"), "+ReJSON-RL\r\n");
  for (const scalar of ["1", '"text"', "null", "true", "[]", "{}"]) {
    store.raw("JSON.SET", "d", "$", scalar);
    assert.equal(store.raw("JSON.GET", "d"), bulk(scalar));
  }
});

test("a member keeps its place when it is written again", () => {
  const store = storeWith(["d", '{"b":1,"a":2}']);
  store.raw("JSON.SET", "d", "$.b", "3");
  store.raw("JSON.SET", "d", "$.c", "4");
  assert.equal(store.raw("JSON.GET", "d"), bulk('{"b":3,"a":2,"c":4}'));
});

test("JSON.GET prints as it is asked to", () => {
  const store = storeWith(["d", '{"a":[1],"b":{}}']);
  assert.equal(
    store.raw("JSON.GET", "d", "INDENT", "\t", "NEWLINE", "\n", "SPACE", " "),
    bulk('{\n\t"a": [\n\t\t1\n\t],\n\t"b": {}\n}'),
  );
  assert.equal(store.raw("JSON.GET", "d", ".a", ".b"), bulk('{".a":[1],".b":{}}'));
  assert.equal(store.raw("JSON.GET", "d", "$.a", ".b"), bulk('{"$.a":[[1]],".b":[{}]}'));
  assert.equal(store.raw("JSON.GET", "d", ".c"), "-ERR Path '.c' does not exist\r\n");
  assert.equal(store.raw("JSON.GET", "d", "$.c"), bulk("[]"));
  assert.equal(store.raw("JSON.GET", "none"), NIL);
});

test("paths find what they mean, each value once", () => {
  const store = storeWith([
    "d",
    '{"a":{"x":1,"a":{"x":2}},"l":[0,1,2,3],"o":[{"p":5},{"p":7,"q":"s"}],"k.k":1}',
  ]);
  for (const [path, found] of [
    ["$..x", "[1,2]"],
    ["$.a..a", '[{"x":2}]'],
    ["$..*..x", "[1,2]"],
    ["$.l[-1]", "[3]"],
    ["$.l[0,-1,3]", "[0,3]"],
    ["$.l[1:3]", "[1,2]"],
    ["$.l[:-2]", "[0,1]"],
    ["$.l[::2]", "[0,2]"],
    ["$.l[9]", "[]"],
    ["$.o[*].p", "[5,7]"],
    ["$.o[?(@.p>5)].p", "[7]"],
    ["$.o[?(@.p==5 || @.q=='s')].p", "[5,7]"],
    ["$.o[?(@.q)].p", "[7]"],
    ["$.o[?(!@.q && @.p!=6)].p", "[5]"],
    ["$.l[?(@>$.l[1])]", "[2,3]"],
    ["$['k.k','a']['x']", "[1]"],
    ['$["k.k"]', "[1]"],
  ] as const)
    assert.equal(store.raw("JSON.GET", "d", path), bulk(found), path);
  for (const path of ["$.", "$[", "$.a[", "$.l[x]", "$..", "$.o[?(@.p>)]", "$.a b"])
    assert.match(store.raw("JSON.GET", "d", path), /^-ERR Path '.*' is not a valid JSONPath/, path);
});

test("JSON.SET writes where a path points, and nowhere else", () => {
  const store = storeWith(["d", '{"a":{"x":1},"b":{"x":2},"l":[1]}']);
  assert.equal(store.raw("JSON.SET", "d", "$.*.x", "[9]"), OK);
  assert.equal(store.raw("JSON.SET", "d", "$..y", "1", "XX"), NIL);
  assert.equal(store.raw("JSON.SET", "d", "$.a.x", "1", "NX"), NIL);
  assert.equal(store.raw("JSON.SET", "d", "$.a.y", "1", "NX"), OK);
  assert.equal(store.raw("JSON.SET", "d", "$.nowhere.y", "1"), NIL);
  assert.equal(store.raw("JSON.SET", "d", "$.l[5]", "1"), "-ERR array index out of range\r\n");
  assert.equal(store.raw("JSON.SET", "d", "$.c[*]", "1"), "-ERR wrong static path\r\n");
  assert.equal(store.raw("JSON.GET", "d"), bulk('{"a":{"x":[9],"y":1},"b":{"x":[9]},"l":[1]}'));
  assert.equal(
    store.raw("JSON.SET", "new", "$.a", "1"),
    "-ERR new objects must be created at the root\r\n",
  );
  assert.equal(store.raw("JSON.SET", "new", "$", "1", "XX"), NIL);
  assert.equal(store.raw("JSON.SET", "new", "$", "1", "NX"), OK);
  assert.equal(store.raw("JSON.SET", "new", "$", "2", "NX"), NIL);
  assert.equal(store.raw("JSON.MSET", "d", "$.l[0]", "5", "m", "$", "[2]"), OK);
  assert.equal(
    store.raw("JSON.MGET", "d", "m", "none", "$..[0]"),
    `*3\r\n${bulk("[9,9,5]")}${bulk("[2]")}${NIL}`,
  );
});

test("text that is no JSON is refused, and what is too deep", () => {
  const store = storeWith();
  for (const text of [
    "",
    "{",
    "[1,]",
    '{"a"}',
    "01",
    "1.",
    "nul",
    "'a'",
    '"\n"',
    '"\\ud800"',
    '"\\x"',
    "1 2",
    "[1}",
    "1e999",
    "\ufeff1",
  ])
    assert.match(
      store.raw("JSON.SET", "d", "$", text),
      /^-ERR .* at line 1 column \d+\r\n$|^-ERR .* at line 2 column 0\r\n$/,
      text,
    );
  assert.match(
    store.raw("JSON.SET", "d", "$", Buffer.from([0x22, 0xff, 0x22])),
    /^-ERR invalid unicode/,
  );
  const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
  assert.match(store.raw("JSON.SET", "d", "$", nested(129)), /^-ERR recursion limit exceeded/);
  assert.equal(store.raw("JSON.SET", "d", "$", nested(128)), OK);
  assert.match(store.raw("JSON.SET", "d", `$${"[0]".repeat(127)}[0]`, "[]"), /^-ERR/);
  assert.equal(store.raw("JSON.GET", "d"), bulk(nested(128)));
});

test("of members of one name the last one counts, and no name is special", () => {
  const store = storeWith(["d", '{"a":1,"__proto__":{"x":1},"a":2,"constructor":3}']);
  assert.equal(store.raw("JSON.GET", "d"), bulk('{"a":2,"__proto__":{"x":1},"constructor":3}'));
  assert.equal(store.raw("JSON.GET", "d", "$.toString"), bulk("[]"));
});

test("numbers, strings and booleans are changed in place", () => {
  const store = storeWith(["d", '{"n":1,"s":"é","t":true,"l":[{"n":2.5}]}']);
  assert.equal(store.raw("JSON.NUMINCRBY", "d", "$..n", "2"), bulk("[3,4.5]"));
  assert.equal(store.raw("JSON.NUMINCRBY", "d", "$.*", "1"), bulk("[4,null,null,null]"));
  assert.equal(store.raw("JSON.NUMINCRBY", "d", ".n", "-4"), bulk("0"));
  assert.equal(store.raw("JSON.NUMMULTBY", "d", "$.l[0].n", "2"), bulk("[9]"));
  assert.match(
    store.raw("JSON.NUMINCRBY", "d", ".s", "1"),
    /^-ERR Path '.s' does not exist or does not contains a number/,
  );
  assert.equal(store.raw("JSON.STRAPPEND", "d", "$.s", '"x"'), "*1\r\n:3\r\n");
  assert.equal(store.raw("JSON.STRLEN", "d", ".s"), ":3\r\n");
  assert.equal(store.raw("JSON.TOGGLE", "d", "$.t"), "*1\r\n:0\r\n");
  assert.equal(store.raw("JSON.TOGGLE", "d", ".t"), bulk("true"));
  assert.equal(store.raw("JSON.GET", "d"), bulk('{"n":0,"s":"éx","t":true,"l":[{"n":9}]}'));
  assert.equal(store.raw("JSON.CLEAR", "d", "$.*"), ":1\r\n");
  assert.equal(
    store.raw("JSON.TYPE", "d", "$.*"),
    "*4\r\n$7\r\ninteger\r\n$6\r\nstring\r\n$7\r\nboolean\r\n$5\r\narray\r\n",
  );
});

test("arrays are edited at their ends and in between", () => {
  const store = storeWith(["d", '{"l":[1,2,3],"s":"x"}']);
  assert.equal(store.raw("JSON.ARRAPPEND", "d", "$.*", "4", "[5]"), `*2\r\n:5\r\n${NIL}`);
  assert.equal(store.raw("JSON.ARRINSERT", "d", ".l", "-1", '"i"'), ":6\r\n");
  assert.equal(store.raw("JSON.ARRINSERT", "d", "$.l", "9", "1"), "-ERR index out of bounds\r\n");
  assert.equal(store.raw("JSON.ARRINDEX", "d", "$.l", "[5]"), "*1\r\n:5\r\n");
  assert.equal(store.raw("JSON.ARRINDEX", "d", ".l", "3", "3"), ":-1\r\n");
  assert.equal(store.raw("JSON.ARRPOP", "d", "$.l", "0"), `*1\r\n${bulk("1")}`);
  assert.equal(store.raw("JSON.ARRPOP", "d", ".l"), bulk("[5]"));
  assert.equal(store.raw("JSON.ARRTRIM", "d", "$.l", "1", "-1"), "*1\r\n:3\r\n");
  assert.equal(store.raw("JSON.GET", "d", ".l"), bulk('[3,4,"i"]'));
  assert.equal(store.raw("JSON.ARRTRIM", "d", ".l", "9", "10"), ":0\r\n");
  assert.equal(store.raw("JSON.ARRLEN", "d", "$.*"), `*2\r\n:0\r\n${NIL}`);
  assert.equal(store.raw("JSON.ARRPOP", "d", ".l"), NIL);
  assert.match(store.raw("JSON.ARRAPPEND", "d", ".s", "1"), /does not exist or not an array/);
});

test("merging sets, merges and removes as RFC 7396 has it", () => {
  const store = storeWith(["d", '{"a":{"x":1,"y":2},"b":[1],"c":3}']);
  assert.equal(
    store.raw(
      "JSON.MERGE",
      "d",
      "$",
      '{"a":{"x":null,"z":{"k":null,"m":1}},"b":{"n":null},"c":null}',
    ),
    OK,
  );
  assert.equal(store.raw("JSON.GET", "d"), bulk('{"a":{"y":2,"z":{"m":1}},"b":{}}'));
  assert.equal(store.raw("JSON.MERGE", "d", "$.b", "null"), OK);
  assert.equal(store.raw("JSON.MERGE", "d", "$.n", '{"o":1}'), OK);
  assert.equal(store.raw("JSON.GET", "d"), bulk('{"a":{"y":2,"z":{"m":1}},"n":{"o":1}}'));
  assert.equal(store.raw("JSON.MERGE", "d", "$", "[1]"), OK);
  assert.equal(store.raw("JSON.GET", "d"), bulk("[1]"));
});

test("what is removed is counted once, and a key without its root is gone", () => {
  const store = storeWith(["d", '{"a":{"a":1},"l":[1,2,3,4],"b":{"a":2}}']);
  assert.equal(store.raw("JSON.DEL", "d", "$..a"), ":2\r\n");
  assert.equal(store.raw("JSON.FORGET", "d", "$.l[0,2]"), ":2\r\n");
  assert.equal(store.raw("JSON.GET", "d"), bulk('{"l":[2,4],"b":{}}'));
  assert.equal(store.raw("JSON.OBJKEYS", "d"), `*2\r\n${bulk("l")}${bulk("b")}`);
  assert.equal(store.raw("JSON.OBJLEN", "d", "$.b"), "*1\r\n:0\r\n");
  assert.equal(store.raw("JSON.DEL", "d"), ":1\r\n");
  assert.equal(store.raw("EXISTS", "d"), ":0\r\n");
  assert.equal(store.raw("JSON.DEL", "d"), ":0\r\n");
});

test("elements are removed that a path names in whatever order", () => {
  const store = storeWith(["d", '{"l":[0,1,2,3,4]}']);
  assert.equal(store.raw("JSON.DEL", "d", "$.l[3,-5,1]"), ":3\r\n");
  assert.equal(store.raw("JSON.GET", "d"), bulk('{"l":[2,4]}'));
  assert.equal(store.raw("JSON.DEL", "d", "$.l[1,0]"), ":2\r\n");
  assert.equal(store.raw("JSON.GET", "d"), bulk('{"l":[]}'));
});

test("commands of every key work on documents", () => {
  const store = storeWith(["d", '{"a":1}']);
  assert.equal(store.raw("COPY", "d", "e"), ":1\r\n");
  store.raw("JSON.SET", "d", "$.a", "2");
  assert.equal(store.raw("JSON.GET", "e"), bulk('{"a":1}'));
  assert.equal(store.raw("RENAME", "e", "f"), OK);
  assert.equal(store.raw("JSON.SET", "f", "$.b", "1"), OK);
  assert.equal(store.raw("JSON.GET", "f", "$['a','b']"), bulk("[1,1]"));
  assert.equal(store.raw("EXPIRE", "f", "100"), ":1\r\n");
  store.raw("JSON.SET", "f", "$", "[]");
  assert.equal(store.raw("TTL", "f"), ":100\r\n");
  store.nowMs += 101_000;
  assert.equal(store.raw("JSON.GET", "f"), NIL);
  assert.match(store.raw("SCAN", "0", "TYPE", "ReJSON-RL"), /\$1\r\nd\r\n/);
  assert.match(store.raw("DUMP", "d"), /^-ERR a document/);
  assert.equal(store.raw("OBJECT", "ENCODING", "d"), bulk("raw"));
  assert.match(store.raw("MEMORY", "USAGE", "d"), /^:\d+/);
  assert.match(store.raw("JSON.DEBUG", "MEMORY", "d"), /^:\d+/);
  assert.match(store.raw("GET", "d"), /^-WRONGTYPE/);
  store.raw("SET", "s", "1");
  assert.match(store.raw("JSON.SET", "s", "$", "1"), /^-WRONGTYPE/);
  assert.match(store.raw("JSON.GET", "s"), /^-WRONGTYPE/);
});

test("a document grows no larger than it may", () => {
  const store = new Standalone({ documentMaxBytes: 2_000 }, {}, [DOCUMENTS]);
  const long = (length: number): string => `"${"x".repeat(length)}"`;
  assert.match(store.raw("JSON.SET", "d", "$", long(2_001)), /^-ERR the document would exceed/);
  assert.equal(store.raw("JSON.SET", "d", "$", `{"a":${long(1_000)},"l":[]}`), OK);
  assert.match(store.raw("JSON.SET", "d", "$.b", long(1_000)), /^-ERR the document would exceed/);
  assert.match(
    store.raw("JSON.ARRAPPEND", "d", "$.l", long(1_000)),
    /^-ERR the document would exceed/,
  );
  assert.match(
    store.raw("JSON.STRAPPEND", "d", "$.a", long(1_000)),
    /^-ERR the document would exceed/,
  );
  assert.match(
    store.raw("JSON.MERGE", "d", "$", `{"b":${long(1_000)}}`),
    /^-ERR the document would exceed/,
  );
  assert.equal(store.raw("JSON.SET", "d", "$", "[1,2,3]"), OK);
  for (const command of ["JSON.SET", "JSON.MERGE"])
    assert.match(store.raw(command, "d", "$[*]", long(900)), /^-ERR the document would exceed/);
  assert.equal(store.raw("JSON.SET", "d", "$", "1"), OK);
});

test("a value and a path that are both wrong are refused once", () => {
  const store = new Standalone({}, {}, [DOCUMENTS]);
  for (const name of ["JSON.SET", "JSON.MERGE"])
    assert.equal(store.raw(name, "doc", "\r\n", "tough").split("\r\n").length, 2, name);
});
