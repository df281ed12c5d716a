/**
 * Rights: what commands on bounded counters ask of the replica about who else holds rights, and what becomes of those they need.
 */
import type { Origin } from "../clock/origins.ts";
import type { Lack } from "./command.ts";
import type { Called } from "./consistency.ts";
import type { Session } from "./session.ts";

/** Rights that a session's command waits for. */
export interface Asking {
  /** "runs": the command has what there was to be had. */
  state: "under way" | "answered" | "runs";
  /** Whether another region was asked, and how many replicas were. */
  isFar: boolean;
  tries: number;
  /** Until when it waits, by the monotonic clock. */
  readonly deadlineMs: number;
}

/** What this replica has counted of one counter since it started, in units of the counter, but for `asked`, `no_rights` and `bound_reached`. */
export interface Figures {
  /** Used without asking anybody, after asking within the region, and after asking another region. */
  used_at_once: number;
  used_after_region: number;
  used_after_wan: number;
  /** Questions to others; commands refused because rights could not be had in time, and because there is not so much anywhere. */
  asked: number;
  no_rights: number;
  bound_reached: number;
  /** Handed to others who asked, and of its own accord to those who use more. */
  given: number;
  moved: number;
}

export interface Rights {
  /** Whether a holder's rights can be had; those of an incarnation that is gone cannot be. */
  standingOf(origin: Origin): "here" | "up" | "away" | "lost";
  /** Why members do not agree now who belongs to them; null when they do. */
  unsettled(): string | null;
  /** Why the rights of a member are not to be had for others; null of one that was removed, of whom everything that counts is here. */
  keeps(member: string): string | null;
  /** Those with whom the rights of a new counter are shared: all that can be reached, but us. */
  partners(): Origin[];
  /** Whether a session's command may run now. False: it waits for rights (`session.asking`, then `session.pending`); ask again then. */
  admits(session: Session, called: Called): boolean;
  /** Rights are missing for a command that cannot wait: they are asked for, so that it may succeed when it is tried again. */
  want(lack: Lack): void;
  /** A session's command has used so much of a counter, or was refused. */
  used(session: Session, name: string, amount: number): void;
  refused(name: string, why: "no_rights" | "bound_reached"): void;
  figures(name: string): Readonly<Figures>;
}
