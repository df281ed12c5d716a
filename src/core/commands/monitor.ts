/**
 * MONITOR: clients that are told every command that runs, in one line each.
 *
 * Invariant: a line shows what was asked, so nothing of the data and no secret, and need not wait for the disk. It comes when the
 * command has run, so EXEC stands behind what it ran; only a script stands before what it calls. Commands of administration are
 * not shown.
 */
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { CommandEntry } from "./command-table.ts";
import type { Command } from "./command.ts";
import type { Run } from "./run.ts";
import { shownArg } from "./shown-args.ts";

export const monitorCommands: readonly Command[] = [
  {
    name: "monitor",
    arity: 1,
    flags: ["admin", "noscript", "loading", "stale"],
    keys: [0, 0, 0],
    categories: [],
    group: "server",
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Tells the connection every command that runs from now on",
    run: (run, _args, reply) => {
      run.monitors.add(run.session);
      reply.ok();
    },
  },
];

/** Tells those who monitor what has just run. */
export function tellMonitors(run: Run, entry: CommandEntry, args: Args, reply: Reply): void {
  const line = Buffer.from(lineOf(run, entry, args), "latin1");
  for (const session of run.monitors)
    // Its own lines stand among the replies it has not got yet.
    if (session === run.session) (run.scriptRun.outer ?? reply).sink.raw(line, 0, line.length);
    else run.node.push(session.id, line, 0);
}

function lineOf({ wallMs, session, scriptRun }: Run, entry: CommandEntry, args: Args): string {
  const micros = String(Math.floor((wallMs * 1000) % 1_000_000)).padStart(6, "0");
  const words: string[] = [];
  for (let i = 0; i < args.count; i++) words.push(quoted(shownArg(entry, args, i)));
  return `+${Math.floor(wallMs / 1000)}.${micros} [${session.db} ${scriptRun.running ? "lua" : session.address}] ${words.join(" ")}\r\n`;
}

const escapes: Record<number, string> = {
  7: "\\a",
  8: "\\b",
  9: "\\t",
  10: "\\n",
  13: "\\r",
  34: '\\"',
  92: "\\\\",
};

/** Bytes in quotes, whatever is not printable ASCII escaped. */
function quoted(bytes: Buffer): string {
  let text = '"';
  for (const byte of bytes) {
    const escape = escapes[byte];
    if (escape !== undefined) text += escape;
    else if (byte >= 32 && byte < 127) text += String.fromCharCode(byte);
    else text += `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return `${text}"`;
}
