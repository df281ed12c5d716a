/** Each check is shown what it is for: a judge that accepts a planted violation proves nothing by its silence. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Sink } from "../../src/core/bytes/sink.ts";
import { writeOrigin } from "../../src/core/clock/origins.ts";
import { BoundedView } from "../../src/core/commands/bounded-view.ts";
import { Place } from "../../src/core/keyspace/place.ts";
import { Entry } from "../../src/core/keyspace/table.ts";
import { LIST } from "../../src/core/crdt/key.ts";
import type { Replica } from "../../src/core/replica/replica.ts";
import { Args } from "../../src/core/wire/args.ts";
import { FRAME } from "../../src/core/wire/frame.ts";
import { Simulation } from "../simulation.ts";
import { type Plan, planOf } from "../swarm.ts";
import type { End } from "../world/network.ts";
import type { Machine } from "../world/machine.ts";
import { Fences } from "./fences.ts";
import { type CommittedRecord, type Fx, type HistoryOrigin, OP } from "./history.ts";
import { Owned } from "./owned.ts";
import { finalChecks, quietChecks, repairedChecks } from "./final.ts";
import { linked } from "./verified.ts";

const quiet: Plan = {
  ...planOf(1, 6_000),
  regions: 3,
  shape: "mesh",
  durability: "local",
  clients: 6,
  meanMs: 50,
  depth: 1,
  wander: 0,
  kinds: { total: 1, keep: 1, sadd: 1, srem: 1, set: 1, pair: 1, hset: 1, del: 1, incr: 1 },
  keys: 2,
  elements: 3,
  padding: 0,
  delayMs: 10,
  jitterMs: 0,
  rate: 0,
  syncUs: 500,
  checkpointBytes: 1 << 30,
  minRetainMs: 3_600_000,
  faults: [],
};

/** Runs a quiet cluster, plants something after three seconds, and returns which check spoke. */
async function planted(plant: (s: Simulation) => void, plan = quiet): Promise<string | undefined> {
  const simulation = new Simulation(plan);
  simulation.timeline.after(3_000_300, "planted", null, () => plant(simulation));
  return (await simulation.run()).failure?.check;
}

/** The machine that the first client talks to. */
function first(simulation: Simulation): Machine {
  return simulation.actors[0]?.connected?.machine ?? (simulation.machines[0] as Machine);
}

/** One that nobody may talk to. */
function other(simulation: Simulation): Machine {
  return simulation.machines.findLast((machine) => machine !== first(simulation)) as Machine;
}

function nodeOf(machine: Machine): NonNullable<Machine["node"]> {
  assert.ok(machine.node !== null);
  return machine.node;
}

/** Removes a key from a node's tables behind its back. */
function forgetOne(machine: Machine, prefix: string): void {
  const { keyspace } = nodeOf(machine).replica;
  const entry = new Entry();
  const names: { db: number; name: Buffer }[] = [];
  keyspace.walk(0, 1e9, (table, at) => {
    table.load(at, entry);
    const name = Buffer.from(entry.bytes.subarray(entry.nameStart, entry.nameEnd));
    if (name.latin1Slice().startsWith(prefix)) names.push({ db: entry.db, name });
  });
  const found = names.toSorted((a, b) => Buffer.compare(a.name, b.name))[0];
  assert.ok(found !== undefined, `there is a key that begins with ${prefix}`);
  const place = new Place();
  keyspace.locate(place, found.db, found.name, 0, found.name.length);
  place.table.removeAt(place.at);
}

/** A record as the block of a log. */
function blockOf(simulation: Simulation, record: CommittedRecord): Buffer {
  const { incarnation, member } = simulation.judge.history.origins[record.origin] as HistoryOrigin;
  const sink = new Sink(256);
  sink.u8(0);
  writeOrigin(sink, { incarnation, member });
  sink.varint(record.seq);
  sink.varint(1);
  sink.bytes(record.bytes, 0, record.bytes.length);
  return sink.copy();
}

test("a cluster to which nothing is done is in order", async () => {
  assert.equal(await planted(() => {}), undefined);
});

