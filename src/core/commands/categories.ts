/**
 * Categories: the ACL categories, in Redis' order, and which of them a command is in.
 *
 * Invariant: every command is either fast or slow; the other categories that flags imply need not stand in its row.
 */
import type { Command, Flag } from "./command.ts";

export const CATEGORIES: readonly string[] = [
  ...["keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap"],
  ...["hyperloglog", "geo", "stream", "pubsub", "admin", "fast", "slow", "blocking"],
  ...["dangerous", "connection", "transaction", "scripting"],
];

const implied: Partial<Record<Flag, readonly string[]>> = {
  readonly: ["read"],
  write: ["write"],
  admin: ["admin", "dangerous"],
  pubsub: ["pubsub"],
  fast: ["fast"],
  blocking: ["blocking"],
};

/** The categories of a command, in Redis' order. */
export function categoriesOf(command: Command): string[] {
  const named = new Set(command.categories);
  for (const flag of command.flags) for (const category of implied[flag] ?? []) named.add(category);
  // A script that reads does so by commands, which are judged one by one.
  if (named.has("scripting")) named.delete("read");
  if (!named.has("fast")) named.add("slow");
  return CATEGORIES.filter((category) => named.has(category));
}
