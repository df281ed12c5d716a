/** Json-literal: parsed JSON as a value of a document, to be compared with one. It is read and never edited. */
import type { ArrayNode, ObjectNode, Value } from "../crdt/document.ts";
import type { Json, JsonObject } from "../json/json.ts";

export function literal(value: Json): Value {
  if (value instanceof Map) return new LiteralObject(value as JsonObject);
  if (Array.isArray(value)) return new LiteralArray(value as readonly Json[]);
  return value as Exclude<Json, JsonObject | readonly Json[]>;
}

abstract class Literal {
  readonly thaw = null;

  set(): void {
    throw new Error("bug: a literal is edited");
  }

  insert(): void {
    this.set();
  }

  remove(): void {
    this.set();
  }
}

class LiteralObject extends Literal implements ObjectNode {
  readonly type = "object";
  readonly #members: JsonObject;

  constructor(members: JsonObject) {
    super();
    this.#members = members;
  }

  get size(): number {
    return this.#members.size;
  }

  names(): string[] {
    return [...this.#members.keys()];
  }

  get(name: string): Value | undefined {
    const member = this.#members.get(name);
    return member === undefined ? undefined : literal(member);
  }
}

class LiteralArray extends Literal implements ArrayNode {
  readonly type = "array";
  readonly #elements: readonly Json[];

  constructor(elements: readonly Json[]) {
    super();
    this.#elements = elements;
  }

  get length(): number {
    return this.#elements.length;
  }

  values(): Value[] {
    return this.#elements.map(literal);
  }

  get(index: number): Value | undefined {
    const element = this.#elements[index];
    return element === undefined ? undefined : literal(element);
  }
}
