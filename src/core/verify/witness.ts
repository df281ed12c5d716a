/**
 * Witness: answers replicas that compare themselves with this one.
 *
 *   ask ─► queued ─► walking (a slice at a time) ─► waiting for what the asker had applied ─► told
 *                                                                                    KEYS ─► open: symbols, states ─► END
 *
 * Invariant: what is told of a slot or a key is its state with exactly those records applied that both sides have: it has not changed
 * since the pass began, and everything the asker had applied then is applied here when it is told. Nothing here changes any data.
 */
import { Sink } from "../bytes/sink.ts";
import type { Cells } from "../crdt/cells.ts";
import { SHARD_SLOTS } from "../keyspace/changes.ts";
import { Place } from "../keyspace/place.ts";
import { Entry, OBJECT } from "../keyspace/table.ts";
import type { Link } from "../replica/link.ts";
import type { Replica } from "../replica/replica.ts";
import { DIGEST_WORDS } from "./digest.ts";
import { KeyStateWriter } from "./key-state.ts";
import * as messages from "./messages.ts";
import { visitKey } from "./parts.ts";
import type { KeySums } from "./key-sums.ts";
import { lacking } from "./patience.ts";
import { ShardPass, SLICE_CELLS } from "./shard-pass.ts";
import { SYMBOL_WORDS, SymbolWriter } from "./symbols.ts";

type Question = Extract<messages.Ask, { shard: number }>;

interface Job {
  readonly link: Link;
  readonly id: number;
  readonly question: Question;
  /** Slots whose keys are told apart. */
  readonly watched: readonly number[];
  pass: ShardPass | null;
  told: boolean;
  symbols: SymbolWriter | null;
  /** When it last came nearer to its end. */
  lastMs: number;
  /** Records of the question that were yet to be applied then. */
  lacks: number;
}

/** Comparisons with this replica at a time. */
const JOBS_MAX = 128;
/** When nothing has come nearer for so long nobody waits for an answer any more. */
const STALE_MS = 30_000;
/** The most that is told of states at once. */
const STATES_BYTES_MAX = 512 * 1024;
/** Bodies with more cells are not told: that would hold everybody else up. */
const CELLS_MAX = 65_536;

export class Witness {
  readonly #replica: Replica;
  readonly #send: (link: Link, body: Buffer) => void;
  readonly #jobs: Job[] = [];
  readonly #sink = new Sink(16 * 1024);
  readonly #entry = new Entry();
  readonly #place = new Place();

  constructor(replica: Replica, send: (link: Link, body: Buffer) => void) {
    this.#replica = replica;
    this.#send = send;
  }

  /** Takes a question; HEAL is not for a witness. */
  ask(link: Link, id: number, ask: Exclude<messages.Ask, { type: "heal" }>): void {
    if (ask.type === "sums" || ask.type === "keys") return this.#begin(link, id, ask);
    const job = this.#jobs.find((one) => one.link === link && one.id === id);
    if (ask.type === "end") {
      if (job !== undefined) this.#end(job);
      return;
    }
    if (job?.pass?.keys == null || !job.told) return this.#refuse(link, id, "it waited too long");
    job.lastMs = this.#replica.monoMs;
    if (ask.type === "symbols") this.#tellSymbols(job, job.pass, ask.from, ask.count);
    else this.#tellStates(job, job.pass, job.pass.keys, ask.names);
  }

