/**
 * Path: JSONPath as text to steps.
 *
 *   $.a['b c'][0,-1][1:3].*..c[?(@.x>1)]        or the older form without the $: .a["b c"][0]
 *
 * Invariant: a path has at most `STEPS_MAX` steps and its filters nest at most `FILTERS_MAX` deep, so that walking one is bounded by
 * what it walks over.
 */
export type Step =
  | { readonly kind: "names"; readonly names: readonly string[] }
  | { readonly kind: "indexes"; readonly indexes: readonly number[] }
  | {
      readonly kind: "slice";
      readonly from: number | null;
      readonly to: number | null;
      readonly by: number;
    }
  | { readonly kind: "all" }
  /** The value itself and everything within it. */
  | { readonly kind: "descend" }
  | { readonly kind: "filter"; readonly test: Test };

export type Test =
  | { readonly kind: "or" | "and"; readonly left: Test; readonly right: Test }
  | { readonly kind: "not"; readonly test: Test }
  | { readonly kind: "there"; readonly operand: Operand }
  | {
      readonly kind: "compare";
      readonly by: Comparison;
      readonly left: Operand;
      readonly right: Operand;
    };

export type Comparison = "==" | "!=" | "<=" | ">=" | "<" | ">";

export type Operand =
  | { readonly kind: "literal"; readonly value: null | boolean | number | string }
  | { readonly kind: "path"; readonly fromRoot: boolean; readonly steps: readonly Step[] };

export interface Path {
  readonly text: string;
  /** The older form: it means one value, and replies have other shapes. */
  readonly legacy: boolean;
  readonly steps: readonly Step[];
}

const STEPS_MAX = 128;
const FILTERS_MAX = 16;
const ROOT: readonly Step[] = [];

/** A path that every command takes when none is given. */
export const LEGACY_ROOT: Path = { text: ".", legacy: true, steps: ROOT };

class NotAPath extends Error {}

/** The path, or null if the text is none. The text is UTF-8, decoded. */
export function parsePath(text: string): Path | null {
  const legacy = !text.startsWith("$");
  const parser = new PathParser(text);
  try {
    return { text, legacy, steps: legacy ? parser.legacy() : parser.whole() };
  } catch (error) {
    if (error instanceof NotAPath) return null;
    throw error;
  }
}

