import assert from "node:assert/strict";
import { test } from "node:test";
import { Region, exchange } from "../../core/commands/regions.suite.ts";
import { loadResolver, resolverOf } from "./resolver-module.ts";

const seen = (...values: string[]): { value: Buffer; member: string; ms: number }[] =>
  values.map((value, i) => ({ value: Buffer.from(value), member: `r${i}/1`, ms: i }));

/** Nobody is too slow on a busy machine. */
const PATIENT_MS = 60_000;

const longest = `module.exports = (values) => values.map(({ value }) => value).sort((a, b) => b.length - a.length)[0];`;

test("a resolver is shown every value with who wrote it and when, and answers a text", () => {
  const all = resolverOf("all", "module.exports = (values) => JSON.stringify(values)", PATIENT_MS);
  assert.equal(
    all.resolve(seen("a", "ü"))?.toString(),
    '[{"value":"a","region":"r0","member":"r0/1","ms":0},{"value":"ü","region":"r1","member":"r1/1","ms":1}]',
  );
});

test("a resolver that throws, answers no text, never ends or meets bytes has failed", () => {
  for (const body of ["throw new Error('no')", "return 1", "return undefined", "for (;;);"])
    assert.equal(
      resolverOf("bad", `module.exports = () => {${body}}`, 20).resolve(seen("a", "b")),
      null,
      body,
    );
  const bytes = [{ value: Buffer.from([0xff]), member: "a/1", ms: 0 }];
  assert.equal(resolverOf("longest", longest).resolve(bytes), null);
});

test("a resolver has no clock, no chance and no way out", () => {
  for (const name of [
    "Date",
    "Math.random",
    "require",
    "process",
    "setTimeout",
    "fetch",
    "Promise",
  ]) {
    const answer = resolverOf("names", `module.exports = () => typeof ${name}`, PATIENT_MS);
    assert.equal(answer.resolve(seen("a"))?.toString(), "undefined", name);
  }
  const made = resolverOf(
    "made",
    `module.exports = () => String(new Function("return 1")())`,
    PATIENT_MS,
  );
  assert.equal(made.resolve(seen("a")), null);
});

test("a module that is missing, broken or no function is named when the node starts", () => {
  assert.throws(() => loadResolver("./nowhere.cjs"), /resolver \.\/nowhere\.cjs cannot be read/);
  assert.throws(() => resolverOf("x.cjs", "]"), /resolver x\.cjs does not load: Unexpected token/);
  assert.throws(
    () => resolverOf("x.cjs", "for (;;);"),
    /does not load: Script execution timed out/,
  );
  assert.throws(() => resolverOf("x.cjs", "module.exports = async () => {}"), /must not use async/);
  assert.throws(() => resolverOf("x.cjs", ""), /must set module\.exports to a function/);
});

test("every region reads what the resolver makes of all values, and the last writer's when it fails", () => {
  const [a, b] = [new Region("a"), new Region("b")];
  b.nowMs += 5;
  const failing = resolverOf("failing", "module.exports = () => null", PATIENT_MS);
  for (const region of [a, b]) {
    region.policies.set("cart:", resolverOf("longest", longest, PATIENT_MS));
    region.policies.set("bad:", failing);
  }
  for (const key of ["cart:1", "bad:1"]) {
    a.raw("SET", key, "the longer one");
    b.raw("SET", key, "short");
  }
  a.raw("HSET", "cart:h", "f", "the longer one");
  b.raw("HSET", "cart:h", "f", "short");
  exchange(a, b);
  for (const region of [a, b]) {
    assert.equal(region.raw("GET", "cart:1"), "$14\r\nthe longer one\r\n");
    assert.equal(region.raw("HGET", "cart:h", "f"), "$14\r\nthe longer one\r\n");
    assert.equal(region.policies.failures, 0);
    assert.equal(region.raw("GET", "bad:1"), "$5\r\nshort\r\n");
    assert.equal(region.policies.failures, 1);
  }
});
