import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Sink } from "../bytes/sink.ts";
import { Malformed, Source } from "../bytes/source.ts";
import { newIncarnation, originName, Origins, readOrigin, writeOrigin } from "./origins.ts";

const origin = fc.record({
  member: fc.constantFrom("us-east/1", "us-east/2", "eu-west/1"),
  boot: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
  chance: fc.nat(65535),
});

test("two replicas that meet origins in different orders break ties the same way", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(origin, { maxLength: 40, selector: (o) => `${o.boot}.${o.chance}` }),
      fc.nat(),
      (drawn, turn) => {
        const all = drawn.map(({ member, boot, chance }) => ({
          member,
          incarnation: newIncarnation(boot, chance),
        }));
        const [here, there] = [new Origins(), new Origins()];
        for (const each of all) here.introduce(each);
        for (let i = 0; i < all.length; i++)
          there.introduce(all[(i + turn) % all.length] as (typeof all)[0]);
        for (const a of all)
          for (const b of all) {
            const after = (origins: Origins): boolean =>
              origins.after(5, 5, origins.introduce(a), 5, 5, origins.introduce(b));
            assert.equal(after(here), after(there));
            assert.equal(
              after(here) && here.after(5, 5, here.introduce(b), 5, 5, here.introduce(a)),
              false,
            );
            assert.equal(after(here), originName(a) > originName(b));
          }
      },
    ),
    { numRuns: 40 },
  );
});

test("a later stamp comes after an earlier one, whoever made it", () => {
  const origins = new Origins();
  const a = origins.introduce({ member: "a", incarnation: newIncarnation(1, 1) });
  const b = origins.introduce({ member: "b", incarnation: newIncarnation(1, 2) });
  assert.ok(origins.after(2, 0, a, 1, 9, b));
  assert.ok(origins.after(1, 3, a, 1, 2, b));
  assert.ok(origins.after(1, 2, b, 1, 2, a));
});

test("a number never changes, and one incarnation belongs to one member", () => {
  const origins = new Origins();
  const incarnation = newIncarnation(7, 7);
  const number = origins.introduce({ member: "a", incarnation });
  origins.introduce({ member: "b", incarnation: newIncarnation(8, 8) });
  assert.equal(origins.introduce({ member: "a", incarnation }), number);
  assert.throws(() => origins.introduce({ member: "b", incarnation }), Malformed);
  assert.equal(originName(origins.get(number)), "a@0000000000070007");
});

test("an origin travels as incarnation and member", () => {
  const sink = new Sink();
  const sent = { member: "us-east/1", incarnation: newIncarnation(1_700_000_000_000, 0xabcd) };
  writeOrigin(sink, sent);
  assert.deepEqual(readOrigin(new Source(sink.copy())), sent);
});
