import assert from "node:assert/strict";
import { test } from "node:test";
import type { Replica } from "../../core/replica/replica.ts";
import type { Identity } from "../ports/storage.ts";
import { Chain } from "./chain.ts";

/** What is kept of a directory, and how often its state was changed past the log. */
function directory() {
  const files = new Map<string, Buffer>();
  const state = { fingerprint: "here", unlogged: 0, chance: 0 };
  const identity: Identity = {
    load: (name) => Promise.resolve(files.get(name) ?? null),
    save: (name, bytes) => Promise.resolve(void files.set(name, Buffer.from(bytes))),
    fingerprint: () => Promise.resolve(state.fingerprint),
  };
  /** As a process that has just started finds it. */
  const chain = (): Chain => {
    state.unlogged = 0;
    const replica = { keyspace: { changes: state } } as unknown as Replica;
    return new Chain({ replica, identity, random: () => ++state.chance });
  };
  return { state, chain };
}

test("a chain goes on over restarts, and is another one in a copy of the directory", async () => {
  const { state, chain } = directory();
  const id = await chain().id();
  assert.match(id, /^[0-9a-f]{32}$/);
  assert.equal(await chain().id(), id);
  state.fingerprint = "there";
  assert.notEqual(await chain().id(), id);
});

test("what came in past the log begins another chain, before a checkpoint shows it", async () => {
  const { state, chain } = directory();
  const first = chain();
  const id = await first.id();
  state.unlogged++;
  await first.settle();
  // The process ends; the next one knows nothing of what was mended.
  const after = await chain().id();
  assert.notEqual(after, id);
  const second = chain();
  await second.settle();
  assert.equal(await second.id(), after);
  await second.renew();
  assert.notEqual(await second.id(), after);
});
