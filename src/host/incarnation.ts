/**
 * Incarnation: one life of a replica under its name: how it begins, becomes whole, is renewed, and ends when the name is another's.
 *
 *   begin ─► lacks something ─► whole: serves ─► a peer has records of ours that we lost ─► renewed: begin
 *                                    └─────────► another process lives under our name ────► fenced: stops
 *
 * Invariant: what a life lacks, and the name it goes on under, are on disk before anything is written in it.
 */
import { newIncarnation, originName } from "../core/clock/origins.ts";
import { Vector } from "../core/clock/vector.ts";
import type { Replica } from "../core/replica/replica.ts";
import type { Config } from "./config.ts";
import { saveOrigin } from "./identity.ts";
import {
  FENCED,
  type JoiningMark,
  markWaiting,
  saveMark,
  saveSnapshot,
  untilOf,
} from "./joining-mark.ts";
import type { NodeWorld } from "./node-world.ts";
import { isFull } from "./ports/storage.ts";
import type { RosterFile } from "./roster-file.ts";
import type { Standing } from "./standing.ts";

export interface IncarnationHost {
  readonly replica: Replica;
  readonly config: Config;
  readonly world: NodeWorld;
  readonly standing: Standing;
  readonly rosterFile: RosterFile;
  beginTurn(): void;
  turnEnded(): void;
  /** Ends the turn at once: what it made is appended. */
  flush(): void;
  /** Resolves when the log is durable up to there. */
  durable(position: number): Promise<void>;
  /** What clients wait for and watch belonged to the old incarnation. */
  restartClients(): void;
  /** It is whole: clients may come. */
  serve(): void;
  /** The node cannot go on. */
  fail(error: Error): void;
}

export class Incarnation {
  readonly #host: IncarnationHost;
  /** The checkpoint that was another member's snapshot, until what it shows is here; 0 for none. */
  #snapshot = 0;

  constructor(host: IncarnationHost) {
    this.#host = host;
  }

  /**
   * `shown` are records that the state shows in part; it is whole only when it has all of them. `isQuiet`: another may have the name.
   * `checkpoint`: the number of the one that was loaded.
   */
  begin(mark: JoiningMark, shown = new Vector(), isQuiet = false, checkpoint = 0): void {
    const { replica, config, world, standing } = this.#host;
    const { joining } = replica.exchange;
    const sinceMs = world.monoMs();
    const aloneAfterMs = mark.state === "waiting" && mark.alone ? config.join.waitMs : Infinity;
    const owed = untilOf(mark, replica.origins);
    if (owed !== null) shown.join(owed);
    if (owed !== null && checkpoint > 0) this.#snapshot = checkpoint;
    joining.begin(
      mark.state === "catching up"
        ? { state: "catching up", until: shown }
        : mark.state === "waiting"
          ? { state: "waiting", sinceMs, aloneAfterMs, until: owed === null ? null : shown }
          : { state: "whole" },
      isQuiet,
    );
    standing.refuseOrTake();
    if (joining.whole) this.#host.serve();
    else world.log.info({}, `this node serves nothing yet: ${standing.progress.text()}`);
  }

  /** Whether it is whole, or what it waits for, is another. */
  joiningChanged(): void {
    const { replica, world, standing } = this.#host;
    replica.exchange.standingChanged();
    const served = replica.run.loading === null;
    standing.refuseOrTake();
    if (!replica.exchange.joining.whole || served) return;
    world.log.info({}, "this node has everything it needs: it serves");
    this.#host.serve();
    this.#saveWhole().catch((error: unknown) => {
      // Without it the next start asks the others first, which costs a moment.
      if (isFull(error)) world.log.warn({ error }, "it could not be saved that this node is whole");
      else standing.diskFailed("failed", asError(error, "cannot save"));
    });
  }

  async #saveWhole(): Promise<void> {
    const { identity } = this.#host.world.storage;
    if (this.#snapshot > 0) await saveSnapshot(identity, this.#snapshot);
    await saveMark(identity, { state: "whole" });
  }

  /** Another process lives under our name, and it is not the one to stop: this one stops, and its directory is used by nobody any more. */
  async fence(): Promise<void> {
    const { config, world, standing } = this.#host;
    const why = `another process lives as ${config.member}`;
    standing.fenced(why);
    try {
      await saveMark(world.storage.identity, { state: "fenced" });
    } catch (error) {
      // The next start finds the other one again.
      world.log.error(
        { error },
        "it could not be saved that this directory is not to be used again",
      );
    }
    this.#host.fail(new Error(`${why}. ${FENCED}`));
  }

  /** A peer holds records of ours that we have lost: we go on under a new name, and get the old ones back from it. */
  async renew(): Promise<void> {
    const { replica, config, world, standing } = this.#host;
    if (standing.isRenewing) return;
    standing.renewing();
    try {
      const incarnation = newIncarnation(replica.nowMs, world.random() & 0xffff);
      const origin = { member: config.member, incarnation };
      const { owed } = replica.exchange.joining;
      const mark: JoiningMark =
        owed === null ? { state: "waiting", alone: false } : markWaiting(owed, replica.origins);
      await saveMark(world.storage.identity, mark);
      replica.roster.doubt();
      await this.#host.rosterFile.save(replica.roster.encode());
      await saveOrigin(world.storage.identity, origin, config.durability, false);
      this.#host.beginTurn();
      this.#host.flush();
      // Replies that are held belong to the old incarnation: they go out once what they show is durable, and no earlier.
      await this.#host.durable(replica.index.end);
      this.#host.beginTurn();
      replica.become(origin);
      this.#host.restartClients();
      this.begin(mark);
      world.log.warn(
        { origin: originName(origin) },
        "new incarnation: a peer holds records of this replica that its own log has lost",
      );
      this.#host.turnEnded();
    } catch (error) {
      this.#host.fail(asError(error, "cannot save the identity"));
    } finally {
      standing.renewed();
    }
  }
}

function asError(error: unknown, what: string): Error {
  return error instanceof Error ? error : new Error(what, { cause: error });
}
