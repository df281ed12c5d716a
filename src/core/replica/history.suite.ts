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
import { defaultSettings } from "../commands/settings.ts";
import { type Origin, originName } from "../clock/origins.ts";
import { Vector } from "../clock/vector.ts";
import type { Cells } from "../crdt/cells.ts";
import { HASH, NEVER_MS, NONE, SET } from "../crdt/key.ts";
import type { Place } from "../keyspace/place.ts";
import { canonical, checkCounts, locate, names, view } from "./canonical.suite.ts";
import { CheckpointLoader, CheckpointWriter } from "./checkpoint.ts";
import { Decoder } from "./decoded.suite.ts";
import { Oracle } from "./oracle.suite.ts";
import { Replica } from "./replica.ts";

/** What a history is made of; a part with weight 0 does not happen. */
export interface Weights {
  readonly string: number;
  readonly count: number;
  readonly set: number;
  readonly hash: number;
  readonly expire: number;
  readonly del: number;
  readonly flush: number;
}

export const everything: Weights = {
  string: 3,
  count: 4,
  set: 4,
  hash: 4,
  expire: 4,
  del: 2,
  flush: 0.3,
};

interface Report {
  readonly member: string;
  readonly version: number;
  readonly applied: Map<string, number>;
  readonly durable: Map<string, number>;
  readonly promiseMs: number;
}

interface Checkpoint {
  readonly sections: readonly Buffer[];
  readonly position: number;
}

interface State {
  readonly text: string;
  /** Who was there first. */
  readonly member: string;
  readonly vector: ReadonlyMap<string, number>;
}

