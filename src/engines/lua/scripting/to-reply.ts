/**
 * ToReply: what a script returns, as a reply.
 *
 *   7.9 ─► :7    "hi" ─► $2 hi    true ─► :1    false, nil ─► $-1    {1, 2, nil, 4} ─► *2 …    {ok = s} ─► +s    {err = s} ─► -s
 *   {double = n}, {map = t}, {set = t}, {big_number = s}, {verbatim_string = {format =, string =}} ─► as RESP3 has them
 *
 * Invariant: whatever a script returns, one well-formed reply is written.
 */
import { formatDouble } from "../../../core/bytes/double.ts";
import type { Reply } from "../../../core/wire/reply.ts";
import { toText } from "../operations.ts";
import { LuaTable } from "../table.ts";
import type { LuaValue } from "../values.ts";
import { toLong } from "../arguments.ts";

/** Tables within one another, as deep as anybody reads them: one in itself has no end. */
const DEPTH_MAX = 1_000;

/** `resp` is the protocol that the script has chosen: it decides what a boolean is. */
export function writeValue(value: LuaValue, resp: 2 | 3, reply: Reply, depth = 0): void {
  if (depth > DEPTH_MAX) return reply.error("ERR reached lua stack limit");
  if (typeof value === "string") return reply.text(value);
  if (typeof value === "number") return writeInteger(value, reply);
  if (typeof value === "boolean") {
    if (resp === 3) reply.bool(value);
    else if (value) reply.int(1);
    else reply.nil();
    return;
  }
  if (!(value instanceof LuaTable)) return reply.nil();
  const error = toText(value.get("err"));
  if (error !== undefined && typeof value.get("err") === "string")
    return reply.error(lineOf(error));
  const ok = value.get("ok");
  if (typeof ok === "string") return reply.status(cut(ok).replaceAll(/[\r\n]/g, " "));
  const double = value.get("double");
  if (typeof double === "number") return reply.double(formatDouble(double));
  const big = value.get("big_number");
  if (typeof big === "string") return reply.bigNumber(big.replaceAll(/[\r\n]/g, " "));
  if (writeVerbatim(value.get("verbatim_string"), reply)) return;
  const map = value.get("map");
  if (map instanceof LuaTable) return writeMap(map, resp, reply, depth);
  const set = value.get("set");
  if (set instanceof LuaTable) return writeSet(set, resp, reply, depth);
  const mark = reply.mark;
  let count = 0;
  for (let element = value.get(1); element !== undefined; element = value.get(count + 1)) {
    writeValue(element, resp, reply, depth + 1);
    count++;
  }
  reply.insertArrayHeader(mark, count);
}

/** A double cut off, as C does it: what does not fit into 64 bits is the least there is. */
function writeInteger(value: number, reply: Reply): void {
  const integer = toLong(value);
  reply.int(Number.isSafeInteger(integer) ? integer : BigInt(integer));
}

function writeVerbatim(value: LuaValue, reply: Reply): boolean {
  if (!(value instanceof LuaTable)) return false;
  const format = value.get("format");
  const text = value.get("string");
  if (typeof format !== "string" || typeof text !== "string") return false;
  reply.verbatim(text, format.slice(0, 3).padEnd(3));
  return true;
}

function writeMap(map: LuaTable, resp: 2 | 3, reply: Reply, depth: number): void {
  let pairs = 0;
  for (let at = map.occupied(0); at >= 0; at = map.occupied(at + 1)) pairs++;
  reply.map(pairs);
  for (let at = map.occupied(0); at >= 0; at = map.occupied(at + 1)) {
    writeValue(map.keyAt(at), resp, reply, depth + 1);
    writeValue(map.valueAt(at), resp, reply, depth + 1);
  }
}

function writeSet(set: LuaTable, resp: 2 | 3, reply: Reply, depth: number): void {
  let count = 0;
  for (let at = set.occupied(0); at >= 0; at = set.occupied(at + 1)) count++;
  reply.set(count);
  for (let at = set.occupied(0); at >= 0; at = set.occupied(at + 1))
    writeValue(set.keyAt(at), resp, reply, depth + 1);
}

/** A text as one line, without the ends of lines behind it. */
export function lineOf(text: string): string {
  return cut(text)
    .replace(/[\r\n]+$/, "")
    .replaceAll(/[\r\n]/g, " ");
}

/** As C reads it: up to the first zero byte. */
function cut(text: string): string {
  const zero = text.indexOf("\0");
  return zero < 0 ? text : text.slice(0, zero);
}
