/**
 * ZoneKey: the key that signs a zone, from a file.
 *
 * Invariant: what is secret stays in here and in the file, which nobody but its owner may read.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
} from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import type { ZoneKey } from "../../core/routing/dns/dnssec.ts";

/** Throws, naming the file, when it holds no P-256 key. */
export function readZoneKey(file: string): ZoneKey {
  try {
    return zoneKeyOf(readFileSync(file, "utf8"));
  } catch (cause) {
    throw new Error(`cannot read the key of a zone from ${file}: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** Makes a key, and the file it is in: a PEM of PKCS #8. Throws when there is such a file. */
export function writeZoneKey(file: string): void {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pem = privateKey.export({ type: "pkcs8", format: "pem" });
  writeFileSync(file, pem, { mode: 0o600, flag: "wx" });
}

function zoneKeyOf(pem: string): ZoneKey {
  const key = createPrivateKey(pem);
  if (key.asymmetricKeyDetails?.namedCurve !== "prime256v1")
    throw new Error("it is no ECDSA key on P-256 (`atoll dns keygen` makes one)");
  const { x = "", y = "" } = createPublicKey(key).export({ format: "jwk" });
  return {
    point: Buffer.concat([Buffer.from(x, "base64url"), Buffer.from(y, "base64url")]),
    sign: (bytes) => sign("sha256", bytes, { key, dsaEncoding: "ieee-p1363" }),
    digest: (bytes) => createHash("sha256").update(bytes).digest(),
  };
}
