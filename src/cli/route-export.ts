/**
 * `atoll route export terraform | cloudflare | octodns --config node.yaml`: the same names, for a DNS provider.
 *
 * Invariant: what is exported goes to stdout, what the provider does otherwise to stderr, so that nobody takes the one for the other.
 */
import { Argument, Command } from "commander";
import { stringify } from "yaml";
import { toCloudflare } from "../core/routing/export/cloudflare.ts";
import { toOctoDns } from "../core/routing/export/octodns.ts";
import { toRoute53 } from "../core/routing/export/route53.ts";
import type { ExportInput } from "../core/routing/export/steered.ts";
import type { Mode } from "../core/routing/plan.ts";
import { continentsOf, exportInput } from "../host/traffic-export.ts";
import type { TrafficConfig } from "../host/traffic-config.ts";
import { CliError, EXIT_USAGE, usage } from "./cli-error.ts";
import { askNodes } from "./route-api.ts";
import { readConfig } from "./serve.ts";

type Flags = { config: string; url?: string; awsRegion: string[] };
type Format = "terraform" | "cloudflare" | "octodns";

export function exportCommand(): Command {
  return new Command("export")
    .description("the names and regions for a DNS provider: stdout; what it cannot do: stderr")
    .addArgument(
      new Argument("<format>", "terraform: for Route 53").choices([
        "terraform",
        "cloudflare",
        "octodns",
      ]),
    )
    .requiredOption("-c, --config <file>", "the settings of a node")
    .option("--url <url>", "a node whose plan holds: what is drained there is left out")
    .option(
      "--aws-region <ours=theirs>",
      "for latency records: us-east=us-east-1; once for each",
      (one: string, all: string[]) => [...all, one],
      [] as string[],
    )
    .action(async (format: Format, flags: Flags) => {
      const { traffic } = readConfig(flags.config);
      if (traffic.names.length === 0)
        throw new CliError(
          `${flags.config} has no \`traffic.names\`: there is nothing to export`,
          EXIT_USAGE,
        );
      const input = exportInput(traffic, await shiftsOf(flags.url));
      const { text, notes } = exported(format, input, traffic, flags.awsRegion);
      process.stdout.write(text);
      for (const note of notes) process.stderr.write(`${note}\n`);
    });
}

function exported(
  format: Format,
  input: ExportInput,
  traffic: TrafficConfig,
  awsRegions: readonly string[],
): { text: string; notes: readonly string[] } {
  switch (format) {
    case "terraform": {
      const { document, notes } = toRoute53(input, mapOf(awsRegions));
      return { text: `${JSON.stringify(document, null, 2)}\n`, notes };
    }
    case "cloudflare": {
      const { document, notes } = toCloudflare(input);
      return { text: `${JSON.stringify(document, null, 2)}\n`, notes };
    }
    case "octodns": {
      const continents = continentsOf(traffic);
      const { document, notes } = toOctoDns(input, (country) => continents.get(country) ?? null);
      return { text: `---\n${stringify(document)}`, notes };
    }
  }
}

function mapOf(words: readonly string[]): Map<string, string> {
  return new Map(
    words.map((word) => {
      const [ours, theirs, more] = word.split("=");
      if (!ours || !theirs || more !== undefined)
        throw usage(`--aws-region is written as us-east=us-east-1; it is "${word}"`);
      return [ours, theirs];
    }),
  );
}

async function shiftsOf(
  url: string | undefined,
): Promise<Map<string, { mode: Mode; weight: number }>> {
  if (url === undefined) return new Map();
  const { regions } = (await askNodes({ dir: "", url }, "GET", "/traffic/status")) as {
    regions: { name: string; mode: Mode; weight: number }[];
  };
  return new Map(regions.map(({ name, mode, weight }) => [name, { mode, weight }]));
}
