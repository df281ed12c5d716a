import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { OPTION, TYPE } from "../core/routing/dns/constants.ts";
import { type Message, readMessage, writeQuery } from "../core/routing/dns/message.ts";
import { parseName } from "../core/routing/dns/name.ts";
import { DnsService } from "./dns-service.ts";
import { trafficSettings } from "./traffic-config.ts";
import { Traffic } from "./traffic.ts";

const RESOLVER = Buffer.from([192, 0, 2, 200]);
const REGIONS = ["eu", "us", "ap"];
const addressOf = (region: string): string => `10.0.0.${REGIONS.indexOf(region) + 1}`;

interface Net {
  readonly host: number;
  readonly bits: number;
  readonly region: string;
}

/** A server that knows these networks: they and all clients lie in 198.51.100.0/24. */
function serviceOf(networks: readonly Net[]): DnsService {
  const config = trafficSettings.parse({
    zone: "zone.test",
    records: "@ NS ns1",
    dns: { perSecond: 0 },
    regions: REGIONS.map((name) => ({ name, addresses: [addressOf(name)] })),
    names: [{ name: "app" }],
    networks: networks.map(({ host, bits, region }) => ({
      net: `198.51.100.${masked(host, bits)}/${bits}`,
      region,
    })),
  });
  const traffic = new Traffic({
    config,
    region: "eu",
    wallMs: () => 1_700_000_000_000,
    monoMs: () => 0,
    chance: () => 0,
    probe: () => Promise.reject(new Error("nobody is there")),
    lagsMs: () => new Map(),
    clients: () => [],
    homes: () => null,
    tookMs: () => new Map(),
    load: () => 0,
    kept: { read: () => null, write() {} },
    log: { info() {}, warn() {}, error() {} },
  });
  return new DnsService({
    config,
    member: "eu/1",
    steering: traffic,
    keys: [],
    wallMs: () => 1_700_000_000_000,
    secret: (bytes) => Buffer.alloc(bytes, 1),
    notify() {},
  });
}

/** The last byte of an address whose bits behind a prefix are zero. */
function masked(host: number, bits: number): number {
  return host & (0xff00 >> (bits - 24)) & 0xff;
}

/** Asks on behalf of a network of `bits` bits. */
function ask(service: DnsService, host: number, bits: number): { region: string; scope: number } {
  const known = Buffer.from([198, 51, 100, masked(host, bits)]).subarray(0, Math.ceil(bits / 8));
  const option = Buffer.concat([
    Buffer.from([0, OPTION.ECS, 0, 4 + known.length, 0, 1, bits, 0]),
    known,
  ]);
  const head = Buffer.from([0, 0, TYPE.OPT, 0x04, 0xd0, 0, 0, 0, 0, 0, option.length]);
  const name = parseName("app.zone.test.") as Buffer;
  const packet = Buffer.concat([writeQuery(1, name, TYPE.A, 1), head, option]);
  packet[11] = 1;
  const message: Message = readMessage(
    Buffer.from(service.respond(packet, RESOLVER, false) as Buffer),
  );
  const opt = message.additional.find(({ type }) => type === TYPE.OPT)?.data ?? Buffer.alloc(8);
  assert.equal(opt.readUInt16BE(0), OPTION.ECS);
  assert.ok(opt.subarray(8).equals(known));
  const [answer] = message.answers;
  const region = REGIONS.find((one) => addressOf(one) === answer?.data.join("."));
  assert.ok(region !== undefined && message.answers.length === 1);
  return { region, scope: opt[7] as number };
}

/** Where one address belongs: to the region of the longest network that holds it; null where none does. */
function oracle(networks: readonly Net[], host: number): string | null {
  const holding = networks
    .filter(({ host: start, bits }) => masked(start, bits) === masked(host, bits))
    .toSorted((a, b) => b.bits - a.bits);
  // Of two entries about one network the later counts.
  const longest = holding.filter(({ bits }) => bits === holding[0]?.bits);
  return longest.at(-1)?.region ?? null;
}

const hosts = Array.from({ length: 256 }, (_, host) => host);

test("who is told a client's network answers as looking at each of its addresses would, for all that share the scope", () => {
  const anyNet = fc.record({
    host: fc.nat(255),
    bits: fc.integer({ min: 24, max: 32 }),
    region: fc.constantFrom(...REGIONS),
  });
  let asked = 0;
  fc.assert(
    fc.property(fc.array(anyNet, { maxLength: 12 }), (networks) => {
      const service = serviceOf(networks);
      const truth = hosts.map((host) => oracle(networks, host));
      for (let bits = 24; bits <= 32; bits++)
        for (let host = 0; host < 256; host += 2 ** (32 - bits)) {
          const { region, scope } = ask(service, host, bits);
          asked++;
          const inside = hosts.filter((one) => masked(one, bits) === host);
          const found = new Set(inside.map((one) => truth[one]));
          // Where a network is cut in two, or nobody has said anything, it is our own region that was asked.
          const expected = found.size === 1 ? ([...found][0] ?? "eu") : "eu";
          assert.equal(region, expected);
          if (found.size > 1) {
            assert.equal(scope, bits);
            continue;
          }
          const sharing =
            scope < 24 ? hosts : hosts.filter((one) => masked(one, scope) === masked(host, scope));
          for (const one of sharing) assert.equal(truth[one] ?? null, truth[host] ?? null);
          // And it could not be wider.
          if (scope > 24) {
            const wider = hosts.filter((one) => masked(one, scope - 1) === masked(host, scope - 1));
            assert.ok(wider.some((one) => truth[one] !== truth[host]));
          }
        }
    }),
    { numRuns: 40 },
  );
  assert.ok(asked > 20_000);
});
