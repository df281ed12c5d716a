/**
 * `atoll gateway --config node.yaml`: runs a gateway that is no node, until it is told to stop.
 *
 * Invariant: it holds no data and has no vote: whether it runs changes nothing for the regions.
 */
import { Command } from "commander";
import type { StartGateway } from "../lab/lab-traffic.ts";
import { CliError, EXIT_FAILED, EXIT_USAGE } from "./cli-error.ts";
import { readConfig } from "./serve.ts";
import { stopSignals } from "./stop-signals.ts";

export interface GatewayDeps {
  readonly startGateway: StartGateway;
}

export function gatewayCommand({ startGateway }: GatewayDeps): Command {
  return new Command("gateway")
    .description("run one Redis port, and one for HTTP, in front of all regions")
    .requiredOption("-c, --config <file>", "settings as of a node: `region` and `traffic` hold")
    .action(async ({ config: file }: { config: string }) => {
      const { region, traffic } = readConfig(file);
      if (traffic.gateway === undefined)
        throw new CliError(
          `${file} has no \`traffic.gateway\`: say there where it listens, as docs/traffic.md shows`,
          EXIT_USAGE,
        );
      const stop = stopSignals();
      try {
        await using gateway = await startGateway(traffic, region, null);
        const { host, http, cert, metrics } = traffic.gateway;
        const scheme = (http?.cert ?? "") === "" ? "http" : "https";
        const places = [
          ...(gateway.port === null
            ? []
            : [`${cert === "" ? "redis" : "rediss"}://${host}:${gateway.port}`]),
          ...(gateway.httpPort === null ? [] : [`${scheme}://${host}:${gateway.httpPort}`]),
          ...(gateway.metricsPort === null
            ? []
            : [`http://${metrics?.host}:${gateway.metricsPort}/metrics`]),
        ];
        process.stderr.write(`the gateway of ${region} listens: ${places.join(" ")}\n`);
        await stop;
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new CliError(`the gateway did not start: ${why}`, EXIT_FAILED, { cause });
      }
    });
}
