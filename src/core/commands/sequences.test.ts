/** AA.SEQ over several regions: each number is given once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Member, Network } from "../replica/network.suite.ts";

const KEYSPACES = [{ prefix: "n:", conflict: "lww", format: null, writes: "global" }] as const;

function cluster(): { network: Network; members: Member[] } {
  const network = new Network(["a/1", "b/1", "c/1"], { keyspaces: KEYSPACES, relays: false });
  const { members } = network;
  for (const [i, member] of members.entries())
    for (const other of members.slice(i + 1)) network.connect(member, other);
  network.pass(400);
  return { network, members };
}

/** Asks all at once and waits for the answers. */
function told(network: Network, asked: readonly (() => string | null)[]): (string | null)[] {
  network.pass(3_000);
  return asked.map((reply) => reply());
}

test("numbers of several regions are given once, and those of one node grow", () => {
  const { network, members } = cluster();
  const all: number[] = [];
  for (const member of [...members, ...members]) {
    const asked = Array.from({ length: 700 }, () => member.ask("AA.SEQ", "n:orders"));
    const numbers = told(network, asked).map((reply) => Number(reply?.slice(1)));
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
    );
    all.push(...numbers);
  }
  assert.ok(all.every((number) => number >= 1 && number <= 6_000));
  assert.equal(new Set(all).size, 4_200);
});

test("a thousand numbers cost one round, also for clients that wait together", () => {
  const { network, members } = cluster();
  const [a] = members as [Member];
  told(
    network,
    Array.from({ length: 900 }, () => a.ask("AA.SEQ", "n:orders")),
  );
  assert.equal(told(network, [a.ask("AA.VERSION", "n:orders")])[0], ":1\r\n");
  told(
    network,
    Array.from({ length: 200 }, () => a.ask("AA.SEQ", "n:orders")),
  );
  assert.equal(told(network, [a.ask("AA.VERSION", "n:orders")])[0], ":2\r\n");
});

test("a dense sequence has no gaps, in whatever region it is asked", () => {
  const { network, members } = cluster();
  for (let i = 1; i <= 9; i++)
    assert.deepEqual(told(network, [(members[i % 3] as Member).ask("AA.SEQ", "n:i", "DENSE")]), [
      `:${i}\r\n`,
    ]);
});

test("without a majority no number is given, and everybody who waits hears why", () => {
  const { network, members } = cluster();
  const [a, b, c] = members as [Member, Member, Member];
  network.cut(a, b);
  network.cut(a, c);
  const asked = [1, 2, 3].map(() => a.ask("AA.SEQ", "n:orders"));
  for (const reply of told(network, asked)) assert.match(reply ?? "", /^-AA(NOQUORUM|UNKNOWN) /);
});

test("a sequence is a strong key that holds a number", () => {
  const { network, members } = cluster();
  const [a] = members as [Member];
  assert.match(told(network, [a.ask("AA.SEQ", "other")])[0] ?? "", /^-AASTRONGTYPE a sequence/);
  told(network, [a.ask("SET", "n:text", "milk")]);
  const [one, two] = told(network, [a.ask("AA.SEQ", "n:text"), a.ask("AA.SEQ", "n:text")]);
  assert.match(one ?? "", /^-ERR value is not an integer/);
  assert.equal(one, two);
  assert.match(told(network, [a.ask("AA.SEQ", "n:x", "LOOSE")])[0] ?? "", /^-ERR syntax/);
});
