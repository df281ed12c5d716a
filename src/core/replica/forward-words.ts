/**
 * ForwardWords: what travels with a command that another replica runs, and with its answer.
 *
 *   request = text user │ varint db │ u8 RESP │ u8 flags │ u8 read level │ u8 write level │ varint stale + 1, 0 for none │ varint
 *             timeout │ seen │ varint replies to be left out │ commands as a client sends them            all that its session said
 *   answer  = u8 outcome │ seen │ varint seq │ 8 bytes incarnation │ reply         seq: the record it made, 0 for none
 *   seen    = varint n │ n × (8 bytes incarnation │ varint seq)
 *
 * Invariant: both sides are here, one beside the other. Flags: 1 watches something there, 2 ATOMIC, 4 BARRIER. Levels count from 1.
 */
import type { Sink } from "../bytes/sink.ts";
import { Malformed, Source } from "../bytes/source.ts";
import { readDotSeq } from "../clock/vector.ts";
import type { Called, Consistency } from "../commands/consistency.ts";
import type { Run } from "../commands/run.ts";
import { scriptNamed } from "../commands/scripts.ts";
import { seenBy } from "../commands/sessions.ts";
import type { Session } from "../commands/session.ts";
import type { Args } from "../wire/args.ts";
import { LEVELS, type Level } from "./levels.ts";
import type { Named } from "./waits.ts";

const WATCHES = 1;
const ATOMIC = 2;
const BARRIER = 4;
const INCARNATION_BYTES = 8;

/** What came of a request. */
export const Outcome = {
  ANSWERED: 0,
  /** Nothing was done: another replica owns the keys. */
  MOVED: 1,
  /** Whether it was done is not known any more. */
  FORGOTTEN: 2,
} as const;

export interface Request {
  readonly user: string;
  readonly db: number;
  readonly resp: 2 | 3;
  /** The session watches something here. */
  readonly watches: boolean;
  readonly consistency: Consistency;
  readonly seen: readonly Named[];
  /** So many replies, each a line, are not for the client. */
  readonly skips: number;
  readonly commands: Buffer;
}

export interface Answer {
  readonly outcome: (typeof Outcome)[keyof typeof Outcome];
  readonly seen: readonly Named[];
  readonly made: number;
  readonly incarnation: string;
  readonly reply: Buffer;
}

/** The request for a session's command. `taught` are the scripts that are known there from us; those that go along are added. */
export function writeRequest(
  sink: Sink,
  run: Run,
  session: Session,
  called: Called,
  args: Args,
  taught: Set<string>,
): void {
  const { read, write, atomic, barrier, staleMs, timeoutMs } = session.consistency;
  const { queue } = session;
  sink.text(run.users.of(session).name);
  sink.varint(session.db);
  sink.u8(session.resp);
  sink.u8(
    (session.watchedAt === null ? 0 : WATCHES) | (atomic ? ATOMIC : 0) | (barrier ? BARRIER : 0),
  );
  sink.u8(read === null ? 0 : LEVELS.indexOf(read) + 1);
  sink.u8(write === null ? 0 : LEVELS.indexOf(write) + 1);
  sink.varint(staleMs === null ? 0 : Math.floor(staleMs) + 1);
  sink.varint(Math.floor(timeoutMs));
  writeSeen(sink, seenBy(run, session));
  sink.varint(queue === null ? 0 : queue.length + 1);
  if (queue !== null) {
    sink.latin1("*1\r\n$5\r\nMULTI\r\n");
    for (const { entry, args: words } of queue)
      writeCommand(sink, run, { entry, args: words, said: null }, words, taught);
  }
  writeCommand(sink, run, called, args, taught);
}

/** A command as a client sends it; a script goes along where it is not known. */
function writeCommand(
  sink: Sink,
  run: Run,
  { entry, args: inner }: Called,
  args: Args,
  taught: Set<string>,
): void {
  const body = entry.name === "evalsha" ? scriptNamed(run, inner) : null;
  const sha = body === null ? "" : inner.text(1).toLowerCase();
  const teaches = body !== null && !taught.has(sha);
  if (teaches) taught.add(sha);
  const at = args.count - inner.count;
  sink.latin1(`*${args.count}\r\n`);
  for (let i = 0; i < args.count; i++) {
    if (teaches && i === at) sink.latin1("$4\r\nEVAL\r\n");
    else if (teaches && i === at + 1) writeWord(sink, body, 0, body.length);
    else writeWord(sink, args.bytes, args.start[i] as number, args.end[i] as number);
  }
}

function writeWord(sink: Sink, bytes: Buffer, start: number, end: number): void {
  sink.latin1(`$${end - start}\r\n`);
  sink.raw(bytes, start, end);
  sink.latin1("\r\n");
}

/** Throws `Malformed`. */
export function readRequest(body: Buffer): Request {
  const source = new Source(body);
  const user = source.text();
  const db = source.varint();
  const resp = source.u8();
  const flags = source.u8();
  const read = levelAt(source.u8());
  const write = levelAt(source.u8());
  const stale = source.varint();
  const timeoutMs = source.varint();
  const seen = readSeen(source);
  const skips = source.varint();
  if (resp !== 2 && resp !== 3) throw new Malformed(`there is no RESP${resp}`);
  return {
    user,
    db,
    resp,
    watches: (flags & WATCHES) !== 0,
    consistency: {
      read,
      write,
      atomic: (flags & ATOMIC) !== 0,
      barrier: (flags & BARRIER) !== 0,
      staleMs: stale === 0 ? null : stale - 1,
      // Keys that have versions have no owner.
      versioned: false,
      // What is said for one command goes along in its own words.
      once: null,
      timeoutMs,
    },
    seen,
    skips,
    commands: Buffer.from(body.subarray(body.length - source.left)),
  };
}

function levelAt(number: number): Level | null {
  const level = number === 0 ? null : LEVELS[number - 1];
  if (level === undefined) throw new Malformed(`there is no level ${number}`);
  return level;
}

export function writeAnswer(sink: Sink, { outcome, seen, made, incarnation, reply }: Answer): void {
  sink.u8(outcome);
  writeSeen(sink, seen);
  sink.varint(made);
  sink.latin1(incarnation);
  sink.raw(reply, 0, reply.length);
}

/** Throws `Malformed`. */
export function readAnswer(body: Buffer): Answer {
  const source = new Source(body);
  const outcome = source.u8();
  const known = Object.values(Outcome).find((one) => one === outcome);
  if (known === undefined) throw new Malformed(`no answer is of kind ${outcome}`);
  const seen = readSeen(source);
  const made = readDotSeq(source);
  const start = source.skip(INCARNATION_BYTES);
  const incarnation = body.latin1Slice(start, start + INCARNATION_BYTES);
  const reply = Buffer.from(body.subarray(body.length - source.left));
  return { outcome: known, seen, made, incarnation, reply };
}

function writeSeen(sink: Sink, seen: readonly Named[]): void {
  sink.varint(seen.length);
  for (const { incarnation, seq } of seen) {
    sink.latin1(incarnation);
    sink.varint(seq);
  }
}

function readSeen(source: Source): Named[] {
  const seen: Named[] = [];
  for (let left = source.varint(); left > 0; left--) {
    const start = source.skip(INCARNATION_BYTES);
    const incarnation = source.bytes.latin1Slice(start, start + INCARNATION_BYTES);
    seen.push({ incarnation, seq: readDotSeq(source) });
  }
  return seen;
}
