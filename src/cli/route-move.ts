/**
 * `atoll route drain | evacuate | weight | failback | latecomers`: traffic away from a region, or back, step by step.
 *
 *     status of any node ─► Move: what now? ─► POST the next plan │ wait │ done, and who still comes │ stop
 *
 * Invariant: what is shifted is what the plan says: whoever stops this command leaves a plan behind that holds as it is and ends by
 * itself, and is told how to go on and how to go back.
 */
import { setTimeout as pause } from "node:timers/promises";
import { Command } from "commander";
import { Move, type MoveKind, type Scene, type Step } from "../core/routing/move.ts";
import { parseMs } from "../host/quantity.ts";
import { CliError, EXIT_FAILED, usage } from "./cli-error.ts";
import { askNodes, type NodeFlags } from "./route-api.ts";
import { table } from "./table.ts";
import { withTarget } from "./target.ts";

type MoveFlags = NodeFlags & {
  for: string;
  step: string;
  within: string;
  why?: string;
  force?: true;
};

interface Status extends Omit<Scene, "plan" | "unshipped" | "clients"> {
  /** Of the node that was asked. */
  readonly region: string;
  readonly plan: { readonly number: number };
  readonly unshipped: Readonly<Record<string, Scene["unshipped"]>>;
  readonly lagMsMax: number;
  readonly probes: Readonly<Record<string, readonly string[]>>;
}

interface Client {
  readonly address: string;
  readonly name: string;
  readonly connections: number;
  readonly open: number;
  readonly lastMs: number;
  readonly isAtWork: boolean;
}

interface Resolver {
  readonly address: string;
  readonly answers: number;
  readonly toldMs: number;
  readonly untilMs: number;
}

interface Latecomers {
  readonly region: string;
  readonly nowMs: number;
  readonly clients: readonly Client[];
  readonly forgotten: number;
  readonly resolvers: readonly Resolver[];
}

/** Who still comes to a region, out of what all nodes see. */
interface Report {
  readonly clients: readonly Client[];
  readonly resolvers: readonly (Resolver & { readonly server: string })[];
  /** Prefixes whose keys are written in the region alone. */
  readonly homes: readonly string[];
  /** Regions that could not be asked. */
  readonly unheard: readonly string[];
}

const POLL_MS = 500;
const TIMEOUT_MS = 5_000;
const SHOWN_MAX = 20;

const MEANS: Record<MoveKind, string> = {
  drain:
    "take a region's traffic away step by step, until it may be switched off; ends by itself, see --for",
  evacuate: "the same at once",
  weight: "give a region a part of its traffic, such as 0.3, in three steps",
  failback:
    "give a region its traffic back: once it has caught up, 5 %, 25 %, 50 %, and as configured",
};

export function moveCommands(): Command[] {
  const moves = (Object.keys(MEANS) as MoveKind[]).map((kind) => {
    const command = withTarget(new Command(kind).description(MEANS[kind]).argument("<region>"))
      .option("--for <duration>", "after so long the region is as configured; ever: never", "1h")
      .option("--step <duration>", "how long each step is looked at before the next", "10s")
      .option("--within <duration>", "when to give up waiting", "15m")
      .option("--why <reason>", "what the audit says")
      .option("--force", "even if no region that is up would be left, or the rest is too small");
    if (kind === "weight") command.argument("<part>", "1 is all of its traffic");
    return command.action(async (region: string, ...rest: [string | MoveFlags, ...unknown[]]) => {
      const [part, flags] =
        typeof rest[0] === "string" ? [rest[0], rest[1] as MoveFlags] : ["1", rest[0]];
      const weight = Number(part);
      if (!Number.isFinite(weight) || weight < 0 || weight > 1000)
        throw usage(`the part must be a number such as 0.3; it is "${part}"`);
      await move(kind, region, weight, flags);
    });
  });
  return [...moves, latecomersCommand()];
}

function latecomersCommand(): Command {
  return withTarget(
    new Command("latecomers")
      .description("who still comes to a region that is drained: clients, and resolvers")
      .argument("<region>"),
  ).action(async (region: string, flags: NodeFlags) => {
    const report = await reportOf(region, await statusOf(flags), flags);
    if (flags.json) print({ region, ...report });
    else process.stdout.write(describe(region, report));
  });
}

