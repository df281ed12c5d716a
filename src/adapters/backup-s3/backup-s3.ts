/**
 * BackupS3: backups in a bucket of a store that speaks S3, under a prefix.
 *
 * Invariant: an object is written by one PUT with the checksum of its bytes, which the store takes whole or not at all.
 */
import { AwsClient } from "aws4fetch";
import { createHash } from "node:crypto";
import { setTimeout as after } from "node:timers/promises";
import type { BackupPlace } from "../../host/ports/backup-place.ts";

export interface S3Options {
  bucket: string;
  /** Ends with a slash unless it is empty. */
  prefix: string;
  /** Where the store is, such as `https://minio.example.com`; null for Amazon's. */
  endpoint: string | null;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

/** Of what the store could not do just now. */
const ATTEMPTS_MAX = 5;
const RETRY_AFTER_MS = 200;
const TIMEOUT_MS = 120_000;

export function backupS3(options: S3Options): BackupPlace {
  const { bucket, prefix, endpoint, region, accessKeyId, secretAccessKey, sessionToken } = options;
  const client = new AwsClient({
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
    service: "s3",
    region,
    retries: 0,
  });
  // A bucket's own host name needs a certificate of its own, which only Amazon is sure to have.
  const base =
    endpoint === null
      ? `https://${bucket}.s3.${region}.amazonaws.com/`
      : `${endpoint.replace(/\/$/, "")}/${bucket}/`;
  const urlOf = (name: string): string =>
    base + (prefix + name).split("/").map(encodeURIComponent).join("/");

  /** The answer, if it is one of `expected`. What may pass is tried again. */
  const ask = async (
    method: string,
    url: string,
    expected: readonly number[],
    bytes?: Uint8Array,
  ): Promise<Response> => {
    const headers: Record<string, string> =
      bytes === undefined
        ? {}
        : { "x-amz-content-sha256": createHash("sha256").update(bytes).digest("hex") };
    for (let attempt = 1; ; attempt++) {
      const asked = client.fetch(url, {
        method,
        headers,
        signal: AbortSignal.timeout(TIMEOUT_MS),
        ...(bytes === undefined ? {} : { body: Buffer.from(bytes) }),
      });
      let answer: Response;
      try {
        answer = await asked;
      } catch (cause) {
        if (attempt < ATTEMPTS_MAX) {
          await after(RETRY_AFTER_MS * 2 ** attempt);
          continue;
        }
        throw new Error(`${new URL(url).host} cannot be reached`, { cause });
      }
      if (expected.includes(answer.status)) return answer;
      const text = await answer.text();
      const passes = answer.status >= 500 || answer.status === 429;
      if (!passes || attempt === ATTEMPTS_MAX) throw new Error(refusal(method, url, answer, text));
      await after(RETRY_AFTER_MS * 2 ** attempt);
    }
  };

  return {
    name: `s3://${bucket}/${prefix}`,
    async list(under) {
      const names: string[] = [];
      let more: string | null = null;
      do {
        const query = new URLSearchParams({ "list-type": "2", prefix: prefix + under });
        if (more !== null) query.set("continuation-token", more);
        const text = await (await ask("GET", `${base}?${query.toString()}`, [200])).text();
        for (const [, key] of text.matchAll(/<Key>([^<]*)<\/Key>/g))
          names.push(plain(key as string).slice(prefix.length));
        const [, token] =
          /<NextContinuationToken>([^<]*)<\/NextContinuationToken>/.exec(text) ?? [];
        more = token === undefined ? null : plain(token);
      } while (more !== null);
      return names.toSorted();
    },
    async get(name) {
      const answer = await ask("GET", urlOf(name), [200, 404]);
      const bytes = Buffer.from(await answer.arrayBuffer());
      return answer.status === 404 ? null : bytes;
    },
    async put(name, bytes) {
      await (await ask("PUT", urlOf(name), [200], bytes)).arrayBuffer();
    },
    async remove(name) {
      await (await ask("DELETE", urlOf(name), [200, 204, 404])).arrayBuffer();
    },
  };
}

/** What the store says went wrong. */
function refusal(method: string, url: string, { status }: Response, text: string): string {
  const [, code = `status ${status}`] = /<Code>([^<]*)<\/Code>/.exec(text) ?? [];
  const [, message = ""] = /<Message>([^<]*)<\/Message>/.exec(text) ?? [];
  const { host, pathname } = new URL(url);
  return `${host} refuses ${method} ${pathname}: ${code} ${plain(message)}`.trimEnd();
}

/** Without what XML writes otherwise. */
function plain(text: string): string {
  return text
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&apos;", "'")
    .replaceAll("&amp;", "&");
}
