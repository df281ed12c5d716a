import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Sink } from "../bytes/sink.ts";
import { Malformed, Source } from "../bytes/source.ts";
import { newIncarnation, Origins } from "../clock/origins.ts";
import { Vector } from "../clock/vector.ts";
import * as words from "./words.ts";

const COUNT = 6;

function origin(i: number): { member: string; incarnation: string } {
  return { member: `${"abc"[i % 3]}/1`, incarnation: newIncarnation(i + 1, i) };
}

/** Two sides of a connection that number the same origins differently. */
function sides(): { here: Origins; there: Origins; from: words.Numbering; to: words.Numbering } {
  const [here, there] = [new Origins(), new Origins()];
  for (let i = 0; i < COUNT; i++) here.introduce(origin(i));
  for (let i = COUNT - 1; i > 2; i--) there.introduce(origin(i));
  return { here, there, from: new words.Numbering(here), to: new words.Numbering(there) };
}

const seqs = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2 ** 45 })), {
  maxLength: COUNT,
});

function vectorOf(values: readonly number[]): Vector {
  const vector = new Vector();
  for (const [number, seq] of values.entries()) vector.raise(number, seq);
  return vector;
}

/** By incarnation, as both sides may compare it. */
function named(origins: Origins, vector: Vector): Record<string, number> {
  const found: Record<string, number> = {};
  for (let number = 0; number < origins.count; number++)
    if (vector.get(number) > 0) found[origins.get(number).incarnation] = vector.get(number);
  return found;
}

test("HELLO says who is there and what it has, in numbers of its own", () => {
  fc.assert(
    fc.property(seqs, seqs, (applied, durable) => {
      const { here, there, from, to } = sides();
      const sink = new Sink();
      const said = {
        protocol: words.PROTOCOL,
        cluster: "c",
        member: "a/1",
        region: "a",
        origin: origin(0),
        applied: vectorOf(applied),
        durable: vectorOf(durable),
        wallMs: 1_700_000_000_123,
        features: 5,
      };
      words.writeHello(sink, from, said);
      const source = new Source(sink.copy());
      const heard = words.readHello(source, to);
      assert.ok("member" in heard);
      assert.equal(source.left, 0);
      assert.deepEqual(
        [heard.cluster, heard.member, heard.region, heard.origin, heard.wallMs],
        ["c", "a/1", "a", origin(0), said.wallMs],
      );
      assert.deepEqual(named(there, heard.applied), named(here, said.applied));
      assert.deepEqual(named(there, heard.durable), named(here, said.durable));
    }),
  );
});

test("ACK and PULL introduce an origin once and name it by number from then on", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(seqs, seqs), { minLength: 1, maxLength: 4 }), (vectors) => {
      const { here, there, from, to } = sides();
      const reports = vectors.map(([applied, durable], i) => ({
        member: `${"abc"[i % 3]}/1`,
        version: i * 2 ** 40,
        applied: vectorOf(applied),
        durable: vectorOf(durable),
        met: [i % 3, 2 - (i % 3)],
        promiseMs: 2 ** 47 + i,
        promiseTick: 0xffff,
        life: 3,
        reads: i + 1,
        counts: i % 2 === 0,
        asked: i * 2 ** 41,
        awaited: vectorOf(durable),
        heard: vectors.slice(0, i).map((_, of) => ({ member: `m${of}`, asked: of * 2 ** 42 })),
        settledEpoch: i * 2 ** 33,
      }));
      const said = { wallMs: 2 ** 47, sentMs: 1.25, echoMs: 0.5, heldMs: 3, reports };
      const lengths: number[] = [];
      for (let round = 0; round < 2; round++) {
        const sink = new Sink();
        words.writeAck(sink, from, said);
        lengths.push(sink.length);
        const heard = words.readAck(new Source(sink.copy()), to);
        assert.deepEqual(
          [heard.wallMs, heard.sentMs, heard.echoMs, heard.heldMs],
          [2 ** 47, 1.25, 0.5, 3],
        );
        heard.reports.forEach((report, i) => {
          const { member, version, applied, durable, met, promiseMs, promiseTick } = reports[
            i
          ] as (typeof reports)[0];
          assert.deepEqual(
            [report.member, report.version, report.promiseMs, report.promiseTick],
            [member, version, promiseMs, promiseTick],
          );
          assert.deepEqual(named(there, report.applied), named(here, applied));
          assert.deepEqual(named(there, report.durable), named(here, durable));
          const incarnations = report.met.map((number) => there.get(number).incarnation);
          assert.deepEqual(
            incarnations,
            met.map((number) => here.get(number).incarnation),
          );
          assert.deepEqual(named(there, report.awaited), named(here, durable));
          assert.deepEqual([report.asked, report.heard], [reports[i]?.asked, reports[i]?.heard]);
          assert.equal(report.settledEpoch, reports[i]?.settledEpoch);
          assert.equal(report.counts, reports[i]?.counts);
        });
      }
      assert.ok((lengths[1] as number) < (lengths[0] as number));
      const sink = new Sink();
      words.writePull(sink, from, [{ origin: 4, from: 7, to: 2 ** 40 }]);
      const [pull] = words.readPull(new Source(sink.copy()), to);
      assert.deepEqual(pull, { origin: there.find(origin(4).incarnation), from: 7, to: 2 ** 40 });
    }),
  );
});

test("a HELLO of another protocol is read no further than that", () => {
  const sink = new Sink();
  sink.varint(words.PROTOCOL + 1);
  assert.deepEqual(words.readHello(new Source(sink.copy()), sides().to), {
    protocol: words.PROTOCOL + 1,
  });
});

test("mutated words are malformed or make sense; nothing else can come of them", () => {
  const { from } = sides();
  const applied = vectorOf([5, 0, 7, 2 ** 40]);
  const hello = new Sink();
  words.writeHello(hello, from, {
    protocol: words.PROTOCOL,
    cluster: "c",
    member: "a/1",
    region: "a",
    origin: origin(0),
    applied,
    durable: applied,
    wallMs: 5,
    features: 1,
  });
  const ack = new Sink();
  const report = {
    member: "b/1",
    version: 1,
    applied,
    durable: applied,
    met: [1, 0],
    promiseMs: 5,
    promiseTick: 1,
    life: 1,
    reads: 2,
    counts: true,
    asked: 7,
    awaited: applied,
    heard: [{ member: "c/1", asked: 3 }],
    settledEpoch: 0,
  };
  words.writeAck(ack, new words.Numbering(sides().here), {
    wallMs: 1,
    sentMs: 1,
    echoMs: 1,
    heldMs: 1,
    reports: [report],
  });
  const pull = new Sink();
  words.writePull(pull, new words.Numbering(sides().here), [{ origin: 1, from: 1, to: 9 }]);
  const readers = [words.readHello, words.readAck, words.readPull] as const;
  const change = fc.tuple(fc.nat(), fc.nat(255));
  fc.assert(
    fc.property(
      fc.nat(2),
      fc.array(change, { maxLength: 4 }),
      fc.nat(),
      fc.boolean(),
      (which, changes, cut, isCut) => {
        const bytes = [hello, ack, pull][which]?.copy() as Buffer;
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        const source = new Source(bytes, 0, isCut ? cut % bytes.length : bytes.length);
        try {
          readers[which]?.(source, sides().to);
        } catch (error) {
          if (!(error instanceof Malformed)) throw error;
        }
      },
    ),
    { numRuns: 3_000 },
  );
});
