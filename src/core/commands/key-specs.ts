/**
 * KeySpecs: where the keys of a command are and how it uses them, as element 8 of COMMAND INFO says it.
 *
 *   COPY source destination        one key read at 1 · one key written at 2
 *   SUNIONSTORE d a b …            one key written at 1 · the rest read from 2 on
 *   SINTERCARD 2 a b               argument 1 says how many follow it
 *
 * Invariant: the specifications say the same positions as `keyPositions` finds.
 */
import type { Reply } from "../wire/reply.ts";
import type { Command, LooseKeys } from "./command.ts";
import { keyFlagsOf } from "./key-positions.ts";

export function writeKeySpecs(command: Command, reply: Reply): void {
  const [first, last, step] = command.keys;
  const { keyCount, laterKeyFlags } = command;
  const { looseKeys = [] } = command;
  const ranges = first === 0 ? 0 : laterKeyFlags === undefined || last === first ? 1 : 2;
  reply.set(ranges + (keyCount === undefined ? 0 : 1) + looseKeys.length);
  if (ranges === 1) range(command, 0, first, last < 0 ? last : last - first, step, reply);
  if (ranges === 2) {
    const second = first + step;
    range(command, 0, first, 0, step, reply);
    range(command, 1, second, last < 0 ? last : last - second, step, reply);
  }
  if (keyCount !== undefined) counted(command, ranges, keyCount, reply);
  for (const keys of looseKeys) loose(keys, reply);
}

/** The `index`-th specification: keys from argument `first` on; `last` counts from there or, when negative, from the end. */
function range(
  command: Command,
  index: number,
  first: number,
  last: number,
  step: number,
  reply: Reply,
): void {
  begin(command, index, first, reply);
  findRange(last, step, 0, reply);
}

function findRange(last: number, step: number, limit: number, reply: Reply): void {
  find("range", 3, reply);
  number("lastkey", last, reply);
  number("keystep", step, reply);
  number("limit", limit, reply);
}

function counted(command: Command, index: number, at: number, reply: Reply): void {
  begin(command, index, at, reply);
  find("keynum", 3, reply);
  number("keynumidx", 0, reply);
  number("firstkey", 1, reply);
  number("keystep", 1, reply);
}

function loose({ keyFlags, incomplete, behind }: LooseKeys, reply: Reply): void {
  reply.map(3);
  reply.text("flags");
  statuses(incomplete === true ? [...keyFlags, "incomplete"] : keyFlags, reply);
  if (behind === undefined) {
    phase("begin_search", "unknown", 0, reply);
    return find("unknown", 0, reply);
  }
  phase("begin_search", "keyword", 2, reply);
  reply.text("keyword");
  reply.text(behind.word);
  number("startfrom", behind.from, reply);
  findRange(...behind.range, reply);
}

function begin(command: Command, index: number, at: number, reply: Reply): void {
  reply.map(3);
  reply.text("flags");
  statuses(keyFlagsOf(command, index), reply);
  phase("begin_search", "index", 1, reply);
  number("index", at, reply);
}

function find(type: string, fields: number, reply: Reply): void {
  phase("find_keys", type, fields, reply);
}

/** One of the two steps in which keys are found; its fields follow. */
function phase(name: string, type: string, fields: number, reply: Reply): void {
  reply.text(name);
  reply.map(2);
  reply.text("type");
  reply.text(type);
  reply.text("spec");
  reply.map(fields);
}

function number(name: string, value: number, reply: Reply): void {
  reply.text(name);
  reply.int(value);
}

export function statuses(texts: readonly string[], reply: Reply): void {
  reply.set(texts.length);
  for (const text of texts) reply.status(text);
}
