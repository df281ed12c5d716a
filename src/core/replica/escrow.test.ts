import assert from "node:assert/strict";
import { test } from "node:test";
import { mayRun } from "../commands/dispatch.ts";
import { Session } from "../commands/session.ts";
import { argsOf } from "../wire/args.ts";
import { FRAME } from "../wire/frame.ts";
import { Reply } from "../wire/reply.ts";
import { type Member, Network } from "./network.suite.ts";

let sessions = 100;

/** A client: `ask` begins a command, `reply` is what came of it, or null while it waits. */
function clientOf(member: Member): {
  ask: (...words: string[]) => string | null;
  reply: () => string | null;
} {
  const session = new Session(++sessions, "127.0.0.1:1", "127.0.0.1:2", 0, true);
  let words = argsOf("PING");
  const reply = (): string | null => {
    member.begin();
    const { run } = member.replica;
    if (!mayRun(run, session, words)) {
      member.turn();
      return null;
    }
    const to = new Reply();
    member.replica.execute(session, words, to);
    member.turn();
    return to.sink.view().latin1Slice().trimEnd();
  };
  return {
    ask: (...asked) => {
      words = argsOf(...asked);
      return reply();
    },
    reply,
  };
}

function cluster(names: readonly string[]): { network: Network; members: Member[] } {
  const network = new Network(names);
  const { members } = network;
  for (const [i, from] of members.entries())
    for (const to of members.slice(i + 1)) network.connect(from, to);
  network.run();
  network.pass(400);
  return { network, members };
}

/** INFO as a flat record. */
function info(member: Member, key: string): Record<string, number> {
  const { reply } = member.command("AA.BOUND", "INFO", key);
  const words = reply.split("\r\n").filter((word) => !/^[*$%]/.test(word));
  const found: Record<string, number> = {};
  for (const [i, word] of words.entries())
    if (words[i + 1]?.startsWith(":") === true)
      found[word] = Number((words[i + 1] as string).slice(1));
  return found;
}

function rights(member: Member, key: string): number {
  return info(member, key).here as number;
}

test("what a new counter holds is shared by all who can be reached, and each uses its share without a word", () => {
  const { network, members } = cluster(["a/1", "b/1", "c/1"]);
  const [a, b, c] = members as [Member, Member, Member];
  assert.equal(a.command("AA.BOUND", "CREATE", "n", "MIN", "0", "VALUE", "900").reply, "+OK\r\n");
  network.run();
  assert.deepEqual(
    [a, b, c].map((one) => rights(one, "n")),
    [300, 300, 300],
  );
  const before = b.frames(FRAME.RIGHTS_ASK).length;
  for (let i = 0; i < 3; i++) assert.match(b.command("AA.BOUND", "DECR", "n", "100").reply, /^:/);
  assert.equal(b.frames(FRAME.RIGHTS_ASK).length, before, "nobody was asked");
  network.run();
  assert.equal(c.command("AA.BOUND", "GET", "n").reply, ":600\r\n");
  assert.equal(info(b, "n").used_at_once, 300);
});

test("who runs out asks who holds rights, waits for them and goes on; near ones are asked first", () => {
  const { network, members } = cluster(["a/1", "a/2", "b/1"]);
  const [a1, a2, b1] = members as [Member, Member, Member];
  a1.command("AA.BOUND", "CREATE", "n", "MIN", "0", "VALUE", "300");
  network.run();
  const client = clientOf(a2);
  assert.equal(client.ask("AA.BOUND", "DECR", "n", "150"), null, "it waits");
  network.run();
  assert.equal(client.reply(), ":150");
  assert.equal(info(a2, "n").used_after_region, 150);
  assert.equal(rights(b1, "n"), 100, "no other region was asked");
  assert.equal(client.ask("AA.BOUND", "DECR", "n", "140"), null);
  network.run();
  let answer = client.reply();
  for (; answer === null; answer = client.reply()) network.run();
  assert.equal(answer, ":10");
  assert.equal(info(a2, "n").used_after_wan, 140);
});

test("many who wait for the same counter ask once", () => {
  const { network, members } = cluster(["a/1", "b/1"]);
  const [a, b] = members as [Member, Member];
  a.command("AA.BOUND", "CREATE", "n", "MIN", "0", "VALUE", "100");
  network.run();
  b.command("AA.BOUND", "DECR", "n", "50");
  const clients = Array.from({ length: 5 }, () => clientOf(b));
  for (const client of clients) assert.equal(client.ask("AA.BOUND", "DECR", "n", "5"), null);
  assert.equal(b.frames(FRAME.RIGHTS_ASK).length, 1);
  network.run();
  for (const client of clients) assert.match(client.reply() ?? "", /^:/);
});

