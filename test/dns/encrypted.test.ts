/** The DNS over TLS and over HTTPS, asked by kdig, dig and curl. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { writeQuery } from "../../src/core/routing/dns/message.ts";
import { parseName } from "../../src/core/routing/dns/name.ts";
import { dig, kdig } from "../support/dig.ts";
import { freePort } from "../support/free-port.ts";
import { root } from "../support/server.ts";
import { type DnsNode, listens, startDnsNode } from "./dns-node.ts";

const run = promisify(execFile);
const cert = join(root, "testdata", "tls", "cert.pem");
const key = join(root, "testdata", "tls", "key.pem");
let node: DnsNode;
let tls = 0;
let https = 0;

before(async () => {
  tls = await freePort();
  https = await freePort();
  node = await startDnsNode(() => [
    `tls: { port: ${tls}, https: ${https}, cert: "${cert}", key: "${key}" }`,
  ]);
  await listens(https);
});
after(() => node[Symbol.asyncDispose]());

test("kdig is answered over TLS, many times on one connection, in answers whose lengths are alike", async () => {
  const words = ["+tls", "+tls-ca=" + cert, "+tls-hostname=localhost", "+keepopen"];
  const { text, answers } = await kdig(tls, ...words, "+padding=128", "app.zone.test", "+dnssec");
  assert.match(text, /TLS session \(TLS1\.3\)/);
  assert.equal(answers.length, 2);
  assert.match(text, /PADDING: \d+ B/);
  assert.match(text, /Received 468 B/);
  const two = await kdig(tls, ...words, "app.zone.test", "A", "nobody.zone.test", "MX");
  assert.match(two.text, /NOERROR[^]*NXDOMAIN/);
});

test("kdig and dig are answered over HTTPS, by GET and by POST", async () => {
  const over = ["+https", "+tls-ca=" + cert, "+tls-hostname=localhost"];
  for (const how of [[], ["+https-get"]]) {
    const { text, answers } = await kdig(https, ...over, ...how, "app.zone.test");
    assert.match(text, /HTTP session \(HTTP\/2-(POST|GET)\)/);
    assert.deepEqual(answers, ["app.zone.test. 10 IN A 192.0.2.1"]);
  }
  assert.equal((await dig(https, "+https", "nobody.zone.test")).status, "NXDOMAIN");
});

/** What curl is told, and how: status, media type, how long it may be kept. */
async function curl(...words: string[]): Promise<string[]> {
  const shown = "%{http_code} %{content_type} %header{cache-control} %{http_version}";
  const base = ["-s", "-o", join(node.dir, "answer"), "--cacert", cert, "-w", shown];
  const { stdout } = await run("curl", [...base, ...words]);
  return stdout.split(" ");
}

test("an answer over HTTPS may be kept as long as its records, and what is no question gets the status that says so", async () => {
  const url = `https://localhost:${https}/dns-query`;
  const packet = writeQuery(0, parseName("ns1.zone.test.") as Buffer, 1, 1).toString("base64url");
  for (const [version, words] of [
    ["2", ["--http2"]],
    ["1.1", ["--http1.1"]],
  ] as const)
    assert.deepEqual(await curl(...words, `${url}?dns=${packet}`), [
      "200",
      "application/dns-message",
      "max-age=3600",
      version,
    ]);
  const cases: [string, string[]][] = [
    ["404", [`https://localhost:${https}/`]],
    ["400", [url]],
    ["400", [`${url}?dns=AAAA`]],
    ["400", [`${url}?dns=${packet}===`]],
    ["405", ["-X", "PUT", url]],
    ["415", ["-d", "x", url]],
    ["400", ["-d", "x", "-H", "content-type: application/dns-message", url]],
    [
      "413",
      [
        "--data-binary",
        `@${join(root, "package-lock.json")}`,
        "-H",
        "content-type: application/dns-message",
        url,
      ],
    ],
  ];
  for (const [status, words] of cases)
    assert.equal((await curl(...words))[0], status, words.join(" "));
  assert.equal((await curl(`${url}?dns=${packet}`))[0], "200");
});
