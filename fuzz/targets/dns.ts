/**
 * DNS: a packet that somebody sends to the DNS server, through the production path: query, zone, rule, response.
 *
 *   input = u8 how it came (even: UDP, odd: TCP) │ the packet
 *
 * Invariant: a packet is answered with nothing, or with a message that is well-formed, no longer than it may be, of the same id, with the
 * question that was asked; and read as an answer it is a message or `Malformed`.
 */
import { Malformed } from "../../src/core/bytes/source.ts";
import { FLAG, RCODE, TYPE } from "../../src/core/routing/dns/constants.ts";
import { Cookies } from "../../src/core/routing/dns/cookies.ts";
import { readMessage } from "../../src/core/routing/dns/message.ts";
import { parseName } from "../../src/core/routing/dns/name.ts";
import { RateLimit } from "../../src/core/routing/dns/rate-limit.ts";
import { dataText } from "../../src/core/routing/dns/record-data.ts";
import { defaultSoa, Responder, UDP_BYTES_MAX } from "../../src/core/routing/dns/responder.ts";
import type { ZoneKey } from "../../src/core/routing/dns/dnssec.ts";
import { Zone } from "../../src/core/routing/dns/zone.ts";
import { type Choosable, ZoneSignatures } from "../../src/core/routing/dns/zone-signatures.ts";
import { parseZoneText } from "../../src/core/routing/dns/zone-text.ts";
import type { Chance } from "../../sim/world/chance.ts";
import type { Target } from "../engine.ts";
import { must } from "../must.ts";

const NAMES = [
  ..."lab. app.lab. www.lab. txt.lab. a.wild.lab. x.sub.lab. nobody.lab. closed.lab. loop.lab.".split(
    " ",
  ),
  ..."_explain.app.lab. id.server. version.bind. . example. er.down.lab. mail.lab. big.lab.".split(
    " ",
  ),
];
const ZONE = `
@ NS ns1
ns1 A 192.0.2.53
www CNAME app
loop CNAME pool
pool CNAME loop
mail MX 10 ns1
txt TXT one "two words"
deep.er.down A 192.0.2.9
*.wild A 192.0.2.10
sub NS ns.sub
ns.sub A 192.0.2.11
big TXT ${'"a text of some length, so that many of them do not fit" '.repeat(40)}
`;
const TYPES = [...Object.values(TYPE), 0, 249, 1000, 65_535];
const ADDRESS = Buffer.from([10, 0, 0, 1]);
/** Signs by a constant: what a signature says is not what is fed here. */
const KEY: ZoneKey = {
  point: Buffer.alloc(64, 1),
  sign: () => Buffer.alloc(64, 2),
  digest: () => Buffer.alloc(32, 3),
};
const CLIENT = Buffer.from([127, 0, 0, 1]);
const UDP_BYTES_WITHOUT_EDNS = 512;

export class DnsTarget implements Target {
  readonly name = "dns";
  readonly renewEvery = 1_000;
  #responder = newResponder();

  renew(): void {
    this.#responder = newResponder();
  }

  make(chance: Chance): Buffer {
    const head = Buffer.alloc(12);
    head.writeUInt16BE(chance.below(65_536), 0);
    head.writeUInt16BE(chance.is(0.8) ? 0x0100 : chance.below(65_536), 2);
    head.writeUInt16BE(1, 4);
    const name = parseName(chance.pick(NAMES)) ?? Buffer.alloc(1);
    if (chance.is(0.3)) name[1] = (name[1] ?? 0) ^ 0x20;
    const tail = Buffer.alloc(4);
    tail.writeUInt16BE(chance.pick(TYPES), 0);
    tail.writeUInt16BE(chance.is(0.9) ? 1 : chance.pick([3, 255, 0]), 2);
    const parts = [Buffer.of(chance.below(256)), head, name, tail];
    if (chance.is(0.7)) {
      head.writeUInt16BE(1, 10);
      parts.push(opt(chance));
    }
    return Buffer.concat(parts);
  }

