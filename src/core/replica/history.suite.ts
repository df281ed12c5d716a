/**
 * History: several replicas in one process, written to at once, whose records travel late, twice, in any order and through others;
 * replicas crash, restart from checkpoints and go on as new incarnations; garbage is collected whenever it may be.
 *
 *   seed ─► steps ─► after each: equal vectors, equal state ─ what a reader sees is what the oracle says
 *              └─► settle: everything delivered and reported ─► all equal, nothing left behind
 *
 * Invariant: a seed decides everything, so what a seed found it finds again.
 */
import assert from "node:assert/strict";
import { type Origin, originName } from "../clock/origins.ts";
import { Vector } from "../clock/vector.ts";
import type { GenerationKind } from "../crdt/generation.ts";
import { kindsWith } from "../crdt/generation-kinds.ts";
import { NONE } from "../crdt/key.ts";
import { canonical, checkCounts, locate, names, view } from "./canonical.suite.ts";
import { Chance } from "./chance.suite.ts";
import { CheckpointWriter } from "./checkpoint.ts";
import { CheckpointLoader } from "./checkpoint-loader.ts";
import { Decoder } from "./decoded.suite.ts";
import { checkNoLeftovers } from "./leftovers.suite.ts";
import { everything, Operations, type Weights } from "./operations.suite.ts";
import { Oracle } from "./oracle.suite.ts";
import type { Replica } from "./replica.ts";
import { type Report, Site } from "./site.suite.ts";
import { replicaWith } from "./solo.suite.ts";

interface State {
  readonly text: string;
  /** Who was there first. */
  readonly member: string;
  readonly vector: ReadonlyMap<string, number>;
}

const START_MS = 1_700_000_000_000;

export class History {
  readonly seed: number;
  readonly chance: Chance;
  readonly sites: Site[] = [];
  readonly oracle: Oracle;
  readonly #engines: readonly GenerationKind[];
  nowMs = START_MS;
  /** Applied vector → the state every replica must have there. */
  readonly #states = new Map<string, State>();
  #incarnations = 0;
  /** How closely replicas follow each other, and how promptly their disks do. */
  readonly #pace: number;
  readonly #promptness: number;
  readonly #operations: Operations;
  /** What is tried and taken back; by a chance of its own, so that the others stay what they are. */
  readonly #attempts: Operations;
  readonly #reports: { to: Site; report: Report }[] = [];
  /** What happened, for whoever looks into a failure. */
  readonly trace: string[];
  collected = 0;
  /** What was collected while records were still on their way. */
  collectedEarly = 0;
  expired = 0;
  /** Losses against concurrent writes that were recorded. */
  lost = 0;

