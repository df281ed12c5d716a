/**
 * KeySums: the keys of chosen slots, each with its name, digested, and the sum of its parts: an item of a set to be compared.
 *
 *   words   name │ sum │ name │ sum …       six words a key, ready to be told or compared
 *
 * Invariant: a key costs no object. There may be a million of them, of which a few are ever asked for.
 */
import { ITEM_WORDS } from "./symbols.ts";

/** Words by which a key is named among the keys of a shard. */
export const NAME_WORDS = 2;

const text = Buffer.alloc(NAME_WORDS * 4);

/** The name of a key among others as text: eight characters of one byte. */
export function named(words: Int32Array, at: number): string {
  text.writeInt32BE(words[at] as number, 0);
  text.writeInt32BE(words[at + 1] as number, 4);
  return text.latin1Slice();
}

export class KeySums {
  size = 0;
  #words: Int32Array = new Int32Array(64 * ITEM_WORDS);
  #slots = new Uint16Array(64);
  #dbs = new Int32Array(64);
  /** Where the name of each ends. */
  #ends = new Uint32Array(64);
  #names: Buffer = Buffer.alloc(64 * 16);
  /** First word of a name → its key, and the keys that share one with an earlier key. */
  #places: Map<number, number> | null = null;
  readonly #twins: number[] = [];

  /** All there are, one behind the other; valid until the next `add`. */
  get words(): Int32Array {
    return this.#words.subarray(0, this.size * ITEM_WORDS);
  }

  /** Where the sum of the key at `at` lies in what `sums` gives. */
  sumAt(at: number): number {
    return at * ITEM_WORDS + NAME_WORDS;
  }

  /** Room for sums to be added up in, that of the next key included; it may be another array after each `add`. */
  get sums(): Int32Array {
    if ((this.size + 1) * ITEM_WORDS > this.#words.length) this.#grow();
    return this.#words;
  }

  /** Clears the sum of the next key. */
  clear(): void {
    this.sums.fill(0, this.size * ITEM_WORDS, (this.size + 1) * ITEM_WORDS);
  }

  /** The next key, whose sum has been or will be added up, is this one. Returns its place. `slot` is one among all. */
  add(
    slot: number,
    db: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    name: Int32Array,
  ): number {
    const at = this.size++;
    this.#words[at * ITEM_WORDS] = name[0] as number;
    this.#words[at * ITEM_WORDS + 1] = name[1] as number;
    this.#slots[at] = slot;
    this.#dbs[at] = db;
    const from = at === 0 ? 0 : (this.#ends[at - 1] as number);
    const to = from + end - start;
    if (to > this.#names.length) {
      const larger = Buffer.alloc(Math.max(to, this.#names.length * 2));
      this.#names.copy(larger, 0, 0, from);
      this.#names = larger;
    }
    this.#names.set(bytes.subarray(start, end), from);
    this.#ends[at] = to;
    this.#places = null;
    return at;
  }

  /** The place of the key of that name (`named`); −1 when it is not there. */
  find(name: string): number {
    text.latin1Write(name);
    const [first, second] = [text.readInt32BE(0), text.readInt32BE(4)];
    const at = this.#index().get(first) ?? -1;
    if (at < 0 || this.#words[at * ITEM_WORDS + 1] === second) return at;
    return (
      this.#twins.find(
        (twin) =>
          this.#words[twin * ITEM_WORDS] === first && this.#words[twin * ITEM_WORDS + 1] === second,
      ) ?? -1
    );
  }

  slot(at: number): number {
    return this.#slots[at] as number;
  }

  db(at: number): number {
    return this.#dbs[at] as number;
  }

  /** Bytes of its own. */
  name(at: number): Buffer {
    const from = at === 0 ? 0 : (this.#ends[at - 1] as number);
    return Buffer.from(this.#names.subarray(from, this.#ends[at]));
  }

  /** The words of the keys in some slots. */
  wordsIn(slots: ReadonlySet<number>): Int32Array {
    const words = new Int32Array(this.size * ITEM_WORDS);
    let length = 0;
    for (let at = 0; at < this.size; at++) {
      if (!slots.has(this.#slots[at] as number)) continue;
      for (let i = 0; i < ITEM_WORDS; i++)
        words[length++] = this.#words[at * ITEM_WORDS + i] as number;
    }
    return words.subarray(0, length);
  }

  #index(): Map<number, number> {
    if (this.#places !== null) return this.#places;
    const places = new Map<number, number>();
    this.#twins.length = 0;
    for (let at = 0; at < this.size; at++) {
      const first = this.#words[at * ITEM_WORDS] as number;
      if (places.has(first)) this.#twins.push(at);
      else places.set(first, at);
    }
    return (this.#places = places);
  }

  #grow(): void {
    const capacity = this.#slots.length * 2;
    const larger = <T extends Int32Array | Uint16Array | Uint32Array>(to: T, from: T): T => {
      to.set(from);
      return to;
    };
    this.#words = larger(new Int32Array(capacity * ITEM_WORDS), this.#words);
    this.#slots = larger(new Uint16Array(capacity), this.#slots);
    this.#dbs = larger(new Int32Array(capacity), this.#dbs);
    this.#ends = larger(new Uint32Array(capacity), this.#ends);
  }
}
