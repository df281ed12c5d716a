import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Sink } from "../bytes/sink.ts";
import { Malformed, Source } from "../bytes/source.ts";
import { Origins } from "../clock/origins.ts";
import { canonical } from "./canonical.suite.ts";
import { Decoder } from "./decoded.suite.ts";
import { Lineage, readLineage } from "./lineage.ts";
import { RunReader } from "./record.ts";
import { scripts } from "./record-scripts.suite.ts";
import { originOf, Solo } from "./solo.suite.ts";

interface Vector {
  readonly name: string;
  readonly hex: string;
  readonly records: unknown;
}

const file = new URL("../../../testdata/wire/record-runs.json", import.meta.url);
const vectors = JSON.parse(readFileSync(file, "utf8")) as Vector[];

for (const { name, run } of scripts)
  test(`bytes of records are fixed: ${name}`, () => {
    const vector = vectors.find((each) => each.name === name);
    assert.ok(vector !== undefined);
    assert.equal(run().toString("hex"), vector.hex, "written");
    const records = new Decoder().runs(Buffer.from(vector.hex, "hex"));
    const plain = records.map((record) => ({ ...record, deps: Object.fromEntries(record.deps) }));
    const text = JSON.stringify(plain, (_, value: unknown) =>
      value === Infinity ? "never" : value,
    );
    assert.deepEqual(JSON.parse(text), vector.records, "read");
  });

test("every vector has its script", () => {
  assert.deepEqual(
    vectors.map(({ name }) => name),
    scripts.map(({ name }) => name),
  );
});

test("whoever applies the fixed bytes has the state of whoever wrote them, in one batch or one run at a time", () => {
  for (const { hex } of vectors) {
    const bytes = Buffer.from(hex, "hex");
    const [whole, apart] = [new Solo("c/1"), new Solo("d/1")];
    for (const solo of [whole, apart]) solo.at(1_700_000_001_000);
    whole.replica.delivery.receive(1, bytes, 0, bytes.length);
    const runs = new RunReader(apart.replica.origins);
    for (const source = new Source(bytes); runs.next(source);)
      apart.replica.delivery.receive(1, bytes, runs.begin, runs.end);
    assert.equal(canonical(apart.replica.keyspace), canonical(whole.replica.keyspace));
    assert.equal(whole.replica.delivery.waitingCount, 0);
  }
});

test("a relay's bytes are the origin's bytes", () => {
  for (const { hex } of vectors) {
    const relay = new Solo("c/1");
    relay.at(1_700_000_001_000);
    const bytes = Buffer.from(hex, "hex");
    relay.replica.delivery.receive(1, bytes, 0, bytes.length);
    relay.flush();
    const again = new Decoder().runs((relay.blocks[0] as Buffer).subarray(1));
    const first = new Decoder().runs(bytes);
    assert.deepEqual(again, first);
  }
});

test("a run whose header lies is malformed", () => {
  const run = (first: number, count: number, records: Buffer): Buffer => {
    const sink = new Sink();
    sink.latin1(originOf("a/1", 1).incarnation);
    sink.text("a/1");
    sink.varint(first);
    sink.varint(count);
    sink.bytes(records, 0, records.length);
    return sink.copy();
  };
  const reader = new RunReader(new Origins());
  for (const bytes of [
    run(0, 1, Buffer.alloc(4)),
    run(1, 0, Buffer.alloc(4)),
    run(1, 5, Buffer.alloc(4)),
    run(1, 1, Buffer.alloc(4)).subarray(0, -1),
  ])
    assert.throws(() => reader.next(new Source(bytes)), Malformed);
});

test("a lineage travels whole, into other numbers", () => {
  const [here, there] = [new Origins(), new Origins()];
  there.introduce(originOf("z/1", 9));
  const lineage = new Lineage(here.introduce(originOf("a/1", 1)));
  lineage.introduce(lineage.number);
  lineage.introduce(here.introduce(originOf("b/1", 2)));
  lineage.deps.raise(0, 2 ** 40);
  lineage.deps.raise(1, 7);
  [lineage.ms, lineage.tick] = [1_700_000_000_000, 0xffff];
  const sink = new Sink();
  lineage.write(sink, here);
  const read = readLineage(new Source(sink.copy()), there);
  assert.deepEqual(
    [read.number, read.numbers, read.ms, read.tick],
    [1, [1, 2], lineage.ms, 0xffff],
  );
  assert.deepEqual([read.deps.get(1), read.deps.get(2)], [2 ** 40, 7]);
  assert.deepEqual([read.reference(1), read.reference(2), read.reference(0)], [0, 1, -1]);
});
