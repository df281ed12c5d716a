/** Json-commands: the rows of documents in the table, as RedisJSON has them, and those of clients of Yjs. */
import type { Command, Handler } from "./command.ts";
import { container } from "./container.ts";
import { docApply, docSync } from "./document-updates.ts";
import { walking } from "./json-documents.ts";
import {
  jsonArrappend,
  jsonArrindex,
  jsonArrinsert,
  jsonArrlen,
  jsonArrpop,
  jsonArrtrim,
  jsonClear,
  jsonDebugMemory,
  jsonNumincrby,
  jsonNummultby,
  jsonObjkeys,
  jsonObjlen,
  jsonResp,
  jsonStrappend,
  jsonStrlen,
  jsonToggle,
  jsonType,
} from "./json-values.ts";
import { jsonDel, jsonGet, jsonMerge, jsonMget, jsonMset, jsonSet } from "./json.ts";

const ONE = [1, 1, 1] as const;
const OF_PATH = "O(N) for N values that the path visits";
const OF_DOCUMENT = "O(N) for N values in the document";

function reads(
  name: string,
  arity: number,
  run: Handler,
  summary: string,
  complexity = OF_PATH,
  keys: Command["keys"] = ONE,
): Command {
  return {
    name: `json.${name}`,
    arity,
    flags: ["readonly"],
    keyFlags: ["RO", "access"],
    keys,
    categories: [],
    group: "json",
    since: "1.0.0",
    complexity,
    summary,
    run: walking(run),
  };
}

function writes(
  name: string,
  arity: number,
  run: Handler,
  summary: string,
  complexity = OF_PATH,
  keys: Command["keys"] = ONE,
): Command {
  return {
    ...reads(name, arity, run, summary, complexity, keys),
    flags: ["write", "denyoom"],
    keyFlags: ["RW", "access", "update"],
  };
}

/** What takes away may run when the memory is full. */
function removes(name: string, summary: string): Command {
  return {
    ...writes(name, -2, jsonDel, summary),
    flags: ["write"],
    keyFlags: ["RW", "delete"],
  };
}

export const jsonCommands: readonly Command[] = [
  writes("set", -4, jsonSet, "Sets the value at a path"),
  writes("mset", -4, jsonMset, "Sets values at paths of several documents", OF_PATH, [1, -1, 3]),
  writes("merge", 4, jsonMerge, "Merges a value into those at a path"),
  reads("get", -2, jsonGet, "Returns the values at one or several paths"),
  reads(
    "mget",
    -3,
    jsonMget,
    "Returns the values at a path in several documents",
    OF_PATH,
    [1, -2, 1],
  ),
  removes("del", "Removes the values at a path"),
  removes("forget", "Removes the values at a path"),
  reads("type", -2, jsonType, "Returns the types of the values at a path"),
  writes("numincrby", 4, jsonNumincrby, "Adds to the numbers at a path"),
  writes("nummultby", 4, jsonNummultby, "Multiplies the numbers at a path"),
  writes("strappend", -3, jsonStrappend, "Appends to the strings at a path"),
  reads("strlen", -2, jsonStrlen, "Returns the lengths of the strings at a path"),
  writes("toggle", 3, jsonToggle, "Inverts the booleans at a path"),
  writes("clear", -2, jsonClear, "Empties the arrays and objects at a path, and makes numbers 0"),
  writes("arrappend", -4, jsonArrappend, "Appends values to the arrays at a path"),
  writes("arrinsert", -5, jsonArrinsert, "Inserts values into the arrays at a path"),
  reads("arrindex", -4, jsonArrindex, "Returns where a value first is in the arrays at a path"),
  reads("arrlen", -2, jsonArrlen, "Returns the lengths of the arrays at a path"),
  writes("arrpop", -2, jsonArrpop, "Removes and returns an element of the arrays at a path"),
  writes("arrtrim", 5, jsonArrtrim, "Cuts the arrays at a path to a range"),
  reads("objkeys", -2, jsonObjkeys, "Returns the names of members of the objects at a path"),
  reads("objlen", -2, jsonObjlen, "Returns how many members the objects at a path have"),
  reads("resp", -2, jsonResp, "Returns the values at a path as values of the protocol"),
  container(
    { name: "json.debug", group: "json", since: "1.0.0", summary: "Tells what documents take" },
    [
      {
        ...reads("debug", -3, jsonDebugMemory, "Tells what the values at a path take, in bytes"),
        name: "memory",
        usage: "<key> [path]",
        keys: [2, 2, 1],
      },
    ],
  ),
  {
    ...reads("sync", -2, docSync, "Returns what a client of Yjs lacks, as an update", OF_DOCUMENT),
    name: "doc.sync",
  },
  {
    ...writes("apply", 3, docApply, "Applies an update that a client of Yjs made", OF_DOCUMENT),
    name: "doc.apply",
  },
];
