/**
 * Operations: random writes as commands make them: looked at, decided, written. Each is also done by the rules of one machine, and
 * what a reader then sees must be that.
 */
import assert from "node:assert/strict";
import {
  BITMAP,
  DOCUMENT,
  HASH,
  LIST,
  NEVER_MS,
  NONE,
  SET,
  STREAM,
  STRING,
  ZSET,
} from "../crdt/key.ts";
import type { Order } from "../crdt/order.ts";
import { between, PUSHED_MAX_BYTES, writeHead, writeTail } from "../crdt/position.ts";
import { GREATER, LESS, type Mode, PLAIN, writeScore } from "../crdt/score.ts";
import { ENTRY, ENTRY_NAME_BYTES, GROUP } from "../crdt/stream-cell.ts";
import { writeId } from "../crdt/stream-id.ts";
import { create, edit, open } from "../commands/json-documents.ts";
import type { Run } from "../commands/run.ts";
import type { ArrayNode, ObjectNode } from "../crdt/document.ts";
import { Reply } from "../wire/reply.ts";
import { CHANGES, CHANGES_DENSE, HYPERLOGLOG, HyperLogLog } from "../hll/hyperloglog.ts";
import { REGISTERS } from "../hll/text.ts";
import type { Place } from "../keyspace/place.ts";
import { locate, sortedJson, view } from "./canonical.suite.ts";
import type { Chance } from "./chance.suite.ts";
import type { Replica } from "./replica.ts";
import type { Writer } from "./writer.ts";

/** What a history is made of; a part with weight 0 does not happen. */
export interface Weights {
  readonly string: number;
  readonly count: number;
  readonly set: number;
  readonly hash: number;
  readonly zset: number;
  readonly list: number;
  readonly stream: number;
  readonly hyperloglog: number;
  readonly bitmap: number;
  /** Strict writes of strings, of all of them. */
  readonly strict: number;
  /** Removals of members in which the last writer wins, of all of them. */
  readonly lwwSet: number;
  /** The engine of documents must be there. */
  readonly document: number;
  readonly expire: number;
  readonly del: number;
  readonly flush: number;
}

export const everything: Weights = {
  string: 3,
  count: 4,
  set: 4,
  hash: 4,
  zset: 4,
  list: 4,
  stream: 2,
  hyperloglog: 0,
  bitmap: 2,
  lwwSet: 0.3,
  document: 0,
  strict: 0.2,
  expire: 4,
  del: 2,
  flush: 0.3,
};

export class Operations {
  readonly chance: Chance;
  readonly weights: Weights;
  /** What happened, for whoever looks into a failure. */
  readonly trace: string[] = [];
  /** Deadlines that were given. */
  deadlines: number[] = [];

  constructor(chance: Chance, weights: Weights) {
    this.chance = chance;
    this.weights = weights;
  }