async function move(
  kind: MoveKind,
  region: string,
  weight: number,
  flags: MoveFlags,
): Promise<void> {
  const forMs = flags.for === "ever" ? "ever" : durationOf("for", flags.for);
  const stepMs = durationOf("step", flags.step);
  const endMs = performance.now() + durationOf("within", flags.within);
  const first = await statusOf(flags);
  const { lagMsMax } = first;
  const isForced = flags.force === true;
  const going = new Move({ kind, region, weight, stepMs, lagMsMax, isForced });
  const why = flags.why ?? `${kind} ${region}`;
  const post = async (mode: string, part: number, waits: boolean, base: number) => {
    const query = new URLSearchParams({
      region,
      mode,
      weight: `${part}`,
      forMs: `${forMs}`,
      lead: waits ? "yes" : "no",
      base: `${base}`,
      why,
      ...(isForced ? { force: "yes" } : {}),
    });
    return (await askNodes(flags, "POST", `/traffic/plan?${query.toString()}`)) as {
      number: number;
      shifts: Record<string, { fromMs: number }>;
    };
  };
  using interruption = interrupted();
  let plan = 0;
  let said = "";
  let now = "";
  const tell = (what: string): void => {
    // Not each second that passes is news.
    const news = what.replace(/\d+ (?:s|ms)\b/g, "");
    if (news === said) return;
    said = news;
    now = what;
    if (!flags.json) process.stderr.write(`${what}\n`);
  };
  for (let status = first; ; status = await statusOf(flags)) {
    const isDraining = kind === "drain" || kind === "evacuate";
    const clients = isDraining ? await clientsOf(region, status, flags) : null;
    const step = going.step(sceneOf(region, status, clients));
    switch (step.do) {
      case "shift": {
        const made = await post(
          step.mode,
          step.weight,
          step.waitsForAnswers,
          plan === 0 ? status.plan.number : plan,
        );
        plan = made.number;
        going.shifted(plan, made.shifts[region]?.fromMs ?? status.nowMs);
        tell(`${step.means}: plan ${plan}`);
        break;
      }
      case "wait":
        tell(step.means);
        break;
      default:
        return await finish(kind, region, step, status, flags, async () => {
          if (step.do === "stop" && step.undo && going.hasBegun)
            plan = (await post(undoing(kind), 1, false, plan)).number;
        });
    }
    if (interruption.signal.aborted || performance.now() > endMs)
      throw new CliError(
        `${interruption.signal.aborted ? "stopped" : "given up"} at: ${now}. ${going.hasBegun ? `Plan ${plan} holds${forMs === "ever" ? "" : `, and ends by itself after ${flags.for}`}. On: atoll route ${kind} ${region}; back: atoll route reset ${region}` : "Nothing was changed"}`,
        EXIT_FAILED,
      );
    await pause(POLL_MS, undefined, { signal: interruption.signal }).catch(() => {});
  }
}

/** What becomes of a region whose move went wrong: what it was before. */
function undoing(kind: MoveKind): string {
  return kind === "failback" ? "drained" : "configured";
}

async function finish(
  kind: MoveKind,
  region: string,
  step: Extract<Step, { do: "done" | "stop" }>,
  status: Status,
  flags: MoveFlags,
  undo: () => Promise<void>,
): Promise<void> {
  if (step.do === "stop") {
    await undo();
    throw new CliError(
      `${step.means}${step.undo ? ": what was shifted is taken back" : ""}`,
      EXIT_FAILED,
    );
  }
  const isDrained = kind === "drain" || kind === "evacuate";
  const report = isDrained ? await reportOf(region, status, flags) : null;
  if (flags.json) return print({ region, done: step.means, ...report });
  process.stdout.write(`${step.means}\n${report === null ? "" : describe(region, report)}`);
}

/** Ctrl-C ends the command between two steps. */
function interrupted(): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, stop);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, stop);
    },
  };
}

function sceneOf(region: string, status: Status, clients: number | null): Scene {
  const { plan, unshipped, ...rest } = status;
  return { ...rest, plan: plan.number, unshipped: unshipped[region] ?? null, clients };
}

async function statusOf(flags: NodeFlags): Promise<Status> {
  return (await askNodes(flags, "GET", "/traffic/status")) as Status;
}

