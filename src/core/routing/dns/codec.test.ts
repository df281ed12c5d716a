import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Malformed } from "../../bytes/source.ts";
import { addressText, isClear, parseAddress, parseNetwork } from "./address.ts";
import { CLASS, TYPE, typeName, typeOf } from "./constants.ts";
import { readMessage, writeQuery } from "./message.ts";
import { MessageWriter, type ResourceRecord } from "./message-writer.ts";
import { NameReader, nameKey, nameText, parseName, ROOT } from "./name.ts";
import { dataText, parseData } from "./record-data.ts";

const name = (text: string): Buffer => {
  const bytes = parseName(text);
  assert.ok(bytes !== null, text);
  return bytes;
};

const label = fc.uint8Array({ minLength: 1, maxLength: 20 }).map((bytes) => Buffer.from(bytes));
const anyName = fc
  .array(label, { maxLength: 8 })
  .map((labels) =>
    Buffer.concat([...labels.flatMap((bytes) => [Buffer.from([bytes.length]), bytes]), ROOT]),
  );

test("a name of any bytes is written as text that says the same name", () => {
  fc.assert(
    fc.property(anyName, (bytes) => {
      assert.deepEqual(parseName(nameText(bytes)), bytes);
    }),
  );
});

test("names differ by more than the case of ASCII letters", () => {
  assert.equal(nameKey(name("WwW.Example.")), nameKey(name("www.example.")));
  assert.notEqual(nameKey(name("\\196.")), nameKey(name("\\228.")));
  assert.equal(parseName("a..b."), null);
  assert.equal(parseName(`${"a".repeat(64)}.`), null);
  assert.equal(parseName("a.".repeat(128)), null);
  assert.equal(parseName("a.".repeat(127))?.length, 255);
});

test("a name that points at itself, ahead or in a long chain is malformed", () => {
  const reader = new NameReader();
  const read = (hex: string, at = 0): number => {
    const bytes = Buffer.from(hex, "hex");
    return reader.read(bytes, at, bytes.length);
  };
  assert.equal(read("01610003620000c000", 7), 9);
  assert.throws(() => read("c000"), Malformed);
  assert.throws(() => read("c002016100"), Malformed);
  assert.throws(() => read("0161c000"), Malformed);
  assert.throws(() => read("0561"), Malformed);
  assert.throws(() => read("4061"), Malformed);
  const chain = Buffer.alloc(402);
  for (let at = 2; at < 402; at += 2) chain.writeUInt16BE(0xc000 | (at - 2), at);
  chain[1] = 0;
  assert.throws(() => reader.read(chain, 400, 402), Malformed);
  assert.equal(reader.read(chain, 2 * 127, 402), 2 * 127 + 2);
});

test("an address is printed as it is written by others, and parses to itself", () => {
  for (const text of ["192.0.2.1", "::", "::1", "2001:db8::1:0:0:1", "1:2:3:4:5:6:7:8", "fe80::"])
    assert.equal(addressText(parseAddress(text) ?? ROOT), text);
  assert.equal(addressText(parseAddress("::ffff:192.0.2.7") ?? ROOT), "192.0.2.7");
  for (const text of [
    "1.2.3",
    "1.2.3.256",
    "01.2.3.4",
    ":::",
    "1::2::3",
    "12345::",
    "1:2:3:4:5:6:7",
  ])
    assert.equal(parseAddress(text), null, text);
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      const address = Buffer.from(bytes);
      assert.deepEqual(parseAddress(addressText(address)), address);
    }),
  );
  assert.equal(parseNetwork("192.0.2.0/23")?.bits, 23);
  assert.equal(parseNetwork("192.0.2.1/24"), null);
  assert.equal(parseNetwork("192.0.2.0/33"), null);
  assert.ok(isClear(Buffer.from([255, 128]), 9));
});

const SAMPLES: readonly [number, string][] = [
  [TYPE.A, "192.0.2.1"],
  [TYPE.AAAA, "2001:db8::1"],
  [TYPE.CNAME, "www.example."],
  [TYPE.NS, "ns1.example."],
  [TYPE.PTR, "host\\.with\\.dots.example."],
  [TYPE.MX, "10 mail.example."],
  [TYPE.TXT, '"v=spf1 -all" "a \\"quote\\" and \\255"'],
  [TYPE.HINFO, '"RFC8482" ""'],
  [TYPE.SRV, "0 5 5060 sip.example."],
  [TYPE.SOA, "ns1.example. admin.example. 1 3600 900 604800 30"],
  [TYPE.CAA, '0 issue "ca.example; account=7"'],
  [TYPE.TLSA, "3 1 1 00FF"],
  [TYPE.DS, "60485 5 1 2BB183AF"],
  [1234, "\\# 3 0a0b0c"],
];

