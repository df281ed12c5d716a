/**
 * Id: names that replicas give without asking one another: a stamp, the member that drew it, and chance behind both.
 *
 *   uuid7      48 ms │ 4 version │ 12 tick │ 2 variant │ 12 member │ 50 chance        RFC 9562, version 7
 *   ulid       48 ms │ 16 tick │ 16 member │ 48 chance                                26 letters of Crockford's base 32
 *   snowflake  41 ms since 2024 │ 10 member │ 12 tick                                 a number below 2^63, as decimal text
 *   prefixed   region, "-", ulid
 *
 * Invariant: what one member draws later sorts later, and what two members draw differs by the member, whatever their clocks show and
 * whatever chance brings.
 */

export const ID_KINDS = ["uuid7", "ulid", "snowflake", "prefixed"] as const;
export type IdKind = (typeof ID_KINDS)[number];

/** What of an id is no chance. */
export interface IdParts {
  /** Milliseconds since 1970. */
  readonly ms: number;
  /** Below `ID_TICKS`: of several in one millisecond, which. */
  readonly tick: number;
  /** The member's place among all members that ever were; below `MEMBERS_MAX`. */
  readonly member: number;
}

/** As many ids as one member draws in a millisecond: what 12 bits tell apart. */
export const ID_TICKS = 4096;
/** As many members as 10 bits tell apart. */
export const MEMBERS_MAX = 1024;
/** 2024-01-01: the first millisecond of snowflakes. */
const EPOCH_MS = 1_704_067_200_000;
/** Snowflakes have 41 bits for time. */
const SNOWFLAKE_MS_MAX: number = EPOCH_MS + 2 ** 41 - 1;
/** Chance that an id takes, in bytes. */
export const CHANCE_BYTES = 7;

const LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const MEMBER_SHIFT = 12n;
const SNOWFLAKE_MS_SHIFT = 22n;

/** An id of a kind; `region` stands before those that have a prefix. Snowflakes begin in 2024: `ms` lies between that and `SNOWFLAKE_MS_MAX`. */
export function idOf(kind: IdKind, parts: IdParts, region: string, chance: Buffer): string {
  if (kind === "uuid7") return uuidOf(parts, chance);
  if (kind === "ulid") return ulidOf(parts, chance);
  if (kind === "prefixed") return `${region}-${ulidOf(parts, chance)}`;
  const { ms, tick, member } = parts;
  const sinceMs = BigInt(ms - EPOCH_MS);
  return String((sinceMs << SNOWFLAKE_MS_SHIFT) | (BigInt(member) << MEMBER_SHIFT) | BigInt(tick));
}

/** Whether a snowflake can say a time. */
export function hasSnowflake(ms: number): boolean {
  return ms >= EPOCH_MS && ms <= SNOWFLAKE_MS_MAX;
}

function uuidOf({ ms, tick, member }: IdParts, chance: Buffer): string {
  const bytes = Buffer.alloc(16);
  bytes.writeUIntBE(ms, 0, 6);
  bytes.writeUInt16BE(0x7000 | tick, 6);
  chance.copy(bytes, 9, 0, CHANCE_BYTES);
  bytes[8] = 0x80 | (member >>> 6);
  bytes[9] = ((member & 0x3f) << 2) | ((bytes[9] as number) & 0x03);
  const hex = bytes.toString("hex");
  return [8, 12, 16, 20, 32].map((end, i, ends) => hex.slice(ends[i - 1] ?? 0, end)).join("-");
}

function ulidOf({ ms, tick, member }: IdParts, chance: Buffer): string {
  const bytes = Buffer.alloc(16);
  bytes.writeUIntBE(ms, 0, 6);
  bytes.writeUInt16BE(tick, 6);
  bytes.writeUInt16BE(member, 8);
  chance.copy(bytes, 10, 0, 6);
  let rest = BigInt(`0x${bytes.toString("hex")}`);
  let text = "";
  for (let i = 0; i < 26; i++) {
    text = (LETTERS[Number(rest & 31n)] as string) + text;
    rest >>= 5n;
  }
  return text;
}

export interface ReadId extends IdParts {
  readonly kind: IdKind;
  /** What stands before a prefixed one; empty for others. */
  readonly region: string;
}

const UUID7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;
const ULID = /^(?:(.+)-)?([0-7][0-9A-HJKMNP-TV-Z]{25})$/i;
const NUMBER = /^(?:0|[1-9][0-9]{0,18})$/;

/** What an id says, or null when it is none of these kinds. Of one that came from elsewhere only `ms` means something. */
export function readId(text: string): ReadId | null {
  if (UUID7.test(text)) {
    const bytes = Buffer.from(text.replaceAll("-", ""), "hex");
    const ms = bytes.readUIntBE(0, 6);
    const tick = bytes.readUInt16BE(6) & 0x0fff;
    const member = (bytes.readUInt16BE(8) >>> 2) & 0x0fff;
    return { kind: "uuid7", ms, tick, member, region: "" };
  }
  const [, region, ulid] = ULID.exec(text) ?? [];
  if (ulid !== undefined) {
    let whole = 0n;
    for (const letter of ulid.toUpperCase())
      whole = (whole << 5n) | BigInt(LETTERS.indexOf(letter));
    const kind = region === undefined ? "ulid" : "prefixed";
    const ms = Number(whole >> 80n);
    const tick = Number((whole >> 64n) & 0xffffn);
    const member = Number((whole >> 48n) & 0xffffn);
    return { kind, ms, tick, member, region: region ?? "" };
  }
  if (!NUMBER.test(text)) return null;
  const whole = BigInt(text);
  if (whole >= 1n << 63n) return null;
  const ms = EPOCH_MS + Number(whole >> SNOWFLAKE_MS_SHIFT);
  const tick = Number(whole & 0xfffn);
  const member = Number((whole >> MEMBER_SHIFT) & 0x3ffn);
  return { kind: "snowflake", ms, tick, member, region: "" };
}