/** Clients at work in a region, as its nodes say; null when none can be asked. */
async function clientsOf(region: string, status: Status, flags: NodeFlags): Promise<number | null> {
  const heard = (await latecomersOf(region, region, status, flags)).filter((one) => one !== null);
  if (heard.length === 0) return null;
  return heard
    .flatMap(({ clients }) => clients)
    .reduce((sum, { open, isAtWork }) => sum + (isAtWork ? open : 0), 0);
}

/** What the nodes of a region say of those who come to `to`; null for one that does not answer. */
async function latecomersOf(
  region: string,
  to: string,
  { region: asked, probes }: Status,
  flags: NodeFlags,
): Promise<(Latecomers | null)[]> {
  const path = `/traffic/latecomers?region=${encodeURIComponent(to)}`;
  const nodes = (probes[region] ?? []).filter((url) => /^https?:\/\/[^/]+\/?$/.test(url));
  // A region need not know how it is probed itself.
  if (nodes.length === 0 && region === asked)
    return [(await askNodes(flags, "GET", path)) as Latecomers];
  return await Promise.all(
    nodes.map(async (url) => {
      const answer = await fetch(new URL(path, url), {
        signal: AbortSignal.timeout(TIMEOUT_MS),
      }).catch(() => null);
      if (answer?.ok !== true) return null;
      return (await answer.json().catch(() => null)) as Latecomers | null;
    }),
  );
}

async function reportOf(region: string, status: Status, flags: NodeFlags): Promise<Report> {
  const clients: Client[] = [];
  const resolvers: (Resolver & { server: string })[] = [];
  const unheard: string[] = [];
  for (const { name } of status.regions) {
    const told = await latecomersOf(name, region, status, flags);
    if (told.length === 0 || told.includes(null)) unheard.push(name);
    for (const one of told.filter((heard) => heard !== null)) {
      if (name === region) clients.push(...one.clients);
      resolvers.push(...one.resolvers.map((resolver) => ({ ...resolver, server: name })));
    }
  }
  const { keyspaces } = (await askNodes(flags, "GET", "/keyspaces")) as {
    keyspaces: { prefix: string; home: string }[];
  };
  const homes = keyspaces.filter(({ home }) => home === region).map(({ prefix }) => prefix);
  return { clients, resolvers, homes, unheard };
}

function describe(region: string, { clients, resolvers, homes, unheard }: Report): string {
  const time = (ms: number): string => new Date(ms).toISOString().slice(11, 19);
  const more = (all: readonly unknown[]): string =>
    all.length > SHOWN_MAX ? `and ${all.length - SHOWN_MAX} more\n` : "";
  return [
    clients.length === 0
      ? `nobody has come to ${region} since\n`
      : `clients that came to ${region} since:\n${table(
          ["address", "name", "connections", "open", "last"],
          clients
            .slice(0, SHOWN_MAX)
            .map(({ address, name, connections, open, lastMs }) => [
              address,
              name === "" ? "-" : name,
              `${connections}`,
              `${open}`,
              time(lastMs),
            ]),
        )}${more(clients)}`,
    resolvers.length === 0
      ? ""
      : `resolvers that were told ${region} last, and have not asked again:\n${table(
          ["resolver", "server", "answers", "told", "may keep it until"],
          resolvers
            .slice(0, SHOWN_MAX)
            .map(({ address, server, answers, toldMs, untilMs }) => [
              address,
              server,
              `${answers}`,
              time(toldMs),
              time(untilMs),
            ]),
        )}${more(resolvers)}`,
    clients.some(({ isAtWork }) => isAtWork)
      ? `some are at work there now: what they write after this may be in ${region} alone\n`
      : "",
    ...homes.map(
      (prefix) =>
        `${prefix === "" ? "all keys" : prefix} is written in ${region} alone: AA.KEYSPACE MOVE ${prefix === "" ? '""' : prefix} <region> first\n`,
    ),
    unheard.length === 0 ? "" : `could not be asked: ${unheard.join(", ")}\n`,
  ].join("");
}

function durationOf(option: string, text: string): number {
  const ms = parseMs(text);
  if (ms === null) throw usage(`--${option} must be a duration such as 30s; it is "${text}"`);
  return ms;
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
