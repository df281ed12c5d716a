import assert from "node:assert/strict";
import { test } from "node:test";
import { Successions, successionText } from "./successions.ts";

const owners = (region: string) => new Map([["db:", region]]);

test("when a lost region is succeeded it is said for how long nobody could write, and since when what it acknowledged may be missing", () => {
  const successions = new Successions();
  assert.deepEqual(successions.look(owners("us"), 1_000), []);
  successions.heard("us", { heardMs: 10_000, behindMs: { eu: 250, ap: 0 } });
  assert.deepEqual(successions.look(owners("us"), 12_000), []);
  const [found] = successions.look(owners("eu"), 30_000);
  assert.deepEqual(found, {
    prefix: "db:",
    from: "us",
    to: "eu",
    atMs: 30_000,
    restedMs: 20_000,
    missingSinceMs: 9_750,
  });
  assert.match(
    found === undefined ? "" : successionText(found),
    /for 20 s at most; what us acknowledged in the 21 s before may/,
  );
  assert.equal(successions.ownerOf("db:"), "eu");
  assert.deepEqual(successions.all, [found]);
});

test("keys that were given over are not missing anywhere", () => {
  const successions = new Successions();
  successions.look(owners("us"), 1_000);
  successions.heard("us", { heardMs: 10_000, behindMs: { eu: 250 } });
  const [found] = successions.look(owners("eu"), 11_000);
  assert.deepEqual([found?.restedMs, found?.missingSinceMs], [0, null]);
});

test("where nobody could say how far a region was behind, all may be missing", () => {
  const successions = new Successions();
  successions.look(owners("us"), 1_000);
  successions.heard("us", { heardMs: 10_000, behindMs: { eu: null } });
  assert.equal(successions.look(owners("eu"), 60_000)[0]?.missingSinceMs, 0);
  successions.look(new Map(), 61_000);
  assert.equal(successions.ownerOf("db:"), null, "the keyspace is gone");
  assert.deepEqual(successions.look(owners("ap"), 62_000), [], "nobody had it before");
});
