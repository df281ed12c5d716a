import assert from "node:assert/strict";
import { test } from "node:test";
import { answerHeaders, cookieOf, isElsewhere, mayRepeat, requestHeaders } from "./http-words.ts";

const client = { address: "203.0.113.9", protocol: "https" };

test("what may be made twice is made so by its method, or by the key that names it", () => {
  for (const method of ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
    assert.ok(mayRepeat(method, {}), method);
  for (const method of ["POST", "PATCH", "CONNECT", "get"])
    assert.ok(!mayRepeat(method, {}), method);
  assert.ok(mayRepeat("POST", { "idempotency-key": "order-17" }));
});

test("only an answer that says so is looked for elsewhere", () => {
  assert.deepEqual([200, 404, 500, 501, 502, 503, 504, 505].filter(isElsewhere), [502, 503, 504]);
});

test("headers of a connection, and those that it names, go no further", () => {
  const sent = requestHeaders(
    {
      host: "shop.example",
      connection: "Keep-Alive, X-Hop",
      "keep-alive": "timeout=5",
      "x-hop": "1",
      te: "trailers",
      "transfer-encoding": "chunked",
      expect: "100-continue",
      ":authority": "shop.example",
      accept: "text/html",
      absent: undefined,
    },
    client,
  );
  assert.deepEqual(sent, {
    host: "shop.example",
    accept: "text/html",
    "x-forwarded-for": "203.0.113.9",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "shop.example",
    via: "1.1 atoll",
  });
  const answered = answerHeaders(
    { connection: "close", "set-cookie": ["a=1", "b=2"], "content-type": "text/html" },
    "eu-west",
  );
  assert.deepEqual(answered, {
    "set-cookie": ["a=1", "b=2"],
    "content-type": "text/html",
    "atoll-region": "eu-west",
  });
});

test("what proxies before said of the client stays, and the gateway's own word comes last", () => {
  const sent = requestHeaders(
    { "x-forwarded-for": "198.51.100.1, 198.51.100.2", "x-forwarded-proto": "http" },
    client,
  );
  assert.equal(sent["x-forwarded-for"], "198.51.100.1, 198.51.100.2, 203.0.113.9");
  assert.equal(sent["x-forwarded-proto"], "http");
});

test("HTTP/2 names the host elsewhere", () => {
  assert.equal(requestHeaders({ ":authority": "shop.example" }, client)["host"], "shop.example");
});

test("a cookie is found among others, and only by its whole name", () => {
  const headers = { cookie: "xsid=1; sid=a=b; other" };
  assert.equal(cookieOf(headers, "sid"), "a=b");
  assert.equal(cookieOf(headers, "id"), null);
  assert.equal(cookieOf({}, "sid"), null);
});
