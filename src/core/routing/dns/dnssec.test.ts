import assert from "node:assert/strict";
import { createHash, createPublicKey, generateKeyPairSync, sign, verify } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { CLASS, RCODE, TYPE } from "./constants.ts";
import { delegationData, nameOrder, nsecData, signSet, type ZoneKey } from "./dnssec.ts";
import { type Message, readMessage, writeQuery } from "./message.ts";
import type { ResourceRecord } from "./message-writer.ts";
import { nameKey, nameText, parentAt, parseName } from "./name.ts";
import { parseData } from "./record-data.ts";
import { defaultSoa, Responder, type Steering } from "./responder.ts";
import { Zone } from "./zone.ts";
import { type Choosable, ZoneSignatures } from "./zone-signatures.ts";
import { parseZoneText } from "./zone-text.ts";

const ORIGIN = parseName("lab.") as Buffer;
const HOUR_MS = 3_600_000;
const START_MS = 1_700_000_000_000;

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const { x = "", y = "" } = publicKey.export({ format: "jwk" });

/** A key that counts how often it signs. */
class CountingKey implements ZoneKey {
  readonly point = Buffer.concat([Buffer.from(x, "base64url"), Buffer.from(y, "base64url")]);
  signed = 0;
  sign(bytes: Buffer): Buffer {
    this.signed++;
    return sign("sha256", bytes, { key: privateKey, dsaEncoding: "ieee-p1363" });
  }
  digest = (bytes: Buffer): Buffer => createHash("sha256").update(bytes).digest();
}

/** A key of which only the public half is known; what it is asked to sign is kept. */
class PublicKey implements ZoneKey {
  readonly point: Buffer;
  bytes: Buffer = Buffer.alloc(0);
  constructor(text: string) {
    this.point = Buffer.from(text, "base64");
  }
  sign(bytes: Buffer): Buffer {
    this.bytes = bytes;
    return Buffer.alloc(64);
  }
  digest = (bytes: Buffer): Buffer => createHash("sha256").update(bytes).digest();
}

test("the key and the signature that RFC 6605 shows are understood as it shows them", () => {
  const key = new PublicKey(
    "GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==",
  );
  const origin = parseName("example.net.") as Buffer;
  assert.equal(
    delegationData(origin, key).toString("hex"),
    "d9600d02b4c8c1fe2e7477127b27115656ad6256f424625bf5c1e2770ce6d6e37df61d17",
  );
  const name = parseName("www.example.net.") as Buffer;
  const data = Buffer.from([192, 0, 2, 1]);
  signSet([{ name, type: TYPE.A, class: CLASS.IN, ttl: 3600, data }], origin, key, {
    from: Date.UTC(2010, 7, 12, 10, 4, 39) / 1000,
    until: Date.UTC(2010, 8, 9, 10, 4, 39) / 1000,
  });
  const signature = Buffer.from(
    "qx6wLYqmh+l9oCKTN6qIc+bw6ya+KJ8oMz0YP107epXAyGmt+3SNruPFKG7tZoLBLlUzGGus7ZwmwWep666VCw==",
    "base64",
  );
  assert.ok(verifies(key.point, key.bytes, signature));
  assert.ok(!verifies(key.point, Buffer.concat([key.bytes, Buffer.of(0)]), signature));
});

test("names are in the order that RFC 4034 shows", () => {
  const names = [
    ..."example. a.example. yljkjljk.a.example. Z.a.example. zABC.a.EXAMPLE. z.example.".split(" "),
    ..."\\001.z.example. *.z.example. \\200.z.example.".split(" "),
  ];
  const orders = names.map((name) => nameOrder(nameKey(parseName(name) as Buffer)));
  assert.deepEqual(orders.toSorted(), orders);
  assert.equal(new Set(orders).size, names.length);
});

test("types are listed as RFC 4034 shows", () => {
  const next = parseName("host.example.com.") as Buffer;
  assert.equal(
    nsecData(next, [1234, TYPE.NSEC, TYPE.RRSIG, TYPE.A, TYPE.MX]).toString("hex"),
    `04686f7374076578616d706c6503636f6d000006400100000003041b${"00".repeat(26)}20`,
  );
  assert.ok(parseData(TYPE.DNSKEY, ["257", "3", "13", "AAAA", "BBBB"], next) !== null);
});

const EU = Buffer.from([192, 0, 2, 1]);
const US = Buffer.from([198, 51, 100, 1]);
const EU6 = Buffer.alloc(16, 0x20);

