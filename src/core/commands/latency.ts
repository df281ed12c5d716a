/**
 * LATENCY: events that took long, and how the times of commands are distributed.
 *
 * Invariant: it shows what `LatencyMonitor` and `CommandStats` keep; only RESET changes it.
 */
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import { cumulated } from "./command-stats.ts";
import type { CommandEntry, CommandTable } from "./command-table.ts";
import type { Command } from "./command.ts";
import { container } from "./container.ts";
import { quote } from "./errors.ts";
import type { LatencyEvent } from "./latency-monitor.ts";
import type { Run } from "./run.ts";

const GRAPH_ROWS = 4;

const common = {
  flags: ["admin", "noscript", "loading", "stale"],
  keys: [0, 0, 0],
  categories: [],
  group: "server",
  since: "2.8.13",
  complexity: "O(1)",
} as const;

/** `table` is asked when a command runs, for it lists LATENCY too. */
export function latencyCommands(table: () => CommandTable): readonly Command[] {
  return [
    container(
      {
        name: "latency",
        group: "server",
        since: "2.8.13",
        summary: "Commands about what took long",
      },
      [
        {
          ...common,
          name: "doctor",
          arity: 2,
          summary: "Tells in words what took long and what to do about it",
          run: (run, _args, reply) => reply.verbatim(diagnosis(run)),
        },
        {
          ...common,
          name: "graph",
          arity: 3,
          usage: "<event>",
          summary: "Draws the times of an event",
          run: graph,
        },
        {
          ...common,
          name: "histogram",
          arity: -2,
          since: "7.0.0",
          complexity: "O(N) for N commands",
          usage: "[COMMAND ...]",
          summary: "Returns how many calls of each command took up to how long",
          run: (run, args, reply) => histogram(run, table(), args, reply),
        },
        {
          ...common,
          name: "history",
          arity: 3,
          usage: "<event>",
          summary: "Returns times and latencies of an event",
          run: history,
        },
        {
          ...common,
          name: "latest",
          arity: 2,
          summary: "Returns the latest and the longest latency of all events",
          run: latest,
        },
        {
          ...common,
          name: "reset",
          arity: -2,
          usage: "[<event> ...]",
          summary: "Forgets some or all events and returns how many",
          run: reset,
        },
      ],
    ),
  ];
}

function latest({ latency }: Run, _args: Args, reply: Reply): void {
  reply.array(latency.events.size);
  for (const [name, { samples, maxMs }] of latency.events) {
    const last = samples.at(-1);
    reply.array(4);
    reply.text(name);
    reply.int(last?.seconds ?? 0);
    reply.int(last?.ms ?? 0);
    reply.int(maxMs);
  }
}

function history({ latency }: Run, args: Args, reply: Reply): void {
  const samples = latency.events.get(args.text(2))?.samples ?? [];
  reply.array(samples.length);
  for (const { seconds, ms } of samples) {
    reply.array(2);
    reply.int(seconds);
    reply.int(ms);
  }
}

function reset({ latency }: Run, args: Args, reply: Reply): void {
  let count = 0;
  if (args.count === 2) {
    count = latency.events.size;
    latency.events.clear();
  }
  for (let i = 2; i < args.count; i++) if (latency.events.delete(args.text(i))) count++;
  reply.int(count);
}

function graph({ latency, wallMs }: Run, args: Args, reply: Reply): void {
  const event = latency.events.get(args.text(2));
  if (event === undefined)
    return reply.error(`ERR No samples available for event '${quote(args, 2, 128)}'`);
  reply.verbatim(drawing(args.text(2), event, wallMs));
}

/** A column for each sample, as high as it took long, with its age below. */
function drawing(name: string, { samples, maxMs }: LatencyEvent, wallMs: number): string {
  const times = samples.map(({ ms }) => ms);
  const high = Math.max(...times);
  const low = Math.min(...times);
  const level = (ms: number): number =>
    high === low ? GRAPH_ROWS : 1 + Math.round(((ms - low) / (high - low)) * (GRAPH_ROWS - 1));
  const lines = [`${name} - high ${high} ms, low ${low} ms (all time high ${maxMs} ms)`];
  lines.push("-".repeat(80));
  for (let row = GRAPH_ROWS; row > 0; row--)
    lines.push(times.map((ms) => (level(ms) === row ? "#" : level(ms) > row ? "|" : " ")).join(""));
  lines.push("");
  const ages = samples.map(({ seconds }) => age(Math.max(0, wallMs / 1000 - seconds)));
  const longest = Math.max(...ages.map((text) => text.length));
  for (let i = 0; i < longest; i++) lines.push(ages.map((text) => text[i] ?? " ").join(""));
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

function age(seconds: number): string {
  if (seconds < 60) return `${Math.floor(seconds)}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`;
}

const advice: Record<string, string> = {
  command: "SLOWLOG GET names the commands and their arguments.",
  "fast-command":
    "Commands that should be quick were not: the processor is probably shared or overloaded.",
  "expire-cycle": "Many keys expire at the same time: spread their deadlines.",
  "eviction-cycle": "Keys are evicted in great number: raise maxmemory or write less.",
  "log-sync": "The disk is slow: look for others that use it, or use durability: relaxed.",
};

function diagnosis({ latency, settings }: Run): string {
  if (settings.latencyThresholdMs === 0 && latency.events.size === 0)
    return "Nothing is watched: set latency-monitor-threshold to the milliseconds from which on events matter to you.\n";
  if (latency.events.size === 0) return "Nothing took longer than the threshold. All is well.\n";
  const lines = ["What took longer than the threshold:"];
  for (const [name, { samples, maxMs }] of latency.events) {
    const mean = samples.reduce((sum, { ms }) => sum + ms, 0) / samples.length;
    lines.push(
      `- ${name}: ${samples.length} times, ${mean.toFixed(0)} ms on average, ${maxMs} ms at most.`,
    );
    const mend = advice[name];
    if (mend !== undefined) lines.push(`  ${mend}`);
  }
  return lines.map((line) => `${line}\n`).join("");
}

function histogram(run: Run, table: CommandTable, args: Args, reply: Reply): void {
  const entries = [...new Set(asked(table, args))].filter(({ index }) => run.stats.times[index]);
  reply.map(entries.length);
  for (const { name, index } of entries) {
    const steps = cumulated(run.stats.times[index] as Float64Array);
    reply.text(name);
    reply.map(2);
    reply.text("calls");
    reply.int(steps.at(-1)?.calls ?? 0);
    reply.text("histogram_usec");
    reply.map(steps.length);
    for (const { micros, calls } of steps) {
      reply.int(micros);
      reply.int(calls);
    }
  }
}

/** The commands named, with their subcommands; all of them when none is. */
function asked(table: CommandTable, args: Args): readonly CommandEntry[] {
  if (args.count === 2) return table.entries;
  const entries: CommandEntry[] = [];
  for (let i = 2; i < args.count; i++) {
    const entry = table.named(args.text(i));
    if (entry !== null) entries.push(...(entry.subcommands?.all ?? []), entry);
  }
  return entries;
}
