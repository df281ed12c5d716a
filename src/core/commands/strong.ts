/**
 * Strong commands: what Redis has no word for: changes that depend on a key's version.
 *
 * Invariant: the version of a key grows with each change of it and never comes again, whatever is deleted or expires. So it is a
 * fencing token: whoever holds the greater one came later.
 */
import { NONE } from "../crdt/key.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { SYNTAX } from "./errors.ts";
import { roughlyAt } from "./numbers.ts";
import { deadlineAt } from "./options.ts";
import type { Run } from "./run.ts";
import { NO_VERSION } from "./strong-calls.ts";

const BAD_VERSION = "ERR a version is an integer; 0 is that of any key where nothing is";

const common = {
  keys: [1, 1, 1],
  categories: ["keyspace"],
  group: "consistency",
  since: "0.1.0",
  complexity: "O(1)",
  strong: true,
} as const;

export const strongCommands: readonly Command[] = [
  {
    ...common,
    name: "aa.version",
    arity: 2,
    flags: ["readonly", "fast"],
    summary: "Tells the version of a strong key, which grows with each change",
    usage: "<key>",
    run: version,
  },
  {
    ...common,
    name: "aa.cas",
    arity: -4,
    flags: ["write", "denyoom", "fast"],
    summary: "Sets a strong key if it has the version given; answers its new one, or nil",
    usage: "<key> <version> <value> [EX <seconds>|PX <milliseconds>]",
    run: cas,
  },
  {
    ...common,
    name: "aa.cad",
    arity: 3,
    flags: ["write", "fast"],
    summary: "Deletes a strong key if it has the version given; answers whether it did",
    usage: "<key> <version>",
    run: cad,
  },
];

function version({ strongVersion }: Run, _args: Args, reply: Reply): void {
  if (strongVersion === null) reply.error(NO_VERSION);
  else reply.int(strongVersion);
}

/** Whether the key has the version in argument 2; null after the refusal was answered. */
function isAt(run: Run, args: Args, reply: Reply): boolean | null {
  const { strongVersion } = run;
  if (strongVersion === null) {
    reply.error(NO_VERSION);
    return null;
  }
  const wanted = roughlyAt(args, 2);
  if (wanted === 0) return run.look(args, 1).type === NONE;
  if (wanted > 0) return wanted === strongVersion;
  reply.error(BAD_VERSION);
  return null;
}

function cas(run: Run, args: Args, reply: Reply): void {
  if (args.count !== 4 && args.count !== 6) return reply.error(SYNTAX);
  let deadline = Infinity;
  if (args.count === 6) {
    const unitMs = args.is(4, "EX") ? 1000 : args.is(4, "PX") ? 1 : null;
    if (unitMs === null) return reply.error(SYNTAX);
    deadline = deadlineAt(args, 5, unitMs, run.nowMs, "aa.cas", reply);
    if (Number.isNaN(deadline)) return;
  }
  const matches = isAt(run, args, reply);
  if (matches === null) return;
  if (!matches) return reply.nil();
  const place = run.look(args, 1);
  run.write.set(place, deadline, args.bytes, args.start[3] as number, args.end[3] as number);
  reply.int((run.strongVersion as number) + 1);
}

function cad(run: Run, args: Args, reply: Reply): void {
  const matches = isAt(run, args, reply);
  if (matches === null) return;
  const place = run.look(args, 1);
  if (!matches || place.type === NONE) return reply.int(0);
  run.write.remove(place);
  reply.int(1);
}
