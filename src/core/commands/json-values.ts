/**
 * Json-values: what a path finds, each value on its own: types, lengths, numbers, strings, arrays, objects.
 *
 * Invariant: for a path of JSONPath the reply is an array with one answer for each value found, nil where the value is of another
 * type. For an older path it is one answer, and an error where there is none to give.
 */
import type { ArrayNode, Value } from "../crdt/document.ts";
import { NONE } from "../crdt/key.ts";
import type { Json } from "../json/json.ts";
import { parseJson } from "../json/parse.ts";
import type { Path } from "../json/path.ts";
import { printJson } from "../json/print.ts";
import { equal, type Found, outermost, select } from "../json/select.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import { NOT_AN_INTEGER } from "./errors.ts";
import { replyText } from "./json.ts";
import { literal } from "./json-literal.ts";
import {
  editFound,
  fits,
  fitsAt,
  jsonAt,
  NO_DOCUMENT,
  noSuchPath,
  open,
  type Opened,
  pathAt,
  replace,
  typeName,
} from "./json-documents.ts";
import { integerAt } from "./numbers.ts";
import type { Run } from "./run.ts";

interface Sought {
  readonly opened: Opened;
  readonly path: Path;
  readonly found: readonly Found[];
}

/** What the path in argument `i` finds; null after a refusal was answered, or `absent` because there is no document. */
function seek(
  run: Run,
  args: Args,
  i: number,
  reply: Reply,
  absent: (path: Path) => void = () => reply.error(NO_DOCUMENT),
): Sought | null {
  const path = pathAt(args, i, reply);
  if (path === null) return null;
  const place = run.look(args, 1);
  if (place.type === NONE) {
    absent(path);
    return null;
  }
  const opened = open(run, place, reply);
  if (opened === null) return null;
  return { opened, path, found: select(opened.document.root, path.steps) };
}

/** Answers for each value found, or for the first with an older path; `one` returns whether the value is of its type. */
function answerEach(
  { path, found }: Sought,
  reply: Reply,
  expected: string,
  one: (value: Value) => boolean,
  missing: () => void = () => reply.error(noSuchPath(path)),
): void {
  if (!path.legacy) {
    reply.array(found.length);
    for (const { value } of found) if (!one(value)) reply.nil();
    return;
  }
  const [first] = found;
  if (first === undefined) return missing();
  if (!one(first.value))
    reply.error(
      `WRONGTYPE wrong type of path value - expected ${expected} but found ${typeName(first.value)}`,
    );
}

export function jsonType(run: Run, args: Args, reply: Reply): void {
  const sought = seek(run, args, 2, reply, () => reply.nil());
  if (sought === null) return;
  const { path, found } = sought;
  // In RESP3 the answer is one of a list of them, whatever the path.
  if (reply.resp === 3) reply.array(1);
  if (path.legacy) {
    const [first] = found;
    if (first === undefined) reply.nil();
    else reply.text(typeName(first.value));
    return;
  }
  reply.array(found.length);
  for (const { value } of found) reply.text(typeName(value));
}

function length(
  run: Run,
  args: Args,
  reply: Reply,
  expected: string,
  lengthOf: (value: Value) => number | null,
): void {
  const sought = seek(run, args, 2, reply, ({ legacy }) =>
    legacy ? reply.nil() : reply.error(NO_DOCUMENT),
  );
  if (sought === null) return;
  answerEach(
    sought,
    reply,
    expected,
    (value) => {
      const measured = lengthOf(value);
      if (measured !== null) reply.int(measured);
      return measured !== null;
    },
    expected === "object" ? () => reply.nil() : undefined,
  );
}

export function jsonStrlen(run: Run, args: Args, reply: Reply): void {
  length(run, args, reply, "string", (value) =>
    typeof value === "string" ? Buffer.byteLength(value) : null,
  );
}

export function jsonArrlen(run: Run, args: Args, reply: Reply): void {
  length(run, args, reply, "array", (value) => arrayOf(value)?.length ?? null);
}

export function jsonObjlen(run: Run, args: Args, reply: Reply): void {
  length(run, args, reply, "object", (value) =>
    typeof value === "object" && value?.type === "object" ? value.size : null,
  );
}

export function jsonObjkeys(run: Run, args: Args, reply: Reply): void {
  const sought = seek(run, args, 2, reply, () => reply.nil());
  if (sought === null) return;
  const one = (value: Value): boolean => {
    if (typeof value !== "object" || value?.type !== "object") return false;
    const names = value.names();
    reply.array(names.length);
    for (const name of names) replyText(reply, name);
    return true;
  };
  answerEach(sought, reply, "object", one, () => reply.nil());
}

