/**
 * Source: reads bytes front to back and never beyond their end.
 *
 * Invariant: a read either returns a whole value or throws `Malformed`; no count or length found in the bytes is believed
 * before the bytes it promises are there. So hostile input costs no more memory than its own size.
 */

/** Bytes that are not what the format says. The adapter that received them decides what to do with the sender. */
export class Malformed extends Error {
  override name = "Malformed";
}

export class Source {
  bytes: Buffer;
  at: number;
  end: number;

  constructor(bytes: Buffer, start = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
  }

  /** Reads other bytes from now on, so that one source serves a whole stream. */
  reset(bytes: Buffer, start: number, end: number): void {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
  }

  get left(): number {
    return this.end - this.at;
  }

  /** Fails unless `count` more bytes are there. */
  need(count: number): void {
    if (count > this.end - this.at)
      throw new Malformed(`${count} bytes expected at ${this.at}, ${this.end - this.at} are left`);
  }

  u8(): number {
    this.need(1);
    return this.bytes[this.at++] as number;
  }

  u16(): number {
    this.need(2);
    const value = this.bytes.readUInt16BE(this.at);
    this.at += 2;
    return value;
  }

  u32(): number {
    this.need(4);
    const value = this.bytes.readUInt32BE(this.at);
    this.at += 4;
    return value;
  }

  u48(): number {
    this.need(6);
    const value = this.bytes.readUIntBE(this.at, 6);
    this.at += 6;
    return value;
  }

  f64(): number {
    this.need(8);
    const value = this.bytes.readDoubleBE(this.at);
    this.at += 8;
    return value;
  }

  varint(): number {
    const bytes = this.bytes;
    let value = 0;
    let unit = 1;
    for (let i = 0; i < 8; i++) {
      if (this.at >= this.end) throw new Malformed(`a varint is cut off at ${this.at}`);
      const byte = bytes[this.at++] as number;
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      unit *= 128;
    }
    throw new Malformed(`a varint before ${this.at} is longer than 53 bits`);
  }

  zigzag(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** Moves past `count` bytes and returns where they began. */
  skip(count: number): number {
    this.need(count);
    const start = this.at;
    this.at += count;
    return start;
  }

  /** A length-prefixed run of bytes, without a copy. */
  view(): Buffer {
    const count = this.varint();
    const start = this.skip(count);
    return this.bytes.subarray(start, start + count);
  }

  /** A length-prefixed run of bytes as text of one byte a character. */
  text(): string {
    const count = this.varint();
    const start = this.skip(count);
    return this.bytes.latin1Slice(start, start + count);
  }
}
