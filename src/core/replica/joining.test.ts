import assert from "node:assert/strict";
import { test } from "node:test";
import { Vector } from "../clock/vector.ts";
import { Malformed } from "../bytes/source.ts";
import { Sink } from "../bytes/sink.ts";
import { FRAME } from "../wire/frame.ts";
import { canonical } from "./canonical.suite.ts";
import type { Effect } from "./replica.ts";
import { type Member, Network } from "./network.suite.ts";
import * as words from "./snapshot-words.ts";

const MANY = 200;

/** Two members that have met, the log of the first cut behind `MANY` writes that the second has lost. */
function cutAndWiped(): { network: Network; giver: Member; lost: Member } {
  const network = new Network(["a/1", "b/1"]);
  const [giver, lost] = network.members as [Member, Member];
  for (let i = 0; i < MANY; i++) giver.command("SET", `k${i}`, `v${i}`);
  giver.command("INCRBY", "n", "5");
  network.connect(giver, lost);
  network.pass(500);
  assert.equal(lost.get("k7"), "$2\r\nv7\r\n");
  lost.wipe(lost.more);
  lost.replica.exchange.joining.begin({
    state: "waiting",
    sinceMs: network.nowMs,
    aloneAfterMs: Infinity,
  });
  const { index, applied } = giver.replica;
  index.begin(index.end, applied);
  return { network, giver, lost };
}

function state(member: Member): string {
  return canonical(member.replica.keyspace);
}

test("whoever needs what no log holds any more is given a snapshot, while the giver goes on writing", () => {
  const { network, giver, lost } = cutAndWiped();
  let written = 0;
  network.between = () => void giver.command("SET", `k${(written += 7) % MANY}`, `new ${written}`);
  network.connect(giver, lost);
  network.pass(2_000);
  assert.ok(lost.sections.length > 1);
  assert.equal(lost.replica.exchange.joining.whole, false, "it has not met anybody since");
  network.connect(giver, lost);
  network.pass(500);
  assert.equal(lost.replica.exchange.joining.whole, true);
  assert.equal(state(lost), state(giver));
  assert.ok(written > 0);
});

/** Three members: two that have met and hold `MANY` writes, and one that has nothing. Logs are long from 1 kB on. */
function longLogAndEmpty(): { network: Network; a: Member; b: Member; empty: Member } {
  const network = new Network(["a/1", "b/1", "c/1"], { copyBeyondBytes: 1_000 });
  const [a, b, empty] = network.members as [Member, Member, Member];
  for (let i = 0; i < MANY; i++) a.command("SET", `k${i}`, `v${i}`);
  network.connect(a, b);
  network.pass(500);
  return { network, a, b, empty };
}

function waits({ nowMs }: Network, { replica }: Member): void {
  replica.exchange.joining.begin({ state: "waiting", sinceMs: nowMs, aloneAfterMs: Infinity });
}

test("who begins with nothing takes a copy of what a long log holds, and then the rest of the log", () => {
  const { network, a, b, empty } = longLogAndEmpty();
  waits(network, empty);
  let written = 0;
  network.between = () => void a.command("SET", `k${(written += 7) % MANY}`, `new ${written}`);
  network.connect(a, empty);
  network.connect(b, empty);
  network.pass(2_000);
  assert.equal(empty.frames(FRAME.SNAP_ASK).length > 0, true);
  assert.equal(a.frames(FRAME.SNAP_BEGIN).length + b.frames(FRAME.SNAP_BEGIN).length, 1);
  assert.equal(empty.replica.delivery.appliedCount, 0, "nothing of the log came beside it");
  network.between = () => {};
  network.connect(a, empty);
  network.connect(b, empty);
  network.pass(500);
  assert.equal(empty.replica.exchange.joining.whole, true);
  assert.equal(empty.frames(FRAME.SNAP_ASK).filter(isNew).length, 1, "one copy was enough");
  a.command("SET", "last", "1");
  network.pass(100);
  assert.equal(state(empty), state(a));
  assert.ok(written > 0);
});

/** Whether an asking is for a snapshot from its beginning. */
function isNew(effect: Effect): boolean {
  return effect.type === "send" && effect.body.readUIntBE(0, 6) === 0;
}

