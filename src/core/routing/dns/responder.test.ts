import assert from "node:assert/strict";
import { test } from "node:test";
import { CLASS, OPTION, RCODE, TYPE } from "./constants.ts";
import { Cookies } from "./cookies.ts";
import { type Message, readMessage, writeQuery } from "./message.ts";
import { nameText, parseName, ROOT } from "./name.ts";
import { RateLimit } from "./rate-limit.ts";
import { dataText } from "./record-data.ts";
import { defaultSoa, Responder, type Steered, type Steering } from "./responder.ts";
import { Zone } from "./zone.ts";
import { parseZoneText } from "./zone-text.ts";

const ORIGIN = parseName("lab.") as Buffer;
const CLIENT = Buffer.from([198, 51, 100, 7]);

const RECORDS = `
@         IN NS ns1
          IN NS ns2 ; twice
ns1       60 IN A 192.0.2.53
ns2          IN AAAA 2001:db8::53
www          CNAME app
far          CNAME elsewhere.example.
loop1        CNAME loop2
loop2        CNAME loop1
mail         MX ( 10
                  ns1 )
txt          TXT "one; two" three
deep.er.down A 192.0.2.9
*.wild       A 192.0.2.10
sub          NS ns.sub
ns.sub       A 192.0.2.11
`;

/** Gives everybody one address, of the third byte of who asks. */
const steering: Steering = {
  choose: (rule, type, address, bits): Steered => ({
    sets: type === TYPE.A ? [[Buffer.from([10, 0, address[2] ?? 0, bits])]] : [],
    ttl: 30,
    scopeBits: 24,
    withheld: rule === "closed" ? "nothing may be answered" : null,
    note: rule === "closed" ? { code: 18, text: "residency" } : null,
  }),
  choosable: () => ({ sets: [], limit: 1, ttl: 30 }),
  explain: (rule) => [`rule ${rule}`, "stage health: nobody left"],
};

function newResponder(
  rateLimit: RateLimit | null = null,
  cookies: Cookies | null = null,
): Responder {
  const zone = new Zone(ORIGIN, defaultSoa(ORIGIN, parseName("ns1.lab.") as Buffer, 30));
  const parsed = parseZoneText(RECORDS, ORIGIN, 300);
  assert.ok("records" in parsed, JSON.stringify(parsed));
  for (const record of parsed.records) assert.equal(zone.add(record), null);
  assert.equal(zone.steer(parseName("app.lab.") as Buffer, "app"), null);
  assert.equal(zone.steer(parseName("closed.lab.") as Buffer, "closed"), null);
  return new Responder({
    zones: [{ zone, signatures: null }],
    transfers: null,
    steering,
    identity: "us-east/1",
    cookies,
    rateLimit,
  });
}

interface Asked {
  type?: number;
  class?: number;
  options?: Buffer;
  version?: number;
  flags?: number;
  udpBytes?: number;
}

function packetOf(text: string, asked: Asked = {}): Buffer {
  const packet = writeQuery(
    4711,
    parseName(text) as Buffer,
    asked.type ?? TYPE.A,
    asked.class ?? CLASS.IN,
  );
  if (asked.options === undefined) return packet;
  packet[11] = 1;
  const opt = Buffer.alloc(11);
  opt.writeUInt16BE(TYPE.OPT, 1);
  opt.writeUInt16BE(asked.udpBytes ?? 1232, 3);
  opt[6] = asked.version ?? 0;
  opt.writeUInt16BE(asked.flags ?? 0, 7);
  opt.writeUInt16BE(asked.options.length, 9);
  return Buffer.concat([packet, opt, asked.options]);
}

function ask(responder: Responder, text: string, asked: Asked = {}): Message & { rcode: number } {
  const bytes = responder.respond(packetOf(text, asked), CLIENT, false, 0);
  assert.ok(bytes !== null);
  const message = readMessage(Buffer.from(bytes));
  return { ...message, rcode: message.flags & 0xf };
}