test("I-1: a disk that loses what it had made durable is noticed", async () => {
  const check = await planted((s) => {
    const machine = first(s);
    const before = machine.disk.copy(machine.disk.number);
    s.timeline.after(1_000_000, "planted", null, () => {
      machine.kill();
      machine.disk = before;
      machine.start();
    });
  });
  assert.equal(check, "I-1");
});

test("I-1: an answer before its record is durable is noticed", async () => {
  const check = await planted((s) => {
    const { replica } = nodeOf(first(s));
    Object.defineProperty(replica, "durableSeq", { get: () => Infinity });
  });
  assert.equal(check, "I-1");
});

test("I-1: a batch before its records are durable is noticed", async () => {
  const check = await planted((s) => {
    const { replica } = nodeOf(first(s));
    Object.defineProperty(replica, "shipTo", { get: () => replica.index.end });
    first(s).diskModel.syncUs = 200_000;
  });
  assert.equal(check, "I-1");
});

test("I-2: a record that its origin never made is noticed", async () => {
  const check = await planted((s) => {
    const sink = new Sink(64);
    sink.u8(0);
    writeOrigin(sink, { member: "eu-west/1", incarnation: "8 bytes!" });
    for (const number of [1, 1, 1]) sink.varint(number);
    sink.varint(0);
    s.judge.appended(other(s), sink.view(), 1e9);
  });
  assert.equal(check, "I-2");
});

test("I-3: a replica that differs from its equals is noticed", async () => {
  const simulation = new Simulation(quiet);
  assert.equal((await simulation.run()).failure, null);
  forgetOne(first(simulation), "keep");
  simulation.judge.check();
  assert.equal(simulation.judge.failures[0]?.check, "I-3");
});

test("I-4: a replica that hears nothing any more is noticed", async () => {
  const check = await planted((s) => {
    nodeOf(first(s)).replica.exchange.receive = () => {};
  });
  assert.equal(check, "I-4");
});

test("I-5: replicas that agree upon something else than their records say are noticed", async () => {
  const simulation = new Simulation(quiet);
  assert.equal((await simulation.run()).failure, null);
  for (const machine of simulation.machines) forgetOne(machine, "keep");
  simulation.judge.check();
  assert.equal(simulation.judge.failures[0]?.check, "I-5");
});

for (const [check, prefix] of [
  ["I-6", "total"],
  ["I-10", "keep"],
  ["I-17", "tx:b"],
] as const)
  test(`${check}: ${prefix} lost everywhere is noticed by who reads it`, async () => {
    const simulation = new Simulation(quiet);
    assert.equal((await simulation.run()).failure, null);
    for (const machine of simulation.machines) forgetOne(machine, prefix);
    await finalChecks(simulation);
    assert.equal(simulation.judge.failures[0]?.check, check);
  });

test("I-6: a record applied twice is noticed", async () => {
  const check = await planted((s) => {
    const record = s.judge.view(first(s)).origin?.records.at(0);
    assert.ok(record !== undefined);
    s.judge.appended(other(s), blockOf(s, record), 1e9);
  });
  assert.equal(check, "I-6");
});

test("I-7: an effect before its cause is noticed", async () => {
  const check = await planted((s) => {
    const { history } = s.judge;
    const view = s.judge.view(other(s));
    // To the judge, one machine has suddenly heard of nobody else.
    const record = history
      .inOrder()
      .findLast(({ origin, deps }) => deps.some((seq, of) => seq > 0 && of !== origin));
    assert.ok(record !== undefined);
    view.applied = [];
    view.applied[record.origin] = record.seq - 1;
    s.judge.appended(other(s), blockOf(s, record), 1e9);
  });
  assert.equal(check, "I-7");
});

test("I-8: a client that does not see what it has seen is noticed", async () => {
  const plan = { ...quiet, kinds: { total: 1, count: 1 }, keys: 1 };
  const check = await planted((s) => {
    forgetOne(first(s), "total");
  }, plan);
  assert.equal(check, "I-8");
});

