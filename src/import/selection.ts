/**
 * Selection: which keys an import takes, and so what becomes of each command that a source passes on.
 *
 * Invariant: a command is applied, or it concerns nothing that was selected, or it is reported. A command that concerns keys on both
 * sides of the selection cannot be applied in part without being another command.
 */
import { keyPositions } from "../core/commands/key-positions.ts";
import { commandTable } from "../core/commands/table.ts";
import { argsOf } from "../core/wire/args.ts";

export interface Selection {
  /** Null for all. */
  readonly dbs: ReadonlySet<number> | null;
  /** Empty for all keys. */
  readonly prefix: Buffer;
}

export type Verdict =
  | { readonly type: "apply" }
  | { readonly type: "pass over" }
  /** In place of the command: it concerned more than was selected. */
  | { readonly type: "flush"; readonly dbs: readonly number[] }
  | { readonly type: "report"; readonly why: string };

const APPLY: Verdict = { type: "apply" };
const PASS: Verdict = { type: "pass over" };

/** Of the replication itself, and messages, which are no data. */
const NO_DATA = new Set(["PING", "REPLCONF", "PUBLISH", "SPUBLISH"]);
/** Belong to no database. */
const EVERYWHERE = new Set(["MULTI", "EXEC", "FUNCTION", "SCRIPT"]);

export function selects({ dbs, prefix }: Selection, db: number, key: Buffer): boolean {
  return (dbs === null || dbs.has(db)) && startsWith(key, prefix);
}

/** What becomes of a command that the source ran in database `db`. */
export function verdictOn(words: readonly Buffer[], db: number, selection: Selection): Verdict {
  const { dbs, prefix } = selection;
  const name = nameOf(words);
  if (NO_DATA.has(name)) return PASS;
  if (EVERYWHERE.has(name)) return APPLY;
  if (dbs === null && prefix.length === 0) return APPLY;
  const isChosen = (other: number): boolean => dbs === null || dbs.has(other);
  const others = otherDbs(words, name);
  if (name === "FLUSHALL" || name === "FLUSHDB") {
    if (name === "FLUSHDB" && !isChosen(db)) return PASS;
    if (prefix.length > 0) return report("it empties what was not selected too");
    return name === "FLUSHDB" || dbs === null ? APPLY : { type: "flush", dbs: [...dbs] };
  }
  const involved = name === "SWAPDB" ? others : [db, ...others];
  const chosen = involved.filter(isChosen).length;
  if (chosen === 0) return PASS;
  if (chosen < involved.length)
    return report("it concerns databases of which only some were selected");
  if (prefix.length === 0) return APPLY;
  if (name === "SWAPDB") return report("it concerns keys that were not selected too");
  return onKeys(words, prefix);
}

function onKeys(words: readonly Buffer[], prefix: Buffer): Verdict {
  const args = argsOf(...words);
  const entry = commandTable.find(args);
  const positions = entry === null ? [1] : keyPositions(entry.command, args);
  const keys = positions.flatMap((at) => words[at] ?? []);
  const chosen = keys.filter((key) => startsWith(key, prefix)).length;
  if (chosen === keys.length && chosen > 0) return APPLY;
  if (chosen === 0 && keys.length > 0) return PASS;
  return report("it concerns keys of which only some were selected");
}

function report(why: string): Verdict {
  return { type: "report", why };
}

/** The databases that a command names besides the one it ran in. */
function otherDbs(words: readonly Buffer[], name: string): number[] {
  const numberAt = (at: number): number => Number(words[at]?.latin1Slice());
  if (name === "SWAPDB") return [numberAt(1), numberAt(2)];
  if (name === "MOVE") return [numberAt(2)];
  if (name !== "COPY") return [];
  const at = words.findIndex((word, i) => i > 2 && word.latin1Slice().toUpperCase() === "DB");
  return at < 0 ? [] : [numberAt(at + 1)];
}

/** The name of a command in capitals. */
export function nameOf(words: readonly Buffer[]): string {
  return (words[0] ?? Buffer.alloc(0)).latin1Slice().toUpperCase();
}

function startsWith(key: Buffer, prefix: Buffer): boolean {
  return (
    key.length >= prefix.length && key.compare(prefix, 0, prefix.length, 0, prefix.length) === 0
  );
}

/** The pattern by which SCAN finds what begins with `prefix`. */
export function patternOf(prefix: Buffer): Buffer {
  const escaped: number[] = [];
  for (const byte of prefix) {
    if (GLOB.includes(byte)) escaped.push(BACKSLASH);
    escaped.push(byte);
  }
  return Buffer.from([...escaped, STAR]);
}

const BACKSLASH = 92;
const STAR = 42;
const GLOB = [...Buffer.from("*?[]^\\")];
