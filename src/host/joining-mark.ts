/**
 * JoiningMark: whether this directory holds all that the others count on it to hold, kept beside the identity.
 *
 * Invariant: it says "whole" only of a replica that was whole, and something else from before a new life begins, or a snapshot takes the
 * place of what is there, until it is whole again: a crash in between leaves a replica that knows what it lacks. And once it is whole, it
 * never begins from less than that snapshot, should its bytes go bad.
 */
import { z } from "zod";
import type { Origins } from "../core/clock/origins.ts";
import { Vector } from "../core/clock/vector.ts";
import { Damaged, type Identity } from "./ports/storage.ts";

const NAME = "joining";
/** A file of its own, which a version before does not miss. */
const SNAPSHOT = "snapshot";

/** Records, by the name of their origin. */
const records = z.array(
  z.strictObject({
    member: z.string(),
    incarnation: z.string().regex(/^[0-9a-f]{16}$/),
    seq: z.int().positive(),
  }),
);

const schema = z.discriminatedUnion("state", [
  z.strictObject({ state: z.literal("whole") }),
  /** Another process lived under this name: what was written here since may bear the names of its records. */
  z.strictObject({ state: z.literal("fenced") }),
  /** What is here was to be restored, and is not whole. */
  z.strictObject({ state: z.literal("restoring") }),
  /**
   * `alone`: it may begin without having heard of anybody. `until`: an earlier life here was to catch up with that, since what it has may
   * show it already.
   */
  z.strictObject({ state: z.literal("waiting"), alone: z.boolean(), until: records.optional() }),
  z.strictObject({ state: z.literal("catching up"), until: records }),
]);

/** What to do about two processes of one name, for the one that has to stop. */
export const FENCED =
  "Stop one of the two. What this one wrote and nobody has yet stays in its directory: move that away, and start with an empty one, as a member of another name or in the other's place";

export type JoiningMark = z.output<typeof schema>;

/** A directory of an older version has none: it is whole. */
export async function loadMark(identity: Identity): Promise<JoiningMark> {
  const bytes = await identity.load(NAME);
  if (bytes === null) return { state: "whole" };
  try {
    return schema.parse(JSON.parse(bytes.toString()));
  } catch (cause) {
    throw new Damaged(
      "the file identity.joining is whole but not what this version writes: start the version that wrote it, or restore the directory",
      { cause },
    );
  }
}

/** Durable when it resolves. */
export function saveMark(identity: Identity, mark: JoiningMark): Promise<void> {
  return identity.save(NAME, Buffer.from(JSON.stringify(mark)));
}

export function markUntil(until: Vector, origins: Origins): JoiningMark {
  return { state: "catching up", until: recordsOf(until, origins) };
}

/** The mark of a new life that knows nobody yet, in what an earlier one left that was to catch up `until` there. */
export function markWaiting(until: Vector, origins: Origins): JoiningMark {
  return { state: "waiting", alone: false, until: recordsOf(until, origins) };
}

function recordsOf(until: Vector, origins: Origins): z.output<typeof records> {
  const named = [];
  for (let number = 0; number < origins.count; number++) {
    const seq = until.get(number);
    if (seq === 0) continue;
    const { member, incarnation } = origins.get(number);
    named.push({ member, incarnation: Buffer.from(incarnation, "latin1").toString("hex"), seq });
  }
  return named;
}

/** What is to be caught up with whatever the others say; null when there is nothing of the kind. */
export function untilOf(mark: JoiningMark, origins: Origins): Vector | null {
  if (!owes(mark)) return null;
  const vector = new Vector();
  for (const { member, incarnation, seq } of mark.until)
    vector.raise(
      origins.introduce({ member, incarnation: Buffer.from(incarnation, "hex").latin1Slice() }),
      seq,
    );
  return vector;
}

/** Whether what is here may show records that it has not. */
export function owes(mark: JoiningMark): mark is JoiningMark & Owing {
  return "until" in mark && mark.until !== undefined;
}

interface Owing {
  readonly until: z.output<typeof records>;
}

const snapshotSchema = z.strictObject({ checkpoint: z.int().positive() });

/**
 * The number of the checkpoint that was another member's snapshot: what it holds is not in the log behind older ones. 0 where all there is
 * came by the log.
 */
export async function loadSnapshot(identity: Identity): Promise<number> {
  const bytes = await identity.load(SNAPSHOT);
  return bytes === null ? 0 : snapshotSchema.parse(JSON.parse(bytes.toString())).checkpoint;
}

/** Durable when it resolves. */
export function saveSnapshot(identity: Identity, checkpoint: number): Promise<void> {
  return identity.save(SNAPSHOT, Buffer.from(JSON.stringify({ checkpoint })));
}