/** The index in argument `i`, or null if it is none. */
function indexAt(args: Args, i: number): number | null {
  const amount = integerAt(args, i);
  return amount === null ? null : Number(amount);
}

/** The value as an array, or null. */
function arrayOf(value: Value): ArrayNode | null {
  return typeof value === "object" && value?.type === "array" ? value : null;
}

/** Replaces what of the values found is of a type, by what `next` makes of it (null: of another type), and answers for each. */
function change(
  run: Run,
  sought: Sought,
  reply: Reply,
  or: string,
  next: (value: Value) => Json | undefined,
  answer: (value: Json) => void,
  answerAll?: (values: readonly (Json | undefined)[]) => void,
): void {
  const { opened, path, found } = sought;
  const values = found.map(({ value }) => next(value));
  if (values.some((value) => value !== undefined))
    editFound(
      run,
      opened,
      path,
      (all) => all.filter(({ value }) => next(value) !== undefined),
      (one) => replace(opened, one, next(one.value) as Json),
    );
  if (path.legacy) {
    const last = values.findLast((value) => value !== undefined);
    if (last === undefined) reply.error(noSuchPath(path, or));
    else answer(last);
    return;
  }
  if (answerAll !== undefined) return answerAll(values);
  reply.array(values.length);
  for (const value of values)
    if (value === undefined) reply.nil();
    else answer(value);
}

function calculate(
  run: Run,
  args: Args,
  reply: Reply,
  operate: (value: number, by: number) => number,
): void {
  const by = jsonAt(args, 3, reply);
  if (by === undefined) return;
  if (typeof by !== "number") return reply.error("ERR expected a number");
  const sought = seek(run, args, 2, reply);
  if (sought === null || !fits(run, sought.opened, sought.found.length * 16, reply)) return;
  const next = (value: Value): number | undefined =>
    typeof value === "number" || typeof value === "bigint" ? operate(Number(value), by) : undefined;
  if (sought.found.some(({ value }) => !Number.isFinite(next(value) ?? 0)))
    return reply.error("ERR result is not a number");
  const print = (value: Json | undefined): string =>
    typeof value === "number" ? printJson(value) : "null";
  change(
    run,
    sought,
    reply,
    "does not contains a number",
    next,
    (value) => reply.text(print(value)),
    (values) => {
      if (reply.resp !== 3) return reply.text(`[${values.map(print).join(",")}]`);
      reply.array(values.length);
      for (const value of values)
        if (typeof value !== "number") reply.nil();
        else if (Number.isSafeInteger(value)) reply.int(value);
        else reply.double(print(value));
    },
  );
}

export function jsonNumincrby(run: Run, args: Args, reply: Reply): void {
  calculate(run, args, reply, (value, by) => value + by);
}

export function jsonNummultby(run: Run, args: Args, reply: Reply): void {
  calculate(run, args, reply, (value, by) => value * by);
}

export function jsonStrappend(run: Run, args: Args, reply: Reply): void {
  const at = args.count === 3 ? 2 : 3;
  const tail = jsonAt(args, at, reply);
  if (tail === undefined) return;
  if (typeof tail !== "string") return reply.error("ERR expected a string");
  const sought = seek(run, args, at === 2 ? args.count : 2, reply);
  if (sought === null) return;
  let bytes = 0;
  for (const { value } of sought.found)
    if (typeof value === "string") bytes += Buffer.byteLength(value) + args.length(at);
  if (!fits(run, sought.opened, bytes, reply)) return;
  change(
    run,
    sought,
    reply,
    "not a string",
    (value) => (typeof value === "string" ? value + tail : undefined),
    (value) => reply.int(Buffer.byteLength(value as string)),
  );
}

export function jsonToggle(run: Run, args: Args, reply: Reply): void {
  const sought = seek(run, args, 2, reply);
  if (sought === null) return;
  change(
    run,
    sought,
    reply,
    "not a bool",
    (value) => (typeof value === "boolean" ? !value : undefined),
    (value) => {
      if (sought.path.legacy) reply.text(value === true ? "true" : "false");
      else reply.int(value === true ? 1 : 0);
    },
  );
}

