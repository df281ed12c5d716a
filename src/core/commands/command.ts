/**
 * Command: one row of the table from which dispatch, arity, COMMAND, COMMAND DOCS and key extraction all come.
 *
 * Invariant: a row says everything about its command; nothing about a command is decided elsewhere by its name.
 */
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Consistency } from "./consistency.ts";
import type { Run } from "./run.ts";
import type { Session } from "./session.ts";

/** Runs a command whose arity is right: writes one reply, and refuses before it writes. */
export type Handler = (run: Run, args: Args, reply: Reply) => void;

/** Rights of a bounded counter that a command needs and this replica does not hold. */
export interface Lack {
  readonly db: number;
  readonly key: Buffer;
  readonly amount: number;
}

/** Answers for a command that dispatch refused before it ran; `reason` is an error text with its code. */
export type Refusal = (run: Run, reason: string, reply: Reply) => void;

export type Flag =
  | "write"
  | "readonly"
  | "denyoom"
  | "admin"
  | "pubsub"
  | "noscript"
  | "random"
  | "blocking"
  | "loading"
  | "stale"
  | "skip_slowlog"
  | "no_auth"
  | "no_async_loading"
  | "allow_busy"
  | "fast"
  | "no_multi"
  | "skip_monitor"
  | "no_mandatory_keys"
  | "movablekeys";

/** Keys that no range of arguments says, as COMMAND INFO tells of them. */
export interface LooseKeys {
  /** How they are used, in the words of COMMAND INFO. */
  readonly keyFlags: readonly string[];
  /** Whether the rule does not find all of them. */
  readonly incomplete?: boolean;
  /**
   * The word before them and the argument from which on it stands (negative: from the end, and backwards), then the last key
   * (negative: from the end), step and limit; absent when only the command itself can find them.
   */
  readonly behind?: {
    readonly word: string;
    readonly from: number;
    readonly range: readonly [last: number, step: number, limit: number];
  };
}

export interface Command {
  /** In lower case; a subcommand's own name, such as `setname`. */
  readonly name: string;
  /** Arguments with the name counted: exact, or at least −arity. */
  readonly arity: number;
  readonly flags: readonly Flag[];
  /** First key, last key (negative: from the end), step; zeros for none. */
  readonly keys: readonly [first: number, last: number, step: number];
  /** The argument that says how many keys follow it, beside those that first, last and step say. */
  readonly keyCount?: number;
  /** When the rest of the arguments decides where keys are: the positions of all, those that `keys` says included. */
  readonly findKeys?: (args: Args) => number[];
  readonly looseKeys?: readonly LooseKeys[];
  /** ACL categories beside those that the flags imply, such as `string`. */
  readonly categories: readonly string[];
  readonly group: string;
  readonly since: string;
  readonly complexity: string;
  readonly summary: string;
  readonly run: Handler;
  /** Looks at keys without using them: their access times stay (OBJECT, TTL). */
  readonly glances?: boolean;
  /** How the keys of one call are used, where its options decide (`variable_flags`). */
  readonly keyFlagsFor?: (args: Args) => readonly string[];
  /** Does not write, and yet waits for the end of CLIENT PAUSE … WRITE, because in Redis replicas may hear of it. */
  readonly waitsWithWriters?: boolean;
  /** Which of its keys it takes elements from: that is for their owner where `pop: owner` says so. */
  readonly takes?: "first" | "all";
  /** Does not write by itself, and yet goes where its keys are written: what it runs may write, or it watches. */
  readonly goesHome?: boolean;
  /** Whether SLOWLOG and MONITOR must not show argument `i`. */
  readonly hides?: (args: Args, i: number) => boolean;
  /** Taken from a client of RESP2 that listens to channels, which may send little else. */
  readonly subscriberMay?: boolean;
  /** What it answers is a push, which also those get who want no replies. */
  readonly pushes?: boolean;
  /** Which arguments are channels to be used: the first, all of them, or all of them as patterns. */
  readonly channels?: "one" | "all" | "patterns";
  /** Runs at once inside of MULTI, where others are queued. */
  readonly immediate?: boolean;
  /** When a plain error would not do, as for EXEC, whose refusal ends the transaction. */
  readonly refused?: Refusal;
  /** Where the command that this one runs begins, and what is said for it; null when there is none. */
  readonly wraps?: (
    session: Session,
    args: Args,
  ) => { readonly at: number; readonly said: Consistency } | null;
  /** Whether it works on a strong key, as one of its own; by default those on strings and hashes do. */
  readonly strong?: boolean;
  /** What it asks of a strong key is answered from what was reserved before, as long as that lasts. */
  readonly reserves?: boolean;
  /** Works on bounded counters: what others write is refused there. */
  readonly bounded?: boolean;
  /** Decided by the replica that owns its key, whatever the keyspace says: it is nowhere done twice at once. */
  readonly byOwner?: boolean;
  /** What this replica lacks of rights to run it; null when nothing. Its client waits until others have been asked for them. */
  readonly lacks?: (run: Run, args: Args) => Lack | null;
  /** Runs on everything that all members had when it was asked for, and while they agree who belongs to them. */
  readonly onEverything?: boolean;
  /** How the keys are used, in the words of COMMAND INFO; by default what the flags suggest. */
  readonly keyFlags?: readonly string[];
  /** The same for all keys but the first, when they are used in another way. */
  readonly laterKeyFlags?: readonly string[];
  /** The arguments as HELP of the container shows them. */
  readonly usage?: string;
  readonly subcommands?: readonly Command[];
  /** Whether Redis knows more subcommands than are there: rules of users may name any. */
  readonly openEnded?: boolean;
}
