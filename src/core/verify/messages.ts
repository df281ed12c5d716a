/**
 * Messages of a comparison, between the replica that asks and the one that bears witness.
 *
 *   VERIFY_ASK  = origins │ varint id │ u8 kind │ …              VERIFY_TELL = origins │ varint id │ u8 kind │ …
 *     1 SUMS      varint shard │ varint count │ key │ vector        1 SUMS     vector │ varint n │ n bits changed │ digests
 *     2 KEYS      varint shard │ key │ vector │ slots │ varint n    2 KEYS     vector │ names changed │ u8 all │ items or symbols
 *     3 SYMBOLS   varint from │ varint count                        3 SYMBOLS  names changed │ symbols
 *     4 STATES    varint n, n × name                                4 STATES   varint n, n × (name │ u8 status │ …)
 *     5 END                                                         5 REFUSED  text why
 *     6 HEAL      varint n, n × varint slot │ key                   6 HEALED   text outcome
 *
 * Invariant: everything after KEYS under the same id is about the same pass, and says again what has changed since it began.
 * `key` is 16 bytes of chance (missing from the HEAL of an older build), `slots` 64 bits, one for each slot of the shard; `name` is 8 bytes, an item a name and 16 bytes.
 */
import type { Sink } from "../bytes/sink.ts";
import { Malformed, type Source } from "../bytes/source.ts";
import type { Vector } from "../clock/vector.ts";
import { ALL_SHARDS, SHARD_SLOTS } from "../keyspace/changes.ts";
import type { Numbering } from "../replica/words.ts";
import { DIGEST_WORDS } from "./digest.ts";
import { NAME_WORDS } from "./key-sums.ts";
import { ITEM_WORDS, SYMBOL_WORDS } from "./symbols.ts";

/** Names changed that are told; of more, only that they are too many. */
const NAMES_MAX = 4_096;

export type Ask =
  /** Of so many shards each, or of a single one, of each slot. */
  | { type: "sums"; shard: number; count: number; key: Int32Array; vector: Vector }
  /** `symbols` are told if the keys are more than that. */
  | {
      type: "keys";
      shard: number;
      key: Int32Array;
      vector: Vector;
      slots: boolean[];
      symbols: number;
    }
  | { type: "symbols"; from: number; count: number }
  | { type: "states"; names: string[] }
  | { type: "end" }
  /** `key`, if any, is the one under which the asker has compared: what was summed up for it counts again. */
  | { type: "heal"; slots: number[]; key: Int32Array | null };

/** Of a key asked for: `changed` since the pass began, `absent`, too `large` to be told, not told `yet`, or its state in bytes. */
export type StateStatus = "changed" | "absent" | "large" | "yet" | "told";
const STATUSES: readonly StateStatus[] = ["changed", "absent", "large", "yet", "told"];

const ASKS = ["", "sums", "keys", "symbols", "states", "end", "heal"] as const;

export function writeAsk(sink: Sink, numbering: Numbering, id: number, ask: Ask): void {
  numbering.write(sink);
  sink.varint(id);
  sink.u8(ASKS.indexOf(ask.type));
  switch (ask.type) {
    case "sums":
    case "keys":
      sink.varint(ask.shard);
      if (ask.type === "sums") sink.varint(ask.count);
      writeWords(sink, ask.key);
      numbering.writeVector(sink, ask.vector);
      if (ask.type === "sums") return;
      writeBits(sink, ask.slots);
      sink.varint(ask.symbols);
      return;
    case "symbols":
      sink.varint(ask.from);
      sink.varint(ask.count);
      return;
    case "states":
      sink.varint(ask.names.length);
      for (const name of ask.names) sink.latin1(name);
      return;
    case "heal":
      sink.varint(ask.slots.length);
      for (const slot of ask.slots) sink.varint(slot);
      if (ask.key !== null) writeWords(sink, ask.key);
      return;
    case "end":
  }
}

export function readAsk(source: Source, numbering: Numbering): { id: number; ask: Ask | null } {
  numbering.read(source);
  const id = source.varint();
  return { id, ask: readQuestion(source, numbering) };
}

function readQuestion(source: Source, numbering: Numbering): Ask | null {
  const type = ASKS[source.u8()];
  switch (type) {
    case "sums":
    case "keys": {
      const shard = source.varint();
      const count = type === "sums" ? source.varint() : 1;
      if (count === 0 || shard + count > ALL_SHARDS)
        throw new Malformed(`there is no shard ${shard + count - 1}`);
      const key = readWords(source, DIGEST_WORDS);
      const vector = numbering.readVector(source);
      if (type === "sums") return { type, shard, count, key, vector };
      const slots = readBits(source, SHARD_SLOTS);
      return { type, shard, key, vector, slots, symbols: source.varint() };
    }
    case "symbols":
      return { type, from: source.varint(), count: source.varint() };
    case "states": {
      const names: string[] = [];
      for (let left = source.varint(); left > 0; left--) names.push(readName(source));
      return { type, names };
    }
    case "heal": {
      const slots: number[] = [];
      for (let left = source.varint(); left > 0; left--) slots.push(source.varint());
      return { type, slots, key: source.left === 0 ? null : readWords(source, DIGEST_WORDS) };
    }
    case "end":
      return { type };
    default:
      // A later version may ask for more.
      return null;
  }
}

export interface SumsTold {
  readonly type: "sums";
  readonly vector: Vector;
  /** By shard, or of a single one by slot. */
  readonly changed: boolean[];
  /** Four words for each that has not changed. */
  readonly sums: Int32Array;
}

