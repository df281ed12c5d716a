/**
 * `atoll lab`: several regions on this machine, and the commands that trouble them while they run.
 *
 * Invariant: the lab stays in the foreground and owns its nodes; its commands are short-lived, find it by the same --dir and
 * return when what they asked for has happened.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Command, Option } from "commander";
import { type KeyspaceConfig, parseKeyspaces } from "../host/config.ts";
import { parseOffsetMs } from "../host/quantity.ts";
import { callControl } from "../lab/control.ts";
import type { LabCommand, LabStatus } from "../lab/lab-command.ts";
import { readRunning } from "../lab/lab-directory.ts";
import {
  parseDelay,
  type Parsed,
  parsePort,
  parseRegions,
  parseReplicas,
  parseWan,
} from "../lab/lab-options.ts";
import type { StartGateway } from "../lab/lab-traffic.ts";
import { type Lab, LabRefusal, startLab } from "../lab/lab.ts";
import { CliError, EXIT_USAGE, usage } from "./cli-error.ts";
import { withWholePaths } from "./modules.ts";
import { table } from "./table.ts";

interface LabDeps {
  readonly nodeCommand: readonly string[];
  readonly startGateway: StartGateway;
}

type LabFlags = {
  regions: string;
  replicas: string;
  port: string;
  wan: string;
  durability: "local" | "relaxed";
  dir: string;
  keep?: true;
  keyspaces?: string;
  traffic?: true;
  json?: true;
  node?: string;
};

export function labCommand(deps: LabDeps): Command {
  const lab = new Command("lab")
    .description("run several regions on this machine with a WAN between them, until Ctrl-C")
    .option("--regions <names>", "separated by commas", "us-east,us-west,eu-west")
    .option("--replicas <number>", "of each region", "1")
    .option("--port <number>", "RESP of the first node; HTTP lies 1000 above; 0: free ones", "7001")
    .option("--wan <distance>", "real, none, or one way in ms", "real")
    .addOption(
      new Option("--durability <kind>", "when a write is answered")
        .choices(["local", "relaxed"])
        .default("local"),
    )
    .option("--dir <directory>", "where the nodes keep their data; emptied at start", ".atoll/lab")
    .option("--keep", "start on the data that is there")
    .option("--keyspaces <file>", "a YAML list of keyspaces")
    .option("--traffic", "with a DNS server in each region, and a gateway before all")
    .option("--json", "results as one line of JSON")
    .addOption(new Option("--node <file>", "another program as node").hideHelp())
    .action((_flags: LabFlags, command: Command) => run(command.optsWithGlobals(), deps));

  const add = (name: string, description: string): Command =>
    lab.command(name).description(description);
  add("cut", "cut the links between two regions, or of one to all others")
    .argument("<region>")
    .argument("[other]")
    .option("--one-way", "only from the first to the second")
    .action((a: string, b: string | undefined, _flags: unknown, command: Command) => {
      const { oneWay } = command.opts<{ oneWay?: true }>();
      return tell(command, { type: "cut", regions: named(a, b), oneWay: oneWay === true });
    });
  add("heal", "mend links: between two regions, of one, or all")
    .argument("[region]")
    .argument("[other]")
    .action((a: string | undefined, b: string | undefined, _flags: unknown, command: Command) =>
      tell(command, { type: "heal", regions: named(a, b) }),
    );
  add("wan", "set how far two regions are apart")
    .argument("<region>")
    .argument("<other>")
    .argument("<delay>", "one way, such as 80ms")
    .action((from: string, to: string, delay: string, _flags: unknown, command: Command) =>
      tell(command, { type: "wan", from, to, delayMs: valueOf(parseDelay(delay)) }),
    );
  for (const [type, description] of [
    ["kill", "end a region's node with SIGKILL"],
    ["pause", "stop a region's node with SIGSTOP: it hangs, its sockets stay open"],
    ["start", "start a killed node, or resume a paused one; returns when it serves"],
    ["add", "add a region: the others learn of it and go on serving; returns when it serves"],
  ] as const)
    add(type, description)
      .argument("<region>")
      .action((region: string, _flags: unknown, command: Command) =>
        tell(command, { type, region }),
      );
  add("clock", "set a node's clock off by so much")
    .argument("<region>")
    .argument("<offset>", "such as +1h, -30s or 0")
    // An offset may begin with a minus, as an option does.
    .allowUnknownOption()
    .action((region: string, offset: string, _flags: unknown, command: Command) => {
      const offsetMs = parseOffsetMs(offset);
      if (offsetMs === null) throw usage(`"${offset}" is not an offset; write +1h, -30s or 0`);
      return tell(command, { type: "clock", region, offsetMs });
    });
  add("stop", "end the lab and all its nodes").action((_flags: unknown, command: Command) =>
    tell(command, { type: "stop" }),
  );
  add("status", "what runs, what is cut, and who lags").action(
    async (_flags: unknown, command: Command) => {
      const status = (await ask(command, { type: "status" })) as LabStatus;
      const { json } = command.optsWithGlobals<LabFlags>();
      process.stdout.write(json ? `${JSON.stringify(status)}\n` : statusTable(status));
    },
  );
  return lab;
}

function named(...names: (string | undefined)[]): string[] {
  return names.filter((name) => name !== undefined);
}

function valueOf<T>(parsed: Parsed<T>): T {
  if ("refused" in parsed) throw usage(parsed.refused);
  return parsed.value;
}

/** Starts a lab and stays until it ends. */
async function run(flags: LabFlags, deps: LabDeps): Promise<void> {
  const regions = valueOf(parseRegions(flags.regions));
  const replicas = valueOf(parseReplicas(flags.replicas));
  const options = {
    regions,
    replicas,
    port: valueOf(parsePort(flags.port, regions.length * replicas)),
    wan: valueOf(parseWan(flags.wan, regions)),
    durability: flags.durability,
    dir: flags.dir,
    keep: flags.keep === true,
    keyspaces: flags.keyspaces === undefined ? [] : readKeyspaces(flags.keyspaces),
    traffic: flags.traffic === true,
    startGateway: deps.startGateway,
    command: flags.node === undefined ? deps.nodeCommand : [process.execPath, resolve(flags.node)],
    say: (line: string): void => {
      process.stderr.write(`atoll: ${line}\n`);
    },
  };
  let lab: Lab | null = null;
  let asked = false;
  const stop = (): void => {
    // Asked again, it does not wait for the nodes to end in order.
    asked = true;
    void lab?.stop();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stop);
  try {
    lab = await startLab(options, (opened) => {
      if (asked) throw new Error("it was stopped while it started");
      lab = opened;
    });
  } catch (error) {
    if (asked) return;
    if (error instanceof LabRefusal) throw new CliError(error.message, 1, { cause: error });
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError(`the lab did not start: ${why}`, 1, { cause: error });
  }
  announce(lab, flags);
  await lab.ended;
}

