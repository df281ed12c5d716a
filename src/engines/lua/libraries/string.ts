/**
 * The string library.
 *
 * Invariant: indices count from 1, negative ones from the end; letters are those of ASCII.
 */
import { functionArgument, intArgument, longArgument, textArgument } from "../arguments.ts";
import { Native } from "../functions.ts";
import { STRING_BYTES } from "../heap.ts";
import { format } from "../format.ts";
import { index, toText, truth } from "../operations.ts";
import { isPlain, Matcher } from "../patterns.ts";
import type { Runtime } from "../runtime.ts";
import { LuaTable } from "../table.ts";
import { first, NO_VALUES, typeName, type LuaValue, type Results } from "../values.ts";
import { MOST_RESULTS } from "./base.ts";
import { register } from "./register.ts";

const ASCII = /^[\0-\x7f]*$/;

export function openString(runtime: Runtime): void {
  const text = (args: LuaValue[], at: number) => textArgument(runtime, args, at);
  const library = register(runtime, "string", {
    byte: (args) => bytesOf(runtime, args),
    char: (args) => {
      const codes = args.map((_, at) => {
        const code = intArgument(runtime, args, at + 1);
        if ((code & 0xff) !== code) throw runtime.argumentError(at + 1, "invalid value");
        return code;
      });
      return String.fromCharCode(...codes);
    },
    dump: (args) => {
      functionArgument(runtime, args, 1);
      throw runtime.error("unable to dump given function");
    },
    find: (args) => search(runtime, args, true),
    format: (args) => format(runtime, args),
    // The old name of `gmatch`; it has its place among the keys.
    gfind: () => undefined,
    gmatch: (args) => matches(runtime, text(args, 1), text(args, 2)),
    gsub: (args) => substitute(runtime, args),
    len: (args) => text(args, 1).length,
    lower: (args) => {
      const source = text(args, 1);
      return ASCII.test(source)
        ? source.toLowerCase()
        : source.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
    },
    match: (args) => search(runtime, args, false),
    rep: (args) => {
      const source = text(args, 1);
      const count = Math.max(0, intArgument(runtime, args, 2));
      runtime.heap.charge(STRING_BYTES + source.length * count);
      return source.repeat(source === "" ? 0 : count);
    },
    reverse: (args) => text(args, 1).split("").reverse().join(""),
    sub: (args) => {
      const source = text(args, 1);
      const start = Math.max(1, fromStart(longArgument(runtime, args, 2), source.length));
      const end = Math.min(
        fromStart(longArgument(runtime, args, 3, -1), source.length),
        source.length,
      );
      return start <= end ? source.slice(start - 1, end) : "";
    },
    upper: (args) => {
      const source = text(args, 1);
      return ASCII.test(source)
        ? source.toUpperCase()
        : source.replace(/[a-z]+/g, (letters) => letters.toUpperCase());
    },
  });
  library.set("gfind", library.get("gmatch"));
  runtime.stringMetatable = runtime.newTable(0, 1);
  runtime.stringMetatable.set("__index", library);
  runtime.stringMetatable.readonly = true;
}

/** Never negative: what is before the start is 0. */
function fromStart(position: number, length: number): number {
  return Math.max(0, position < 0 ? position + length + 1 : position);
}

function bytesOf(runtime: Runtime, args: LuaValue[]): Results {
  const source = textArgument(runtime, args, 1);
  const from = fromStart(longArgument(runtime, args, 2, 1), source.length);
  const start = Math.max(1, from);
  const end = Math.min(
    fromStart(longArgument(runtime, args, 3, from), source.length),
    source.length,
  );
  const count = end - start + 1;
  if (count <= 0) return NO_VALUES;
  if (count === 1) return source.charCodeAt(start - 1);
  if (count >= MOST_RESULTS) throw runtime.error("stack overflow (string slice too long)");
  return Array.from({ length: count }, (_, at) => source.charCodeAt(start - 1 + at));
}

function search(runtime: Runtime, args: LuaValue[], find: boolean): Results {
  const source = textArgument(runtime, args, 1);
  const pattern = textArgument(runtime, args, 2);
  const from = fromStart(longArgument(runtime, args, 3, 1), source.length) - 1;
  const start = Math.min(Math.max(0, from), source.length);
  if (find && (truth(args[3]) || isPlain(pattern))) {
    runtime.work((source.length - start) >> 4);
    const at = source.indexOf(pattern, start);
    return at < 0 ? undefined : [at + 1, at + pattern.length];
  }
  const matcher = new Matcher(runtime, source, pattern);
  const anchored = pattern.startsWith("^") ? 1 : 0;
  for (let at = start; at <= source.length; at++) {
    const end = matcher.matchAt(at, anchored);
    if (end >= 0) {
      return find ? [at + 1, end, ...matcher.ownCaptures()] : matcher.captures(at, end);
    }
    if (anchored === 1) break;
  }
  return undefined;
}

function matches(runtime: Runtime, source: string, pattern: string): Native {
  const matcher = new Matcher(runtime, source, pattern);
  let from = 0;
  return new Native("gmatch", () => {
    for (let at = from; at <= source.length; at++) {
      const end = matcher.matchAt(at, 0);
      if (end < 0) continue;
      from = end === at ? end + 1 : end;
      return matcher.captures(at, end);
    }
    return NO_VALUES;
  });
}

/** What replaces a match: the text it stands for, or undefined to keep the match. */
type Replace = (matcher: Matcher, start: number, end: number) => LuaValue;

function substitute(runtime: Runtime, args: LuaValue[]): Results {
  const source = textArgument(runtime, args, 1);
  const pattern = textArgument(runtime, args, 2);
  const most = intArgument(runtime, args, 4, source.length + 1);
  const replace = replacement(runtime, args[2]);
  const anchored = pattern.startsWith("^") ? 1 : 0;
  const matcher = new Matcher(runtime, source, pattern);
  const parts: string[] = [];
  let kept = 0;
  let at = 0;
  let count = 0;
  while (count < most) {
    const end = matcher.matchAt(at, anchored);
    if (end >= 0) {
      count++;
      const value = replace(matcher, at, end);
      const text = truth(value) ? toText(value) : source.slice(at, end);
      if (text === undefined) {
        throw runtime.error(`invalid replacement value (a ${typeName(value)})`);
      }
      runtime.heap.charge(at - kept + text.length);
      parts.push(source.slice(kept, at), text);
      kept = end;
    }
    if (end > at) at = end;
    else if (at < source.length) at++;
    else break;
    if (anchored === 1) break;
  }
  parts.push(source.slice(kept));
  return [parts.join(""), count];
}

function replacement(runtime: Runtime, value: LuaValue): Replace {
  const text = toText(value);
  if (text !== undefined) return textReplacement(text);
  if (value instanceof LuaTable) {
    return (matcher, start, end) => index(runtime, value, matcher.capture(0, start, end), null);
  }
  if (typeName(value) === "function") {
    return (matcher, start, end) => first(runtime.call(value, matcher.captures(start, end)));
  }
  throw runtime.argumentError(3, "string/function/table expected");
}

/** `%0` to `%9` stand for captures, any other character after `%` for itself. */
function textReplacement(text: string): Replace {
  if (!text.includes("%")) return () => text;
  return (matcher, start, end) =>
    text.replace(/%([\s\S]?)/g, (_, char: string) => {
      if (char < "0" || char > "9" || char === "") return char === "" ? "\0" : char;
      // The whole match is also the first capture of a pattern that has none.
      return char === "0"
        ? matcher.whole(start, end)
        : `${matcher.capture(Number(char) - 1, start, end)}`;
    });
}
