/**
 * Chain: which states of this directory follow from one another by the log alone.
 *
 *   state ─ log ─► state ─ log ─► state            one chain: a backup of the second needs only the log behind the first
 *                    └─ snapshot, or mended keys ─► state ─ log ─►            another chain: what came in is in no log
 *
 * Invariant: before a checkpoint is installed that shows what no block of the log holds, the chain is another on disk. So whoever
 * finds the chain of an earlier backup may go on from it.
 */
import { sha256 } from "../../core/bytes/sha256.ts";
import type { Replica } from "../../core/replica/replica.ts";
import type { Identity } from "../ports/storage.ts";

const NAME = "chain";

export interface ChainHost {
  readonly replica: Replica;
  readonly identity: Identity;
  /** 32 random bits. */
  random(): number;
}

export class Chain {
  readonly #host: ChainHost;
  /** How often the state had been changed past the log when the chain was last another. */
  #known: number;

  constructor(host: ChainHost) {
    this.#host = host;
    this.#known = host.replica.keyspace.changes.unlogged;
  }

  /** The present one, 32 hexadecimal digits. A copy of the directory, or an emptied log, is another one. */
  async id(): Promise<string> {
    const { identity } = this.#host;
    await this.settle();
    let saved = await identity.load(NAME);
    if (saved === null) {
      await this.renew();
      saved = await identity.load(NAME);
    }
    const fingerprint = Buffer.from(await identity.fingerprint());
    return sha256(Buffer.concat([saved ?? Buffer.alloc(0), fingerprint]))
      .subarray(0, 16)
      .toString("hex");
  }

  /** Is another one from now on, durably, if the state was changed past the log since the last time. */
  async settle(): Promise<void> {
    const { unlogged } = this.#host.replica.keyspace.changes;
    if (unlogged === this.#known) return;
    await this.renew();
    this.#known = unlogged;
  }

  /** Is another one from now on, durably. */
  async renew(): Promise<void> {
    const words = Uint32Array.from({ length: 4 }, () => this.#host.random());
    await this.#host.identity.save(NAME, Buffer.from(words.buffer));
  }
}
