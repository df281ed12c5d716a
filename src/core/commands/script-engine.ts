/**
 * ScriptEngine: the port behind which a language for scripts lies. Commands know scripts by it alone.
 *
 *   EVAL ─► compile ─► Script.run(host, keys, args, reply) ─► host.call(words) ─► the reply of a command, as it goes over the wire
 *
 * Invariant: texts that pass here have one byte a character. An engine keeps nothing between two runs that a script could see, and
 * ends a run as soon as the host says that it has had its time, whatever the script does.
 */
import type { Reply } from "../wire/reply.ts";

/** What a script may do beside computing. */
export interface ScriptHost {
  /** What errors and logs call what runs: the digest of a script, or the name of a function. */
  readonly name: string;
  /** The protocol in which the script wants replies (redis.setresp), and which its own reply is made for. */
  resp: 2 | 3;
  /** The reply of the last command that was called; valid until the next one. */
  readonly reply: Reply;
  /** Calls a command. Returns why that was refused before it ran, with a code behind a `-` or without one; null when it ran. */
  call(words: readonly string[]): string | null;
  /** Whether the user may run a command; null when there is no such command. */
  mayRun(words: readonly string[]): boolean | null;
  /** The script answers with an error that was counted when a command in it answered with it. */
  errorCounted: boolean;
  /** Logs a text: 0 debug, 1 verbose, 2 notice, 3 warning. */
  log(level: number, text: string): void;
  /** Whether it has had its time. Asked again and again while it runs. */
  isOver(): boolean;
}

/** How a run ended: with a reply, or because it took more time or memory than there is; then there is none. */
export type Outcome = "replied" | "out of time" | "out of memory";

export interface Script {
  /** Runs it and writes its reply, an error included. */
  run(host: ScriptHost, keys: readonly string[], args: readonly string[], reply: Reply): Outcome;
}

/** A function that a library registers. */
export interface LibraryFunction {
  readonly name: string;
  readonly description: string | null;
  readonly flags: readonly string[];
  readonly script: Script;
}

export interface ScriptEngine {
  /** In capitals, as FUNCTION LIST shows it. */
  readonly name: string;
  /** Compiles a script; a text says what is wrong with it. */
  compile(body: string): Script | string;
  /** Runs the code of a library, which registers functions; a text says what is wrong with it. */
  load(code: string, host: ScriptHost): readonly LibraryFunction[] | string;
  /** What it holds in memory, about. */
  readonly bytes: number;
}
