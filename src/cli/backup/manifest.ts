/**
 * Manifest: what a backup consists of, and what it holds.
 *
 *   backups/<id>.json       {"manifest": …, "sha256": …}
 *   pieces/<id>-<number>    zstd of frames (`host/backup/frames.ts`); those of earlier backups of the chain come first
 *
 * Invariant: a manifest is put last, so that all it names was there; what no manifest names is no part of any backup.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { endSchema } from "../../host/backup/frames.ts";
import type { BackupPlace } from "../../host/ports/backup-place.ts";
import { CliError, usage } from "../cli-error.ts";

const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/);

const schema = z.strictObject({
  format: z.literal(1),
  id: z.string(),
  /** Newer ones of a chain need the pieces of those before; null for a full one. */
  follows: z.string().nullable(),
  takenAt: z.iso.datetime(),
  member: z.string(),
  version: z.string(),
  chain: z.string(),
  /** Where its log begins. */
  from: z.int().nonnegative(),
  /** No moment before this can be restored, and none behind `latestMs` is in it. Milliseconds since 1970. */
  earliestMs: z.number(),
  latestMs: z.number(),
  ...endSchema.omit({ earliestMs: true, latestMs: true }).shape,
  /** Of the digests of its slots: the state at the cut. */
  stateSha256: sha256Schema,
  pieces: z.array(z.strictObject({ name: z.string(), bytes: z.int(), sha256: sha256Schema })),
  /** How many of them, at the end, are its own. */
  added: z.int().positive(),
});

export type Manifest = z.output<typeof schema>;
export type Piece = Manifest["pieces"][number];

const FOLDER = "backups/";

export function sha256(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export async function putManifest(place: BackupPlace, manifest: Manifest): Promise<void> {
  const text = `{"manifest":${JSON.stringify(manifest)},"sha256":"${sha256(JSON.stringify(manifest))}"}\n`;
  await place.put(`${FOLDER}${manifest.id}.json`, Buffer.from(text));
}

/** All that are there, oldest first, and what is wrong with those that cannot be read. */
export async function loadManifests(
  place: BackupPlace,
): Promise<{ manifests: Manifest[]; damaged: string[] }> {
  const manifests: Manifest[] = [];
  const damaged: string[] = [];
  for (const name of await place.list(FOLDER)) {
    const found = parse((await place.get(name)) ?? Buffer.alloc(0));
    if (typeof found === "string") damaged.push(`${name} in ${place.name}: ${found}`);
    else if (`${FOLDER}${found.id}.json` !== name)
      damaged.push(`${name} in ${place.name} is the manifest of ${found.id}`);
    else manifests.push(found);
  }
  return { manifests, damaged };
}

function parse(bytes: Buffer): Manifest | string {
  let read: { manifest?: { format?: unknown }; sha256?: unknown };
  try {
    read = JSON.parse(bytes.toString()) as typeof read;
  } catch {
    return "it is cut off or damaged";
  }
  if (read.manifest === undefined || sha256(JSON.stringify(read.manifest)) !== read.sha256)
    return "it does not match its checksum";
  const parsed = schema.safeParse(read.manifest);
  return parsed.success
    ? parsed.data
    : `it has format ${String(read.manifest.format)}, this version reads 1`;
}

/** What of a place is meant: a backup by its id, or the newest of a member, or the oldest that reaches a moment. */
export interface Wanted {
  readonly id: string | undefined;
  readonly member: string | null;
  readonly atMs: number | null;
}

export function chooseManifest(
  place: BackupPlace,
  all: { manifests: readonly Manifest[]; damaged: readonly string[] },
  { id, member, atMs }: Wanted,
): Manifest {
  const { manifests, damaged } = all;
  const [wrong] = damaged.filter((text) => id === undefined || text.includes(id));
  const named = manifests.filter((manifest) => id === undefined || manifest.id === id);
  if (named.length === 0)
    throw new CliError(
      wrong ?? `${place.name} holds ${id === undefined ? "no backup" : `no backup ${id}`}`,
    );
  const own = named.filter((manifest) => manifest.member === member);
  const candidates = own.length > 0 ? own : named;
  const members = new Set(candidates.map((manifest) => manifest.member));
  if (members.size > 1)
    throw usage(
      `${place.name} holds backups of ${[...members].join(", ")}: say which with --backup`,
    );
  const fitting = candidates.filter(
    ({ earliestMs, latestMs }) => atMs === null || (earliestMs <= atMs && atMs <= latestMs),
  );
  const chosen = atMs === null ? fitting.at(-1) : fitting[0];
  // The damaged one may be newer than what is chosen: that is for whoever restores to decide.
  if (wrong !== undefined && id === undefined && atMs === null)
    throw new CliError(`${wrong}. Name another one with --backup: atoll backup list shows them`);
  if (chosen !== undefined) return chosen;
  const reach = candidates.map(
    ({ earliestMs, latestMs }) =>
      `${new Date(earliestMs).toISOString()} to ${new Date(latestMs).toISOString()}`,
  );
  throw new CliError(
    `no backup in ${place.name} reaches that moment; there are ${reach.join(", ")}`,
  );
}
