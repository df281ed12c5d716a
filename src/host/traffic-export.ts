/** TrafficExport: what the settings of routing say, as it is exported to DNS providers. */
import { parseAddress } from "../core/routing/dns/address.ts";
import type { Check, ExportInput } from "../core/routing/export/steered.ts";
import type { Mode } from "../core/routing/plan.ts";
import { routerOptions, type TrafficConfig } from "./traffic-config.ts";

const READY = "/health/ready";
const PORTS = { "http:": 80, "https:": 443 } as const;

/** `shifts` is what the plan says of regions now; those that it does not name serve. */
export function exportInput(
  config: TrafficConfig,
  shifts: ReadonlyMap<string, { readonly mode: Mode; readonly weight: number }>,
): ExportInput {
  const { rules, regions } = routerOptions(config, "");
  return {
    zone: config.zone.replace(/\.$/, ""),
    rules,
    regions: regions.map((region) => {
      const { addresses = [], probes = [] } =
        config.regions.find(({ name }) => name === region.name) ?? {};
      const lengthOf = (address: string): number => parseAddress(address)?.length ?? 0;
      return {
        ...region,
        ...(shifts.get(region.name) ?? { mode: "serving", weight: 1 }),
        v4: addresses.filter((address) => lengthOf(address) === 4),
        v6: addresses.filter((address) => lengthOf(address) === 16),
        check: checkOf(probes),
      };
    }),
  };
}

/** Where the settings say on which continent a country is. */
export function continentsOf({ regions, networks }: TrafficConfig): ReadonlyMap<string, string> {
  return new Map(
    [...regions, ...networks].flatMap(({ country, continent }) =>
      country === undefined || continent === undefined ? [] : [[country, continent] as const],
    ),
  );
}

/** The first probe that a provider can make too, at the region's own address. */
function checkOf(probes: readonly string[]): Check | null {
  for (const probe of probes) {
    const { protocol, port, pathname } = new URL(probe);
    if (protocol === "http:" || protocol === "https:")
      return {
        protocol: protocol === "http:" ? "http" : "https",
        port: port === "" ? PORTS[protocol] : Number(port),
        path: pathname === "/" ? READY : pathname,
      };
    if ((protocol === "tcp:" || protocol === "redis:") && port !== "")
      return { protocol: "tcp", port: Number(port), path: "" };
  }
  return null;
}
