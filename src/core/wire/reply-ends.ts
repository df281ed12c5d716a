/**
 * ReplyEnds: where replies end in what a server sends, and nothing more of them.
 *
 *     *2 CRLF $3 CRLF foo CRLF :1 CRLF │ +OK CRLF │ >3 CRLF …        three tops: an array, a status, a push
 *
 * Invariant: what is found depends on the bytes alone, never on how they were cut; nothing is kept of them and nothing allocated. A count
 * of what is still owed is enough: an element takes one off, an array of n puts n on.
 */
import { Malformed } from "../bytes/source.ts";

const LF = 10;
const CR = 13;
const MINUS = 45;
const ZERO = 48;
const LENGTH_MAX = 2 ** 40;

export class ReplyEnds {
  /** The first byte of the reply that was read last, or is being read. */
  top = 0;
  /** Elements still owed; 0 between two replies. */
  #owed = 0;
  /** Bytes of a bulk still to be passed, its CRLF among them. */
  #skip = 0;
  /** The marker of the line that is being read; 0 when none is. */
  #marker = 0;
  #value = 0;
  #isNegative = false;
  #isNumeric = true;

  /** Whether a reply has begun and not ended. */
  get isInside(): boolean {
    return this.#owed > 0;
  }

  /** What was begun does not go on: another server speaks. */
  reset(): void {
    this.#owed = 0;
    this.#skip = 0;
    this.#marker = 0;
  }

  /** Reads from `from` to the end of the reply there, or of one that began before; −1 when all was read and it goes on. Throws `Malformed`. */
  next(bytes: Buffer, from: number, to: number): number {
    let at = from;
    while (at < to) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, to - at);
        this.#skip -= step;
        at += step;
        if (this.#skip > 0) return -1;
        if (--this.#owed === 0) return at;
        continue;
      }
      if (this.#marker === 0) {
        const marker = bytes[at++] as number;
        if (this.#owed === 0) {
          this.#owed = 1;
          this.top = marker;
        }
        this.#marker = marker;
        this.#value = 0;
        this.#isNegative = false;
        this.#isNumeric = isCounted(marker);
        continue;
      }
      if (!this.#isNumeric) {
        const end = bytes.indexOf(LF, at);
        if (end < 0 || end >= to) return -1;
        at = end + 1;
        this.#marker = 0;
        if (--this.#owed === 0) return at;
        continue;
      }
      const byte = bytes[at++] as number;
      if (byte >= ZERO && byte <= ZERO + 9) {
        this.#value = this.#value * 10 + byte - ZERO;
        if (this.#value > LENGTH_MAX) throw new Malformed("a length is too long");
      } else if (byte === MINUS) this.#isNegative = true;
      else if (byte === LF) {
        if (this.#begin() === 0) return at;
      } else if (byte !== CR) throw new Malformed("a length is no number");
    }
    return -1;
  }

  /** The line of a length is read: what it adds. Returns what is still owed. */
  #begin(): number {
    const marker = this.#marker;
    this.#marker = 0;
    if (this.#isNegative) return --this.#owed;
    switch (marker) {
      case 0x24: // $
      case 0x21: // !
      case 0x3d: // =
        this.#skip = this.#value + 2;
        break;
      case 0x25: // %
        this.#owed += 2 * this.#value - 1;
        break;
      case 0x7c: // | stands before the element that it is about
        this.#owed += 2 * this.#value;
        break;
      default:
        this.#owed += this.#value - 1;
    }
    return this.#owed;
  }
}

/** Whether a length stands behind the marker: $ ! = * ~ > % | */
function isCounted(marker: number): boolean {
  switch (marker) {
    case 0x24:
    case 0x21:
    case 0x3d:
    case 0x2a:
    case 0x7e:
    case 0x3e:
    case 0x25:
    case 0x7c:
      return true;
    case 0x2b: // +
    case 0x2d: // -
    case 0x3a: // :
    case 0x5f: // _
    case 0x23: // #
    case 0x2c: // ,
    case 0x28: // (
      return false;
    default:
      throw new Malformed("this is no reply in Redis' protocol");
  }
}
