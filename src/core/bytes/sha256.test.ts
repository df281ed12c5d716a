import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { sha256 } from "./sha256.ts";

test("the hash is that of the standard, whatever the length of the message", () => {
  for (let length = 0; length < 300; length++) {
    const message = Buffer.from(Array.from({ length }, (_, i) => (i * 7 + length) & 0xff));
    assert.deepEqual(sha256(message), createHash("sha256").update(message).digest());
  }
  const long = Buffer.alloc(100_000, "long");
  assert.deepEqual(sha256(long), createHash("sha256").update(long).digest());
});
