/**
 * KeyspaceWords: what a keyspace says, as words by name: as members agree on it and as operators read it.
 *
 * Invariant: what is as everywhere is left out, so two keyspaces say the same if and only if their words are equal.
 */
import { LEVELS } from "../replica/levels.ts";
import { FORMATS } from "./format.ts";
import {
  FAILOVERS,
  FORWARDS,
  type KeyspacePolicy,
  type More,
  PLAIN,
  POLICIES,
  type Policy,
  policyName,
  POPS,
  PUBSUBS,
  type Resolver,
  WRITES_AT,
  XREADS,
} from "./policy.ts";

export type Words = Readonly<Record<string, string>>;

/** The words of a keyspace that are one of a few. */
export const CHOICES = {
  xread: XREADS,
  pubsub: PUBSUBS,
  readLevel: LEVELS,
  writeLevel: LEVELS,
  writes: WRITES_AT,
  pop: POPS,
  forward: FORWARDS,
  failover: FAILOVERS,
} as const;
export const CHOSEN = Object.keys(CHOICES) as (keyof typeof CHOICES)[];

/** The words of a policy. */
export function wordsOf({ conflict, format, ...more }: KeyspacePolicy): Words {
  const words: Record<string, string> = {};
  if (conflict !== "lww") words["conflict"] = policyName(conflict);
  if (format !== null) words["format"] = format;
  for (const name of [...CHOSEN, "home"] as const) {
    const value = more[name] ?? PLAIN[name];
    if (value !== PLAIN[name]) words[name] = value;
  }
  return words;
}

/** The policy that words say. What this version does not know is as everywhere; modules are those of this node's own file. */
export function policyOf(
  prefix: string,
  words: Words,
  resolvers: ReadonlyMap<string, Resolver>,
): KeyspacePolicy & Required<More> {
  const more: Record<string, string> = { ...PLAIN, home: words["home"] ?? "" };
  for (const name of CHOSEN) {
    const known: readonly string[] = CHOICES[name];
    const value = words[name];
    if (value !== undefined && known.includes(value)) more[name] = value;
  }
  return {
    prefix,
    conflict: conflictOf(words["conflict"] ?? "lww", resolvers),
    format: FORMATS.find((format) => format === words["format"]) ?? null,
    // Each of them is one of its choices.
    ...(more as unknown as Required<More>),
  };
}

/** A module that this node does not have answers nothing, so the last writer's value is shown, and counted as a failure. */
function conflictOf(name: string, resolvers: ReadonlyMap<string, Resolver>): Policy {
  return (
    POLICIES.find((policy) => policy === name) ??
    resolvers.get(name) ?? { name, resolve: () => null }
  );
}
