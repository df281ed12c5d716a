/**
 * AclSelector: a set of commands, key patterns and channel patterns. A user has one of its own, and may have more: a command is
 * allowed if any of them allows all of it.
 *
 *   "+@read" "-keys" "~cache:*" "%R~stats:*" "&news.*"   rules, each changes what the ones before have left
 *
 * Invariant: `isUnlimited` only if there is nothing that it denies. What it says of itself, read as rules, gives it again.
 */
import type { Args } from "../wire/args.ts";
import { CATEGORIES, categoriesOf } from "./categories.ts";
import type { CommandEntry, CommandTable } from "./command-table.ts";
import { ENTRIES_MAX } from "./command-stats.ts";
import { globMatches } from "./glob.ts";
import { hasKeys, keyFlagsOf, keyPositions } from "./key-positions.ts";
import { OPEN } from "./command-table.ts";

const UNKNOWN_COMMAND = "Unknown command or category name in ACL";
export const SYNTAX_ERROR = "Syntax error";
const KEYS_AFTER_ALL =
  "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns";
const CHANNELS_AFTER_ALL =
  "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels";
const ARGUMENT_OF_SUBCOMMAND = "Allowing first-arg of a subcommand is not supported";

/** Stands for commands that are not there yet: set by +@all alone. */
const FUTURE = ENTRIES_MAX - 1;

interface KeyPattern {
  readonly text: string;
  readonly glob: Buffer;
  reads: boolean;
  writes: boolean;
}

/** What a command was denied for, and the argument that says so. In the order in which Redis finds one more telling than another. */
export interface Denial {
  readonly kind: (typeof DENIALS)[number];
  readonly at: number;
}
const DENIALS = ["command", "key", "channel"] as const;

export class AclSelector {
  #allowed: Uint8Array = new Uint8Array(ENTRIES_MAX);
  #everyCommand = false;
  #everyKey = false;
  #everyChannel: boolean;
  #keys: KeyPattern[] = [];
  #channels: string[] = [];
  /** By index of a command that is denied otherwise: what its first argument may be. */
  #firstArgs = new Map<number, string[]>();

  constructor(everyChannel: boolean) {
    this.#everyChannel = everyChannel;
  }

