/** Targets: what can be fuzzed, by name. */
import type { Target } from "./engine.ts";
import { DiskTarget } from "./targets/disk.ts";
import { DnsTarget } from "./targets/dns.ts";
import { PayloadTarget } from "./targets/payload.ts";
import { PeerTarget } from "./targets/peer.ts";
import { RdbTarget } from "./targets/rdb.ts";
import { RegisterTarget } from "./targets/register.ts";
import { RespTarget } from "./targets/resp.ts";

const makers: Readonly<Record<string, () => Target>> = {
  resp: () => new RespTarget(),
  peer: () => new PeerTarget(),
  disk: () => new DiskTarget(),
  payload: () => new PayloadTarget(),
  dns: () => new DnsTarget(),
  rdb: () => new RdbTarget(),
  register: () => new RegisterTarget(),
};

export const targetNames: readonly string[] = Object.keys(makers);

/** A fresh target; `name` is one of `targetNames`. */
export function newTarget(name: string): Target {
  const make = makers[name];
  if (make === undefined) throw new Error(`no target is called ${name}`);
  return make();
}