test("I-8: a client that goes on elsewhere before its session is there is noticed", async () => {
  const plan = {
    ...quiet,
    kinds: { total: 1, count: 1, set: 1, get: 1, token: 2 },
    wander: 0.2,
    delayMs: 500,
  };
  const check = await planted((s) => {
    for (const machine of s.machines) nodeOf(machine).replica.waits.begin = () => null;
  }, plan);
  assert.equal(check, "I-8");
});

test("I-33: a read at a level that misses what was acknowledged at one is noticed", async () => {
  const plan = { ...quiet, kinds: { wlevel: 1, rlevel: 1 }, keys: 1 };
  const check = await planted((s) => forgetOne(first(s), "total"), plan);
  assert.equal(check, "I-33");
});

test("I-33: a write that is acknowledged at a level before it is stored there is noticed", async () => {
  const check = await planted(
    (s) => {
      for (const machine of s.machines) machine.diskModel.syncUs = 80_000;
      const { members } = nodeOf(first(s)).replica;
      const latest = members.latest.bind(members);
      members.latest = (name) => {
        const report = latest(name);
        return report && { ...report, durable: report.applied };
      };
    },
    { ...quiet, kinds: { wlevel: 1 } },
  );
  assert.equal(check, "I-33");
});

test("I-13: a node that goes on with another member's directory is noticed", async () => {
  const check = await planted((s) => {
    const machine = first(s);
    machine.disk.isForeign = true;
    machine.kill();
    machine.start();
  });
  assert.equal(check, "I-13");
});

test("I-14: a clock that was carried away is noticed", async () => {
  const check = await planted((s) => {
    nodeOf(first(s)).replica.clock.ms += 3_600_000;
  });
  assert.equal(check, "I-14");
});

test("I-14: a node whose clock goes on being ahead of the others' once everything is right is noticed", async () => {
  const simulation = new Simulation(quiet);
  assert.equal((await simulation.run()).failure, null);
  nodeOf(simulation.machines[0] as Machine).replica.clock.ms += 4_900;
  await repairedChecks(simulation);
  assert.equal(simulation.judge.failures[0]?.check, "I-14");
});

test("I-14: a node that was killed at the very end begins ahead of the time, which is not held against it", async () => {
  const simulation = new Simulation(quiet);
  assert.equal((await simulation.run()).failure, null);
  const { timeline, judge } = simulation;
  const machine = first(simulation);
  while (nodeOf(machine).replica.ceilingMs - machine.trueMs < 900)
    await timeline.run(timeline.now + 20_000);
  machine.kill();
  machine.start();
  do await timeline.run(timeline.now + 20_000);
  while (!linked(simulation));
  assert.ok(nodeOf(machine).replica.clock.ms - machine.trueMs > 500);
  await repairedChecks(simulation);
  assert.deepEqual(judge.failures, []);
});

test("I-16: a log that is cut before everyone has what lay there is noticed", async () => {
  const check = await planted(
    (s) => {
      const machine = first(s);
      for (const wire of s.network.wires) for (const way of wire.ways) way.cut = true;
      s.timeline.after(2_000_000, "planted", null, () => {
        const { index, applied } = nodeOf(machine).replica;
        index.begin(index.end, applied);
      });
    },
    { ...quiet, healMs: 9_000 },
  );
  assert.equal(check, "I-16");
});

test("I-32: an element that is given away and kept is noticed", async () => {
  const check = await planted(
    (s) => {
      for (const machine of s.machines) nodeOf(machine).replica.writer.removeCell = () => {};
    },
    { ...quiet, kinds: { qpush: 1, qwait: 1 } },
  );
  assert.equal(check, "I-32");
});

test("I-40: what two owners count and give away is noticed", async () => {
  const check = await planted(
    (s) => {
      for (const machine of s.machines)
        nodeOf(machine).replica.run.keyspace.policies.haveOwners = false;
    },
    { ...quiet, kinds: { opush: 1, opop: 1, ocount: 1 } },
  );
  assert.equal(check, "I-40");
});