  constructor(
    seed: number,
    weights: Weights = everything,
    engines: readonly GenerationKind[] = [],
  ) {
    this.seed = seed;
    this.#engines = engines;
    this.oracle = new Oracle(kindsWith(engines));
    this.chance = new Chance(seed);
    this.#operations = new Operations(this.chance, weights);
    this.#attempts = new Operations(new Chance(~seed), weights);
    this.trace = this.#operations.trace;
    const count = 2 + Math.floor(this.chance.next() ** 2 * 4);
    this.#pace = 1 + this.chance.below(6);
    this.#promptness = this.chance.next();
    const members = Array.from({ length: count }, (_, i) => `${"abcde"[i]}/1`);
    for (const member of members) {
      const origin = this.#newOrigin(member);
      this.sites.push(new Site(member, origin, this.#newReplica(origin, members)));
    }
    for (const site of this.sites) site.skewMs = this.chance.below(3) * 40;
  }

  #newOrigin(member: string): Origin {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt32BE(++this.#incarnations, 4);
    bytes[0] = this.chance.below(256);
    return { member, incarnation: bytes.latin1Slice() };
  }

  #newReplica(origin: Origin, members: readonly string[]): Replica {
    const chance = [this.chance.below(2 ** 32), this.chance.below(2 ** 32), 1] as const;
    const replica = replicaWith(origin, { members, chance, engines: this.#engines });
    // In every other history two members already make a large set.
    if (this.seed % 2 === 1) replica.keyspace.large = 1;
    if (this.seed % 4 < 2) replica.garbage.thinnedFrom = 1;
    // In every third one nothing small stays awake.
    if (this.seed % 3 === 0) replica.keyspace.awake = 0;
    return replica;
  }

  /** Runs `steps` steps, settles, and checks everything there is to check. */
  run(steps: number): void {
    for (let i = 0; i < steps; i++) this.step();
    this.settle();
  }

  step(): void {
    const site = this.chance.pick(this.sites);
    this.#passTime(site);
    this.#begin(site);
    const x = this.chance.next();
    if (x < 0.28) this.#write(site);
    else if (x < 0.68)
      for (let left = this.chance.below(this.#pace); left >= 0; left--)
        this.#deliver(this.chance.pick(this.sites));
    else if (x < 0.8) this.#say(site);
    else if (x < 0.92)
      for (let left = this.chance.below(4 * this.#pace); left >= 0; left--) this.#hear();
    else if (x < 0.95) this.#sweep(site);
    else if (x < 0.98) this.#checkpoint(site);
    else this.#crash(site);
    for (const other of this.sites) {
      this.#collect(other);
      this.check(other);
    }
  }

  #passTime(site: Site): void {
    if (this.chance.next() < 0.2) this.nowMs += this.chance.below(30);
    if (this.chance.next() < 0.004) this.nowMs += 11 * 60 * 1000;
    if (this.chance.next() > 0.05) return;
    // The very millisecond of a deadline.
    this.#operations.deadlines = this.#operations.deadlines.filter(
      (deadline) => deadline > this.nowMs + site.skewMs,
    );
    if (this.#operations.deadlines.length > 0)
      this.nowMs = Math.min(...this.#operations.deadlines) - site.skewMs;
  }

  #begin(site: Site): void {
    const nowMs = this.nowMs + site.skewMs;
    site.replica.begin(nowMs, nowMs, nowMs);
    site.changed = true;
  }

  // ── writing ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #write(site: Site): void {
    const { replica } = site;
    const deltas: number[] = [];
    const operations = this.chance.next() < 0.7 ? 1 : 2 + this.chance.below(3);
    const at = this.trace.length;
    const { chance } = this.#attempts;
    for (let i = 0; i < operations; i++) {
      const guarded = chance.next() < 0.2;
      if (guarded) replica.writer.protect();
      this.#operations.operate(replica, deltas);
      if (guarded) replica.writer.keep();
      if (chance.next() < 0.05) this.#attempt(replica);
    }
    const seq = replica.writer.commit();
    if (seq > 0) this.trace.splice(at, 0, `${site.member} makes ${seq}:`);
    this.#append(site, deltas);
  }

  /** Writes and takes it all back, as a script does that runs out of its time. */
  #attempt(replica: Replica): void {
    const { writer, keyspace, garbage, applied, me } = replica;
    const { heap } = keyspace;
    const look = (): unknown[] => [
      canonical(keyspace),
      [...keyspace.flushes],
      garbage.items(),
      [...writer.conflicts.pending.keys()],
      keyspace.expirable,
      heap.usedBytes,
      applied.get(me),
      writer.writing,
    ];
    const before = look();
    const at = this.#attempts.trace.length;
    writer.protect();
    for (let left = 1 + this.#attempts.chance.below(5); left > 0; left--)
      this.#attempts.operate(replica, []);
    const tried = this.#attempts.trace.splice(at);
    writer.takeBack();
    assert.deepEqual(look(), before, `nothing is left of what was tried:\n${tried.join("\n")}`);
    checkCounts(keyspace);
  }

  /** Appends what a site has made or applied to its log, and tells the oracle what is new to the world. */
  #append(site: Site, deltas: readonly number[]): void {
    const { replica } = site;
    const block = replica.takeBlock();
    if (block === null) return;
    const copy = Buffer.from(block);
    site.log.push(copy);
    replica.appended(site.log.length);
    const me = originName(site.origin);
    for (const record of site.decoder.runs(copy.subarray(1)))
      if (record.origin === me) {
        assert.equal(
          keyOf(record.deps),
          this.#key(site),
          "a record depends on exactly what its replica had applied",
        );
        this.oracle.add(record, deltas);
      }
    if (this.chance.next() < this.#promptness) this.#sync(site);
    const { conflicts } = replica.run;
    const before = conflicts.recorded;
    replica.settleConflicts();
    this.lost += conflicts.recorded - before;
    this.#append(site, []);
  }

  #sync(site: Site): void {
    site.durable = site.log.length;
    site.replica.stored(site.durable);
    site.replica.effects.length = 0;
  }

  // ── the network ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Some blocks of another's log arrive, whoever made their records: late, twice, in any order. */
  #deliver(site: Site): void {
    this.#begin(site);
    const from = this.chance.pick(this.sites);
    if (from === site || from.durable === 0) return;
    const parts: Buffer[] = [];
    if (this.chance.next() < 0.6) {
      // What comes next on the link.
      const cursor = Math.min(site.cursors.get(from.member) ?? 0, from.durable);
      const to = Math.min(from.durable, cursor + 1 + this.chance.below(8));
      site.cursors.set(from.member, to);
      return this.#receive(site, runsOf(from.log.slice(cursor, to)));
    }
    const recent = this.chance.next() < 0.7 ? Math.max(0, from.durable - 12) : 0;
    let at = recent + this.chance.below(from.durable - recent);
    for (let left = 1 + this.chance.below(6); left > 0 && at < from.durable; left--) {
      parts.push((from.log[at] as Buffer).subarray(1));
      at = this.chance.next() < 0.8 ? at + 1 : this.chance.below(from.durable);
    }
    this.#receive(site, Buffer.concat(parts));
  }

  #receive(site: Site, bytes: Buffer): void {
    const { delivery } = site.replica;
    const before = delivery.appliedCount;
    delivery.receive(1, bytes, 0, bytes.length);
    if (delivery.appliedCount > before)
      this.trace.push(`${site.member} applies ${this.#key(site)}`);
    this.#append(site, []);
  }

  #vector(site: Site, vector: Vector): Map<string, number> {
    const { origins } = site.replica;
    const named = new Map<string, number>();
    for (let number = 0; number < origins.count; number++)
      if (vector.get(number) > 0) named.set(originName(origins.get(number)), vector.get(number));
    return named;
  }