  copy(): AclSelector {
    const copy = new AclSelector(this.#everyChannel);
    copy.#allowed = this.#allowed.slice();
    copy.#everyCommand = this.#everyCommand;
    copy.#everyKey = this.#everyKey;
    copy.#keys = this.#keys.map((key) => ({ ...key }));
    copy.#channels = [...this.#channels];
    copy.#firstArgs = new Map([...this.#firstArgs].map(([index, words]) => [index, [...words]]));
    return copy;
  }

  get isUnlimited(): boolean {
    return this.#everyCommand && this.#everyKey && this.#everyChannel;
  }

  get everyChannel(): boolean {
    return this.#everyChannel;
  }

  get channels(): readonly string[] {
    return this.#channels;
  }

  // ── rules ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Applies one rule, of one byte a character; returns what is wrong with it, or null. */
  apply(rule: string, table: CommandTable): string | null {
    switch (rule.toLowerCase()) {
      case "allkeys":
      case "~*":
        this.#everyKey = true;
        this.#keys = [];
        return null;
      case "resetkeys":
        this.#everyKey = false;
        this.#keys = [];
        return null;
      case "allchannels":
      case "&*":
        this.#everyChannel = true;
        this.#channels = [];
        return null;
      case "resetchannels":
        this.#everyChannel = false;
        this.#channels = [];
        return null;
      case "allcommands":
      case "+@all":
        this.#everyCommand = true;
        this.#allowed.fill(1);
        this.#firstArgs.clear();
        return null;
      case "nocommands":
      case "-@all":
        this.#everyCommand = false;
        this.#allowed.fill(0);
        this.#firstArgs.clear();
        return null;
    }
    switch (rule[0]) {
      case "~":
        return this.#addKeys(rule.slice(1), true, true);
      case "%":
        return this.#addKeysFor(rule);
      case "&":
        return this.#addChannels(rule.slice(1));
      case "+":
      case "-":
        return this.#allow(rule.slice(1), rule[0] === "+", table);
      default:
        return SYNTAX_ERROR;
    }
  }

  #addKeysFor(rule: string): string | null {
    if (this.#everyKey) return KEYS_AFTER_ALL;
    const [, access = "", pattern] = /^%(r|w|rw|wr)~(.*)$/is.exec(rule) ?? [];
    if (pattern === undefined) return SYNTAX_ERROR;
    return this.#addKeys(pattern, /r/i.test(access), /w/i.test(access));
  }

  #addKeys(pattern: string, reads: boolean, writes: boolean): string | null {
    if (this.#everyKey) return KEYS_AFTER_ALL;
    if (hasSpaces(pattern)) return SYNTAX_ERROR;
    const there = this.#keys.find(({ text }) => text === pattern);
    if (there === undefined)
      this.#keys.push({ text: pattern, glob: Buffer.from(pattern, "latin1"), reads, writes });
    else {
      there.reads ||= reads;
      there.writes ||= writes;
    }
    return null;
  }

  #addChannels(pattern: string): string | null {
    if (this.#everyChannel) return CHANNELS_AFTER_ALL;
    if (hasSpaces(pattern)) return SYNTAX_ERROR;
    if (!this.#channels.includes(pattern)) this.#channels.push(pattern);
    return null;
  }

  /** +@category, +command, +command|subcommand, +command|argument, and the same with a minus. */
  #allow(what: string, allow: boolean, table: CommandTable): string | null {
    if (what.startsWith("@")) {
      const category = what.slice(1).toLowerCase();
      if (!CATEGORIES.includes(category)) return UNKNOWN_COMMAND;
      for (const entry of table.entries)
        if (categoriesOf(entry.command).includes(category)) this.#permit(entry, allow);
      return null;
    }
    const entry = table.named(what);
    if (entry !== null) {
      this.#permit(entry, allow);
      return null;
    }
    const bar = what.lastIndexOf("|");
    if (!allow || bar < 0) return UNKNOWN_COMMAND;
    const container = table.named(what.slice(0, bar));
    if (container === null) return UNKNOWN_COMMAND;
    if (container.name.includes("|")) return ARGUMENT_OF_SUBCOMMAND;
    if (bar === what.length - 1) return SYNTAX_ERROR;
    if (container.subcommands !== null && container.command.openEnded !== true)
      return UNKNOWN_COMMAND;
    const word = what.slice(bar + 1);
    const words = this.#firstArgs.get(container.index) ?? [];
    if (!words.some((other) => other.toLowerCase() === word.toLowerCase())) words.push(word);
    this.#firstArgs.set(container.index, words);
    return null;
  }

  #permit(entry: CommandEntry, allow: boolean): void {
    for (const { index } of [entry, ...(entry.subcommands?.all ?? [])]) {
      this.#allowed[index] = allow ? 1 : 0;
      this.#firstArgs.delete(index);
    }
    if (!allow) this.#everyCommand = false;
  }

  // ── questions ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Why a command whose arity is right may not run; null when it may. */
  denies(entry: CommandEntry, args: Args): Denial | null {
    if (!this.#mayRun(entry, args)) return { kind: "command", at: 0 };
    return this.#deniedKey(entry, args) ?? this.#deniedChannel(entry, args);
  }

  #mayRun({ index, bits, name }: CommandEntry, args: Args): boolean {
    if (this.#everyCommand || (bits & OPEN) !== 0 || this.#allowed[index] === 1) return true;
    const at = name.includes("|") ? 2 : 1;
    const words = this.#firstArgs.get(index);
    return (
      words !== undefined &&
      at < args.count &&
      words.some((word) => args.is(at, word.toUpperCase()))
    );
  }

  #deniedKey({ command }: CommandEntry, args: Args): Denial | null {
    if (this.#everyKey || !hasKeys(command)) return null;
    const flagsNow = command.keyFlagsFor?.(args);
    for (const [index, at] of keyPositions(command, args).entries()) {
      const flags = flagsNow ?? keyFlagsOf(command, index);
      if (flags.includes("not_key")) continue;
      const reads = flags.includes("access");
      const writes = WRITING.some((flag) => flags.includes(flag));
      if (!this.#mayTouch(args, at, reads, writes)) return { kind: "key", at };
    }
    return null;
  }

  #mayTouch({ bytes, start, end }: Args, at: number, reads: boolean, writes: boolean): boolean {
    return this.#keys.some(
      (key) =>
        (key.reads || !reads) &&
        (key.writes || !writes) &&
        globMatches(key.glob, bytes, start[at] as number, end[at] as number),
    );
  }

