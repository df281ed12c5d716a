/**
 * Once: a command under an id of the client's is done once, however often it is sent.
 *
 *   AA.ONCE id command ─► known ─► the reply of the first time
 *                         new   ─► runs ─► what it did and, under its id, what it answered: one record
 *
 * Invariant: whoever has applied what the command did knows its id, and the other way round, because both lie in one record. So at the
 * replica that ran it, at the owner of its keys, and wherever its session goes on with a token, it does not run again within its window.
 *
 *   value = u8 RESP │ u8 1 if the reply is too long │ 8 bytes of the command's SHA-1 │ text member │ reply
 *
 * Two replicas that had not heard of one another may each run it: both records meet as conflicting values of one key, and the loser is
 * told of like any other.
 */
import { Source } from "../bytes/source.ts";
import { Sink } from "../bytes/sink.ts";
import { sha1Hex } from "../bytes/sha1.ts";
import { NONE } from "../crdt/key.ts";
import { ONCE_DB } from "../keyspace/keyspace.ts";
import { Place } from "../keyspace/place.ts";
import { Vector } from "../clock/vector.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import { type CommandEntry, WRITES } from "./command-table.ts";
import type { OnceSaid } from "./consistency.ts";
import { ONCE as ONCE_FORMAT } from "../replica/formats.ts";
import { notReadByAll } from "./errors.ts";
import { incomplete } from "./levels.ts";
import type { Run } from "./run.ts";
import type { Session } from "./session.ts";
import { leaveTransaction } from "./transactions.ts";

/** A longer answer is not kept, only that there was one. */
const REPLY_MAX_BYTES = 64 * 1024;
/** Of each word, so much counts when a repetition is compared. */
const COMPARED_BYTES = 1024;

const DIGEST_BYTES = 8;

const NO_ONCE =
  "ERR AA.ONCE takes a command that writes and does not wait for a key: a write, a script, a function, or EXEC";
const STRONG =
  "AAMIXED AA.ONCE does not know strong keys: SET … NX and AA.CAS with a version do there what is to be done once";
const OTHER_COMMAND =
  "AAONCE the id was used for another command: each is for one, and its repetitions are the same words";
const TOO_LONG = `AAONCE it was done; its answer was longer than ${REPLY_MAX_BYTES} bytes and is not kept`;
const OTHER_PROTOCOL = "AAONCE it was done; its answer was given in RESP3: say HELLO 3 to hear it";

export class Once {
  readonly #run: Run;
  readonly #place = new Place();
  readonly #sink = new Sink(256);

  constructor(run: Run) {
    this.#run = run;
  }

  /** Why a command cannot be done under an id, or null; `isStrong` if it names a strong key. */
  objection({ bits, command }: CommandEntry, isStrong: boolean): string | null {
    const isTransaction = command.name === "exec" && this.#run.session.queue !== null;
    const runsOthers = command.group === "scripting" && command.goesHome === true;
    const waits = command.flags.includes("blocking");
    if (!isTransaction && !runsOthers && (waits || (bits & WRITES) === 0)) return NO_ONCE;
    if (!this.#run.allRead(ONCE_FORMAT)) return notReadByAll("AA.ONCE");
    return isStrong ? STRONG : null;
  }

  /** What tells a command, or the transaction that it ends, from others. */
  digest(session: Session, args: Args): Buffer {
    const sink = this.#sink;
    sink.clear();
    sink.varint(session.db);
    for (const queued of session.queue ?? []) writeWords(sink, queued.args);
    writeWords(sink, args);
    return Buffer.from(sha1Hex(sink.view()), "hex").subarray(0, DIGEST_BYTES);
  }

  /** Answers a command that was done before under its id. False: it was not, as far as this replica knows. */
  repeats(said: OnceSaid, digest: Buffer, reply: Reply): boolean {
    const run = this.#run;
    const { session } = run;
    const place = this.#locate(said.id);
    place.look(run.keyspace, run.nowMs);
    // Also that it is not there is something of ours that may not be durable yet.
    run.holdSeq = Math.max(run.holdSeq, run.write.slotSeqs[place.slot] as number);
    if (place.type === NONE) return false;
    const source = new Source(place.value, place.valueStart, place.valueEnd);
    const [resp, isLong] = [source.u8(), source.u8() === 1];
    const at = source.skip(DIGEST_BYTES);
    source.view();
    if (session.queue !== null) leaveTransaction(run, session);
    if (!digest.equals(source.bytes.subarray(at, at + DIGEST_BYTES))) reply.error(OTHER_COMMAND);
    else if (isLong) reply.error(TOO_LONG);
    else if (resp === 3 && session.resp === 2) reply.error(OTHER_PROTOCOL);
    else {
      reply.sink.raw(source.bytes, source.at, source.end);
      this.#await(session);
    }
    return true;
  }

  /** The answer of a repetition says as much as the first one: that what was done is durable at the level. */
  #await({ id, writeLevel, levelTimeoutMs }: Session): void {
    if (writeLevel === "LOCAL_ONE") return;
    const run = this.#run;
    const vector = new Vector(0);
    vector.join(run.waits.applied);
    run.replyWait = run.waits.begin(id, {
      vector,
      at: writeLevel,
      timeoutMs: levelTimeoutMs,
      end: (wait, instead) => {
        if (wait.outcome === "late") instead.error(incomplete(run, wait));
      },
    });
  }

  /** Keeps what was answered, `reply` from `mark` on, in the record of what was done. */
  keep(said: OnceSaid, digest: Buffer, reply: Reply, mark: number, isTransaction: boolean): void {
    const run = this.#run;
    const { buffer, length } = reply.sink;
    const first = buffer[mark];
    // Who was refused, or whose transaction had been overtaken, has done nothing and may try again.
    if (first === ERROR || (isTransaction && isNil(buffer, mark, length))) return;
    const isLong = length - mark > REPLY_MAX_BYTES;
    const sink = this.#sink;
    sink.clear();
    sink.u8(reply.resp);
    sink.u8(isLong ? 1 : 0);
    sink.raw(digest, 0, DIGEST_BYTES);
    // Two regions that did it without having heard of one another differ by this, so one of them is told to have lost.
    sink.text(run.homes.me);
    if (!isLong) sink.raw(buffer, mark, length);
    const place = this.#locate(said.id);
    place.look(run.keyspace, run.nowMs);
    run.write.set(place, Math.floor(run.nowMs + said.windowMs), sink.buffer, 0, sink.length);
  }

  /** Each user's ids are its own. */
  #locate(id: string): Place {
    const { keyspace, users, session } = this.#run;
    const name = Buffer.from(`${users.of(session).name}\0${id}`, "latin1");
    keyspace.locate(this.#place, ONCE_DB, name, 0, name.length);
    return this.#place;
  }
}

const ERROR = 45;

/** Whether a reply is what EXEC answers when what it watched has changed. */
function isNil(bytes: Buffer, start: number, end: number): boolean {
  const text = end - start > 5 ? "" : bytes.latin1Slice(start, end);
  return text === "*-1\r\n" || text === "_\r\n";
}

function writeWords(sink: Sink, args: Args): void {
  sink.varint(args.count);
  for (let i = 0; i < args.count; i++) {
    const [start, end] = [args.start[i] as number, args.end[i] as number];
    sink.varint(end - start);
    sink.raw(args.bytes, start, Math.min(end, start + COMPARED_BYTES));
  }
}