/** Chooses as it is told. */
class Choice implements Steering {
  sets: Buffer[][] = [[EU]];
  all: Choosable = { sets: [[EU], [US]], limit: 2, ttl: 30 };
  choose = (_rule: string, type: number): ReturnType<Steering["choose"]> => ({
    sets: this.sets.filter(([first]) => first?.length === (type === TYPE.A ? 4 : 16)),
    ttl: 5,
    scopeBits: 0,
    withheld: null,
    note: null,
  });
  choosable = (_rule: string, type: number): Choosable =>
    type === TYPE.A ? this.all : { ...this.all, sets: [[EU6]] };
  explain = (): readonly string[] => [];
}

function served(
  records: string,
  names: readonly string[] = [],
  choice = new Choice(),
): { responder: Responder; signatures: ZoneSignatures; key: CountingKey } {
  const zone = new Zone(ORIGIN, defaultSoa(ORIGIN, parseName("ns1.lab.") as Buffer, 30));
  const parsed = parseZoneText(records, ORIGIN, 300);
  assert.ok("records" in parsed, JSON.stringify(parsed));
  for (const record of parsed.records) zone.add(record);
  for (const name of names) assert.equal(zone.steer(parseName(name, ORIGIN) as Buffer, name), null);
  const key = new CountingKey();
  const signatures = new ZoneSignatures(zone, {
    keys: [key],
    validitySeconds: 72 * 3600,
    choosable: choice.choosable,
    nowMs: START_MS,
  });
  const responder = new Responder({
    zones: [{ zone, signatures }],
    transfers: null,
    steering: choice,
    identity: "",
    cookies: null,
    rateLimit: null,
  });
  return { responder, signatures, key };
}

/** Asks with the bit that asks for signatures. */
function ask(responder: Responder, name: Buffer, type: number, nowMs = START_MS): Message {
  const packet = Buffer.concat([writeQuery(7, name, type, CLASS.IN), Buffer.alloc(11)]);
  packet[11] = 1;
  packet.writeUInt16BE(TYPE.OPT, packet.length - 10);
  packet.writeUInt16BE(1232, packet.length - 8);
  packet.writeUInt16BE(0x8000, packet.length - 4);
  const answer = responder.respond(packet, Buffer.from([127, 0, 0, 1]), true, nowMs);
  return readMessage(Buffer.from(answer as Buffer));
}

const addresses = ({ answers }: Message): string[] =>
  answers.filter(({ type }) => type === TYPE.A).map(({ data }) => data.join("."));

test("a choice is answered with the signature that it was given before anybody asked", () => {
  const choice = new Choice();
  const { responder, key } = served("@ NS ns1", ["app"], choice);
  const before = key.signed;
  const app = parseName("app.lab.") as Buffer;
  for (const sets of [[[EU]], [[US]], [[US], [EU]], [[EU], [US]], [[EU], [EU]]]) {
    choice.sets = sets;
    const answer = ask(responder, app, TYPE.A);
    assert.equal(addresses(answer).length, new Set(sets.flat()).size);
    judge(answer);
  }
  // A region without such an address is no proof that the other has none, but what was chosen has none.
  choice.sets = [[US]];
  const none = ask(responder, app, TYPE.AAAA);
  assert.ok(!types(none, app).has(TYPE.AAAA) && types(none, app).has(TYPE.A));
  judge(none);
  assert.equal(key.signed, before);
});

test("of choices that were not foreseen so many a second are signed, the others are cut to the first region", () => {
  const choice = new Choice();
  const regions = Array.from({ length: 40 }, (_, i) => [Buffer.from([10, 0, 0, i])]);
  choice.all = { sets: regions, limit: 4, ttl: 30 };
  const { responder, key, signatures } = served("@ NS ns1", ["app"], choice);
  const before = key.signed;
  const app = parseName("app.lab.") as Buffer;
  let whole = 0;
  for (let i = 0; i < 3_000; i++) {
    choice.sets = [i, i / 40, i * 7 + 2, i / 75]
      .map(Math.floor)
      .map((at) => regions[at % 40] as Buffer[]);
    const answer = ask(responder, app, TYPE.A);
    assert.equal(addresses(answer)[0], choice.sets[0]?.[0]?.join("."));
    if (addresses(answer).length > 1) whole++;
    if (i % 100 === 0) judge(answer);
  }
  assert.equal(key.signed - before, 100);
  assert.ok(whole >= 100);
  // They go when they are due; what is always there is signed again.
  const { size } = signatures;
  for (let tick = 0; tick < 100; tick++) signatures.renew(START_MS + 40 * HOUR_MS);
  assert.equal(signatures.size, size - 100);
});

