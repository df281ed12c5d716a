/**
 * Nodes: the objects and arrays of a document of Yjs as commands walk and edit them.
 *
 * Invariant: an object's members come in the order in which their names first appeared, by the identity of that first writing: Yjs'
 * own order depends on which replica one asks.
 */
import * as Y from "yjs";
import type { ArrayNode, ObjectNode, Value } from "../../core/crdt/document.ts";
import type { Json } from "../../core/json/json.ts";

/**
 * What Yjs holds, as commands see it. Texts are strings, bytes are shown in base64, and what
 * JSON does not know, XML among it, is null.
 */
export function valueOf(held: unknown, owner: Owner): Value {
  if (held instanceof Y.Map) return new MapNode(held as Y.Map<unknown>);
  if (held instanceof Y.Array) return new ListNode(held as Y.Array<unknown>);
  if (held instanceof Y.Text && !(held instanceof Y.XmlText)) return held.toJSON();
  if (held instanceof Y.AbstractType) return null;
  if (held instanceof Uint8Array) return Buffer.from(held).toString("base64");
  if (Array.isArray(held)) return new FixedArray(held as unknown[], owner);
  switch (typeof held) {
    case "string":
    case "boolean":
    case "bigint":
      return held;
    case "number":
      return Number.isFinite(held) ? held : null;
    case "object":
      return held === null ? null : new FixedObject(held as Record<string, unknown>, owner);
    default:
      return null;
  }
}

/** What Yjs is to hold for a value. */
export function heldOf(value: Json): unknown {
  if (value instanceof Map) {
    const map = new Y.Map<unknown>();
    for (const [name, member] of value) map.set(name, heldOf(member as Json));
    return map;
  }
  if (Array.isArray(value)) {
    const list = new Y.Array<unknown>();
    list.insert(0, value.map(heldOf));
    return list;
  }
  return value;
}

/** Puts another value in the place of one that was found. */
type Owner = (value: Json) => void;

export class MapNode implements ObjectNode {
  readonly type = "object";
  readonly thaw = null;
  readonly #map: Y.Map<unknown>;

  constructor(map: Y.Map<unknown>) {
    this.#map = map;
  }

  get size(): number {
    return this.#map.size;
  }

  names(): string[] {
    const named: { name: string; id: Y.ID }[] = [];
    // oxlint-disable-next-line no-underscore-dangle -- what lies in front of a member is not to be had otherwise
    for (const [name, item] of this.#map._map)
      if (!item.deleted) named.push({ name, id: firstOf(item) });
    named.sort((a, b) => a.id.client - b.id.client || a.id.clock - b.id.clock);
    return named.map(({ name }) => name);
  }

  get(name: string): Value | undefined {
    if (!this.#map.has(name)) return undefined;
    return valueOf(this.#map.get(name), (value) => this.set(name, value));
  }

  set(name: string, value: Json): void {
    this.#map.set(name, heldOf(value));
  }

  remove(name: string): void {
    this.#map.delete(name);
  }
}

/** What was written under a name before all else. */
function firstOf(item: Y.Item): Y.ID {
  let first = item;
  while (first.left !== null) first = first.left;
  return first.id;
}

export class ListNode implements ArrayNode {
  readonly type = "array";
  readonly thaw = null;
  readonly #list: Y.Array<unknown>;

  constructor(list: Y.Array<unknown>) {
    this.#list = list;
  }

  get length(): number {
    return this.#list.length;
  }

  values(): Value[] {
    return this.#list
      .toArray()
      .map((held, index) => valueOf(held, (value) => this.set(index, value)));
  }

  get(index: number): Value | undefined {
    if (index < 0 || index >= this.#list.length) return undefined;
    return valueOf(this.#list.get(index), (value) => this.set(index, value));
  }

  /** The new element stands before the old one goes, so that it takes its place among concurrent insertions. */
  set(index: number, value: Json): void {
    this.#list.insert(index, [heldOf(value)]);
    this.#list.delete(index + 1, 1);
  }

  insert(index: number, values: readonly Json[]): void {
    this.#list.insert(index, values.map(heldOf));
  }

  remove(index: number, count: number): void {
    this.#list.delete(index, count);
  }
}

/** A plain object or array, and what puts another value in its place. */
abstract class Fixed {
  readonly thaw: () => void;

  constructor(held: unknown, owner: Owner) {
    this.thaw = () => owner(plain(held));
  }

  set(): void {
    throw new Error("bug: a plain value is edited as it is");
  }

  insert(): void {
    this.set();
  }

  remove(): void {
    this.set();
  }
}

class FixedObject extends Fixed implements ObjectNode {
  readonly type = "object";
  readonly #held: Readonly<Record<string, unknown>>;
  readonly #owner: Owner;

  constructor(held: Readonly<Record<string, unknown>>, owner: Owner) {
    super(held, owner);
    this.#held = held;
    this.#owner = owner;
  }

  get size(): number {
    return Object.keys(this.#held).length;
  }

  names(): string[] {
    return Object.keys(this.#held);
  }

  get(name: string): Value | undefined {
    return Object.hasOwn(this.#held, name) ? valueOf(this.#held[name], this.#owner) : undefined;
  }
}

class FixedArray extends Fixed implements ArrayNode {
  readonly type = "array";
  readonly #held: readonly unknown[];
  readonly #owner: Owner;

  constructor(held: readonly unknown[], owner: Owner) {
    super(held, owner);
    this.#held = held;
    this.#owner = owner;
  }

  get length(): number {
    return this.#held.length;
  }

  values(): Value[] {
    return this.#held.map((held) => valueOf(held, this.#owner));
  }

  get(index: number): Value | undefined {
    return index in this.#held ? valueOf(this.#held[index], this.#owner) : undefined;
  }
}

/** A plain value as parsed JSON. */
function plain(held: unknown): Json {
  if (Array.isArray(held)) return held.map(plain);
  if (held instanceof Uint8Array) return Buffer.from(held).toString("base64");
  if (typeof held === "object" && held !== null)
    return new Map(Object.entries(held).map(([name, member]) => [name, plain(member)]));
  if (typeof held === "string" || typeof held === "boolean") return held;
  if (typeof held === "bigint") return Number(held);
  return typeof held === "number" && Number.isFinite(held) ? held : null;
}
