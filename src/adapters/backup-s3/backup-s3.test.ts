import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { suite } from "../../host/ports/backup-place.suite.ts";
import { backupS3 } from "./backup-s3.ts";

const SECRET = "the store's secret";
const REGION = "eu-test-1";

const sha256 = (bytes: string | Buffer): string => createHash("sha256").update(bytes).digest("hex");
const hmac = (key: string | Buffer, text: string): Buffer =>
  createHmac("sha256", key).update(text).digest();

const encoded = (text: string): string => encodeURIComponent(decodeURIComponent(text));

/** Whether a request bears the signature that its headers, its address and the secret make (Signature Version 4). */
function isSigned({ method, url = "", headers }: IncomingMessage): boolean {
  const [, scope = "", names = "", signature = ""] =
    /Credential=key\/(\S+), SignedHeaders=(\S+), Signature=(\S+)/.exec(
      headers.authorization ?? "",
    ) ?? [];
  const { pathname, searchParams } = new URL(url, "http://x");
  const query = [...searchParams]
    .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
    .toSorted()
    .join("&");
  const canonical = [
    ...[method, pathname.split("/").map(encoded).join("/"), query],
    ...names.split(";").map((name) => `${name}:${String(headers[name]).trim()}`),
    ...["", names, headers["x-amz-content-sha256"]],
  ].join("\n");
  const dated = String(headers["x-amz-date"]);
  const text = ["AWS4-HMAC-SHA256", dated, scope, sha256(canonical)].join("\n");
  const key = scope.split("/").reduce<string | Buffer>(hmac, `AWS4${SECRET}`);
  return hmac(key, text).toString("hex") === signature && scope.includes(`/${REGION}/s3/`);
}

/** A store of one bucket, which lists ten names at a time and fails `failing` requests first. */
async function store() {
  const objects = new Map<string, Buffer>();
  const state = { failing: 0, secret: SECRET };
  const server = createServer((request, response) => {
    const answer = (status: number, body: string | Buffer = ""): void =>
      void response.writeHead(status).end(body);
    void buffer(request).then((body) => {
      if (state.failing > 0) {
        state.failing--;
        return answer(503, "<Error><Code>SlowDown</Code></Error>");
      }
      if (!isSigned(request))
        return answer(
          403,
          "<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error>",
        );
      const { pathname, searchParams } = new URL(request.url ?? "", "http://x");
      const key = decodeURIComponent(pathname.slice("/bucket/".length));
      if (request.method === "PUT") {
        if (sha256(body) !== request.headers["x-amz-content-sha256"]) return answer(400);
        objects.set(key, body);
        return answer(200);
      }
      if (request.method === "DELETE") return answer(objects.delete(key) ? 204 : 404);
      if (key !== "") return answer(objects.has(key) ? 200 : 404, objects.get(key) ?? "");
      const after = searchParams.get("continuation-token") ?? "";
      const prefix = searchParams.get("prefix") ?? "";
      const all = [...objects.keys()].filter((one) => one.startsWith(prefix) && one > after);
      const page = all.toSorted().slice(0, 10);
      const more =
        all.length > 10
          ? `<NextContinuationToken>${page.at(-1)?.replaceAll("&", "&amp;")}</NextContinuationToken>`
          : "";
      const keys = page.map(
        (one) => `<Contents><Key>${one.replaceAll("&", "&amp;")}</Key></Contents>`,
      );
      return answer(200, `<ListBucketResult>${more}${keys.join("")}</ListBucketResult>`);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const place = (secretAccessKey = SECRET) =>
    backupS3({
      ...{ bucket: "bucket", prefix: "a & b/", region: REGION, accessKeyId: "key" },
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      secretAccessKey,
    });
  return {
    ...{ state, objects, place: place(), placeWith: place },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

suite("a store that speaks S3", store);

test("everything lies under the prefix", async () => {
  await using opened = await store();
  await opened.place.put("backups/a.json", Buffer.from("a"));
  assert.deepEqual([...opened.objects.keys()], ["a & b/backups/a.json"]);
});

test("what the store cannot do just now is tried again", async () => {
  await using opened = await store();
  opened.state.failing = 2;
  await opened.place.put("pieces/a", Buffer.from("a"));
  assert.deepEqual(await opened.place.get("pieces/a"), Buffer.from("a"));
});

test("a refusal is an error with what the store said", async () => {
  await using opened = await store();
  await assert.rejects(
    opened.placeWith("another secret").put("pieces/a", Buffer.from("a")),
    /127\.0\.0\.1:\d+ refuses PUT \/bucket\/.*: SignatureDoesNotMatch no/,
  );
});