/** A small generator of chance (mulberry32). */
export function chanceOf(seed: number): () => number {
  let state = (seed * 2654435761) | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

const START_MS = 1_700_000_000_000;

/** One replica with its disk. */
class Site {
  readonly member: string;
  replica: Replica;
  origin: Origin;
  /** The log: blocks of runs, of which the first `durable` survive a crash. */
  readonly log: Buffer[] = [];
  durable = 0;
  checkpoint: Checkpoint | null = null;
  writer: CheckpointWriter | null = null;
  readonly sections: Buffer[] = [];
  /** Up to where another member's log was read over the link to it. */
  readonly cursors = new Map<string, number>();
  /** Whether something happened since the last check. */
  changed = false;
  skewMs = 0;
  version = 0;
  promisedMs = 0;
  decoder = new Decoder();

  constructor(member: string, origin: Origin, replica: Replica) {
    this.member = member;
    this.origin = origin;
    this.replica = replica;
  }
}

export class History {
  readonly seed: number;
  readonly chance: () => number;
  readonly weights: Weights;
  readonly sites: Site[] = [];
  readonly oracle = new Oracle();
  nowMs = START_MS;
  /** Applied vector → the state every replica must have there. */
  readonly #states = new Map<string, State>();
  #incarnations = 0;
  /** How closely replicas follow each other, and how promptly their disks do. */
  readonly #pace: number;
  readonly #promptness: number;
  /** Deadlines that were set and have not passed everywhere. */
  #deadlines: number[] = [];
  readonly #reports: { to: Site; report: Report }[] = [];
  /** What happened, for whoever looks into a failure. */
  readonly trace: string[] = [];
  collected = 0;
  /** What was collected while records were still on their way. */
  collectedEarly = 0;
  expired = 0;

  constructor(seed: number, weights: Weights = everything) {
    this.seed = seed;
    this.chance = chanceOf(seed);
    this.weights = weights;
    const count = 2 + Math.floor(this.chance() ** 2 * 4);
    this.#pace = 1 + this.#below(6);
    this.#promptness = this.chance();
    const members = Array.from({ length: count }, (_, i) => `${"abcde"[i]}/1`);
    for (const member of members) {
      const origin = this.#newOrigin(member);
      this.sites.push(new Site(member, origin, this.#newReplica(origin, members)));
    }
    for (const site of this.sites) site.skewMs = this.#below(3) * 40;
  }

  #below(count: number): number {
    return Math.floor(this.chance() * count);
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#below(items.length)] as T;
  }

  #newOrigin(member: string): Origin {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt32BE(++this.#incarnations, 4);
    bytes[0] = this.#below(256);
    return { member, incarnation: bytes.latin1Slice() };
  }

  #newReplica(origin: Origin, members: readonly string[]): Replica {
    return new Replica({
      origin,
      region: origin.member,
      cluster: "test",
      members,
      relays: true,
      durability: "local",
      keyspaces: [],
      settings: defaultSettings,
      node: {
        info: () => "",
        closeClient: () => {},
        usedMemoryBytes: () => 0,
        checkpointMs: () => 0,
        shutdown: () => {},
      },
      chance: [this.#below(2 ** 32), this.#below(2 ** 32), 1],
    });
  }

  /** Runs `steps` steps, settles, and checks everything there is to check. */
  run(steps: number): void {
    for (let i = 0; i < steps; i++) this.step();
    this.settle();
  }

  step(): void {
    const site = this.#pick(this.sites);
    this.#passTime(site);
    this.#begin(site);
    const x = this.chance();
    if (x < 0.28) this.#write(site);
    else if (x < 0.68)
      for (let left = this.#below(this.#pace); left >= 0; left--)
        this.#deliver(this.#pick(this.sites));
    else if (x < 0.8) this.#say(site);
    else if (x < 0.92) for (let left = this.#below(4 * this.#pace); left >= 0; left--) this.#hear();
    else if (x < 0.95) this.#sweep(site);
    else if (x < 0.98) this.#checkpoint(site);
    else this.#crash(site);
    for (const other of this.sites) {
      this.#collect(other);
      this.check(other);
    }
  }

  #passTime(site: Site): void {
    if (this.chance() < 0.2) this.nowMs += this.#below(30);
    if (this.chance() < 0.004) this.nowMs += 11 * 60 * 1000;
    if (this.chance() > 0.05) return;
    // The very millisecond of a deadline.
    this.#deadlines = this.#deadlines.filter((deadline) => deadline > this.nowMs + site.skewMs);
    if (this.#deadlines.length > 0) this.nowMs = Math.min(...this.#deadlines) - site.skewMs;
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
    const operations = this.chance() < 0.7 ? 1 : 2 + this.#below(3);
    const at = this.trace.length;
    for (let i = 0; i < operations; i++) this.#operate(site, deltas);
    const seq = replica.writer.commit();
    if (seq > 0) this.trace.splice(at, 0, `${site.member} makes ${seq}:`);
    this.#append(site, deltas);
  }

  #operate(site: Site, deltas: number[]): void {
    const { replica } = site;
    const { writer, keyspace } = replica;
    const { nowMs } = replica.run;
    const db = this.chance() < 0.85 ? 0 : 1;
    const name = Buffer.from(this.#pick(["a", "b", "c"]));
    const place = locate(keyspace, db, name);
    place.look(keyspace, nowMs);
    const was = view(keyspace, db, name, nowMs);
    const { string, count, set, hash, expire, del, flush } = this.weights;
    let x = this.chance() * (string + count + set + hash + expire + del + flush);
    const note = (text: string): void => {
      this.trace.push(`  ${text} on ${db}:${name.toString()} (${was})`);
    };
    const after = (expected: string): void =>
      assert.equal(view(keyspace, db, name, nowMs), expected, `${this.trace.at(-1)}`);
    const soonMs = nowMs + 1 + this.#below(120);
    this.#deadlines.push(soonMs);
    const until = place.type === NONE ? Infinity : place.deadline;
    const word = (text: string): [Buffer, number, number] => {
      const bytes = Buffer.from(`..${text}.`);
      return [bytes, 2, 2 + text.length];
    };
    if ((x -= string) < 0) {
      const deadline = this.chance() < 0.4 && expire > 0 ? soonMs : Infinity;
      const value = this.#pick(["5", "7", "word", "x".repeat(50)]);
      note(`SET ${value} until ${deadline}`);
      writer.set(place, deadline, ...word(value));
      after(`string ${value} until ${deadline}`);
    } else if ((x -= count) < 0) {
      const value = place.type === NONE ? "0" : /^string (-?\d+) /.exec(was)?.[1];
      if (value === undefined) return;
      const delta = this.#below(9) - 4;
      note(`INCR ${delta}`);
      writer.count(place, delta);
      deltas.push(delta);
      after(`string ${Number(value) + delta} until ${until}`);
    } else if ((x -= set) < 0) {
      if (place.type !== NONE && place.type !== SET) return;
      this.#operateSet(place, was, word, note, after, site);
    } else if ((x -= hash) < 0) {
      if (place.type !== NONE && place.type !== HASH) return;
      this.#operateHash(place, was, word, note, after, site, deltas);
    } else if ((x -= expire) < 0) {
      if (place.type === NONE) return;
      const deadline = this.chance() < 0.2 ? NEVER_MS : soonMs;
      if (deadline === NEVER_MS && place.deadline === Infinity) return;
      note(`EXPIRE ${deadline}`);
      writer.expire(place, deadline);
      after(was.replace(/\S+$/, deadline === NEVER_MS ? "Infinity" : `${deadline}`));
    } else if ((x -= del) < 0) {
      if (place.type === NONE) return;
      note("DEL");
      writer.remove(place);
      after("none");
    } else {
      const which = this.chance() < 0.5 ? -1 : db;
      note(`FLUSH ${which}`);
      writer.flush(place, which);
      after("none");
    }
  }

  #operateSet(
    place: Place,
    was: string,
    word: (text: string) => [Buffer, number, number],
    note: (text: string) => void,
    after: (expected: string) => void,
    site: Site,
  ): void {
    const { writer } = site.replica;
    const member = this.#pick(["x", "y", "z"]);
    const members = place.type === SET ? (was.split(" ")[1] as string).split(",") : [];
    const until = place.type === SET ? place.deadline : Infinity;
    if (this.chance() < 0.6) {
      note(`SADD ${member}`);
      writer.addMember(place, ...word(member));
      after(`set ${[...new Set([...members, member])].toSorted().join(",")} until ${until}`);
    } else if (members.includes(member)) {
      note(`SREM ${member}`);
      writer.removeMember(place, ...word(member));
      const rest = members.filter((other) => other !== member);
      after(rest.length === 0 ? "none" : `set ${rest.join(",")} until ${until}`);
    }
  }

  #operateHash(
    place: Place,
    was: string,
    word: (text: string) => [Buffer, number, number],
    note: (text: string) => void,
    after: (expected: string) => void,
    site: Site,
    deltas: number[],
  ): void {
    const { writer } = site.replica;
    const field = this.#pick(["f", "g"]);
    const until = place.type === HASH ? place.deadline : Infinity;
    const fields = new Map<string, string>();
    if (place.type === HASH)
      for (const pair of (was.split(" ")[1] as string).split(","))
        fields.set(pair[0] as string, pair.slice(2));
    const x = this.chance();
    if (x < 0.35) {
      const value = this.#pick(["1", "2", "text"]);
      note(`HSET ${field} ${value}`);
      fields.set(field, value);
      const [name, start, end] = word(field);
      writer.setField(place, name, start, end, ...word(value));
    } else if (x < 0.75) {
      const value = fields.get(field) ?? "0";
      if (!/^-?\d+$/.test(value)) return;
      const delta = this.#below(9) - 4;
      note(`HINCRBY ${field} ${delta}`);
      fields.set(field, `${Number(value) + delta}`);
      writer.countField(place, ...word(field), delta);
      deltas.push(delta);
    } else {
      if (!fields.has(field)) return;
      note(`HDEL ${field}`);
      fields.delete(field);
      writer.removeField(place, ...word(field));
    }
    const texts = [...fields].map(([name, value]) => `${name}=${value}`).toSorted();
    after(texts.length === 0 ? "none" : `hash ${texts.join(",")} until ${until}`);
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
    if (this.chance() < this.#promptness) this.#sync(site);
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
    const from = this.#pick(this.sites);
    if (from === site || from.durable === 0) return;
    const parts: Buffer[] = [];
    if (this.chance() < 0.6) {
      // What comes next on the link.
      const cursor = Math.min(site.cursors.get(from.member) ?? 0, from.durable);
      const to = Math.min(from.durable, cursor + 1 + this.#below(8));
      site.cursors.set(from.member, to);
      return this.#receive(site, runsOf(from.log.slice(cursor, to)));
    }
    const recent = this.chance() < 0.7 ? Math.max(0, from.durable - 12) : 0;
    let at = recent + this.#below(from.durable - recent);
    for (let left = 1 + this.#below(6); left > 0 && at < from.durable; left--) {
      parts.push((from.log[at] as Buffer).subarray(1));
      at = this.chance() < 0.8 ? at + 1 : this.#below(from.durable);
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
      promiseMs,
    };
    for (const to of only === undefined ? this.sites : [only])
      if (to !== site) this.#reports.push({ to, report });
  }

  #hear(): void {
    if (this.#reports.length === 0) return;
    const at = this.chance() < 0.5 ? 0 : this.#below(this.#reports.length);
    const [{ to, report }] = this.#reports.splice(at, 1) as [{ to: Site; report: Report }];
    const { members } = to.replica;
    members.report({
      ...report,
      applied: this.#numbered(to, report.applied),
      durable: this.#numbered(to, report.durable),
      promiseTick: 0xffff,
    });
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
    for (let left = 1 + this.#below(300); left > 0; left--) {
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
    const isNew = this.chance() < 0.3;
    if (isNew) site.origin = this.#newOrigin(site.member);
    this.trace.push(`${site.member} restarts${isNew ? " as a new incarnation" : ""}`);
    this.#restart(site, site.origin);
  }

  #restart(site: Site, origin: Origin): void {
    const members = this.sites.map(({ member }) => member);
    const replica = this.#newReplica(origin, members);
    // A replica that starts numbers origins as it meets them.
    const known = site.replica.origins;
    const order = Array.from({ length: known.count }, (_, number) => number);
    for (let i = order.length - 1; i > 0; i--) {
      const j = this.#below(i + 1);
      [order[i], order[j]] = [order[j] as number, order[i] as number];
    }
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
    if (!everyKey && this.chance() > 0.3) return;
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
    for (let round = 0; round < 2; round++)
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

/** What was reset and is stable leaves no trace. */
function checkNoLeftovers(replica: Replica): void {
  const { keyspace } = replica;
  for (const { db, name } of names(keyspace)) {
    const key = keyspace.open(locate(keyspace, db, name));
    assert.deepEqual(key.floors, [], "no floor is left");
    for (const era of key.cell?.eras ?? [])
      assert.ok(era.seq > era.resetSeq, `${db}:${name.toString()} keeps a reset for nothing`);
    for (const cells of [key.set, key.hash]) if (cells !== null) checkCells(cells);
  }
}

function checkCells(cells: Cells): void {
  cells.table.each((at) => {
    for (const era of cells.table.objectAt(at)?.eras ?? [])
      assert.ok(era.seq > era.resetSeq, "a field keeps a reset for nothing");
  });
}
