/**
 * Drawn: what must be true of items that a server chose by chance (SRANDMEMBER, HRANDFIELD, RANDOMKEY, SPOP).
 *
 * Invariant: both servers draw as many, in the same shape, from what both held the moment before; distinct ones where
 * Redis promises it.
 */
import { isError, isNull, itemsOf, textOf, type Reply } from "../support/resp.ts";
import type { Expectation } from "./step.ts";

/**
 * `populationOf` reads the reply to the step before: what there was, each with its value (or with "" when it has none).
 * `count` is null for the form without one. Drawing a "pair" brings the value with it.
 */
export function drawnFrom(
  populationOf: (before: Reply) => Map<string, string>,
  count: number | null,
  unit: "item" | "pair" = "item",
): Expectation {
  return {
    kind: "property",
    check: (reference, subject, before) => {
      if (isError(reference) || isNull(reference) || before === null) {
        return reference.raw.equals(subject.raw) ? null : "the replies differ";
      }
      if (shapeOf(reference) !== shapeOf(subject)) return "the replies have different shapes";
      for (const [reply, held] of [
        [reference, before.reference],
        [subject, before.subject],
      ] as const) {
        const wrong = wrongDraw(reply, populationOf(held), count, unit);
        if (wrong !== null) return wrong;
      }
      return null;
    },
  };
}

function wrongDraw(
  reply: Reply,
  population: Map<string, string>,
  count: number | null,
  unit: "item" | "pair",
): string | null {
  const drawn = drawnItems(reply, unit);
  if (drawn === null) return "a pair is not a pair";
  for (const [item, value] of drawn) {
    const held = population.get(item);
    if (held === undefined) return `it drew ${JSON.stringify(item)}, which was not there`;
    if (unit === "pair" && held !== value)
      return `it drew a wrong value of ${JSON.stringify(item)}`;
  }
  const distinct = count === null || count >= 0;
  if (distinct && new Set(drawn.map(([item]) => item)).size !== drawn.length) {
    return "it drew the same one twice";
  }
  const expected =
    count === null
      ? 1
      : count < 0
        ? population.size > 0
          ? -count
          : 0
        : Math.min(count, population.size);
  return drawn.length === expected ? null : `it drew ${drawn.length} instead of ${expected}`;
}

/** What was drawn, with values for pairs: flat in RESP2, nested in RESP3. */
function drawnItems(reply: Reply, unit: "item" | "pair"): [string, string][] | null {
  if (!("items" in reply)) return [[latin1(reply), ""]];
  const items = itemsOf(reply);
  if (unit === "item") return items.map((item) => [latin1(item), ""]);
  const nested = items.some((item) => "items" in item);
  const flat = nested ? items.flatMap(itemsOf) : items;
  if (flat.length % 2 !== 0 || (nested && items.some((item) => itemsOf(item).length !== 2)))
    return null;
  return Array.from({ length: flat.length / 2 }, (_, i) => [
    latin1(flat[2 * i]),
    latin1(flat[2 * i + 1]),
  ]);
}

/** Types and counts at every level, without the contents. */
function shapeOf(reply: Reply): string {
  if (!("items" in reply)) return reply.type;
  return `${reply.type}${reply.items?.length ?? "null"}(${itemsOf(reply).map(shapeOf).join("")})`;
}

/** The items of an array or set as a population without values. */
export function membersOf(reply: Reply): Map<string, string> {
  return new Map(itemsOf(reply).map((item) => [latin1(item), ""]));
}

function latin1(reply: Reply | undefined): string {
  return textOf(reply)?.toString("latin1") ?? "";
}
