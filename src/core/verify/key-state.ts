/**
 * KeyState: the parts of one key as bytes, from a replica that holds them to one that does not.
 *
 *   state = parts │ u8 0
 *   part  = u8 1 │ varint tag │ bytes name │ sibling                                      a cell that is one register
 *         | u8 2 │ varint tag │ bytes name │ varint n, n × sibling │ varint n, n × era    another cell
 *         | u8 3 │ u8 kind │ dot │ bytes payload                                          a generation
 *         | u8 4 │ dot │ u48 deadline                                                     a deadline of the key
 *   dot = varint origin │ varint seq │ u48 ms │ u16 tick       sibling = dot │ f64 deadline │ bytes value
 *   era = dot of its beginning │ f64 start │ f64 seq │ amount │ f64 reset seq │ amount
 *
 * Invariant: what is read gives the digest of what was written. What collection may take does not travel: the receiver knows by
 * itself which floors and resets still stand.
 */
import type { Sink } from "../bytes/sink.ts";
import { Malformed, type Source } from "../bytes/source.ts";
import { readDotSeq } from "../clock/vector.ts";
import { readAmount, writeAmount } from "../crdt/amount.ts";
import { Cell, type Sibling } from "../crdt/cell.ts";
import type { Generation } from "../crdt/generation.ts";
import { type Deadline, isCollection, Key, STRING } from "../crdt/key.ts";
import type { Keyspace } from "../keyspace/keyspace.ts";
import type { Entry } from "../keyspace/table.ts";
import { checkCell } from "../replica/cell-check.ts";
import { readKind } from "../replica/effect.ts";
import type { Numbering } from "../replica/words.ts";
import { isLiving, type PartsVisitor } from "./parts.ts";

const REGISTER = 1;
const CELL = 2;
const GENERATION = 3;
const DEADLINE = 4;

interface Dated {
  readonly origin: number;
  readonly seq: number;
  readonly ms: number;
  readonly tick: number;
}

/** Writes the parts it is shown; `end` must follow the last. */
export class KeyStateWriter implements PartsVisitor {
  readonly #sink: Sink;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  register(tag: number, name: Buffer, nameStart: number, nameEnd: number, entry: Entry): void {
    const sink = this.#sink;
    sink.u8(REGISTER);
    sink.varint(tag);
    sink.bytes(name, nameStart, nameEnd);
    this.#dot(entry);
    sink.f64(entry.deadline);
    sink.bytes(entry.bytes, entry.valueStart, entry.valueEnd);
  }

  cell(tag: number, name: Buffer, nameStart: number, nameEnd: number, cell: Cell): void {
    const sink = this.#sink;
    const eras = cell.eras.filter(isLiving);
    if (cell.siblings.length + eras.length === 0) return;
    sink.u8(CELL);
    sink.varint(tag);
    sink.bytes(name, nameStart, nameEnd);
    sink.varint(cell.siblings.length);
    for (const sibling of cell.siblings) {
      this.#dot(sibling);
      sink.f64(sibling.deadline);
      sink.bytes(sibling.value, 0, sibling.value.length);
    }
    sink.varint(eras.length);
    for (const { origin, start, startMs, startTick, seq, sum, resetSeq, resetSum } of eras) {
      this.#dot({ origin, seq: Math.floor(start), ms: startMs, tick: startTick });
      sink.f64(start);
      sink.f64(seq);
      writeAmount(sink, sum);
      sink.f64(resetSeq);
      writeAmount(sink, resetSum);
    }
  }

  generation(generation: Generation): void {
    this.#sink.u8(GENERATION);
    this.#sink.u8(generation.kind.number);
    this.#dot(generation);
    const payload = generation.state.encode();
    this.#sink.bytes(payload, 0, payload.length);
  }

  deadline(deadline: Deadline): void {
    this.#sink.u8(DEADLINE);
    this.#dot(deadline);
    this.#sink.u48(deadline.deadline);
  }

  end(): void {
    this.#sink.u8(0);
  }

  #dot({ origin, seq, ms, tick }: Dated): void {
    this.#sink.varint(origin);
    this.#sink.varint(seq);
    this.#sink.u48(ms);
    this.#sink.u16(tick);
  }
}

/** Reads a state into a key of its own. Throws `Malformed`; the memory of what was read until then is given back. */
export function readKeyState(source: Source, numbering: Numbering, keyspace: Keyspace): Key {
  const key = new Key();
  try {
    for (let part = source.u8(); part !== 0; part = source.u8())
      readPart(part, source, numbering, keyspace, key);
  } catch (error) {
    freeKey(key);
    throw error;
  }
  return key;
}

/** Gives back what a key holds that will not be stored. */
export function freeKey(key: Key): void {
  for (const body of key.bodies) body.free();
}

function readPart(
  part: number,
  source: Source,
  numbering: Numbering,
  keyspace: Keyspace,
  key: Key,
): void {
  if (part === DEADLINE) {
    const dot = readDot(source, numbering);
    key.deadlines = [...key.deadlines, { ...dot, deadline: source.u48() }];
  } else if (part === GENERATION) {
    const kind = readKind(source, keyspace.kinds);
    const dot = readDot(source, numbering);
    const state = kind.create();
    const payload = source.view();
    kind.check(payload);
    state.join(payload);
    key.generations = [...key.generations, { kind, ...dot, state }];
  } else if (part === REGISTER || part === CELL) {
    const tag = source.varint();
    const name = source.view();
    const cell = new Cell();
    for (let left = part === REGISTER ? 1 : source.varint(); left > 0; left--)
      cell.siblings.push(readSibling(source, numbering));
    if (part === CELL)
      for (let left = source.varint(); left > 0; left--) {
        const { origin, ms, tick } = readDot(source, numbering);
        const [start, seq, sum] = [readSeq(source), readSeq(source), readAmount(source)];
        const [resetSeq, resetSum] = [readSeq(source), readAmount(source)];
        const began = { origin, start, startMs: ms, startTick: tick };
        cell.eras.push({ ...began, seq, sum, resetSeq, resetSum });
      }
    if (tag === STRING) key.cell = cell;
    else if (isCollection(tag) && (tag & (tag - 1)) === 0) {
      checkCell(tag, name, cell);
      keyspace.cells(key, tag).restore(name, cell);
    } else throw new Malformed(`a part is of the unknown type ${tag}`);
  } else throw new Malformed(`a key has a part of the unknown kind ${part}`);
}

function readDot(source: Source, numbering: Numbering): Dated {
  const origin = numbering.heard(source.varint());
  return { origin, seq: readDotSeq(source), ms: source.u48(), tick: source.u16() };
}

function readSibling(source: Source, numbering: Numbering): Sibling {
  const dot = readDot(source, numbering);
  const deadline = source.f64();
  if (!(deadline >= 0)) throw new Malformed("a deadline is no time");
  return { ...dot, deadline, value: Buffer.from(source.view()) };
}

function readSeq(source: Source): number {
  const seq = source.f64();
  if (!(seq >= 0 && seq <= 2 ** 42)) throw new Malformed("a seq is none");
  return seq;
}
