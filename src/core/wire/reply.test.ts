import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Sink } from "../bytes/sink.ts";
import { Reply } from "./reply.ts";

function written(resp: 2 | 3, write: (reply: Reply) => void): string {
  // The smallest sink, so that every form has to make room for itself.
  const reply = new Reply(new Sink(1));
  reply.resp = resp;
  write(reply);
  return reply.sink.view().latin1Slice();
}

test("every form is what Redis sends, in RESP2 and in RESP3", () => {
  const forms: [(reply: Reply) => void, string, string][] = [
    [(r) => r.ok(), "+OK\r\n", "+OK\r\n"],
    [(r) => r.status("PONG"), "+PONG\r\n", "+PONG\r\n"],
    [(r) => r.error("ERR no"), "-ERR no\r\n", "-ERR no\r\n"],
    [(r) => r.int(-7), ":-7\r\n", ":-7\r\n"],
    [(r) => r.text("a\r\nb"), "$4\r\na\r\nb\r\n", "$4\r\na\r\nb\r\n"],
    [(r) => r.text(""), "$0\r\n\r\n", "$0\r\n\r\n"],
    [(r) => r.bulk(Buffer.from("hello"), 1, 3), "$2\r\nel\r\n", "$2\r\nel\r\n"],
    [(r) => r.buffer(Buffer.from([0, 255])), "$2\r\n\0\xff\r\n", "$2\r\n\0\xff\r\n"],
    [(r) => r.nil(), "$-1\r\n", "_\r\n"],
    [(r) => r.nilArray(), "*-1\r\n", "_\r\n"],
    [(r) => r.array(3), "*3\r\n", "*3\r\n"],
    [(r) => r.map(3), "*6\r\n", "%3\r\n"],
    [(r) => r.set(3), "*3\r\n", "~3\r\n"],
    [(r) => r.push(3), "*3\r\n", ">3\r\n"],
    [(r) => r.double("-1.5"), "$4\r\n-1.5\r\n", ",-1.5\r\n"],
    [(r) => r.bool(true), ":1\r\n", "#t\r\n"],
    [(r) => r.bool(false), ":0\r\n", "#f\r\n"],
    [(r) => r.verbatim("a b"), "$3\r\na b\r\n", "=7\r\ntxt:a b\r\n"],
  ];
  for (const [write, resp2, resp3] of forms) {
    assert.equal(written(2, write), resp2);
    assert.equal(written(3, write), resp3);
  }
});

test("an integer is exact to its last digit", () => {
  const edges = [0, 9, 10, 99, 100, 2 ** 31 - 1, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER];
  for (const edge of edges)
    for (const value of [edge, -edge])
      assert.equal(
        written(2, (reply) => reply.int(value)),
        `:${value}\r\n`,
      );
  for (const value of [2n ** 63n - 1n, -(2n ** 63n)])
    assert.equal(
      written(2, (reply) => reply.int(value)),
      `:${value}\r\n`,
    );
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => {
      assert.equal(
        written(2, (reply) => reply.int(value)),
        `:${value}\r\n`,
      );
    }),
  );
});

test("what a client sent cannot end an error and begin a reply of its own", () => {
  assert.equal(
    written(2, (reply) => reply.error("ERR 'a\r\n+OK\r\n'")),
    "-ERR 'a +OK '\r\n",
  );
  assert.equal(
    written(2, (reply) => reply.status("a\nb\rc")),
    "+a b c\r\n",
  );
  // U+0D0A: written as one byte it would be an end of line.
  assert.equal(
    written(2, (reply) => reply.error("ERR \u0d0a \u010d\u010a")),
    "-ERR ? ??\r\n",
  );
});

test("a header goes in front of what only the end could count", () => {
  const items = (reply: Reply): void => {
    reply.text("before");
    const { mark } = reply;
    reply.int(1);
    reply.text("x".repeat(100));
    reply.insertArrayHeader(mark, 2);
  };
  const expected = `$6\r\nbefore\r\n*2\r\n:1\r\n$100\r\n${"x".repeat(100)}\r\n`;
  assert.equal(written(2, items), expected);
  const none = (reply: Reply): void => reply.insertSetHeader(reply.mark, 0);
  assert.equal(written(2, none), "*0\r\n");
  assert.equal(written(3, none), "~0\r\n");
});

test("what is taken back is not seen, and what was before stays", () => {
  const undone = (reply: Reply): void => {
    reply.ok();
    const { mark } = reply;
    reply.array(2);
    reply.text("half");
    reply.truncate(mark);
    reply.error("ERR instead");
  };
  assert.equal(written(3, undone), "+OK\r\n-ERR instead\r\n");
});

test("whatever a handler writes is read back as it was written, value by value", () => {
  const bytes = fc.uint8Array({ maxLength: 40 }).map((list) => Buffer.from(list));
  const anyText = fc.string({ unit: "binary", maxLength: 40 });
  const value = fc.oneof(
    bytes.map((data) => ({ write: (r: Reply) => r.buffer(data), type: "$=", data })),
    anyText.map((text) => ({ write: (r: Reply) => r.error(text), type: "-", data: null })),
    anyText.map((text) => ({ write: (r: Reply) => r.status(text), type: "+", data: null })),
    anyText.map((text) => ({ write: (r: Reply) => r.verbatim(text), type: "$=", data: null })),
    fc.integer().map((n) => ({ write: (r: Reply) => r.int(n), type: ":", data: null })),
  );
  fc.assert(
    fc.property(fc.array(value, { maxLength: 6 }), fc.constantFrom(2, 3), (values, resp) => {
      const raw = written(resp as 2 | 3, (reply) => values.forEach(({ write }) => write(reply)));
      let at = 0;
      for (const { type, data } of values) {
        const line = raw.indexOf("\r\n", at);
        assert.ok(type.includes(raw.charAt(at)), "each value begins where the one before ends");
        const length = Number(raw.slice(at + 1, line));
        const bulk = type === "$=";
        assert.ok(line >= 0 && !/[\r\n]/.test(raw.slice(at, line)));
        if (data !== null) assert.equal(raw.slice(line + 2, line + 2 + length), data.latin1Slice());
        at = line + 2 + (bulk ? length + 2 : 0);
        assert.equal(raw.slice(at - 2, at), "\r\n");
      }
      assert.equal(at, raw.length);
    }),
  );
});
