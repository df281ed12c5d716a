/**
 * ClientMemory: what all clients together hold, so that the largest go when it is more than `maxmemory-clients`.
 *
 * Invariant: the sum is that of what each client was last seen to hold, and costs one addition to keep. What a client's network has
 * taken meanwhile may be missing from it, so everybody is counted anew before anybody is named.
 */
import { bytesOf, clientsMaxBytes, clientsToEvict } from "../core/commands/client-limits.ts";
import type { Session } from "../core/commands/session.ts";
import type { Settings } from "../core/commands/settings.ts";

const NOBODY: readonly Session[] = [];

export class ClientMemory {
  readonly #settings: Settings;
  readonly #sessions: ReadonlyMap<number, Session>;
  #sum = 0;

  constructor(settings: Settings, sessions: ReadonlyMap<number, Session>) {
    this.#settings = settings;
    this.#sessions = sessions;
  }

  /** A client may hold more than before: who must go now. */
  changed(session: Session): readonly Session[] {
    if (this.#settings.maxMemoryClients === 0) return NOBODY;
    const maxBytes = clientsMaxBytes(this.#settings);
    this.#note(session);
    return maxBytes > 0 && this.#sum > maxBytes ? this.excess() : NOBODY;
  }

  /** A client has gone. */
  left(session: Session): void {
    this.#sum -= session.notedBytes;
    session.notedBytes = 0;
  }

  /** Counts everybody: who must go now. */
  excess(): readonly Session[] {
    const maxBytes = clientsMaxBytes(this.#settings);
    if (maxBytes === 0) return NOBODY;
    for (const session of this.#sessions.values()) this.#note(session);
    return clientsToEvict(this.#sessions.values(), maxBytes);
  }

  #note(session: Session): void {
    const bytes = bytesOf(session);
    this.#sum += bytes - session.notedBytes;
    session.notedBytes = bytes;
  }
}