  take(input: Buffer): void {
    if (input.length === 0) return;
    const packet = input.subarray(1);
    const isStream = ((input[0] as number) & 1) === 1;
    const found = this.#responder.respond(packet, CLIENT, isStream, 0);
    readAny(packet);
    if (found === null) return;
    const answer = Buffer.from(found);
    const message = readMessage(answer);
    must(packet.length >= 12, "what is no query is answered");
    must(message.id === packet.readUInt16BE(0), "an answer is to another query");
    must((message.flags & FLAG.QR) !== 0, "an answer does not say that it is one");
    must((message.flags & 0x7800) === (packet.readUInt16BE(2) & 0x7800), "an opcode changes");
    const hasOpt = message.additional.some(({ type }) => type === TYPE.OPT);
    must(
      isStream || answer.length <= (hasOpt ? UDP_BYTES_MAX : UDP_BYTES_WITHOUT_EDNS),
      "an answer is longer than it may be",
    );
    const [question] = message.questions;
    if (question !== undefined)
      must(
        packet.subarray(12, 12 + question.name.length).equals(question.name),
        "a question comes back changed",
      );
    const rcode = message.flags & 0xf;
    must(
      rcode !== RCODE.NOERROR || question !== undefined || hasOpt,
      "what has no question is answered well",
    );
  }
}

/** The same bytes as an answer that a probe is given. */
function readAny(packet: Buffer): void {
  try {
    const { answers, authorities, additional } = readMessage(packet);
    for (const { type, data } of [...answers, ...authorities, ...additional]) dataText(type, data);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
  }
}

function opt(chance: Chance): Buffer {
  const options: Buffer[] = [];
  while (chance.is(0.6)) {
    const length = chance.pick([0, 2, 4, 7, 8, 16, 24, 40]);
    const option = Buffer.alloc(4 + length, chance.below(256));
    option.writeUInt16BE(chance.pick([3, 8, 10, 11, 15, 12, 999]), 0);
    option.writeUInt16BE(length, 2);
    options.push(chance.is(0.4) ? Buffer.from("0008000700011800cb0071", "hex") : option);
  }
  const head = Buffer.alloc(11);
  head.writeUInt16BE(TYPE.OPT, 1);
  head.writeUInt16BE(chance.pick([0, 512, 1232, 4096, 65_535]), 3);
  head[6] = chance.is(0.9) ? 0 : chance.below(256);
  head.writeUInt16BE(chance.is(0.5) ? 0x8000 : 0, 7);
  const data = Buffer.concat(options);
  head.writeUInt16BE(data.length, 9);
  return Buffer.concat([head, data]);
}

function newResponder(): Responder {
  const origin = parseName("lab.") as Buffer;
  const zone = new Zone(origin, defaultSoa(origin, parseName("ns1.lab.") as Buffer, 30));
  const parsed = parseZoneText(ZONE, origin, 300);
  must("records" in parsed, "the zone is not understood");
  for (const record of parsed.records) must(zone.add(record) === null, "the zone is not whole");
  for (const rule of ["app", "closed"])
    must(zone.steer(parseName(`${rule}.lab.`) as Buffer, rule) === null, "the zone is not whole");
  const choosable = (_rule: string, type: number): Choosable => ({
    sets: type === TYPE.A ? [[ADDRESS]] : [],
    limit: 1,
    ttl: 5,
  });
  const signatures = new ZoneSignatures(zone, {
    keys: [KEY],
    validitySeconds: 3_600,
    choosable,
    nowMs: 0,
  });
  return new Responder({
    zones: [{ zone, signatures }],
    transfers: null,
    identity: "fuzz",
    cookies: new Cookies([Buffer.alloc(16, 1)]),
    // Half of a thousand inputs are answered, the others cut.
    rateLimit: new RateLimit({ perSecond: 1, burst: 250, salt: 1 }),
    steering: {
      choose: (rule, type) => ({
        sets: type === TYPE.A ? [[ADDRESS]] : [],
        ttl: 5,
        scopeBits: 20,
        withheld: rule === "closed" ? "closed" : null,
        note: rule === "closed" ? { code: 18, text: "closed" } : null,
      }),
      choosable,
      explain: () => ["because"],
    },
  });
}
