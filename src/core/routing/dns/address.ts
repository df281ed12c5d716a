/**
 * Address: IP addresses as the bytes that travel: four or sixteen.
 *
 * Invariant: an address that was parsed prints as one that parses to the same bytes. An IPv4 address within IPv6 (`::ffff:192.0.2.1`) is
 * the IPv4 address: sockets that take both say it so.
 */

/** Null when `text` is no address. */
export function parseAddress(text: string): Buffer | null {
  return text.includes(":") ? parseV6(text) : parseV4(text);
}

function parseV4(text: string): Buffer | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  const bytes = Buffer.alloc(4);
  for (const [i, part] of parts.entries()) {
    if (!/^(?:0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return null;
    bytes[i] = Number(part);
  }
  return bytes;
}

function parseV6(text: string): Buffer | null {
  const mapped = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (mapped !== null) {
    const v4 = parseV4(mapped[2] ?? "");
    if (v4 === null) return null;
    const words = `${v4.readUInt16BE(0).toString(16)}:${v4.readUInt16BE(2).toString(16)}`;
    const whole = parseV6(`${mapped[1]}${words}`);
    return whole?.subarray(0, 12).equals(MAPPED) === true ? v4 : whole;
  }
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const [front, back] = halves.map((half) => (half === "" ? [] : half.split(":")));
  if (front === undefined) return null;
  const missing = 8 - front.length - (back?.length ?? 0);
  if (back === undefined ? missing !== 0 : missing < 1) return null;
  const words = [...front, ...Array.from({ length: missing }, () => "0"), ...(back ?? [])];
  const bytes = Buffer.alloc(16);
  for (const [i, word] of words.entries()) {
    if (!/^[0-9a-f]{1,4}$/i.test(word)) return null;
    bytes.writeUInt16BE(Number.parseInt(word, 16), i * 2);
  }
  return bytes;
}

const MAPPED = Buffer.from("00000000000000000000ffff", "hex");

/** The usual notation; the longest run of zeros in an IPv6 address is left out (RFC 5952). */
export function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return [...bytes].join(".");
  const words = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16));
  let best = { at: 0, count: 1 };
  for (let at = 0; at < 8; at++) {
    let count = 0;
    while (words[at + count] === "0") count++;
    if (count > best.count) best = { at, count };
  }
  if (best.count === 1) return words.join(":");
  return `${words.slice(0, best.at).join(":")}::${words.slice(best.at + best.count).join(":")}`;
}

/** A network: the first `bits` bits of `address`. */
export interface Network {
  readonly address: Buffer;
  readonly bits: number;
}

/** `192.0.2.0/24`, or a single address; null when it is none, or when bits behind the prefix are set. */
export function parseNetwork(text: string): Network | null {
  const [host = "", length, more] = text.split("/");
  const address = parseAddress(host);
  if (address === null || more !== undefined) return null;
  if (length === undefined) return { address, bits: address.length * 8 };
  if (!/^\d{1,3}$/.test(length) || Number(length) > address.length * 8) return null;
  const bits = Number(length);
  return isClear(address, bits) ? { address, bits } : null;
}

/** Whether an address lies in a network. */
export function isIn(address: Buffer, { address: prefix, bits }: Network): boolean {
  if (address.length !== prefix.length) return false;
  const whole = bits >> 3;
  if (address.compare(prefix, 0, whole, 0, whole) !== 0) return false;
  const mask = 0xff00 >> (bits & 7);
  return (((address[whole] ?? 0) ^ (prefix[whole] ?? 0)) & mask & 0xff) === 0;
}

/** Whether nothing is set behind the first `bits` bits of `bytes`. */
export function isClear(bytes: Buffer, bits: number): boolean {
  for (let i = bits >> 3; i < bytes.length; i++) {
    const mask = i === bits >> 3 ? 0xff >> (bits & 7) : 0xff;
    if (((bytes[i] as number) & mask) !== 0) return false;
  }
  return true;
}
