import assert from "node:assert/strict";
import { test } from "node:test";
import { Source } from "../bytes/source.ts";
import { Sink } from "../bytes/sink.ts";
import { Formats, READS, READS_FIRST } from "./formats.ts";
import { type Member, Network } from "./network.suite.ts";
import { replicaOf } from "./solo.suite.ts";
import * as words from "./words.ts";

test("a new format may be written once every member has said that it reads it, also over others", () => {
  const network = new Network(["a/1", "b/1", "c/1"], {
    keyspaces: [{ prefix: "h:", conflict: "lww", format: null, writes: "home", home: "a" }],
  });
  const [a, b, c] = network.members as [Member, Member, Member];
  network.connect(a, b);
  network.pass(1_000);
  for (const { replica } of [a, b]) {
    assert.equal(replica.formats.usable, READS_FIRST, "nobody has heard of c");
    assert.deepEqual(replica.formats.awaited, ["c/1"]);
  }
  const gated = [
    ["AA.BOUND", "CREATE", "stock", "MIN", "0", "VALUE", "10"],
    ["AA.ONCE", "id", "SET", "k", "v"],
    ["AA.KEYSPACE", "MOVE", "h:", "b"],
    ["AA.KEYSPACE", "SET", "other:", "CONFLICT", "fww"],
  ];
  for (const command of gated)
    assert.match(a.command(...command).reply, /^-ERR not every member/, command.join(" "));
  network.connect(b, c);
  network.pass(1_000);
  for (const { replica } of network.members) {
    assert.equal(replica.formats.usable, READS);
    assert.deepEqual(replica.formats.awaited, []);
  }
  for (const command of gated)
    assert.doesNotMatch(a.command(...command).reply, /not every member/, command.join(" "));
});

test("who says nothing of formats reads the first, and nothing new is written for as long as it is there", () => {
  const { members } = replicaOf("a/1", 1, { members: ["a/1", "b/1"] });
  const formats = new Formats(() => members, READS_FIRST);
  assert.equal(formats.look(), null);
  const heard = (version: number, reads: number): void => {
    const report = { ...replicaOf("b/1", 1).report(), version, reads };
    members.report(report, 1);
  };
  heard(1, READS);
  assert.equal(formats.usable, READS_FIRST, "it is not noted yet");
  assert.equal(formats.look(), READS);
  assert.equal(formats.look(), null, "once is enough");
  formats.notStored();
  assert.equal(formats.look(), READS, "the disk was full: again");
  formats.stored(READS);
  assert.equal(formats.usable, READS);
  heard(2, READS_FIRST);
  assert.equal(formats.usable, READS_FIRST, "it went back");
  assert.deepEqual(formats.awaited, ["b/1"]);
  heard(3, READS);
  assert.equal(formats.usable, READS);
});

test("an ACK of a build that says nothing of formats is read, and so is ours by such a build", () => {
  const { origins, report } = withReport();
  const sink = new Sink();
  words.writeAck(sink, new words.Numbering(origins), {
    ...{ wallMs: 1, sentMs: 1, echoMs: 1, heldMs: 1 },
    reports: [report],
  });
  const bytes = sink.copy();
  const said = words.readAck(new Source(bytes), new words.Numbering(origins));
  assert.deepEqual(
    said.reports.map(({ reads }) => reads),
    [READS],
  );
  const silent = words.readAck(new Source(bytes.subarray(0, -2)), new words.Numbering(origins));
  assert.deepEqual(
    silent.reports.map(({ reads }) => reads),
    [READS_FIRST],
  );
});

function withReport(): {
  origins: ReturnType<typeof replicaOf>["origins"];
  report: ReturnType<ReturnType<typeof replicaOf>["report"]>;
} {
  const replica = replicaOf("a/1", 1);
  return { origins: replica.origins, report: replica.report() };
}
