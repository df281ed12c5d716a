/**
 * Compare: whether two replies to one step agree.
 *
 * Invariant: errors are compared byte for byte, whatever else is expected; only a `property` check takes them itself.
 */
import { isError, itemsOf, parseReply, textOf, type Reply } from "../support/resp.ts";
import type { Expectation } from "./step.ts";

/** Says how the frames disagree, or null. `before` are the frames of the step before on the same connection. */
export function disagreement(
  expect: Expectation,
  reference: Buffer,
  subject: Buffer,
  before: { reference: Buffer; subject: Buffer } | null,
): string | null {
  const same = reference.equals(subject);
  if (same && expect.kind !== "property") return null;
  if (expect.kind === "exact") return "the replies differ";
  const [a, b] = [parseReply(reference), parseReply(subject)];
  if (expect.kind === "property") {
    const held =
      before === null
        ? null
        : { reference: parseReply(before.reference), subject: parseReply(before.subject) };
    return expect.check(a, b, held);
  }
  return replyDisagreement(expect, a, b);
}

/** As `disagreement`, for replies that stand inside another one. Their property is not checked: they have no step before. */
export function replyDisagreement(expect: Expectation, a: Reply, b: Reply): string | null {
  if (a.raw.equals(b.raw)) return null;
  if (isError(a) || isError(b)) return "the replies differ";
  switch (expect.kind) {
    case "exact":
      return "the replies differ";
    case "within":
      return close(a, b, expect.by) ? null : `the replies are more than ${expect.by} apart`;
    case "unordered":
      if (a.type !== b.type) return "the replies are of different types";
      return sorted(a, expect.stride).equals(sorted(b, expect.stride))
        ? null
        : "the replies hold different items";
    case "property":
      return expect.check(a, b, null);
  }
}

function close(a: Reply, b: Reply, by: number): boolean {
  if (a.type !== ":" || b.type !== ":") return false;
  const [x, y] = [BigInt(String(textOf(a))), BigInt(String(textOf(b)))];
  // -1 and -2 are words, not numbers.
  if (x < 0n || y < 0n) return x === y;
  return (x > y ? x - y : y - x) <= BigInt(by);
}

/** The items in the order of their bytes. A map, and pairs that are arrays of their own, keep each pair together anyway. */
function sorted(reply: Reply, stride: 1 | 2): Buffer {
  const items = itemsOf(reply);
  const flatPairs = reply.type === "%" || (stride === 2 && !items.some((item) => "items" in item));
  const units: Buffer[] = [];
  const step = flatPairs ? 2 : 1;
  for (let i = 0; i < items.length; i += step) {
    units.push(Buffer.concat(items.slice(i, i + step).map((item) => item.raw)));
  }
  return Buffer.concat(units.sort(Buffer.compare));
}
