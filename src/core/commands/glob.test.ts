import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { globMatches } from "./glob.ts";

function matches(pattern: string, text: string): boolean {
  const bytes = Buffer.from(text, "latin1");
  return globMatches(Buffer.from(pattern, "latin1"), bytes, 0, bytes.length);
}

// What redis-server 7.0.15 answers to KEYS with the pattern, for a key of that name.
const cases: readonly [pattern: string, text: string, expected: boolean][] = [
  ["h?llo", "hello", true],
  ["h?llo", "hllo", false],
  ["h*llo", "heeeello", true],
  ["h[ae]llo", "hallo", true],
  ["h[^e]llo", "hello", false],
  ["h[a-b]llo", "hbllo", true],
  ["h[b-a]llo", "hallo", true],
  ["", "", true],
  ["", "a", false],
  ["**", "", false],
  ["?*", "a", true],
  ["a**", "a", true],
  ["*a", "aaa", true],
  ["*ab*ba*", "xabyba", true],
  ["*ab*ba*", "xaba", false],
  ["[", "[", false],
  ["[^", "x", true],
  ["[a", "a", true],
  ["[a-", "-", true],
  ["[]a]", "a", false],
  ["[\\]]", "]", true],
  ["\\", "\\", true],
  ["\\*", "*", true],
  ["\\*", "a", false],
  ["[\\", "\\", true],
  ["[^a-c]*", "d", true],
  ["[\x80-\xff]", "\xc0", true],
  ["[a-\xff]", "b", false],
  ["[a-\xff]", "\x00", true],
  ["\xfe\r\n*", "\xfe\r\n\x00", true],
];

test("patterns mean what they mean to Redis, unfinished ones included", () => {
  for (const [pattern, text, expected] of cases)
    assert.equal(matches(pattern, text), expected, JSON.stringify([pattern, text]));
});

test("a pattern made to take for ever does not", () => {
  const pattern = `${"a*".repeat(500)}b`;
  assert.equal(matches(pattern, "a".repeat(2000)), false);
  assert.equal(matches(`${"*a".repeat(500)}*`, "a".repeat(2000)), true);
  assert.equal(matches("*".repeat(100_000), "a"), true);
});

test("on any small pattern it agrees with the definition", () => {
  const piece = fc.constantFrom("*", "?", "a", "b", "[ab]", "[^a]", "\\a", "[a-b]");
  const text = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), text, (pieces, subject) => {
      assert.equal(matches(pieces.join(""), subject), defined(pieces, subject));
    }),
    { numRuns: 2000 },
  );
});

/** By recursion, as one would explain it. */
function defined(pieces: readonly string[], text: string): boolean {
  const [first, ...rest] = pieces;
  if (first === undefined) return text === "";
  if (first === "*") return defined(rest, text) || (text !== "" && defined(pieces, text.slice(1)));
  const byte = text.charAt(0);
  if (byte === "") return false;
  const taken =
    first === "?" ||
    first === byte ||
    (first === "\\a" && byte === "a") ||
    ((first === "[ab]" || first === "[a-b]") && byte !== "c") ||
    (first === "[^a]" && byte !== "a");
  return taken && defined(rest, text.slice(1));
}
