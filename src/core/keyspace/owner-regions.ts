/**
 * OwnerRegions: which region owns a key, and which replica of it, by rendezvous: the one whose hash of the key is highest.
 *
 * Invariant: every replica that knows the same members names the same owner, and a region that comes or goes moves only the keys
 * that it owns; a replica, only keys within its region. So the hashes are not keyed by chance, as those of tables are. The function
 * never changes.
 */
import { regionOf } from "../replica/levels.ts";
import { Hasher } from "./hasher.ts";

interface Candidate {
  readonly name: string;
  readonly hasher: Hasher;
}

export class OwnerRegions {
  readonly #me: string;
  readonly #region: string;
  readonly #regions: readonly Candidate[];
  /** The replicas of our region. */
  readonly #near: readonly Candidate[];

  /** `members` are the names of all replicas, such as `us-east/1`; `me` is this one. */
  constructor(members: readonly string[], me: string) {
    this.#me = me;
    this.#region = regionOf(me);
    const all = new Set([...members, me]);
    this.#regions = candidatesOf(new Set([...all].map(regionOf)));
    this.#near = candidatesOf([...all].filter((member) => regionOf(member) === this.#region));
  }

  /** The region that owns the key `bytes[start … end)` of database `db`. */
  of(db: number, bytes: Uint8Array, start: number, end: number): string {
    return highest(this.#regions, db, bytes, start, end);
  }

  /** Whether this replica owns the key. */
  isMine(db: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#regions.length > 1 && this.of(db, bytes, start, end) !== this.#region) return false;
    return this.#near.length === 1 || highest(this.#near, db, bytes, start, end) === this.#me;
  }
}

function candidatesOf(names: Iterable<string>): Candidate[] {
  const hasher = new Hasher(0, 0);
  return [...names].sort().map((name) => {
    const bytes = Buffer.from(name);
    return { name, hasher: new Hasher(hasher.hash(0, bytes, 0, bytes.length), 0) };
  });
}

function highest(
  candidates: readonly Candidate[],
  db: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): string {
  let owner = "";
  let best = -1;
  for (const { name, hasher } of candidates) {
    const hash = hasher.hash(db, bytes, start, end);
    if (hash <= best) continue;
    best = hash;
    owner = name;
  }
  return owner;
}
