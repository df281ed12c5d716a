import assert from "node:assert/strict";
import { test } from "node:test";
import { exchange, Region } from "./regions.suite.ts";
import { array, bulk, error, int, NIL, OK, WRONG } from "./replies.suite.ts";
import { Standalone } from "./standalone.suite.ts";

const BAD_OFFSET = error("ERR bit offset is not an integer or out of range");
const SYNTAX = error("ERR syntax error");
const NOT_AN_INTEGER = error("ERR value is not an integer or out of range");

test("SETBIT returns the bit before, grows the string and keeps its deadline", () => {
  const store = new Standalone();
  assert.equal(store.raw("SETBIT", "k", "7", "1"), int(0));
  assert.equal(store.raw("SETBIT", "k", "7", "0"), int(1));
  assert.equal(store.raw("EXPIRE", "k", "100"), int(1));
  assert.equal(store.raw("SETBIT", "k", "16", "1"), int(0));
  assert.equal(store.raw("GET", "k"), bulk("\0\0\x80"));
  assert.equal(store.raw("TTL", "k"), int(100));
  assert.equal(store.raw("GETBIT", "k", "16"), int(1));
  assert.equal(store.raw("GETBIT", "k", "17"), int(0));
  assert.equal(store.raw("GETBIT", "k", "1000000"), int(0));
  assert.equal(store.raw("SET", "n", "1"), OK);
  assert.equal(store.raw("INCR", "n"), int(2));
  assert.equal(store.raw("SETBIT", "n", "7", "1"), int(0));
  assert.equal(store.raw("GET", "n"), bulk("3"), "a counter is its digits");
});

test("a bit that is what it was is not written, a longer string is", () => {
  const store = new Standalone();
  store.raw("SETBIT", "k", "9", "1");
  const before = store.records.count;
  store.raw("SETBIT", "k", "9", "1");
  store.raw("SETBIT", "k", "8", "0");
  store.raw("BITFIELD", "k", "SET", "u2", "8", "1", "GET", "u2", "8");
  assert.equal(store.records.count, before);
  store.raw("SETBIT", "k", "16", "0");
  assert.equal(store.records.count, before + 1);
  assert.equal(store.raw("STRLEN", "k"), int(3));
});

test("positions and bits that make no sense are refused, before the key is looked at", () => {
  const store = new Standalone({ protoMaxBulkLen: 100 });
  store.raw("SADD", "s", "x");
  for (const offset of ["-1", "x", "800", "1.0", "", "9223372036854775808", "#1"])
    assert.equal(store.raw("SETBIT", "s", offset, "1"), BAD_OFFSET, offset);
  assert.equal(store.raw("SETBIT", "k", "799", "1"), int(0));
  for (const bit of ["2", "-1", "x", "", "01"])
    assert.equal(
      store.raw("SETBIT", "s", "0", bit),
      error("ERR bit is not an integer or out of range"),
      bit,
    );
  assert.equal(store.raw("SETBIT", "s", "0", "1"), WRONG);
  assert.equal(store.raw("GETBIT", "s", "0"), WRONG);
  assert.equal(store.raw("BITFIELD", "s", "GET", "u8", "0"), WRONG);
  assert.equal(store.raw("BITFIELD", "s", "GET", "u8", "-1"), BAD_OFFSET);
  assert.equal(store.raw("BITOP", "NOT", "d", "s"), WRONG);
});

test("BITCOUNT and BITPOS take ranges in bytes and in bits", () => {
  const store = new Standalone();
  store.raw("SET", "k", "foobar");
  assert.equal(store.raw("BITCOUNT", "k"), int(26));
  assert.equal(store.raw("BITCOUNT", "k", "1", "-2", "BYTE"), int(18));
  assert.equal(store.raw("BITCOUNT", "k", "5", "30", "bit"), int(17));
  assert.equal(store.raw("BITCOUNT", "k", "-1", "-3"), int(0));
  assert.equal(store.raw("BITCOUNT", "k", "1"), SYNTAX);
  assert.equal(store.raw("BITCOUNT", "none", "x"), int(0), "what is not there is said first");
  assert.equal(store.raw("BITCOUNT", "k", "0", "1", "NIBBLE"), SYNTAX);
  const bytes = Buffer.from([0xff, 0xf0, 0x00]);
  store.raw("SET", "p", bytes);
  assert.equal(store.raw("BITPOS", "p", "0"), int(12));
  assert.equal(store.raw("BITPOS", "p", "1", "2"), int(-1));
  assert.equal(store.raw("BITPOS", "p", "1", "7", "15", "BIT"), int(7));
  store.raw("SET", "ones", Buffer.from([0xff, 0xff]));
  assert.equal(store.raw("BITPOS", "ones", "0"), int(16), "zeros follow");
  assert.equal(store.raw("BITPOS", "ones", "0", "0", "-1"), int(-1), "but not behind an end");
  assert.equal(store.raw("BITPOS", "none", "0"), int(0));
  assert.equal(store.raw("BITPOS", "none", "1"), int(-1));
  assert.equal(store.raw("BITPOS", "p", "2"), error("ERR The bit argument must be 1 or 0."));
  assert.equal(store.raw("BITPOS", "p", "x"), NOT_AN_INTEGER);
});

