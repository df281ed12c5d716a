import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { argsOf } from "../wire/args.ts";
import { commandTable } from "./table.ts";

const names = new Map(commandTable.commands.map((entry) => [entry.name, entry]));

/** The words of a full name such as `client|setname`, written in changing case. */
function shout(name: string): string[] {
  return name
    .split("|")
    .map((word) => [...word].map((c, i) => (i % 2 ? c : c.toUpperCase())).join(""));
}

test("every command and subcommand is found by its name in any case", () => {
  for (const entry of commandTable.entries) {
    const more = entry.subcommands === null ? ["more"] : [];
    assert.equal(commandTable.find(argsOf(...shout(entry.name), ...more))?.name, entry.name);
    assert.equal(commandTable.named(entry.name)?.name, entry.name);
  }
});

test("a command's index is its place among all", () => {
  for (const [i, entry] of commandTable.entries.entries()) assert.equal(entry.index, i);
  assert.equal(
    new Set(commandTable.entries.map(({ name }) => name)).size,
    commandTable.entries.length,
  );
});

test("a name is found exactly if a plain map knows it", () => {
  const nearly = fc
    .constantFrom(...names.keys())
    .chain((name) =>
      fc
        .tuple(fc.nat(name.length), fc.integer({ min: 0, max: 255 }))
        .map(([at, byte]) => name.slice(0, at) + String.fromCharCode(byte) + name.slice(at + 1)),
    );
  fc.assert(
    fc.property(fc.oneof(nearly, fc.string({ unit: "binary-ascii" })), (name) => {
      const lower = name.replaceAll(/[A-Z]/g, (c) => c.toLowerCase());
      const found = commandTable.find(argsOf(Buffer.from(name, "latin1")));
      assert.equal(found?.name, names.get(lower)?.name);
    }),
    { numRuns: 2000 },
  );
});

test("a container without a subcommand is itself, with an unknown one nobody", () => {
  assert.equal(commandTable.find(argsOf("CLIENT"))?.name, "client");
  assert.equal(commandTable.find(argsOf("CLIENT", "nope"))?.name, undefined);
  assert.equal(commandTable.find(argsOf("x", "CLIENT", "ID"), 1)?.name, "client|id");
  for (const name of ["client|nope", "ping|x", "client|id|x", "", "|"])
    assert.equal(commandTable.named(name)?.name, undefined, name);
});
