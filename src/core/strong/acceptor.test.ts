/** What was promised is kept, whatever comes after and however often this member starts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Malformed } from "../bytes/source.ts";
import { Sink } from "../bytes/sink.ts";
import { Acceptor, writeKept } from "./acceptor.ts";
import { type Ballot, compareBallots, NO_BALLOT } from "./ballot.ts";
import { decodeState, encodeState, NOTHING } from "./strong-state.ts";

const KEY = Buffer.from("lock:a");
const at = (round: number, member = 0): Ballot => ({ round, member, life: 7 });
const valued = (text: string, version = 1): Buffer =>
  encodeState({ ...NOTHING, version, value: Buffer.from(text) });
const gone = (version: number): Buffer => encodeState({ ...NOTHING, version });

function begun(): Acceptor {
  const acceptor = new Acceptor();
  acceptor.hold(1, true);
  return acceptor;
}

/** The acceptor that comes back from what this one has logged. */
function restarted(blocks: readonly Buffer[]): Acceptor {
  const acceptor = new Acceptor();
  for (const block of blocks) acceptor.replay(block, 1);
  return acceptor;
}

test("a lower ballot than one that was promised is neither promised nor accepted", () => {
  const acceptor = begun();
  assert.equal(acceptor.prepare(0, KEY, at(5)).ok, true);
  assert.deepEqual(acceptor.prepare(0, KEY, at(4)), { ok: false, promised: at(5) });
  assert.deepEqual(acceptor.prepare(0, KEY, at(5)), { ok: false, promised: at(5) });
  assert.deepEqual(acceptor.accept(0, KEY, at(4), at(9), valued("x")), {
    ok: false,
    promised: at(5),
  });
  assert.deepEqual(acceptor.read(0, KEY), {
    ok: true,
    accepted: NO_BALLOT,
    state: encodeState(NOTHING),
  });
});

test("what is accepted promises the next ballot, and is accepted again when it is asked twice", () => {
  const acceptor = begun();
  assert.equal(acceptor.accept(0, KEY, at(1), at(2), valued("x")).ok, true);
  assert.equal(acceptor.accept(0, KEY, at(1), at(2), valued("x")).ok, true);
  assert.deepEqual(acceptor.prepare(0, KEY, at(2)), { ok: false, promised: at(2) });
  assert.equal(acceptor.accept(0, KEY, at(2), at(3), valued("y")).ok, true);
  assert.equal(acceptor.accept(0, KEY, at(1), at(2), valued("x")).ok, false);
});

test("the same is promised and accepted after a restart, whatever was asked", () => {
  const ask = fc.record({
    accepts: fc.boolean(),
    round: fc.integer({ min: 1, max: 9 }),
    member: fc.integer({ min: 0, max: 2 }),
    key: fc.constantFrom("a", "b"),
    isGone: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(ask, { maxLength: 30 }), (asks) => {
      const acceptor = begun();
      const blocks = [acceptor.takeBlock() as Buffer];
      for (const { accepts, round, member, key, isGone } of asks) {
        const name = Buffer.from(key);
        const ballot = at(round, member);
        const state = isGone ? gone(round) : valued(`${round}${member}`, round);
        if (!accepts) acceptor.prepare(0, name, ballot);
        else if (acceptor.accept(0, name, ballot, at(round + 1, member), state).ok && isGone)
          acceptor.drop(0, name, ballot);
        const block = acceptor.takeBlock();
        if (block !== null) blocks.push(block);
      }
      const again = restarted(blocks);
      const fromParts = new Acceptor();
      for (const part of acceptor.parts(20)) fromParts.replay(Buffer.from(part), 0);
      // A checkpoint may be of a later moment than the log behind it begins with.
      for (const block of blocks) fromParts.replay(block, 1);
      for (const other of [again, fromParts]) {
        assert.equal(other.floor.version, acceptor.floor.version);
        const higher = compareBallots(other.floor.ballot, acceptor.floor.ballot);
        assert.ok(other === again ? higher === 0 : higher >= 0);
        assert.equal(other.begun, true);
        for (const key of ["a", "b"]) {
          const [kept, there] = [acceptor.find(`0:${key}`), other.find(`0:${key}`)];
          assert.deepEqual([there?.accepted, there?.state], [kept?.accepted, kept?.state]);
          // Beside what came later it has promised more than it had, which keeps less from being decided, and no more.
          const more = compareBallots(there?.promised ?? NO_BALLOT, kept?.promised ?? NO_BALLOT);
          assert.ok(other === again ? more === 0 : more >= 0);
          assert.deepEqual(other.read(0, Buffer.from(key)), acceptor.read(0, Buffer.from(key)));
        }
      }
    }),
  );
});

test("a deletion that is forgotten leaves its promise and its version to all keys that are not kept", () => {
  const acceptor = begun();
  acceptor.accept(0, KEY, at(4), at(5), gone(8));
  assert.equal(acceptor.drop(0, KEY, at(3)), false);
  assert.equal(acceptor.drop(0, KEY, at(4)), true);
  assert.equal(acceptor.find("0:lock:a"), undefined);
  const late = acceptor.accept(0, KEY, at(4), at(5), valued("late"));
  assert.equal(late.ok, false, "what was under way when it was forgotten comes to nothing");
  const other = acceptor.prepare(0, Buffer.from("other"), at(6));
  assert.ok(other.ok);
  assert.equal(decodeState(other.state).version, 8);
  assert.equal(compareBallots(other.accepted, NO_BALLOT), 0);
});

test("what is written again is not dropped with the deletion before it", () => {
  const acceptor = begun();
  acceptor.accept(0, KEY, at(4), at(5), gone(8));
  acceptor.accept(0, KEY, at(5), at(6), valued("again", 9));
  assert.equal(acceptor.drop(0, KEY, at(4)), false);
  assert.equal(acceptor.drop(0, KEY, at(5)), false);
  assert.notEqual(acceptor.find("0:lock:a"), undefined);
});

test("a copy of another member raises what is known here and lowers nothing", () => {
  const [mine, other] = [begun(), begun()];
  mine.accept(0, KEY, at(6), at(7), valued("newer", 3));
  other.accept(0, KEY, at(2), at(9), valued("older", 1));
  other.accept(0, Buffer.from("b"), at(3), at(4), valued("b", 1));
  const sink = new Sink();
  for (const kept of other.all()) writeKept(sink, kept);
  mine.copy(sink.copy());
  const kept = mine.find("0:lock:a");
  assert.deepEqual([kept?.promised, kept?.accepted], [at(9), at(6)]);
  assert.deepEqual(mine.find("0:b")?.accepted, at(3));
  assert.throws(() => mine.copy(Buffer.from([5, 9, 1])), Malformed);
});
