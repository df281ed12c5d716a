/**
 * Json: documents read, written, merged and removed, whole and in parts.
 *
 * Invariant: writing the root of a document begins a new one in place of what was there, and takes concurrent edits of the old one
 * with it. Everything else edits in place, so that concurrent edits of other parts are all kept.
 */
import type { ObjectNode, OpenDocument, Value } from "../crdt/document.ts";
import { NONE } from "../crdt/key.ts";
import type { Json } from "../json/json.ts";
import type { Path, Step } from "../json/path.ts";
import { COMPACT, enclose, printJson, type Spacing } from "../json/print.ts";
import { type Found, outermost, select } from "../json/select.ts";
import type { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import { SYNTAX, wrongArity, WRONGTYPE } from "./errors.ts";
import {
  create,
  DOCUMENT_TOO_LARGE,
  documentKind,
  editFound,
  fits,
  fitsAt,
  jsonAt,
  noSuchPath,
  NOT_AT_ROOT,
  open,
  type Opened,
  pathAt,
  replace,
} from "./json-documents.ts";
import type { Run } from "./run.ts";

/** A text as UTF-8. */
export function replyText(reply: Reply, text: string): void {
  reply.buffer(Buffer.from(text));
}

export function jsonSet(run: Run, args: Args, reply: Reply): void {
  let [nx, xx] = [false, false];
  for (let i = 4; i < args.count; i++)
    if (args.is(i, "NX") && !xx) nx = true;
    else if (args.is(i, "XX") && !nx) xx = true;
    else return reply.error(SYNTAX);
  const value = jsonAt(args, 3, reply);
  const path = value === undefined ? null : pathAt(args, 2, reply);
  if (value === undefined || path === null) return;
  const place = run.look(args, 1);
  if (place.type === NONE && xx) return reply.nil();
  const opened = openToSet(run, place, path, args.length(3), reply);
  if (opened === null) return;
  if (path.steps.length === 0) {
    if (place.type !== NONE && nx) return reply.nil();
    create(run, place, opened.kind, value);
    return reply.ok();
  }
  const setting = settingOf(opened, path, value, reply);
  if (setting === null || !fits(run, opened, args.length(3) * setting.count, reply)) return;
  if (setting.count === 0 || (setting.adds ? xx : nx)) return reply.nil();
  setting.write(run);
  reply.ok();
}

/** Opens what a value of so many bytes is to be written to; null after the refusal was answered. */
function openToSet(run: Run, place: Place, path: Path, bytes: number, reply: Reply): Opened | null {
  if (path.steps.length > 0) {
    if (place.type === NONE) {
      reply.error(NOT_AT_ROOT);
      return null;
    }
    const opened = open(run, place, reply);
    return opened !== null && fits(run, opened, bytes, reply) ? opened : null;
  }
  // What is replaced as a whole may be unreadable.
  const kind = documentKind(run, reply);
  if (kind === null) return null;
  const document = kind.open([]) as OpenDocument;
  const opened = { place, kind, document, generation: null };
  if (place.type !== NONE && place.type !== kind.type) reply.error(WRONGTYPE);
  else if (bytes > run.settings.documentMaxBytes) reply.error(DOCUMENT_TOO_LARGE);
  else return opened;
  return null;
}

/** How a value is written below the root. */
interface Setting {
  /** Whether it becomes a new member of objects, rather than replacing what is there. */
  readonly adds: boolean;
  /** In how many places. */
  readonly count: number;
  write(run: Run): void;
}

/** How a value is written where a path says; null after the refusal was answered. */
function settingOf(opened: Opened, path: Path, value: Json, reply: Reply): Setting | null {
  const { root } = opened.document;
  const found = outermost(select(root, path.steps));
  if (found.length > 0) {
    if (!fitsAt(deepest(found), value, reply)) return null;
    return {
      adds: false,
      count: found.length,
      write: (run) => editFound(run, opened, path, outermost, (one) => replace(opened, one, value)),
    };
  }
  const adding = newMember(path, reply);
  if (adding === null) return null;
  const { above, name } = adding;
  const parents = objects(select(root, above.steps));
  if (!fitsAt(deepest(parents) + 1, value, reply)) return null;
  return {
    adds: true,
    count: parents.length,
    write: (run) =>
      editFound(run, opened, above, objects, (one) => (one.value as ObjectNode).set(name, value)),
  };
}

function deepest(found: readonly Found[]): number {
  return found.reduce((most, { depth }) => Math.max(most, depth), 0);
}

function objects(found: readonly Found[]): Found[] {
  return found.filter(({ value }) => typeof value === "object" && value?.type === "object");
}

/** The member that a path which finds nothing would add, and the path above it; null after the refusal was answered. */
function newMember(path: Path, reply: Reply): { above: Path; name: string } | null {
  const last = path.steps.at(-1) as Step;
  if (last.kind === "names" && last.names.length === 1)
    return {
      above: { ...path, steps: path.steps.slice(0, -1) },
      name: last.names[0] as string,
    };
  reply.error(last.kind === "indexes" ? "ERR array index out of range" : "ERR wrong static path");
  return null;
}

export function jsonMset(run: Run, args: Args, reply: Reply): void {
  if (args.count % 3 !== 1) return reply.error(wrongArity("json.mset"));
  const values: Json[] = [];
  const paths: Path[] = [];
  for (let i = 1; i < args.count; i += 3) {
    const value = jsonAt(args, i + 2, reply);
    const path = value === undefined ? null : pathAt(args, i + 1, reply);
    if (value === undefined || path === null) return;
    const opened = openToSet(run, run.look(args, i), path, args.length(i + 2), reply);
    if (opened === null) return;
    if (path.steps.length > 0) {
      const setting = settingOf(opened, path, value, reply);
      const bytes = args.length(i + 2) * (setting?.count ?? 0);
      if (setting === null || !fits(run, opened, bytes, reply)) return;
    }
    values.push(value);
    paths.push(path);
  }
  const { mark } = reply;
  for (const [n, value] of values.entries()) {
    const path = paths[n] as Path;
    const place = run.look(args, 3 * n + 1);
    // One before it in the same command may have replaced what this one was to go into: then it goes nowhere.
    const opened = openToSet(run, place, path, 0, reply);
    if (opened === null) continue;
    if (path.steps.length === 0) create(run, place, opened.kind, value);
    else {
      const setting = settingOf(opened, path, value, reply);
      if (setting !== null && setting.count > 0) setting.write(run);
    }
  }
  reply.truncate(mark);
  reply.ok();
}

export function jsonGet(run: Run, args: Args, reply: Reply): void {
  let spacing: Spacing = COMPACT;
  const paths: Path[] = [];
  for (let i = 2; i < args.count; i++) {
    const option = args.is(i, "INDENT")
      ? "indent"
      : args.is(i, "NEWLINE")
        ? "newline"
        : args.is(i, "SPACE")
          ? "space"
          : null;
    if (option !== null && i + 1 < args.count) {
      spacing = { ...spacing, [option]: args.view(++i).toString("utf8") };
      continue;
    }
    // It asked, long ago, for what is now the only way.
    if (args.is(i, "NOESCAPE")) continue;
    const path = pathAt(args, i, reply);
    if (path === null) return;
    paths.push(path);
  }
  const place = run.look(args, 1);
  if (place.type === NONE) return reply.nil();
  const opened = open(run, place, reply);
  if (opened === null) return;
  const { root } = opened.document;
  const [first, second] = paths;
  if (second === undefined) {
    const found = first === undefined ? [{ value: root }] : select(root, first.steps);
    if (first !== undefined && !first.legacy) return replyText(reply, printAll(found, spacing, 0));
    const [one] = found;
    if (one === undefined) return reply.error(noSuchPath(first as Path));
    return replyText(reply, printJson(one.value, spacing));
  }
  const older = paths.every(({ legacy }) => legacy);
  const parts: string[] = [];
  for (const path of paths) {
    const found = select(root, path.steps);
    if (older && found.length === 0) return reply.error(noSuchPath(path));
    const text = older
      ? printJson((found[0] as Found).value, spacing, 1)
      : printAll(found, spacing, 1);
    parts.push(`${JSON.stringify(path.text)}:${spacing.space}${text}`);
  }
  replyText(reply, enclose("{", "}", parts, spacing, 0));
}

/** What was found, as an array. */
function printAll(
  found: readonly { readonly value: Value }[],
  spacing: Spacing,
  depth: number,
): string {
  const parts = found.map(({ value }) => printJson(value, spacing, depth + 1));
  return enclose("[", "]", parts, spacing, depth);
}

export function jsonMget(run: Run, args: Args, reply: Reply): void {
  const path = pathAt(args, args.count - 1, reply);
  if (path === null) return;
  const kind = documentKind(run, reply);
  if (kind === null) return;
  reply.array(args.count - 2);
  for (let i = 1; i < args.count - 1; i++) {
    const place = run.look(args, i);
    const { mark } = reply;
    const opened = place.type === kind.type ? open(run, place, reply) : null;
    if (opened === null) {
      reply.truncate(mark);
      reply.nil();
      continue;
    }
    const found = select(opened.document.root, path.steps);
    if (!path.legacy) replyText(reply, printAll(found, COMPACT, 0));
    else if (found[0] === undefined) reply.nil();
    else replyText(reply, printJson(found[0].value));
  }
}

export function jsonDel(run: Run, args: Args, reply: Reply): void {
  const path = pathAt(args, 2, reply);
  if (path === null) return;
  const place = run.look(args, 1);
  if (place.type === NONE) return reply.int(0);
  const opened = open(run, place, reply);
  if (opened === null) return;
  if (path.steps.length === 0) {
    run.write.remove(place);
    return reply.int(1);
  }
  const { length } = outermost(select(opened.document.root, path.steps));
  if (length > 0)
    editFound(run, opened, path, removable, (one) => {
      if (one.within === null) return;
      if ("name" in one) one.within.remove(one.name);
      else one.within.remove(one.index, 1);
    });
  reply.int(length);
}

/** What is to go, the elements of an array in its order: a path may name them in another. */
function removable(found: readonly Found[]): readonly Found[] {
  const index = (one: Found): number => ("index" in one ? one.index : 0);
  return outermost(found).toSorted((a, b) => index(a) - index(b));
}

export function jsonMerge(run: Run, args: Args, reply: Reply): void {
  const value = jsonAt(args, 3, reply);
  const path = value === undefined ? null : pathAt(args, 2, reply);
  if (value === undefined || path === null) return;
  const place = run.look(args, 1);
  if (place.type === NONE && path.steps.length > 0) return reply.error(NOT_AT_ROOT);
  const opened = open(run, place, reply);
  if (opened === null || !fits(run, opened, args.length(3), reply)) return;
  const { root } = opened.document;
  if (path.steps.length === 0 && !(place.type !== NONE && isObject(root) && value instanceof Map)) {
    create(run, place, opened.kind, withoutNulls(value));
    return reply.ok();
  }
  const found = outermost(select(root, path.steps));
  if (!fits(run, opened, args.length(3) * found.length, reply)) return;
  if (found.length > 0) {
    if (!fitsAt(deepest(found), value, reply)) return;
    if (found.some((one) => changes(one, value)))
      editFound(run, opened, path, outermost, (one) => {
        if (value === null) remove(one);
        else if (isObject(one.value) && value instanceof Map) merge(one.value, value);
        else replace(opened, one, withoutNulls(value));
      });
    return reply.ok();
  }
  const adding = newMember(path, reply);
  if (adding === null) return;
  const parents = objects(select(root, adding.above.steps));
  if (parents.length === 0) return reply.nil();
  if (!fits(run, opened, args.length(3) * parents.length, reply)) return;
  if (!fitsAt(deepest(parents) + 1, value, reply)) return;
  if (value !== null)
    editFound(run, opened, adding.above, objects, (one) => {
      (one.value as ObjectNode).set(adding.name, withoutNulls(value));
    });
  reply.ok();
}

function remove(found: Found): void {
  if (found.within === null) return;
  if ("name" in found) found.within.remove(found.name);
  else found.within.set(found.index, null);
}

function isObject(value: Value | undefined): value is ObjectNode {
  return typeof value === "object" && value?.type === "object";
}

/** Whether merging a value into what was found writes anything. */
function changes({ value }: Found, patch: Json): boolean {
  if (!(patch instanceof Map) || !isObject(value)) return true;
  return patchChanges(value, patch);
}

function patchChanges(target: ObjectNode, patch: ReadonlyMap<string, Json>): boolean {
  for (const [name, value] of patch) {
    const there = target.get(name);
    if (value === null) {
      if (there !== undefined) return true;
    } else if (!(value instanceof Map && isObject(there)) || patchChanges(there, value))
      return true;
  }
  return false;
}

/** Merges as RFC 7396 has it. */
function merge(target: ObjectNode, patch: ReadonlyMap<string, Json>): void {
  for (const [name, value] of patch) {
    const there = target.get(name);
    if (value === null) {
      if (there !== undefined) target.remove(name);
    } else if (value instanceof Map && isObject(there)) {
      there.thaw?.();
      merge(target.get(name) as ObjectNode, value);
    } else target.set(name, withoutNulls(value));
  }
}

/** A value without the members that say that something is to go. */
function withoutNulls(value: Json): Json {
  if (!(value instanceof Map)) return value;
  const kept = new Map<string, Json>();
  for (const [name, member] of value as ReadonlyMap<string, Json>)
    if (member !== null) kept.set(name, withoutNulls(member));
  return kept;
}