  /** Makes one operation of the open record, or none if what was drawn does not apply; additions go to `deltas`. */
  operate(replica: Replica, deltas: number[]): void {
    const { writer, keyspace } = replica;
    const { nowMs } = replica.run;
    const db = this.chance.next() < 0.85 ? 0 : 1;
    const name = Buffer.from(this.chance.pick(["a", "b", "c"]));
    const place = locate(keyspace, db, name);
    place.look(keyspace, nowMs);
    const was = view(keyspace, db, name, nowMs);
    const { string, count, set, hash, zset, list, hyperloglog, expire, del, flush } = this.weights;
    const { bitmap, document, stream } = this.weights;
    const collections = set + hash + zset + list + stream;
    const values = string + count + collections + hyperloglog + bitmap + document;
    const all = values + expire + del + flush;
    let x = this.chance.next() * all;
    const note = (text: string): void => {
      this.trace.push(`  ${text} on ${db}:${name.toString()} (${was})`);
    };
    const after = (expected: string): void =>
      assert.equal(view(keyspace, db, name, nowMs), expected, `${this.trace.at(-1)}`);
    const soonMs = nowMs + 1 + this.chance.below(120);
    this.deadlines.push(soonMs);
    const until = place.type === NONE ? Infinity : place.deadline;
    const word = (text: string): [Buffer, number, number] => {
      const bytes = Buffer.from(`..${text}.`);
      return [bytes, 2, 2 + text.length];
    };
    if (this.weights.strict > 0) {
      const isStrict = this.chance.next() < this.weights.strict;
      keyspace.policies.set("", "lww", isStrict ? "lww-strict" : null);
    }
    const several = place.type === STRING ? (place.key?.cell?.siblings ?? []) : [];
    if ((x -= string) < 0 && several.length > 1) {
      const dots = several.filter(() => this.chance.next() < 0.5);
      note(`RESOLVE ${dots.length} of ${several.length}`);
      const [bytes, start, end] = word("resolved");
      writer.resolve(place, STRING, Buffer.alloc(0), dots, bytes, start, end);
      // With an EXPIRE of the same transaction it shares the stamp, and so the deadline.
      assert.match(view(keyspace, db, name, nowMs), /^string resolved until /);
    } else if (x < 0) {
      const deadline = this.chance.next() < 0.4 && expire > 0 ? soonMs : Infinity;
      const value = this.chance.pick(["5", "7", "word", "x".repeat(50)]);
      note(`SET ${value} until ${deadline}`);
      writer.set(place, deadline, ...word(value));
      after(`string ${value} until ${deadline}`);
    } else if ((x -= count) < 0) {
      const value = place.type === NONE ? "0" : /^string (-?\d+) /.exec(was)?.[1];
      if (value === undefined) return;
      const delta = this.chance.below(9) - 4;
      note(`INCR ${delta}`);
      writer.count(place, delta);
      deltas.push(delta);
      after(`string ${Number(value) + delta} until ${until}`);
    } else if ((x -= set) < 0) {
      if (place.type !== NONE && place.type !== SET) return;
      if (this.weights.lwwSet > 0) {
        const isLastWins = this.chance.next() < this.weights.lwwSet;
        keyspace.policies.set("", "lww", isLastWins ? "lww-set" : null);
      }
      this.#operateSet(place, was, word, note, after, replica.writer);
    } else if ((x -= hash) < 0) {
      if (place.type !== NONE && place.type !== HASH) return;
      this.#operateHash(place, was, word, note, after, replica.writer, deltas, soonMs);
    } else if ((x -= zset) < 0) {
      if (place.type !== NONE && place.type !== ZSET) return;
      this.#operateSortedSet(replica, place, was, word, note, after, deltas);
    } else if ((x -= list) < 0) {
      if (place.type !== NONE && place.type !== LIST) return;
      this.#operateList(replica, place, was, word, note, after);
    } else if ((x -= stream) < 0) {
      if (place.type !== NONE && place.type !== STREAM) return;
      this.#operateStream(replica, place, was, note, after);
    } else if ((x -= hyperloglog) < 0) {
      if (place.type !== NONE && place.kind !== HYPERLOGLOG) return;
      const payload = Buffer.from([this.chance.next() < 0.02 ? CHANGES_DENSE : CHANGES]);
      const [index, value] = [this.chance.below(4) * 5_000, 1 + this.chance.below(5)];
      const change = Buffer.alloc(3);
      change.writeUIntBE(value * REGISTERS + index, 0, 3);
      const expected = new HyperLogLog();
      for (const { state } of place.generations) expected.join(state.encode());
      const joining = Buffer.concat([payload, change]);
      expected.join(joining);
      note(`PFADD ${joining.toString("hex")}`);
      writer.join(place, HYPERLOGLOG, joining);
      after(`string ${expected.text().latin1Slice()} until ${until}`);
    } else if ((x -= bitmap) < 0) {
      if (place.type !== NONE && place.tag !== BITMAP) return;
      this.#operateBitmap(place, word, note, after, writer);
    } else if ((x -= document) < 0) {
      if (place.type !== NONE && place.type !== DOCUMENT) return;
      this.#operateDocument(replica.run, place, was, note, after);
    } else if ((x -= expire) < 0) {
      if (place.type === NONE) return;
      const deadline = this.chance.next() < 0.2 ? NEVER_MS : soonMs;
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
      const which = this.chance.next() < 0.5 ? -1 : db;
      note(`FLUSH ${which}`);
      writer.flush(place, which);
      after("none");
    }
  }

