import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { Args } from "./args.ts";
import { INCOMPLETE, PROTOCOL_ERROR, RESP_LIMITS, RespParser } from "./resp.ts";

type Outcome = { commands: string[][]; problem: string | null };

/** What a connection would see of `pieces`, which arrive one after the other: as long as `need` asks, it does not try. */
function read(pieces: Buffer[], parser = new RespParser()): Outcome & { tries: number } {
  const args = new Args();
  const commands: string[][] = [];
  const all = Buffer.concat(pieces);
  let at = 0;
  let there = 0;
  let need = 1;
  let tries = 0;
  for (const piece of pieces) {
    there += piece.length;
    while (there - at >= need) {
      tries++;
      // Bytes behind `there` have not arrived: what lies in their place must not matter.
      const seen = there === all.length ? all : Buffer.alloc(all.length, "$99999\r\n");
      if (seen !== all) all.copy(seen, 0, 0, there);
      const next = parser.parse(seen, at, there, args);
      if (next === PROTOCOL_ERROR) return { commands, problem: parser.problem, tries };
      if (next === INCOMPLETE) {
        assert.ok(
          parser.need > there - at,
          "a try that failed is not due again before more has come",
        );
        need = parser.need;
        break;
      }
      need = 1;
      at = next;
      commands.push(Array.from({ length: args.count }, (_, i) => args.copy(i).toString("hex")));
    }
  }
  return { commands, problem: null, tries };
}

const outcome = ({ commands, problem }: Outcome): Outcome => ({ commands, problem });
const bytewise = (bytes: Buffer): Buffer[] => Array.from(bytes, (byte) => Buffer.of(byte));
const hex = (text: string): string => Buffer.from(text, "latin1").toString("hex");

const bulks = (...words: (string | Buffer)[]): Buffer =>
  Buffer.concat([
    Buffer.from(`*${words.length}\r\n`),
    ...words.flatMap((word) => {
      const bytes = Buffer.from(word);
      return [Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from("\r\n")];
    }),
  ]);

function vectors<T>(name: string): T[] {
  const text = readFileSync(new URL(`../../../testdata/wire/${name}`, import.meta.url), "utf8");
  return JSON.parse(text) as T[];
}

for (const { name, bytes, commands } of vectors<{
  name: string;
  bytes: string;
  commands: string[][];
}>("resp-commands.json"))
  test(`a client may send: ${name}`, () => {
    const input = Buffer.from(bytes, "hex");
    assert.deepEqual(outcome(read([input])), { commands, problem: null });
    assert.deepEqual(outcome(read(bytewise(input))), { commands, problem: null });
  });

for (const { name, bytes, authenticated, problem } of vectors<{
  name: string;
  bytes: string;
  authenticated: boolean;
  problem: string;
}>("resp-problems.json"))
  test(`a client may not send: ${name}`, () => {
    const input = Buffer.from(bytes, "hex");
    const parser = new RespParser();
    parser.authenticated = authenticated;
    assert.equal(read([input], parser).problem, problem);
    assert.equal(read(bytewise(input), parser).problem, problem);
    // What came whole before it is still answered.
    const behind = Buffer.concat([bulks("PING"), input]);
    assert.deepEqual(read([behind], parser).commands[0], [hex("PING")]);
  });

const word = fc.oneof(
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc.integer({ min: 90, max: 1100 }).map((length) => Buffer.alloc(length, "v\r\n$")),
);
const request = fc.oneof(
  { weight: 6, arbitrary: fc.array(word, { minLength: 1, maxLength: 12 }).map((w) => bulks(...w)) },
  fc
    .constantFrom("*0\r\n", "*-1\r\n", "\r\n", "PING\r\n", "SET \"a b\" 'c'\n", "GET  k\r\n")
    .map((t) => Buffer.from(t)),
);
const soup = fc
  .array(
    fc.constantFrom(
      "*",
      "$",
      "1",
      "0",
      "-",
      "3",
      "\r",
      "\n",
      "\r\n",
      "a",
      '"',
      "'",
      "\\x4",
      "\0",
      " ",
      "*1\r\n$1\r\n",
    ),
    { maxLength: 40 },
  )
  .map((parts) => Buffer.from(parts.join(""), "latin1"));

/** `bytes` in the pieces that `cuts` make of it. */
function cut(bytes: Buffer, cuts: number[]): Buffer[] {
  const places = [...new Set(cuts.map((at) => at % (bytes.length + 1)))].toSorted((a, b) => a - b);
  return [0, ...places].map((from, i) => bytes.subarray(from, places[i] ?? bytes.length));
}

test("what commands say does not depend on how they were cut on their way", () => {
  const cuts = fc.array(fc.nat(), { maxLength: 12 });
  fc.assert(
    fc.property(fc.array(request, { maxLength: 8 }), cuts, (requests, where) => {
      const bytes = Buffer.concat(requests);
      const whole = read([bytes]);
      assert.equal(whole.problem, null);
      assert.equal(whole.commands.length, requests.length);
      assert.deepEqual(outcome(read(cut(bytes, where))), outcome(whole));
    }),
  );
});

