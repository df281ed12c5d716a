/**
 * Scripts: EVAL and its relatives, and SCRIPT, which keeps scripts for EVALSHA.
 *
 * Invariant: the scripts that are kept are a function of what clients of this node have sent: they are neither replicated nor
 * stored, so whoever is told NOSCRIPT sends the script again, as in Redis after a failover.
 */
import { sha1Hex } from "../bytes/sha1.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { CommandTable } from "./command-table.ts";
import type { Command, Handler } from "./command.ts";
import { container } from "./container.ts";
import { tellMonitors } from "./monitor.ts";
import { NOT_AN_INTEGER, wrongUse } from "./errors.ts";
import { roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";
import type { Script } from "./script-engine.ts";
import { readScript, type ScriptFlag } from "./script-flags.ts";

const NOSCRIPT = "NOSCRIPT No matching script. Please use EVAL.";
export const NOTBUSY = "NOTBUSY No scripts in execution right now.";
const SHA_BYTES = 40;
/** What one takes beside its text, compiled. */
const SCRIPT_BYTES = 1024;

interface Kept {
  readonly script: Script;
  readonly flags: readonly ScriptFlag[] | null;
  readonly body: Buffer;
}

/** The scripts a node knows, by digest. */
export class Scripts {
  readonly #kept = new Map<string, Kept>();
  /** About what they take in memory. */
  bytes = 0;

  get count(): number {
    return this.#kept.size;
  }

  find(sha: string): Kept | undefined {
    return this.#kept.get(sha);
  }

  /** Compiles a script and keeps it; returns its digest, or what is wrong with it as an error. */
  add(run: Run, body: Buffer): { sha: string; kept: Kept } | string {
    const sha = sha1Hex(body);
    const known = this.#kept.get(sha);
    if (known !== undefined) return { sha, kept: known };
    const { scriptEngine } = run;
    if (scriptEngine === null) return NO_ENGINE;
    const read = readScript(body.latin1Slice());
    if (typeof read === "string") return `ERR ${read}`;
    const script = scriptEngine.compile(read.body);
    if (typeof script === "string") return `ERR Error compiling script (new function): ${script}`;
    const kept = { script, flags: read.flags, body };
    this.#kept.set(sha, kept);
    this.bytes += body.length + SCRIPT_BYTES;
    return { sha, kept };
  }

  flush(): void {
    this.#kept.clear();
    this.bytes = 0;
  }
}

/** The script that EVALSHA names, if it is known here. */
export function scriptNamed(run: Run, args: Args): Buffer | null {
  return run.scripts.find(args.text(1).toLowerCase())?.body ?? null;
}

export const NO_ENGINE = "ERR This node runs no scripts";

/** Why the keys that a script is given cannot be told from its arguments; null when they can. */
export function wrongKeyCount(args: Args, notANumber: string): string | null {
  const count = roughlyAt(args, 2);
  if (Number.isNaN(count)) return notANumber;
  if (count > args.count - 3) return "ERR Number of keys can't be greater than number of args";
  return count < 0 ? "ERR Number of keys can't be negative" : null;
}

/** The arguments from `first` on, to `end`. */
export function textsOf(args: Args, first: number, end: number): string[] {
  const texts: string[] = [];
  for (let i = first; i < end; i++) texts.push(args.text(i));
  return texts;
}

/** Tells those who monitor of a script, before they are told what it calls. */
export function tellOf(run: Run, table: CommandTable, args: Args, reply: Reply): void {
  const entry = run.monitors.size === 0 ? null : table.container(args);
  if (entry !== null) tellMonitors(run, entry, args, reply);
}

function evaluate(
  run: Run,
  table: CommandTable,
  sha: string,
  kept: Kept,
  readOnly: boolean,
  args: Args,
  reply: Reply,
): void {
  const firstArg = 3 + roughlyAt(args, 2);
  run.scriptRun.run(
    table,
    kept.script,
    sha,
    kept.flags,
    readOnly,
    textsOf(args, 3, firstArg),
    textsOf(args, firstArg, args.count),
    reply,
  );
}

function evalBody(table: () => CommandTable, readOnly: boolean): Handler {
  return (run, args, reply) => {
    tellOf(run, table(), args, reply);
    const wrong = wrongKeyCount(args, NOT_AN_INTEGER);
    if (wrong !== null) return reply.error(wrong);
    const added = run.scripts.add(run, args.copy(1));
    if (typeof added === "string") return reply.error(added);
    evaluate(run, table(), added.sha, added.kept, readOnly, args, reply);
  };
}

function evalSha(table: () => CommandTable, readOnly: boolean): Handler {
  return (run, args, reply) => {
    tellOf(run, table(), args, reply);
    if (args.length(1) !== SHA_BYTES) return reply.error(NOSCRIPT);
    const wrong = wrongKeyCount(args, NOT_AN_INTEGER);
    if (wrong !== null) return reply.error(wrong);
    const sha = args.text(1).toLowerCase();
    const kept = run.scripts.find(sha);
    if (kept === undefined) return reply.error(NOSCRIPT);
    evaluate(run, table(), sha, kept, readOnly, args, reply);
  };
}

function load(run: Run, args: Args, reply: Reply): void {
  const added = run.scripts.add(run, args.copy(2));
  if (typeof added === "string") reply.error(added);
  else reply.text(added.sha);
}

function exists(run: Run, args: Args, reply: Reply): void {
  reply.array(args.count - 2);
  for (let i = 2; i < args.count; i++)
    reply.int(run.scripts.find(args.text(i)) === undefined ? 0 : 1);
}

function flush(run: Run, args: Args, reply: Reply): void {
  const known =
    args.count === 2 || (args.count === 3 && (args.is(2, "SYNC") || args.is(2, "ASYNC")));
  if (!known) return reply.error("ERR SCRIPT FLUSH only support SYNC|ASYNC option");
  run.scripts.flush();
  reply.ok();
}

function debug(_run: Run, args: Args, reply: Reply): void {
  if (args.is(2, "NO")) return reply.ok();
  if (args.is(2, "YES") || args.is(2, "SYNC"))
    return reply.error("ERR This server has no debugger for scripts");
  reply.error("ERR Use SCRIPT DEBUG YES/SYNC/NO");
}

const running = {
  arity: -3,
  keys: [0, 0, 0],
  keyCount: 2,
  categories: ["scripting"],
  group: "scripting",
  complexity: "Depends on the script",
} as const;
const writing = {
  ...running,
  flags: ["noscript", "stale", "skip_monitor", "no_mandatory_keys", "movablekeys"],
  keyFlags: ["RW", "access", "update"],
  waitsWithWriters: true,
} as const;
const reading = {
  ...running,
  flags: ["readonly", "noscript", "stale", "skip_monitor", "no_mandatory_keys", "movablekeys"],
  keyFlags: ["RO", "access"],
} as const;
const keeping = {
  keys: [0, 0, 0],
  categories: ["scripting"],
  group: "scripting",
  since: "2.6.0",
} as const;

/** `table` is asked when a script runs, for it lists these too. */
export function scriptCommands(table: () => CommandTable): readonly Command[] {
  return [
    {
      ...writing,
      name: "eval",
      goesHome: true,
      since: "2.6.0",
      summary: "Runs a script",
      run: evalBody(table, false),
    },
    {
      ...reading,
      name: "eval_ro",
      since: "7.0.0",
      summary: "Runs a script that may not write",
      run: evalBody(table, true),
    },
    {
      ...writing,
      name: "evalsha",
      goesHome: true,
      since: "2.6.0",
      summary: "Runs a script that the server knows",
      run: evalSha(table, false),
    },
    {
      ...reading,
      name: "evalsha_ro",
      since: "7.0.0",
      summary: "Runs a script that the server knows and that may not write",
      run: evalSha(table, true),
    },
    container(
      {
        name: "script",
        group: "scripting",
        since: "2.6.0",
        summary: "Commands about scripts that the server knows",
        categories: ["scripting"],
        helpSince: "5.0.0",
      },
      [
        {
          ...keeping,
          name: "debug",
          arity: 3,
          flags: ["noscript"],
          since: "3.2.0",
          complexity: "O(1)",
          usage: "(YES|SYNC|NO)",
          summary: "Is refused: there is no debugger",
          run: debug,
        },
        {
          ...keeping,
          name: "exists",
          arity: -3,
          flags: ["noscript"],
          complexity: "O(N) for N digests",
          usage: "<sha1> [<sha1> ...]",
          summary: "Tells which scripts the server knows",
          run: exists,
        },
        {
          ...keeping,
          name: "flush",
          arity: -2,
          flags: ["noscript"],
          complexity: "O(N) for N scripts",
          usage: "[ASYNC|SYNC]",
          summary: "Forgets all scripts",
          run: (run, args, reply) =>
            args.count > 3 ? reply.error(wrongUse(args)) : flush(run, args, reply),
        },
        {
          ...keeping,
          name: "kill",
          arity: 2,
          flags: ["noscript", "allow_busy"],
          complexity: "O(1)",
          summary: "Is refused: while a script runs nobody is heard, and it ends by itself",
          run: (_run, _args, reply) => reply.error(NOTBUSY),
        },
        {
          ...keeping,
          name: "load",
          arity: 3,
          flags: ["noscript", "stale"],
          complexity: "O(N) for N bytes of the script",
          usage: "<script>",
          summary: "Makes a script known without running it",
          run: load,
        },
      ],
    ),
  ];
}
