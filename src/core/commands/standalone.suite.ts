/** A replica of its own for tests: commands in, replies out, records committed to memory and nowhere else. */
import { HybridClock } from "../clock/stamp.ts";
import { Origins } from "../clock/origins.ts";
import { Vector } from "../clock/vector.ts";
import type { GenerationKind } from "../crdt/generation.ts";
import { kindsWith } from "../crdt/generation-kinds.ts";
import { Hasher } from "../keyspace/hasher.ts";
import { Keyspace } from "../keyspace/keyspace.ts";
import { Applier } from "../replica/apply.ts";
import { Garbage } from "../replica/garbage.ts";
import { Lineage } from "../replica/lineage.ts";
import { RecordSink } from "../replica/record.ts";
import { Writer } from "../replica/writer.ts";
import { argsOf } from "../wire/args.ts";
import { Reply } from "../wire/reply.ts";
import { execute } from "./dispatch.ts";
import { type NodePort, Run } from "./run.ts";
import { Session } from "./session.ts";
import { defaultSettings, type Settings } from "./settings.ts";

/** A client of a replica of its own; `at` is its clock, moved by the test. */
export class Standalone {
  readonly run: Run;
  readonly clock = new HybridClock();
  readonly records: RecordSink;
  session: Session;
  nowMs = 1_700_000_000_000;
  #ids = 1;

  constructor(
    settings: Partial<Settings> = {},
    node: Partial<NodePort> = {},
    engines: readonly GenerationKind[] = [],
  ) {
    const origins = new Origins();
    const me = origins.introduce({ member: "local/1", incarnation: "\0\0\0\0\0\0\0\x01" });
    const keyspace = new Keyspace(origins, new Hasher(1, 2));
    keyspace.kinds = kindsWith(engines);
    const applier = new Applier(keyspace, new Garbage(keyspace));
    this.records = new RecordSink(origins);
    const lineage = new Lineage(me);
    const writer = new Writer(applier, this.clock, new Vector(), this.records, lineage);
    const port: NodePort = {
      info: () => "# Server\r\nredis_version:7.0.15\r\n",
      closeClient: () => {},
      memory: () => ({ rssBytes: 0, heapBytes: 0 }),
      checkpoint: () => {},
      checkpointMs: () => 1_600_000_000_000,
      shutdown: () => {},
      log: () => {},
      micros: () => 0,
      push: () => {},
      changes: () => {},
      clock: () => null,
      acceptClock: () => null,
      secret: (bytes) => Buffer.alloc(bytes, 0x5a),
      aclFile: null,
      ...node,
    };
    this.run = new Run(keyspace, writer, { ...defaultSettings, ...settings }, port, 42);
    this.session = this.connect();
  }

  connect(): Session {
    const session = new Session(
      this.#ids++,
      "127.0.0.1:50000",
      "127.0.0.1:6379",
      this.nowMs,
      this.run.users.isOpen,
    );
    this.run.sessions.set(session.id, session);
    return session;
  }

  /** Runs one command and returns its reply as it goes over the wire, one byte a character. */
  raw(...words: (string | Buffer)[]): string {
    const reply = new Reply();
    this.run.wallMs = this.nowMs;
    this.run.nowMs = this.clock.nowMs(this.nowMs);
    this.run.monoMs = this.nowMs;
    this.run.write.nowMs = this.nowMs;
    this.run.keyspace.setAccessSeconds(Math.floor(this.nowMs / 1000));
    if (this.run.settings.maxMemoryPolicy !== "noeviction") this.run.keyspace.trackAccess();
    execute(this.run, this.session, argsOf(...words), reply);
    this.run.blocking.serve();
    return reply.sink.view().latin1Slice();
  }
}
