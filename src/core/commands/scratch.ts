/**
 * Scratch: a keyspace beside the data in which a command runs on the value of one strong key, as it would on data.
 *
 * Invariant: between two calls nothing is in it. What ran there has changed nothing but what it returns.
 */
import { Origins } from "../clock/origins.ts";
import { HybridClock } from "../clock/stamp.ts";
import { Vector } from "../clock/vector.ts";
import { HASH, NONE, STRING } from "../crdt/key.ts";
import { Hasher } from "../keyspace/hasher.ts";
import { Keyspace } from "../keyspace/keyspace.ts";
import type { Place } from "../keyspace/place.ts";
import { decodePayload, encodePayload } from "../rdb/payload.ts";
import { Applier } from "../replica/apply.ts";
import { Garbage } from "../replica/garbage.ts";
import { Lineage } from "../replica/lineage.ts";
import { RecordSink } from "../replica/record.ts";
import { Writer } from "../replica/writer.ts";
import type { StrongValue } from "../strong/strong-state.ts";
import type { Args } from "../wire/args.ts";
import { Reply } from "../wire/reply.ts";
import type { CommandEntry } from "./command-table.ts";
import { Run } from "./run.ts";
import { Session } from "./session.ts";
import { readWhole, writeWhole } from "./values.ts";

/** A strong value travels whole with each of its changes. */
const VALUE_MAX_BYTES = 64 * 1024;
const TOO_LARGE = `AASTRONGTYPE a strong key holds at most ${VALUE_MAX_BYTES} bytes: nothing was written`;
const OTHER_TYPE = "AASTRONGTYPE a strong key holds a string or a hash: nothing was written";

/** A command on one strong key, in memory of its own. */
export interface StrongCall {
  readonly entry: CommandEntry;
  readonly args: Args;
  /** The argument that is the key. */
  readonly at: number;
  readonly resp: 2 | 3;
}

export class Scratch {
  readonly #run: Run;
  readonly #clock = new HybridClock();
  readonly #records: RecordSink;
  readonly #garbage: Garbage;
  readonly #reply = new Reply();

  constructor({ settings, node }: Run) {
    const origins = new Origins();
    const me = origins.introduce({ member: "scratch/1", incarnation: "\0\0\0\0\0\0\0\x01" });
    const keyspace = new Keyspace(origins, new Hasher(1, 2));
    this.#garbage = new Garbage(keyspace);
    this.#records = new RecordSink(origins);
    const applier = new Applier(keyspace, this.#garbage);
    const lineage = new Lineage(me);
    const writer = new Writer(applier, this.#clock, new Vector(), this.#records, lineage);
    // What happens here is told to nobody.
    const own = Object.assign(Object.create(settings) as typeof settings, { notifyEvents: 0 });
    this.#run = new Run(keyspace, writer, own, node, 42);
    this.#run.session = new Session(0, "", "", 0, true);
  }

  /** Runs a command on a value at a time; `next` is null when it changed nothing. */
  call(
    { entry, args, at, resp }: StrongCall,
    value: StrongValue,
    nowMs: number,
    wallMs: number,
  ): { reply: Buffer; next: StrongValue | null } {
    const run = this.#run;
    const reply = this.#reply;
    run.nowMs = this.#clock.nowMs(nowMs);
    run.wallMs = wallMs;
    run.write.nowMs = nowMs;
    run.strongVersion = value.version;
    run.session.resp = resp;
    reply.resp = resp;
    reply.sink.clear();
    this.#put(run.look(args, at), value);
    entry.run(run, args, reply);
    let next: StrongValue | null = null;
    if (run.write.commit() > 0) {
      const place = run.look(args, at);
      const problem = problemOf(place);
      next = problem === null ? this.#take(place) : null;
      if (problem !== null || (next?.value?.length ?? 0) > VALUE_MAX_BYTES) {
        next = null;
        reply.sink.clear();
        reply.error(problem ?? TOO_LARGE);
      }
    }
    this.#clear(run.look(args, at));
    return { reply: reply.sink.copy(), next };
  }

  #put(place: Place, { value, deadline }: StrongValue): void {
    if (value === null) return;
    const decoded = decodePayload(value, VALUE_MAX_BYTES * 16);
    if (decoded === null) throw new Error("bug: what was agreed on cannot be read");
    writeWhole(this.#run, place, decoded, deadline);
    this.#run.write.commit();
  }

  #take(place: Place): StrongValue {
    if (place.type === NONE) return { version: 0, value: null, deadline: Infinity };
    const value = readWhole(this.#run, place);
    if (value.type === "document") throw new Error("bug: a document where none can be");
    return { version: 0, value: Buffer.from(encodePayload(value)), deadline: place.deadline };
  }

  #clear(place: Place): void {
    if (place.type !== NONE) this.#run.write.remove(place);
    this.#run.write.commit();
    this.#garbage.collect(() => true, Infinity);
    this.#records.clear();
    this.#run.keyspace.heap.reclaim(Infinity);
  }
}

function problemOf({ type }: Place): string | null {
  return type === NONE || type === STRING || type === HASH ? null : OTHER_TYPE;
}
