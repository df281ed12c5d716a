/**
 * TrafficFigures: what routing and its gateways have to say in numbers.
 *
 * Invariant: plain data; what is not known is null, never a stand-in.
 */
import type { Footing } from "../core/routing/gateway/preference.ts";
import type { Mode } from "../core/routing/plan.ts";
import type { Trouble } from "../core/routing/reachability.ts";
import type { GatewayCounts } from "./gateway.ts";
import type { HttpGatewayCounts } from "./http-gateway.ts";

export type GatewayRegionStatus = Footing & {
  readonly name: string;
  readonly clients: number;
  readonly isReached: boolean;
};

/** What the gateways beside a router say of themselves; null where there is none. */
export interface GatewayFigures {
  readonly redis: (GatewayCounts & { readonly regions: readonly GatewayRegionStatus[] }) | null;
  readonly http: (HttpGatewayCounts & { readonly regions: readonly GatewayRegionStatus[] }) | null;
}

export interface TrafficFigures extends GatewayFigures {
  readonly regions: readonly {
    readonly name: string;
    readonly isUp: boolean;
    readonly mode: Mode;
    readonly weight: number;
    readonly share: number;
    readonly load: number;
    readonly lagMs: number | null;
    /** After how long what is written there can be read here. */
    readonly readHereAfterMs: number | null;
  }[];
  readonly troubles: Readonly<Record<Trouble["kind"], number>>;
  readonly plan: number;
  readonly moves: number;
}