/** What an answer says, one record a line. */
const said = (
  message: Message,
  section: "answers" | "authorities" | "additional" = "answers",
): string[] =>
  message[section]
    .filter(({ type }) => type !== TYPE.OPT)
    .map(({ name, type, data }) => `${nameText(name)} ${dataText(type, data)}`);

/** The data of an option of the answer's OPT. */
function optionOf(message: Message, code: number): Buffer | null {
  const data = message.additional.find(({ type }) => type === TYPE.OPT)?.data ?? ROOT;
  for (let at = 0; at + 4 <= data.length; at += 4 + data.readUInt16BE(at + 2))
    if (data.readUInt16BE(at) === code)
      return data.subarray(at + 4, at + 4 + data.readUInt16BE(at + 2));
  return null;
}

test("a name has the records that its zone gives it, asked for in any case", () => {
  const responder = newResponder();
  const answer = ask(responder, "NS1.lab.");
  assert.deepEqual(said(answer), ["NS1.lab. 192.0.2.53"]);
  assert.equal(answer.flags & 0x0400, 0x0400);
  assert.equal(answer.answers[0]?.ttl, 60);
  assert.deepEqual(said(ask(responder, "txt.lab.", { type: TYPE.TXT })), [
    'txt.lab. "one; two" "three"',
  ]);
  const servers = ask(responder, "lab.", { type: TYPE.NS });
  assert.deepEqual(said(servers), ["lab. ns1.lab.", "lab. ns2.lab."]);
  assert.deepEqual(said(servers, "additional"), ["ns1.lab. 192.0.2.53", "ns2.lab. 2001:db8::53"]);
  assert.deepEqual(said(ask(responder, "mail.lab.", { type: TYPE.MX }), "additional"), [
    "ns1.lab. 192.0.2.53",
  ]);
});

test("an alias is followed within its zone, and round in circles only for a while", () => {
  const responder = newResponder();
  assert.deepEqual(said(ask(responder, "www.lab.")), ["www.lab. app.lab.", "app.lab. 10.0.100.32"]);
  assert.deepEqual(said(ask(responder, "far.lab.")), ["far.lab. elsewhere.example."]);
  assert.ok(ask(responder, "loop1.lab.").answers.length <= 10);
});

test("what is not there is denied by the SOA; what is only above something is there and empty", () => {
  const responder = newResponder();
  const absent = ask(responder, "nobody.lab.");
  assert.equal(absent.rcode, RCODE.NXDOMAIN);
  assert.equal(absent.authorities[0]?.type, TYPE.SOA);
  assert.equal(absent.authorities[0]?.ttl, 30);
  const between = ask(responder, "er.down.lab.");
  assert.equal(between.rcode, RCODE.NOERROR);
  assert.equal(between.authorities[0]?.type, TYPE.SOA);
  assert.equal(ask(responder, "app.lab.", { type: TYPE.AAAA }).authorities[0]?.type, TYPE.SOA);
  assert.equal(ask(responder, "example.").rcode, RCODE.REFUSED);
  assert.equal(ask(responder, "notlab.").rcode, RCODE.REFUSED);
});

test("a wildcard answers for all that is not there beneath it", () => {
  const responder = newResponder();
  assert.deepEqual(said(ask(responder, "a.b.wild.lab.")), ["a.b.wild.lab. 192.0.2.10"]);
  assert.deepEqual(said(ask(responder, "wild.lab.")), []);
  assert.equal(ask(responder, "wild.lab.").rcode, RCODE.NOERROR);
});

test("who asks for what another server knows is sent there", () => {
  const answer = ask(newResponder(), "x.y.sub.lab.");
  assert.equal(answer.flags & 0x0400, 0);
  assert.deepEqual(said(answer, "authorities"), ["sub.lab. ns.sub.lab."]);
  assert.deepEqual(said(answer, "additional"), ["ns.sub.lab. 192.0.2.11"]);
});

