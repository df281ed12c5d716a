/**
 * CommandTable: finds a command by the bytes of its name.
 *
 * Invariant: finding allocates nothing and trusts no hash: the name is compared byte by byte. A command keeps its index, and
 * with it its counters, for as long as the process lives.
 *
 *   args ─► hash of argument 0 in lower case ─► entry ─► has subcommands? ─► the same with argument 1
 */
import { assert } from "../assert.ts";
import type { Args } from "../wire/args.ts";
import type { Command, Flag, Handler } from "./command.ts";
import { assertCountable } from "./command-stats.ts";

/** What dispatch asks of a command, as bits. */
export const WRITES = 1;
export const READS = 2;
/** Allowed before AUTH. */
export const OPEN = 4;
/** Refused inside of MULTI. */
export const NEVER_QUEUED = 8;
/** Runs at once inside of MULTI. */
export const IMMEDIATE = 16;
/** Not in the slow log, which has what it ran instead (EXEC). */
export const UNLOGGED = 32;
/** Not shown to MONITOR. */
export const UNSEEN = 64;
/** Should take no longer than a moment. */
export const FAST = 128;
/** Refused when the memory is full. */
export const GROWS = 256;
/** Works on keys and costs the same however much they hold. */
export const SMALL = 1024;
/** Looks at keys without using them. */
export const GLANCES = 512;
/** Taken from a client of RESP2 that listens to channels. */
export const SUBSCRIBER = 2048;
/** Answered by pushes, which CLIENT REPLY does not silence. */
export const PUSHES = 4096;

/** Answered while the node has no data to answer from. */
export const LOADING = 8192;

const bitsOfFlags: Partial<Record<Flag, number>> = {
  write: WRITES,
  readonly: READS,
  no_auth: OPEN,
  no_multi: NEVER_QUEUED,
  skip_slowlog: UNLOGGED,
  admin: UNSEEN,
  skip_monitor: UNSEEN,
  fast: FAST,
  denyoom: GROWS,
  loading: LOADING,
};

/** Runs another command, which its arguments name. */
export const WRAPS = 16384;

/** Works on a strong key. */
export const STRONG = 32768;

/** One command or subcommand in the table. */
export class CommandEntry {
  readonly command: Command;
  /** In lower case, a subcommand with its container: `client|setname`. */
  readonly name: string;
  /** Its place in `CommandStats`. */
  readonly index: number;
  readonly arity: number;
  readonly bits: number;
  readonly run: Handler;
  readonly subcommands: Names | null;

  constructor(command: Command, container: string, entries: CommandEntry[]) {
    this.command = command;
    this.name = container === "" ? command.name : `${container}|${command.name}`;
    this.index = entries.length;
    this.arity = command.arity;
    this.run = command.run;
    let bits = command.immediate === true ? IMMEDIATE : 0;
    if (command.glances === true) bits |= GLANCES;
    if (command.subscriberMay === true) bits |= SUBSCRIBER;
    if (command.pushes === true) bits |= PUSHES;
    if (command.wraps !== undefined) bits |= WRAPS;
    if (command.strong ?? (command.group === "string" || command.group === "hash")) bits |= STRONG;
    if (command.complexity === "O(1)" && command.keys[0] > 0) bits |= SMALL;
    for (const flag of command.flags) bits |= bitsOfFlags[flag] ?? 0;
    this.bits = bits;
    entries.push(this);
    const { subcommands } = command;
    this.subcommands =
      subcommands === undefined
        ? null
        : new Names(subcommands.map((sub) => new CommandEntry(sub, this.name, entries)));
  }

  /** Whether a command of so many words, the name included, has the right number of them. */
  takes(count: number): boolean {
    return this.arity >= 0 ? count === this.arity : count >= -this.arity;
  }
}

/** Entries by name: open addressing in a table at most a quarter full. */
class Names {
  readonly all: readonly CommandEntry[];
  readonly #mask: number;
  readonly #slots: (CommandEntry | null)[];

  constructor(entries: readonly CommandEntry[]) {
    this.all = entries;
    let size = 16;
    while (size < entries.length * 4) size *= 2;
    this.#mask = size - 1;
    this.#slots = Array.from({ length: size }, () => null);
    for (const entry of entries) {
      const name = Buffer.from(entry.command.name, "latin1");
      assert(this.find(name, 0, name.length) === null, `${entry.name} is listed once`);
      let at = hashOf(name, 0, name.length) & this.#mask;
      while (this.#slots[at] !== null) at = (at + 1) & this.#mask;
      this.#slots[at] = entry;
    }
  }

  find(bytes: Uint8Array, start: number, end: number): CommandEntry | null {
    for (let at = hashOf(bytes, start, end) & this.#mask; ; at = (at + 1) & this.#mask) {
      const entry = this.#slots[at] as CommandEntry | null;
      if (entry === null || matches(entry.command.name, bytes, start, end)) return entry;
    }
  }
}

export class CommandTable {
  /** Every command and subcommand, by index. */
  readonly entries: readonly CommandEntry[];
  /** Without subcommands. */
  readonly commands: readonly CommandEntry[];
  readonly #names: Names;

  constructor(families: readonly (readonly Command[])[]) {
    const entries: CommandEntry[] = [];
    this.commands = families.flat().map((command) => new CommandEntry(command, "", entries));
    this.entries = entries;
    this.#names = new Names(this.commands);
    assertCountable(entries.length);
  }

  /** The command that the words from argument `first` on name: the subcommand where there is one. Null when nobody knows it. */
  find(args: Args, first = 0): CommandEntry | null {
    const entry = this.container(args, first);
    if (entry === null || entry.subcommands === null || args.count === first + 1) return entry;
    const { bytes, start, end } = args;
    return entry.subcommands.find(bytes, start[first + 1] as number, end[first + 1] as number);
  }

  /** The command in argument `i` whatever follows it. */
  container(args: Args, i = 0): CommandEntry | null {
    return this.#names.find(args.bytes, args.start[i] as number, args.end[i] as number);
  }

  /** The command or subcommand called `name`, such as `client|setname`, in any case. */
  named(name: string): CommandEntry | null {
    const [first = "", second, third] = name.split("|");
    const bytes = Buffer.from(first, "latin1");
    const entry = this.#names.find(bytes, 0, bytes.length);
    if (second === undefined || entry === null) return entry;
    if (third !== undefined) return null;
    const sub = Buffer.from(second, "latin1");
    return entry.subcommands?.find(sub, 0, sub.length) ?? null;
  }
}

/** FNV-1a of the name in lower case. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) {
    let byte = bytes[i] as number;
    if (byte >= 65 && byte <= 90) byte += 32;
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  // The low bits alone decide, so the high ones take part in them.
  return (hash ^ (hash >>> 15)) >>> 0;
}

/** Whether the bytes are `name` (in lower case) in any case. */
function matches(name: string, bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== name.length) return false;
  for (let i = 0; i < name.length; i++) {
    let byte = bytes[start + i] as number;
    if (byte >= 65 && byte <= 90) byte += 32;
    if (byte !== name.charCodeAt(i)) return false;
  }
  return true;
}
