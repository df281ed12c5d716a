import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { aclFileAt } from "./acl-file.ts";

const directory = mkdtempSync(join(tmpdir(), "atoll-acl-"));
after(() => rmSync(directory, { recursive: true }));

test("what was written is read again, byte for byte, and only the owner may", () => {
  const path = join(directory, "users.acl");
  const file = aclFileAt(path);
  const text = "user default on nopass ~* &* +@all\nuser \xe9\xff on\n";
  assert.equal(file.write("user old off\n"), null);
  assert.equal(file.write(text), null);
  assert.deepEqual(file.read(), { text });
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(directory), ["users.acl"]);
});

test("a file that cannot be read or written is told of, and nothing is left behind", () => {
  const file = aclFileAt(join(directory, "nowhere", "users.acl"));
  assert.match(JSON.stringify(file.read()), /problem.*ENOENT/);
  assert.match(file.write("user a on\n") ?? "", /ENOENT/);
  const onDirectory = aclFileAt(directory);
  assert.notEqual(onDirectory.write("user a on\n"), null);
  assert.throws(() => statSync(`${directory}.new`));
});
