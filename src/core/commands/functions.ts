/**
 * Functions: FUNCTION, which keeps libraries of functions, and FCALL, which calls one.
 *
 * Invariant: a library is data: it is stored, replicated and restored as a key is, and every region can call it.
 */
import { Malformed } from "../bytes/source.ts";
import { readLibraries, writeLibraries } from "../rdb/libraries.ts";
import { isWhole } from "../rdb/payload.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { CommandTable } from "./command-table.ts";
import type { Command, Handler } from "./command.ts";
import { container } from "./container.ts";
import { quote, wrongUse } from "./errors.ts";
import { globMatches } from "./glob.ts";
import type { Library } from "./libraries.ts";
import { roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";
import { SCRIPT_FLAGS } from "./script-flags.ts";
import { NOTBUSY, tellOf, textsOf, wrongKeyCount } from "./scripts.ts";

const QUOTE_MAX_BYTES = 128;
const BAD_PAYLOAD = "ERR DUMP payload version or checksum are wrong";

function fcall(table: () => CommandTable, readOnly: boolean): Handler {
  return (run, args, reply) => {
    tellOf(run, table(), args, reply);
    const callable = run.libraries.callable(args.text(1));
    if (callable === undefined) return reply.error("ERR Function not found");
    const wrong = wrongKeyCount(args, "ERR Bad number of keys provided");
    if (wrong !== null) return reply.error(wrong);
    const firstArg = 3 + roughlyAt(args, 2);
    const { called, flags } = callable;
    run.scriptRun.run(
      table(),
      called.script,
      called.name,
      flags,
      readOnly,
      textsOf(args, 3, firstArg),
      textsOf(args, firstArg, args.count),
      reply,
    );
  };
}

function load(run: Run, args: Args, reply: Reply): void {
  let at = 2;
  let replaces = false;
  for (; at < args.count - 1; at++) {
    if (!args.is(at, "REPLACE"))
      return reply.error(`ERR Unknown option given: ${quote(args, at, QUOTE_MAX_BYTES)}`);
    replaces = true;
  }
  if (at >= args.count) return reply.error("ERR Function code is missing");
  const library = run.libraries.load(args.text(at));
  if (typeof library === "string") return reply.error(`ERR ${library}`);
  if (!replaces && run.libraries.find(library.name) !== undefined)
    return reply.error(`ERR Library '${library.name}' already exists`);
  const against = run.libraries.add([library], "replace");
  if (against === null) reply.text(library.name);
  else reply.error(`ERR ${against}`);
}

function remove(run: Run, args: Args, reply: Reply): void {
  const name = args.text(2);
  if (run.libraries.find(name) === undefined) return reply.error("ERR Library not found");
  run.libraries.remove(name);
  reply.ok();
}

function flush(run: Run, args: Args, reply: Reply): void {
  if (args.count > 3) return reply.error(wrongUse(args));
  if (args.count === 3 && !args.is(2, "SYNC") && !args.is(2, "ASYNC"))
    return reply.error("ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
  run.libraries.clear();
  reply.ok();
}

function list(run: Run, args: Args, reply: Reply): void {
  let withCode = false;
  let pattern: Buffer | null = null;
  for (let i = 2; i < args.count; i++)
    if (!withCode && args.is(i, "WITHCODE")) withCode = true;
    else if (pattern === null && args.is(i, "LIBRARYNAME")) {
      if (++i >= args.count) return reply.error("ERR library name argument was not given");
      pattern = Buffer.from(args.text(i).toLowerCase(), "latin1");
    } else return reply.error(`ERR Unknown argument ${quote(args, i, QUOTE_MAX_BYTES)}`);
  const matches = ({ name }: Library): boolean =>
    pattern === null ||
    globMatches(pattern, Buffer.from(name.toLowerCase(), "latin1"), 0, name.length);
  const libraries = run.libraries.all().filter(matches);
  reply.array(libraries.length);
  for (const library of libraries) describe(run, library, withCode, reply);
}

function describe(
  run: Run,
  { name, code, functions }: Library,
  withCode: boolean,
  reply: Reply,
): void {
  reply.map(withCode ? 4 : 3);
  reply.text("library_name");
  reply.text(name);
  reply.text("engine");
  reply.text(run.scriptEngine?.name ?? "");
  reply.text("functions");
  reply.array(functions.length);
  for (const called of functions) {
    reply.map(3);
    reply.text("name");
    reply.text(called.name);
    reply.text("description");
    if (called.description === null) reply.nil();
    else reply.text(called.description);
    reply.text("flags");
    const flags = SCRIPT_FLAGS.filter((flag) => called.flags.includes(flag));
    reply.set(flags.length);
    for (const flag of flags) reply.status(flag);
  }
  if (!withCode) return;
  reply.text("library_code");
  reply.text(code);
}

function stats(run: Run, _args: Args, reply: Reply): void {
  reply.map(2);
  reply.text("running_script");
  reply.nil();
  reply.text("engines");
  if (run.scriptEngine === null) return reply.map(0);
  reply.map(1);
  reply.text(run.scriptEngine.name);
  reply.map(2);
  reply.text("libraries_count");
  reply.int(run.libraries.all().length);
  reply.text("functions_count");
  reply.int(run.libraries.functionCount);
}

function dump(run: Run, _args: Args, reply: Reply): void {
  const codes = run.libraries.all().map(({ code }) => Buffer.from(code, "latin1"));
  reply.buffer(writeLibraries(codes));
}

function restore(run: Run, args: Args, reply: Reply): void {
  if (args.count > 4) return reply.error(wrongUse(args));
  const policy = args.count === 3 ? "append" : args.text(3).toLowerCase();
  if (policy !== "append" && policy !== "replace" && policy !== "flush")
    return reply.error(
      "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
    );
  const payload = args.copy(2);
  if (!isWhole(payload)) return reply.error(BAD_PAYLOAD);
  const libraries: Library[] = [];
  for (const code of codesIn(payload, run.settings.protoMaxBulkLen) ?? [null]) {
    if (code === null) return reply.error("ERR given type is not a function");
    const library = run.libraries.load(code.latin1Slice());
    if (typeof library === "string") return reply.error(`ERR ${library}`);
    if (libraries.some(({ name }) => name === library.name))
      return reply.error(`ERR Library '${library.name}' already exists`);
    libraries.push(library);
  }
  const against = run.libraries.add(libraries, policy);
  if (against === null) reply.ok();
  else reply.error(`ERR ${against}`);
}

/** The libraries in a payload; null when it holds something else. */
function codesIn(payload: Buffer, decompressedMax: number): Buffer[] | null {
  try {
    return readLibraries(payload, decompressedMax);
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}

const calling = {
  arity: -3,
  keys: [0, 0, 0],
  keyCount: 2,
  categories: ["scripting"],
  group: "scripting",
  since: "7.0.0",
  complexity: "Depends on the function",
} as const;
const keeping = {
  keys: [0, 0, 0],
  categories: ["scripting"],
  group: "scripting",
  since: "7.0.0",
} as const;

/** `table` is asked when a function is called, for it lists these too. */
export function functionCommands(table: () => CommandTable): readonly Command[] {
  return [
    {
      ...calling,
      name: "fcall",
      goesHome: true,
      flags: ["noscript", "stale", "skip_monitor", "no_mandatory_keys", "movablekeys"],
      keyFlags: ["RW", "access", "update"],
      waitsWithWriters: true,
      summary: "Calls a function",
      run: fcall(table, false),
    },
    {
      ...calling,
      name: "fcall_ro",
      flags: ["readonly", "noscript", "stale", "skip_monitor", "no_mandatory_keys", "movablekeys"],
      keyFlags: ["RO", "access"],
      summary: "Calls a function that may not write",
      run: fcall(table, true),
    },
    container(
      {
        name: "function",
        group: "scripting",
        since: "7.0.0",
        summary: "Commands about libraries of functions",
        categories: ["scripting"],
      },
      [
        {
          ...keeping,
          name: "delete",
          arity: 3,
          flags: ["write", "noscript"],
          complexity: "O(1)",
          usage: "<library-name>",
          summary: "Removes a library, in every region",
          run: remove,
        },
        {
          ...keeping,
          name: "dump",
          arity: 2,
          flags: ["noscript"],
          complexity: "O(N) for N libraries",
          summary: "Returns all libraries as a payload for RESTORE",
          run: dump,
        },
        {
          ...keeping,
          name: "flush",
          arity: -2,
          flags: ["write", "noscript"],
          complexity: "O(N) for N libraries",
          usage: "[ASYNC|SYNC]",
          summary: "Removes all libraries, in every region",
          run: flush,
        },
        {
          ...keeping,
          name: "kill",
          arity: 2,
          flags: ["noscript", "allow_busy"],
          complexity: "O(1)",
          summary: "Is refused: while a function runs nobody is heard, and it ends by itself",
          run: (_run, _args, reply) => reply.error(NOTBUSY),
        },
        {
          ...keeping,
          name: "list",
          arity: -2,
          flags: ["noscript"],
          complexity: "O(N) for N functions",
          usage: "[LIBRARYNAME <pattern>] [WITHCODE]",
          summary: "Lists libraries and their functions",
          run: list,
        },
        {
          ...keeping,
          name: "load",
          arity: -3,
          flags: ["write", "denyoom", "noscript"],
          complexity: "O(N) for N bytes of code",
          usage: "[REPLACE] <code>",
          summary: "Adds a library, in every region",
          run: load,
        },
        {
          ...keeping,
          name: "restore",
          arity: -3,
          flags: ["write", "denyoom", "noscript"],
          complexity: "O(N) for N libraries",
          usage: "<payload> [FLUSH|APPEND|REPLACE]",
          summary: "Adds the libraries of a payload, in every region",
          run: restore,
        },
        {
          ...keeping,
          name: "stats",
          arity: 2,
          flags: ["noscript", "allow_busy"],
          complexity: "O(1)",
          summary: "Counts libraries and functions",
          run: stats,
        },
      ],
    ),
  ];
}
