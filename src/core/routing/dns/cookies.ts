/**
 * Cookies: how a server knows again who asks over UDP (RFC 7873, in the form of RFC 9018 that servers of several makers share).
 *
 *     u8 1 │ 3 × 0 │ u32 seconds │ SipHash-2-4 of client cookie, these eight bytes and the address
 *
 * Invariant: a cookie is accepted from the address that it was given to, for an hour, whichever server with the same secret gave it. The
 * secret before the present one still counts, so that it can be changed on one server after the other.
 */
import { sipHash } from "../../bytes/sip-hash.ts";
import type { Cookie } from "./edns.ts";

const VERSION = 1;
const AGE_SECONDS_MAX = 3_600;
const AHEAD_SECONDS_MAX = 300;
export const SERVER_COOKIE_BYTES = 16;

export class Cookies {
  /** Of 16 bytes each; the first makes new ones. */
  readonly #secrets: readonly Buffer[];

  constructor(secrets: readonly Buffer[]) {
    this.#secrets = secrets;
  }

  /** Whether one of us gave this cookie to this address not long ago. */
  isValid({ client, server }: Cookie, address: Buffer, nowMs: number): boolean {
    if (server?.length !== SERVER_COOKIE_BYTES || server[0] !== VERSION) return false;
    // Serial arithmetic: the clock of 32 bits goes round.
    const age = (Math.floor(nowMs / 1000) - server.readUInt32BE(4)) | 0;
    if (age > AGE_SECONDS_MAX || age < -AHEAD_SECONDS_MAX) return false;
    const mark = server.readBigUInt64LE(8);
    return this.#secrets.some((secret) => markOf(secret, client, server, address) === mark);
  }

  /** A server cookie for who has this client cookie and address. */
  issue(client: Buffer, address: Buffer, nowMs: number): Buffer {
    const out = Buffer.alloc(SERVER_COOKIE_BYTES);
    out[0] = VERSION;
    out.writeUInt32BE(Math.floor(nowMs / 1000) >>> 0, 4);
    out.writeBigUInt64LE(markOf(this.#secrets[0] as Buffer, client, out, address), 8);
    return out;
  }
}

function markOf(secret: Buffer, client: Buffer, server: Buffer, address: Buffer): bigint {
  return sipHash(secret, Buffer.concat([client, server.subarray(0, 8), address]));
}