test("no rights here is told apart from no rights anywhere, and whoever is cut off goes on with its own", () => {
  const { network, members } = cluster(["a/1", "b/1"]);
  const [a, b] = members as [Member, Member];
  a.command("AA.BOUND", "CREATE", "n", "MIN", "10", "VALUE", "110");
  network.run();
  network.cut(a, b);
  for (const id of [...a.wires.keys()]) network.close(a, id);
  network.pass(4_000);
  const client = clientOf(b);
  assert.match(
    client.ask("AA.BOUND", "DECR", "n", "60") ?? "",
    /^-AANORIGHTS 60 needed, 50 held here.*a\/1 50 \(out of reach\)/,
  );
  assert.equal(client.ask("AA.BOUND", "DECR", "n", "50"), ":60");
  assert.match(client.ask("AA.BOUND", "DECR", "n", "1") ?? "", /^-AANORIGHTS/);
  assert.match(
    client.ask("AA.BOUND", "DECR", "n", "51") ?? "",
    /^-AABOUND 9 is below the bound, 10/,
  );
  const { no_rights: lacking, bound_reached: reached } = info(b, "n");
  assert.deepEqual([lacking, reached], [2, 1]);
});

test("an answer that gives nothing shows how little there is, and nobody is asked twice for it", () => {
  const { network, members } = cluster(["a/1", "b/1"]);
  const [a, b] = members as [Member, Member];
  a.command("AA.BOUND", "CREATE", "n", "MIN", "0", "VALUE", "100");
  network.run();
  // What b does not know yet.
  a.prompt = false;
  a.command("AA.BOUND", "DECR", "n", "50");
  const client = clientOf(b);
  assert.equal(client.ask("AA.BOUND", "DECR", "n", "60"), null);
  network.run();
  assert.equal(client.reply(), null, "the record that shows it is waited for");
  a.prompt = true;
  a.sync();
  network.run();
  assert.match(client.reply() ?? "", /^-AABOUND/);
  assert.equal(b.frames(FRAME.RIGHTS_ASK).length, 1);
});

test("rights move to where they are used, before they run out there", () => {
  const { network, members } = cluster(["a/1", "b/1", "c/1"]);
  const [a, b] = members as [Member, Member, Member];
  a.command("AA.BOUND", "CREATE", "n", "MIN", "0", "VALUE", "3000");
  network.run();
  for (let i = 0; i < 60; i++) {
    assert.match(b.command("AA.BOUND", "DECR", "n", "40").reply, /^:/, `in step ${i}`);
    network.pass(1_000);
  }
  const { used_at_once, used_after_wan = 0 } = info(b, "n");
  assert.equal(used_at_once, 2_400);
  assert.equal(used_after_wan, 0);
  assert.ok((info(a, "n").moved as number) > 300);
});

test("what is even is left alone", () => {
  const { network, members } = cluster(["a/1", "b/1", "c/1"]);
  const [a, b] = members as [Member, Member];
  a.command("AA.BOUND", "CREATE", "n", "MIN", "0", "VALUE", "3000");
  network.pass(3_000);
  for (let i = 0; i < 20; i++) {
    for (const member of members) member.command("AA.BOUND", "DECR", "n", String(9 + (i % 3)));
    network.pass(1_000);
  }
  assert.equal(info(a, "n").moved, 0);
  assert.equal(info(b, "n").moved, 0);
});

test("rights that have moved call for no more moves, however differently demand is judged", () => {
  const { network, members } = cluster(["a/1", "b/1"]);
  const [a, b] = members as [Member, Member];
  a.command("AA.BOUND", "CREATE", "n", "MIN", "0", "VALUE", "200");
  network.pass(2_000);
  // Each has long forgotten its own sales when it hears of the other's.
  for (const id of [...a.wires.keys()]) network.close(a, id);
  for (const member of members) member.command("AA.BOUND", "DECR", "n", "20");
  network.pass(30_000);
  network.connect(a, b);
  network.pass(3_000);
  const moved = (): number[] => members.map((member) => info(member, "n").moved as number);
  const before = moved();
  assert.ok(before.every((amount) => amount > 0));
  network.pass(10_000);
  assert.deepEqual(moved(), before);
});

test("an incarnation that goes on from nothing has no rights of the one before", () => {
  const { network, members } = cluster(["a/1", "b/1"]);
  const [a, b] = members as [Member, Member];
  a.command("AA.BOUND", "CREATE", "n", "MIN", "0", "VALUE", "100");
  network.run();
  b.renew(7);
  network.connect(a, b);
  network.run();
  network.pass(400);
  assert.equal(info(b, "n").frozen, 50);
  assert.equal(info(a, "n").frozen, 50);
  const client = clientOf(a);
  assert.match(client.ask("AA.BOUND", "DECR", "n", "80") ?? "", /lost incarnations 50 \(frozen\)/);
  assert.equal(
    a.command("AA.BOUND", "GET", "n").reply,
    ":100\r\n",
    "nobody knows what was used of them",
  );
});

