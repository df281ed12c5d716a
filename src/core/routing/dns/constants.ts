/** Constants: the numbers of the DNS (IANA), by the names that zone files and RFCs use. */

export const TYPE = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  DS: 43,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  TLSA: 52,
  CDS: 59,
  CDNSKEY: 60,
  SVCB: 64,
  HTTPS: 65,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
  CAA: 257,
} as const;

export const CLASS = { IN: 1, CH: 3, ANY: 255 } as const;

export const OPCODE = { QUERY: 0, NOTIFY: 4 } as const;

/** Beyond 15 the upper bits travel in OPT. */
export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  BADVERS: 16,
  BADCOOKIE: 23,
} as const;

/** Bits of the second word of a message. */
export const FLAG = {
  QR: 0x8000,
  AA: 0x0400,
  TC: 0x0200,
  RD: 0x0100,
  AD: 0x0020,
  CD: 0x0010,
} as const;

/** Options of EDNS. */
export const OPTION = { NSID: 3, ECS: 8, COOKIE: 10, KEEPALIVE: 11, PADDING: 12, EDE: 15 } as const;

export const HEADER_BYTES = 12;

const names = new Map<number, string>(Object.entries(TYPE).map(([name, type]) => [type, name]));

/** `AAAA`, or `TYPE1234` where there is no name (RFC 3597). */
export function typeName(type: number): string {
  return names.get(type) ?? `TYPE${type}`;
}

/** The number of a type by its name, in any case; null when it is none. */
export function typeOf(name: string): number | null {
  const upper = name.toUpperCase();
  if (Object.hasOwn(TYPE, upper)) return TYPE[upper as keyof typeof TYPE];
  const digits = /^TYPE(\d{1,5})$/.exec(upper)?.[1];
  return digits === undefined || Number(digits) > 65_535 ? null : Number(digits);
}
