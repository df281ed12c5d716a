/**
 * Dump: values in Redis' own format, to and from Redis.
 *
 * Invariant: RESTORE writes as other commands do, so a restored value merges with what other regions write at the same time.
 * A payload that is broken, or of a type that is not stored here, changes nothing.
 */
import type { Strings } from "../bytes/strings.ts";
import { whole } from "../crdt/amount.ts";
import { BOUNDED, NONE } from "../crdt/key.ts";
import { accessOf } from "../keyspace/access.ts";
import type { Hasher } from "../keyspace/hasher.ts";
import type { Place } from "../keyspace/place.ts";
import { decodePayload, encodePayload, isWhole } from "../rdb/payload.ts";
import type { Value } from "../rdb/value.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { BOUNDED_STAYS, NOT_AN_INTEGER, SYNTAX, TOO_LONG } from "./errors.ts";
import { integerAt, roughlyAt } from "./numbers.ts";
import { deadlineAfter, invalidExpireTime } from "./options.ts";
import type { Run } from "./run.ts";
import { readWhole, writeWhole } from "./values.ts";

/** What is decompressed may be so many times as long as the longest string that a client may send. */
const DECOMPRESSED_FACTOR = 16;
const BAD_DATA = "ERR Bad data format";

function dump(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type === NONE) return reply.nil();
  if (place.type === BOUNDED) return reply.error(BOUNDED_STAYS);
  const value = readWhole(run, place);
  if (value.type === "document")
    reply.error("ERR a document has no form in which Redis dumps values; use JSON.GET or COPY");
  else reply.buffer(encodePayload(value));
}

interface RestoreOptions {
  readonly replace: boolean;
  readonly absolute: boolean;
  /** Seconds since the last use; −1 when it is not said. */
  readonly idle: number;
  /** The counter of uses, 0 to 255; −1 when it is not said. */
  readonly frequency: number;
}

/** Reads the words from argument 4 on; null after the refusal was answered. */
function optionsOf(args: Args, reply: Reply): RestoreOptions | null {
  let replace = false;
  let absolute = false;
  let idle = -1;
  let frequency = -1;
  for (let i = 4; i < args.count; i++) {
    const hasValue = i + 1 < args.count;
    if (args.is(i, "REPLACE")) replace = true;
    else if (args.is(i, "ABSTTL")) absolute = true;
    else if (hasValue && frequency < 0 && args.is(i, "IDLETIME")) {
      if (!isWithin(args, ++i, Infinity, "Invalid IDLETIME value, must be >= 0", reply))
        return null;
      idle = roughlyAt(args, i);
    } else if (hasValue && idle < 0 && args.is(i, "FREQ")) {
      if (!isWithin(args, ++i, 255, "Invalid FREQ value, must be >= 0 and <= 255", reply))
        return null;
      frequency = roughlyAt(args, i);
    } else {
      reply.error(SYNTAX);
      return null;
    }
  }
  return { replace, absolute, idle, frequency };
}

function isWithin(args: Args, i: number, most: number, refusal: string, reply: Reply): boolean {
  const value = roughlyAt(args, i);
  if (value >= 0 && value <= most) return true;
  reply.error(Number.isNaN(value) ? NOT_AN_INTEGER : `ERR ${refusal}`);
  return false;
}

function restore(run: Run, args: Args, reply: Reply): void {
  const options = optionsOf(args, reply);
  if (options === null) return;
  const place = run.look(args, 1);
  if (place.type !== NONE && !options.replace)
    return reply.error("BUSYKEY Target key name already exists.");
  const deadline = deadlineOf(run, args, options.absolute, reply);
  if (Number.isNaN(deadline)) return;
  const payload = args.view(3);
  if (!isWhole(payload)) return reply.error("ERR DUMP payload version or checksum are wrong");
  const { protoMaxBulkLen } = run.settings;
  const value = decodePayload(payload, protoMaxBulkLen * DECOMPRESSED_FACTOR);
  if (value === null || !areDistinct(value, run.keyspace.hasher)) return reply.error(BAD_DATA);
  if (value.type === "string" && value.value.length > protoMaxBulkLen) return reply.error(TOO_LONG);
  reply.ok();
  if (deadline > run.nowMs) {
    writeWhole(run, place, value, deadline);
    restoreAccess(run, place, options);
  } else if (place.type !== NONE) run.write.remove(place);
}

