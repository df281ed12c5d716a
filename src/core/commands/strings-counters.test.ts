import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bulk, error, int, OK, WRONG } from "./replies.suite.ts";
import { Standalone } from "./standalone.suite.ts";

const MAX = "9223372036854775807";
const MIN = "-9223372036854775808";
const notAnInteger = error("ERR value is not an integer or out of range");
const overflow = error("ERR increment or decrement would overflow");

test("a counter begins at 0 and goes on from a number that was set", () => {
  const store = new Standalone();
  assert.equal(store.raw("INCR", "n"), int(1));
  assert.equal(store.raw("INCRBY", "n", "41"), int(42));
  assert.equal(store.raw("DECR", "n"), int(41));
  assert.equal(store.raw("DECRBY", "n", "-9"), int(50));
  assert.equal(store.raw("GET", "n"), bulk("50"));
  store.raw("SET", "n", "7");
  assert.equal(store.raw("INCR", "n"), int(8));
  assert.equal(store.raw("STRLEN", "n"), int(1));
});

test("integers are exact up to the last of 64 bits, and none goes beyond", () => {
  const store = new Standalone();
  store.raw("SET", "n", "9223372036854775806");
  assert.equal(store.raw("INCR", "n"), int(2n ** 63n - 1n));
  assert.equal(store.raw("INCR", "n"), overflow);
  assert.equal(store.raw("GET", "n"), bulk(MAX));
  assert.equal(store.raw("DECRBY", "n", MAX), int(0));
  assert.equal(store.raw("INCRBY", "n", MIN), int(-(2n ** 63n)));
  assert.equal(store.raw("DECR", "n"), overflow);
  assert.equal(store.raw("DECRBY", "n", MIN), error("ERR decrement would overflow"));
  assert.equal(store.raw("INCRBY", "n", MAX), int(-1));
});

test("only what Redis takes for an integer counts", () => {
  const store = new Standalone();
  for (const value of ["", " 1", "1 ", "+1", "01", "-0", "1.0", "1e3", "0x10", "abc", `${MAX}0`]) {
    store.raw("SET", "n", value);
    assert.equal(store.raw("INCR", "n"), notAnInteger, `value ${JSON.stringify(value)}`);
    assert.equal(store.raw("INCRBY", "none", value), notAnInteger, `by ${JSON.stringify(value)}`);
    assert.equal(store.raw("GET", "n"), bulk(value));
  }
  store.raw("SADD", "s", "1");
  assert.equal(store.raw("INCR", "s"), WRONG);
  assert.equal(store.raw("INCRBYFLOAT", "s", "1"), WRONG);
});

test("counting keeps the deadline", () => {
  const store = new Standalone();
  store.raw("SETEX", "n", "100", "1");
  store.raw("INCR", "n");
  assert.equal(store.raw("TTL", "n"), int(100));
  store.nowMs += 100_000;
  assert.equal(store.raw("INCR", "n"), int(1), "an expired counter begins anew");
  assert.equal(store.raw("TTL", "n"), int(-1));
});

test("fractions come out digit for digit as Redis prints them", () => {
  // From redis-server 7.0.15.
  for (const [value, by, sum] of [
    ["10.50", "0.1", "10.6"],
    ["10.6", "-5", "5.6"],
    ["5.0e3", "2.0e2", "5200"],
    ["300", "0.1", "300.10000000000000001"],
    ["0.1", "0.2", "0.3"],
    ["-0.1", "0.1", "0"],
    ["3.0", "0", "3"],
    ["0x10", ".5", "16.5"],
    ["1e10", "0.1", "10000000000.09999999962747097"],
    ["123456789.123456", "-.25", "123456788.87345600000116974"],
    ["9007199254740993", "1", "9007199254740994"],
  ] as const) {
    const store = new Standalone();
    store.raw("SET", "n", value);
    assert.equal(store.raw("INCRBYFLOAT", "n", by), bulk(sum), `${value} + ${by}`);
    assert.equal(store.raw("GET", "n"), bulk(sum));
  }
});

test("what is no number, and what no number can hold, is refused", () => {
  const store = new Standalone();
  const notAFloat = error("ERR value is not a valid float");
  const notFinite = error("ERR increment would produce NaN or Infinity");
  store.raw("SET", "n", "1");
  for (const by of ["", " 1", "1 ", "abc", "nan", "1e", ".", "1\0", "0x"])
    assert.equal(store.raw("INCRBYFLOAT", "n", by), notAFloat, JSON.stringify(by));
  for (const by of ["inf", "-Infinity", "+INF"])
    assert.equal(store.raw("INCRBYFLOAT", "n", by), notFinite, by);
  store.raw("SET", "n", "inf");
  assert.equal(store.raw("INCRBYFLOAT", "n", "1"), notFinite);
  store.raw("SET", "n", "text");
  assert.equal(store.raw("INCRBYFLOAT", "n", "1"), notAFloat);
});

test("a replaced counter forgets what was added to it", () => {
  const store = new Standalone();
  store.raw("INCRBY", "n", "5");
  assert.equal(store.raw("SET", "n", "1"), OK);
  assert.equal(store.raw("INCR", "n"), int(2));
  store.raw("DEL", "n");
  assert.equal(store.raw("INCR", "n"), int(1));
});

test("any sequence of increments is the sum, as 64 bits hold it", () => {
  const step = fc.oneof(
    fc.integer({ min: -1000, max: 1000 }).map(BigInt),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const store = new Standalone();
      let value = 0n;
      for (const by of steps) {
        const sum = value + by;
        const fits = BigInt.asIntN(64, sum) === sum;
        assert.equal(store.raw("INCRBY", "n", String(by)), fits ? int(sum) : overflow);
        if (fits) value = sum;
      }
    }),
    { numRuns: 200 },
  );
});