test("a rule is asked on behalf of the network that the resolver tells, whose scope goes back", () => {
  const responder = newResponder();
  const subnet = Buffer.from("0008000700011800cb0071", "hex");
  const answer = ask(responder, "app.lab.", { options: subnet });
  assert.deepEqual(said(answer), ["app.lab. 10.0.113.24"]);
  assert.equal(optionOf(answer, OPTION.ECS)?.toString("hex"), "00011818cb0071");
  const fixed = ask(responder, "ns1.lab.", { options: subnet });
  assert.equal(optionOf(fixed, OPTION.ECS)?.[3], 0);
  const nobody = ask(responder, "app.lab.", { options: Buffer.from("0008000400010000", "hex") });
  assert.equal(optionOf(nobody, OPTION.ECS)?.toString("hex"), "00010000");
  for (const bad of [
    "0008000700011900cb0071",
    "0008000700011800cb007101",
    "0008000400090000",
    "0008000700011801cb0071",
    "0008000700011700cb0071",
  ])
    assert.equal(
      ask(responder, "app.lab.", { options: Buffer.from(bad, "hex") }).rcode,
      RCODE.FORMERR,
      bad,
    );
});

test("a rule that may answer nothing answers SERVFAIL and says why", () => {
  const answer = ask(newResponder(), "closed.lab.", { options: Buffer.alloc(0) });
  assert.equal(answer.rcode, RCODE.SERVFAIL);
  assert.equal(optionOf(answer, OPTION.EDE)?.toString("latin1", 2), "residency");
});

test("the server explains a choice, and who it is", () => {
  const responder = newResponder();
  assert.deepEqual(said(ask(responder, "_explain.app.lab.", { type: TYPE.TXT })), [
    '_explain.app.lab. "rule app"',
    '_explain.app.lab. "stage health: nobody left"',
  ]);
  assert.deepEqual(said(ask(responder, "id.server.", { type: TYPE.TXT, class: CLASS.CH })), [
    'id.server. "us-east/1"',
  ]);
  const nsid = ask(responder, "app.lab.", { options: Buffer.from("00030000", "hex") });
  assert.equal(optionOf(nsid, OPTION.NSID)?.toString(), "us-east/1");
});

test("ANY gets the one record that says there is no such thing", () => {
  assert.deepEqual(said(ask(newResponder(), "app.lab.", { type: TYPE.ANY })), [
    'app.lab. "RFC8482" ""',
  ]);
});

test("queries that servers are tested with get the answers that RFC 8906 wants", () => {
  const responder = newResponder();
  assert.equal(ask(responder, "ns1.lab.", { type: 1000 }).rcode, RCODE.NOERROR);
  const version = ask(responder, "lab.", { type: TYPE.SOA, options: Buffer.alloc(0), version: 1 });
  assert.equal(version.rcode, RCODE.NOERROR);
  assert.equal(version.additional[0]?.ttl, 0x0100_0000);
  assert.equal(version.answers.length, 0);
  const unknown = ask(responder, "lab.", {
    type: TYPE.SOA,
    options: Buffer.from("00640000", "hex"),
    flags: 0x8040,
  });
  assert.equal(unknown.answers.length, 1);
  assert.equal(unknown.additional[0]?.ttl, 0x8000);
  assert.equal(unknown.additional[0]?.data.length, 0);
  const opcode = packetOf("lab.");
  opcode[2] = 15 << 3;
  assert.equal((responder.respond(opcode, CLIENT, false, 0)?.[3] ?? 0) & 0xf, RCODE.NOTIMP);
  const bits = packetOf("lab.", { type: TYPE.SOA });
  bits[3] = 0x70;
  const cleared = responder.respond(bits, CLIENT, false, 0) as Buffer;
  assert.equal((cleared[3] as number) & 0x70, 0);
  assert.equal(responder.respond(Buffer.alloc(11), CLIENT, false, 0), null);
  assert.equal(responder.respond(Buffer.from(cleared), CLIENT, false, 0), null);
  const bomb = Buffer.from("00010000ffffffffffffffff", "hex");
  assert.equal((responder.respond(bomb, CLIENT, false, 0)?.[3] ?? 0) & 0xf, RCODE.FORMERR);
  for (const type of [TYPE.AXFR, TYPE.IXFR])
    assert.equal(ask(responder, "lab.", { type }).rcode, RCODE.REFUSED);
});

