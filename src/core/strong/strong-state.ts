/**
 * StrongState: what is agreed on about one strong key.
 *
 *   state = varint version │ u48 deadline │ u8 has │ [bytes value] │ varint n │ n × done
 *   done  = text member │ varint life │ varint batch │ varint m │ m × (varint place │ varint version │ bytes reply)
 *
 * Invariant: a batch of changes is in the state with the answers it has given, or has changed nothing. A proposer has one batch of a
 * key under way at a time and never comes back to an earlier one, so the newest of each member is all there is to remember: whoever
 * tries a batch again, knowing nothing of the first attempt, finds it done.
 */
import { Sink } from "../bytes/sink.ts";
import { Source } from "../bytes/source.ts";
import { readCount } from "./ballot.ts";

const NEVER_MS = 2 ** 48 - 1;

/** What a reader sees of a key. */
export interface StrongValue {
  /** How often it has changed: it only grows, over deletions too. */
  readonly version: number;
  /** In Redis' own format (`core/rdb`); null when nothing is there. */
  readonly value: Buffer | null;
  /** Milliseconds since 1970; Infinity for never. */
  readonly deadline: number;
}

/** What a command of a batch has answered. */
export interface DoneReply {
  /** Its place in the batch. */
  readonly place: number;
  readonly version: number;
  readonly reply: Buffer;
}

/** The newest batch of a member, and what the commands of it that changed something have answered. */
export interface Done {
  readonly member: string;
  readonly life: number;
  readonly batch: number;
  readonly replies: readonly DoneReply[];
}

export interface StrongState extends StrongValue {
  readonly done: readonly Done[];
}

/** A key that was never written. */
export const NOTHING: StrongState = { version: 0, value: null, deadline: Infinity, done: [] };

export function writeValue(sink: Sink, { version, value, deadline }: StrongValue): void {
  sink.varint(version);
  sink.u48(Math.min(deadline, NEVER_MS));
  sink.u8(value === null ? 0 : 1);
  if (value !== null) sink.bytes(value, 0, value.length);
}

/** The bytes of a value are a copy. */
export function readValue(source: Source): StrongValue {
  const version = readCount(source);
  const deadline = source.u48();
  const value = source.u8() === 0 ? null : Buffer.from(source.view());
  return { version, value, deadline: deadline === NEVER_MS ? Infinity : deadline };
}

export function encodeState(state: StrongState): Buffer {
  const sink = new Sink(64 + (state.value?.length ?? 0));
  writeValue(sink, state);
  sink.varint(state.done.length);
  for (const { member, life, batch, replies } of state.done) {
    sink.text(member);
    sink.varint(life);
    sink.varint(batch);
    sink.varint(replies.length);
    for (const { place, version, reply } of replies) {
      sink.varint(place);
      sink.varint(version);
      sink.bytes(reply, 0, reply.length);
    }
  }
  return sink.copy();
}

/** Throws `Malformed`. */
export function decodeState(bytes: Buffer): StrongState {
  const source = new Source(bytes);
  const value = readValue(source);
  const done: Done[] = [];
  for (let left = source.varint(); left > 0; left--) {
    const [member, life, batch] = [source.text(), source.varint(), source.varint()];
    const replies: DoneReply[] = [];
    for (let more = source.varint(); more > 0; more--)
      replies.push({
        place: source.varint(),
        version: source.varint(),
        reply: Buffer.from(source.view()),
      });
    done.push({ member, life, batch, replies });
  }
  return { ...value, done };
}