test("I-41: what is done once more by whoever knows that it was done is noticed", async () => {
  const check = await planted(
    (s) => {
      for (const machine of s.machines) nodeOf(machine).replica.run.once.repeats = () => false;
    },
    { ...quiet, kinds: { once: 1 } },
  );
  assert.equal(check, "I-41");
});

test("I-43: a bounded counter that is sold from wherever somebody asks is noticed", async (t) => {
  const check = await planted(() => t.mock.method(BoundedView.prototype, "rightsOf", () => 1_000), {
    ...quiet,
    kinds: { bound: 1 },
  });
  assert.equal(check, "I-43");
});

test("I-44: an owner that hears nothing of what was decided about its keys is noticed", async () => {
  const check = await planted(
    (s) => {
      const [owner] = s.machines as [Machine];
      nodeOf(owner).replica.keyspace.policies.become = () => {};
    },
    { ...quiet, kinds: { xpush: 3, xset: 0.1 }, healMs: 12_000 },
  );
  assert.equal(check, "I-44");
});

test("I-42: an id that is given twice is noticed", async () => {
  const check = await planted(
    (s) => {
      for (const machine of s.machines)
        nodeOf(machine).replica.run.ids.draw = () => ({ ms: 1_790_000_000_000, tick: 0 });
    },
    { ...quiet, kinds: { id: 1, total: 1 } },
  );
  assert.equal(check, "I-42");
});

test("I-36: an entry that appears behind one that was shown is noticed", async () => {
  const check = await planted(
    (s) => {
      for (const machine of s.machines) nodeOf(machine).replica.run.watermarkMs = () => 2 ** 47;
    },
    { ...quiet, delayMs: 100, kinds: { tadd: 1, tail: 1 } },
  );
  assert.equal(check, "I-36");
});

test("I-46: a reader of the change feed who is told a position behind what he was told is noticed", async () => {
  const check = await planted(
    (s) => {
      for (const machine of s.machines) {
        const { replica } = nodeOf(machine);
        const { conflicts } = replica.run;
        const text = conflicts.cursorText.bind(conflicts);
        conflicts.cursorText = () => text(replica.durable);
      }
    },
    { ...quiet, kinds: { feed: 1, sadd: 1, total: 1 } },
  );
  assert.equal(check, "I-46");
});

test("I-11: a clock that goes back is noticed", async () => {
  const simulation = new Simulation(quiet);
  assert.equal((await simulation.run()).failure, null);
  nodeOf(first(simulation)).replica.clock.ms -= 5_000;
  simulation.judge.check();
  assert.equal(simulation.judge.failures[0]?.check, "I-11");
});

test("I-12: two records under one dot are noticed", async () => {
  const check = await planted((s) => {
    const record = s.judge.view(first(s)).origin?.records.at(-1);
    assert.ok(record !== undefined);
    const block = blockOf(s, record);
    (block[block.length - 1] as number) ^= 1;
    s.judge.appended(other(s), block, 1e9);
  });
  assert.equal(check, "I-12");
});

test("I-15: garbage that is never collected is noticed", async () => {
  const check = await planted((s) => {
    nodeOf(first(s)).replica.garbage.collect = () => 0;
  });
  assert.equal(check, "I-15");
});

test("I-19: a healthy node that does not answer is noticed", async () => {
  const plan = { ...quiet, healMs: 15_000 };
  const check = await planted((s) => {
    for (const machine of s.machines) machine.diskModel.syncUs = 1e9;
  }, plan);
  assert.equal(check, "I-19");
});

test("I-20: a link that is not quiet when there is nothing to say is noticed", async () => {
  const simulation = new Simulation(quiet);
  assert.equal((await simulation.run()).failure, null);
  const again = (): void =>
    simulation.timeline.after(100_000, "chatter", null, () => {
      for (const link of simulation.network.connections)
        (link.ends[0] as End).send(FRAME.BATCH, Buffer.alloc(0));
      again();
    });
  again();
  await quietChecks(simulation);
  assert.equal(simulation.judge.failures[0]?.check, "I-20");
});

