/**
 * Config: CONFIG GET, SET, RESETSTAT and REWRITE.
 *
 * Invariant: CONFIG SET changes all the parameters it names, or none.
 */
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { container } from "./container.ts";
import { quote, SYNTAX } from "./errors.ts";
import { globMatches } from "./glob.ts";
import { type Parameter, parameters } from "./parameters.ts";
import type { Run } from "./run.ts";

const common = {
  flags: ["admin", "noscript", "loading", "stale"],
  keys: [0, 0, 0],
  categories: [],
  group: "server",
} as const;

export const configCommands: readonly Command[] = [
  container(
    {
      name: "config",
      group: "server",
      since: "2.0.0",
      summary: "Commands about parameters of the server",
      helpSince: "5.0.0",
    },
    [
      {
        ...common,
        name: "get",
        arity: -3,
        since: "2.0.0",
        complexity: "O(N) for N parameters",
        usage: "<pattern> [<pattern> ...]",
        summary: "Returns the parameters that match a pattern, with their values",
        run: get,
      },
      {
        ...common,
        name: "resetstat",
        arity: 2,
        since: "2.0.0",
        complexity: "O(1)",
        summary: "Sets the counts of commands, hits and misses back to zero",
        run: resetStat,
      },
      {
        ...common,
        name: "rewrite",
        arity: 2,
        since: "2.8.0",
        complexity: "O(1)",
        summary: "Refused: the configuration file belongs to the operator",
        run: (_run, _args, reply) => reply.error("ERR The server is running without a config file"),
      },
      {
        ...common,
        name: "set",
        arity: -4,
        since: "2.0.0",
        complexity: "O(N) for N parameters",
        usage: "<parameter> <value> [<parameter> <value> ...]",
        summary: "Changes parameters until the next start",
        hides: isSecret,
        run: set,
      },
    ],
  ),
];

function get(run: Run, args: Args, reply: Reply): void {
  // A parameter that was asked for by its whole name is shown as it was written.
  const found = new Map<string, { parameter: Parameter; shown: string }>();
  for (let i = 2; i < args.count; i++) {
    const asked = args.text(i);
    const pattern = Buffer.from(asked.toLowerCase(), "latin1");
    const whole = !/[[*?]/.test(asked);
    for (const parameter of parameters) {
      for (const name of namesOf(parameter)) {
        if (parameter.hidden === true && !whole) continue;
        const bytes = Buffer.from(name, "latin1");
        if (globMatches(pattern, bytes, 0, bytes.length) && !found.has(name))
          found.set(name, { parameter, shown: whole ? asked : name });
      }
    }
  }
  reply.map(found.size);
  for (const { parameter, shown } of found.values()) {
    reply.text(shown);
    reply.text(parameter.get(run.settings));
  }
}

/** Whether argument `i` is the value of a parameter that is a secret. */
function isSecret(args: Args, i: number): boolean {
  if (i < 3 || i % 2 === 0) return false;
  const name = args.text(i - 1).toLowerCase();
  return parameters.some((parameter) => parameter.secret === true && parameter.name === name);
}

function namesOf({ name, alias }: Parameter): readonly string[] {
  return alias === undefined ? [name] : [name, alias];
}

interface Change {
  readonly parameter: Parameter;
  /** As the client called it. */
  readonly name: string;
  readonly value: string;
}

function set(run: Run, args: Args, reply: Reply): void {
  const changes: Change[] = [];
  if (args.count % 2 !== 0) return reply.error(SYNTAX);
  for (let i = 2; i < args.count; i += 2) {
    const name = args.text(i).toLowerCase();
    const parameter = parameters.find((other) => namesOf(other).includes(name));
    if (parameter === undefined) {
      const unknown = quote(args, i, 128);
      return reply.error(`ERR Unknown option or number of arguments for CONFIG SET - '${unknown}'`);
    }
    if (changes.some((change) => change.parameter === parameter))
      return reply.error(failed(name, "duplicate parameter"));
    changes.push({ parameter, name, value: args.text(i + 1) });
  }
  const before = { ...run.settings };
  for (const { parameter, name, value } of changes) {
    const wrong = apply(run, parameter, value);
    if (wrong === null) continue;
    Object.assign(run.settings, before);
    return reply.error(failed(name, wrong));
  }
  if (changes.some(({ parameter }) => parameter.name === "requirepass"))
    run.users.usePassword(run.settings.requirepass);
  run.listen();
  reply.ok();
}

/** Changes a parameter, or returns why not. What is already so can be set, whatever the parameter. */
function apply(run: Run, parameter: Parameter, value: string): string | null {
  if (parameter.set !== undefined) return parameter.set(run.settings, value);
  const now = parameter.get(run.settings);
  if (now === value || now === value.toLowerCase()) return null;
  return parameter.guarded === true ? "can't set protected config" : "can't set immutable config";
}

function failed(name: string, reason: string): string {
  return `ERR CONFIG SET failed (possibly related to argument '${name}') - ${reason}`;
}

function resetStat(run: Run, _args: Args, reply: Reply): void {
  run.stats.reset();
  run.hits = 0;
  run.misses = 0;
  run.eviction.peakBytes = run.eviction.usedBytes;
  reply.ok();
}