export function jsonClear(run: Run, args: Args, reply: Reply): void {
  const sought = seek(run, args, 2, reply);
  if (sought === null) return;
  const filled = (found: readonly Found[]): readonly Found[] =>
    outermost(found.filter(({ value }) => isFilled(value)));
  const { opened, path } = sought;
  const { length: count } = filled(sought.found);
  if (count > 0)
    editFound(run, opened, path, filled, (one) => {
      const { value } = one;
      if (typeof value !== "object" || value === null) replace(opened, one, 0);
      else if (value.type === "array") value.remove(0, value.length);
      else for (const name of value.names()) value.remove(name);
    });
  reply.int(count);
}

/** Whether clearing a value changes it. */
function isFilled(value: Value): boolean {
  if (typeof value === "number" || typeof value === "bigint") return Number(value) !== 0;
  if (typeof value !== "object" || value === null) return false;
  return value.type === "array" ? value.length > 0 : value.size > 0;
}

/** The JSON in the arguments from `i` on; null after the refusal was answered. */
function valuesFrom(args: Args, i: number, { found }: Sought, reply: Reply): Json[] | null {
  const depth = found.reduce((most, one) => Math.max(most, one.depth), 0) + 1;
  const values: Json[] = [];
  for (let at = i; at < args.count; at++) {
    const value = jsonAt(args, at, reply);
    if (value === undefined || !fitsAt(depth, value, reply)) return null;
    values.push(value);
  }
  return values;
}

/** How many bytes values take from argument `i` on, written to every place found. */
function weight(args: Args, i: number, { found }: Sought): number {
  return ((args.end[args.count - 1] as number) - (args.start[i] as number)) * found.length;
}

function arrays(found: readonly Found[]): readonly Found[] {
  return found.filter(({ value }) => arrayOf(value) !== null);
}

/** Answers the length of each array as `grown` says it now is, and refuses an older path without one. */
function answerArrays(
  { path, found }: Sought,
  reply: Reply,
  answer: (array: ArrayNode) => void,
): void {
  if (!path.legacy) {
    reply.array(found.length);
    for (const { value } of found) {
      const array = arrayOf(value);
      if (array === null) reply.nil();
      else answer(array);
    }
    return;
  }
  const array = arrayOf(arrays(found).at(-1)?.value ?? null);
  if (array === null) reply.error(noSuchPath(path, "not an array"));
  else answer(array);
}

export function jsonArrappend(run: Run, args: Args, reply: Reply): void {
  const sought = seek(run, args, 2, reply);
  if (sought === null) return;
  const { opened, path, found } = sought;
  const values = valuesFrom(args, 3, sought, reply);
  if (values === null || !fits(run, opened, weight(args, 3, sought), reply)) return;
  answerArrays(sought, reply, ({ length: before }) => reply.int(before + values.length));
  if (arrays(found).length > 0)
    editFound(run, opened, path, arrays, ({ value }) => {
      const array = value as ArrayNode;
      array.insert(array.length, values);
    });
}

export function jsonArrinsert(run: Run, args: Args, reply: Reply): void {
  const index = indexAt(args, 3);
  if (index === null) return reply.error(NOT_AN_INTEGER);
  const sought = seek(run, args, 2, reply);
  if (sought === null) return;
  const { opened, path, found } = sought;
  const values = valuesFrom(args, 4, sought, reply);
  if (values === null || !fits(run, opened, weight(args, 4, sought), reply)) return;
  const at = (array: ArrayNode): number => (index < 0 ? index + array.length : index);
  for (const { value } of arrays(found)) {
    const array = value as ArrayNode;
    if (at(array) < 0 || at(array) > array.length) return reply.error("ERR index out of bounds");
  }
  answerArrays(sought, reply, ({ length: before }) => reply.int(before + values.length));
  if (arrays(found).length > 0)
    editFound(run, opened, path, arrays, ({ value }) => {
      const array = value as ArrayNode;
      array.insert(at(array), values);
    });
}

export function jsonArrpop(run: Run, args: Args, reply: Reply): void {
  const index = args.count > 3 ? indexAt(args, 3) : -1;
  if (index === null) return reply.error(NOT_AN_INTEGER);
  const sought = seek(run, args, 2, reply);
  if (sought === null) return;
  const at = ({ length: count }: ArrayNode): number =>
    Math.max(0, Math.min(index < 0 ? index + count : index, count - 1));
  const filled = (found: readonly Found[]): readonly Found[] =>
    arrays(found).filter(({ value }) => (value as ArrayNode).length > 0);
  answerArrays(sought, reply, (array) => {
    const popped = array.get(at(array));
    if (popped === undefined) reply.nil();
    else replyText(reply, printJson(popped));
  });
  const { opened, path } = sought;
  // Of an older path what is answered is popped, and of several so is each.
  if (filled(sought.found).length > 0)
    editFound(run, opened, path, filled, ({ value }) => {
      const array = value as ArrayNode;
      array.remove(at(array), 1);
    });
}

