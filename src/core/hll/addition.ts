/**
 * Addition: what one command adds to a HyperLogLog.
 *
 * Invariant: it is tried on a copy, so that the command may still be refused; then its payload is joined everywhere, here too.
 * One at a time: all of them are written into the same bytes.
 */
import { Sink } from "../bytes/sink.ts";
import { CHANGES, CHANGES_DENSE, type HyperLogLog } from "./hyperloglog.ts";
import { DENSE_BYTES, REGISTERS } from "./text.ts";

const sink = new Sink(DENSE_BYTES);

export class Addition {
  readonly #from: HyperLogLog;
  readonly #sparseMaxBytes: number;
  #to: HyperLogLog | null = null;

  constructor(from: HyperLogLog, sparseMaxBytes: number) {
    this.#from = from;
    this.#sparseMaxBytes = sparseMaxBytes;
    sink.clear();
    sink.u8(CHANGES);
  }

  raise(index: number, value: number): void {
    if (this.#to === null) {
      if (this.#from.register(index) >= value) return;
      this.#to = this.#from.copy();
    }
    if (!this.#to.raise(index, value, this.#sparseMaxBytes)) return;
    sink.u8((value * REGISTERS + index) >>> 16);
    sink.u16((value * REGISTERS + index) & 0xffff);
  }

  makeDense(): void {
    this.#to ??= this.#from.copy();
    this.#to.makeDense();
  }

  /** Whether it changes anything. */
  get changes(): boolean {
    return sink.length > 1 || (this.#to !== null && this.#to.dense !== this.#from.dense);
  }

  /** Everything, as a payload. */
  whole(): Buffer {
    return (this.#to ?? this.#from).encode();
  }

  /** What is to be joined: the changes, or everything if that is shorter. */
  payload(): Buffer {
    const to = this.#to ?? this.#from;
    if (sink.length > to.bytes) return to.encode();
    const payload = sink.copy();
    if (to.dense && !this.#from.dense) payload[0] = CHANGES_DENSE;
    return payload;
  }
}