test("I-20: replicas that are called different are noticed while clients write", async () => {
  const plan = { ...quiet, healMs: 8_000, verifyMs: 300, meanMs: 300 };
  const check = await planted((s) => {
    forgetOne(other(s), "s:");
    s.isDamaged = true;
  }, plan);
  assert.equal(check, "I-20");
});

test("I-22: a node that goes on after its disk failed to sync is noticed", async () => {
  const fault = { kind: "sync-error", atMs: 3_000, forMs: 500, which: 0, amount: 0 } as const;
  const simulation = new Simulation({ ...quiet, faults: [fault] });
  const machine = first(simulation);
  const { end } = machine;
  machine.end = (why, error) =>
    why === "failed" ? { sectors: 0, names: 0 } : end.call(machine, why, error);
  assert.equal((await simulation.run()).failure?.check, "I-22");
});

/** Writes of different regions meet often. */
const slow: Plan = { ...quiet, delayMs: 100 };

test("I-31: a write that loses against a concurrent one and is recorded by nobody is noticed", async () => {
  const check = await planted((s) => {
    for (const machine of s.machines)
      nodeOf(machine).replica.writer.conflicts.answersFor = () => false;
  }, slow);
  assert.equal(check, "I-31");
});

test("I-31: two types at once lose nothing unseen either", async () => {
  const plan = { ...quiet, kinds: { clash: 1 } };
  assert.equal((await new Simulation(plan).run()).failure, null);
  const check = await planted((s) => {
    for (const machine of s.machines) nodeOf(machine).replica.writer.conflicts.mixed = () => {};
  }, plan);
  assert.equal(check, "I-31");
});

test("an assertion in the product is noticed", async () => {
  const check = await planted((s) => {
    nodeOf(first(s)).replica.tick = () => assert.fail("bug: planted");
  });
  assert.equal(check, "bug");
});

test("I-15: what a removal leaves is noticed to go before all have the removal", async () => {
  const check = await planted((s) => {
    nodeOf(first(s)).replica.members.isStable = () => true;
  });
  assert.equal(check, "I-15");
});

test("I-1: a report that says to be durable what is not is noticed", async () => {
  const check = await planted((s) => {
    for (const machine of s.machines) {
      const { replica } = nodeOf(machine);
      const report = replica.report.bind(replica);
      replica.report = () => ({ ...report(), durable: replica.applied });
      machine.diskModel.syncUs = 400_000;
    }
  });
  assert.equal(check, "I-1");
});

test("I-40: an element that was pushed more often than anybody asked for it is noticed", () => {
  const owned = new Owned();
  const push = { op: OP.PUT_CELL, tag: LIST, key: "ho:n:0", value: "1.7" } as Fx;
  const record = { effects: [push] } as unknown as CommittedRecord;
  const commands = [["RPUSH", "ho:n:0", "1.7"]];
  const operation = { client: 1, index: 7, kind: "ocount", commands, intents: [] };
  owned.asked({ ...operation, expected: undefined });
  assert.equal(owned.made(record), null);
  assert.match(owned.made(record) ?? "", /once more than the 1 times/);
});

test("I-44: who writes keys without what was written before it was decided is noticed", () => {
  const fences = new Fences();
  const words = new Args();
  words.begin(Buffer.from("RPUSHhf:0x"));
  for (const [start, end] of [
    [0, 5],
    [5, 9],
    [9, 10],
  ] as const)
    words.push(start, end);
  const member = (me: number, fence: number, seen: number): Replica => {
    const policies = { find: () => ({ fence, forced: false }) };
    const origins = { get: () => ({ incarnation: `i${me}` }), find: () => 0 };
    const applied = { get: () => 1, covers: (_: number, seq: number) => seq <= seen };
    return { keyspace: { policies }, member: `m${me}`, origins, applied, me } as unknown as Replica;
  };
  assert.equal(
    fences.wrote(member(1, 1, 1), words, () => true),
    null,
  );
  assert.match(fences.wrote(member(2, 2, 0), words, () => true) ?? "", /without what was written/);
});
