/**
 * Modules: where the conflict resolvers lie that a configuration names.
 *
 * Invariant: a path is relative to the file that names it, wherever the node is started.
 */
import { dirname, resolve } from "node:path";
import { POLICIES } from "../core/crdt/policy.ts";
import type { KeyspaceConfig } from "../host/config.ts";

/** The keyspaces of `file` with whole paths. */
export function withWholePaths(
  keyspaces: readonly KeyspaceConfig[],
  file: string,
): KeyspaceConfig[] {
  return keyspaces.map(({ conflict, ...keyspace }) => ({
    ...keyspace,
    conflict: POLICIES.find((policy) => policy === conflict) ?? resolve(dirname(file), conflict),
  }));
}
