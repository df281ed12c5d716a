/**
 * Glob: the patterns of KEYS, SCAN and PSUBSCRIBE, on bytes.
 *
 *   *  any bytes     ?  one byte     [abc] [a-z] [^a]  one byte of a class     \x  x itself
 *
 * Invariant: the time is at most the product of both lengths, and the stack does not grow, whatever the pattern: after a
 * mismatch only the last `*` takes one byte more, since what an earlier one could take instead would not help.
 *
 * Unfinished patterns mean what they mean in Redis: a class without its end ends with the pattern, a last `\` is itself, and
 * nothing but the empty pattern matches the empty string, not even `*`.
 */
const STAR = 42;
const QUESTION = 63;
const OPEN = 91;
const BACKSLASH = 92;
const CLOSE = 93;
const CARET = 94;
const DASH = 45;

/** Whether the bytes `text[from … to)` match all of `pattern`. */
export function globMatches(
  pattern: Uint8Array,
  text: Uint8Array,
  from: number,
  to: number,
): boolean {
  const end = pattern.length;
  if (from === to) return end === 0;
  let p = 0;
  let t = from;
  let star = -1;
  let starText = 0;
  while (t < to) {
    if (p < end && pattern[p] === STAR) {
      while (p < end && pattern[p] === STAR) p++;
      if (p === end) return true;
      star = p;
      starText = t;
      continue;
    }
    const next = p < end ? matchOne(pattern, p, text[t] as number) : -1;
    if (next >= 0) {
      p = next;
      t++;
    } else if (star >= 0) {
      p = star;
      t = ++starText;
    } else return false;
  }
  while (p < end && pattern[p] === STAR) p++;
  return p === end;
}

/** Where the pattern goes on after the element at `p` has taken `byte`; −1 when it does not take it. */
function matchOne(pattern: Uint8Array, p: number, byte: number): number {
  const first = pattern[p] as number;
  if (first === QUESTION) return p + 1;
  if (first === OPEN) return matchClass(pattern, p + 1, byte);
  const literal = first === BACKSLASH && p + 1 < pattern.length ? p + 1 : p;
  return pattern[literal] === byte ? literal + 1 : -1;
}

function matchClass(pattern: Uint8Array, start: number, byte: number): number {
  const end = pattern.length;
  const not = start < end && pattern[start] === CARET;
  let p = not ? start + 1 : start;
  let found = false;
  while (p < end && pattern[p] !== CLOSE) {
    const low = pattern[p] as number;
    if (low === BACKSLASH && p + 1 < end) {
      if (pattern[p + 1] === byte) found = true;
      p += 2;
    } else if (p + 2 < end && pattern[p + 1] === DASH) {
      if (between(low, pattern[p + 2] as number, byte)) found = true;
      p += 3;
    } else {
      if (low === byte) found = true;
      p++;
    }
  }
  if (found === not) return -1;
  return p < end ? p + 1 : end;
}

/** Redis compares the bounds of a range as signed bytes: 0xff comes before 0. */
function between(low: number, high: number, byte: number): boolean {
  const a = (low << 24) >> 24;
  const b = (high << 24) >> 24;
  const value = (byte << 24) >> 24;
  return a <= b ? a <= value && value <= b : b <= value && value <= a;
}
