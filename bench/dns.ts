/**
 * Dns: what an answer about the nearest region costs, next to PowerDNS whose LUA records choose it.
 *
 *   dnsperf ─► the DNS server of a node: 200 networks, three regions          dnsperf ─► pdns, geoip, `pickclosest` of the same three
 *
 * Invariant: both choose for the network that each question names (EDNS client subnet), caches of pdns are off (they would hold
 * answers that no two networks share), its Lua states are shared, which is its fast way. Without it and dnsperf nothing is compared, and
 * that is said.
 */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { writeZoneKey } from "../src/adapters/zone-keys/zone-key.ts";
import { type Network, parseNetwork } from "../src/core/routing/dns/address.ts";
import { freePort } from "../test/support/free-port.ts";
import { root } from "../test/support/server.ts";
import { tempDir } from "../test/support/temp-dir.ts";
import { showSpread, spreadOf, table, type Answer, type BenchOptions } from "./answer.ts";
import { NETWORKS, REGIONS } from "./dns-places.ts";
import { mmdb } from "./mmdb.ts";
import { compared, type Comparison, type Proxy, start } from "./compared.ts";
import { DRIVER_CORE, type Driver, type LoadResult, measureBy, SERVER_CORE } from "./load.ts";

const SECONDS = 10;

interface DnsCell extends Comparison {
  questions: string;
}

export async function dns(options: BenchOptions): Promise<Answer<DnsCell>> {
  for (const [program, says] of [
    ["dnsperf", "-h"],
    ["pdns_server", "--version"],
  ] as const)
    if (spawnSync(program, [says]).error !== undefined)
      throw new Error(
        `${program} is not installed, so there is nothing to compare (Debian: dnsperf, pdns-server, pdns-backend-bind, pdns-backend-geoip)`,
      );
  using dir = tempDir("bench-dns");
  const key = join(dir.path, "zone.key");
  writeZoneKey(key);
  const asked = join(dir.path, "questions");
  writeFileSync(asked, questions());
  const cells: DnsCell[] = [];
  for (const [name, keys, words] of [
    ["plain", [], []],
    ["signed", [key], ["-D"]],
  ] as const) {
    await using ours = await startOurs(keys);
    await using theirs = await startPdns(dir.path);
    const run = (server: Proxy, hurried: boolean): Promise<LoadResult> =>
      measureBy(
        server,
        dnsperf(server.port, asked, hurried || options.quick ? 2 : SECONDS, words),
        hurried,
      );
    const cell = { questions: name, ...(await compared(ours, theirs, run, options)) };
    cells.push(cell);
    options.note(`${name}: ${showSpread(cell.cpuRatio)}`);
  }
  return { question: "dns", ratio: spreadOf(cells.map((cell) => cell.cpuRatio.median)), cells };
}

/** Of eleven one is about a name that is not there; the others are about the nearest region. */
function questions(): string {
  const lines = Array.from({ length: 1_100 }, (_, i) =>
    i % 11 === 0 ? `nobody${i}.bench.test A` : "app.bench.test A",
  );
  return `${lines.join("\n")}\n`;
}

function dnsperf(port: number, file: string, seconds: number, words: readonly string[]): Driver {
  const found = (output: string, pattern: RegExp): number => {
    const value = pattern.exec(output)?.[1];
    if (value === undefined) throw new Error(`dnsperf said something else:\n${output}`);
    return Number(value);
  };
  return {
    words: [
      ...["taskset", "-c", String(DRIVER_CORE), "dnsperf", "-s", "127.0.0.1", "-p", String(port)],
      ...["-d", file, "-l", String(seconds), "-c", "10", "-q", "100", "-t", "2"],
      // A client subnet: family 1, 24 bits, 10.7.3.0.
      ...["-e", "-E", "8:000118000a0703", ...words],
    ],
    figures: (output) => ({
      requests: found(output, /Queries completed:\s+(\d+)/),
      perSecond: found(output, /Queries per second:\s+([\d.]+)/),
      // It tells the mean and the longest; neither is shown.
      p50Ms: found(output, /Average Latency \(s\):\s+([\d.]+)/) * 1_000,
      p99Ms: found(output, /max ([\d.]+)\)/) * 1_000,
    }),
  };
}

export function dnsTable({ cells }: Answer<DnsCell>): string {
  return table([
    ["questions", "CPU ratio", "answers/s ratio", "k/s of a core", "CPU µs", "noisy"],
    ...cells.map(({ questions: name, ratio, cpuRatio, sides: [a, b], noisyRuns }) => [
      name,
      showSpread(cpuRatio),
      showSpread(ratio),
      `${Math.round(1_000 / a.cpuMicros)} / ${Math.round(1_000 / b.cpuMicros)}`,
      `${a.cpuMicros} / ${b.cpuMicros}`,
      String(noisyRuns),
    ]),
  ]);
}

async function startOurs(keys: readonly string[]): Promise<Proxy> {
  const program = join(root, "bench", "dns-process.ts");
  const started = start(SERVER_CORE, process.execPath, [program, ...keys]);
  const lines = createInterface({ input: started.child.stdout });
  const [line] = (await once(lines, "line")) as [string];
  return { ...started.proxy, port: Number(line) };
}

async function startPdns(dir: string): Promise<Proxy> {
  const port = await freePort();
  const put = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  const zone = put(
    "bench.zone",
    `$TTL 30
bench.test. IN SOA ns1.bench.test. host.bench.test. 1 3600 900 604800 30
bench.test. IN NS ns1.bench.test.
ns1.bench.test. IN A 192.0.2.53
app.bench.test. IN LUA A "pickclosest({'192.0.2.1','198.51.100.1','203.0.113.1'})"
`,
  );
  const places = [
    ...REGIONS.map((one) => ({ ...one, net: String(one.addresses[0]) })),
    ...NETWORKS,
  ];
  const database = join(dir, "places.mmdb");
  writeFileSync(
    database,
    mmdb(places.map(({ net, ...place }) => ({ ...place, network: parseNetwork(net) as Network }))),
  );
  put(
    "pdns.conf",
    `launch=bind,geoip
bind-config=${put("named.conf", `zone "bench.test" { type master; file "${zone}"; };\n`)}
geoip-database-files=mmdb:${database}
geoip-zones-file=${put("geo.yaml", "domains: []\n")}
enable-lua-records=shared
edns-subnet-processing=yes
local-address=127.0.0.1
local-port=${port}
socket-dir=${dir}
guardian=no
daemon=no
receiver-threads=1
distributor-threads=1
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
loglevel=3
`,
  );
  const { child, proxy } = start(SERVER_CORE, "pdns_server", [`--config-dir=${dir}`]);
  const deadline = 100;
  for (let tries = 0; !answers(port); tries++)
    if (tries === deadline || child.exitCode !== null)
      throw new Error("pdns_server does not answer");
  return { ...proxy, port };
}

/** Asked once a tenth of a second, by the tool that comes with every resolver. */
function answers(port: number): boolean {
  const words = ["@127.0.0.1", "-p", String(port), "+tries=1", "+time=1", "app.bench.test"];
  return spawnSync("dig", words).stdout.toString().includes("NOERROR");
}
