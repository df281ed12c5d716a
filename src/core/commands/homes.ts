/**
 * Homes: which replica a command is for, where keys are written by an owner (`writes: home`) or taken from by one (`pop: owner`).
 *
 *   keys of the command ─► one owner: this replica ─► runs here
 *                                     another one  ─► forwarded, or refused where `forward: no` says so
 *                      ─► several owners            ─► AAMIXED
 *
 * Invariant: what an owner is to do is decided by its own view in the turn in which it does it: a command that has come to the wrong
 * place changes nothing. An owner gives keys away by a record, and whoever knows that record has everything the owner did before it,
 * so two replicas that own a key one after the other never both lack what the other did.
 */
import { type Keyspace as KeyspaceOfPrefix, needsLease } from "../crdt/policy.ts";
import { NONE } from "../crdt/key.ts";
import { HOMES_DB } from "../keyspace/keyspace.ts";
import type { OwnerRegions } from "../keyspace/owner-regions.ts";
import { Place } from "../keyspace/place.ts";
import { Entry } from "../keyspace/table.ts";
import type { Named, Wait } from "../replica/waits.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import { type CommandEntry, IMMEDIATE, SUBSCRIBER, WRITES } from "./command-table.ts";
import type { Called } from "./consistency.ts";
import { hasKeys, keyFlagsOf, keyPositions } from "./key-positions.ts";
import type { Run } from "./run.ts";
import type { Session } from "./session.ts";
import { leaveTransaction } from "./transactions.ts";

/** A command on its way to another replica and back. */
export interface Forwarded {
  readonly member: string;
  /** How often its keys had moved when it arrived. */
  readonly moves: number;
  state: "under way" | "answered" | "moved";
  /** With "answered": what goes to the client. */
  reply: Buffer;
  /** What the replica there had when it answered. */
  seen: readonly Named[];
}

/** What carries commands to other replicas. */
export interface Forwarding {
  /** `args` is what the client sent; the command it calls may stand behind other words. */
  begin(session: Session, member: string, called: Called, args: Args, moves: number): Forwarded;
  /** Other replicas forget what they know of a session: what it watches there, and what it waits for. */
  leave(session: Session): void;
}

/** Where a prefix was moved to, and the epoch in which it had been decided who writes its keys: a later one is not moved by that. */
interface Moved {
  readonly region: string;
  readonly fence: number;
}

const MIXED = "AAMIXED the keys belong to different replicas: ";
/** What a replica answers another one that takes it for the owner. */
const MISPLACED = "AAHOME this replica does not own the keys";
/** Keys that move more often while one command looks for them are not followed. */
const MOVES_MAX = 4;
/** How long a client waits for what its command did elsewhere to come here. */
export const COMES_WITHIN_MS = 2_000;

export class Homes {
  readonly #run: Run;
  /** Null while there are no other replicas. */
  owners: OwnerRegions | null = null;
  /** Prefix → where it was moved to. */
  readonly #moved = new Map<string, Moved>();
  /** Of what is known of moves; what a checkpoint brought is not counted. */
  #version = -1;
  readonly #place = new Place();
  /** Whether a replica can be reached, as far as is known; set by the replica. */
  isUp: (member: string) => boolean = () => true;
  me = "";
  forwarding: Forwarding | null = null;
  /** Why this replica may not do what it owns, or null; set by the replica. */
  lapse: (keyspace: KeyspaceOfPrefix) => string | null = () => null;
  /** Why this replica may not run the last command that was looked at, of keys that it owns. */
  #lapsed: string | null = null;
  /** Whether it rests on the lease of this replica. */
  #isLeased = false;
  /** The keyspace that the last command looked at belongs to, and why its keys have no single owner. */
  #keyspace: KeyspaceOfPrefix | null = null;
  #mixed = "";

  constructor(run: Run) {
    this.#run = run;
  }

  get regions(): readonly string[] {
    return this.owners?.regions ?? [];
  }

  /** The region that owns the keys of a keyspace; empty when each tag has an owner of its own. */
  regionOf({ name, home, fence }: Pick<KeyspaceOfPrefix, "name" | "home" | "fence">): string {
    if (home === "") return "";
    const { homesVersion } = this.#run.keyspace;
    if (homesVersion !== this.#version) this.#refresh(homesVersion);
    const moved = this.#moved.get(name);
    return moved?.fence === fence ? moved.region : home;
  }

  /** Takes over where prefixes have been moved to. */
  #refresh(version: number): void {
    this.#version = version;
    this.#moved.clear();
    const { homes } = this.#run.keyspace;
    const entry = new Entry();
    const names: string[] = [];
    homes.each((at) => {
      homes.load(at, entry);
      names.push(entry.bytes.latin1Slice(entry.nameStart, entry.nameEnd));
    });
    for (const name of names) {
      const place = this.#locate(name);
      if (place.type === NONE) continue;
      const text = place.value.latin1Slice(place.valueStart, place.valueEnd);
      const [region, fence] = text.split(" ") as [string, string?];
      this.#moved.set(name, { region, fence: Number(fence ?? 0) });
    }
  }

