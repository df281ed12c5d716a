/**
 * Identity: who this replica is: its member name and incarnation, kept on disk before anything is written under it.
 *
 * Invariant: an incarnation is continued only by the directory that began it, and only if nothing it wrote can have been lost. A
 * directory that was copied, restored or emptied, and one that stopped uncleanly under `relaxed`, begins a new incarnation:
 * a seq used twice would name two records.
 */
import { z } from "zod";
import { newIncarnation, type Origin } from "../core/clock/origins.ts";
import type { Identity } from "./ports/storage.ts";
import { Damaged } from "./ports/storage.ts";

const NAME = "identity";

const schema = z.strictObject({
  version: z.literal(1),
  member: z.string(),
  /** Sixteen hexadecimal digits. */
  incarnation: z.string().regex(/^[0-9a-f]{16}$/),
  fingerprint: z.string(),
  durability: z.enum(["local", "relaxed"]),
  /** Whether the last stop was in order. */
  clean: z.boolean(),
});

type Saved = z.output<typeof schema>;

export interface Chance {
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** Sixteen random bits. */
  readonly random: number;
}

/** The origin to write under, and why it is a new one (null when the old one goes on, or there was none). */
export interface Chosen {
  readonly origin: Origin;
  readonly renewed: string | null;
  /** What the directory is: this replica's, an empty one, or one that may be older than what the others have heard of it. */
  readonly directory: "own" | "new" | "older";
}

/** Why the saved identity cannot go on; null when it can. */
function reasonToRenew(saved: Saved, fingerprint: string): string | null {
  if (saved.fingerprint !== fingerprint)
    return "the directory was copied, restored or moved since it was last used";
  if (saved.durability === "relaxed" && !saved.clean)
    return "the last stop was unclean and durability was relaxed, so records that peers have may be lost here";
  return null;
}

/** Decides under which origin this start writes. Throws when the directory belongs to another member. */
export async function chooseOrigin(
  identity: Identity,
  member: string,
  chance: Chance,
): Promise<Chosen> {
  const saved = await load(identity);
  const fresh: Origin = {
    member,
    incarnation: newIncarnation(chance.nowMs, chance.random),
  };
  if (saved === null) return { origin: fresh, renewed: null, directory: "new" };
  if (saved.member !== member)
    throw new Error(
      `the data directory belongs to ${saved.member}, this node is ${member}: use another directory, or set region and replica as they were`,
    );
  const fingerprint = await identity.fingerprint();
  const renewed = reasonToRenew(saved, fingerprint);
  const directory = saved.fingerprint === fingerprint ? "own" : "older";
  if (renewed !== null) return { origin: fresh, renewed, directory };
  const incarnation = Buffer.from(saved.incarnation, "hex").latin1Slice();
  return { origin: { member, incarnation }, renewed: null, directory };
}

/** Makes the origin durable before it is used; `clean` at an orderly stop. */
export async function saveOrigin(
  identity: Identity,
  origin: Origin,
  durability: "local" | "relaxed",
  clean: boolean,
): Promise<void> {
  const saved: Saved = {
    version: 1,
    member: origin.member,
    incarnation: Buffer.from(origin.incarnation, "latin1").toString("hex"),
    fingerprint: await identity.fingerprint(),
    durability,
    clean,
  };
  await identity.save(NAME, Buffer.from(JSON.stringify(saved)));
}

/** Makes the directory that of a member whose others may have heard more of it than is here: it starts as another incarnation. */
export async function saveRestored(identity: Identity, origin: Origin): Promise<void> {
  const saved: Saved = {
    version: 1,
    member: origin.member,
    incarnation: Buffer.from(origin.incarnation, "latin1").toString("hex"),
    // That of no directory.
    fingerprint: "restored",
    durability: "local",
    clean: false,
  };
  await identity.save(NAME, Buffer.from(JSON.stringify(saved)));
}

/** The origin under which a directory was last written to; null when it is none of a node's. */
export async function savedOrigin(identity: Identity): Promise<Origin | null> {
  const saved = await load(identity);
  if (saved === null) return null;
  const incarnation = Buffer.from(saved.incarnation, "hex").latin1Slice();
  return { member: saved.member, incarnation };
}

async function load(identity: Identity): Promise<Saved | null> {
  const bytes = await identity.load(NAME);
  if (bytes === null) return null;
  try {
    return schema.parse(JSON.parse(bytes.toString()));
  } catch (cause) {
    throw new Damaged(
      "the identity file is whole but not what this version writes: start the version that wrote it, or restore the directory",
      { cause },
    );
  }
}
