/** Two regions for tests: commands run in either, and their records are exchanged when the test says so. */
import assert from "node:assert/strict";
import { Origins } from "../clock/origins.ts";
import { HybridClock } from "../clock/stamp.ts";
import { Vector } from "../clock/vector.ts";
import type { GenerationKind } from "../crdt/generation.ts";
import { kindsWith } from "../crdt/generation-kinds.ts";
import type { Policies } from "../crdt/policy.ts";
import { Hasher } from "../keyspace/hasher.ts";
import { OwnerRegions } from "../keyspace/owner-regions.ts";
import { Keyspace } from "../keyspace/keyspace.ts";
import { Applier } from "../replica/apply.ts";
import type { ConflictBounds } from "../replica/conflict-feed.ts";
import { Delivery } from "../replica/delivery.ts";
import { Garbage } from "../replica/garbage.ts";
import { RecordSink } from "../replica/record.ts";
import { Writer } from "../replica/writer.ts";
import { argsOf } from "../wire/args.ts";
import { Reply } from "../wire/reply.ts";
import { execute } from "./dispatch.ts";
import { idlePort } from "./idle-port.ts";
import { LoneRegister } from "./lone-register.suite.ts";
import { Run } from "./run.ts";
import type { ScriptEngine } from "./script-engine.ts";
import { Session } from "./session.ts";
import { defaultSettings, type Settings } from "./settings.ts";

const port = idlePort((bytes) => Buffer.alloc(bytes));

export class Region {
  readonly #delivery: Delivery;
  readonly #records: RecordSink;
  readonly #clock = new HybridClock();
  readonly #run: Run;
  #session: Session;
  #sessions = 0;
  readonly name: string;
  nowMs = 1_700_000_000_000;

  /** `name` is one character. */
  constructor(
    name: string,
    settings: Partial<Settings> = {},
    engines: readonly GenerationKind[] = [],
    scripting: ScriptEngine | null = null,
  ) {
    const origins = new Origins();
    const me = origins.introduce({ member: `${name}/1`, incarnation: `\0\0\0\0\0\0\0${name}` });
    const keyspace = new Keyspace(origins, new Hasher(1, 2));
    keyspace.kinds = kindsWith(engines);
    const applier = new Applier(keyspace, new Garbage(keyspace));
    const applied = new Vector();
    this.#records = new RecordSink(origins);
    this.#delivery = new Delivery(origins, this.#clock, applier, applied, this.#records);
    const lineage = this.#delivery.lineage(me);
    const writer = new Writer(applier, this.#clock, applied, this.#records, lineage);
    this.#run = new Run(keyspace, writer, { ...defaultSettings, ...settings }, port, 42);
    this.#run.scriptEngine = scripting;
    this.#run.register = new LoneRegister(this.#run);
    this.name = name;
    this.#session = this.#connect();
  }

  /** What its commands work on. */
  get run(): Run {
    return this.#run;
  }

  #connect(): Session {
    return new Session(++this.#sessions, "", "", this.nowMs, true);
  }

  /** A client of its own waits with a command. */
  waits(...words: string[]): void {
    const session = this.#session;
    this.#session = this.#connect();
    assert.equal(this.raw(...words), "", "the client waits");
    this.#session = session;
  }

  /** Runs one command; its reply as it goes over the wire. */
  raw(...words: (string | Buffer)[]): string {
    const run = this.#run;
    const reply = new Reply();
    run.wallMs = this.nowMs;
    run.nowMs = this.#clock.nowMs(this.nowMs);
    run.write.nowMs = this.nowMs;
    run.keyspace.setAccessSeconds(Math.floor(this.nowMs / 1000));
    execute(run, this.#session, argsOf(...words), reply);
    return reply.sink.view().latin1Slice();
  }

  /** How its reader resolves conflicts. */
  get policies(): Policies {
    return this.#run.keyspace.policies;
  }

  /** How much of its own losses the region keeps. */
  set bounds(bounds: ConflictBounds) {
    this.#run.conflicts.bounds = bounds;
  }

  /** Tells the region of all regions there are, of one character each. */
  knows(...regions: string[]): void {
    const members = regions.map((region) => `${region}/1`);
    this.#run.homes.owners = new OwnerRegions(members, `${this.name}/1`);
    this.#run.homes.me = `${this.name}/1`;
  }

  /** What clients that waited have been answered since, as it goes over the wire. */
  answers(): string[] {
    const { blocking } = this.#run;
    blocking.serve();
    const { answers } = blocking;
    blocking.answers = [];
    return answers.map(({ bytes }) => bytes.latin1Slice());
  }

  /** Everything written or received since the last time, as it goes to peers. */
  take(): Buffer | null {
    this.#run.conflicts.settle(this.nowMs);
    if (this.#records.empty) return null;
    const block = Buffer.from(this.#records.take());
    this.#records.clear();
    return block;
  }

  receive(block: Buffer | null): void {
    if (block === null) return;
    this.#delivery.nowMs = this.nowMs;
    this.#run.write.nowMs = this.nowMs;
    this.#delivery.receive(1, block, 1, block.length);
  }
}

/** Exchanges what each region has that the other lacks. */
export function exchange(a: Region, b: Region): void {
  const [fromA, fromB] = [a.take(), b.take()];
  b.receive(fromA);
  a.receive(fromB);
  // What was received is offered on, and with it what was seen to be lost.
  const [lostByA, lostByB] = [a.take(), b.take()];
  b.receive(lostByA);
  a.receive(lostByB);
  a.take();
  b.take();
}