  #begin(link: Link, id: number, question: Question): void {
    // What it lacks would look like something it has lost.
    if (!this.#replica.exchange.joining.whole) return this.#refuse(link, id, "it is not whole yet");
    if (this.#jobs.length >= JOBS_MAX) return this.#refuse(link, id, "it is busy");
    const watched: number[] = [];
    if (question.type === "keys")
      for (let i = 0; i < SHARD_SLOTS; i++)
        if (question.slots[i]) watched.push(question.shard * SHARD_SLOTS + i);
    this.#replica.keyspace.changes.watch(watched);
    this.#jobs.push({
      link,
      id,
      question,
      watched,
      pass: null,
      told: false,
      symbols: null,
      lastMs: this.#replica.monoMs,
      lacks: Infinity,
    });
  }

  /** Whether slices are to be made. */
  get busy(): boolean {
    return this.#jobs.some(({ pass }) => pass === null || !pass.done);
  }

  /** Makes one slice, and tells what can be told. */
  work(): void {
    const job = this.#jobs.find(({ pass }) => pass === null || !pass.done);
    if (job !== undefined) {
      const { shard, key, type } = job.question;
      const [count, chosen] = type === "keys" ? [1, job.watched] : [job.question.count, null];
      const known = this.#replica.slotSums.of(key);
      job.pass ??= new ShardPass(this.#replica, shard, count, key, chosen, known);
      job.pass.slice(SLICE_CELLS);
    }
    this.tell();
  }

  /** Tells whatever can be told by now, and lets go of what nobody waits for. */
  tell(): void {
    const { applied, monoMs, exchange } = this.#replica;
    for (const job of [...this.#jobs]) {
      if (!job.told && this.#isNearer(job)) job.lastMs = monoMs;
      const isGone = exchange.links.get(job.link.id) !== job.link;
      if (isGone || monoMs - job.lastMs > STALE_MS) this.#end(job);
      else if (job.pass?.done && !job.told && applied.includes(job.question.vector))
        this.#tell(job, job.pass);
    }
  }

  /** Whether an answer has come nearer: there are keys to be looked at, or more of what the asker had is applied. */
  #isNearer(job: Job): boolean {
    if (!job.pass?.done) return true;
    const before = job.lacks;
    job.lacks = lacking(job.question.vector, this.#replica.applied);
    return job.lacks < before;
  }

  #tell(job: Job, pass: ShardPass): void {
    job.told = true;
    job.lastMs = this.#replica.monoMs;
    if (job.question.type === "keys") return this.#tellKeys(job, pass, job.question.symbols);
    this.#tellSums(job, pass);
    this.#end(job);
  }

  #tellSums(job: Job, pass: ShardPass): void {
    const sink = this.#open(job, "sums");
    const changed = pass.changes();
    job.link.numbering.writeVector(sink, pass.vector);
    sink.varint(changed.length);
    messages.writeBits(sink, changed);
    changed.forEach((is, i) => {
      if (!is)
        messages.writeWords(sink, pass.sums.subarray(i * DIGEST_WORDS, (i + 1) * DIGEST_WORDS));
    });
    this.#send(job.link, sink.copy());
  }

  #tellKeys(job: Job, pass: ShardPass, symbols: number): void {
    const sink = this.#open(job, "keys");
    job.link.numbering.writeVector(sink, pass.vector);
    messages.writeNames(sink, pass.changedNames());
    const items = pass.keys?.words ?? new Int32Array(0);
    const whole = items.length <= symbols * SYMBOL_WORDS;
    sink.u8(Number(whole));
    if (whole) messages.writeItems(sink, items);
    else {
      job.symbols = new SymbolWriter(items, job.question.key);
      messages.writeSymbols(sink, job.symbols.first(symbols));
    }
    this.#send(job.link, sink.copy());
  }

  #tellSymbols(job: Job, pass: ShardPass, from: number, count: number): void {
    // No more are ever needed than a few times the items there are.
    const most = 4 * (pass.keys?.size ?? 0) + 1_024;
    if (job.symbols === null || from + count > most)
      return this.#refuse(job.link, job.id, "it has no such symbols");
    const sink = this.#open(job, "symbols");
    messages.writeNames(sink, pass.changedNames());
    const symbols = job.symbols.first(from + count);
    messages.writeSymbols(
      sink,
      symbols.subarray(from * SYMBOL_WORDS, (from + count) * SYMBOL_WORDS),
    );
    this.#send(job.link, sink.copy());
  }

  #tellStates(job: Job, pass: ShardPass, keys: KeySums, names: readonly string[]): void {
    const sink = this.#open(job, "states");
    const changed = pass.changedNames();
    sink.varint(names.length);
    for (const name of names) {
      const at = keys.find(name);
      if (changed === null || changed.has(name)) messages.writeStatus(sink, name, "changed");
      else if (at < 0) messages.writeStatus(sink, name, "absent");
      else if (sink.length > STATES_BYTES_MAX) messages.writeStatus(sink, name, "yet");
      else this.#tellState(sink, name, keys.db(at), keys.name(at));
    }
    this.#send(job.link, sink.copy());
  }

  #tellState(sink: Sink, name: string, db: number, bytes: Buffer): void {
    const { keyspace } = this.#replica;
    const place = this.#place;
    const entry = this.#entry;
    keyspace.locate(place, db, bytes, 0, bytes.length);
    // It has not changed, so it is there; what is not is damage done since.
    if (place.at < 0) return messages.writeStatus(sink, name, "changed");
    place.table.load(place.at, entry);
    const isLarge = (body: Cells): boolean => body.table.size > CELLS_MAX;
    const isObject = entry.kind === OBJECT && !entry.rests;
    if (isObject && place.table.object(entry).bodies.some(isLarge))
      return messages.writeStatus(sink, name, "large");
    messages.writeStatus(sink, name, "told");
    sink.varint(db);
    sink.bytes(bytes, 0, bytes.length);
    const writer = new KeyStateWriter(sink);
    visitKey(place.table, entry, writer, isLarge);
    writer.end();
  }

  #open(job: Job, type: messages.Tell["type"]): Sink {
    this.#sink.clear();
    messages.beginTell(this.#sink, job.link.numbering, job.id, type);
    return this.#sink;
  }

  #refuse(link: Link, id: number, why: string): void {
    this.#sink.clear();
    messages.beginTell(this.#sink, link.numbering, id, "refused");
    this.#sink.text(why);
    this.#send(link, this.#sink.copy());
  }

  #end(job: Job): void {
    const at = this.#jobs.indexOf(job);
    if (at < 0) return;
    this.#jobs.splice(at, 1);
    this.#replica.keyspace.changes.unwatch(job.watched);
  }
}
