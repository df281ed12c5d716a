import assert from "node:assert/strict";
import { test } from "node:test";
import { outgrown } from "./log-size.ts";

const MIB = 1024 ** 2;

test("a log within its bounds is nothing to speak of", () => {
  assert.equal(outgrown(256 * MIB, 256 * MIB, ["eu-west/1"]), null);
});

test("a log that has outgrown its bounds is told with whom it waits for", () => {
  const warning = outgrown(300 * MIB, 256 * MIB, ["eu-west/1", "ap-south/1"]) ?? "";
  assert.match(warning, /300 MiB, more than log.maxBytes \(256 MiB\)/);
  assert.match(warning, /waits for eu-west\/1, ap-south\/1/);
  assert.match(outgrown(300 * MIB, 256 * MIB, []) ?? "", /next checkpoint/);
});
