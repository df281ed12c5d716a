import assert from "node:assert/strict";
import { test } from "node:test";
import { Args, argsOf } from "../wire/args.ts";
import { commandTable } from "./table.ts";

const names = new Map(commandTable.commands.map((entry) => [entry.name, entry]));

/** The words of a full name such as `client|setname`, written in changing case. */
function shout(name: string): string[] {
  return name
    .split("|")
    .map((word) => word.replaceAll(/../g, (pair) => pair.charAt(0).toUpperCase() + pair.charAt(1)));
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

test("a name is found exactly if a plain map knows it, however near it is to one that exists", () => {
  const args = new Args();
  const expectAsMap = (bytes: Buffer): void => {
    args.begin(bytes);
    args.push(0, bytes.length);
    const name = bytes.latin1Slice().replaceAll(/[A-Z]/g, (c) => c.toLowerCase());
    if (commandTable.find(args)?.name !== names.get(name)?.name) assert.fail(`'${name}'`);
  };
  for (const name of names.keys()) {
    // Each byte in turn: among so many neighbours there are some whose hash leads to the very same entry.
    for (let at = 0; at < name.length; at++) {
      const bytes = Buffer.from(name, "latin1");
      for (let byte = 0; byte < 256; byte++) {
        bytes[at] = byte;
        expectAsMap(bytes);
      }
    }
    for (const other of [name.slice(1), name.slice(0, -1), `${name}s`, ` ${name}`, `${name}\0`])
      expectAsMap(Buffer.from(other, "latin1"));
  }
});

test("a container without a subcommand is itself, with an unknown one nobody", () => {
  assert.equal(commandTable.find(argsOf("CLIENT"))?.name, "client");
  assert.equal(commandTable.find(argsOf("CLIENT", "nope"))?.name, undefined);
  assert.equal(commandTable.find(argsOf("x", "CLIENT", "ID"), 1)?.name, "client|id");
  for (const name of ["client|nope", "ping|x", "client|id|x", "", "|"])
    assert.equal(commandTable.named(name)?.name, undefined, name);
});
