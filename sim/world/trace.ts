/**
 * Trace: what happened, as one rolling hash and, when somebody wants to read it, as lines.
 *
 * Invariant: two runs of a seed have the same hash if and only if the same events happened at the same times on the same nodes and
 * the same bytes went over every wire. It is how a leak of time, chance or order shows.
 */
import { crc32 } from "node:zlib";

export class Trace {
  #low = 0x811c9dc5;
  #high = 0x01000193;
  readonly #names = new Map<string, number>();
  /** Called with each line of the story; null when nobody reads it. */
  readonly #say: ((atUs: number, who: string, what: string) => void) | null;

  constructor(say: ((atUs: number, who: string, what: string) => void) | null) {
    this.#say = say;
  }

  get isRead(): boolean {
    return this.#say !== null;
  }

  event(atUs: number, kind: string, who: string): void {
    this.#mix(atUs);
    this.#mix(this.#name(kind));
    this.#mix(this.#name(who));
  }

  bytes(bytes: Uint8Array): void {
    this.#mix(crc32(bytes));
  }

  /** A line of the story. */
  say(atUs: number, who: string, what: string): void {
    this.#mix(this.#name(what));
    this.#say?.(atUs, who, what);
  }

  /** Sixteen hexadecimal digits. */
  get hash(): string {
    const hex = (n: number): string => (n >>> 0).toString(16).padStart(8, "0");
    return hex(this.#high) + hex(this.#low);
  }

  #mix(value: number): void {
    this.#low = Math.imul(this.#low ^ value, 0x01000193);
    this.#high = Math.imul(this.#high ^ this.#low ^ Math.floor(value / 2 ** 32), 0x85ebca6b) + 1;
  }

  #name(name: string): number {
    let number = this.#names.get(name);
    if (number === undefined) {
      number = crc32(Buffer.from(name));
      if (this.#names.size < 10_000) this.#names.set(name, number);
    }
    return number;
  }
}