test("a signature is renewed long before it ends, a few at a time", () => {
  const records = Array.from({ length: 200 }, (_, i) => `n${i} A 10.0.0.${i}`).join("\n");
  const { responder, signatures, key } = served(records);
  for (let hour = 0; hour < 24 * 10; hour++) {
    const nowMs = START_MS + hour * HOUR_MS;
    for (let tick = 0; tick < 20; tick++) {
      const before = key.signed;
      signatures.renew(nowMs);
      assert.ok(key.signed - before <= 32);
    }
    const answer = ask(responder, parseName(`n${hour % 200}.lab.`) as Buffer, TYPE.A);
    const signature = answer.answers.find(({ type }) => type === TYPE.RRSIG)?.data as Buffer;
    assert.ok(signature.readUInt32BE(8) - nowMs / 1000 >= 35 * 3600);
    assert.ok(signature.readUInt32BE(12) <= nowMs / 1000);
  }
});

test("a proof about a choice takes the place of one about the same name", () => {
  const choice = new Choice();
  choice.sets = [[US]];
  const { responder } = served("*.b CNAME app.b", ["app.b"], choice);
  judge(ask(responder, parseName("q.b.lab.") as Buffer, TYPE.AAAA));
});

/** Names of few labels, so that they meet. */
const label = fc.constantFrom("a", "b", "B", "aa", "*", "\\000", "\\255", "sub");
const anyName = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join("."));

test("whatever is in a zone, every answer is signed and every absence proved, as a validator would have it", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(anyName, fc.constantFrom("A 10.0.0.1", "TXT t", "CNAME a.b", "NS ns")), {
        maxLength: 12,
      }),
      fc.array(anyName, { maxLength: 2 }),
      fc.array(fc.tuple(anyName, fc.constantFrom(1, 2, 16, 28, 43, 47, 255, 46)), {
        minLength: 20,
      }),
      (records, steered, questions) => {
        const zone = records.map(([name, data]) => `${name} ${data}`).join("\n");
        const rules = steered.filter(
          (name) => !records.some(([other]) => other.toLowerCase() === name.toLowerCase()),
        );
        const { responder, key } = served(zone, [...new Set(rules)]);
        const before = key.signed;
        for (const [name, type] of questions)
          judge(ask(responder, parseName(name, ORIGIN) as Buffer, type));
        assert.equal(key.signed, before);
      },
    ),
    { numRuns: 60 },
  );
});

/** A validator, simple and slow: every set is signed, and what is missing is proved to be. */
function judge(message: Message): void {
  const { answers, authorities, questions } = message;
  const question = questions[0] as { name: Buffer; type: number };
  const cuts = authorities.filter(({ type }) => type === TYPE.NS);
  for (const section of [answers, authorities])
    for (const set of setsOf(section)) {
      const { name, type } = set[0] as ResourceRecord;
      if (type === TYPE.RRSIG || cuts.includes(set[0] as ResourceRecord)) continue;
      const found = section.find(
        (one) =>
          one.type === TYPE.RRSIG &&
          one.data.readUInt16BE(0) === type &&
          nameKey(one.name) === nameKey(name),
      );
      assert.ok(found !== undefined, `${nameText(name)} ${type} is not signed`);
      assert.ok(isSignedBy(set, found.data), `${nameText(name)} ${type} is signed otherwise`);
      const labels = found.data[3] as number;
      if (labelsOf(name) - (isWildcard(name) ? 1 : 0) > labels)
        assert.ok(covers(authorities, name), "a wildcard is not proved");
    }
  let { name } = question;
  for (let steps = 0; steps < 20 && ![5, 255].includes(question.type); steps++) {
    const alias = answers.find((one) => one.type === TYPE.CNAME && same(one.name, name));
    if (alias === undefined) break;
    name = alias.data;
  }
  if (cuts.length > 0) {
    const cut = cuts[0] as ResourceRecord;
    assert.ok(types(message, cut.name).has(TYPE.NS) && !types(message, cut.name).has(TYPE.SOA));
    return;
  }
  if (!nameKey(name).endsWith(nameKey(ORIGIN))) return;
  if ((message.flags & 0xf) === RCODE.NXDOMAIN) {
    assert.ok(covers(authorities, name), `${nameText(name)} is not proved to be absent`);
    // Some name above it exists, and has no wildcard.
    let up = name;
    do up = up.subarray(parentAt(up, 0));
    while (!authorities.some((one) => isBeneath(one, up)));
    const wildcard = Buffer.concat([Buffer.from("\u0001*", "latin1"), up]);
    assert.ok(covers(authorities, wildcard), `${nameText(wildcard)} is not proved to be absent`);
  } else if (answers.every((one) => !same(one.name, name))) {
    const isEmpty = (there: Buffer): boolean => {
      const own = types(message, there);
      return own.size > 0
        ? !own.has(question.type) && !own.has(TYPE.CNAME)
        : covers(authorities, there) && authorities.some((one) => isBeneath(one, there));
    };
    const wildcard = (above: Buffer): Buffer =>
      Buffer.concat([Buffer.from("\u0001*", "latin1"), above]);
    let up = name;
    let isProved = isEmpty(name);
    while (!isProved && up.length > ORIGIN.length) {
      up = up.subarray(parentAt(up, 0));
      isProved = covers(authorities, name) && isEmpty(wildcard(up));
    }
    assert.ok(isProved, `${nameText(name)} ${question.type} is not proved to be empty`);
  }
}

