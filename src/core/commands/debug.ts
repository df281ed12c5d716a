/**
 * Debug: what of DEBUG makes sense here: SLEEP, OBJECT.
 *
 * Invariant: nothing here can lose data, stop the node, or keep it from serving other clients.
 */
import { format, parseDecimal } from "../crdt/amount.ts";
import { NONE } from "../crdt/key.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { container } from "./container.ts";
import { NO_SUCH_KEY, NOT_A_FLOAT } from "./errors.ts";
import { typeName } from "./keys.ts";
import type { Run } from "./run.ts";

/** Nobody sleeps longer: a typing error must not take a connection away for a day. */
const SLEEP_MAX_SECONDS = 3600;

const admin = ["admin", "noscript", "loading", "stale"] as const;
const common = { keys: [0, 0, 0], categories: [], group: "server", complexity: "O(1)" } as const;

export const debugCommands: readonly Command[] = [
  container(
    {
      name: "debug",
      group: "server",
      since: "1.0.0",
      summary: "Commands for finding faults and testing clients",
      flags: admin,
    },
    [
      {
        ...common,
        name: "object",
        arity: 3,
        flags: admin,
        since: "1.0.0",
        usage: "<key>",
        summary: "Shows how a key is stored",
        run: object,
      },
      {
        ...common,
        name: "sleep",
        arity: 3,
        flags: admin,
        since: "1.0.0",
        usage: "<seconds>",
        summary: "Makes this connection wait, and no other",
        run: sleep,
      },
    ],
  ),
];

function object(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 2);
  const type = typeName(place.type);
  if (place.type === NONE) return reply.error(NO_SUCH_KEY);
  const kept = place.key === null ? "register" : "object";
  const entries = place.cells === null ? 1 : place.cells.countLive(place.horizonMs);
  reply.status(`Value at:slot-${place.slot} type:${type} kept:${kept} entries:${entries}`);
}

function sleep(run: Run, args: Args, reply: Reply): void {
  const amount = parseDecimal(args.bytes, args.start[2] as number, args.end[2] as number);
  const seconds = amount === null ? NaN : Number(format(amount));
  if (!(seconds >= 0)) return reply.error(NOT_A_FLOAT);
  const ms = Math.min(seconds, SLEEP_MAX_SECONDS) * 1000;
  run.session.sleepUntilMs = run.wallMs + ms;
  run.waitedMicros = ms * 1000;
  reply.ok();
}
