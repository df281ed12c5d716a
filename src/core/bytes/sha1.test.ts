import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { sha1Hex } from "./sha1.ts";

test("the digest of a text of any length is that of everybody else", () => {
  const bytes = Buffer.from(Array.from({ length: 300 }, (_, i) => (i * 37) & 0xff));
  for (let length = 0; length <= bytes.length; length++) {
    const text = bytes.subarray(0, length);
    assert.equal(sha1Hex(text), createHash("sha1").update(text).digest("hex"));
  }
});