export function jsonArrtrim(run: Run, args: Args, reply: Reply): void {
  const first = indexAt(args, 3);
  const last = indexAt(args, 4);
  if (first === null || last === null) return reply.error(NOT_AN_INTEGER);
  const sought = seek(run, args, 2, reply);
  if (sought === null) return;
  const range = ({ length: count }: ArrayNode): [from: number, to: number] => {
    const from = Math.max(0, first < 0 ? first + count : first);
    const to = Math.min(count, (last < 0 ? last + count : last) + 1);
    return from >= count || from >= to ? [0, 0] : [from, to];
  };
  const cut = (found: readonly Found[]): readonly Found[] =>
    arrays(found).filter(({ value }) => {
      const array = value as ArrayNode;
      const [from, to] = range(array);
      return to - from < array.length;
    });
  answerArrays(sought, reply, (array) => {
    const [from, to] = range(array);
    reply.int(to - from);
  });
  const { opened, path } = sought;
  if (cut(sought.found).length > 0)
    editFound(run, opened, path, cut, ({ value }) => {
      const array = value as ArrayNode;
      const [from, to] = range(array);
      if (to < array.length) array.remove(to, array.length - to);
      if (from > 0) array.remove(0, from);
    });
}

export function jsonArrindex(run: Run, args: Args, reply: Reply): void {
  const parsed = parseJson(args.bytes, args.start[3] as number, args.end[3] as number);
  if (typeof parsed === "string") return reply.error(parsed);
  const first = args.count > 4 ? indexAt(args, 4) : 0;
  const last = args.count > 5 ? indexAt(args, 5) : 0;
  if (first === null || last === null) return reply.error(NOT_AN_INTEGER);
  const sought = seek(run, args, 2, reply);
  if (sought === null) return;
  const wanted = literal(parsed.value);
  answerEach(sought, reply, "array", (value) => {
    const array = arrayOf(value);
    if (array === null) return false;
    const { length: count } = array;
    const from = Math.max(0, first < 0 ? first + count : Math.min(first, count - 1));
    // Zero and what lies beyond the end mean the end.
    const to = last === 0 || last > count ? count : last < 0 ? last + count : last;
    const values = array.values();
    for (let i = from; i < to; i++)
      if (equal(values[i] ?? null, wanted)) {
        reply.int(i);
        return true;
      }
    reply.int(-1);
    return true;
  });
}

export function jsonResp(run: Run, args: Args, reply: Reply): void {
  const sought = seek(run, args, 2, reply, () => reply.nil());
  if (sought === null) return;
  answerEach(sought, reply, "", (value) => {
    replyResp(reply, value);
    return true;
  });
}

function replyResp(reply: Reply, value: Value): void {
  if (value === null) return reply.nil();
  switch (typeof value) {
    case "boolean":
      return reply.status(String(value));
    case "number":
      return Number.isSafeInteger(value) ? reply.int(value) : reply.text(printJson(value));
    case "bigint":
      return reply.int(value);
    case "string":
      return replyText(reply, value);
    default:
  }
  if (value.type === "array") {
    reply.array(value.length + 1);
    reply.status("[");
    for (const element of value.values()) replyResp(reply, element);
    return;
  }
  const names = value.names();
  reply.array(2 * names.length + 1);
  reply.status("{");
  for (const name of names) {
    replyText(reply, name);
    replyResp(reply, value.get(name) ?? null);
  }
}

/** What a value takes, about: what its text takes, and what stands beside each part. */
export function jsonDebugMemory(run: Run, args: Args, reply: Reply): void {
  const path = pathAt(args, 3, reply);
  if (path === null) return;
  const place = run.look(args, 2);
  if (place.type === NONE) return path.legacy ? reply.int(0) : reply.array(0);
  const opened = open(run, place, reply);
  if (opened === null) return;
  const bytesOf = (value: Value): number => {
    if (path.steps.length > 0) return Buffer.byteLength(printJson(value));
    return place.generations.reduce((sum, { state }) => sum + state.bytes, 0);
  };
  const found = select(opened.document.root, path.steps);
  answerEach({ opened, path, found }, reply, "", (value) => {
    reply.int(bytesOf(value));
    return true;
  });
}
