/**
 * Value: what a key holds, all of it, apart from where it is stored and how it is written.
 *
 * Invariant: what readers see, and nothing of how it came about. So a value can be written under another name, in another
 * database, or in Redis' format, and a value from there can be written here: COPY, RENAME, DUMP, RESTORE and SORT … STORE all
 * pass one of these.
 */
import type { Strings } from "../bytes/strings.ts";

export type Value =
  | { readonly type: "string"; readonly value: Buffer }
  | { readonly type: "list"; readonly items: Strings }
  | { readonly type: "set"; readonly members: Strings }
  | SortedSetValue
  | HashValue
  | StreamValue;

export interface SortedSetValue {
  readonly type: "zset";
  readonly members: Strings;
  /** One a member, never NaN. */
  readonly scores: readonly number[];
}

export interface HashValue {
  readonly type: "hash";
  readonly fields: Strings;
  readonly values: Strings;
  /** When each field expires, in milliseconds since 1970, Infinity for never; absent when none does. */
  readonly deadlines?: readonly number[];
}

/** An id `ms-seq` as one number, `ms` × 2^64 + `seq`, so that ids compare as numbers do. */
export type StreamId = bigint;

export interface StreamValue {
  readonly type: "stream";
  /** One an entry, ascending. */
  readonly ids: readonly StreamId[];
  /** Names and values of all entries in turn. */
  readonly pairs: Strings;
  /** Entry `i` has the strings `ends[i − 1] … ends[i]` of `pairs`. */
  readonly ends: readonly number[];
  readonly lastId: StreamId;
  /** The highest id that was deleted; 0 for none. */
  readonly deletedId: StreamId;
  /** How many entries were ever added. */
  readonly added: bigint;
  readonly groups: readonly StreamGroup[];
}

export interface StreamGroup {
  readonly name: Buffer;
  readonly lastId: StreamId;
  /** How many entries the group has read; −1 when nobody knows. */
  readonly read: bigint;
  readonly consumers: readonly StreamConsumer[];
}

export interface StreamConsumer {
  readonly name: Buffer;
  /** When it was last heard of, in milliseconds since 1970. */
  readonly seenMs: number;
  /** When it last got an entry; −1 for never. */
  readonly activeMs: number;
  readonly pending: readonly StreamPending[];
}

/** An entry that a consumer got and has not acknowledged. */
export interface StreamPending {
  readonly id: StreamId;
  readonly deliveredMs: number;
  readonly deliveries: number;
}
