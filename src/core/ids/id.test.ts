/** Ids: what is put into them comes out of them, and what is drawn later sorts later. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compareStamps } from "../clock/stamp.ts";
import { ID_KINDS, ID_TICKS, type IdParts, idOf, MEMBERS_MAX, readId } from "./id.ts";

const parts: fc.Arbitrary<IdParts> = fc.record({
  ms: fc.integer({ min: 1_704_067_200_000, max: 1_704_067_200_000 + 2 ** 40 }),
  tick: fc.integer({ min: 0, max: ID_TICKS - 1 }),
  member: fc.integer({ min: 0, max: MEMBERS_MAX - 1 }),
});
const chance = fc.uint8Array({ minLength: 7, maxLength: 7 }).map((bytes) => Buffer.from(bytes));

for (const kind of ID_KINDS) {
  test(`a ${kind} id tells when and by whom it was drawn`, () => {
    fc.assert(
      fc.property(parts, chance, (one, luck) => {
        const region = kind === "prefixed" ? "eu-west" : "";
        assert.deepEqual(readId(idOf(kind, one, "eu-west", luck)), { kind, region, ...one });
      }),
    );
  });

  test(`of two ${kind} ids of one member the later one sorts behind the other, whatever chance brings`, () => {
    fc.assert(
      fc.property(parts, parts, chance, chance, (a, b, one, other) => {
        const [x, y] = [
          idOf(kind, a, "eu-west", one),
          idOf(kind, { ...b, member: a.member }, "eu-west", other),
        ];
        const order = compareStamps(a.ms, a.tick, b.ms, b.tick);
        const sorted =
          kind === "snowflake" ? Number(BigInt(x) - BigInt(y)) : x < y ? -1 : x > y ? 1 : 0;
        if (order !== 0) assert.equal(Math.sign(sorted), Math.sign(order));
      }),
    );
  });

  test(`two members never draw the same ${kind} id`, () => {
    fc.assert(
      fc.property(parts, parts, chance, (a, b, luck) => {
        fc.pre(a.member !== b.member);
        assert.notEqual(
          idOf(kind, a, "x", luck),
          idOf(kind, { ...a, member: b.member }, "x", luck),
        );
      }),
    );
  });
}

test("a UUID is one of version 7 and variant 10, as RFC 9562 draws it", () => {
  const one = { ms: 0x017f22e279b0, tick: 0xcc3, member: 0x3ff };
  const id = idOf("uuid7", one, "", Buffer.alloc(7, 0xff));
  assert.equal(id, "017f22e2-79b0-7cc3-8fff-ffffffffffff");
  assert.equal(readId("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")?.ms, 0x017f22e279b0);
});

test("what is no id is none", () => {
  const texts = [
    "",
    "-1",
    "9223372036854775808",
    "017f22e2-79b0-4cc3-98c4-dc0c0c07398f",
    "81ARZ3NDEKTSV4RRFFQ69G5FAV",
    "01ARZ3NDEKTSV4RRFFQ69G5FAU",
  ];
  for (const text of texts) assert.equal(readId(text), null, text);
});