test("who has most of a long log is sent what is left of it", () => {
  const { network, a, b, empty: c } = longLogAndEmpty();
  network.connect(a, c);
  network.pass(500);
  for (const id of [...c.wires.keys()]) network.close(c, id);
  waits(network, c);
  a.command("SET", "k1", "new");
  network.connect(a, c);
  network.connect(b, c);
  network.pass(3_000);
  assert.equal(c.replica.exchange.joining.whole, true);
  assert.equal(c.frames(FRAME.SNAP_ASK).length, 0);
  assert.equal(state(c), state(a));
});

test("who serves is sent the log, however long, and so is who is of a version that knows no copies", () => {
  const { network, a, empty } = longLogAndEmpty();
  network.connect(a, empty);
  network.pass(3_000);
  assert.equal(empty.frames(FRAME.SNAP_ASK).length, 0);
  assert.equal(state(empty), state(a));
});

test("of several copies that came to nothing the log takes the place", () => {
  const { network, a, empty } = longLogAndEmpty();
  waits(network, empty);
  let begun = 0;
  network.between = () => {
    // Each time the connection breaks behind the beginning, and for longer than a snapshot waits.
    if (++begun % 2 === 0) for (const id of [...empty.wires.keys()]) network.close(empty, id);
  };
  for (let i = 0; i < 5; i++) {
    if (empty.wires.size === 0) network.connect(a, empty);
    network.pass(12_000);
  }
  assert.equal(empty.replica.exchange.joining.whole, true);
  assert.equal(a.frames(FRAME.SNAP_BEGIN).length, 3);
  assert.equal(state(empty), state(a));
});

test("a replica serves on what its neighbours' logs still hold, and asks for no snapshot then", () => {
  const network = new Network(["a/1", "b/1", "c/1"]);
  const [a, b, c] = network.members as [Member, Member, Member];
  for (let i = 0; i < 20; i++) a.command("SET", `k${i}`, "v");
  network.connect(a, b);
  network.pass(500);
  a.replica.index.begin(a.replica.index.end, a.replica.applied);
  c.replica.exchange.joining.begin({
    state: "waiting",
    sinceMs: network.nowMs,
    aloneAfterMs: Infinity,
  });
  network.connect(a, c);
  network.connect(b, c);
  network.pass(3_000);
  assert.equal(c.replica.exchange.joining.whole, true);
  assert.equal(c.frames(FRAME.SNAP_ASK).length, 0);
  assert.equal(state(c), state(a));
});

test("a snapshot goes on behind what was stored when its connection broke", () => {
  const { network, giver, lost } = cutAndWiped();
  let sections = 0;
  network.between = () => {
    // Two sections are under way when the connection breaks.
    if (++sections === 3) network.cut(giver, lost);
    if (sections !== 5) return;
    for (const id of [...lost.wires.keys()]) network.close(lost, id);
    network.connect(giver, lost);
  };
  giver.replica.keyspace.large = 16;
  giver.command("SADD", "large", ...Array.from({ length: 4_000 }, (_, i) => `member ${i}`));
  network.connect(giver, lost);
  network.pass(3_000);
  network.connect(giver, lost);
  network.pass(500);
  assert.equal(giver.frames(FRAME.SNAP_BEGIN).length, 1, "it was not begun anew");
  assert.ok(sections > 4);
  assert.equal(state(lost), state(giver));
});

test("what only the receiver had survives a snapshot", () => {
  const { network, giver, lost } = cutAndWiped();
  lost.replica.exchange.joining.begin({ state: "whole" });
  lost.command("SET", "mine", "1");
  lost.command("SADD", "set", "x");
  network.connect(giver, lost);
  network.pass(2_000);
  network.connect(giver, lost);
  network.pass(500);
  assert.equal(lost.get("mine"), "$1\r\n1\r\n");
  assert.equal(giver.get("mine"), "$1\r\n1\r\n");
  assert.equal(state(lost), state(giver));
});