const isWildcard = (name: Buffer): boolean => name[0] === 1 && name[1] === 0x2a;
const same = (a: Buffer, b: Buffer): boolean => nameKey(a) === nameKey(b);

/** Whether an NSEC shows that there is something at a name or beneath it. */
function isBeneath(one: ResourceRecord, name: Buffer): boolean {
  if (one.type !== TYPE.NSEC) return false;
  return [one.name, nextOf(one)].some((there) => nameKey(there).endsWith(nameKey(name)));
}

function setsOf(records: readonly ResourceRecord[]): ResourceRecord[][] {
  const sets = Map.groupBy(records, ({ name, type }) => `${type} ${nameKey(name)}`);
  return [...sets.values()];
}

function labelsOf(name: Buffer): number {
  let count = 0;
  for (let at = 0; name[at] !== 0; at = parentAt(name, at)) count++;
  return count;
}

function nextOf({ data }: ResourceRecord): Buffer {
  let end = 0;
  while (data[end] !== 0) end = parentAt(data, end);
  return data.subarray(0, end + 1);
}

function covers(records: readonly ResourceRecord[], name: Buffer): boolean {
  const order = nameOrder(nameKey(name));
  return records.some((record) => {
    if (record.type !== TYPE.NSEC) return false;
    const from = nameOrder(nameKey(record.name));
    const to = nameOrder(nameKey(nextOf(record)));
    return from < order && (order < to || to <= from);
  });
}

/** The types that the NSEC of a name lists. */
function types({ authorities, answers }: Message, name: Buffer): Set<number> {
  const out = new Set<number>();
  for (const record of [...authorities, ...answers]) {
    if (record.type !== TYPE.NSEC || !same(record.name, name)) continue;
    const { data } = record;
    for (let at = nextOf(record).length; at < data.length; at += 2 + (data[at + 1] as number))
      for (let bit = 0; bit < (data[at + 1] as number) * 8; bit++)
        if (((data[at + 2 + (bit >> 3)] as number) & (0x80 >> (bit & 7))) !== 0)
          out.add((data[at] as number) * 256 + bit);
  }
  return out;
}

function isSignedBy(set: readonly ResourceRecord[], rrsig: Buffer): boolean {
  const labels = rrsig[3] as number;
  const originalTtl = rrsig.readUInt32BE(4);
  let { name } = set[0] as ResourceRecord;
  if (labelsOf(name) > labels && !(isWildcard(name) && labelsOf(name) === labels + 1)) {
    while (labelsOf(name) > labels) name = name.subarray(parentAt(name, 0));
    name = Buffer.concat([Buffer.from("\u0001*", "latin1"), name]);
  }
  const caught = new PublicKey("");
  const zoneName = rrsig.subarray(18, rrsig.length - 64);
  assert.ok(set.every(({ ttl }) => ttl <= originalTtl));
  signSet(
    set.map((record) => ({ ...record, name, ttl: originalTtl })),
    zoneName,
    caught,
    { until: rrsig.readUInt32BE(8), from: rrsig.readUInt32BE(12) },
  );
  const signature = rrsig.subarray(rrsig.length - 64);
  const head = rrsig.subarray(0, rrsig.length - 64);
  // All but who signs: this one is not the key that signed.
  const bytes = Buffer.concat([head, caught.bytes.subarray(head.length)]);
  return verifies(new CountingKey().point, bytes, signature);
}

function verifies(point: Buffer, bytes: Buffer, signature: Buffer): boolean {
  const key = createPublicKey({
    key: {
      kty: "EC",
      crv: "P-256",
      x: point.subarray(0, 32).toString("base64url"),
      y: point.subarray(32).toString("base64url"),
    },
    format: "jwk",
  });
  return verify("sha256", bytes, { key, dsaEncoding: "ieee-p1363" }, signature);
}
