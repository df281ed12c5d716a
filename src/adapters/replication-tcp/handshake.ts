/**
 * Handshake: both ends of a connection prove that they know the cluster's secret, before either parses anything else.
 *
 *     dialler                                   listener
 *        │ ── preamble: magic, versions, nonce ──► │
 *        │ ◄── preamble: magic, versions, nonce ── │
 *        │ ── proof of the dialler ──────────────► │   wrong: a refusal, then closed
 *        │ ◄── proof of the listener ───────────── │   wrong: closed
 *        │ ◄═════════════ frames ════════════════► │
 *
 * Invariant: every message has a fixed size, so that a stranger's bytes meet no parser and cost no memory; the secret never
 * travels; a proof binds the role, both preambles and the cluster, so that it can be neither replayed, nor reflected, nor
 * used to talk two peers into an older version than both speak.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

/** The protocol versions a side can speak, both ends included. */
export interface Versions {
  readonly min: number;
  readonly max: number;
}

/** What this build speaks. */
export const VERSIONS: Versions = { min: 1, max: 1 };

const MAGIC = Buffer.from("ATLL", "latin1");
const NONCE_BYTES = 32;
const MAC_BYTES = 32;
/** magic │ u16 version min │ u16 version max │ u16 capabilities │ nonce */
export const PREAMBLE_BYTES = MAGIC.length + 6 + NONCE_BYTES;
/** u8 verdict │ proof */
export const PROOF_BYTES = 1 + MAC_BYTES;

/** This side can unpack zstd. */
export const CAPABILITY_ZSTD = 1;

const VERDICT_PROOF = 0;
const VERDICT_SECRET = 1;

export type Role = "dialler" | "listener";

export function newPreamble(versions: Versions, capabilities: number): Buffer {
  const out = Buffer.alloc(PREAMBLE_BYTES);
  MAGIC.copy(out);
  out.writeUInt16BE(versions.min, 4);
  out.writeUInt16BE(versions.max, 6);
  out.writeUInt16BE(capabilities, 8);
  randomBytes(NONCE_BYTES).copy(out, 10);
  return out;
}

/** Why bytes that begin so cannot be a preamble, or null while they can. */
export function strangeness(bytes: Buffer): string | null {
  const known = Math.min(bytes.length, MAGIC.length);
  if (bytes.compare(MAGIC, 0, known, 0, known) === 0) return null;
  return "what answered does not speak the replication protocol of Atoll";
}

/** What the two preambles agree on, or why they cannot. */
export function agree(
  mine: Buffer,
  theirs: Buffer,
): { capabilities: number } | { refused: string } {
  const my = versionsOf(mine);
  const their = versionsOf(theirs);
  if (Math.min(my.max, their.max) < Math.max(my.min, their.min))
    return {
      refused: `protocol versions do not meet: this side speaks ${range(my)}, the peer ${range(their)}; upgrade the older`,
    };
  return { capabilities: mine.readUInt16BE(8) & theirs.readUInt16BE(8) };
}

function versionsOf(preamble: Buffer): Versions {
  return { min: preamble.readUInt16BE(4), max: preamble.readUInt16BE(6) };
}

function range({ min, max }: Versions): string {
  return min === max ? String(min) : `${min} to ${max}`;
}

export interface Cluster {
  readonly secret: string;
  readonly clusterId: string;
}

/** The message by which `role` shows that it knows the secret. */
export function proof(cluster: Cluster, role: Role, dialler: Buffer, listener: Buffer): Buffer {
  return Buffer.concat([Buffer.of(VERDICT_PROOF), mac(cluster, role, dialler, listener)]);
}

function mac(cluster: Cluster, role: Role, dialler: Buffer, listener: Buffer): Buffer {
  return createHmac("sha256", cluster.secret)
    .update(`atoll ${role}\0`)
    .update(dialler)
    .update(listener)
    .update(cluster.clusterId)
    .digest();
}

/** The message by which a side says that the other's proof is wrong. */
export function refusal(): Buffer {
  const out = Buffer.alloc(PROOF_BYTES);
  out[0] = VERDICT_SECRET;
  return out;
}

/** Why the other side, in `role`, has not proven itself; null when it has. */
export function doubt(
  message: Buffer,
  cluster: Cluster,
  role: Role,
  dialler: Buffer,
  listener: Buffer,
): string | null {
  if (message[0] === VERDICT_SECRET)
    return "the peer refused this node's replication secret: give every node of the cluster the same `replication.secret`";
  const expected = mac(cluster, role, dialler, listener);
  if (message[0] === VERDICT_PROOF && timingSafeEqual(message.subarray(1), expected)) return null;
  return "the peer does not know the replication secret: give every node of the cluster the same `replication.secret`";
}
