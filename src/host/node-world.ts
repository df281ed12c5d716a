/**
 * NodeWorld: everything a node takes from the world around it.
 *
 * Invariant: nothing in `src/host` has another clock, another chance or another disk. Whoever controls these controls the node, and can
 * run it again to the same end.
 */
import type { AclFile } from "../core/commands/run.ts";
import type { ScriptEngine } from "../core/commands/script-engine.ts";
import type { GenerationKind } from "../core/crdt/generation.ts";
import type { Resolver } from "../core/crdt/policy.ts";
import type { Storage } from "./ports/storage.ts";

export interface NodeLog {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

/** What the node takes from the world. Times in milliseconds. */
export interface NodeWorld {
  readonly storage: Storage;
  readonly log: NodeLog;
  readonly version: string;
  readonly pid: number;
  readonly wallMs: () => number;
  readonly monoMs: () => number;
  /** 32 random bits, unsigned, that nobody can guess. */
  readonly random: () => number;
  readonly memory: () => { rssBytes: number; heapBytes: number };
  /** The resolver in a module that the configuration names. */
  readonly resolver: (name: string) => Resolver;
  /** Where users are kept beyond the next start; absent: nowhere. */
  readonly aclFile?: AclFile;
  /** The kinds of generations beside the core's own. */
  readonly engines: readonly GenerationKind[];
  /** An engine of its own for each node; null where scripts do not run. */
  readonly scripting: () => ScriptEngine | null;
  /** How many steps a turn holds; what is usual when absent. */
  readonly turnSteps?: number;
  /** How long the log may be before who is being filled takes a copy instead; what is usual when absent. */
  readonly copyBeyondBytes?: number;
  /** Calls back once what was ready to be read has been read. */
  readonly soon: (callback: () => void) => void;
  /** Calls back every so many milliseconds until the returned function is called. */
  readonly every: (ms: number, callback: () => void) => () => void;
}
