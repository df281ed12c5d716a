/**
 * Json-model: documents as plain values, and what `JSON.*` does to them and answers: the obvious store to compare with.
 *
 * Paths come as steps and are walked by recursion; nothing is parsed, shared with others or kept but the values themselves.
 *
 * Invariant: an object keeps the place of a member that was removed, as `undefined`, since a document does.
 */
import { array, bulk, int, NIL, OK } from "../../core/commands/replies.suite.ts";

export type Plain = null | boolean | number | string | Plain[] | PlainObject;
export type PlainObject = Map<string, Plain | undefined>;

/** A step of a path; a filter takes what has a number greater than `above` under `name`, or is one itself when that is "". */
export type PlainStep =
  | { readonly kind: "name"; readonly names: readonly string[] }
  | { readonly kind: "index"; readonly indexes: readonly number[] }
  | { readonly kind: "slice"; readonly from: number; readonly to: number }
  | { readonly kind: "all" }
  | { readonly kind: "descend" }
  | { readonly kind: "filter"; readonly name: string; readonly above: number };

export interface PlainPath {
  readonly text: string;
  readonly legacy: boolean;
  readonly steps: readonly PlainStep[];
}

/** The reply is an error of whatever words. */
export const REFUSED = "-";

/** A value and how it is reached: an object and a name, an array and an index, or neither for the root. */
interface Spot {
  readonly value: Plain;
  readonly within: PlainObject | Plain[] | null;
  readonly at: string | number;
  readonly above: readonly Plain[];
}

export function printed(value: Plain): string {
  if (Array.isArray(value)) return `[${value.map(printed).join(",")}]`;
  if (!(value instanceof Map)) return Object.is(value, -0) ? "-0" : JSON.stringify(value);
  const members = membersOf(value).map(
    ([name, member]) => `${JSON.stringify(name)}:${printed(member)}`,
  );
  return `{${members.join(",")}}`;
}

function membersOf(object: PlainObject): [string, Plain][] {
  return [...object].filter((member): member is [string, Plain] => member[1] !== undefined);
}

/** As a value of its own. */
function copy(value: Plain): Plain {
  if (Array.isArray(value)) return value.map(copy);
  if (!(value instanceof Map)) return value;
  return new Map(membersOf(value).map(([name, member]) => [name, copy(member)]));
}

function within({ value, above }: Spot): Spot[] {
  const around = [...above, value];
  if (Array.isArray(value))
    return value.map((element, at) => ({ value: element, within: value, at, above: around }));
  if (!(value instanceof Map)) return [];
  return membersOf(value).map(([at, member]) => ({
    value: member,
    within: value,
    at,
    above: around,
  }));
}

function walk(from: Spot, [step, ...rest]: readonly PlainStep[]): Spot[] {
  if (step === undefined) return [from];
  return taken(from, step).flatMap((spot) => walk(spot, rest));
}

function taken(from: Spot, step: PlainStep): Spot[] {
  const children = within(from);
  const { value } = from;
  const count = Array.isArray(value) ? value.length : 0;
  const position = (index: number): number => (index < 0 ? index + count : index);
  switch (step.kind) {
    case "all":
      return children;
    case "descend":
      return [from, ...children.filter(isContainer).flatMap((child) => taken(child, step))];
    case "name":
      return [...new Set(step.names)].flatMap((name) => children.filter(({ at }) => at === name));
    case "index": {
      const indexes = new Set(step.indexes.map(position));
      return [...indexes].flatMap((index) => children.filter(({ at }) => at === index));
    }
    case "slice":
      return children.filter(
        ({ at }) => typeof at === "number" && at >= position(step.from) && at < position(step.to),
      );
    case "filter":
      return children.filter((child) => {
        const of = step.name === "" ? child.value : memberOf(child.value, step.name);
        return typeof of === "number" && of > step.above;
      });
  }
}

function memberOf(value: Plain, name: string): Plain | undefined {
  return value instanceof Map ? value.get(name) : undefined;
}

function isContainer({ value }: Spot): boolean {
  return typeof value === "object" && value !== null;
}

/** Those that lie within none of the others. */
function outermost(spots: readonly Spot[]): Spot[] {
  const found = new Set(spots.filter(isContainer).map(({ value }) => value));
  return spots.filter(({ above }) => !above.some((value) => found.has(value)));
}

function typeOf(value: Plain): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (value instanceof Map) return "object";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

function text(of: string): string {
  return bulk(Buffer.from(of).latin1Slice());
}

function sameAs(a: Plain, b: Plain): boolean {
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((element, i) => sameAs(element, b[i] as Plain));
  if (!(a instanceof Map && b instanceof Map)) return a === b;
  const [left, right] = [membersOf(a), new Map(membersOf(b))];
  return (
    left.length === right.size &&
    left.every(([name, member]) => right.has(name) && sameAs(member, right.get(name) as Plain))
  );
}

