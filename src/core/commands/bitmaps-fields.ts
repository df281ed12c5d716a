/**
 * Bit fields: integers of any width at any bit of a string, read, written and counted, many in one command.
 *
 * Invariant: nothing happens before all of the command was read without an error; then the operations run one after another on
 * one copy of the string, which is written once if any of them changed it.
 *
 *   BITFIELD key · GET u8 0 · OVERFLOW SAT · INCRBY i5 #3 1 …      each is read twice: to check it, then to do it
 */
import { fit, type Overflow, readField, writeField } from "../bytes/bit-field.ts";
import { NONE, STRING } from "../crdt/key.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import { grown } from "./bitmaps.ts";
import { writeBits } from "./bitmaps-chunks.ts";
import type { Command } from "./command.ts";
import { NOT_AN_INTEGER, SYNTAX, WRONGTYPE } from "./errors.ts";
import { bitOffsetAt, integerAt } from "./numbers.ts";
import { hasWord } from "./key-positions.ts";
import type { Run } from "./run.ts";

const BAD_TYPE =
  "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.";

/** The operation that was read last. */
class Operation {
  name: "get" | "set" | "incrby" = "get";
  signed = false;
  bits = 0;
  /** In bits from the start of the string. */
  offset = 0;
  /** What SET writes and INCRBY adds: a 64-bit integer. */
  amount: number | bigint = 0;
  overflow: Overflow = "wrap";

  /** Reads the operation from argument `i` on, and where the next one begins; −1 after the refusal was answered. */
  read(run: Run, args: Args, i: number, reply: Reply): number {
    const left = args.count - i - 1;
    if (args.is(i, "GET") && left >= 2) this.name = "get";
    else if (args.is(i, "SET") && left >= 3) this.name = "set";
    else if (args.is(i, "INCRBY") && left >= 3) this.name = "incrby";
    else return refused(reply, SYNTAX);
    if (!this.#readType(args, i + 1)) return refused(reply, BAD_TYPE);
    this.offset = bitOffsetAt(args, i + 2, this.bits, run.settings, reply);
    if (Number.isNaN(this.offset)) return -1;
    if (this.name === "get") return i + 3;
    const amount = integerAt(args, i + 3);
    if (amount === null) return refused(reply, NOT_AN_INTEGER);
    this.amount = typeof amount === "number" ? amount : amount.digits;
    return i + 4;
  }

  /** Reads OVERFLOW, which holds for the operations behind it; whether it was read, or null after a refusal. */
  readOverflow(args: Args, i: number, reply: Reply): boolean | null {
    if (!args.is(i, "OVERFLOW") || i + 1 === args.count) return false;
    if (args.is(i + 1, "WRAP")) this.overflow = "wrap";
    else if (args.is(i + 1, "SAT")) this.overflow = "sat";
    else if (args.is(i + 1, "FAIL")) this.overflow = "fail";
    else {
      reply.error("ERR Invalid OVERFLOW type specified");
      return null;
    }
    return true;
  }

  #readType(args: Args, i: number): boolean {
    const { bytes } = args;
    const start = args.start[i] as number;
    const length = args.length(i);
    const sign = bytes[start];
    // 105 is `i`, 117 is `u`; one or two digits follow, without a leading zero.
    if (length < 2 || length > 3 || (sign !== 105 && sign !== 117)) return false;
    this.signed = sign === 105;
    this.bits = 0;
    for (let at = start + 1; at < start + length; at++) {
      const digit = (bytes[at] as number) - 48;
      if (digit < 0 || digit > 9 || (digit === 0 && this.bits === 0)) return false;
      this.bits = this.bits * 10 + digit;
    }
    return this.bits <= (this.signed ? 64 : 63);
  }

  /** Answers with the field as it is. */
  get(bytes: Buffer, start: number, end: number, reply: Reply): void {
    reply.int(readField(bytes, start, end, this.offset, this.bits, this.signed));
  }

  /** Writes or counts the field and answers; whether the string changed. */
  change(bytes: Buffer, reply: Reply): boolean {
    const { bits, signed, offset, amount, overflow } = this;
    const before = readField(bytes, 0, bytes.length, offset, bits, signed);
    const after =
      this.name === "set"
        ? fit(amount, 0, bits, signed, overflow)
        : fit(before, amount, bits, signed, overflow);
    if (after === null) {
      reply.nil();
      return false;
    }
    reply.int(this.name === "set" ? before : after);
    writeField(bytes, offset, bits, after);
    return before !== after;
  }
}

const operation = new Operation();

function refused(reply: Reply, error: string): -1 {
  reply.error(error);
  return -1;
}

function bitfield(run: Run, args: Args, reply: Reply): void {
  operate(run, args, true, reply);
}

function bitfieldRo(run: Run, args: Args, reply: Reply): void {
  operate(run, args, false, reply);
}

function operate(run: Run, args: Args, mayWrite: boolean, reply: Reply): void {
  let count = 0;
  /** How many bits the string must have for all that is written. */
  let reach = 0;
  for (let i = 2; i < args.count;) {
    const overflow = operation.readOverflow(args, i, reply);
    if (overflow === null) return;
    if (overflow) {
      i += 2;
      continue;
    }
    i = operation.read(run, args, i, reply);
    if (i < 0) return;
    count++;
    if (operation.name !== "get") reach = Math.max(reach, operation.offset + operation.bits);
  }
  if (reach > 0 && !mayWrite)
    return reply.error("ERR BITFIELD_RO only supports the GET subcommand");
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== STRING) return reply.error(WRONGTYPE);
  const writes = reach > 0;
  const length = place.type === NONE ? 0 : place.valueEnd - place.valueStart;
  const bytes = writes ? grown(place, Math.ceil(reach / 8)) : place.value;
  const start = writes ? 0 : place.valueStart;
  const end = writes ? bytes.length : start + length;
  // A string that grew is written even if nothing fitted: Redis leaves it grown as well.
  let changed = writes && end > length;
  reply.array(count);
  operation.overflow = "wrap";
  for (let i = 2; i < args.count;) {
    if (operation.readOverflow(args, i, reply) === true) {
      i += 2;
      continue;
    }
    i = operation.read(run, args, i, reply);
    if (operation.name === "get") operation.get(bytes, start, end, reply);
    else if (operation.change(bytes, reply)) changed = true;
  }
  if (changed) writeBits(run, place, bytes);
}

const common = {
  arity: -2,
  keys: [1, 1, 1],
  categories: ["bitmap"],
  group: "bitmap",
  complexity: "O(1) for each field read; O(N) for a string of N bytes when any is written",
} as const;

export const bitFieldCommands: readonly Command[] = [
  {
    ...common,
    name: "bitfield",
    keyFlags: ["RW", "access", "update", "variable_flags"],
    keyFlagsFor: (args) =>
      hasWord(args, 2, "SET") || hasWord(args, 2, "INCRBY")
        ? ["RW", "access", "update"]
        : ["RO", "access"],
    flags: ["write", "denyoom"],
    since: "3.2.0",
    summary: "Reads, writes and counts integers of any width",
    run: bitfield,
  },
  {
    ...common,
    name: "bitfield_ro",
    flags: ["readonly", "fast"],
    since: "6.0.0",
    summary: "Reads integers of any width",
    run: bitfieldRo,
  },
];
