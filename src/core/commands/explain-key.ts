/**
 * ExplainKey: what holds for a key, and why: for AA.KEYSPACE EXPLAIN and `atoll keyspace explain`.
 *
 * Invariant: it says what this node goes by, whatever others may have learned since.
 */
import { CHOSEN } from "../crdt/keyspace-words.ts";
import { type Keyspace, PLAIN, policyName } from "../crdt/policy.ts";
import type { Run } from "./run.ts";

/** By name; numbers are epochs. */
export function explainKey(run: Run, db: number, key: Buffer): Record<string, string | number> {
  const keyspace = run.keyspace.policies.find(key, 0, key.length);
  const chosen = CHOSEN.map((name) => [name.toLowerCase(), (keyspace ?? PLAIN)[name]]);
  return {
    prefix: keyspace?.name ?? "",
    conflict: policyName(keyspace?.conflict ?? "lww"),
    format: keyspace?.format ?? "plain",
    ...(Object.fromEntries(chosen) as Record<string, string>),
    home: keyspace === null ? "" : run.homes.regionOf(keyspace),
    since: keyspace?.since ?? 0,
    why: whyOf(keyspace),
    owner: run.homes.ownerOfKey(db, key),
  };
}

function whyOf(keyspace: Keyspace | null): string {
  if (keyspace === null) return "no keyspace has a prefix of the key";
  const { since, frozen } = keyspace;
  const by =
    since === 0
      ? "the configuration file of this node"
      : `the cluster, which agreed on it in epoch ${since}`;
  const now = frozen ? "; who writes its keys is being changed, and nobody does meanwhile" : "";
  return `the longest prefix of the key, by ${by}${now}`;
}