function announce(lab: Lab, flags: LabFlags): void {
  const endpoints = lab.endpoints();
  if (flags.json) {
    process.stdout.write(`${JSON.stringify(endpoints)}\n`);
    return;
  }
  const rows = endpoints.regions.map(({ name, redis, http, pid }) => [name, redis, http, `${pid}`]);
  process.stdout.write(table(["region", "redis", "http", "pid"], rows));
  const distances = lab.distances();
  if (distances.length > 0) process.stdout.write(`one way: ${distances.join(", ")}\n`);
  if (endpoints.traffic !== undefined) {
    const { dns, name, redis, http } = endpoints.traffic;
    const { port } = new URL(dns[0] ?? "");
    process.stdout.write(`DNS: ${dns.join(" ")}; try: dig @127.0.0.1 -p ${port} ${name}\n`);
    process.stdout.write(`gateway: ${redis} ${http}; try: curl -i ${http}/status\n`);
  }
  process.stdout.write("ready\n");
}

function readKeyspaces(file: string): KeyspaceConfig[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CliError(`cannot read the keyspaces: ${why}`, EXIT_USAGE, { cause });
  }
  const outcome = parseKeyspaces(text, file);
  if ("problems" in outcome) throw usage(outcome.problems.join("\natoll: "));
  return withWholePaths(outcome.keyspaces, file);
}

/** Asks the running lab for something; resolves to what it came to. */
async function ask(command: Command, question: LabCommand): Promise<unknown> {
  const { dir } = command.optsWithGlobals<LabFlags>();
  const path = resolve(dir);
  const running = readRunning(path);
  const answer = running === null ? null : await callControl(running, question);
  if (answer === null)
    throw new CliError(
      `no lab runs in ${path}; start one with: atoll lab --dir ${dir}`,
      question.type === "status" ? EXIT_USAGE : 1,
    );
  if ("refused" in answer) throw new CliError(answer.refused);
  return answer.done;
}

/** Asks for something whose only result is that it is done. */
async function tell(command: Command, order: LabCommand): Promise<void> {
  await ask(command, order);
}

function statusTable({ regions, links }: LabStatus): string {
  const known = (value: number | null, unit: string): string =>
    value === null ? "?" : `${value}${unit}`;
  const progress = regions.flatMap((one) =>
    one.progress === undefined ? [] : [`${one.name}: ${one.progress}\n`],
  );
  return [
    table(
      ["region", "state", "pid", "clock"],
      regions.map(({ name, state, pid, clockOffsetMs }) => [
        name,
        state,
        pid === null ? "-" : `${pid}`,
        `${clockOffsetMs >= 0 ? "+" : ""}${clockOffsetMs} ms`,
      ]),
    ),
    table(
      ["from", "to", "link", "one way", "lag", "records behind"],
      links.map(({ from, to, cut, delayMs, lagMs, lagRecords }) => [
        from,
        to,
        cut ? "cut" : "whole",
        `${delayMs} ms`,
        known(lagMs, " ms"),
        known(lagRecords, ""),
      ]),
    ),
    ...progress,
  ].join("\n");
}
