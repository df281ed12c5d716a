/** Solo: one replica for scripts, with the writes that commands make and the blocks it would log. */
import { newIncarnation, type Origin } from "../clock/origins.ts";
import { HASH, ZSET } from "../crdt/key.ts";
import { type Mode, PLAIN, writeScore } from "../crdt/score.ts";
import { execute } from "../commands/dispatch.ts";
import { idlePort } from "../commands/idle-port.ts";
import { Session } from "../commands/session.ts";
import { defaultSettings } from "../commands/settings.ts";
import type { Place } from "../keyspace/place.ts";
import { argsOf } from "../wire/args.ts";
import { Reply } from "../wire/reply.ts";
import { locate, view } from "./canonical.suite.ts";
import { Replica, type ReplicaOptions } from "./replica.ts";
import type { Writer } from "./writer.ts";

/** A replica for tests, of three members unless `more` says otherwise. */
export function replicaWith(origin: Origin, more: Partial<ReplicaOptions> = {}): Replica {
  return new Replica({
    origin,
    region: origin.member.split("/")[0] as string,
    cluster: "test",
    members: ["a/1", "b/1", "c/1"],
    relays: true,
    durability: "local",
    keyspaces: [],
    settings: defaultSettings,
    node: idlePort((bytes) => Buffer.alloc(bytes)),
    chance: [7, origin.member.charCodeAt(0), 1],
    ...more,
  });
}

/** As `replicaWith`; `number` tells its incarnation from others of the member. */
export function replicaOf(
  member: string,
  number: number,
  more: Partial<ReplicaOptions> = {},
): Replica {
  return replicaWith(originOf(member, number), more);
}

export function originOf(member: string, number: number): Origin {
  // Apart from one another for every name such as `b/2`.
  const replica = Number(member.split("/")[1] ?? 1);
  const chance = member.charCodeAt(0) + 256 * (replica - 1);
  return { member, incarnation: newIncarnation(number, chance) };
}

export class Solo {
  readonly replica: Replica;
  readonly blocks: Buffer[] = [];

  readonly #session = new Session(1, "", "", 0, true);

  constructor(member: string, number = 1, more: Partial<ReplicaOptions> = {}) {
    this.replica = replicaOf(member, number, more);
  }

  get writer(): Writer {
    return this.replica.writer;
  }

  at(nowMs: number): void {
    this.replica.begin(nowMs, nowMs, nowMs);
  }

  /** Runs one command; its reply as it goes over the wire. */
  command(...words: readonly string[]): string {
    const reply = new Reply();
    execute(this.replica.run, this.#session, argsOf(...words), reply);
    return reply.sink.view().latin1Slice();
  }

  /** Makes one record. */
  write(make: () => void): void {
    make();
    this.writer.commit();
    this.flush();
  }

  /** Appends what was made or applied to `blocks`. */
  flush(): void {
    const block = this.replica.takeBlock();
    if (block === null) return;
    this.blocks.push(Buffer.from(block));
    this.replica.appended(this.blocks.length);
  }

  /** Takes the runs of a block; returns how many records were new. */
  receive(block: Buffer, link = 1): number {
    try {
      return this.replica.delivery.receive(link, block, 1, block.length);
    } finally {
      this.flush();
    }
  }

  /** Our number for another's origin. */
  number(other: Solo): number {
    return this.replica.origins.introduce(other.replica.origins.get(other.replica.me));
  }

  view(key: string, db = 0): string {
    return view(this.replica.keyspace, db, Buffer.from(key), this.replica.run.nowMs);
  }

  #look(key: string, db = 0): Place {
    const place = locate(this.replica.keyspace, db, Buffer.from(key));
    place.look(this.replica.keyspace, this.replica.run.nowMs);
    return place;
  }

  set(key: string, value: string, deadline = Infinity, db = 0): void {
    this.writer.set(this.#look(key, db), deadline, Buffer.from(value), 0, value.length);
  }

  count(key: string, delta: number): void {
    this.writer.count(this.#look(key), delta);
  }

  sadd(key: string, member: string): void {
    this.writer.addMember(this.#look(key), Buffer.from(member), 0, member.length);
  }

  srem(key: string, member: string): void {
    this.writer.removeMember(this.#look(key), Buffer.from(member), 0, member.length);
  }

  hset(key: string, field: string, value: string): void {
    const [name, text] = [Buffer.from(field), Buffer.from(value)];
    this.writer.setField(this.#look(key), name, 0, name.length, text, 0, text.length);
  }

  hcount(key: string, field: string, delta: number): void {
    this.writer.countField(this.#look(key), Buffer.from(field), 0, field.length, delta);
  }

  hexpire(key: string, field: string, deadline: number): void {
    this.writer.expireField(this.#look(key), Buffer.from(field), 0, field.length, deadline);
  }

  /** Resolves a conflict of no values: what is there stays beside it. */
  hresolve(key: string, field: string, value: string): void {
    const [name, bytes] = [Buffer.from(field), Buffer.from(value)];
    this.writer.resolve(this.#look(key), HASH, name, [], bytes, 0, bytes.length);
  }

  hdel(key: string, field: string): void {
    this.writer.removeField(this.#look(key), Buffer.from(field), 0, field.length);
  }

  zadd(key: string, member: string, score: number, mode: Mode = PLAIN): void {
    const [name, register] = [Buffer.from(member), Buffer.alloc(9)];
    const length = writeScore(register, score, mode);
    this.writer.putCell(this.#look(key), ZSET, name, 0, name.length, register, 0, length);
  }

  zincrby(key: string, member: string, delta: number): void {
    const place = this.#look(key);
    const name = Buffer.from(member);
    this.writer.countCell(place, ZSET, name, 0, name.length, delta);
  }

  zrem(key: string, member: string): void {
    this.writer.removeCell(this.#look(key), ZSET, Buffer.from(member), 0, member.length);
  }

  /** NaN when it is not there. */
  score(key: string, member: string): number {
    const name = Buffer.from(member);
    return this.#look(key).score(this.replica.keyspace, name, 0, name.length);
  }

  expire(key: string, deadline: number): void {
    this.writer.expire(this.#look(key), deadline);
  }

  del(key: string): void {
    this.writer.remove(this.#look(key));
  }

  flushall(db: number): void {
    this.writer.flush(this.#look(""), db);
  }
}
