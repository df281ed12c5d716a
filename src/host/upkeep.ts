/**
 * Upkeep: looks for what is wrong without anybody having noticed: damage on the disk, members that differ, a log that has outgrown its
 * bounds.
 *
 * Invariant: members that started together look at different times, so that never all of them are busy with it.
 */
import type { Replica } from "../core/replica/replica.ts";
import type { Config } from "./config.ts";
import { outgrown } from "./log-size.ts";
import type { NodeWorld } from "./node-world.ts";
import { Scrubber } from "./scrubber.ts";
import type { NodeStatus } from "./status.ts";
import type { Mending } from "./verification.ts";

export interface UpkeepHost {
  readonly replica: Replica;
  readonly config: Config;
  readonly world: NodeWorld;
  readonly stopping: () => boolean;
  /** Begins a comparison with all other members; false while one is under way. */
  verify(mending: Mending): boolean;
  /** Has a checkpoint written of what there is now. */
  checkpoint(): void;
}

export class Upkeep {
  readonly #host: UpkeepHost;
  readonly #scrubber: Scrubber;
  #verifyDueMs: number;
  #outgrown = false;

  constructor(host: UpkeepHost) {
    this.#host = host;
    const { config, world } = host;
    const chance = (): number => world.random() / 2 ** 32;
    this.#scrubber = new Scrubber(
      { storage: world.storage, onDamage: (error) => this.#onRot(error) },
      config.scrub.everyMs,
      chance(),
      world.monoMs(),
    );
    this.#verifyDueMs = world.monoMs() + config.verify.everyMs * chance();
  }

  scrubStatus(): NodeStatus["scrub"] {
    return this.#scrubber.status(this.#host.world.monoMs());
  }

  /** Warns, once for each time, when the log has outgrown its bounds. */
  judgeLog(): void {
    const { config, replica, world } = this.#host;
    const { begin, end } = world.storage.log;
    const away = replica.members.names.filter(
      (member) => member !== config.member && replica.exchange.lagOf(member)?.records !== 0,
    );
    const warning = outgrown(end - begin, config.log.maxBytes, away);
    if (warning !== null && !this.#outgrown) world.log.warn({}, warning);
    this.#outgrown = warning !== null;
  }

  /** Looks at a piece of what is stored, and begins a comparison when one is due. */
  step(): void {
    const { monoMs, log } = this.#host.world;
    const { verify } = this.#host.config;
    this.#scrubber.step(monoMs()).catch((error: unknown) => {
      if (!this.#host.stopping()) log.error({ error }, "what was stored could not be read again");
    });
    if (verify.everyMs === 0 || monoMs() < this.#verifyDueMs) return;
    if (!this.#host.verify(verify.mend)) return;
    this.#verifyDueMs = monoMs() + verify.everyMs;
  }

  /** Stored bytes are damaged. What they held is in memory: with a checkpoint behind them no restart needs them. */
  #onRot(error: Error): void {
    this.#host.world.log.error(
      { error },
      "stored bytes are damaged: a new checkpoint is taken, so that no restart relies on them; look after the disk",
    );
    this.#host.checkpoint();
  }
}
