/**
 * HyperLogLog: the registers of one, held as the bytes that Redis would show, sparse until they are too many.
 *
 *   payload = u8 form │ body
 *             0, 3     n × u24: value in the six bits above the index; 3: and dense from now on
 *             1, 2     all registers, as a sparse or a dense string has them behind its header
 *
 * Invariant: joining takes the greater of each register, and once dense, always dense. The bytes are a function of the registers
 * and of that, not of how they came about; only the cardinality in the header is this replica's own memory of its last count,
 * and it is not replicated. Zeros lie in one run; equal values lie in runs of four but for the last.
 */
import { Malformed } from "../bytes/source.ts";
import type { GenerationKind, Semilattice } from "../crdt/generation.ts";
import { STRING } from "../crdt/key.ts";
import {
  cacheCardinality,
  DENSE_BYTES,
  denseRegister,
  type Encoding,
  growthOfSplit,
  HEADER_BYTES,
  outdateCardinality,
  raiseDense,
  raiseRegisters,
  raiseSparse,
  REGISTERS,
  setDenseRegister,
  SPARSE_VALUE_MAX,
  writeHeader,
  writeRun,
  zerosAt,
} from "./text.ts";

/** The forms of a payload. */
export const CHANGES = 0;
const ALL_SPARSE = 1;
const ALL_DENSE = 2;
export const CHANGES_DENSE = 3;
const CHANGE_BYTES = 3;

/** More changes than this are joined register by register, since each would read the sparse form from its start. */
const SINGLE_CHANGES_MAX = 32;
/** One register may end one run and begin two: of zeros, they take two bytes each. */
const GROWTH_MAX_BYTES = 8;

/** All registers while several are changed. */
const registers = new Uint8Array(REGISTERS);
/** At most three runs of values, which all registers in runs of four fill. */
const rewritten = Buffer.alloc(REGISTERS / 4 + GROWTH_MAX_BYTES);
export class HyperLogLog implements Semilattice {
  #bytes: Buffer;
  /** How much of `#bytes` is in use. */
  #length: number;
  #dense = false;