test("a question whose name goes on in the header is refused, and not sent back", () => {
  const packet = Buffer.from("103d0100000100000000000003777777c00000010001", "hex");
  const message = readMessage(newResponder().respond(packet, CLIENT, true, 0) as Buffer);
  assert.equal(message.flags & 0xf, RCODE.FORMERR);
  assert.equal(message.questions.length, 0);
});

test("a cookie is the one that all servers make of the same secret", () => {
  // The first example of RFC 9018, appendix A.
  const cookies = new Cookies([Buffer.from("e5e973e5a6b2a43f48e7dc849e37bfcf", "hex")]);
  const address = Buffer.from([198, 51, 100, 100]);
  const client = Buffer.from("2464c4abcf10c957", "hex");
  const nowMs = 1_559_731_985_000;
  const server = cookies.issue(client, address, nowMs);
  assert.equal(server.toString("hex"), "010000005cf79f111f8130c3eee29480");
  assert.ok(cookies.isValid({ client, server }, address, nowMs + 3_600_000));
  assert.equal(cookies.isValid({ client, server }, address, nowMs + 3_601_000), false);
  assert.equal(cookies.isValid({ client, server }, CLIENT, nowMs), false);
  const rolled = new Cookies([
    Buffer.alloc(16, 1),
    Buffer.from("e5e973e5a6b2a43f48e7dc849e37bfcf", "hex"),
  ]);
  assert.ok(rolled.isValid({ client, server }, address, nowMs));
});

test("who asks too often is cut short, unless a cookie or a connection shows that he is there", () => {
  const limit = { perSecond: 1, burst: 3, salt: 7 };
  const cookies = new Cookies([Buffer.alloc(16, 9)]);
  const responder = newResponder(new RateLimit(limit), cookies);
  for (let i = 0; i < 3; i++) assert.equal(ask(responder, "app.lab.").answers.length, 1);
  const cut = ask(responder, "app.lab.");
  assert.equal(cut.answers.length, 0);
  assert.equal(cut.flags & 0x0200, 0x0200);
  const packet = packetOf("app.lab.");
  const stream = responder.respond(packet, CLIENT, true, 0) as Buffer;
  assert.equal(readMessage(Buffer.from(stream)).answers.length, 1);
  const client = Buffer.from("000a00080102030405060708", "hex");
  const refused = ask(responder, "app.lab.", { options: client });
  assert.equal(refused.additional[0]?.ttl, 0x0100_0000);
  const server = optionOf(refused, OPTION.COOKIE) as Buffer;
  const known = Buffer.concat([Buffer.from("000a0018", "hex"), server]);
  assert.equal(ask(responder, "app.lab.", { options: known }).answers.length, 1);
  assert.equal(responder.limited, 2);
  const later = responder.respond(packet, CLIENT, false, 1_000) as Buffer;
  assert.equal(readMessage(Buffer.from(later)).answers.length, 1);
});

test("a zone that is not understood is refused line by line", () => {
  const parsed = parseZoneText(
    "a A 1.2.3.4\nb A nowhere\nc BOGUS x\n$INCLUDE f\nd TXT (\n",
    ORIGIN,
    60,
  );
  assert.ok("problems" in parsed);
  assert.deepEqual(
    parsed.problems.map((problem) => problem.split(":")[0]),
    ["line 2", "line 3", "line 4", "line 5"],
  );
  const zone = new Zone(ORIGIN, defaultSoa(ORIGIN, ORIGIN, 30));
  const add = (line: string): string | null => {
    const one = parseZoneText(line, ORIGIN, 60);
    assert.ok("records" in one);
    return one.records[0] === undefined ? null : zone.add(one.records[0]);
  };
  assert.equal(add("x CNAME y"), null);
  assert.match(add("x A 1.2.3.4") ?? "", /alias/);
  assert.match(add("elsewhere. A 1.2.3.4") ?? "", /outside/);
  assert.match(zone.steer(parseName("x.lab.") as Buffer, "r") ?? "", /addresses/);
});