  #key(site: Site): string {
    return keyOf(this.#vector(site, site.replica.applied));
  }

  /** A site reports to another; the report takes its time. */
  #say(site: Site, only?: Site): void {
    const { replica } = site;
    const promiseMs = Math.max(replica.clock.ms, replica.nowMs) - 1;
    replica.clock.observe(promiseMs, 0xffff);
    site.promisedMs = Math.max(site.promisedMs, promiseMs);
    const report: Report = {
      member: site.member,
      version: ++site.version,
      applied: this.#vector(site, replica.applied),
      durable: this.#vector(site, replica.durable),
      met: replica.members.met().map((number) => replica.origins.get(number)),
      promiseMs,
    };
    for (const to of only === undefined ? this.sites : [only])
      if (to !== site) this.#reports.push({ to, report });
  }

  #hear(): void {
    if (this.#reports.length === 0) return;
    const at = this.chance.next() < 0.5 ? 0 : this.chance.below(this.#reports.length);
    const [{ to, report }] = this.#reports.splice(at, 1) as [{ to: Site; report: Report }];
    const { members } = to.replica;
    const numbered = {
      ...report,
      applied: this.#numbered(to, report.applied),
      durable: this.#numbered(to, report.durable),
      met: report.met.map((origin) => to.replica.origins.introduce(origin)),
      promiseTick: 0xffff,
      life: 1,
      reads: 1,
      counts: true,
    };
    members.report(
      { ...numbered, asked: 0, awaited: new Vector(0), heard: [], settledEpoch: 0 },
      0,
    );
    members.promote();
  }

  #numbered(site: Site, named: ReadonlyMap<string, number>): Vector {
    const vector = new Vector();
    for (const [name, seq] of named) {
      const [member, hex] = name.split("@") as [string, string];
      const incarnation = Buffer.from(hex, "hex").latin1Slice();
      vector.raise(site.replica.origins.introduce({ member, incarnation }), seq);
    }
    return vector;
  }

  // ── time ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #sweep(site: Site): void {
    const { replica } = site;
    const { nowMs } = replica.run;
    const removed = replica.expiry.sweep(
      nowMs,
      replica.members.watermarkMs(nowMs),
      (member) => member === site.member,
    );
    if (removed > 0)
      this.trace.push(`${site.member} removes ${removed} expired: ${this.#key(site)}`);
    this.expired += removed;
    this.#append(site, []);
  }

  #collect(site: Site): void {
    const { replica } = site;
    replica.members.promote();
    const { garbage, members } = replica;
    const count = garbage.collect((origin, seq) => members.isStable(origin, seq), 1000);
    garbage.thin(1000);
    if (count > 0) this.trace.push(`${site.member} collects ${count}`);
    this.collected += count;
    if (count > 0) site.changed = true;
  }

  // ── crashes and checkpoints ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Begins a checkpoint, takes its next part, or installs it: other steps lie between. */
  #checkpoint(site: Site): void {
    if (site.writer === null) {
      site.writer = new CheckpointWriter(site.replica, 1);
      site.sections.length = 0;
      return;
    }
    for (let left = 1 + this.chance.below(300); left > 0; left--) {
      const section = site.writer.next();
      if (section !== null) {
        site.sections.push(Buffer.from(section));
        continue;
      }
      this.#sync(site);
      site.checkpoint = { sections: [...site.sections], position: site.writer.position };
      site.writer = null;
      this.trace.push(`${site.member} has a checkpoint at ${site.checkpoint.position}`);
      const before = canonical(site.replica.keyspace);
      this.#restart(site, site.origin);
      assert.equal(
        canonical(site.replica.keyspace),
        before,
        "a checkpoint and the log are the state",
      );
      return;
    }
  }

  #crash(site: Site): void {
    site.log.length = site.durable;
    const lost = originName(site.origin);
    const kept = this.#vector(site, site.replica.durable).get(lost) ?? 0;
    this.oracle.forget(lost, kept);
    for (const [key, { vector }] of this.#states)
      if ((vector.get(lost) ?? 0) > kept) this.#states.delete(key);
    site.decoder = new Decoder();
    for (const block of site.log) site.decoder.runs(block.subarray(1));
    site.writer = null;
    const isNew = this.chance.next() < 0.3;
    if (isNew) site.origin = this.#newOrigin(site.member);
    this.trace.push(`${site.member} restarts${isNew ? " as a new incarnation" : ""}`);
    this.#restart(site, site.origin);
  }

  #restart(site: Site, origin: Origin): void {
    const members = this.sites.map(({ member }) => member);
    const replica = this.#newReplica(origin, members);
    // A replica that starts numbers origins as it meets them.
    const known = site.replica.origins;
    const order = this.chance.shuffle(Array.from({ length: known.count }, (_, n) => n));
    for (const number of order) replica.origins.introduce(known.get(number));
    const { checkpoint } = site;
    if (checkpoint !== null) {
      const loader = new CheckpointLoader(replica);
      checkpoint.sections.forEach((section, i) => loader.section(section, i));
    }
    site.replica = replica;
    site.cursors.clear();
    this.#begin(site);
    for (let at = checkpoint?.position ?? 0; at < site.log.length; at++)
      replica.replay(site.log[at] as Buffer, at + 1);
    replica.replayed();
    replica.clock.observe(site.promisedMs, 0xffff);
    replica.effects.length = 0;
    site.durable = site.log.length;
  }

  // ── checks ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  check(site: Site, everyKey = false): void {
    if (!site.changed && !everyKey) return;
    site.changed = false;
    const { keyspace } = site.replica;
    const text = canonical(keyspace);
    const key = this.#key(site);
    const known = this.#states.get(key);
    const { member } = site;
    if (known === undefined)
      this.#states.set(key, { text, member, vector: this.#vector(site, site.replica.applied) });
    else
      assert.equal(text, known.text, `${site.member} equals ${known.member}: both applied ${key}`);
    if (!everyKey && this.chance.next() > 0.3) return;
    checkCounts(keyspace);
    const applied = this.#vector(site, site.replica.applied);
    const covers = (origin: string, seq: number): boolean => (applied.get(origin) ?? 0) >= seq;
    for (const db of [0, 1])
      for (const name of ["a", "b", "c"])
        for (const nowMs of [site.replica.run.nowMs, this.nowMs + 60]) {
          const seen = view(keyspace, db, Buffer.from(name), nowMs);
          const wanted = this.oracle.view(`${db}:${name}`, covers, nowMs);
          assert.equal(
            seen,
            wanted,
            `${site.member} shows ${db}:${name} at ${nowMs} as the oracle does`,
          );
        }
  }

  /** Everything is delivered and reported: all are equal, and nothing is left behind. */
  settle(): void {
    this.collectedEarly = this.collected;
    this.#deliverAll();
    for (const site of this.sites) this.check(site, true);
    this.#reportAll();
    for (const site of this.sites) {
      const { garbage } = site.replica;
      assert.equal(garbage.waitingResets, 0, "no reset waits");
      assert.equal(garbage.waitingFloors, 0, "no floor waits");
      assert.equal(site.replica.keyspace.flushes.length, 0, "no flush waits");
      checkNoLeftovers(site.replica);
      this.check(site, true);
    }
    this.#removeAll();
  }

  #deliverAll(): void {
    for (const site of this.sites) this.#sync(site);
    // What a round shows to be lost is recorded in it, and arrives with the next.
    for (let round = 0; round < 3; round++)
      for (const site of this.sites)
        for (const from of this.sites)
          if (from !== site) {
            this.#begin(site);
            this.#receive(site, runsOf(from.log));
            this.#sync(site);
          }
    for (const site of this.sites)
      assert.equal(this.#key(site), this.#key(this.sites[0] as Site), "everything arrived");
  }

  #reportAll(): void {
    for (let round = 0; round < 2; round++) {
      for (const site of this.sites) {
        this.#begin(site);
        this.#say(site);
      }
      while (this.#reports.length > 0) this.#hear();
      for (const site of this.sites) this.#collect(site);
    }
  }

  /** Time passes, what expires goes; then every key is deleted, and the memory is as it was before the first. */
  #removeAll(): void {
    this.nowMs += 30 * 60 * 1000;
    for (let round = 0; round < 3; round++) {
      for (const site of this.sites) {
        this.#begin(site);
        this.#sweep(site);
      }
      this.#deliverAll();
      this.#reportAll();
    }
    const first = this.sites[0] as Site;
    const { keyspace, writer, run } = first.replica;
    this.#begin(first);
    for (const { db, name } of names(keyspace)) {
      const place = locate(keyspace, db, name);
      place.look(keyspace, run.nowMs);
      assert.ok(place.type !== NONE, `nobody sees ${db}:${name.toString()}, and yet it is there`);
      writer.remove(place);
    }
    writer.commit();
    this.#append(first, []);
    this.#deliverAll();
    this.#reportAll();
    for (const site of this.sites) {
      assert.deepEqual(names(site.replica.keyspace), []);
      site.replica.keyspace.heap.reclaim(Infinity);
      assert.equal(site.replica.keyspace.heap.usedBytes, 0, "every byte was given back");
      assert.equal(site.replica.keyspace.expirable, 0, "nothing is left to expire");
      checkCounts(site.replica.keyspace);
    }
  }
}

function keyOf(vector: ReadonlyMap<string, number>): string {
  return [...vector]
    .map(([origin, seq]) => `${origin}:${seq}`)
    .toSorted()
    .join(" ");
}

/** The runs of blocks, back to back. */
function runsOf(blocks: readonly Buffer[]): Buffer {
  return Buffer.concat(blocks.map((block) => block.subarray(1)));
}
