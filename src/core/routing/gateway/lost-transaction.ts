/**
 * LostTransaction: what a client hears whose transaction died with its region.
 *
 *     WATCH k │ lost │ … MULTI ─► OK · SET … ─► QUEUED · EXEC ─► null, as if k had changed
 *     MULTI · SET … ─► QUEUED │ lost │ SET … ─► QUEUED · EXEC ─► EXECABORT
 *
 * Invariant: nothing of a transaction runs at another region than the one where it began, and nothing of it runs alone.
 */
import { KIND, type Kind } from "./command-kind.ts";

const OK = Buffer.from("+OK\r\n");
const QUEUED = Buffer.from("+QUEUED\r\n");
const NULL: Readonly<Record<2 | 3, Buffer>> = {
  2: Buffer.from("*-1\r\n"),
  3: Buffer.from("_\r\n"),
};

export class LostTransaction {
  /** Where the client stands: nothing of its is lost; it watched keys; it is between MULTI and EXEC. */
  #state: "none" | "watched" | "begun" = "none";
  #hasWatched = false;
  #region = "";

  /** What was watched, or begun, is lost. */
  lose(what: "watched" | "begun", region: string): void {
    this.#region = region;
    this.#hasWatched = what === "watched";
    this.#state = what;
  }

  /** What the next command is answered because of it; null when it is for a region to answer. */
  answer(kind: Kind, protocol: 2 | 3): Buffer | null {
    if (this.#state === "none") return null;
    if (kind === KIND.reset || kind === KIND.quit) {
      this.#state = "none";
      return null;
    }
    if (this.#state === "watched") {
      if (kind === KIND.unwatch) this.#state = "none";
      if (kind !== KIND.multi) return null;
      this.#state = "begun";
      return OK;
    }
    if (kind !== KIND.exec && kind !== KIND.discard) return QUEUED;
    this.#state = "none";
    if (kind === KIND.discard) return OK;
    if (this.#hasWatched) return NULL[protocol];
    return Buffer.from(
      `-EXECABORT Transaction discarded because ${this.#region} was lost; nothing of it was done\r\n`,
    );
  }
}
