/**
 * ScriptFlags: what a script says about itself in its first line, and what may be done on its word.
 *
 *   #!lua name=mylib flags=no-writes,allow-oom
 *
 * Invariant: a script without such a line may do everything, and is judged command by command.
 */
import { Args } from "../wire/args.ts";
import { splitWords } from "../wire/resp.ts";

export const SCRIPT_FLAGS = [
  "no-writes",
  "allow-oom",
  "allow-stale",
  "no-cluster",
  "allow-cross-slot-keys",
] as const;
export type ScriptFlag = (typeof SCRIPT_FLAGS)[number];

/** The first line of a text that has one, in words, and what is behind it, its end of line included. */
export interface Shebang {
  readonly engine: string;
  readonly options: readonly string[];
  readonly body: string;
}

/** Null for a text without a first line of this kind; "endless" when it is all that there is, "unbalanced" for its quotes. */
export function shebangOf(text: string): Shebang | "endless" | "unbalanced" | null {
  if (!text.startsWith("#!")) return null;
  const end = text.indexOf("\n");
  if (end < 0) return "endless";
  const line = Buffer.from(text.slice(0, end), "latin1");
  const words = new Args();
  words.begin(Buffer.alloc(line.length));
  if (!splitWords(line, 0, line.length, words)) return "unbalanced";
  const options: string[] = [];
  for (let i = 1; i < words.count; i++) options.push(words.text(i));
  return { engine: words.text(0).slice(2), options, body: text.slice(end) };
}

/** What EVAL reads in the first line: the flags (null: there are none to judge by) and the rest; a text says what is wrong. */
export function readScript(
  text: string,
): { flags: readonly ScriptFlag[] | null; body: string } | string {
  const shebang = shebangOf(text);
  if (shebang === null) return { flags: null, body: text };
  if (shebang === "endless") return "Invalid script shebang";
  if (shebang === "unbalanced") return "Invalid engine in script shebang";
  if (shebang.engine !== "lua") return `Unexpected engine in script shebang: #!${shebang.engine}`;
  const flags: ScriptFlag[] = [];
  for (const option of shebang.options) {
    if (!option.startsWith("flags=")) return `Unknown lua shebang option: ${option}`;
    const names = option.slice(6);
    for (const name of names === "" ? [] : names.split(",")) {
      const flag = SCRIPT_FLAGS.find((known) => known === name);
      if (flag === undefined) return `Unexpected flag in script shebang: ${name}`;
      flags.push(flag);
    }
  }
  return { flags, body: shebang.body };
}
