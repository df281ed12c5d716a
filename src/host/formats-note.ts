/**
 * FormatsNote: the newest formats that a directory may hold, kept beside the identity: an older build refuses to start on it, and
 * says what to do, before it meets what it cannot read.
 *
 * Invariant: it is durable before anything of that version is written, and only grows.
 */
import { z } from "zod";
import { READS, READS_FIRST } from "../core/replica/formats.ts";
import { Damaged, type Identity } from "./ports/storage.ts";

const NAME = "formats";

const schema = z.object({ version: z.number().int().positive() });

/** Throws, naming both, when the directory may hold more than this build reads. */
export async function loadFormats(identity: Identity): Promise<number> {
  const bytes = await identity.load(NAME);
  if (bytes === null) return READS_FIRST;
  let version: number;
  try {
    ({ version } = schema.parse(JSON.parse(bytes.toString())));
  } catch (cause) {
    throw new Damaged("the note of which formats the directory holds cannot be read", { cause });
  }
  if (version > READS)
    throw new Error(
      `the data directory holds formats up to version ${version}, this build reads up to ${READS}: start the newer build on it`,
    );
  return version;
}

/** Durable when it resolves. */
export async function saveFormats(identity: Identity, version: number): Promise<void> {
  await identity.save(NAME, Buffer.from(JSON.stringify({ version })));
}
