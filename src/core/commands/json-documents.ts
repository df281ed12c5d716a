/**
 * Json-documents: how JSON commands find, read and edit the document of a key.
 *
 * Invariant: a command looks and decides on an opened document, then makes one edit, which is joined at once. An edit's author is
 * this incarnation and the generation edited: an incarnation has applied all that it ever wrote, so what it writes next continues
 * it, and a generation that begins anew has authors of its own.
 */
import {
  DOCUMENT_NUMBER,
  type DocumentKind,
  type OpenDocument,
  type Value,
} from "../crdt/document.ts";
import type { Generation } from "../crdt/generation.ts";
import { DOCUMENT, NONE } from "../crdt/key.ts";
import { DEPTH_MAX, type Json } from "../json/json.ts";
import { depthOf, parseJson } from "../json/parse.ts";
import { LEGACY_ROOT, parsePath, type Path } from "../json/path.ts";
import { TooDeep } from "../json/print.ts";
import { type Found, select, TooMuch, wayTo } from "../json/select.ts";
import type { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Handler } from "./command.ts";
import { quote, WRONGTYPE } from "./errors.ts";
import type { Run } from "./run.ts";

export const NO_DOCUMENT = "ERR could not perform this operation on a key that doesn't exist";
export const NOT_AT_ROOT = "ERR new objects must be created at the root";
export const DOCUMENT_TOO_LARGE = "ERR the document would exceed document-max-bytes";
const TOO_DEEP = "ERR recursion limit exceeded";
const UNREADABLE = "ERR the document cannot be read; remove it or write it anew";
const NO_ENGINE = "ERR this replica has no documents";

/** A document and where it lies. */
export interface Opened {
  readonly place: Place;
  readonly kind: DocumentKind;
  readonly document: OpenDocument;
  /** The generation that is edited; null while there is none. */
  readonly generation: Generation | null;
}

/** The kind of documents, or null after the refusal was answered. */
export function documentKind(run: Run, reply: Reply): DocumentKind | null {
  const kind = run.keyspace.kinds.get(DOCUMENT_NUMBER);
  if (kind === undefined) reply.error(NO_ENGINE);
  return (kind as DocumentKind | undefined) ?? null;
}

/** The document at a place, a new one when there is nothing; null after the refusal was answered. */
export function open(run: Run, place: Place, reply: Reply): Opened | null {
  const kind = documentKind(run, reply);
  if (kind === null) return null;
  if (place.type !== NONE && place.type !== DOCUMENT) {
    reply.error(WRONGTYPE);
    return null;
  }
  const { origins } = run.keyspace;
  const newest = [...place.generations].sort((a, b) =>
    origins.after(a.ms, a.tick, a.origin, b.ms, b.tick, b.origin) ? -1 : 1,
  );
  const document = kind.open(newest);
  if (document === null) {
    reply.error(UNREADABLE);
    return null;
  }
  return { place, kind, document, generation: newest[0] ?? null };
}

/** Makes changes to what was opened, which must change something, and writes them. */
export function edit(run: Run, opened: Opened, change: () => void): void {
  const author = authorOf(run, opened);
  join(run, opened, opened.document.edit(author, change));
}

/** Who writes: our incarnation, of that generation or of the one that begins with this record. */
function authorOf(run: Run, { generation }: Opened): string {
  const { incarnation, ms, tick } = run.write.nextBirth();
  const me = incarnation.latin1Slice();
  if (generation === null) return `${me}/${me}@${ms}.${tick}`;
  const beginner = run.keyspace.origins.get(generation.origin).incarnation;
  return `${me}/${beginner}@${generation.ms}.${generation.tick}`;
}

export function join(run: Run, { place, kind, generation }: Opened, payload: Buffer): void {
  run.lookAgain(place);
  run.write.join(place, kind, payload, generation ?? undefined);
}

/** Writes a document of one value in place of whatever the place holds; its deadline stays. */
export function create(run: Run, place: Place, kind: DocumentKind, value: Json): void {
  const { deadline } = place;
  if (place.type !== NONE) {
    run.write.remove(place);
    run.lookAgain(place);
  }
  const document = kind.open([]) as OpenDocument;
  edit(run, { place, kind, document, generation: null }, () => document.setRoot(value));
  if (deadline === Infinity) return;
  run.lookAgain(place);
  run.write.expire(place, deadline);
}

