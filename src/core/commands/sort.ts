/**
 * Sort: SORT and SORT_RO, which order members or items by themselves or by what other keys hold.
 *
 *   elements ─► order (BY) ─► LIMIT ─► the elements, or what lies under names made of them (GET) ─► the reply, or a list (STORE)
 *
 * Invariant: what is answered or stored is a function of the values, never of how a set lies in memory, unless the client asks
 * for that by BY with a name that is no pattern.
 */
import { Strings } from "../bytes/strings.ts";
import { NONE } from "../crdt/key.ts";
import type { Value } from "../rdb/value.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { CommandTable } from "./command-table.ts";
import type { Command, Handler } from "./command.ts";
import { NOT_AN_INTEGER, SYNTAX, WRONGTYPE } from "./errors.ts";
import { roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";
import { inPlace, orderOf } from "./sort-order.ts";
import { lookByPattern, type Pattern, patternOf } from "./sort-patterns.ts";
import { type DocumentValue, readWhole, writeWhole } from "./values.ts";

interface SortOptions {
  /** Null: by the elements themselves. */
  by: Pattern | null;
  /** A name without an asterisk was given for BY: the elements stay in the order they have. */
  unsorted: boolean;
  readonly gets: Pattern[];
  descending: boolean;
  /** By bytes, not by numbers. */
  alphabetic: boolean;
  skip: number;
  /** Negative for all. */
  take: number;
  /** The argument that names the destination; 0 for none. */
  store: number;
}

/** Reads the words from argument 2 on; null after the refusal was answered. */
function optionsOf(
  run: Run,
  args: Args,
  mayStore: boolean,
  table: CommandTable,
  reply: Reply,
): SortOptions | null {
  const options: SortOptions = {
    by: null,
    unsorted: false,
    gets: [],
    descending: false,
    alphabetic: false,
    skip: 0,
    take: -1,
    store: 0,
  };
  for (let i = 2; i < args.count; i++) {
    const left = args.count - i - 1;
    if (args.is(i, "ASC")) options.descending = false;
    else if (args.is(i, "DESC")) options.descending = true;
    else if (args.is(i, "ALPHA")) options.alphabetic = true;
    else if (left >= 2 && args.is(i, "LIMIT")) {
      options.skip = roughlyAt(args, ++i);
      options.take = roughlyAt(args, ++i);
      if (Number.isNaN(options.skip + options.take)) {
        reply.error(NOT_AN_INTEGER);
        return null;
      }
    } else if (left >= 1 && mayStore && args.is(i, "STORE")) options.store = ++i;
    else if (left >= 1 && args.is(i, "GET")) {
      if (!mayFollow(run, args, table, "GET", reply)) return null;
      options.gets.push(patternOf(args.view(++i)));
    } else if (left >= 1 && args.is(i, "BY")) {
      options.by = patternOf(args.view(++i));
      if (options.by.kind !== "key") options.unsorted = true;
      else if (!mayFollow(run, args, table, "BY", reply)) return null;
    } else {
      reply.error(SYNTAX);
      return null;
    }
  }
  return options;
}

/** Whether the client may read keys that it does not name; false after the refusal was answered. */
function mayFollow(
  { users, session }: Run,
  args: Args,
  table: CommandTable,
  option: string,
  reply: Reply,
): boolean {
  const user = users.of(session);
  if (!user.isLimited) return true;
  const entry = table.find(args);
  if (entry !== null && user.mayReadEverything(entry, args)) return true;
  reply.error(`ERR ${option} option of SORT denied due to insufficient ACL permissions.`);
  return false;
}

function sorting(table: () => CommandTable, mayStore: boolean): Handler {
  return (run, args, reply) => {
    const options = optionsOf(run, args, mayStore, table(), reply);
    if (options === null) return;
    const place = run.look(args, 1);
    const value = place.type === NONE ? null : readWhole(run, place);
    const elements = value === null ? new Strings() : elementsOf(value);
    if (elements === null) return reply.error(WRONGTYPE);
    const order = orderBy(run, elements, value?.type === "set", options);
    if (order === null) return reply.error("ERR One or more scores can't be converted into double");
    const { skip, take, store, gets } = options;
    const from = Math.max(skip, 0);
    const chosen = order.subarray(from, take < 0 ? undefined : from + take);
    if (store > 0)
      return storeResults(run, args, store, results(run, elements, chosen, gets), reply);
    reply.array(chosen.length * Math.max(gets.length, 1));
    for (const at of chosen) {
      if (gets.length === 0) reply.bulk(elements.bytes, elements.start(at), elements.end(at));
      for (const get of gets) {
        const found = lookByPattern(run, get, elements, at);
        if (found === null) reply.nil();
        else reply.bulk(found.bytes, found.start, found.end);
      }
    }
  };
}

/** What a value has to be sorted; null when it is of another type. */
function elementsOf(value: Value | DocumentValue): Strings | null {
  switch (value.type) {
    case "list":
      return value.items;
    case "set":
    case "zset":
      return value.members;
    default:
      return null;
  }
}

function orderBy(
  run: Run,
  elements: Strings,
  isSet: boolean,
  { by, unsorted, alphabetic, descending, store }: SortOptions,
): Uint32Array | null {
  if (!unsorted) return orderOf(run, elements, by, alphabetic, descending);
  if (!isSet) return inPlace(elements.count, descending);
  // What is stored, by this command or by the script that reads it, lies in all regions: it must not depend on how the set lies in
  // this one.
  return store > 0 || run.scriptRun.running
    ? orderOf(run, elements, null, true, descending)
    : inPlace(elements.count, false);
}

/** What is stored: absent values are empty strings. */
function results(
  run: Run,
  elements: Strings,
  chosen: Uint32Array,
  gets: readonly Pattern[],
): Strings {
  const items = new Strings();
  for (const at of chosen) {
    if (gets.length === 0) items.push(elements.bytes, elements.start(at), elements.end(at));
    for (const get of gets) {
      const found = lookByPattern(run, get, elements, at);
      if (found === null) items.pushText("");
      else items.push(found.bytes, found.start, found.end);
    }
  }
  return items;
}

function storeResults(run: Run, args: Args, store: number, items: Strings, reply: Reply): void {
  const place = run.look(args, store);
  if (items.count > 0) writeWhole(run, place, { type: "list", items }, Infinity);
  else if (place.type !== NONE) run.write.remove(place);
  reply.int(items.count);
}

/** The key that is sorted, and the last that follows STORE. */
function sortKeys(args: Args): number[] {
  let store = 0;
  for (let i = 2; i < args.count; i++)
    if (args.is(i, "LIMIT")) i += 2;
    else if (args.is(i, "GET") || args.is(i, "BY")) i++;
    else if (args.is(i, "STORE") && i + 1 < args.count) store = i + 1;
  return store === 0 ? [1] : [1, store];
}

const common = {
  arity: -2,
  keys: [1, 1, 1],
  categories: ["set", "sortedset", "list", "dangerous"],
  group: "generic",
  complexity: "O(N+M*log(M)) for N elements, M of them sorted",
} as const;
/** What BY and GET lead to, which depends on what is sorted. */
const byAndGet = { keyFlags: ["RO", "access"] } as const;

/** SORT and SORT_RO; `table` is asked when a command runs, for it lists them too. */
export function sortCommands(table: () => CommandTable): readonly Command[] {
  return [
    {
      ...common,
      name: "sort",
      flags: ["write", "denyoom", "movablekeys"],
      keyFlags: ["RO", "access"],
      findKeys: sortKeys,
      looseKeys: [byAndGet, { keyFlags: ["OW", "update"] }],
      since: "1.0.0",
      summary: "Sorts members or items, and answers or stores them",
      run: sorting(table, true),
    },
    {
      ...common,
      name: "sort_ro",
      flags: ["readonly", "movablekeys"],
      findKeys: () => [1],
      looseKeys: [byAndGet],
      since: "7.0.0",
      summary: "Sorts members or items, and answers them",
      run: sorting(table, false),
    },
  ];
}
