/**
 * Rivals: whether another process lives under our name: a copy of our directory, or one that was thought dead.
 *
 * Whoever hears of a member's life that is not the one on its link tells it of the other. So each of two that live hears what the other
 * reports. An earlier life of ours leaves reports behind as well, but no more of them than there are members to keep one each;
 * only a process that lives writes new ones.
 *
 * Invariant: of two that live the younger stops, as both find for themselves; one that lives alone never finds another.
 */
import type { Report } from "./members.ts";

export class Rivals {
  /** Ours. */
  readonly life: number;
  /** How many members there are. */
  members: number;
  /** By life: the newest version that was heard, and how many there were, each newer than the one before. */
  readonly #heard = new Map<number, { version: number; count: number }>();
  /** It was found that one of them lives. */
  found = false;

  constructor(life: number, members: number) {
    this.life = life;
    this.members = members;
  }

  /** A report under our name. Says, once, that another process lives under it, and which of us is the younger. */
  heard({ life, version }: Report): "we are younger" | "it is younger" | null {
    if (life === this.life) return null;
    const heard = this.#heard.get(life) ?? { version: -1, count: 0 };
    this.#heard.set(life, heard);
    if (version <= heard.version) return null;
    heard.version = version;
    heard.count++;
    if (heard.count <= this.members || this.found) return null;
    this.found = true;
    return life < this.life ? "we are younger" : "it is younger";
  }
}