test("a member that is removed hands its rights to the others before it stops", () => {
  const { network, members } = cluster(["a/1", "b/1", "c/1"]);
  const [a, b, c] = members as [Member, Member, Member];
  a.command("AA.BOUND", "CREATE", "n", "MIN", "0", "VALUE", "900");
  network.run();
  c.command("AA.BOUND", "DECR", "n", "100");
  a.begin();
  assert.equal(a.replica.remove(["c/1"], false), null);
  a.replica.lookAtRoster();
  a.turn();
  network.run();
  network.pass(2_000);
  assert.equal(rights(a, "n") + rights(b, "n"), 800);
  assert.equal(info(a, "n").frozen ?? 0, 0);
});

test("a transaction that lacks rights is refused at once, and finds them when it is tried again", () => {
  const { network, members } = cluster(["a/1", "b/1"]);
  const [a, b] = members as [Member, Member];
  a.command("AA.BOUND", "CREATE", "n", "MIN", "0", "VALUE", "100");
  network.run();
  const attempt = (): string => {
    b.command("MULTI");
    b.command("AA.BOUND", "DECR", "n", "60");
    return b.command("EXEC").reply;
  };
  assert.match(attempt(), /^\*1\r\n-AANORIGHTS 60 needed/);
  network.run();
  assert.equal(attempt(), "*1\r\n:40\r\n");
});

/** Sells a stock at a pace of its own in each region until nothing is left; how many units were sold without asking anybody. */
function soldAtOnce(stock: number, perSecond: readonly number[]): number {
  const { network, members } = cluster(["a/1", "b/1", "c/1"]);
  (members[0] as Member).command("AA.BOUND", "CREATE", "n", "MIN", "0", "VALUE", `${stock}`);
  network.pass(200);
  const clients = members.map(clientOf);
  const waiting = members.map(() => false);
  const due = members.map(() => 0);
  let sold = 0;
  for (let step = 0; sold < stock && step < 50_000; step++) {
    network.pass(20);
    for (const [i, client] of clients.entries()) {
      (due[i] as number) += (perSecond[i] as number) / 50;
      while ((due[i] as number) >= 1) {
        const reply =
          waiting[i] === true ? client.reply() : client.ask("AA.BOUND", "DECR", "n", "1");
        waiting[i] = reply === null;
        if (reply === null) break;
        (due[i] as number)--;
        if (reply.startsWith(":")) sold++;
      }
    }
  }
  assert.equal(sold, stock);
  return members.reduce((sum, member) => sum + (info(member, "n").used_at_once as number), 0);
}

test("nearly all is sold without asking anybody, at even demand and at skewed", () => {
  assert.ok(soldAtOnce(1_000, [25, 25, 25]) >= 980);
  assert.ok(soldAtOnce(1_000, [60, 12, 3]) >= 950);
  assert.ok(soldAtOnce(1_000, [0, 0, 75]) >= 950);
});

test("what a removed member held is sold by the others once somebody takes it, and no more than that", () => {
  const { network, members } = cluster(["a/1", "b/1", "c/1"]);
  const [a, b, c] = members as [Member, Member, Member];
  assert.equal(a.command("AA.BOUND", "CREATE", "n", "MIN", "0", "VALUE", "90").reply, "+OK\r\n");
  network.run();
  const ask = (member: Member): string | null => {
    const reply = member.ask("AA.BOUND", "RECLAIM", "n", "c/1");
    network.pass(400);
    return reply();
  };
  assert.match(ask(a) ?? "", /^-ERR c\/1 was not removed/);
  const owner = members.find(
    ({ name, replica }) => replica.run.homes.ownerOfKey(0, Buffer.from("n")) === name,
  ) as Member;
  for (const id of [...c.wires.keys()]) network.close(c, id);
  // It sells on, and nobody hears of it.
  assert.equal(c.command("AA.BOUND", "DECR", "n", "5").reply, ":85\r\n");
  network.pass(4_000);
  assert.match(
    clientOf(owner).ask("AA.BOUND", "RECLAIM", "n", "c/1") ?? "",
    /^-AANOQUORUM ALL .*nothing was written/,
  );
  a.begin();
  assert.equal(a.replica.remove(["c/1"], true), null);
  network.pass(2_000);
  assert.equal(info(a, "n").frozen, 30);
  const taken = [a, b].map((member) => ask(member));
  assert.deepEqual(
    new Set(taken),
    new Set([":0\r\n", ":30\r\n"]),
    "who comes second takes nothing",
  );
  network.pass(400);
  for (const member of [a, b]) {
    assert.equal(info(member, "n").frozen, 0);
    assert.equal(info(member, "n").room, 90);
  }
  const client = clientOf(b);
  if (client.ask("AA.BOUND", "DECR", "n", "90") === null) network.pass(400);
  assert.equal(client.reply(), ":0");
});
