import assert from "node:assert/strict";
import { resolve } from "node:path";
import { test } from "node:test";
import { withWholePaths } from "./modules.ts";

test("a module lies where the file that names it says, and a policy's name is no path", () => {
  const keyspaces = [
    { prefix: "a:", conflict: "max" },
    { prefix: "b:", conflict: "./merge.cjs" },
    { prefix: "c:", conflict: "/etc/merge.cjs" },
  ];
  assert.deepEqual(
    withWholePaths(keyspaces, "nodes/east.yaml").map(({ conflict }) => conflict),
    ["max", resolve("nodes/merge.cjs"), "/etc/merge.cjs"],
  );
});
