import assert from "node:assert/strict";
import { test } from "node:test";
import { Chance } from "../replica/chance.suite.ts";
import { type Member, Network } from "../replica/network.suite.ts";
import { argsOf } from "../wire/args.ts";
import { Reply } from "../wire/reply.ts";
import { Session } from "./session.ts";

type Three = readonly [Member, Member, Member];

/** Three regions, each linked to the others, whose streams `s…` are stable. */
function three(): { network: Network; members: Three } {
  const keyspaces = [{ prefix: "s", conflict: "lww", format: null, xread: "stable" }] as const;
  const network = new Network(["a/1", "b/1", "c/1"], { keyspaces });
  const members = network.members as unknown as Three;
  const [a, b, c] = members;
  network.connect(a, b);
  network.connect(b, c);
  network.connect(c, a);
  network.pass(100);
  return { network, members };
}

/** The ids in a reply, in order. */
function idsIn(reply: string): string[] {
  return [...reply.matchAll(/\d{13}-\d+/g)].map(([id]) => id);
}

const read = (member: Member, command: string): string[] =>
  idsIn(member.command(...command.split(" ")).reply);

const add = (member: Member, key = "s"): string => {
  const [id] = idsIn(member.command("XADD", key, "*", "from", member.name).reply);
  assert.ok(id !== undefined);
  return id;
};

/** A member that was cut off dials the others anew. */
function comeBack(network: Network, away: Member, members: Three): void {
  for (const id of [...away.wires.keys()]) network.close(away, id);
  for (const other of members) if (other !== away) network.connect(away, other);
}

/** Another client of a member waits; what it is answered is returned when it is asked for. */
function waits(member: Member, command: string): () => string | null {
  const session = new Session(2, "", "", 0, true);
  const reply = new Reply();
  member.begin();
  member.replica.execute(session, argsOf(...command.split(" ")), reply);
  assert.equal(reply.mark, 0, "the client waits");
  return () => {
    const { blocking } = member.replica.run;
    blocking.serve();
    member.turn();
    const answer = blocking.answers.find((one) => one.session === session);
    return answer === undefined ? null : answer.bytes.latin1Slice();
  };
}

test("a stable stream shows an entry once every region has said that nothing earlier follows, and then shows it to all", () => {
  const { network, members } = three();
  const [a, b] = members;
  const id = add(a);
  assert.deepEqual(read(a, "XRANGE s - +"), []);
  assert.deepEqual(read(a, "XREVRANGE s + -"), []);
  assert.deepEqual(read(a, "XREAD STREAMS s 0"), []);
  assert.equal(a.command("XLEN", "s").reply, ":1\r\n", "it is there");
  network.pass(400);
  for (const member of members) {
    assert.deepEqual(read(member, "XRANGE s - +"), [id]);
    assert.deepEqual(read(member, "XREVRANGE s + -"), [id]);
    assert.deepEqual(read(member, "XREAD STREAMS s 0"), [id]);
  }
  const local = add(b, "plain");
  assert.deepEqual(read(b, "XRANGE plain - +"), [local], "others are as they were");
});

test("while a region is away a stable stream stands still, and nothing that it had added is passed over", () => {
  const { network, members } = three();
  const [a, b, c] = members;
  network.cut(a, c);
  network.cut(b, c);
  const early = add(c);
  network.pass(1_000);
  const late = add(a);
  network.pass(1_000);
  assert.deepEqual(read(a, "XREAD STREAMS s 0"), []);
  assert.deepEqual(read(c, "XREAD STREAMS s 0"), []);
  comeBack(network, c, members);
  network.pass(1_000);
  for (const member of members) assert.deepEqual(read(member, "XREAD STREAMS s 0"), [early, late]);
});

test("of a stable stream a group is given what is stable, in order", () => {
  const { network, members } = three();
  const [a, b] = members;
  a.command("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM");
  network.pass(400);
  const first = add(a);
  const second = add(b);
  assert.deepEqual(read(a, "XREADGROUP GROUP g me STREAMS s >"), []);
  network.pass(400);
  assert.deepEqual(read(a, "XREADGROUP GROUP g me STREAMS s >"), [first, second].toSorted());
  assert.deepEqual(read(a, "XREADGROUP GROUP g me STREAMS s >"), []);
});

test("who waits for a stable stream is woken when what came is stable, wherever it was added", () => {
  const { network, members } = three();
  const [a, b] = members;
  a.command("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM");
  network.pass(400);
  const here = waits(a, "XREAD BLOCK 0 STREAMS s $");
  const there = waits(b, "XREAD BLOCK 0 STREAMS s $");
  const grouped = waits(a, "XREADGROUP GROUP g me BLOCK 0 STREAMS s >");
  const id = add(a);
  assert.deepEqual([here(), there(), grouped()], [null, null, null]);
  network.pass(400);
  for (const answer of [here(), there(), grouped()]) assert.deepEqual(idsIn(answer ?? ""), [id]);
});

test("who waits behind what is not stable yet is given that", () => {
  const { network, members } = three();
  const id = add(members[0]);
  const waiting = waits(members[0], "XREAD BLOCK 0 STREAMS s $");
  network.pass(400);
  assert.deepEqual(idsIn(waiting() ?? ""), [id]);
});

test("a stable stream takes no ids but those that the store gives", () => {
  const { members } = three();
  for (const id of ["1-1", "5", "1800000000000-*"])
    assert.match(members[0].command("XADD", "s", id, "f", "v").reply, /^-ERR .*xread: stable/);
  assert.match(members[0].command("XADD", "t", "1-1", "f", "v").reply, /^\$/);
});

test("readers who go on behind the last id they read miss nothing, whatever is late", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const chance = new Chance(seed);
    const { network, members } = three();
    const written: string[] = [];
    const readBy: string[][] = [[], [], []];
    const readAll = (): void => {
      for (const [i, member] of members.entries()) {
        const mine = readBy[i] as string[];
        mine.push(...read(member, `XREAD COUNT 3 STREAMS s ${mine.at(-1) ?? "0"}`));
      }
    };
    let away: Member | null = null;
    for (let step = 0; step < 60; step++) {
      const member = members[chance.below(3)] as Member;
      for (let n = chance.below(3); n > 0; n--) written.push(add(member));
      if (chance.below(10) === 0 && away === null) {
        away = member;
        for (const other of members) if (other !== away) network.cut(away, other);
      } else if (chance.below(5) === 0 && away !== null) {
        comeBack(network, away, members);
        away = null;
      }
      network.pass(20 * chance.below(8));
      readAll();
    }
    if (away !== null) comeBack(network, away, members);
    network.pass(1_000);
    for (let i = 0; i <= written.length; i++) readAll();
    // Ids have the same number of milliseconds' digits, but not of sequence.
    const inOrder = written.toSorted((x, y) => {
      const [[xMs, xSeq], [yMs, ySeq]] = [x.split("-"), y.split("-")];
      return Number(xMs) - Number(yMs) || Number(xSeq) - Number(ySeq);
    });
    for (const mine of readBy) assert.deepEqual(mine, inOrder, `seed ${seed}`);
  }
});
