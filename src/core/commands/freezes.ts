/**
 * Freezes: what a keyspace refuses while it is being changed who writes its keys, or how they are kept.
 *
 * Invariant: what is refused is refused where its records would be made, in the turn in which they would be: so whoever has stopped has
 * made its last one. Reads go on.
 */
import type { Args } from "../wire/args.ts";
import { type CommandEntry, IMMEDIATE, WRITES } from "./command-table.ts";
import { hasKeys, keyFlagsOf, keyPositions } from "./key-positions.ts";
import type { Run } from "./run.ts";
import type { Session } from "./session.ts";

/** Why a command, or the transaction that it ends, may not write now, as an error with its code; null when it may. */
export function frozenBy(
  run: Run,
  session: Session,
  entry: CommandEntry,
  args: Args,
): string | null {
  const { queue } = session;
  if (queue === null || (entry.bits & IMMEDIATE) === 0) return frozenKeyOf(run, entry, args);
  if (entry.command.name !== "exec") return null;
  for (const queued of queue) {
    const reason = frozenKeyOf(run, queued.entry, queued.args);
    if (reason !== null) return reason;
  }
  return null;
}

/** Why one command may not write its keys now. */
export function frozenKeyOf(run: Run, { bits, command }: CommandEntry, args: Args): string | null {
  if ((bits & WRITES) === 0 && command.goesHome !== true) return null;
  if (!hasKeys(command)) return null;
  const { policies } = run.keyspace;
  let index = 0;
  for (const i of keyPositions(command, args)) {
    const keyspace = policies.find(args.bytes, args.start[i] as number, args.end[i] as number);
    const isRead = command.goesHome !== true && keyFlagsOf(command, index++).includes("RO");
    if (keyspace?.frozen === true && !isRead)
      return `AAFROZEN keys with the prefix ${JSON.stringify(keyspace.name)} take no writes while it is changed who writes them: ask again; nothing was done`;
  }
  return null;
}