  #operateDocument(
    run: Run,
    place: Place,
    was: string,
    note: (text: string) => void,
    after: (expected: string) => void,
  ): void {
    const opened = open(run, place, new Reply());
    assert.ok(opened !== null);
    const until = place.type === NONE ? Infinity : place.deadline;
    const members: Record<string, unknown> =
      place.type === NONE
        ? {}
        : (JSON.parse(was.slice("document ".length, was.lastIndexOf(" until "))) as Record<
            string,
            unknown
          >);
    const name = this.chance.pick(["i", "j", "k"]);
    const value = this.chance.below(9);
    const x = this.chance.next();
    const root = opened.document.root as ObjectNode;
    const list = root.get("list") as ArrayNode | undefined;
    if (place.type === NONE || x < 0.1) {
      note(`JSON.SET $ {"${name}":${value}}`);
      create(run, place, opened.kind, new Map([[name, value]]));
      return after(`document {"${name}":${value}} until ${until}`);
    }
    if (x < 0.4) {
      note(`JSON.SET $.${name} ${value}`);
      edit(run, opened, () => root.set(name, value));
      members[name] = value;
    } else if (x < 0.5) {
      if (members[name] === undefined) return;
      note(`JSON.DEL $.${name}`);
      edit(run, opened, () => root.remove(name));
      delete members[name];
    } else if (list === undefined) {
      note("JSON.SET $.list []");
      edit(run, opened, () => root.set("list", []));
      members["list"] = [];
    } else {
      const values = members["list"] as unknown[];
      const at = this.chance.below(list.length + 1);
      const taking = at < list.length && this.chance.next() < 0.4;
      note(taking ? `JSON.ARRPOP $.list ${at}` : `JSON.ARRINSERT $.list ${at} ${value}`);
      edit(run, opened, () => (taking ? list.remove(at, 1) : list.insert(at, [value])));
      if (taking) values.splice(at, 1);
      else values.splice(at, 0, value);
    }
    after(`document ${sortedJson(members)} until ${until}`);
  }

  #operateSet(
    place: Place,
    was: string,
    word: (text: string) => [Buffer, number, number],
    note: (text: string) => void,
    after: (expected: string) => void,
    writer: Writer,
  ): void {
    const member = this.chance.pick(["x", "y", "z"]);
    const members = place.type === SET ? (was.split(" ")[1] as string).split(",") : [];
    const until = place.type === SET ? place.deadline : Infinity;
    if (this.chance.next() < 0.6) {
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
    writer: Writer,
    deltas: number[],
    soonMs: number,
  ): void {
    const field = this.chance.pick(["f", "g"]);
    const until = place.type === HASH ? place.deadline : Infinity;
    const fields = new Map<string, string>();
    if (place.type === HASH)
      for (const pair of (was.split(" ")[1] as string).split(","))
        fields.set(pair[0] as string, pair.slice(2));
    const x = this.chance.next();
    const [name, start, end] = word(field);
    const at = place.cells?.find(name, start, end) ?? -1;
    const several = at < 0 ? [] : (place.cells?.table.objectAt(at)?.siblings ?? []);
    if (x < 0.35 && several.length > 1) {
      const dots = several.filter(() => this.chance.next() < 0.5);
      note(`RESOLVE ${field}: ${dots.length} of ${several.length}`);
      fields.set(field, "text");
      writer.resolve(place, HASH, Buffer.from(field), dots, ...word("text"));
    } else if (x < 0.35) {
      const value = this.chance.pick(["1", "2", "text"]);
      note(`HSET ${field} ${value}`);
      fields.set(field, value);
      writer.setField(place, name, start, end, ...word(value));
    } else if (x < 0.55 && this.weights.expire > 0) {
      const value = fields.get(field);
      if (value === undefined) return;
      const deadline = this.chance.next() < 0.2 ? NEVER_MS : soonMs;
      note(`HEXPIRE ${field} ${deadline}`);
      const [shown] = value.split("~", 1) as [string];
      fields.set(field, deadline === NEVER_MS ? shown : `${shown}~${deadline}`);
      writer.expireField(place, name, start, end, deadline);
    } else if (x < 0.8) {
      const [value, fieldUntil] = (fields.get(field) ?? "0").split("~") as [string, string?];
      if (!/^-?\d+$/.test(value)) return;
      const delta = this.chance.below(9) - 4;
      note(`HINCRBY ${field} ${delta}`);
      const sum = `${Number(value) + delta}`;
      fields.set(field, fieldUntil === undefined ? sum : `${sum}~${fieldUntil}`);
      writer.countField(place, ...word(field), delta);
      deltas.push(delta);
    } else {
      if (!fields.has(field)) return;
      note(`HDEL ${field}`);
      fields.delete(field);
      writer.removeField(place, ...word(field));
    }
    const texts = [...fields].map(([of, value]) => `${of}=${value}`).toSorted();
    after(texts.length === 0 ? "none" : `hash ${texts.join(",")} until ${until}`);
  }

  #operateSortedSet(
    { writer, keyspace }: Replica,
    place: Place,
    was: string,
    word: (text: string) => [Buffer, number, number],
    note: (text: string) => void,
    after: (expected: string) => void,
    deltas: number[],
  ): void {
    const member = this.chance.pick(["m", "n", "o"]);
    const until = place.type === ZSET ? place.deadline : Infinity;
    const scores = new Map<string, number>();
    if (place.type === ZSET)
      for (const pair of (was.split(" ")[1] as string).split(","))
        scores.set(pair[0] as string, Number(pair.slice(2)));
    const before = scores.get(member);
    const x = this.chance.next();
    if (x < 0.4) {
      const score = this.chance.pick([-Infinity, -2, 0, 1, 1, 2.5, 7, Infinity]);
      const mode = this.chance.pick<Mode>([PLAIN, PLAIN, GREATER, LESS]);
      if (before !== undefined && mode === GREATER && score <= before) return;
      if (before !== undefined && mode === LESS && score >= before) return;
      note(`ZADD ${mode} ${score} ${member}`);
      scores.set(member, score);
      const register = Buffer.alloc(9);
      const length = writeScore(register, score, mode);
      writer.putCell(place, ZSET, ...word(member), register, 0, length);
    } else if (x < 0.75) {
      const delta = this.chance.pick([-3, -1, 0.5, 1, 2]);
      const score = (before ?? 0) + delta;
      note(`ZINCRBY ${delta} ${member}`);
      scores.set(member, score);
      const [name, start, end] = word(member);
      const addition = place.addition(keyspace, name, start, end, delta, score);
      assert.ok(addition !== null && writer.countCell(place, ZSET, name, start, end, addition));
      deltas.push(delta);
    } else {
      if (before === undefined) return;
      note(`ZREM ${member}`);
      scores.delete(member);
      writer.removeCell(place, ZSET, ...word(member));
    }
    const ranked = [...scores].sort(([a, s], [b, t]) =>
      s === t ? (a < b ? -1 : 1) : s < t ? -1 : 1,
    );
    const texts = ranked.map(([name, score]) => `${name}=${score}`);
    after(texts.length === 0 ? "none" : `zset ${texts.join(",")} until ${until}`);
  }

  #operateBitmap(
    place: Place,
    word: (text: string) => [Buffer, number, number],
    note: (text: string) => void,
    after: (expected: string) => void,
    writer: Writer,
  ): void {
    const until = place.type === NONE ? Infinity : place.deadline;
    const before = Buffer.from(
      place.value.latin1Slice(0, place.type === NONE ? 0 : place.valueEnd),
      "latin1",
    );
    const chunk = this.chance.below(3);
    const value = this.chance.pick(["A", "B", "ABC", "@"]);
    note(`chunk ${chunk} is ${value}`);
    writer.putChunk(place, chunk, ...word(value));
    const length = chunk * 64 + value.length;
    const last = before.length <= (chunk + 1) * 64;
    const whole = Buffer.alloc(last ? length : before.length);
    before.copy(whole);
    whole.fill(0, chunk * 64, Math.min(whole.length, (chunk + 1) * 64));
    whole.write(value, chunk * 64, "latin1");
    after(`string ${whole.latin1Slice()} until ${until}`);
  }

  #operateStream(
    { writer }: Replica,
    place: Place,
    was: string,
    note: (text: string) => void,
    after: (expected: string) => void,
  ): void {
    const until = place.type === STREAM ? place.deadline : Infinity;
    const cells = new Map<string, string>();
    if (place.type === STREAM)
      for (const pair of (was.split(" ")[1] as string).split(",")) {
        const [of = "", value = ""] = pair.split("=");
        cells.set(of, value);
      }
    if (this.chance.next() < 0.65 || cells.size === 0) {
      const isEntry = this.chance.next() < 0.7;
      const [name, value] = streamCell(writer, isEntry, 1 + this.chance.below(6));
      note(`${isEntry ? "XADD" : "XGROUP"} ${name.toString("hex")} ${value.toString("hex")}`);
      cells.set(name.toString("hex"), value.toString("hex"));
      writer.putCell(place, STREAM, name, 0, name.length, value, 0, value.length);
    } else {
      const of = this.chance.pick([...cells.keys()]);
      note(`XDEL ${of}`);
      cells.delete(of);
      const name = Buffer.from(of, "hex");
      writer.removeCell(place, STREAM, name, 0, name.length);
    }
    const texts = [...cells].map(([of, value]) => `${of}=${value}`).toSorted();
    after(texts.length === 0 ? "none" : `stream ${texts.join(",")} until ${until}`);
  }

  #operateList(
    { writer }: Replica,
    place: Place,
    was: string,
    word: (text: string) => [Buffer, number, number],
    note: (text: string) => void,
    after: (expected: string) => void,
  ): void {
    const until = place.type === LIST ? place.deadline : Infinity;
    const elements = place.type === LIST ? (was.split(" ")[1] as string).split(",") : [];
    const value = this.chance.pick(["p", "q", "r"]);
    const put = (position: Buffer): unknown =>
      writer.putCell(place, LIST, position, 0, position.length, ...word(value));
    const rank = this.chance.below(elements.length);
    const x = this.chance.next();
    if (x < 0.4 || elements.length === 0) {
      const left = this.chance.next() < 0.5;
      note(left ? `LPUSH ${value}` : `RPUSH ${value}`);
      const out = Buffer.alloc(PUSHED_MAX_BYTES);
      const birth = writer.nextBirth();
      put(out.subarray(0, left ? writeHead(out, 0, birth) : writeTail(out, 0, birth)));
      if (left) elements.unshift(value);
      else elements.push(value);
    } else if (x < 0.55 && rank > 0) {
      note(`LINSERT ${value} at ${rank}`);
      const [left, right] = [positionAt(place, rank - 1), positionAt(place, rank)];
      put(between(left, right, writer.nextBirth()));
      elements.splice(rank, 0, value);
    } else if (x < 0.75) {
      note(`LSET ${rank} ${value}`);
      put(positionAt(place, rank));
      elements[rank] = value;
    } else {
      note(`LREM ${rank}`);
      const position = positionAt(place, rank);
      writer.removeCell(place, LIST, position, 0, position.length);
      elements.splice(rank, 1);
    }
    after(elements.length === 0 ? "none" : `list ${elements.join(",")} until ${until}`);
  }
}

/** An entry of the replica's own, or a group that all of them write. */
function streamCell(writer: Writer, isEntry: boolean, k: number): [name: Buffer, value: Buffer] {
  const id = Buffer.alloc(16);
  writeId(id, 0, k, 0);
  if (!isEntry) return [Buffer.from([GROUP, 103]), Buffer.concat([id, Buffer.from([k])])];
  const name = Buffer.concat([Buffer.from([ENTRY]), id, writer.incarnation], ENTRY_NAME_BYTES);
  return [name, Buffer.from([k, 0])];
}

function positionAt(place: Place, rank: number): Buffer {
  const { bytes, nameStart, nameEnd } = place.nameOf((place.order as Order).at(rank));
  return Buffer.from(bytes.subarray(nameStart, nameEnd));
}