/** Which of the two counts is for the eviction policy to say; where nothing is evicted nobody remembers either. */
function restoreAccess(run: Run, place: Place, { idle, frequency }: RestoreOptions): void {
  const { keyspace, settings } = run;
  const isLfu = settings.maxMemoryPolicy.endsWith("-lfu");
  if (!keyspace.tracksAccess || (isLfu ? frequency : idle) < 0) return;
  run.lookAgain(place);
  if (place.at < 0) return;
  const seconds = keyspace.accessSeconds;
  const access = isLfu ? accessOf(seconds, 0, frequency) : accessOf(seconds, idle);
  place.table.setAccess(place.at, access);
}

/** The deadline from argument 2, Infinity for none; NaN after the refusal was answered. */
function deadlineOf(run: Run, args: Args, absolute: boolean, reply: Reply): number {
  const ttl = integerAt(args, 2);
  if (ttl === null) reply.error(NOT_AN_INTEGER);
  else if ((whole(ttl) as bigint) < 0n) reply.error("ERR Invalid TTL value, must be >= 0");
  else if (ttl === 0) return Infinity;
  else {
    const deadline = deadlineAfter(ttl, 1, absolute ? 0 : run.nowMs);
    // Redis answers OK and keeps nothing; nobody who restores a value means that.
    if (Number.isNaN(deadline)) reply.error(invalidExpireTime("restore"));
    return deadline;
  }
  return Number.NaN;
}

/** Whether no member or field is there twice. */
function areDistinct(value: Value, hasher: Hasher): boolean {
  switch (value.type) {
    case "set":
    case "zset":
      return distinct(value.members, hasher);
    case "hash":
      return distinct(value.fields, hasher);
    default:
      return true;
  }
}

function distinct(names: Strings, hasher: Hasher): boolean {
  const { bytes, count } = names;
  // Open addressing, at most half full: index + 1, or 0. A set of strings would take ten times the memory of the names.
  const bits = 33 - Math.clz32(Math.max(count, 1));
  const mask = 2 ** bits - 1;
  const slots = new Uint32Array(mask + 1);
  for (let i = 0; i < count; i++) {
    const start = names.start(i);
    const end = names.end(i);
    let slot = hasher.hash(0, bytes, start, end) & mask;
    for (let other = slots[slot] as number; other !== 0; other = slots[slot] as number) {
      if (names.view(other - 1).equals(bytes.subarray(start, end))) return false;
      slot = (slot + 1) & mask;
    }
    slots[slot] = i + 1;
  }
  return true;
}

/** The keys of MIGRATE: the one in argument 3, or when that is empty all that follow KEYS. */
function migrateKeys(args: Args): number[] {
  for (let i = 6; i < args.count; i++) {
    // A password may be any word.
    if (args.is(i, "AUTH") || args.is(i, "AUTH2")) {
      i += args.is(i, "AUTH") ? 1 : 2;
      continue;
    }
    if (!args.is(i, "KEYS")) continue;
    const rest = Array.from({ length: args.count - i - 1 }, (_, k) => i + 1 + k);
    return args.length(3) === 0 ? rest : [];
  }
  return [3];
}

function migrate(_run: Run, _args: Args, reply: Reply): void {
  reply.error(
    "ERR MIGRATE is not available: a node opens no connections for clients. Copy keys with DUMP and RESTORE",
  );
}

const common = { categories: ["keyspace"], group: "generic", since: "2.6.0" } as const;

/** Every command that carries values in Redis' format. */
export const dumpCommands: readonly Command[] = [
  {
    ...common,
    name: "dump",
    arity: 2,
    flags: ["readonly"],
    keys: [1, 1, 1],
    complexity: "O(N) for N bytes",
    summary: "Reads a value in Redis' own format",
    strong: true,
    run: dump,
  },
  {
    ...common,
    name: "restore",
    arity: -4,
    flags: ["write", "denyoom"],
    categories: ["keyspace", "dangerous"],
    keys: [1, 1, 1],
    keyFlags: ["OW", "update"],
    complexity: "O(N) for N bytes",
    summary: "Writes a value that DUMP gave, here or in Redis",
    run: restore,
  },
  {
    ...common,
    name: "migrate",
    arity: -6,
    flags: ["write", "movablekeys"],
    categories: ["keyspace", "dangerous"],
    keys: [3, 3, 1],
    keyFlags: ["RW", "access", "delete"],
    findKeys: migrateKeys,
    looseKeys: [
      {
        keyFlags: ["RW", "access", "delete"],
        incomplete: true,
        behind: { word: "KEYS", from: -2, range: [-1, 1, 0] },
      },
    ],
    complexity: "O(1)",
    summary: "Refused: a node opens no connections for clients",
    run: migrate,
  },
];