const NAME = /[^\s.[\]()'"*,:?@$<>=!&|]+/y;
const INTEGER = /-?(?:0|[1-9][0-9]{0,14})/y;
const LITERAL_NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const COMPARISONS: readonly Comparison[] = ["==", "!=", "<=", ">=", "<", ">"];

class PathParser {
  readonly #text: string;
  #at = 0;
  #filters = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): Step[] {
    this.#at = 1;
    const steps = this.#steps();
    if (this.#at < this.#text.length) throw new NotAPath();
    return steps;
  }

  legacy(): Step[] {
    const text = this.#text;
    if (text === "" || text === ".") return [];
    const steps: Step[] = [];
    // The first name may stand without its dot.
    if (text[0] !== "." && text[0] !== "[") steps.push({ kind: "names", names: [this.#name()] });
    else if (text.startsWith(".[")) this.#at = 1;
    steps.push(...this.#steps());
    if (this.#at < text.length) throw new NotAPath();
    return steps;
  }

  #steps(): Step[] {
    const text = this.#text;
    const steps: Step[] = [];
    for (;;) {
      if (steps.length > STEPS_MAX) throw new NotAPath();
      if (text.startsWith("..", this.#at)) {
        this.#at += 2;
        steps.push({ kind: "descend" });
        if (text[this.#at] !== "[") steps.push(this.#member());
      } else if (text[this.#at] === ".") {
        this.#at++;
        steps.push(this.#member());
      } else if (text[this.#at] === "[") steps.push(this.#bracket());
      else return steps;
    }
  }

  #member(): Step {
    if (this.#text[this.#at] === "*") {
      this.#at++;
      return { kind: "all" };
    }
    return { kind: "names", names: [this.#name()] };
  }

  #name(): string {
    const name = this.#match(NAME);
    if (name === null) throw new NotAPath();
    return name;
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? null;
    if (found !== null) this.#at += found.length;
    return found;
  }

  #space(): void {
    while (this.#text[this.#at] === " ") this.#at++;
  }

  /** Takes a token if it is next. */
  #take(token: string): boolean {
    this.#space();
    if (!this.#text.startsWith(token, this.#at)) return false;
    this.#at += token.length;
    return true;
  }

  #expect(token: string): void {
    if (!this.#take(token)) throw new NotAPath();
  }

  #bracket(): Step {
    this.#expect("[");
    const step = this.#inBrackets();
    this.#expect("]");
    return step;
  }

  #inBrackets(): Step {
    if (this.#take("*")) return { kind: "all" };
    if (this.#take("?")) {
      if (++this.#filters > FILTERS_MAX) throw new NotAPath();
      this.#expect("(");
      const test = this.#or(0);
      this.#expect(")");
      return { kind: "filter", test };
    }
    this.#space();
    const next = this.#text[this.#at];
    if (next === "'" || next === '"') {
      const names = [this.#quoted()];
      while (this.#take(",")) names.push(this.#quoted());
      return { kind: "names", names };
    }
    const first = this.#match(INTEGER);
    if (this.#take(":")) return this.#slice(first);
    if (first === null) throw new NotAPath();
    const indexes = [Number(first)];
    while (this.#take(",")) indexes.push(this.#integer());
    return { kind: "indexes", indexes };
  }

  #integer(): number {
    this.#space();
    const digits = this.#match(INTEGER);
    if (digits === null) throw new NotAPath();
    return Number(digits);
  }

  /** What follows the first colon. */
  #slice(first: string | null): Step {
    const optional = (): number | null => {
      this.#space();
      const digits = this.#match(INTEGER);
      return digits === null ? null : Number(digits);
    };
    const to = optional();
    const by = this.#take(":") ? (optional() ?? 1) : 1;
    if (by <= 0) throw new NotAPath();
    return { kind: "slice", from: first === null ? null : Number(first), to, by };
  }

  #quoted(): string {
    this.#space();
    const quote = this.#text[this.#at];
    if (quote !== "'" && quote !== '"') throw new NotAPath();
    let found = "";
    for (this.#at++; ; this.#at++) {
      const next = this.#text[this.#at];
      if (next === undefined) throw new NotAPath();
      if (next === quote) break;
      if (next === "\\") found += this.#text[++this.#at] ?? "";
      else found += next;
    }
    this.#at++;
    return found;
  }

  #or(depth: number): Test {
    let left = this.#and(depth);
    while (this.#take("||")) left = { kind: "or", left, right: this.#and(depth) };
    return left;
  }

  #and(depth: number): Test {
    let left = this.#unit(depth);
    while (this.#take("&&")) left = { kind: "and", left, right: this.#unit(depth) };
    return left;
  }

  #unit(depth: number): Test {
    if (depth > FILTERS_MAX) throw new NotAPath();
    this.#space();
    if (this.#text[this.#at] === "!" && this.#text[this.#at + 1] !== "=") {
      this.#at++;
      return { kind: "not", test: this.#unit(depth + 1) };
    }
    if (this.#take("(")) {
      const test = this.#or(depth + 1);
      this.#expect(")");
      return test;
    }
    const left = this.#operand();
    const by = COMPARISONS.find((comparison) => this.#take(comparison));
    if (by !== undefined) return { kind: "compare", by, left, right: this.#operand() };
    if (left.kind === "literal") throw new NotAPath();
    return { kind: "there", operand: left };
  }

  #operand(): Operand {
    this.#space();
    const next = this.#text[this.#at];
    if (next === "@" || next === "$") {
      this.#at++;
      return { kind: "path", fromRoot: next === "$", steps: this.#steps() };
    }
    if (next === "'" || next === '"') return { kind: "literal", value: this.#quoted() };
    for (const [word, value] of [
      ["true", true],
      ["false", false],
      ["null", null],
    ] as const)
      if (this.#take(word)) return { kind: "literal", value };
    const digits = this.#match(LITERAL_NUMBER);
    if (digits === null) throw new NotAPath();
    return { kind: "literal", value: Number(digits) };
  }
}