/** The words of a sample, as a zone file's reader hands them over. */
const words = (text: string): string[] =>
  [...text.matchAll(/"((?:[^"\\]|\\.)*)"|\S+/g)].map(([word, inner]) => inner ?? word);

test("data of every type that is known prints as it was written", () => {
  for (const [type, text] of SAMPLES) {
    const data = parseData(type, words(text), ROOT);
    assert.ok(data !== null, `${typeName(type)} ${text}`);
    assert.equal(dataText(type, data), text);
    assert.equal(typeOf(typeName(type)), type);
  }
});

test("data that lacks a word, has one too many or one beyond its range is refused", () => {
  for (const [type, text] of [
    [TYPE.A, "192.0.2.1 192.0.2.2"],
    [TYPE.A, "::1"],
    [TYPE.MX, "10"],
    [TYPE.MX, "65536 mail."],
    [TYPE.SOA, "a. b. 1 2 3 4"],
    [TYPE.CAA, "256 issue x"],
    [TYPE.TLSA, "3 1 1 0"],
    [1234, "\\# 2 0a"],
    [1234, "anything"],
  ] as const)
    assert.equal(parseData(type, words(text), ROOT), null, text);
});

const sampleRecord = fc
  .tuple(
    fc.constantFrom("a.example.", "b.a.example.", "example.", "Other.", "."),
    fc.constantFrom(...SAMPLES),
    fc.nat(86_400),
  )
  .map(([owner, [type, text], ttl]): ResourceRecord => ({
    name: name(owner),
    type,
    class: CLASS.IN,
    ttl,
    data: parseData(type, words(text), ROOT) as Buffer,
  }));

test("what is written into a message is read out of it, however its names were compressed", () => {
  fc.assert(
    fc.property(
      fc.array(sampleRecord, { maxLength: 8 }),
      fc.array(sampleRecord, { maxLength: 8 }),
      (answers, additional) => {
        const writer = new MessageWriter();
        const question = writeQuery(0, name("a.example."), TYPE.A, CLASS.IN).subarray(12);
        writer.begin(77, 0x8400, question, 65_535, 4);
        for (const record of answers) assert.ok(writer.add("answer", record));
        for (const record of additional) assert.ok(writer.add("additional", record));
        writer.opt(1232, 0, 0, Buffer.from([0, 3, 0, 0]), 0);
        const bytes = writer.end();
        const message = readMessage(bytes);
        // A name is one name in any case; which of them is written first stays.
        const plain = ({ name: owner, data, ...rest }: ResourceRecord): object => ({
          ...rest,
          name: nameKey(owner),
          data: nameKey(data),
        });
        assert.deepEqual(message.answers.map(plain), answers.map(plain));
        assert.deepEqual(message.additional.slice(0, -1).map(plain), additional.map(plain));
        assert.equal(message.additional.at(-1)?.type, TYPE.OPT);
        for (let end = 0; end < bytes.length; end += 7)
          assert.throws(() => readMessage(bytes.subarray(0, end)), Malformed);
      },
    ),
  );
});

test("three addresses of one name take 16 bytes each, for the name is a pointer", () => {
  const writer = new MessageWriter();
  const question = writeQuery(0, name("www.example.com."), TYPE.A, CLASS.IN).subarray(12);
  writer.begin(1, 0x8400, question, 512, -1);
  const empty = writer.end().length;
  for (let i = 0; i < 3; i++)
    writer.addData(
      "answer",
      name("www.example.com."),
      TYPE.A,
      CLASS.IN,
      30,
      Buffer.from([192, 0, 2, i]),
    );
  assert.equal(writer.end().length, empty + 3 * 16);
});

test("an answer that does not fit is cut as a whole and says so; what only goes with it is left out", () => {
  const text = Buffer.concat([Buffer.from([200]), Buffer.alloc(200, "x")]);
  const question = writeQuery(0, name("t."), TYPE.TXT, CLASS.IN).subarray(12);
  const writer = new MessageWriter();
  writer.begin(1, 0x8400, question, 512, 0);
  assert.ok(writer.addData("answer", name("t."), TYPE.TXT, CLASS.IN, 1, text));
  assert.ok(writer.addData("answer", name("t."), TYPE.TXT, CLASS.IN, 2, text));
  assert.equal(writer.addData("additional", name("u."), TYPE.TXT, CLASS.IN, 3, text), false);
  assert.equal(readMessage(writer.end()).answers.length, 2);
  assert.equal(readMessage(writer.end()).flags & 0x0200, 0);
  writer.begin(1, 0x8400, question, 512, 0);
  for (let i = 0; i < 3; i++) writer.addData("answer", name("t."), TYPE.TXT, CLASS.IN, i, text);
  writer.opt(1232, 0, 0, Buffer.alloc(0), 0);
  const cut = readMessage(writer.end());
  assert.equal(cut.flags & 0x0200, 0x0200);
  assert.equal(cut.answers.length, 0);
  assert.equal(cut.additional.length, 1);
});
