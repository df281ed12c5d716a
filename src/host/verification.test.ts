import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as breath } from "node:timers/promises";
import { type Member, Network } from "../core/replica/network.suite.ts";
import { lose } from "../core/verify/damage.suite.ts";
import { Verification, type VerifyReport } from "./verification.ts";

/** Two members that hold the same, the first of which compares itself with the other; `meanwhile` may hurt them. */
async function verified(
  meanwhile: (round: number, network: Network, a: Member, b: Member) => void,
  third: ((c: Member) => void) | null = null,
): Promise<VerifyReport | null> {
  const network = new Network(third === null ? ["a/1", "b/1"] : ["a/1", "b/1", "c/1"]);
  const [a, b, c] = network.members as unknown as readonly [Member, Member, Member?];
  network.connect(a, b);
  if (c !== undefined) network.connect(a, c);
  for (let n = 0; n < 3_000; n++) a.command("SET", `key:${n}`, `${n}`);
  network.pass(1_000);
  if (c !== undefined) third?.(c);
  const soon: (() => void)[] = [];
  const verification = new Verification({
    replica: a.replica,
    beginTurn: () => a.begin(),
    turnEnded: () => a.turn(),
    soon: (callback) => void soon.push(callback),
    random: () => 7,
    checkpointed: () => Promise.resolve(),
    warn: () => {},
  });
  let report: VerifyReport | null | undefined;
  void verification.verify("no").then((one) => (report = one));
  for (let round = 0; report === undefined; round++) {
    assert.ok(round < 2_000, "a comparison comes to an end");
    meanwhile(round, network, a, b);
    soon.splice(0).forEach((slice) => slice());
    b.replica.compare();
    c?.replica.compare();
    network.pass(20);
    verification.pump();
    await breath();
  }
  return report;
}

function disconnect(network: Network, member: Member): void {
  for (const id of [...member.wires.keys()]) network.close(member, id);
}

test("a link that breaks while members are compared and comes back leaves the comparison whole", async () => {
  const report = await verified((round, network, a, b) => {
    if (round === 1) disconnect(network, a);
    if (round === 40) network.connect(a, b);
  });
  assert.equal(report?.equal, true, report?.reason ?? "");
  assert.equal(report?.coverage.slots, report?.coverage.of);
});

test("a link that does not come back leaves it untold, with the reason", async () => {
  const report = await verified((round, network, a) => {
    if (round === 1) disconnect(network, a);
  });
  assert.equal(report?.equal, null);
  assert.match(report?.reason ?? "", /no link to b\/1|its link has closed/);
});

test("what one member was found to have otherwise stays told, though the link to another one broke and then it was gone", async () => {
  let [toB, toC] = [0, 0];
  const report = await verified(
    (round, network, a, b) => {
      if (round === 0) [toB = 0, toC = 0] = [...a.wires.keys()];
      if (round === 6) network.close(a, toB);
      // Long after c was compared.
      if (round !== 300) return;
      network.close(a, toC);
      network.connect(a, b);
    },
    (c) => lose(c, "key:7"),
  );
  assert.equal(report?.equal, false, report?.reason ?? "");
});

test("a link that breaks again and again does not keep the comparison going for ever", async () => {
  const report = await verified((round, network, a, b) => {
    if (round % 4 === 1) disconnect(network, a);
    if (round % 4 === 3) network.connect(a, b);
  });
  assert.equal(report?.equal, null);
});
