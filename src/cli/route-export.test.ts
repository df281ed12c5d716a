import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));
const SETTINGS = `
region: eu
traffic:
  zone: example.com
  records: "@ NS ns1\\nns1 A 192.0.2.53\\n"
  regions:
    - { name: eu, addresses: [192.0.2.1, "2001:db8::1"], probes: ["https://10.0.0.1:8443"], country: IE, continent: EU }
    - { name: us, addresses: [198.51.100.1], probes: ["tcp://10.1.0.1:6379"], country: US, continent: NA }
  names:
    - { name: app, policy: failover, lagMsMax: 5s }
`;

test("what is exported is what the provider's tool reads, and what it cannot do is said apart from it", () => {
  const dir = mkdtempSync(join(tmpdir(), "atoll-export-"));
  try {
    const file = join(dir, "node.yaml");
    writeFileSync(file, SETTINGS);
    const run = (...words: string[]) =>
      spawnSync(process.execPath, [MAIN, "route", "export", ...words], { encoding: "utf8" });
    const terraform = run("terraform", "--config", file);
    assert.equal(terraform.status, 0, terraform.stderr);
    const { resource } = JSON.parse(terraform.stdout) as {
      resource: Record<string, Record<string, unknown>>;
    };
    assert.deepEqual(Object.keys(resource["aws_route53_record"] ?? {}), [
      "app_A_eu",
      "app_A_us",
      "app_AAAA_eu",
    ]);
    assert.deepEqual(resource["aws_route53_health_check"]?.["eu"], {
      ip_address: "192.0.2.1",
      port: 8443,
      type: "HTTPS",
      resource_path: "/health/ready",
      request_interval: 10,
      failure_threshold: 3,
      tags: { Name: "eu" },
    });
    assert.match(terraform.stderr, /5000 ms is named all the same/);
    const cloudflare = run("cloudflare", "--config", file);
    assert.ok(JSON.parse(cloudflare.stdout));
    const octodns = parse(run("octodns", "--config", file).stdout) as { app: { type: string }[] };
    assert.deepEqual(
      octodns.app.map(({ type }) => type),
      ["A", "AAAA"],
    );
    assert.equal(run("bind", "--config", file).status, 2);
    assert.equal(run("terraform", "--config", file, "--aws-region", "eu").status, 2);
    writeFileSync(file, "region: eu\n");
    assert.match(run("terraform", "--config", file).stderr, /nothing to export/);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
