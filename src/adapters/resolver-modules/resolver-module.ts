/**
 * ResolverModule: a conflict policy of the operator's own, from a file:
 *
 *   module.exports = (values) => …        values: [{ value, region, member, ms }, …], as they were written; returns a text
 *
 * It runs in a realm of its own: no `require`, no files, no clock, no chance, so that every replica reads the same. That keeps
 * mistakes out, not malice: the file is the operator's.
 *
 * Invariant: reading never fails and never takes longer than the budget: what throws, does not answer a text, meets values that
 * are no UTF-8, or is too slow, has failed, and the reader is shown the last writer's value. What came of the same values is
 * remembered, a failure too; being too slow only after a few times, for the machine may have been busy.
 */
import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { createContext, Script } from "node:vm";
import type { Resolver, Seen } from "../../core/crdt/policy.ts";

/** What one resolution may take, far more than any needs. */
const BUDGET_MS = 20;
/** How often the same values may take too long before that is believed. */
const SLOW_MAX = 3;
const LOAD_BUDGET_MS = 1000;
const REMEMBERED_MAX = 1000;
const REMEMBERED_MAX_BYTES = 64 * 1024;

/** The resolver in a file, called as the file is. Throws with what stands against it. */
export function loadResolver(file: string): Resolver {
  let source: string;
  try {
    source = readFileSync(file, "utf8");
  } catch (cause) {
    throw new Error(`the conflict resolver ${file} cannot be read`, { cause });
  }
  return resolverOf(basename(file), source);
}

/** The resolver that `source` is. */
export function resolverOf(name: string, source: string, budgetMs = BUDGET_MS): Resolver {
  const realm = createContext(Object.create(null) as object, {
    codeGeneration: { strings: false, wasm: false },
  });
  const run = (code: string, timeout: number): unknown =>
    new Script(code, { filename: name }).runInContext(realm, { timeout });
  const [word] = /\b(?:async|import)\b/.exec(source) ?? [];
  if (word !== undefined)
    throw new Error(
      `the conflict resolver ${name} must not use ${word}: it answers at once, alone`,
    );
  try {
    run(PRELUDE, LOAD_BUDGET_MS);
    run(`((module) => {${source}\n})(module)`, LOAD_BUDGET_MS);
  } catch (cause) {
    throw new Error(`the conflict resolver ${name} does not load: ${textOf(cause)}`, { cause });
  }
  if (run("typeof module.exports", LOAD_BUDGET_MS) !== "function")
    throw new Error(`the conflict resolver ${name} must set module.exports to a function`);
  const call = new Script("call(input)", { filename: name });
  const resolve = (input: string): Outcome => {
    try {
      realm["input"] = input;
      const answer: unknown = call.runInContext(realm, { timeout: budgetMs });
      return typeof answer === "string" ? Buffer.from(answer) : "failed";
    } catch (error) {
      return isTimeout(error) ? "slow" : "failed";
    }
  };
  return { name, resolve: remembering(resolve) };
}

// What is left over from an answer, a callback that comes later, would run outside of the budget: so nothing may come later.
const PRELUDE = `
"use strict";
globalThis.module = { exports: undefined };
globalThis.call = ((parse) => (input) => {
  const answer = module.exports(parse(input));
  return typeof answer === "string" ? answer : undefined;
})(JSON.parse);
for (const name of ["Date", "Intl", "Promise", "WebAssembly", "Atomics", "SharedArrayBuffer"])
  delete globalThis[name];
delete Array.fromAsync;
delete Math.random;
`;

function textOf(error: unknown): string {
  return typeof error === "object" && error !== null && "message" in error
    ? String(error.message)
    : String(error);
}

type Outcome = Buffer | "failed" | "slow";

function isTimeout(error: unknown): boolean {
  const code = "ERR_SCRIPT_EXECUTION_TIMEOUT";
  return typeof error === "object" && error !== null && "code" in error && error.code === code;
}

/** The resolver, asked once for the same values. */
function remembering(resolve: (input: string) => Outcome): Resolver["resolve"] {
  const remembered = new Map<string, Buffer | null>();
  const slow = new Map<string, number>();
  return (values) => {
    if (!values.every(({ value }) => isUtf8(value))) return null;
    const input = JSON.stringify(values.map(shown));
    const known = remembered.get(input);
    if (known !== undefined) return known;
    const outcome = resolve(input);
    const value = typeof outcome === "string" ? null : outcome;
    if (input.length > REMEMBERED_MAX_BYTES) return value;
    if (remembered.size + slow.size >= REMEMBERED_MAX) {
      remembered.clear();
      slow.clear();
    }
    const times = (slow.get(input) ?? 0) + 1;
    if (outcome !== "slow" || times >= SLOW_MAX) remembered.set(input, value);
    else slow.set(input, times);
    return value;
  };
}

function shown({ value, member, ms }: Seen): object {
  return { value: value.toString(), region: member.replace(/\/\d+$/, ""), member, ms };
}