  #locate(prefix: string): Place {
    const place = this.#place;
    const { keyspace, nowMs } = this.#run;
    const bytes = Buffer.from(prefix, "latin1");
    keyspace.locate(place, HOMES_DB, bytes, 0, bytes.length);
    place.look(keyspace, nowMs);
    return place;
  }

  /** Whether the owner of a keyspace has done something, or given it away, since it was decided who that is. */
  hasBegun({ name, fence }: Pick<KeyspaceOfPrefix, "name" | "fence">): boolean {
    const { homesVersion } = this.#run.keyspace;
    if (homesVersion !== this.#version) this.#refresh(homesVersion);
    return this.#moved.get(name)?.fence === fence;
  }

  /** The replica that owns a prefix, or would if its home were `region`; null when there is no such region. */
  ownerIn(region: string, prefix: string): string | null {
    const bytes = Buffer.from(prefix, "latin1");
    return this.owners?.memberIn(region, 0, bytes, 0, bytes.length) ?? null;
  }

  /** Gives the keys of a prefix to another region: from the record on that says so, this replica does nothing more to them. */
  move(prefix: string, region: string, fence: number): void {
    // A fence there can only be where every member knows of them.
    const value = Buffer.from(fence === 0 ? region : `${region} ${fence}`, "latin1");
    this.#run.write.set(this.#locate(prefix), Infinity, value, 0, value.length);
  }

  /** The replica that owns a key, whatever its keyspace says. */
  ownerOfKey(db: number, key: Buffer): string {
    const keyspace = this.#run.keyspace.policies.find(key, 0, key.length);
    return this.#ownerOf(keyspace, db, key, 0, key.length);
  }

  #ownerOf(
    keyspace: KeyspaceOfPrefix | null,
    db: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): string {
    const { owners } = this;
    if (owners === null) return this.me;
    if (keyspace === null) return owners.memberOf(db, bytes, start, end);
    const { prefix } = keyspace;
    const region = this.regionOf(keyspace);
    // All keys of one prefix have one owner then, so that scripts and transactions may use any of them together.
    const member = region === "" ? null : owners.memberIn(region, 0, prefix, 0, prefix.length);
    return member ?? owners.memberOf(db, bytes, start, end);
  }

  /** Whether a change that a peer made wakes those who would take something here. */
  wakesAt(bytes: Uint8Array, start: number, end: number, db: number): boolean {
    if (this.owners === null) return true;
    const { policies } = this.#run.keyspace;
    const keyspace = policies.haveOwners ? policies.find(bytes, start, end) : null;
    return this.#ownerOf(keyspace, db, bytes, start, end) === this.me;
  }

  /** The replica that a command, or the transaction that it ends, is for; null when any will do, "" when there are several. */
  #ownerOfAll({ queue, db }: Session, { entry, args }: Called): string | null {
    this.#keyspace = null;
    this.#lapsed = null;
    this.#isLeased = false;
    if (queue === null) return this.#also(null, db, entry, args);
    let owner: string | null = null;
    for (const queued of queue) {
      owner = this.#also(owner, db, queued.entry, queued.args);
      if (owner === "") break;
    }
    return owner;
  }

  #also(
    before: string | null,
    db: number,
    { bits, command }: CommandEntry,
    args: Args,
  ): string | null {
    const { policies } = this.#run.keyspace;
    const writes = (bits & WRITES) !== 0 || command.goesHome === true;
    if (!writes || !hasKeys(command)) return before;
    let owner = before;
    let index = 0;
    const { byOwner = false } = command;
    for (const i of keyPositions(command, args)) {
      const isFirst = index++ === 0;
      const [start, end] = [args.start[i] as number, args.end[i] as number];
      const keyspace = policies.find(args.bytes, start, end);
      if (keyspace === null && !byOwner) continue;
      const { takes, goesHome } = command;
      const isWritten = goesHome === true || !keyFlagsOf(command, index - 1).includes("RO");
      const isTaken = goesHome === true || takes === "all" || (takes === "first" && isFirst);
      const counts =
        byOwner ||
        (isWritten && keyspace?.writes === "home") ||
        (isTaken && keyspace?.pop === "owner");
      if (!counts) continue;
      const its = this.#ownerOf(keyspace, db, args.bytes, start, end);
      if (owner !== null && owner !== its) {
        this.#mixed = `${owner} and ${its}; keys with the same {tag}, or of a keyspace with one home, have one owner`;
        return "";
      }
      owner = its;
      this.#keyspace = keyspace;
      if (its !== this.me || keyspace === null || !needsLease(keyspace)) continue;
      this.#isLeased = true;
      this.#lapsed ??= this.lapse(keyspace);
    }
    return owner;
  }

  /** Why a command of a script may not run here, or null. */
  objection(entry: CommandEntry, args: Args): string | null {
    this.#lapsed = null;
    this.#isLeased = false;
    const { session } = this.#run;
    const owner = this.#also(null, session.db, entry, args);
    if (this.#isLeased) session.restsOnLease = true;
    if (owner === null || owner === this.me) return this.#lapsed;
    if (owner === "") return MIXED + this.#mixed;
    return `AAMIXED the script runs at ${this.me}, and ${owner} owns a key that it was not given as one`;
  }

  /** Whether this replica may take from a key. */
  mayTake(db: number, key: Buffer): boolean {
    const keyspace = this.#run.keyspace.policies.find(key, 0, key.length);
    if (keyspace?.frozen === true) return false;
    if (keyspace !== null && needsLease(keyspace) && this.lapse(keyspace) !== null) return false;
    if (keyspace === null || (keyspace.writes !== "home" && keyspace.pop !== "owner")) return true;
    return this.#ownerOf(keyspace, db, key, 0, key.length) === this.me;
  }

  /**
   * Where the client's next command is decided: "here", by running it; "over there", and the answer (`session.forwarded`) or an
   * objection is at hand; "not yet": ask again when `session.forwarded` is over and `session.pending` has ended.
   */
  place(session: Session, called: Called, args: Args): "here" | "over there" | "not yet" {
    const { forwarded } = session;
    if (forwarded?.state === "under way" || session.pending?.outcome === null) return "not yet";
    if (forwarded !== null) {
      this.#arrived(session, session.pending, forwarded);
      if (forwarded.state === "answered") return "over there";
      session.forwarded = null;
    }
    const { entry } = called;
    if (!this.#isAbout(session, called)) return "here";
    const owner = this.#meeting(session, called);
    if (owner === this.me && this.#lapsed !== null) {
      session.objection = this.#lapsed;
      return "over there";
    }
    if (owner === null || owner === this.me) {
      session.restsOnLease = this.#isLeased;
      return "here";
    }
    if (owner === "") session.objection = MIXED + this.#mixed;
    else if (session.peer !== null) {
      session.isMisplaced = true;
      session.objection = MISPLACED;
    } else {
      // What is refused anyway is refused by the one who was asked.
      if (this.#isRefused(session, called)) return "here";
      const why = this.#against(owner, forwarded?.moves ?? 0);
      if (why === null) {
        const moves = (forwarded?.moves ?? -1) + 1;
        session.forwarded = this.forwarding?.begin(session, owner, called, args, moves) ?? null;
        if (session.forwarded?.state === "under way") return "not yet";
        if (session.forwarded !== null) return "over there";
      }
      session.objection = why;
    }
    session.lastCommand = entry.name;
    return "over there";
  }

  /** Whether owners decide about this command: not about what is only queued. */
  #isAbout(session: Session, { entry, args }: Called): boolean {
    if (!entry.takes(args.count)) return false;
    if (!session.authenticated && !this.#run.users.isOpen) return false;
    if (session.queue === null) return true;
    return (entry.bits & IMMEDIATE) !== 0 && entry.command.name === "exec";
  }

  /** The owner, and of a transaction that watches something the replica where it does. */
  #meeting(session: Session, called: Called): string | null {
    const owner = this.#ownerOfAll(session, called);
    const { queue, watchedAt, watched } = session;
    if (queue === null || owner === "") return owner;
    if (watchedAt === null) {
      if (watched === null || owner === null || owner === this.me) return owner;
      this.#mixed = `${this.me}, where keys are watched, and ${owner}`;
      return "";
    }
    if (owner === null || owner === watchedAt) return watchedAt;
    this.#mixed = `${watchedAt}, where keys are watched, and ${owner}`;
    return "";
  }

  #isRefused(session: Session, { entry, args }: Called): boolean {
    const run = this.#run;
    if (run.loading !== null || session.queueFailed || session.dirty) return true;
    if (session.subscriptions > 0 && session.resp === 2 && (entry.bits & SUBSCRIBER) === 0)
      return true;
    return run.users.of(session).isLimited && run.users.denial(run, entry, args, null) !== null;
  }

  #against(owner: string, moves: number): string | null {
    const { name, forward } = this.#keyspace ?? { name: "", forward: "yes" };
    if (forward === "no")
      return `AAHOME keys with the prefix ${JSON.stringify(name)} are written at ${owner}, and nothing is forwarded there; nothing was done`;
    if (moves > MOVES_MAX) return "AAHOME the keys are being moved; nothing was done";
    return null;
  }

  /** What was done elsewhere is here, or did not come in time: then the session waits for it. */
  #arrived(session: Session, pending: Wait | null, { seen }: Forwarded): void {
    session.pending = null;
    if (pending?.outcome !== "late") return;
    const before = session.behind?.seen ?? [];
    session.behind = { seen: [...before, ...seen], timeoutMs: COMES_WITHIN_MS };
  }

  /** Writes the answer that has come from elsewhere. */
  answer(session: Session, forwarded: Forwarded, entry: CommandEntry | null, reply: Reply): void {
    const { member } = forwarded;
    session.forwarded = null;
    session.lastCommand = entry?.name ?? "";
    session.lastCommandMs = this.#run.wallMs;
    if (session.queue !== null) {
      // The owner has forgotten it already.
      session.watchedAt = null;
      leaveTransaction(this.#run, session);
    } else if (entry?.command.name === "watch" && forwarded.reply[0] === OK)
      session.watchedAt = member;
    reply.sink.raw(forwarded.reply, 0, forwarded.reply.length);
  }
}

const OK = 43;
