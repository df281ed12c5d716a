/**
 * SlowLog: the last commands that took long (SLOWLOG).
 *
 * Invariant: never more than `slowlog-max-len` entries, each of bounded size whatever the command was.
 */
import type { Args } from "../wire/args.ts";
import type { CommandEntry } from "./command-table.ts";
import type { Session } from "./session.ts";
import { shownArg } from "./shown-args.ts";

const ARGS_MAX = 32;
const ARG_MAX_BYTES = 128;

export interface SlowEntry {
  readonly id: number;
  /** Seconds since 1970. */
  readonly seconds: number;
  readonly micros: number;
  readonly args: readonly Buffer[];
  readonly address: string;
  readonly clientName: string;
}

export class SlowLog {
  /** The newest first. */
  readonly entries: SlowEntry[] = [];
  #nextId = 0;

  add(
    entry: CommandEntry,
    args: Args,
    session: Session,
    wallMs: number,
    micros: number,
    maxLength: number,
  ): void {
    this.entries.unshift({
      id: this.#nextId++,
      seconds: Math.floor(wallMs / 1000),
      micros: Math.round(micros),
      args: keptArgs(entry, args),
      address: session.address,
      clientName: session.name,
    });
    if (this.entries.length > maxLength) this.entries.length = maxLength;
  }
}

function keptArgs(entry: CommandEntry, args: Args): Buffer[] {
  const count = args.count > ARGS_MAX ? ARGS_MAX - 1 : args.count;
  const kept = Array.from({ length: count }, (_, i) => keptArg(shownArg(entry, args, i)));
  if (count < args.count) kept.push(Buffer.from(`... (${args.count - count} more arguments)`));
  return kept;
}

function keptArg(arg: Buffer): Buffer {
  if (arg.length <= ARG_MAX_BYTES) return Buffer.from(arg);
  const rest = Buffer.from(`... (${arg.length - ARG_MAX_BYTES} more bytes)`);
  return Buffer.concat([arg.subarray(0, ARG_MAX_BYTES), rest]);
}
