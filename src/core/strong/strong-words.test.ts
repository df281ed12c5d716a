/** What is said of strong keys is read back as it was said, and nothing else is believed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Sink } from "../bytes/sink.ts";
import { Malformed, Source } from "../bytes/source.ts";
import { decodeState, encodeState } from "./strong-state.ts";
import { readHead, readSaying, type Saying, writeHead, writeSaying } from "./strong-words.ts";

/** Objects as any code makes them. */
const plain = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;
const count = fc.integer({ min: 0, max: 2 ** 40 });
const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));
const ballot = plain({
  round: fc.integer({ min: 1, max: 2 ** 40 }),
  member: fc.nat(9),
  life: count,
});
const key = { db: fc.nat(15), key: bytes };
const asked = { life: count, id: count, ...key };
const tenures = fc.array(count, { maxLength: 5 });
const known = fc.array(plain({ tenure: count, first: fc.boolean() }), { maxLength: 5 });
const say = <Word extends string>(word: Word) => fc.constant(word);
const verdict = fc.oneof(
  plain({ is: say("conflict"), promised: ballot }),
  plain({ is: say("ok"), accepted: ballot, state: bytes }),
  plain({ is: say("not serving") }),
);
const page = { say: say("page"), tenure: count, page: fc.nat(99) };
const sayings: fc.Arbitrary<Saying> = fc.oneof(
  plain({ say: say("prepare"), ...asked, ballot }),
  plain({ say: say("accept"), ...asked, ballot, next: ballot, state: bytes }),
  plain({ say: say("read"), ...asked }),
  plain({ say: say("drop"), ...key, ballot }),
  plain({ say: say("copy"), tenure: count, page: fc.nat(99) }),
  plain({
    ...{ say: say("answer"), life: count, id: count, tenure: count },
    ...{ tenures, idle: fc.boolean(), verdict },
  }),
  plain({ ...page, from: say("newer"), known: count }),
  plain({ ...page, from: say("nothing"), tenures: known }),
  plain({
    ...{ ...page, from: say("acceptor"), tenures: known, ballot },
    ...{ version: count, last: fc.boolean(), items: bytes },
  }),
);

test("what is said is read back", () => {
  fc.assert(
    fc.property(sayings, (saying) => {
      const sink = new Sink();
      const head = { electorate: 7, hops: 3, from: 0, to: 2 };
      writeHead(sink, head);
      writeSaying(sink, saying);
      const source = new Source(sink.copy());
      assert.deepEqual(readHead(source), head);
      assert.deepEqual(readSaying(source), saying);
      assert.equal(source.left, 0);
    }),
  );
});

test("what makes no sense is refused, and nothing is counted on from", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (array) => {
      try {
        readSaying(new Source(Buffer.from(array)));
      } catch (error) {
        assert.ok(error instanceof Malformed);
      }
    }),
  );
  const sink = new Sink();
  sink.u8(5);
  sink.varint(Number.MAX_SAFE_INTEGER);
  sink.varint(0);
  assert.throws(() => readSaying(new Source(sink.copy())), Malformed);
});

test("a state is read back with what its batches have answered", () => {
  const reply = plain({ place: fc.nat(63), version: count, reply: bytes });
  const done = plain({
    ...{ member: fc.constantFrom("a/1", "eu-west/2"), life: count, batch: count },
    replies: fc.array(reply, { maxLength: 4 }),
  });
  const state = plain({
    version: count,
    value: fc.option(bytes),
    deadline: fc.constantFrom(Infinity, 1_700_000_000_000),
    done: fc.array(done, { maxLength: 3 }),
  });
  fc.assert(fc.property(state, (one) => assert.deepEqual(decodeState(encodeState(one)), one)));
});