test("BITOP overwrites whatever the target held, and removes it when there is no byte", () => {
  const store = new Standalone();
  store.raw("MSET", "a", "abc", "b", "\x01");
  store.raw("SETEX", "d", "100", "old");
  assert.equal(store.raw("BITOP", "XOR", "d", "a", "none", "b"), int(3));
  assert.equal(store.raw("GET", "d"), bulk("`bc"));
  assert.equal(store.raw("TTL", "d"), int(-1));
  assert.equal(store.raw("BITOP", "NOT", "a", "a"), int(3));
  assert.equal(store.raw("GET", "a"), bulk(Buffer.from([0x9e, 0x9d, 0x9c]).latin1Slice()));
  assert.equal(store.raw("BITOP", "AND", "d", "none", "nothing"), int(0));
  assert.equal(store.raw("EXISTS", "d"), int(0));
  assert.equal(
    store.raw("BITOP", "NOT", "d", "a", "b"),
    error("ERR BITOP NOT must be called with a single source key."),
  );
  assert.equal(store.raw("BITOP", "NAND", "d", "a"), SYNTAX);
});

test("BITFIELD runs its operations in order, on one string", () => {
  const store = new Standalone();
  assert.equal(
    store.raw(
      "BITFIELD",
      "k",
      "SET",
      "i5",
      "#1",
      "-3",
      "GET",
      "i5",
      "5",
      "INCRBY",
      "u8",
      "#2",
      "300",
    ),
    array(int(0), int(-3), int(44)),
  );
  assert.equal(
    store.raw("BITFIELD", "k", "OVERFLOW", "FAIL", "INCRBY", "u2", "60", "5", "GET", "u4", "60"),
    array(NIL, int(0)),
  );
  assert.equal(store.raw("STRLEN", "k"), int(8), "room is made even for what fails");
  assert.equal(
    store.raw("BITFIELD", "k", "OVERFLOW", "SAT", "SET", "i64", "0", "-9223372036854775808"),
    array(int(0x07402c0000000000n)),
  );
  assert.equal(store.raw("BITFIELD_RO", "k", "GET", "i64", "0"), array(int(-(2n ** 63n))));
  assert.equal(store.raw("BITFIELD", "k"), array());
});

test("BITFIELD does nothing when any of its operations is refused", () => {
  const store = new Standalone();
  const badType = error(
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
  );
  for (const type of ["u64", "i65", "i0", "u08", "U8", "8", "i", "x8", ""])
    assert.equal(
      store.raw("BITFIELD", "k", "SET", "u8", "0", "1", "GET", type, "0"),
      badType,
      type,
    );
  for (const [words, refusal] of [
    [["SET", "u8", "0"], SYNTAX],
    [["SET", "u8", "0", "x"], NOT_AN_INTEGER],
    [["GET", "u8", "#-1"], BAD_OFFSET],
    [["OVERFLOW", "BEND"], error("ERR Invalid OVERFLOW type specified")],
    [["OVERFLOW"], SYNTAX],
  ] as const)
    assert.equal(
      store.raw("BITFIELD", "k", "SET", "u8", "0", "1", ...words),
      refusal,
      words.join(" "),
    );
  assert.equal(
    store.raw("BITFIELD_RO", "k", "SET", "u8", "0", "1"),
    error("ERR BITFIELD_RO only supports the GET subcommand"),
  );
  assert.equal(store.raw("EXISTS", "k"), int(0));
});

/** What both regions show after each ran its commands without the other. */
function concurrent(
  before: string[][],
  here: string[],
  there: string[],
  question: string[],
): string {
  const [a, b] = [new Region("a"), new Region("b")];
  for (const words of before) a.raw(...words);
  exchange(a, b);
  a.nowMs += 1;
  a.raw(...here);
  b.nowMs += 2;
  b.raw(...there);
  exchange(a, b);
  const answer = a.raw(...question);
  assert.equal(b.raw(...question), answer);
  return answer;
}

test("of bits changed in two regions at once, one whole bitmap stays", () => {
  const of = (words: string): string[] => words.split(" ");
  for (const [before, here, there, question, answer] of [
    ["SETBIT k 0 0", "SETBIT k 1 1", "SETBIT k 7 1", "GET k", bulk("\x01")],
    ["SETBIT k 1 1", "SETBIT k 1 0", "SETBIT k 2 1", "GET k", bulk("\x60")],
    ["SET k a", "BITFIELD k INCRBY u8 0 1", "BITFIELD k INCRBY u8 0 1", "GET k", bulk("b")],
    ["SET k a", "DEL k", "SETBIT k 6 1", "GET k", bulk("c")],
    ["SET k a", "BITOP NOT k k", "SET k new", "GET k", bulk("new")],
  ] as const)
    assert.equal(
      concurrent([of(before)], of(here), of(there), of(question)),
      answer,
      `${here} ‖ ${there}`,
    );
  const counted = concurrent([of("SET k 1")], of("SETBIT k 6 1"), of("INCR k"), of("GET k"));
  assert.equal(counted, bulk("4"), "SETBIT made 1 a 3, and the increment is added to that");
});
