/** A known difference excuses what it describes, and not what looks like it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AGREED_LATER, type Difference } from "./difference.ts";
import { knownDifferences } from "./known-differences.ts";
import { exact } from "./step.ts";

const LATEST_MS = 2 ** 48 - 2;
const FAR = "9223372036854775";

function difference(words: string[], redis: string, atoll: string, reason = "so"): Difference {
  return {
    at: words.length === 0 ? "state" : "reply",
    step:
      words.length === 0
        ? null
        : {
            kind: "command",
            connection: 0,
            args: words.map((word) => Buffer.from(word)),
            inline: false,
            expect: exact,
          },
    reason,
    reference: Buffer.from(`${redis}\r\n`),
    subject: Buffer.from(`${atoll}\r\n`),
    opIndex: 0,
    stepIndex: 0,
    signature: "",
  };
}

const excusedBy = (found: Difference): string[] =>
  knownDifferences.filter((one) => one.excuses(found)).map(({ id }) => id);

test("a deadline that Redis keeps is the latest one there is, by whatever it is asked for", () => {
  const left = LATEST_MS - Date.now();
  const id = ["deadlines-end-in-10889"];
  const told: [string, number][] = [
    ["PTTL", left],
    ["TTL", left / 1_000],
    ["PEXPIRETIME", LATEST_MS],
    ["EXPIRETIME", LATEST_MS / 1_000],
  ];
  for (const [name, value] of told) {
    const latest = Math.round(value);
    assert.deepEqual(excusedBy(difference([name, "k"], `:${FAR}`, `:${latest}`)), id, name);
    const late = Math.round(value * 0.9);
    assert.deepEqual(excusedBy(difference([name, "k"], `:${FAR}`, `:${late}`)), [], name);
    assert.deepEqual(excusedBy(difference([name, "k"], ":1000", `:${latest}`)), [], name);
    assert.deepEqual(excusedBy(difference([name, "k"], `:${FAR}`, ":-1")), [], name);
  }
  const state = "db 0: the deadline of a key differs: k";
  const far = `:${FAR}`;
  assert.deepEqual(excusedBy(difference([], far, `:${left}`, state)), id);
  assert.deepEqual(excusedBy(difference([], far, `:${left}`, "db 0: the type of a key")), []);
});

test("of two deadlines beyond the latest one, neither is later", () => {
  const id = ["deadlines-end-in-10889"];
  assert.deepEqual(excusedBy(difference(["PEXPIREAT", "k", FAR, "gt"], ":1", ":0")), id);
  assert.deepEqual(excusedBy(difference(["EXPIRE", "k", FAR, "LT"], ":1", ":0")), id);
  assert.deepEqual(excusedBy(difference(["EXPIRE", "k", FAR, "LT"], ":0", ":1")), []);
  assert.deepEqual(excusedBy(difference(["EXPIRE", "k", FAR, "XX"], ":1", ":0")), []);
  assert.deepEqual(excusedBy(difference(["EXPIRE", "k", FAR], ":1", ":0")), []);
  assert.deepEqual(excusedBy(difference(["EXPIRE", "k", "1000", "GT"], ":1", ":0")), []);
  const latest = String(LATEST_MS);
  assert.deepEqual(excusedBy(difference(["PEXPIREAT", "k", latest, "GT"], ":1", ":0")), []);
  assert.deepEqual(excusedBy(difference(["PEXPIREAT", "k", latest, "LT"], ":1", ":0")), id);
});

test("a count of keys is excused when it agreed in the end, and nothing else is", () => {
  const id = ["expired-keys-are-counted-until-removed"];
  assert.deepEqual(excusedBy(difference(["dbsize"], ":1", ":2", AGREED_LATER)), id);
  assert.deepEqual(excusedBy(difference(["DBSIZE"], ":1", ":2", "the replies differ")), []);
  assert.deepEqual(excusedBy(difference(["SCARD", "k"], ":1", ":2", AGREED_LATER)), []);
});

test("what a HyperLogLog counts last may differ, and nothing else of it", () => {
  const id = ["counts-are-not-written-down"];
  const hll = (cardinality: string, registers: string): string =>
    `$18\r\nHYLL\x01\0\0\0${cardinality}${registers}`;
  const [counted, uncounted] = ["\x05\0\0\0\0\0\0\0", "\0\0\0\0\0\0\0\u007f"];
  assert.deepEqual(
    excusedBy(difference(["GET", "k"], hll(counted, "ab"), hll(uncounted, "ab"))),
    id,
  );
  assert.deepEqual(excusedBy(difference(["GET", "k"], hll(counted, "ab"), hll(counted, "ac"))), []);
  assert.deepEqual(excusedBy(difference(["PFCOUNT", "k"], ":5", ":6")), []);
});

test("zero loses its sign and nothing else", () => {
  const id = ["zero-has-no-sign-in-a-sorted-set"];
  const members = "*2\r\n$1\r\na\r\n$2\r\n-0";
  const found = (own: string): string[] => excusedBy(difference(["ZRANGE", "z"], members, own));
  assert.deepEqual(found("*2\r\n$1\r\na\r\n$1\r\n0"), id);
  assert.deepEqual(found("*2\r\n$1\r\nb\r\n$1\r\n0"), []);
  assert.deepEqual(found(members), []);
});