/** Whether a document may grow by so many bytes; false after the refusal was answered. */
export function fits(run: Run, { place }: Opened, bytes: number, reply: Reply): boolean {
  let total = bytes;
  for (const { state } of place.generations) total += state.bytes;
  if (total <= run.settings.documentMaxBytes) return true;
  reply.error(DOCUMENT_TOO_LARGE);
  return false;
}

/** The path in argument `i`, the root in its older form when there is none; null after the refusal was answered. */
export function pathAt(args: Args, i: number, reply: Reply): Path | null {
  if (i >= args.count) return LEGACY_ROOT;
  const path = parsePath(args.view(i).toString("utf8"));
  if (path === null) reply.error(`ERR Path '${quote(args, i, 128)}' is not a valid JSONPath`);
  return path;
}

/** The JSON in argument `i`; undefined after the refusal was answered. */
export function jsonAt(args: Args, i: number, reply: Reply): Json | undefined {
  const parsed = parseJson(args.bytes, args.start[i] as number, args.end[i] as number);
  if (typeof parsed !== "string") return parsed.value;
  reply.error(parsed);
  return undefined;
}

/** Whether a value may lie so deep; false after the refusal was answered. */
export function fitsAt(depth: number, value: Json, reply: Reply): boolean {
  if (depth + depthOf(value) <= DEPTH_MAX) return true;
  reply.error(TOO_DEEP);
  return false;
}

/**
 * Edits what a path finds: `choose` says what of it, of which there must be some. What of it lies in plain values is made shared
 * first, and found again.
 */
export function editFound(
  run: Run,
  opened: Opened,
  path: Path,
  choose: (found: readonly Found[]) => readonly Found[],
  change: (found: Found) => void,
): void {
  const { document } = opened;
  edit(run, opened, () => {
    const find = (): readonly Found[] => choose(select(document.root, path.steps));
    let found = find();
    if (thaw(found)) found = find();
    // From the back, so that no index shifts under what is still to come.
    for (const one of found.toReversed()) change(one);
  });
}

/** Makes the outermost plain values around or at what was found shared ones. */
function thaw(found: readonly Found[]): boolean {
  const plain = new Map<string, () => void>();
  for (const one of found) {
    let outermost: Found | null = null;
    for (let at: Found | null = one; at !== null; at = at.up)
      if (thawOf(at.value) !== null) outermost = at;
    if (outermost === null) continue;
    const way = wayTo(outermost);
    if (!plain.has(way)) plain.set(way, thawOf(outermost.value) as () => void);
  }
  for (const make of plain.values()) make();
  return plain.size > 0;
}

function thawOf(value: Value): (() => void) | null {
  return typeof value === "object" && value !== null ? value.thaw : null;
}

/** Puts a value in the place of one that was found; of a root, a scalar in the place of a scalar. */
export function replace({ document }: Opened, found: Found, value: Json): void {
  if (found.within === null) document.setRoot(value);
  else if ("name" in found) found.within.set(found.name, value);
  else found.within.set(found.index, value);
}

/** A handler that walks documents: one that lies too deep or asks for too much is refused. */
export function walking(handler: Handler): Handler {
  return (run, args, reply) => {
    const { mark } = reply;
    try {
      handler(run, args, reply);
    } catch (error) {
      if (!(error instanceof TooDeep || error instanceof TooMuch)) throw error;
      reply.truncate(mark);
      reply.error(`ERR ${error.message}`);
    }
  };
}

/** The name of a value's type, as JSON.TYPE tells it. */
export function typeName(value: Value): string {
  if (value === null) return "null";
  if (typeof value === "object") return value.type;
  if (typeof value !== "number") return typeof value === "bigint" ? "integer" : typeof value;
  return Number.isInteger(value) ? "integer" : "number";
}

/** The refusal of an older path that finds nothing. */
export function noSuchPath(path: Path, or = ""): string {
  const text = Buffer.from(path.text).latin1Slice();
  return `ERR Path '${text}' does not exist${or === "" ? "" : ` or ${or}`}`;
}
