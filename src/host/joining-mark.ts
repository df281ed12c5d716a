/**
 * JoiningMark: whether this directory holds all that the others count on it to hold, kept beside the identity.
 *
 * Invariant: it says "whole" only of a replica that was whole, and something else from before a new life begins, or a snapshot takes the
 * place of what is there, until it is whole again: a crash in between leaves a replica that knows what it lacks.
 */
import { z } from "zod";
import type { Origins } from "../core/clock/origins.ts";
import { Vector } from "../core/clock/vector.ts";
import { Damaged, type Identity } from "./ports/storage.ts";

const NAME = "joining";

const schema = z.discriminatedUnion("state", [
  z.strictObject({ state: z.literal("whole") }),
  /** Another process lived under this name: what was written here since may bear the names of its records. */
  z.strictObject({ state: z.literal("fenced") }),
  /** What is here was to be restored, and is not whole. */
  z.strictObject({ state: z.literal("restoring") }),
  /** `alone`: it may begin without having heard of anybody. */
  z.strictObject({ state: z.literal("waiting"), alone: z.boolean() }),
  z.strictObject({
    state: z.literal("catching up"),
    until: z.array(
      z.strictObject({
        member: z.string(),
        incarnation: z.string().regex(/^[0-9a-f]{16}$/),
        seq: z.int().positive(),
      }),
    ),
  }),
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
  const seqs = [];
  for (let number = 0; number < origins.count; number++) {
    const seq = until.get(number);
    if (seq === 0) continue;
    const { member, incarnation } = origins.get(number);
    seqs.push({ member, incarnation: Buffer.from(incarnation, "latin1").toString("hex"), seq });
  }
  return { state: "catching up", until: seqs };
}

export function untilOf(
  { until }: Extract<JoiningMark, { state: "catching up" }>,
  origins: Origins,
): Vector {
  const vector = new Vector();
  for (const { member, incarnation, seq } of until)
    vector.raise(
      origins.introduce({ member, incarnation: Buffer.from(incarnation, "hex").latin1Slice() }),
      seq,
    );
  return vector;
}
