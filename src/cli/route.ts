/**
 * `atoll route`: which region clients are sent to, why, and how to change it.
 *
 *     atoll route status                          verdicts, troubles, the plan
 *     atoll route explain app --from 203.0.113.9  (or a country, a continent, a region)
 *     atoll route drain us-east --for 2h          step by step; and: evacuate, weight, failback
 *     atoll route standby us-east                 and: serve, reset
 *
 * Invariant: any node will do: it is asked first, then the next. A change is confirmed when it is stored there; the others follow
 * with their next probe.
 */
import { Command } from "commander";
import { type Succession, successionText } from "../core/routing/successions.ts";
import { parseMs } from "../host/quantity.ts";
import { usage } from "./cli-error.ts";
import { askNodes as ask, type NodeFlags as Flags } from "./route-api.ts";
import { exportCommand } from "./route-export.ts";
import { moveCommands } from "./route-move.ts";
import { table } from "./table.ts";
import { withTarget } from "./target.ts";

type ShiftFlags = Flags & { for?: string; why?: string; force?: true; weight?: string };

interface Status {
  readonly region: string;
  readonly regions: readonly {
    name: string;
    mode: string;
    weight: number;
    share: number;
    lagMs: number | null;
    state: string;
    isFrozen: boolean;
    evidence: string;
  }[];
  readonly troubles: readonly { means: string }[];
  readonly plan: { number: number; author: string; why: string };
  readonly successions: readonly Succession[];
}

const CONTINENTS = ["AF", "AN", "AS", "EU", "NA", "OC", "SA"];

export function routeCommand(): Command {
  const route = new Command("route").description("which region clients are sent to, and why");
  route.addCommand(
    withTarget(new Command("status").description("verdicts on all regions, and the plan")).action(
      async (flags: Flags) => {
        const status = (await ask(flags, "GET", "/traffic/status")) as Status;
        if (flags.json) return print(status);
        process.stdout.write(describe(status));
      },
    ),
  );
  route.addCommand(
    withTarget(
      new Command("explain")
        .description("why a name is answered as it is")
        .argument("<name>", "a name of the configuration, such as app")
        .option("--from <place>", "an address, a country (DE), a continent (EU) or a region"),
    ).action(async (name: string, flags: Flags & { from?: string }) => {
      const query = new URLSearchParams({ name });
      if (flags.from !== undefined) query.set(...placeOf(flags.from));
      const answer = (await ask(flags, "GET", `/traffic/explain?${query.toString()}`)) as {
        explanation: string[];
      };
      if (flags.json) return print(answer);
      process.stdout.write(answer.explanation.map((line) => `${line}\n`).join(""));
    }),
  );
  for (const command of moveCommands()) route.addCommand(command);
  route.addCommand(exportCommand());
  for (const [name, mode, means] of [
    ["standby", "standby", "give a region traffic only when no other is left"],
    [
      "serve",
      "serving",
      "give a region its traffic, with --weight; after --for it is as configured",
    ],
    ["reset", "configured", "a region is as configured again"],
  ] as const)
    route.addCommand(
      withTarget(
        new Command(name)
          .description(means)
          .argument("<region>")
          .option("--for <duration>", "how long, such as 30m; ever: until it is changed", "1h")
          .option("--weight <number>", "its share where shares count", "1")
          .option("--why <reason>", "what the audit says")
          .option("--force", "even if no region that is up would be left"),
      ).action((region: string, flags: ShiftFlags) => shift(region, mode, flags)),
    );
  return route;
}

async function shift(region: string, mode: string, flags: ShiftFlags): Promise<void> {
  const query = new URLSearchParams({ region, mode, weight: flags.weight ?? "1" });
  const forMs = flags.for === "ever" ? "ever" : parseMs(flags.for ?? "1h");
  if (forMs === null)
    throw usage(`--for must be a duration such as 30m, or ever; it is "${flags.for}"`);
  query.set("forMs", String(forMs));
  if (flags.why !== undefined) query.set("why", flags.why);
  if (flags.force) query.set("force", "yes");
  const plan = (await ask(flags, "POST", `/traffic/plan?${query.toString()}`)) as {
    number: number;
  };
  if (flags.json) return print(plan);
  process.stdout.write(`plan ${plan.number} holds: ${region} is ${mode}\n`);
}

/** What `--from` means. */
function placeOf(text: string): [string, string] {
  if (/[.:]/.test(text)) return ["address", text];
  if (CONTINENTS.includes(text)) return ["continent", text];
  return [/^[A-Z]{2}$/.test(text) ? "country" : "region", text];
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

function describe({ region, regions, troubles, plan, successions }: Status): string {
  const rows = regions.map((one) => [
    one.name,
    one.isFrozen ? `${one.state}?` : one.state,
    one.mode,
    `${Math.round(one.share * 100)} %`,
    one.lagMs === null ? "?" : `${one.lagMs} ms`,
    one.evidence,
  ]);
  const lines = [
    ...troubles.map(({ means }) => means),
    plan.number === 0
      ? "no plan: as configured"
      : `plan ${plan.number} of ${plan.author}: ${plan.why}`,
    ...successions.slice(-3).map(successionText),
    `seen from ${region}`,
  ];
  return (
    table(["region", "verdict", "mode", "traffic", "lag", "evidence"], rows) +
    lines.map((line) => `${line}\n`).join("")
  );
}
