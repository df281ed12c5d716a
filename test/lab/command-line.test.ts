/** The command line by itself: help, versions, the first configuration, and how it says no. */
import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { exampleConfig } from "../../src/host/config-example.ts";
import { root } from "../support/server.ts";
import { tempDir } from "../support/temp-dir.ts";
import { atoll } from "./lab-process.ts";

function temp(t: TestContext, name: string): string {
  const dir = tempDir("cli");
  t.after(() => dir[Symbol.dispose]());
  return join(dir.path, name);
}

test("help names every command and ends well", async () => {
  const help = await atoll("--help");
  assert.equal(help.code, 0);
  for (const name of ["serve", "lab", "gateway", "keyspace", "tails", "init", "version"])
    assert.match(help.stdout, new RegExp(`^  ${name}\\b`, "m"));
  const lab = await atoll("lab", "--help");
  for (const name of "cut heal wan kill pause start clock stop status".split(" "))
    assert.match(lab.stdout, new RegExp(`^  ${name}\\b`, "m"));
  const cut = await atoll("lab", "cut", "--help");
  assert.match(cut.stdout, /--one-way/);
  assert.match(cut.stdout, /--dir/);
});

test("the version is one line", async () => {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    version: string;
  };
  assert.equal((await atoll("version")).stdout, `${version}\n`);
  assert.deepEqual(JSON.parse((await atoll("version", "--json")).stdout), {
    version,
    node: process.version,
  });
});

test("a command that is not there is refused with the one that was meant", async () => {
  const refused = await atoll("serv");
  assert.deepEqual([refused.code, refused.stdout], [2, ""]);
  assert.match(refused.stderr, /unknown command 'serv'[^]*Did you mean serve\?/);
  assert.equal((await atoll()).code, 2);
});

test("init writes a commented configuration that only its owner reads, and never over another", async (t) => {
  const file = temp(t, "node.yaml");
  const wrote = await atoll("init", file);
  assert.deepEqual([wrote.code, wrote.stdout], [0, ""]);
  assert.equal(readFileSync(file, "utf8"), exampleConfig());
  assert.equal(statSync(file).mode & 0o777, 0o600);
  writeFileSync(file, "region: mine\n");
  const again = await atoll("init", file);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /is there already and is not overwritten/);
  assert.equal(readFileSync(file, "utf8"), "region: mine\n");
});

test("serve says what is wrong with its configuration, one problem a line, and does not start", async (t) => {
  const file = temp(t, "node.yaml");
  const missing = await atoll("serve", "--config", file);
  assert.equal(missing.code, 2);
  assert.match(missing.stderr, /cannot read .*write one with: atoll init/);
  writeFileSync(file, "resp:\n  prot: 1\nlogLevel: loud\n");
  const wrong = await atoll("serve", "--config", file);
  assert.deepEqual([wrong.code, wrong.stdout], [2, ""]);
  const lines = wrong.stderr.trimEnd().split("\n");
  assert.equal(lines.length, 2, wrong.stderr);
  assert.ok(lines.every((line) => line.startsWith(`atoll: ${file}:`)));
});
