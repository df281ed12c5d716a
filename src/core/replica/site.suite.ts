/** Site: one replica of a history with its disk, its checkpoint and what it has said. */
import type { Origin } from "../clock/origins.ts";
import type { CheckpointWriter } from "./checkpoint.ts";
import { Decoder } from "./decoded.suite.ts";
import type { Replica } from "./replica.ts";

export interface Report {
  readonly member: string;
  readonly version: number;
  readonly applied: Map<string, number>;
  readonly durable: Map<string, number>;
  readonly met: readonly Origin[];
  readonly promiseMs: number;
}

export interface Checkpoint {
  readonly sections: readonly Buffer[];
  readonly position: number;
}

/** One replica with its disk. */
export class Site {
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