test("what hostile bytes come to does not depend on how they were cut on their way", () => {
  const cuts = fc.array(fc.nat(), { maxLength: 12 });
  fc.assert(
    fc.property(request, soup, cuts, (before, after, where) => {
      const bytes = Buffer.concat([before, after]);
      const whole = outcome(read([bytes]));
      assert.deepEqual(outcome(read(cut(bytes, where))), whole);
      assert.deepEqual(outcome(read(bytewise(bytes))), whole);
    }),
    { numRuns: 1000 },
  );
});

test("a claimed length or count costs nothing before its bytes are there", () => {
  const args = new Args();
  const parser = new RespParser();
  const claims = ["*1048576\r\n", "*2\r\n$16777216\r\n", "*1048576\r\n$16777216\r\nx"];
  for (const claim of claims) {
    const bytes = Buffer.from(claim);
    assert.equal(parser.parse(bytes, 0, bytes.length, args), INCOMPLETE);
    assert.equal(args.start.length, new Args().start.length);
  }
});

test("a large value is asked for once and then read once", () => {
  const bytes = bulks("SET", "k", Buffer.alloc(4 * 1024 * 1024));
  const head = bytes.subarray(0, 100);
  const { tries, commands } = read([head, ...cut(bytes.subarray(100), [1, 99, 70_000, 3_000_000])]);
  assert.equal(commands.length, 1);
  assert.equal(tries, 2);
});

test("a command of very many arguments that trickles in is not read again for every byte", () => {
  const bytes = bulks(...Array<string>(20_000).fill("0123456789"));
  const parser = new RespParser();
  const args = new Args();
  let tries = 0;
  let need = 1;
  for (let there = 1; there <= bytes.length; there++) {
    if (there < need) continue;
    tries++;
    const next = parser.parse(bytes, 0, there, args);
    if (next !== INCOMPLETE) assert.equal(next, bytes.length);
    need = parser.need;
  }
  assert.equal(args.count, 20_000);
  // Up to the 1024th argument every byte is worth a try; the other 320 KB take a few dozen.
  assert.ok(tries < 1024 * 17 + 100, `${tries} tries`);
});

test("a command may have as many arguments as the limit says, and not one more", () => {
  const limit = RESP_LIMITS.maxArgs;
  const bytes = Buffer.from(`*${limit}\r\n${"$1\r\na\r\n".repeat(limit)}`);
  const args = new Args();
  assert.equal(new RespParser().parse(bytes, 0, bytes.length, args), bytes.length);
  assert.equal(args.count, limit);
  assert.equal(args.text(limit - 1), "a");
  const more = Buffer.from(`*${limit + 1}\r\n`);
  assert.equal(read([more]).problem, "Protocol error: invalid multibulk length");
});

test("a line that does not end is refused at 64 KiB, however it arrives", () => {
  const limit = RESP_LIMITS.maxLineBytes;
  const cases: [string, string][] = [
    ["a", "too big inline request"],
    ["\0", "too big inline request"],
    ["*1", "too big mbulk count string"],
    ["*1\r\n$1", "too big bulk count string"],
    ["*1\r\nx", "too big bulk count string"],
  ];
  for (const [start, problem] of cases) {
    const line = start.length - (start.lastIndexOf("\n") + 1);
    const most = Buffer.from(start + "1".repeat(limit - line));
    assert.deepEqual(outcome(read([most])), { commands: [], problem: null }, start);
    const more = Buffer.concat([most, Buffer.from("1\r\n")]);
    const refused = { commands: [], problem: `Protocol error: ${problem}` };
    assert.deepEqual(outcome(read([more.subarray(0, -2)])), refused);
    assert.deepEqual(outcome(read([more])), refused);
    assert.deepEqual(outcome(read(cut(more, [70, 30_000, limit, limit + start.length]))), refused);
  }
});

test("an inline command of 64 KiB is still one", () => {
  const text = "x".repeat(RESP_LIMITS.maxLineBytes - 2);
  assert.deepEqual(read([Buffer.from(`${text}\r\n`)]).commands, [[hex(text)]]);
});

test("the limits may change while clients are connected", () => {
  const parser = new RespParser();
  parser.limits = { ...RESP_LIMITS, maxBulkBytes: 10, maxArgs: 2 };
  assert.equal(read([bulks("GET", "0123456789")], parser).problem, null);
  assert.equal(
    read([bulks("GET", "0123456789a")], parser).problem,
    "Protocol error: invalid bulk length",
  );
  assert.equal(
    read([bulks("A", "B", "C")], parser).problem,
    "Protocol error: invalid multibulk length",
  );
});

test("arguments of arrays stay where they arrived, and inline ones do not disturb the bytes", () => {
  const parser = new RespParser();
  const args = new Args();
  const array = bulks("GET", "k");
  parser.parse(array, 0, array.length, args);
  assert.equal(args.bytes, array);
  const inline = Buffer.from('SET k "\\x41"\r\n');
  const before = Buffer.from(inline);
  parser.parse(inline, 0, inline.length, args);
  assert.notEqual(args.bytes, inline);
  assert.deepEqual(inline, before);
  assert.deepEqual([args.text(0), args.text(1), args.text(2)], ["SET", "k", "A"]);
});
