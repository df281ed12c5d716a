/** Answers: read whole however they are cut, and nothing but answers is read. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Malformed } from "../bytes/source.ts";
import { type Answer, Answers, Refused } from "./answers.ts";

function all(chunks: readonly Buffer[]): Answer[] {
  const answers = new Answers();
  const read: Answer[] = [];
  for (const chunk of chunks) {
    answers.add(chunk);
    for (let next = answers.next(); next !== undefined; next = answers.next()) read.push(next);
  }
  assert.equal(answers.rest().length, 0);
  return read;
}

const bytes =
  "+OK\r\n:-7\r\n$3\r\na\r\n\r\n$-1\r\n*2\r\n$0\r\n\r\n*1\r\n-ERR no\r\n*-1\r\n*0\r\n+\r\n";
const expected = ["OK", -7, Buffer.from("a\r\n"), null, [Buffer.alloc(0), [new Refused("ERR no")]]];

test("an answer is the same however its bytes are cut", () => {
  const whole = Buffer.from(bytes);
  assert.deepEqual(all([whole]), [...expected, null, [], ""]);
  for (let cut = 0; cut <= whole.length; cut++)
    assert.deepEqual(all([whole.subarray(0, cut), whole.subarray(cut)]), all([whole]));
  assert.deepEqual(all(Array.from(whole, (byte) => Buffer.of(byte))), all([whole]));
});

test("what is no answer is refused, and costs no more than its bytes", () => {
  for (const text of [
    "x\r\n",
    "$a\r\n",
    ":\r\n",
    "*999999999999\r\n",
    "*1\r\n".repeat(20),
    "?".repeat(70_000),
  ])
    assert.throws(() => all([Buffer.from(text)]), Malformed, text.slice(0, 20));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (some) => {
      const answers = new Answers();
      answers.add(Buffer.from(some));
      try {
        while (answers.next() !== undefined);
      } catch (error) {
        assert.ok(error instanceof Malformed);
      }
    }),
  );
});