  #deniedChannel({ command: { channels } }: CommandEntry, args: Args): Denial | null {
    if (this.#everyChannel || channels === undefined) return null;
    const to = channels === "one" ? 2 : args.count;
    for (let at = 1; at < to; at++)
      if (!admitsChannel(this.#channels, args.text(at), channels === "patterns"))
        return { kind: "channel", at };
    return null;
  }

  /** Whether a key may be read. */
  mayRead(key: Buffer): boolean {
    return (
      this.#everyKey ||
      this.#keys.some(({ glob, reads }) => reads && globMatches(glob, key, 0, key.length))
    );
  }

  /** Whether every key there is may be read. */
  get readsEverything(): boolean {
    return this.#everyKey || this.#keys.some(({ text, reads }) => text === "*" && reads);
  }

  // ── what it says of itself ─────────────────────────────────────────────────────────────────────────────────────────────────

  describeKeys(): string {
    if (this.#everyKey) return "~*";
    return this.#keys
      .map(({ text, reads, writes }) => (reads && writes ? "~" : reads ? "%R~" : "%W~") + text)
      .join(" ");
  }

  describeChannels(): string {
    return this.#everyChannel ? "&*" : this.#channels.map((channel) => `&${channel}`).join(" ");
  }

  /** All of it as rules. */
  describe(table: CommandTable): string {
    const channels = this.#everyChannel ? "&*" : `resetchannels ${this.describeChannels()}`.trim();
    return `${this.describeKeys()} ${channels} ${this.describeCommands(table)}`.trim();
  }

  /** The commands as rules: everything or nothing, categories that mostly fit, and single commands for what is left. */
  describeCommands(table: CommandTable): string {
    const adds = this.#allowed[FUTURE] !== 1;
    const rules = [adds ? "-@all" : "+@all"];
    const said = new AclSelector(false);
    said.apply(rules[0] as string, table);
    const left = this.copy();
    const unused = new Set(CATEGORIES);
    for (let best = left.#bestCategory(unused, adds, table); best !== null;) {
      unused.delete(best);
      const rule = `${adds ? "+" : "-"}@${best}`;
      said.apply(rule, table);
      left.apply(`${adds ? "-" : "+"}@${best}`, table);
      rules.push(rule);
      best = left.#bestCategory(unused, adds, table);
    }
    for (const entry of table.entries) {
      const allowed = this.#allowed[entry.index] === 1;
      if (allowed !== (said.#allowed[entry.index] === 1)) {
        rules.push(`${allowed ? "+" : "-"}${entry.name}`);
        said.#permit(entry, allowed);
      }
      for (const word of this.#firstArgs.get(entry.index) ?? [])
        rules.push(`+${entry.name}|${word}`);
    }
    return rules.join(" ");
  }

  /** The category that says most of what is left with the least that is wrong; null when none says more right than wrong. */
  #bestCategory(among: ReadonlySet<string>, adds: boolean, table: CommandTable): string | null {
    let best: string | null = null;
    let leastWrong = Infinity;
    let mostRight = 0;
    for (const category of among) {
      let right = 0;
      let wrong = 0;
      for (const { command, index } of table.entries) {
        if (!categoriesOf(command).includes(category)) continue;
        if ((this.#allowed[index] === 1) === adds) right++;
        else wrong++;
      }
      if (right <= wrong) continue;
      if (wrong < leastWrong || (wrong === leastWrong && right > mostRight)) {
        best = category;
        leastWrong = wrong;
        mostRight = right;
      }
    }
    return best;
  }
}

const WRITING = ["insert", "delete", "update"];

/** Of two denials the one that tells more, as Redis chooses it. */
export function moreTelling(a: Denial, b: Denial): Denial {
  const difference = DENIALS.indexOf(b.kind) - DENIALS.indexOf(a.kind);
  return difference > 0 || (difference === 0 && b.at > a.at) ? b : a;
}

/** Whether a channel matches one of the patterns; a pattern must be one of them, letter by letter. */
export function admitsChannel(
  patterns: readonly string[],
  channel: string,
  isPattern: boolean,
): boolean {
  if (isPattern) return patterns.includes(channel);
  const bytes = Buffer.from(channel, "latin1");
  return patterns.some((pattern) =>
    globMatches(Buffer.from(pattern, "latin1"), bytes, 0, bytes.length),
  );
}

/** Names and patterns stand between spaces, so they have none. */
export function hasSpaces(text: string): boolean {
  return /[\0\t\n\v\f\r ]/.test(text);
}
