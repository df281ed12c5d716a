/**
 * NodePort for one node: what commands may ask of the node they run in.
 *
 * Invariant: it stands before the node does, since a replica replays its log first; what is asked until then is answered as by a node
 * that has nothing.
 */
import type { ChangesRequest } from "../core/commands/changes.ts";
import type { NodePort } from "../core/commands/run.ts";
import type { Session } from "../core/commands/session.ts";
import { infoText } from "./info.ts";
import type { NodeWorld } from "./node-world.ts";
import type { NodeStatus } from "./status.ts";

/** What of the node commands reach. */
export interface CommandedNode {
  readonly clients: {
    close(id: number): void;
    push(id: number, bytes: Buffer, seq: number): void;
  };
  readonly changes: { ask(session: Session, request: ChangesRequest): void };
  status(): NodeStatus;
  checkpoint(): void;
  checkpointMs(): number;
  stopRequested(): void;
  acceptClock(): string | null;
}

/** `node` is null until there is one. */
export function nodePort(world: NodeWorld, node: () => CommandedNode | null): NodePort {
  const { log } = world;
  return {
    info: (sections) => {
      const there = node();
      return there === null ? "" : infoText(there.status(), sections);
    },
    closeClient: (id) => node()?.clients.close(id),
    memory: () => world.memory(),
    checkpoint: () => node()?.checkpoint(),
    checkpointMs: () => node()?.checkpointMs() ?? 0,
    shutdown: () => node()?.stopRequested(),
    log: (level, text) => log[level === "warning" ? "warn" : "info"]({ from: "script" }, text),
    micros: () => world.monoMs() * 1000,
    secret: (bytes) => {
      const words = Array.from({ length: Math.ceil(bytes / 4) }, () => world.random());
      return Buffer.from(Uint32Array.from(words).buffer).subarray(0, bytes);
    },
    aclFile: world.aclFile ?? null,
    changes: (session, request) => node()?.changes.ask(session, request),
    clock: () => node()?.status().clock ?? null,
    acceptClock: () => node()?.acceptClock() ?? null,
    push: (id, bytes, seq) => node()?.clients.push(id, bytes, seq),
  };
}
