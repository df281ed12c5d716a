/**
 * SLOWLOG and its subcommands.
 *
 * Invariant: it shows what `SlowLog` keeps and decides nothing.
 */
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { container } from "./container.ts";
import { integerAt } from "./numbers.ts";
import type { Run } from "./run.ts";

const COUNT_DEFAULT = 10;

const common = {
  flags: ["admin", "loading", "stale"],
  keys: [0, 0, 0],
  categories: [],
  group: "server",
  since: "2.2.12",
} as const;

export const slowLogCommands: readonly Command[] = [
  container(
    {
      name: "slowlog",
      group: "server",
      since: "2.2.12",
      summary: "Commands about the log of slow commands",
      helpSince: "6.2.0",
    },
    [
      {
        ...common,
        name: "get",
        arity: -2,
        complexity: "O(N) for N entries",
        usage: "[<count>]",
        summary: "Returns the newest entries, ten of them or as many as asked for; -1 for all",
        run: get,
      },
      {
        ...common,
        name: "len",
        arity: 2,
        complexity: "O(1)",
        summary: "Returns how many entries there are",
        run: (run, _args, reply) => reply.int(run.slowLog.entries.length),
      },
      {
        ...common,
        name: "reset",
        arity: 2,
        complexity: "O(N) for N entries",
        summary: "Forgets all entries",
        run: (run, _args, reply) => {
          run.slowLog.entries.length = 0;
          reply.ok();
        },
      },
    ],
  ),
];

function get(run: Run, args: Args, reply: Reply): void {
  const { entries } = run.slowLog;
  let count = COUNT_DEFAULT;
  if (args.count > 2) {
    const asked = args.count === 3 ? integerAt(args, 2) : null;
    if (typeof asked !== "number" || asked < -1)
      return reply.error("ERR count should be greater than or equal to -1");
    count = asked === -1 ? entries.length : asked;
  }
  const shown = entries.slice(0, count);
  reply.array(shown.length);
  for (const { id, seconds, micros, args: words, address, clientName } of shown) {
    reply.array(6);
    reply.int(id);
    reply.int(seconds);
    reply.int(micros);
    reply.array(words.length);
    for (const word of words) reply.buffer(word);
    reply.text(address);
    reply.text(clientName);
  }
}
