/**
 * Server: the node itself: INFO TIME LASTSAVE SAVE BGSAVE BGREWRITEAOF SHUTDOWN LOLWUT MODULE.
 *
 * Invariant: what was answered is stored before it was answered, so SAVE and its like ask for a checkpoint, which only makes the
 * next start quicker and the log shorter. LASTSAVE tells when it is there.
 */
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { container } from "./container.ts";
import { SYNTAX } from "./errors.ts";
import { lolwut } from "./lolwut.ts";
import type { Run } from "./run.ts";

const admin = ["admin", "noscript", "no_async_loading"] as const;
const common = { keys: [0, 0, 0], categories: [], group: "server", complexity: "O(1)" } as const;

export const serverCommands: readonly Command[] = [
  {
    ...common,
    name: "info",
    arity: -1,
    flags: ["loading", "stale"],
    categories: ["dangerous"],
    since: "1.0.0",
    summary: "Describes the server in sections of names and values",
    run: info,
  },
  {
    ...common,
    name: "time",
    arity: 1,
    flags: ["loading", "stale", "fast"],
    since: "2.6.0",
    summary: "Returns the server's time in seconds and microseconds",
    run: time,
  },
  {
    ...common,
    name: "lastsave",
    arity: 1,
    flags: ["loading", "stale", "fast"],
    categories: ["admin", "dangerous"],
    since: "1.0.0",
    summary: "Returns when the newest checkpoint was written, in seconds",
    run: (run, _args, reply) => reply.int(Math.floor(run.node.checkpointMs() / 1000)),
  },
  {
    ...common,
    name: "save",
    arity: 1,
    flags: [...admin, "no_multi"],
    since: "1.0.0",
    summary: "Has a checkpoint written; what was answered is stored without it",
    run: checkpoint,
  },
  {
    ...common,
    name: "bgsave",
    arity: -1,
    flags: admin,
    since: "1.0.0",
    usage: "[SCHEDULE]",
    summary: "Has a checkpoint written in the background",
    run: checkpointBehind,
  },
  {
    ...common,
    name: "bgrewriteaof",
    arity: 1,
    flags: admin,
    since: "1.0.0",
    summary: "Has a checkpoint written in the background, so that the log before it may go",
    run: shorten,
  },
  {
    ...common,
    name: "shutdown",
    arity: -1,
    flags: ["admin", "noscript", "loading", "stale", "no_multi", "allow_busy"],
    since: "1.0.0",
    summary: "Stops the server once everything answered is stored",
    run: shutdown,
  },
  {
    ...common,
    name: "lolwut",
    arity: -1,
    flags: ["readonly", "fast"],
    since: "5.0.0",
    complexity: "O(N) for N characters of the drawing",
    summary: "Draws an atoll and names the version",
    run: lolwut,
  },
  container(
    {
      name: "module",
      group: "server",
      since: "4.0.0",
      summary: "Commands about modules, of which there are none",
      helpSince: "5.0.0",
    },
    [
      {
        ...common,
        name: "list",
        arity: 2,
        flags: ["admin", "noscript"],
        since: "4.0.0",
        summary: "Lists the loaded modules: none",
        run: (_run, _args, reply) => reply.array(0),
      },
    ],
  ),
];

/** What was answered is in the log already, so there is nothing to wait for. */
function checkpoint(run: Run, _args: Args, reply: Reply): void {
  run.node.checkpoint();
  reply.ok();
}

function checkpointBehind(run: Run, args: Args, reply: Reply): void {
  const scheduled = args.count === 2 && args.is(1, "SCHEDULE");
  if (args.count > 1 && !scheduled) return reply.error(SYNTAX);
  run.node.checkpoint();
  reply.status(scheduled ? "Background saving scheduled" : "Background saving started");
}

function shorten(run: Run, _args: Args, reply: Reply): void {
  run.node.checkpoint();
  reply.status("Background append only file rewriting started");
}

function info(run: Run, args: Args, reply: Reply): void {
  const sections: string[] = [];
  for (let i = 1; i < args.count; i++) sections.push(args.text(i).toLowerCase());
  if (sections.length === 0) sections.push("default");
  reply.verbatim(run.node.info(sections, run.wallMs));
}

function time(run: Run, _args: Args, reply: Reply): void {
  const micros = Math.floor(run.wallMs * 1000);
  reply.array(2);
  reply.text(String(Math.floor(micros / 1_000_000)));
  reply.text(String(micros % 1_000_000));
}

function shutdown(run: Run, args: Args, reply: Reply): void {
  let save = false;
  let nosave = false;
  let abort = false;
  for (let i = 1; i < args.count; i++) {
    if (args.is(i, "SAVE")) save = true;
    else if (args.is(i, "NOSAVE")) nosave = true;
    else if (args.is(i, "ABORT")) abort = true;
    else if (!args.is(i, "NOW") && !args.is(i, "FORCE")) return reply.error(SYNTAX);
  }
  if ((save && nosave) || (abort && args.count > 2)) return reply.error(SYNTAX);
  if (abort) return reply.error("ERR No shutdown in progress.");
  // The closed connection is the answer. NOSAVE changes nothing, as what was answered is stored already.
  run.session.closing = true;
  run.node.shutdown();
}
