/**
 * Electorate: the members that decide about strong keys, and which of them are enough.
 *
 * Invariant: any two quorums share a member. Members that know of different electorates do not count for one another, so that a list
 * that is being changed never makes two quorums that do not meet.
 */
import { Hasher } from "../keyspace/hasher.ts";
import { Quorums } from "../replica/levels.ts";

/** Not keyed, and never changed: every member has to come to the same. */
const DIGESTS = new Hasher(0, 0);

export class Electorate {
  /** In order: a member goes by its place. */
  readonly names: readonly string[];
  readonly me: number;
  /** 32 bits that tell lists of members apart. */
  readonly digest: number;
  readonly #quorums: Quorums;

  constructor(member: string, members: readonly string[]) {
    this.names = [...new Set([member, ...members])].toSorted();
    this.me = this.names.indexOf(member);
    const list = Buffer.from(this.names.join(" "), "latin1");
    this.digest = DIGESTS.hash(0, list, 0, list.length) >>> 0;
    this.#quorums = new Quorums(member, this.names);
  }

  get count(): number {
    return this.names.length;
  }

  /** Whether the members for which `has` holds are enough to decide: most regions, each by most of its members. */
  isQuorum(has: (member: number) => boolean): boolean {
    return this.#quorums.reached("GLOBAL_QUORUM", (name) => has(this.names.indexOf(name)));
  }

  /** Whether every quorum has one of the members for which `has` holds. */
  meetsAll(has: (member: number) => boolean): boolean {
    return !this.isQuorum((member) => !has(member));
  }

  /** Those for which `has` holds, in words. */
  describe(has: (member: number) => boolean): string {
    const found = this.names.filter((_, member) => has(member));
    return found.length === 0 ? "none" : found.join(", ");
  }
}
