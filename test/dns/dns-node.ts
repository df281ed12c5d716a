/**
 * DnsNode: a node that serves a signed zone, as its operator would set it up.
 *
 * Invariant: it answers before its owner gets it, and is gone with its files when disposed.
 */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { atoll, RunningCommand } from "../lab/lab-process.ts";
import { freePort } from "../support/free-port.ts";
import { tempDir } from "../support/temp-dir.ts";

export const RECORDS = `
@            IN NS ns1
@            IN NS ns2
ns1          IN A 192.0.2.53
ns2          IN A 198.51.100.53
www          IN CNAME app
far          IN CNAME app.elsewhere.example.
MixedCase    IN MX 10 Mail.Zone.Test.
mail         IN A 192.0.2.25
txt          IN TXT "one; two" three
deep.er.down IN A 192.0.2.9
*.wild       IN A 192.0.2.10
*.wild       IN TXT "wild"
sub          IN NS ns.sub
ns.sub       IN A 192.0.2.11
safe         IN NS ns.sub
safe         IN DS 4711 13 2 0000000000000000000000000000000000000000000000000000000000000001
big          IN TXT ${'"a text of some length, so that many of them do not fit" '.repeat(30)}
`;

export interface DnsNode extends AsyncDisposable {
  readonly port: number;
  readonly dir: string;
  /** Of its HTTP port. */
  readonly url: string;
  /** The DNSKEY of the zone, as its file has it. */
  readonly key: string;
  readonly command: RunningCommand;
}

/** Starts a node of two regions, `eu` and `us`, with the zone `zone.test`. `dns` are more lines of its settings. */
export async function startDnsNode(
  dns: (dir: string) => readonly string[] = () => [],
): Promise<DnsNode> {
  await using stack = new AsyncDisposableStack();
  const { path: dir } = stack.use(tempDir("dns"));
  const keyFile = join(dir, "zone.key");
  await atoll("dns", "keygen", keyFile);
  const { stdout } = await atoll("dns", "ds", keyFile, "zone.test");
  const [resp, http, replication, port] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const file = join(dir, "node.yaml");
  writeFileSync(
    file,
    `region: eu
dir: ${dir}
resp: { port: ${resp} }
http: { port: ${http} }
replication: { port: ${replication} }
traffic:
  zone: zone.test
  records: |
${RECORDS.replaceAll(/^/gm, "    ")}
  dns:
    port: ${port}
    perSecond: 0
    keys: [${keyFile}]
${dns(dir)
  .map((line) => `    ${line}\n`)
  .join("")}
  regions:
    - { name: eu, addresses: [192.0.2.1, "2001:db8::1"] }
    - { name: us, addresses: [198.51.100.1] }
  names:
    - { name: app, policy: failover, regions: [eu, us] }
    - { name: both, policy: failover, regions: [eu, us], limit: 2 }
    - { name: old, policy: failover, regions: [us, eu] }
    - { name: "*.any", policy: failover, regions: [us] }
`,
  );
  const command = new RunningCommand(["serve", "--config", file]);
  stack.defer(async () => {
    command.child.kill("SIGTERM");
    await command.ended;
  });
  await command.until(({ stderr }) => stderr.includes("listens"));
  await listens(port);
  const opened = stack.move();
  const key = stdout.split("\n").find((line) => line.includes("DNSKEY")) ?? "";
  const url = `http://127.0.0.1:${http}`;
  return { port, dir, url, key, command, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

/** Waits until somebody listens on a TCP port. */
export async function listens(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    try {
      await once(socket, "connect");
      return;
    } catch {
      await pause(50);
    } finally {
      socket.destroy();
    }
  }
}
