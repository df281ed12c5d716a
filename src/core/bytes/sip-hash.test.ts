import assert from "node:assert/strict";
import { test } from "node:test";
import { sipHash } from "./sip-hash.ts";

const key = Buffer.from(Array.from({ length: 16 }, (_, i) => i));

test("SipHash-2-4 gives the values that its authors published", () => {
  const published: [number, bigint][] = [
    [0, 0x726fdb47dd0e0e31n],
    [1, 0x74f839c593dc67fdn],
    [8, 0x93f5f5799a932462n],
    [15, 0xa129ca6149be45e5n],
  ];
  for (const [length, mark] of published)
    assert.equal(sipHash(key, Buffer.from(Array.from({ length }, (_, i) => i))), mark);
});
