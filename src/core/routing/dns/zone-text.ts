/**
 * ZoneText: records as zone files write them (RFC 1035 §5), without `$INCLUDE` and `$GENERATE`.
 *
 *     $TTL 1h
 *     @      IN SOA ns1 admin 1 1h 15m 1w 30
 *     www 60 IN A   192.0.2.1      ; a comment
 *
 * Invariant: either all of it is understood, or the lines that are not are named.
 */
import { parseData } from "./record-data.ts";
import { CLASS, TYPE, typeOf } from "./constants.ts";
import type { ResourceRecord } from "./message-writer.ts";
import { parseName } from "./name.ts";

export type ZoneText = { records: ResourceRecord[] } | { problems: string[] };

const TTL_MAX = 2 ** 31 - 1;

/** Reads `text`, in which relative names end in `origin`; `ttl` is that of records which say none, in seconds. */
export function parseZoneText(text: string, origin: Buffer, ttl: number): ZoneText {
  const records: ResourceRecord[] = [];
  const problems: string[] = [];
  const state: State = { origin, ttl, owner: null };
  for (const line of logicalLines(text)) {
    const outcome = "problem" in line ? line.problem : readLine(line, state);
    if (typeof outcome === "string") problems.push(`line ${line.number}: ${outcome}`);
    else if (outcome !== null) records.push(outcome);
  }
  return problems.length > 0 ? { problems } : { records };
}

interface State {
  origin: Buffer;
  ttl: number;
  owner: Buffer | null;
}

interface Line {
  readonly number: number;
  readonly words: readonly string[];
  /** Whether it begins with a blank: the owner is that of the line before. */
  readonly isIndented: boolean;
}

/** A record, nothing, or what is wrong. */
function readLine({ words, isIndented }: Line, state: State): ResourceRecord | null | string {
  const rest = [...words];
  if (rest[0] === "$ORIGIN" || rest[0] === "$TTL") return readDirective(rest, state);
  if (rest[0]?.startsWith("$") === true) return `${rest[0]} is not known here`;
  if (!isIndented) {
    const owner = rest.shift() ?? "";
    state.owner = parseName(owner, state.origin);
    if (state.owner === null) return `${owner} is no name`;
  }
  if (state.owner === null) return "a record has no name";
  let ttl = state.ttl;
  let type: number | null = null;
  while (type === null) {
    const word = rest.shift();
    if (word === undefined) return "a record has no type";
    if (word.toUpperCase() === "IN") continue;
    const seconds = parseTtl(word);
    if (seconds !== null) ttl = seconds;
    else if ((type = typeOf(word)) === null) return `${word} is no type of record`;
  }
  const known =
    type === TYPE.SOA ? rest.map((word, i) => (i < 3 ? word : String(parseTtl(word)))) : rest;
  const data = parseData(type, known, state.origin);
  if (data === null) return `${rest.join(" ")} is not what this type of record says`;
  return { name: state.owner, type, class: CLASS.IN, ttl, data };
}

function readDirective(
  [name, value = "", ...more]: readonly string[],
  state: State,
): string | null {
  if (more.length > 0) return `${name} takes one word`;
  if (name === "$ORIGIN") {
    const origin = parseName(value, state.origin);
    if (origin === null) return `${value} is no name`;
    state.origin = origin;
    return null;
  }
  const ttl = parseTtl(value);
  if (ttl === null) return `${value} is no time to live`;
  state.ttl = ttl;
  return null;
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** Seconds, or `1h30m`. */
function parseTtl(text: string): number | null {
  if (!/^(?:\d{1,10}|(?:\d{1,10}[smhdw])+)$/i.test(text)) return null;
  let sum = 0;
  for (const [, digits, unit] of text.matchAll(/(\d+)([smhdw]?)/gi))
    sum += Number(digits) * (UNITS[(unit ?? "").toLowerCase()] ?? 1);
  return sum > TTL_MAX ? null : sum;
}

/** Lines without comments, those in parentheses joined, in words; a word in quotes loses them. */
function* logicalLines(text: string): Generator<Line | { number: number; problem: string }> {
  let words: string[] = [];
  let depth = 0;
  let number = 1;
  let isIndented = false;
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (depth === 0) {
      number = i + 1;
      isIndented = /^\s/.test(line);
    }
    const found = line.matchAll(/;.*|[()]|"((?:[^"\\]|\\.)*)"|(?:[^\s;()"\\]|\\.)+|["\\]/g);
    for (const [token, inQuotes] of found) {
      if (token.startsWith(";")) continue;
      if (token === "(") depth++;
      else if (token === ")") depth--;
      else if (inQuotes !== undefined) words.push(inQuotes);
      else words.push(token);
    }
    if (depth > 0) continue;
    if (depth < 0) yield { number, problem: "a parenthesis closes that nothing opened" };
    else if (words.length > 0) yield { number, words, isIndented };
    words = [];
    depth = 0;
  }
  if (depth > 0) yield { number, problem: "a parenthesis is not closed" };
}
