/**
 * Keyspaces: what holds for keys with a prefix, as one node tells it and has it changed.
 *
 * Invariant: outside of this file prefixes are text, inside they have one byte a character.
 */
import { explainKey } from "../core/commands/explain-key.ts";
import { readWord } from "../core/commands/keyspaces.ts";
import type { Words } from "../core/crdt/keyspace-words.ts";
import type { Replica } from "../core/replica/replica.ts";
import type { Agreed } from "../core/strong/configuration.ts";
import type { Changed } from "../core/strong/register.ts";

export interface KeyspaceTold {
  readonly prefix: string;
  /** The epoch since which it is so; 0: by this node's own file. */
  readonly since: number;
  /** What is not as everywhere, by the names of the settings. */
  readonly settings: Words;
  /** The region that owns the keys now, wherever they may have been moved to; empty when each tag has an owner of its own. */
  readonly home: string;
  /** What it is to be once nobody writes its keys: "removed", or settings; null when it does not change. */
  readonly changing: "removed" | Words | null;
}

export interface KeyspacesTold {
  /** Of what is in force at this node; 0: nothing was agreed on yet, and each node goes by its own file. */
  readonly epoch: number;
  readonly keyspaces: readonly KeyspaceTold[];
  /** What this node's file says otherwise: it does not hold. */
  readonly file: readonly { readonly prefix: string; readonly settings: Words }[];
}

export function keyspacesOf({ strong, run, keyspace }: Replica): KeyspacesTold {
  const { register } = strong;
  const differences = register.differences();
  const told = ({ prefix, since, words, change }: Agreed): KeyspaceTold => {
    const bytes = Buffer.from(prefix, "latin1");
    const policy = keyspace.policies.find(bytes, 0, bytes.length);
    return {
      prefix: utf8(prefix),
      since,
      settings: words,
      home: policy === null ? "" : run.homes.regionOf(policy),
      changing: change === null ? null : (change.words ?? "removed"),
    };
  };
  return {
    epoch: register.epoch,
    keyspaces: register.configuration.map(told),
    file: register.file
      .filter(({ prefix }) => differences.includes(prefix))
      .map(({ prefix, words }) => ({ prefix: utf8(prefix), settings: words })),
  };
}

/** What holds for a key of database 0, and why. */
export function explained({ run }: Replica, key: string): Record<string, string | number> {
  const { prefix, ...rest } = explainKey(run, 0, Buffer.from(key));
  return { key, prefix: utf8(String(prefix)), ...rest };
}

/** Has a change agreed on; without settings, that there is no such keyspace. `end` is called at once or in a later turn. */
export function changeKeyspace(
  { run, strong }: Replica,
  name: string,
  settings: Words | null,
  timeoutMs: number,
  end: (changed: Changed) => void,
): void {
  const prefix = Buffer.from(name).latin1Slice();
  const words: Record<string, string> = {};
  for (const [setting, value] of Object.entries(settings ?? {})) {
    const read = readWord(run, setting, value);
    if ("problem" in read)
      return end({ refusal: read.problem.replace("syntax error", `${setting} is no setting`) });
    words[read.name] = read.value;
  }
  strong.register.change({ prefix, words: settings === null ? null : words }, timeoutMs, end);
}

function utf8(latin1: string): string {
  return Buffer.from(latin1, "latin1").toString();
}
