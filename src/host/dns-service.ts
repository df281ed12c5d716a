/**
 * DnsService: the zone of one node's configuration, signed if it has keys, and the responder that answers for it.
 *
 * Invariant: the zone is signed before the first question, and every tick renews what is half through its validity.
 */
import { Cookies } from "../core/routing/dns/cookies.ts";
import type { ZoneKey } from "../core/routing/dns/dnssec.ts";
import { RateLimit } from "../core/routing/dns/rate-limit.ts";
import { Responder, type Steering } from "../core/routing/dns/responder.ts";
import { ZoneSignatures } from "../core/routing/dns/zone-signatures.ts";
import { type TrafficConfig, zoneOf } from "./traffic-config.ts";

export interface DnsWorld {
  readonly config: TrafficConfig;
  readonly member: string;
  readonly steering: Steering;
  /** The first signs; none: the zone is not signed. */
  readonly keys: readonly ZoneKey[];
  readonly wallMs: () => number;
  /** Random bytes that nobody can guess. */
  readonly secret: (bytes: number) => Buffer;
}

export class DnsService {
  readonly #wallMs: () => number;
  readonly #responder: Responder;
  readonly #signatures: ZoneSignatures | null;

  constructor({ config, member, steering, keys, wallMs, secret }: DnsWorld) {
    const { cookieSecrets, perSecond, burst, validityMs } = config.dns;
    const { zone } = zoneOf(config);
    this.#wallMs = wallMs;
    this.#signatures =
      keys.length === 0
        ? null
        : new ZoneSignatures(zone, {
            keys,
            validitySeconds: Math.floor(validityMs / 1000),
            choosable: (rule, type) => steering.choosable(rule, type),
            nowMs: wallMs(),
          });
    this.#responder = new Responder({
      zones: [{ zone, signatures: this.#signatures }],
      steering,
      identity: member,
      cookies: new Cookies(
        cookieSecrets.length > 0
          ? cookieSecrets.map((hex) => Buffer.from(hex, "hex"))
          : [secret(16)],
      ),
      rateLimit:
        perSecond === 0
          ? null
          : new RateLimit({ perSecond, burst, salt: secret(4).readInt32BE(0) }),
    });
  }

  /** The answer to a packet; see `Responder`. */
  respond(packet: Buffer, address: Buffer, isStream: boolean): Buffer | null {
    return this.#responder.respond(packet, address, isStream, this.#wallMs());
  }

  /** Lets time pass. */
  tick(): void {
    this.#signatures?.renew(this.#wallMs());
  }
}