export class JsonModel {
  readonly documents = new Map<string, Plain>();

  #find(key: string, { steps }: PlainPath): Spot[] {
    const value = this.documents.get(key);
    return value === undefined ? [] : walk({ value, within: null, at: "", above: [] }, steps);
  }

  /** Puts a value in the place of each. */
  #replace(key: string, spots: readonly Spot[], next: (value: Plain) => Plain): void {
    for (const { value, within: container, at } of spots)
      if (container === null) this.documents.set(key, next(value));
      else if (Array.isArray(container)) container[at as number] = next(value);
      else container.set(at as string, next(value));
  }

  #remove(spots: readonly Spot[]): void {
    const containers = new Set(spots.map(({ within: container }) => container));
    for (const container of containers) {
      const gone = new Set(spots.filter((spot) => spot.within === container).map(({ at }) => at));
      if (Array.isArray(container))
        container.splice(0, container.length, ...container.filter((_, i) => !gone.has(i)));
      else for (const name of gone) container?.set(name as string, undefined);
    }
  }

  /** The objects to which a path that finds nothing would add a member, and its name; null if it means none. */
  #adding(key: string, path: PlainPath): { parents: PlainObject[]; name: string } | null {
    const last = path.steps.at(-1);
    if (last?.kind !== "name" || last.names.length !== 1) return null;
    const above = this.#find(key, { ...path, steps: path.steps.slice(0, -1) });
    const parents = above.flatMap(({ value }) => (value instanceof Map ? [value] : []));
    return { parents, name: last.names[0] as string };
  }

  set(key: string, path: PlainPath, value: Plain, only: "NX" | "XX" | null): string {
    const isThere = this.documents.has(key);
    if (!isThere && only === "XX") return NIL;
    if (path.steps.length === 0) {
      if (isThere && only === "NX") return NIL;
      this.documents.set(key, copy(value));
      return OK;
    }
    if (!isThere) return REFUSED;
    const found = outermost(this.#find(key, path));
    if (found.length > 0) {
      if (only === "NX") return NIL;
      this.#replace(key, found, () => copy(value));
      return OK;
    }
    const adding = this.#adding(key, path);
    if (adding === null) return REFUSED;
    if (adding.parents.length === 0 || only === "XX") return NIL;
    for (const parent of adding.parents) parent.set(adding.name, copy(value));
    return OK;
  }

  mset(writes: readonly { key: string; path: PlainPath; value: Plain }[]): string {
    for (const { key, path } of writes) {
      if (path.steps.length === 0) continue;
      if (!this.documents.has(key)) return REFUSED;
      if (this.#find(key, path).length === 0 && this.#adding(key, path) === null) return REFUSED;
    }
    for (const { key, path, value } of writes) this.set(key, path, value, null);
    return OK;
  }

  merge(key: string, path: PlainPath, patch: Plain): string {
    const whole = this.documents.get(key);
    if (path.steps.length === 0) {
      if (whole instanceof Map && patch instanceof Map) mergeInto(whole, patch);
      else this.documents.set(key, withoutNulls(patch));
      return OK;
    }
    if (whole === undefined) return REFUSED;
    const found = outermost(this.#find(key, path));
    if (found.length > 0) {
      for (const spot of found.toReversed())
        if (spot.value instanceof Map && patch instanceof Map) mergeInto(spot.value, patch);
        else if (patch === null && spot.within instanceof Map) this.#remove([spot]);
        else this.#replace(key, [spot], () => withoutNulls(patch));
      return OK;
    }
    const adding = this.#adding(key, path);
    if (adding === null) return REFUSED;
    if (adding.parents.length === 0) return NIL;
    if (patch !== null)
      for (const parent of adding.parents) parent.set(adding.name, withoutNulls(patch));
    return OK;
  }

  del(key: string, path: PlainPath): string {
    if (!this.documents.has(key)) return int(0);
    if (path.steps.length === 0) {
      this.documents.delete(key);
      return int(1);
    }
    const found = outermost(this.#find(key, path));
    this.#remove(found);
    return int(found.length);
  }

  get(key: string, paths: readonly PlainPath[]): string {
    const whole = this.documents.get(key);
    if (whole === undefined) return NIL;
    if (paths.length === 0) return text(printed(whole));
    const older = paths.every(({ legacy }) => legacy);
    const parts: string[] = [];
    for (const path of paths) {
      const found = this.#find(key, path).map(({ value }) => value);
      const [first] = found;
      if (older && first === undefined) return REFUSED;
      parts.push(older ? printed(first as Plain) : printed(found));
    }
    if (paths.length === 1) return text(parts[0] as string);
    const named = parts.map((part, i) => `${JSON.stringify((paths[i] as PlainPath).text)}:${part}`);
    return text(`{${named.join(",")}}`);
  }

  mget(keys: readonly string[], path: PlainPath): string {
    return array(
      ...keys.map((key) => {
        const found = this.#find(key, path).map(({ value }) => value);
        if (!this.documents.has(key)) return NIL;
        if (!path.legacy) return text(printed(found));
        return found.length === 0 ? NIL : text(printed(found[0] as Plain));
      }),
    );
  }

  /**
   * Answers for each value that a path finds, nil where `one` is null; of an older path for the first, and `none` where there is
   * nothing. A key that is not there is `absent`, or `absentOlder`.
   */
  #each(
    key: string,
    path: PlainPath,
    one: (value: Plain) => string | null,
    answers: {
      readonly absent?: string;
      readonly absentOlder?: string;
      readonly none?: string;
    } = {},
  ): string {
    const { absent = REFUSED, none = REFUSED } = answers;
    if (!this.documents.has(key)) return path.legacy ? (answers.absentOlder ?? absent) : absent;
    const found = this.#find(key, path);
    if (!path.legacy) return array(...found.map(({ value }) => one(value) ?? NIL));
    return found[0] === undefined ? none : (one(found[0].value) ?? REFUSED);
  }

  type(key: string, path: PlainPath): string {
    return this.#each(key, path, (value) => text(typeOf(value)), { absent: NIL, none: NIL });
  }

  strlen(key: string, path: PlainPath): string {
    const one = (value: Plain): string | null =>
      typeof value === "string" ? int(Buffer.byteLength(value)) : null;
    return this.#each(key, path, one, { absentOlder: NIL });
  }

  arrlen(key: string, path: PlainPath): string {
    const one = (value: Plain): string | null => (Array.isArray(value) ? int(value.length) : null);
    return this.#each(key, path, one, { absentOlder: NIL });
  }

  objlen(key: string, path: PlainPath): string {
    const one = (value: Plain): string | null =>
      value instanceof Map ? int(membersOf(value).length) : null;
    return this.#each(key, path, one, { absentOlder: NIL, none: NIL });
  }

  objkeys(key: string, path: PlainPath): string {
    const one = (value: Plain): string | null =>
      value instanceof Map ? array(...membersOf(value).map(([name]) => text(name))) : null;
    return this.#each(key, path, one, { absent: NIL, none: NIL });
  }

  resp(key: string, path: PlainPath): string {
    const one = (value: Plain): string => {
      if (value === null) return NIL;
      if (typeof value === "boolean") return `+${value}\r\n`;
      if (typeof value === "number")
        return Number.isInteger(value) ? int(value) : text(printed(value));
      if (typeof value === "string") return text(value);
      if (Array.isArray(value)) return array("+[\r\n", ...value.map(one));
      const members = membersOf(value).flatMap(([name, member]) => [text(name), one(member)]);
      return array("+{\r\n", ...members);
    };
    return this.#each(key, path, one, { absent: NIL });
  }

  arrindex(key: string, path: PlainPath, wanted: Plain, start: number, stop: number): string {
    const one = (value: Plain): string | null => {
      if (!Array.isArray(value)) return null;
      const { length: count } = value;
      const from = start < 0 ? Math.max(0, start + count) : Math.min(start, Math.max(0, count - 1));
      const to = stop === 0 || stop > count ? count : stop < 0 ? stop + count : stop;
      return int(value.findIndex((element, i) => i >= from && i < to && sameAs(element, wanted)));
    };
    return this.#each(key, path, one);
  }

  /** Changes what is of a type; answers for each what became of it. */
  #change(
    key: string,
    path: PlainPath,
    next: (value: Plain) => Plain | undefined,
    answer: (value: Plain) => string,
  ): string | (Plain | undefined)[] {
    if (!this.documents.has(key)) return REFUSED;
    const found = this.#find(key, path);
    const values = found.map(({ value }) => next(value));
    this.#replace(
      key,
      found.filter((_, i) => values[i] !== undefined),
      (value) => next(value) as Plain,
    );
    if (!path.legacy) return values;
    const last = values.findLast((value) => value !== undefined);
    return last === undefined ? REFUSED : answer(last);
  }

  calculate(key: string, path: PlainPath, operate: (value: number) => number): string {
    const next = (value: Plain): number | undefined =>
      typeof value === "number" ? operate(value) : undefined;
    if (this.#find(key, path).some(({ value }) => !Number.isFinite(next(value) ?? 0)))
      return REFUSED;
    const answer = this.#change(key, path, next, (value) => text(printed(value)));
    if (typeof answer === "string") return answer;
    return text(printed(answer.map((value) => value ?? null)));
  }

  strappend(key: string, path: PlainPath, tail: string): string {
    const answer = this.#change(
      key,
      path,
      (value) => (typeof value === "string" ? value + tail : undefined),
      (value) => int(Buffer.byteLength(value as string)),
    );
    if (typeof answer === "string") return answer;
    const lengths = answer.map((value) =>
      typeof value === "string" ? int(Buffer.byteLength(value)) : NIL,
    );
    return array(...lengths);
  }

  toggle(key: string, path: PlainPath): string {
    const answer = this.#change(
      key,
      path,
      (value) => (typeof value === "boolean" ? !value : undefined),
      (value) => text(printed(value)),
    );
    if (typeof answer === "string") return answer;
    return array(
      ...answer.map((value) => (value === undefined ? NIL : int(value === true ? 1 : 0))),
    );
  }

  clear(key: string, path: PlainPath): string {
    if (!this.documents.has(key)) return REFUSED;
    const isFilled = ({ value }: Spot): boolean =>
      typeof value === "number"
        ? value !== 0
        : value instanceof Map
          ? membersOf(value).length > 0
          : Array.isArray(value) && value.length > 0;
    const found = outermost(this.#find(key, path).filter(isFilled));
    for (const spot of found)
      if (Array.isArray(spot.value)) spot.value.length = 0;
      else if (spot.value instanceof Map)
        for (const name of spot.value.keys()) spot.value.set(name, undefined);
      else this.#replace(key, [spot], () => 0);
    return int(found.length);
  }

  /** Does something to each array, from the back; answers for each what is told of it before. */
  #arrays(
    key: string,
    path: PlainPath,
    answer: (value: Plain[]) => string,
    edit: (value: Plain[]) => void,
  ): string {
    if (!this.documents.has(key)) return REFUSED;
    const found = this.#find(key, path).map(({ value }) => value);
    const arrays = found.filter((value) => Array.isArray(value));
    const last = arrays.at(-1);
    if (path.legacy && last === undefined) return REFUSED;
    const reply =
      path.legacy && last !== undefined
        ? answer(last)
        : array(...found.map((value) => (Array.isArray(value) ? answer(value) : NIL)));
    for (const value of arrays.toReversed()) edit(value);
    return reply;
  }

  arrappend(key: string, path: PlainPath, values: readonly Plain[]): string {
    return this.#arrays(
      key,
      path,
      ({ length: count }) => int(count + values.length),
      (value) => value.push(...values.map(copy)),
    );
  }

  arrinsert(key: string, path: PlainPath, index: number, values: readonly Plain[]): string {
    const at = ({ length: count }: Plain[]): number => (index < 0 ? index + count : index);
    for (const { value } of this.#find(key, path))
      if (Array.isArray(value) && (at(value) < 0 || at(value) > value.length)) return REFUSED;
    return this.#arrays(
      key,
      path,
      ({ length: count }) => int(count + values.length),
      (value) => value.splice(at(value), 0, ...values.map(copy)),
    );
  }

  arrpop(key: string, path: PlainPath, index: number): string {
    const at = ({ length: count }: Plain[]): number =>
      index < 0 ? Math.max(0, index + count) : Math.min(index, count - 1);
    return this.#arrays(
      key,
      path,
      (value) => (value.length === 0 ? NIL : text(printed(value[at(value)] as Plain))),
      (value) => value.splice(at(value), 1),
    );
  }

  arrtrim(key: string, path: PlainPath, start: number, stop: number): string {
    const kept = (value: Plain[]): Plain[] => {
      const { length: count } = value;
      const from = Math.max(0, start < 0 ? start + count : start);
      const to = stop < 0 ? stop + count : stop;
      return value.slice(from, Math.max(0, to + 1));
    };
    return this.#arrays(
      key,
      path,
      (value) => int(kept(value).length),
      (value) => value.splice(0, value.length, ...kept(value)),
    );
  }
}

/** As RFC 7396 has it: null removes, objects are merged, anything else is put in. */
function mergeInto(target: PlainObject, patch: PlainObject): void {
  for (const [name, value] of membersOf(patch)) {
    const there = target.get(name);
    if (value === null) {
      if (there !== undefined) target.set(name, undefined);
    } else if (there instanceof Map && value instanceof Map) mergeInto(there, value);
    else target.set(name, withoutNulls(value));
  }
}

function withoutNulls(value: Plain): Plain {
  if (!(value instanceof Map)) return copy(value);
  const kept = membersOf(value).filter(([, member]) => member !== null);
  return new Map(kept.map(([name, member]) => [name, withoutNulls(member)]));
}
