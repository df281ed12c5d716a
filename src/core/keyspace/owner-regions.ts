/**
 * OwnerRegions: which region owns a key, by rendezvous: the one whose hash of the key is highest.
 *
 * Invariant: every replica that knows the same regions names the same owner, and a region that comes or goes moves only the keys
 * that it owns. So the hashes are not keyed by chance, as those of tables are. The function never changes.
 */
import { Hasher } from "./hasher.ts";

interface Candidate {
  readonly region: string;
  readonly hasher: Hasher;
}

export class OwnerRegions {
  readonly #mine: string;
  readonly #candidates: readonly Candidate[];

  /** `members` are the names of all replicas, such as `us-east/1`; `mine` is this replica's region. */
  constructor(members: readonly string[], mine: string) {
    const regions = new Set(members.map((member) => member.slice(0, member.lastIndexOf("/"))));
    regions.add(mine);
    this.#mine = mine;
    const name = new Hasher(0, 0);
    this.#candidates = [...regions].sort().map((region) => {
      const bytes = Buffer.from(region);
      return { region, hasher: new Hasher(name.hash(0, bytes, 0, bytes.length), 0) };
    });
  }

  /** The region that owns the key `bytes[start … end)` of database `db`. */
  of(db: number, bytes: Uint8Array, start: number, end: number): string {
    let owner = this.#mine;
    let highest = -1;
    for (const { region, hasher } of this.#candidates) {
      const hash = hasher.hash(db, bytes, start, end);
      if (hash <= highest) continue;
      highest = hash;
      owner = region;
    }
    return owner;
  }

  /** Whether this replica's region owns the key. */
  isMine(db: number, bytes: Uint8Array, start: number, end: number): boolean {
    return this.#candidates.length === 1 || this.of(db, bytes, start, end) === this.#mine;
  }
}
