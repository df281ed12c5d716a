/**
 * OwnerRegions: which region owns a key, and which replica of it, by rendezvous: the one whose hash of the key is highest.
 *
 * Invariant: every replica that knows the same members names the same owner, and a region that comes or goes moves only the keys
 * that it owns; a replica, only keys within its region. Keys with the same hash tag have one owner. So the hashes are not keyed by
 * chance, as those of tables are. The function never changes.
 */
import { regionOf } from "../replica/levels.ts";
import { Hasher } from "./hasher.ts";
import { tagOf } from "./slot.ts";

interface Candidate {
  readonly name: string;
  readonly hasher: Hasher;
}

export class OwnerRegions {
  readonly #me: string;
  readonly #regions: readonly Candidate[];
  /** Region → its replicas. */
  readonly #replicas = new Map<string, readonly Candidate[]>();

  /** `members` are the names of all replicas, such as `us-east/1`; `me` is this one. */
  constructor(members: readonly string[], me: string) {
    this.#me = me;
    const all = [...new Set([...members, me])];
    this.#regions = candidatesOf(new Set(all.map(regionOf)));
    for (const { name } of this.#regions)
      this.#replicas.set(name, candidatesOf(all.filter((member) => regionOf(member) === name)));
  }

  /** The names of all regions. */
  get regions(): readonly string[] {
    return this.#regions.map(({ name }) => name);
  }

  /** The region that owns the key `bytes[start … end)` of database `db`. */
  of(db: number, bytes: Uint8Array, start: number, end: number): string {
    const [from, to] = tagOf(bytes, start, end);
    return highest(this.#regions, db, bytes, from, to);
  }

  /** The replica that owns the key. */
  memberOf(db: number, bytes: Uint8Array, start: number, end: number): string {
    return this.memberIn(this.of(db, bytes, start, end), db, bytes, start, end) as string;
  }

  /** The replica of a region that owns the key among those of the region; null when there is no such region. */
  memberIn(
    region: string,
    db: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): string | null {
    const near = this.#replicas.get(region);
    if (near === undefined) return null;
    const [from, to] = tagOf(bytes, start, end);
    return near.length === 1 ? (near[0] as Candidate).name : highest(near, db, bytes, from, to);
  }

  /** Whether this replica owns the key. */
  isMine(db: number, bytes: Uint8Array, start: number, end: number): boolean {
    return this.memberOf(db, bytes, start, end) === this.#me;
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