  constructor() {
    this.#bytes = Buffer.alloc(HEADER_BYTES + GROWTH_MAX_BYTES);
    this.#length = writeRun(this.#bytes, HEADER_BYTES, 0, REGISTERS);
    writeHeader(this.#bytes, "sparse", null);
  }

  /** What a string shows, or null when its sparse form is corrupt. */
  static of(bytes: Buffer, start: number, end: number, encoding: Encoding): HyperLogLog | null {
    const hll = new HyperLogLog();
    registers.fill(0);
    if (!raiseRegisters(registers, bytes, start, end, encoding)) return null;
    hll.#write(encoding === "dense");
    return hll;
  }

  copy(): HyperLogLog {
    const copy = new HyperLogLog();
    copy.#bytes = Buffer.from(this.#bytes);
    copy.#length = this.#length;
    copy.#dense = this.#dense;
    return copy;
  }

  get dense(): boolean {
    return this.#dense;
  }

  get bytes(): number {
    return this.#bytes.length;
  }

  text(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Remembers what a reader counted. */
  remember(cardinality: number): void {
    cacheCardinality(this.#bytes, cardinality);
  }

  /** Makes the next reader count anew. */
  forget(): void {
    outdateCardinality(this.#bytes);
  }

  register(index: number): number {
    if (this.#dense) return denseRegister(this.#bytes, 0, index);
    const run = this.#runAt(HEADER_BYTES, 0, index);
    return run.value;
  }

  /**
   * Raises a register; returns whether it was lower. A sparse form that would grow beyond `sparseMaxBytes` by it becomes dense, at
   * the size at which Redis gives it up.
   */
  raise(index: number, value: number, sparseMaxBytes = Infinity): boolean {
    if (!this.#dense) {
      const run = this.#runAt(HEADER_BYTES, 0, index);
      if (run.value >= value) return false;
      const growth = growthOfSplit(run.value, run.length, index - run.first);
      const fits = growth <= 0 || this.#length + growth <= sparseMaxBytes;
      if (value <= SPARSE_VALUE_MAX && fits) {
        this.#raiseSparse(run, index, value);
        this.forget();
        return true;
      }
      this.makeDense();
    }
    if (denseRegister(this.#bytes, 0, index) >= value) return false;
    setDenseRegister(this.#bytes, index, value);
    this.forget();
    return true;
  }

  makeDense(): void {
    if (this.#dense) return;
    this.#readAll();
    this.#write(true);
  }

  join(payload: Buffer): void {
    const form = payload[0];
    if (form === CHANGES || form === CHANGES_DENSE) {
      if (form === CHANGES_DENSE) this.makeDense();
      if ((payload.length - 1) / CHANGE_BYTES > SINGLE_CHANGES_MAX) return this.#joinAll(payload);
      for (let at = 1; at < payload.length; at += CHANGE_BYTES) {
        const change = payload.readUIntBE(at, CHANGE_BYTES);
        this.raise(change % REGISTERS, Math.floor(change / REGISTERS));
      }
      return;
    }
    this.#joinAll(payload);
  }

  /** Joins through all registers one byte each. */
  #joinAll(payload: Buffer): void {
    this.#readAll();
    const form = payload[0];
    if (form === ALL_DENSE) raiseDense(registers, payload, 1);
    else if (form === ALL_SPARSE) raiseSparse(registers, payload, 1, payload.length);
    else
      for (let at = 1; at < payload.length; at += CHANGE_BYTES) {
        const change = payload.readUIntBE(at, CHANGE_BYTES);
        const value = Math.floor(change / REGISTERS);
        const index = change % REGISTERS;
        if (value > (registers[index] as number)) registers[index] = value;
      }
    this.#write(this.#dense || form === ALL_DENSE);
    this.forget();
  }

  encode(): Buffer {
    const payload = Buffer.from(this.#bytes.subarray(HEADER_BYTES - 1, this.#length));
    payload[0] = this.#dense ? ALL_DENSE : ALL_SPARSE;
    return payload;
  }

  #readAll(): void {
    registers.fill(0);
    raiseRegisters(registers, this.#bytes, 0, this.#length, this.#dense ? "dense" : "sparse");
  }

  /** Writes `registers` as the bytes, dense if asked for or if it must be. The cardinality stays what it was. */
  #write(dense: boolean): void {
    const before = this.#bytes;
    let most = 0;
    for (let i = 0; i < REGISTERS; i++) most = Math.max(most, registers[i] as number);
    this.#dense = dense || most > SPARSE_VALUE_MAX;
    if (this.#dense) {
      this.#bytes = Buffer.alloc(DENSE_BYTES);
      for (let i = 0; i < REGISTERS; i++)
        if (registers[i] !== 0) setDenseRegister(this.#bytes, i, registers[i] as number);
      this.#length = DENSE_BYTES;
    } else {
      const body = Buffer.allocUnsafe(REGISTERS);
      let at = 0;
      for (let first = 0, last = 1; first < REGISTERS; first = last++) {
        const value = registers[first] as number;
        while (last < REGISTERS && registers[last] === value) last++;
        at = writeRun(body, at, value, last - first);
      }
      this.#length = HEADER_BYTES + at;
      this.#bytes = Buffer.alloc(this.#length + GROWTH_MAX_BYTES);
      this.#bytes.set(body.subarray(0, at), HEADER_BYTES);
    }
    writeHeader(this.#bytes, this.#dense ? "dense" : "sparse", before);
  }

  /** The run of equal registers that holds `index`, searched from one that begins at byte `start` with register `first`. */
  #runAt(start: number, firstOfAll: number, index: number): Run {
    const bytes = this.#bytes;
    const run = current;
    run.end = start;
    run.first = firstOfAll;
    run.length = 0;
    run.value = -1;
    do {
      run.beforeStart = run.start;
      run.beforeValue = run.value;
      run.beforeLength = run.length;
      run.first += run.length;
      run.start = run.end;
      const head = bytes[run.start] as number;
      if ((head & 0x80) === 0) {
        run.value = 0;
        run.length = zerosAt(bytes, run.start, this.#length);
        run.end = run.start + ((head & 0x40) === 0 ? 1 : 2);
        continue;
      }
      run.value = ((head >> 2) & 31) + 1;
      run.length = (head & 3) + 1;
      run.end = run.start + 1;
      while (run.end < this.#length && (bytes[run.end] as number) >> 2 === head >> 2)
        run.length += ((bytes[run.end++] as number) & 3) + 1;
    } while (run.first + run.length <= index);
    return run;
  }

  /** Raises a register within `run`, which its value may join to the runs beside it. */
  #raiseSparse(run: Run, index: number, value: number): void {
    const left = index - run.first;
    const right = run.length - 1 - left;
    let from = run.start;
    let to = run.end;
    let middle = 1;
    const { value: old } = run;
    if (left === 0 && run.beforeValue === value) {
      from = run.beforeStart;
      middle += run.beforeLength;
    }
    if (right === 0 && to < this.#length) {
      const next = this.#runAt(to, index + 1, index + 1);
      if (next.value === value) {
        to = next.end;
        middle += next.length;
      }
    }
    let end = writeRun(rewritten, 0, old, left);
    end = writeRun(rewritten, end, value, middle);
    end = writeRun(rewritten, end, old, right);
    const length = this.#length + end - (to - from);
    if (length > this.#bytes.length) {
      const larger = Buffer.alloc(length + (length >> 1));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.copyWithin(from + end, to, this.#length);
    this.#bytes.set(rewritten.subarray(0, end), from);
    this.#length = length;
  }
}

interface Run {
  /** Its bytes, and the bytes, value and length of the run before it. */
  start: number;
  end: number;
  beforeStart: number;
  beforeValue: number;
  beforeLength: number;
  /** Its first register, how many there are, and what each of them holds. */
  first: number;
  length: number;
  value: number;
}

/** The run that was found last. */
const current: Run = {
  start: 0,
  end: 0,
  beforeStart: 0,
  beforeValue: 0,
  beforeLength: 0,
  first: 0,
  length: 0,
  value: 0,
};

/** Throws `Malformed` unless `join` takes the payload. */
function check(payload: Buffer): void {
  switch (payload[0]) {
    case CHANGES:
    case CHANGES_DENSE:
      if (payload.length % CHANGE_BYTES !== 1) throw new Malformed("a change of a register is cut");
      for (let at = 1; at < payload.length; at += CHANGE_BYTES)
        if (payload.readUIntBE(at, CHANGE_BYTES) >= 64 * REGISTERS)
          throw new Malformed("a register holds more than six bits");
      return;
    case ALL_DENSE:
      if (payload.length - 1 === DENSE_BYTES - HEADER_BYTES) return;
      throw new Malformed("dense registers are not of their length");
    case ALL_SPARSE:
      registers.fill(0);
      if (raiseSparse(registers, payload, 1, payload.length)) return;
      throw new Malformed("sparse registers are corrupt");
    default:
      throw new Malformed(`${payload[0]} is no form of a HyperLogLog`);
  }
}

/** HyperLogLogs as generations. */
export const HYPERLOGLOG: GenerationKind = {
  number: 1,
  type: STRING,
  name: "hyperloglog",
  create: () => new HyperLogLog(),
  check,
};
