import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Malformed } from "../bytes/source.ts";
import { ReplyEnds } from "./reply-ends.ts";

const text = fc.string({ maxLength: 12 }).map((s) => s.replaceAll(/[\r\n]/g, "-"));
const bulk = fc
  .uint8Array({ maxLength: 40 })
  .map((bytes) => `$${bytes.length}\r\n${Buffer.from(bytes).latin1Slice()}\r\n`);
const { reply } = fc.letrec<{ reply: string }>((tie) => {
  const many = (marker: string, per: number, most: number): fc.Arbitrary<string> =>
    fc
      .integer({ min: 0, max: most })
      .chain((n) =>
        fc
          .array(tie("reply"), { minLength: n * per, maxLength: n * per })
          .map((items) => `${marker}${n}\r\n${items.join("")}`),
      );
  const leaf = fc.oneof(
    text.map((s) => `+${s}\r\n`),
    text.map((s) => `-ERR ${s}\r\n`),
    fc.integer().map((n) => `:${n}\r\n`),
    bulk,
    fc.constantFrom("$-1\r\n", "*-1\r\n", "_\r\n", "#t\r\n", ",1.5\r\n", "(123\r\n", "*0\r\n"),
    text.map((s) => `=${s.length + 4}\r\ntxt:${s}\r\n`),
  );
  return {
    reply: fc.oneof(
      { maxDepth: 3, depthSize: "small" },
      leaf,
      many("*", 1, 4),
      many("~", 1, 3),
      many("%", 2, 2),
      many(">", 1, 3),
      // About the element behind it.
      fc.tuple(many("|", 2, 1), tie("reply")).map(([about, what]) => about + what),
    ),
  };
});

test("replies end where they end, however their bytes are cut", () => {
  fc.assert(
    fc.property(
      fc.array(reply, { minLength: 1, maxLength: 5 }),
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 40 }),
      (replies, cuts) => {
        const bytes = Buffer.from(replies.join(""), "latin1");
        const wanted: number[] = [];
        for (const one of replies) wanted.push((wanted.at(-1) ?? 0) + one.length);
        const ends = new ReplyEnds();
        const found: number[] = [];
        const tops: string[] = [];
        for (let from = 0, i = 0; from < bytes.length; i++) {
          const to = Math.min(bytes.length, from + (cuts[i % cuts.length] as number));
          for (let at = from; at < to;) {
            const end = ends.next(bytes, at, to);
            if (end < 0) break;
            found.push(end);
            tops.push(String.fromCharCode(ends.top));
            at = end;
          }
          from = to;
        }
        assert.deepEqual(found, wanted);
        assert.deepEqual(
          tops,
          replies.map((one) => one[0]),
        );
        assert.equal(ends.isInside, false);
      },
    ),
  );
});

test("what is no reply is refused, and a reply that was broken off is forgotten", () => {
  for (const wrong of ["hello\r\n", "$x\r\n", "$99999999999999999\r\n"]) {
    const bytes = Buffer.from(wrong);
    assert.throws(() => new ReplyEnds().next(bytes, 0, bytes.length), Malformed);
  }
  const ends = new ReplyEnds();
  assert.equal(ends.next(Buffer.from("*2\r\n$5\r\nab"), 0, 10), -1);
  assert.ok(ends.isInside);
  ends.reset();
  assert.equal(ends.next(Buffer.from("+OK\r\n"), 0, 5), 5);
});
