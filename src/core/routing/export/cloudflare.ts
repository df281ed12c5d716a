/**
 * Cloudflare: names and regions as Terraform's JSON, for Cloudflare's load balancers (provider 4).
 *
 *     region ─► monitor, pool        name ─► load balancer ─► pools in order; the last one is its fallback
 *
 * Invariant: a name that has a residency is not exported: the fallback pool is answered to everybody, so it could not be kept.
 */
import {
  audiencesOf,
  type Exported,
  type ExportInput,
  notesOf,
  wholeWeights,
  wordOf,
} from "./steered.ts";

type Fields = Record<string, unknown>;
const ACCOUNT = "${var.cloudflare_account_id}";

export function toCloudflare({ zone, rules, regions }: ExportInput): Exported {
  const notes: string[] = [];
  const balancers: Record<string, Fields> = {};
  const used = new Set<string>();
  for (const rule of rules) {
    const full = rule.name === "@" ? zone : `${rule.name}.${zone}`;
    if (rule.residency.length > 0) {
      notes.push(
        `${rule.name} is not exported: its residency could not be kept, since a fallback pool is given to everybody`,
      );
      continue;
    }
    notes.push(...notesOf(rule, regions));
    if (rule.isSticky) notes.push(`${rule.name}: a client is not given the same region again`);
    const open = audiencesOf(rule, regions)[0]?.regions ?? [];
    if (open.length === 0) continue;
    for (const { name } of open) used.add(name);
    const pools = open.map(({ name }) => poolId(name));
    balancers[wordOf(rule.name)] = {
      zone_id: "${var.cloudflare_zone_id}",
      name: full,
      proxied: false,
      ttl: Math.max(30, rule.ttl),
      default_pool_ids: pools,
      fallback_pool_id: pools.at(-1),
      ...steeringOf(rule.policy, open),
    };
    if (rule.ttl < 30) notes.push(`${rule.name}: answers live 30 s, not ${rule.ttl}`);
    if (rule.policy === "nearest" && open.some(({ latitude }) => latitude === undefined))
      notes.push(
        `${rule.name}: where regions are is not known (longitude and latitude): clients go to the first, then to the next`,
      );
  }
  const pooled = regions.filter(({ name }) => used.has(name));
  return {
    document: {
      terraform: {
        required_providers: { cloudflare: { source: "cloudflare/cloudflare", version: "~> 4.0" } },
      },
      variable: {
        cloudflare_account_id: { type: "string" },
        cloudflare_zone_id: { type: "string" },
      },
      resource: {
        cloudflare_load_balancer_monitor: Object.fromEntries(
          pooled.flatMap(({ name, check }) =>
            check === null
              ? []
              : [
                  [
                    wordOf(name),
                    {
                      account_id: ACCOUNT,
                      type: check.protocol,
                      port: check.port,
                      ...(check.path === ""
                        ? {}
                        : { path: check.path, method: "GET", expected_codes: "2xx" }),
                      description: name,
                    },
                  ],
                ],
          ),
        ),
        cloudflare_load_balancer_pool: Object.fromEntries(
          pooled.map((region) => [
            wordOf(region.name),
            {
              account_id: ACCOUNT,
              name: region.name,
              origins: [...region.v4, ...region.v6].map((address, i) => ({
                name: `${region.name}-${i + 1}`,
                address,
              })),
              ...(region.check === null
                ? {}
                : {
                    monitor: `\${cloudflare_load_balancer_monitor.${wordOf(region.name)}.id}`,
                  }),
              ...(region.latitude === undefined || region.longitude === undefined
                ? {}
                : { latitude: region.latitude, longitude: region.longitude }),
            },
          ]),
        ),
        cloudflare_load_balancer: balancers,
      },
    },
    notes: [...new Set(notes)],
  };
}

function poolId(region: string): string {
  return `\${cloudflare_load_balancer_pool.${wordOf(region)}.id}`;
}

function steeringOf(
  policy: ExportInput["rules"][number]["policy"],
  open: ExportInput["regions"],
): Fields {
  switch (policy) {
    case "failover":
      return { steering_policy: "off" };
    case "nearest":
      return {
        steering_policy: open.some((one) => one.latitude === undefined) ? "off" : "proximity",
      };
    case "weighted":
      return {
        steering_policy: "random",
        random_steering: [
          {
            pool_weights: Object.fromEntries(
              wholeWeights(open, 100).map(({ region, weight }) => [
                poolId(region.name),
                weight / 100,
              ]),
            ),
          },
        ],
      };
  }
}
