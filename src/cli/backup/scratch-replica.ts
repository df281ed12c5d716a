/** ScratchReplica: a replica that a backup is read into: it serves nobody and is told no time. */
import { randomBytes } from "node:crypto";
import type { Origin } from "../../core/clock/origins.ts";
import { idlePort } from "../../core/commands/idle-port.ts";
import { defaultSettings } from "../../core/commands/settings.ts";
import { Replica } from "../../core/replica/replica.ts";
import { DOCUMENTS } from "../../engines/documents/documents.ts";

export function scratchReplica(origin: Origin): Replica {
  const chance = (): number => randomBytes(4).readUInt32BE();
  return new Replica({
    origin,
    region: origin.member.split("/")[0] as string,
    cluster: "atoll",
    members: [origin.member],
    relays: false,
    durability: "local",
    keyspaces: [],
    engines: [DOCUMENTS],
    settings: defaultSettings,
    node: idlePort(randomBytes),
    chance: [chance(), chance(), chance()],
  });
}
