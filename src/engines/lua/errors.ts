/**
 * Errors: how Lua code fails, and how it is stopped.
 *
 * Invariant: `pcall` catches a LuaError and nothing else. Whatever else is thrown while a script runs ends the script.
 */
import type { LuaValue } from "./values.ts";

/** What `error` raises: any value. A string tells where it happened when it was raised with a position. */
export class LuaError extends Error {
  readonly value: LuaValue;

  constructor(value: LuaValue) {
    super(typeof value === "string" ? value : "an error that is no string");
    this.value = value;
  }
}

/** Messages of running code name a chunk within this many bytes, a final zero included; those of the parser have more room. */
export const TITLE_BYTES = 60;
export const PARSER_TITLE_BYTES = 80;

/** How a chunk is called in messages: the end of a file's name, or the start of a text, as far as there is room. */
export function chunkTitle(chunkName: string, bytes: number): string {
  const zero = chunkName.indexOf("\0");
  const name = zero < 0 ? chunkName : chunkName.slice(0, zero);
  if (name.startsWith("=")) return name.slice(1, bytes);
  if (name.startsWith("@")) {
    const file = name.slice(1);
    const room = bytes - " '...' ".length - 1;
    return file.length > room ? `...${file.slice(file.length - room)}` : file;
  }
  const room = bytes - ` [string "..."] `.length - 1;
  const newline = name.search(/[\n\r]/);
  const length = Math.min(newline < 0 ? name.length : newline, room);
  return length < name.length ? `[string "${name.slice(0, length)}..."]` : `[string "${name}"]`;
}