export interface KeysTold {
  readonly type: "keys";
  readonly vector: Vector;
  /** Names of keys; null when there were too many. */
  readonly changed: ReadonlySet<string> | null;
  /** All items there are, or the first symbols of them. */
  readonly whole: boolean;
  readonly words: Int32Array;
}

export type Tell =
  | SumsTold
  | KeysTold
  | { type: "symbols"; changed: ReadonlySet<string> | null; words: Int32Array }
  /** So many follow, each a name, a status and, if told, the key. */
  | { type: "states"; count: number }
  | { type: "refused"; why: string }
  | { type: "healed"; outcome: string };

const TELLS = ["", "sums", "keys", "symbols", "states", "refused", "healed"] as const;

/** Begins a TELL; what its kind holds follows. */
export function beginTell(
  sink: Sink,
  numbering: Numbering,
  id: number,
  type: (typeof TELLS)[number],
): void {
  numbering.write(sink);
  sink.varint(id);
  sink.u8(TELLS.indexOf(type));
}

/** Reads a TELL; of `states` only how many there are: who asked knows what to do with each. */
export function readTell(source: Source, numbering: Numbering): { id: number; tell: Tell | null } {
  numbering.read(source);
  const id = source.varint();
  const type = TELLS[source.u8()];
  switch (type) {
    case "sums": {
      const vector = numbering.readVector(source);
      const changed = readBits(source, source.varint());
      const count = changed.filter((is) => !is).length;
      return { id, tell: { type, vector, changed, sums: readWords(source, count * DIGEST_WORDS) } };
    }
    case "keys": {
      const vector = numbering.readVector(source);
      const changed = readNames(source);
      const whole = source.u8() === 1;
      const words = whole ? readItems(source) : readSymbols(source);
      return { id, tell: { type, vector, changed, whole, words } };
    }
    case "symbols":
      return { id, tell: { type, changed: readNames(source), words: readSymbols(source) } };
    case "states":
      return { id, tell: { type, count: source.varint() } };
    case "refused":
      return { id, tell: { type, why: source.text() } };
    case "healed":
      return { id, tell: { type, outcome: source.text() } };
    default:
      return { id, tell: null };
  }
}

export function writeStatus(sink: Sink, name: string, status: StateStatus): void {
  sink.latin1(name);
  sink.u8(STATUSES.indexOf(status));
}

export function readStatus(source: Source): { name: string; status: StateStatus } {
  const name = readName(source);
  const status = STATUSES[source.u8()];
  if (status === undefined) throw new Malformed("the state of a key is unknown");
  return { name, status };
}

/** Names that changed, each eight bytes; null for too many to tell. */
export function writeNames(sink: Sink, names: ReadonlySet<string> | null): void {
  const tells = names !== null && names.size <= NAMES_MAX;
  sink.varint(tells ? names.size + 1 : 0);
  if (tells) for (const name of names) sink.latin1(name);
}

function readNames(source: Source): ReadonlySet<string> | null {
  const count = source.varint();
  if (count === 0) return null;
  const names = new Set<string>();
  for (let left = count - 1; left > 0; left--) names.add(readName(source));
  return names;
}

function readName(source: Source): string {
  const start = source.skip(NAME_WORDS * 4);
  return source.bytes.latin1Slice(start, start + NAME_WORDS * 4);
}

export function writeBits(sink: Sink, bits: readonly boolean[]): void {
  for (let from = 0; from < bits.length; from += 8) {
    let byte = 0;
    for (let i = 0; i < 8; i++) if (bits[from + i]) byte |= 1 << i;
    sink.u8(byte);
  }
}

function readBits(source: Source, count: number): boolean[] {
  source.need(Math.ceil(count / 8));
  const bits: boolean[] = [];
  for (let from = 0; from < count; from += 8) {
    const byte = source.u8();
    for (let i = 0; i < 8 && from + i < count; i++) bits.push((byte & (1 << i)) !== 0);
  }
  return bits;
}

export function writeWords(sink: Sink, words: Int32Array): void {
  for (const word of words) sink.u32(word >>> 0);
}

/** Items: how many, and their words. */
export function writeItems(sink: Sink, items: Int32Array): void {
  sink.varint(items.length / ITEM_WORDS);
  writeWords(sink, items);
}

function readItems(source: Source): Int32Array {
  return readWords(source, source.varint() * ITEM_WORDS);
}

/** Symbols: how many, and of each its words, the last of them a small number. */
export function writeSymbols(sink: Sink, symbols: Int32Array): void {
  const count = symbols.length / SYMBOL_WORDS;
  sink.varint(count);
  for (let at = 0; at < symbols.length; at += SYMBOL_WORDS) {
    const end = at + SYMBOL_WORDS - 1;
    for (let i = at; i < end; i++) sink.u32((symbols[i] as number) >>> 0);
    sink.zigzag(symbols[end] as number);
  }
}

function readSymbols(source: Source): Int32Array {
  const count = source.varint();
  source.need(count * (SYMBOL_WORDS * 4 - 3));
  const symbols = new Int32Array(count * SYMBOL_WORDS);
  for (let at = 0; at < symbols.length; at += SYMBOL_WORDS) {
    const end = at + SYMBOL_WORDS - 1;
    for (let i = at; i < end; i++) symbols[i] = source.u32();
    symbols[end] = source.zigzag();
  }
  return symbols;
}

function readWords(source: Source, count: number): Int32Array {
  source.need(count * 4);
  const words = new Int32Array(count);
  for (let i = 0; i < count; i++) words[i] = source.u32();
  return words;
}
