import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Args, argsOf } from "./args.ts";

test("a word is recognised in whatever case it is written, and only as a whole", () => {
  for (const text of ["KEEPTTL", "keepttl", "KeepTtl"])
    assert.ok(argsOf("SET", text).is(1, "KEEPTTL"), text);
  for (const text of ["KEEPTT", "KEEPTTLS", "", "KEEPTT\0", "KEEP@TL", "\u212aEEPTTL"])
    assert.ok(!argsOf("SET", text).is(1, "KEEPTTL"), text);
});

test("no byte but a letter has a case", () => {
  for (let byte = 0; byte < 256; byte++) {
    const upper = String.fromCharCode(byte).replace(/[a-z]/, (c) => c.toUpperCase());
    for (let other = 0; other < 256; other++) {
      const word = String.fromCharCode(other);
      if (/[a-z]/.test(word)) continue;
      assert.equal(argsOf(Buffer.from([byte])).is(0, word), upper === word, `${byte} ${other}`);
    }
  }
});

test("arguments are the bytes they were, more of them than there was room for", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 9 }), { maxLength: 300, size: "max" }),
      (words) => {
        const args = argsOf(...words.map((word) => Buffer.from(word)));
        assert.equal(args.count, words.length);
        for (const [i, word] of words.entries()) {
          assert.equal(args.length(i), word.length);
          assert.deepEqual([...args.copy(i)], [...word]);
          assert.equal(args.text(i), Buffer.from(word).latin1Slice());
          assert.ok(args.view(i).equals(args.copy(i)));
        }
      },
    ),
  );
});

test("what is kept or copied does not change with the bytes it came from", () => {
  const arrived = Buffer.from("??SETkv??");
  const args = new Args();
  args.begin(arrived);
  args.push(2, 5);
  args.push(5, 6);
  args.push(6, 7);
  const kept = args.keep();
  const copy = args.copy(1);
  const view = args.view(1);
  arrived.fill("!");
  assert.deepEqual([kept.text(0), kept.text(1), kept.text(2)], ["SET", "k", "v"]);
  assert.equal(copy.toString(), "k");
  assert.equal(view.toString(), "!", "a view is of the bytes that arrived");
  args.begin(arrived);
  assert.equal(kept.count, 3);
  assert.equal(new Args().keep().count, 0);
});

test("a command begun anew has nothing of the one before", () => {
  const args = argsOf("MSET", "a", "1");
  args.begin(Buffer.from("GET"));
  assert.equal(args.count, 0);
  args.push(0, 3);
  assert.equal(args.text(0), "GET");
});
