/**
 * DnsService: the zone of one node's configuration, signed if it has keys, and the responder that answers for it.
 *
 * Invariant: the zone is signed before the first question, and every tick renews what is half through its validity.
 */
import { isIn, parseNetwork } from "../core/routing/dns/address.ts";
import { Cookies } from "../core/routing/dns/cookies.ts";
import type { ZoneKey } from "../core/routing/dns/dnssec.ts";
import { RateLimit } from "../core/routing/dns/rate-limit.ts";
import { Responder, type Steering } from "../core/routing/dns/responder.ts";
import { type Settled, ZoneView } from "../core/routing/dns/zone-view.ts";
import { ZoneSignatures } from "../core/routing/dns/zone-signatures.ts";
import { type TrafficConfig, zoneOf } from "./traffic-config.ts";

export interface DnsWorld {
  readonly config: TrafficConfig;
  readonly member: string;
  readonly steering: Steering & {
    settled(rule: string, type: number): ReturnType<Settled>;
  };
  /** The first signs; none: the zone is not signed. */
  readonly keys: readonly ZoneKey[];
  readonly wallMs: () => number;
  /** Random bytes that nobody can guess. */
  readonly secret: (bytes: number) => Buffer;
  /** Sends a packet to a secondary, again and again until it is answered; the last that is to be sent counts. */
  readonly notify: (address: string, packet: Buffer) => void;
}

export class DnsService {
  readonly #wallMs: () => number;
  readonly #responder: Responder;
  readonly #signatures: ZoneSignatures | null;
  /** What secondaries are given; null when there is none. */
  readonly #view: ZoneView | null;
  readonly #world: DnsWorld;

  constructor(world: DnsWorld) {
    const { config, member, steering, keys, wallMs, secret } = world;
    const { cookieSecrets, perSecond, burst, validityMs } = config.dns;
    this.#world = world;
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
    const served = { zone, signatures: this.#signatures };
    const networks = config.dns.transfer.map(parseNetwork).filter((one) => one !== null);
    this.#view =
      networks.length === 0
        ? null
        : new ZoneView(served, (rule, type) => steering.settled(rule, type), wallMs());
    this.#responder = new Responder({
      zones: [served],
      transfers:
        this.#view === null
          ? null
          : {
              view: this.#view,
              isAllowed: (address) => networks.some((network) => isIn(address, network)),
            },
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

  /** The messages of a transfer; see `Responder`. */
  transfer(packet: Buffer, address: Buffer): Iterable<Buffer> | null {
    return this.#responder.transfer(packet, address);
  }

  /** Tells the secondaries that there is a view; those that know it will say so. */
  notifyAll(): void {
    const { config, notify, secret } = this.#world;
    const view = this.#view;
    if (view === null) return;
    for (const address of config.dns.notify)
      notify(address, view.notice(secret(2).readUInt16BE(0)));
  }

  /** Lets time pass. */
  tick(): void {
    const nowMs = this.#wallMs();
    this.#signatures?.renew(nowMs);
    if (this.#view?.update(nowMs) === true) this.notifyAll();
  }
}