test("a snapshot that lacks what the receiver's log has forgotten is not taken", () => {
  const { network, giver, lost } = cutAndWiped();
  lost.replica.exchange.joining.begin({ state: "whole" });
  lost.command("SET", "mine", "1");
  lost.replica.index.begin(lost.replica.index.end, lost.replica.applied);
  network.connect(giver, lost);
  network.pass(2_000);
  assert.equal(lost.sections.length, 0);
});

test("a snapshot with a section missing, or that ends too soon, is refused", () => {
  const { network, giver, lost } = cutAndWiped();
  const refused: string[] = [];
  const forge = (type: number, write: (sink: Sink, id: number) => void): void => {
    const begun = giver.frames(FRAME.SNAP_BEGIN)[0];
    assert.ok(begun?.type === "send");
    const [link] = [...lost.replica.exchange.links.keys()];
    const sink = new Sink();
    write(sink, begun.body.readUIntBE(0, 6));
    try {
      lost.replica.exchange.receive(link as number, type, sink.copy());
    } catch (error) {
      assert.ok(error instanceof Malformed);
      refused.push(error.message);
    }
  };
  let turns = 0;
  network.between = () => {
    // The first turn is the beginning, the second the first section.
    if (++turns !== 3) return;
    const bytes = Buffer.alloc(1);
    forge(FRAME.SNAP_SECTION, (sink, id) =>
      words.writeSection(sink, { id, index: 9, keys: 0, bytes }),
    );
    forge(FRAME.SNAP_END, (sink, id) => {
      sink.u48(id);
      sink.varint(9);
      sink.varint(0);
      sink.varint(0);
    });
  };
  network.connect(giver, lost);
  network.pass(2_000);
  assert.deepEqual(refused, [
    "a section of the snapshot is missing",
    "the snapshot ends where it should not",
  ]);
});

test("new members begin together once each has said that it is new", () => {
  const network = new Network(["a/1", "b/1", "c/1"]);
  const [a, b, c] = network.members as [Member, Member, Member];
  for (const { replica } of network.members)
    replica.exchange.joining.begin({
      state: "waiting",
      sinceMs: network.nowMs,
      aloneAfterMs: Infinity,
    });
  network.connect(a, b);
  network.pass(1_000);
  assert.deepEqual(
    network.members.map(({ replica }) => replica.exchange.joining.whole),
    [false, false, false],
  );
  network.connect(a, c);
  network.pass(1_000);
  assert.equal(a.replica.exchange.joining.whole, true);
  assert.equal(b.replica.exchange.joining.whole, true, "a, which is whole, says so");
});

test("a new member that can reach nobody begins alone when it has waited long enough", () => {
  const network = new Network(["a/1", "b/1"]);
  const [a] = network.members as [Member];
  a.replica.exchange.joining.begin({
    state: "waiting",
    sinceMs: network.nowMs,
    aloneAfterMs: 5_000,
  });
  network.pass(4_900);
  assert.equal(a.replica.exchange.joining.whole, false);
  network.pass(200);
  assert.equal(a.replica.exchange.joining.whole, true);
});

test("who waits, and holds what may show records it has not, is whole only with those, whatever the others have", () => {
  const network = new Network(["a/1", "b/1", "c/1"]);
  const [a, b, c] = network.members as [Member, Member, Member];
  for (let i = 0; i < 5; i++) a.command("SET", `k${i}`, "v");
  network.connect(a, b);
  network.connect(a, c);
  network.pass(500);
  for (const id of [...a.wires.keys()]) network.close(a, id);
  a.command("SET", "more", "v");
  network.pass(100);
  // What c has came from a, which had that already.
  const until = new Vector();
  until.raise(c.replica.origins.introduce(a.replica.origins.get(a.replica.me)), 6);
  const { joining } = c.replica.exchange;
  joining.begin({ state: "waiting", sinceMs: network.nowMs, aloneAfterMs: Infinity, until });
  network.connect(b, c);
  network.pass(1_000);
  assert.equal(joining.state.state, "catching up");
  assert.ok(joining.owed?.includes(until), "it is told to a life that begins anew meanwhile");
  network.connect(a, c);
  network.pass(1_000);
  assert.equal(joining.whole, true);
  assert.equal(state(c), state(a));
});
