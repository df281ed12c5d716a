/**
 * Select: the values of a document that a path means.
 *
 * Invariant: a value is found once, in the order of the path and within each of its steps in that of the document, unless the step
 * names what it wants; and with the container it lies in, so that it can be replaced. No path visits more than `VISITED_MAX` values.
 */
import type { ArrayNode, ObjectNode, Value } from "../crdt/document.ts";
import type { Operand, Step, Test } from "./path.ts";

/** A value and where it lies; the root lies nowhere. */
export type Found = Located & {
  readonly value: Value;
  /** What it was found in, up to the root. */
  readonly up: Found | null;
  readonly depth: number;
};
type Located =
  | { readonly within: null }
  | { readonly within: ObjectNode; readonly name: string }
  | { readonly within: ArrayNode; readonly index: number };

/** Values that one path may visit. */
const VISITED_MAX = 1_000_000;
const DEPTH_MAX = 512;

/** A path that asks for more work than one turn has room for; thrown to whoever began to select. */
export class TooMuch extends Error {}

/** What the steps find from a root. */
export function select(root: Value, steps: readonly Step[]): Found[] {
  const found = new Selection(root).from(rootOf(root), steps);
  // Only two descents come to a value by two ways.
  if (steps.filter(({ kind }) => kind === "descend").length < 2) return found;
  return [...new Map(found.map((one) => [wayTo(one), one])).values()];
}

/** The outermost of what was found: what does not lie within another of them. */
export function outermost(found: readonly Found[]): readonly Found[] {
  if (found.length < 2) return found;
  const ways = new Set(found.map(wayTo));
  return found.filter(({ up }) => {
    for (let above = up; above !== null; above = above.up) if (ways.has(wayTo(above))) return false;
    return true;
  });
}

/** Where a value lies, as a text of its own. */
export function wayTo(found: Found): string {
  const way: (string | number)[] = [];
  for (let at: Found | null = found; at !== null; at = at.up)
    if (at.within !== null) way.push("name" in at ? at.name : at.index);
  return JSON.stringify(way);
}

function rootOf(value: Value): Found {
  return { value, within: null, up: null, depth: 0 };
}

class Selection {
  readonly #root: Value;
  #left = VISITED_MAX;

  constructor(root: Value) {
    this.#root = root;
  }

  from(start: Found, steps: readonly Step[]): Found[] {
    let found = [start];
    for (const step of steps) {
      const next: Found[] = [];
      for (const at of found) this.#step(at, step, next);
      found = next;
    }
    return found;
  }

  #visit(): void {
    if (--this.#left < 0) throw new TooMuch("a path visits too many values");
  }

  #step(at: Found, step: Step, out: Found[]): void {
    const { value } = at;
    switch (step.kind) {
      case "descend":
        return this.#descend(at, out);
      case "names":
        if (typeof value === "object" && value?.type === "object")
          for (const name of new Set(step.names)) this.#member(at, value, name, out);
        return;
      case "indexes":
        if (typeof value === "object" && value?.type === "array")
          for (const index of new Set(step.indexes.map((i) => (i < 0 ? i + value.length : i))))
            this.#element(at, value, index, out);
        return;
      case "slice":
        if (typeof value !== "object" || value?.type !== "array") return;
        for (
          let index = bound(step.from ?? 0, value.length);
          index < bound(step.to ?? value.length, value.length);
          index += step.by
        )
          this.#element(at, value, index, out);
        return;
      case "all":
        return this.#children(at, out);
      case "filter": {
        // A filter is asked of what lies within.
        const children: Found[] = [];
        if (typeof value === "object" && value !== null) this.#children(at, children);
        for (const child of children) if (this.#holds(step.test, child)) out.push(child);
      }
    }
  }

  #member(at: Found, within: ObjectNode, name: string, out: Found[]): void {
    this.#visit();
    const value = within.get(name);
    if (value !== undefined) out.push({ value, within, name, up: at, depth: at.depth + 1 });
  }

  #element(at: Found, within: ArrayNode, index: number, out: Found[]): void {
    this.#visit();
    const value = within.get(index);
    if (value !== undefined) out.push({ value, within, index, up: at, depth: at.depth + 1 });
  }

  #children(up: Found, out: Found[]): void {
    const { value } = up;
    const depth = up.depth + 1;
    if (typeof value !== "object" || value === null) return;
    if (value.type === "object")
      for (const name of value.names()) {
        this.#visit();
        out.push({ value: value.get(name) ?? null, within: value, name, up, depth });
      }
    else
      for (const [index, element] of value.values().entries()) {
        this.#visit();
        out.push({ value: element, within: value, index, up, depth });
      }
  }

  #descend(at: Found, out: Found[]): void {
    if (at.depth > DEPTH_MAX) throw new TooMuch("a value lies too deep");
    out.push(at);
    const children: Found[] = [];
    this.#children(at, children);
    for (const child of children)
      if (typeof child.value === "object" && child.value !== null) this.#descend(child, out);
  }

  #holds(test: Test, at: Found): boolean {
    switch (test.kind) {
      case "or":
        return this.#holds(test.left, at) || this.#holds(test.right, at);
      case "and":
        return this.#holds(test.left, at) && this.#holds(test.right, at);
      case "not":
        return !this.#holds(test.test, at);
      case "there":
        return this.#operand(test.operand, at).length > 0;
      case "compare": {
        const right = this.#operand(test.right, at);
        return this.#operand(test.left, at).some((a) => right.some((b) => compares(test.by, a, b)));
      }
    }
  }

  #operand(operand: Operand, at: Found): Value[] {
    if (operand.kind === "literal") return [operand.value];
    const { value } = operand.fromRoot ? { value: this.#root } : at;
    return this.from(rootOf(value), operand.steps).map((f) => f.value);
  }
}

/** An end of a slice within an array. */
function bound(index: number, length: number): number {
  return Math.min(Math.max(index < 0 ? index + length : index, 0), length);
}

function compares(by: string, a: Value, b: Value): boolean {
  if (by === "==") return equal(a, b);
  if (by === "!=") return !equal(a, b);
  const comparable =
    (typeof a === "number" && typeof b === "number") ||
    (typeof a === "string" && typeof b === "string");
  if (!comparable) return false;
  if (by === "<") return a < b;
  if (by === "<=") return a <= b;
  return by === ">" ? a > b : a >= b;
}

/** Whether two values are the same JSON; the order of members does not matter. */
export function equal(a: Value, b: Value, depth = 0): boolean {
  if (typeof a !== "object" || a === null || typeof b !== "object" || b === null) return a === b;
  if (depth > DEPTH_MAX) throw new TooMuch("a value lies too deep");
  if (a.type === "array") {
    if (b.type !== "array" || a.length !== b.length) return false;
    const others = b.values();
    return a.values().every((value, i) => equal(value, others[i] ?? null, depth + 1));
  }
  if (b.type !== "object" || a.size !== b.size) return false;
  return a.names().every((name) => {
    const other = b.get(name);
    return other !== undefined && equal(a.get(name) ?? null, other, depth + 1);
  });
}
