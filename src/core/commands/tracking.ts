/**
 * Tracking: which client may have cached which key, and who is told when a key changes (CLIENT TRACKING).
 *
 *   a tracked client reads k ─► k → client ─► k changes, by whomever, or its deadline comes ─► one invalidation, k is forgotten
 *   a client tracks a prefix ─► every change below it ─► the keys of one turn in one invalidation
 *
 * Invariant: whatever a tracked client was shown of a key, it is told once that is no longer so: after a command here, a record of a
 * peer, an expiry, an eviction or a flush. It may be told without need: when the table is full, for instance. Keys are told apart
 * by their bytes alone, as in Redis, whatever their database.
 *
 * Nothing of this is called while nobody tracks.
 */
import { isInternal } from "../keyspace/keyspace.ts";
import { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { keyPositions } from "./key-positions.ts";
import { encoded } from "./pushes.ts";
import type { Run } from "./run.ts";
import type { Session } from "./session.ts";

/** How one client tracks. */
export interface Tracked {
  mode: "all" | "opt in" | "opt out" | "broadcast";
  /** Not told of what it changes itself. */
  noLoop: boolean;
  /** The client that is told in its place; 0 for none. */
  redirect: number;
  /** The client that should be told is gone. */
  broken: boolean;
  /** The next command is excepted from the mode (CLIENT CACHING). */
  caching: boolean;
  /** Broadcast: the beginnings of keys, one byte a character. */
  readonly prefixes: Set<string>;
}

/** The channel of invalidations for clients of RESP2. */
const CHANNEL = Buffer.from("__redis__:invalidate");
/** Deadlines are looked at so often. */
const DUE_STEP_MS = 100;
/** Keys forgotten at one time because the table is full. */
const EVICT_MAX = 100;

interface TrackedKey {
  /** Clients that may have it cached, by id. */
  readonly ids: Set<number>;
  /** The step of time in which its deadline comes; Infinity for never. */
  due: number;
}

interface Prefix {
  readonly sessions: Set<Session>;
  /** The keys that changed in this turn, each with whose command changed it last; null for a peer or the store itself. */
  readonly changed: Map<string, Session | null>;
}

/** One invalidation in both protocols, encoded when somebody needs it. */
interface Forms {
  readonly keys: readonly string[] | null;
  two: Buffer | null;
  three: Buffer | null;
}

export class Tracking {
  readonly #run: Run;
  readonly #keys = new Map<string, TrackedKey>();
  /** Where the search for the oldest key goes on. */
  #oldest = this.#keys.keys();
  readonly #prefixes = new Map<string, Prefix>();
  readonly #due = new Map<number, Set<string>>();
  #dueStep = 0;
  /** The script that runs has read a key. */
  #readInScript = false;
  readonly #place = new Place();
  /** Clients that track. */
  clients = 0;
  /** Pairs of a key and a client that may have it cached. */
  items = 0;
  /** Invalidations sent since the start. */
  sent = 0;

  constructor(run: Run) {
    this.#run = run;
  }

  get keyCount(): number {
    return this.#keys.size;
  }

  get prefixCount(): number {
    return this.#prefixes.size;
  }

  /** A client tracks from now on. What it tracked before in the same mode stays. */
  begin(session: Session, how: Omit<Tracked, "prefixes" | "broken" | "caching">): Tracked {
    if (session.tracking === null) {
      session.tracking = { ...how, broken: false, caching: false, prefixes: new Set() };
      this.clients++;
      this.#run.listen();
    } else Object.assign(session.tracking, how, { broken: false });
    return session.tracking;
  }

  /** Tells a client of every change below a prefix. */
  addPrefix(session: Session, tracked: Tracked, name: string): void {
    tracked.prefixes.add(name);
    const prefix = this.#prefixes.get(name);
    if (prefix !== undefined) prefix.sessions.add(session);
    else this.#prefixes.set(name, { sessions: new Set([session]), changed: new Map() });
  }

  /** A client tracks no more: it says so, or has gone. */
  end(session: Session): void {
    const { tracking } = session;
    if (tracking === null) return;
    session.tracking = null;
    for (const name of tracking.prefixes) {
      const prefix = this.#prefixes.get(name);
      prefix?.sessions.delete(session);
      if (prefix?.sessions.size === 0) this.#prefixes.delete(name);
    }
    if (--this.clients === 0) this.#forgetAll();
    this.#run.listen();
  }

  // ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A tracked client has read the keys of a command. */
  read(session: Session, tracked: Tracked, command: Command, args: Args): void {
    const { mode, caching } = tracked;
    if (mode === "broadcast" || caching !== (mode === "opt in")) return;
    // Of a script that reads, the keys that it was given count as read too, as in Redis; they come when it has ended.
    if (command.group !== "scripting") this.#readInScript = this.#run.scriptRun.running;
    else if (!this.#readInScript) return;
    else this.#readInScript = false;
    for (const i of keyPositions(command, args)) {
      const name = args.text(i);
      let key = this.#keys.get(name);
      if (key === undefined) this.#keys.set(name, (key = { ids: new Set(), due: Infinity }));
      if (!key.ids.has(session.id)) this.items++;
      key.ids.add(session.id);
      this.#noteDeadline(name, key, args, i);
    }
    this.#evict();
  }

  /** What expires must be told of when readers no longer see it, which is before it is removed. */
  #noteDeadline(name: string, key: TrackedKey, args: Args, i: number): void {
    const { keyspace, session, nowMs } = this.#run;
    if (keyspace.expirable === 0) return;
    const place = this.#place;
    keyspace.locate(place, session.db, args.bytes, args.start[i] as number, args.end[i] as number);
    place.look(keyspace, nowMs);
    const due = Math.ceil(place.deadline / DUE_STEP_MS);
    if (due >= key.due) return;
    this.#unplan(name, key);
    key.due = due;
    const names = this.#due.get(due);
    if (names !== undefined) names.add(name);
    else this.#due.set(due, new Set([name]));
  }

  #unplan(name: string, { due }: TrackedKey): void {
    if (due === Infinity) return;
    const names = this.#due.get(due);
    names?.delete(name);
    if (names?.size === 0) this.#due.delete(due);
  }

  /** A command has ended: what CLIENT CACHING said held for the one behind it, or for a whole transaction. */
  ended(session: Session, tracked: Tracked, name: string): void {
    if (session.queue === null && !name.startsWith("client|")) tracked.caching = false;
  }

  // ── changes ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A key has changed. */
  touch({ db, bytes, start, end }: Place): void {
    const { keyspace, executing, session } = this.#run;
    if (isInternal(db) || keyspace.flushing) return;
    const name = bytes.latin1Slice(start, end);
    const changer = executing ? session : null;
    for (const [prefix, { changed }] of this.#prefixes)
      if (name.startsWith(prefix)) changed.set(name, changer);
    this.#invalidate(name, changer);
  }

  /** A database was emptied: everybody forgets everything. */
  flushed(): void {
    const forms: Forms = { keys: null, two: null, three: null };
    for (const session of this.#run.sessions.values())
      if (session.tracking !== null) this.#tell(session, session.tracking, forms);
    for (const { changed } of this.#prefixes.values()) changed.clear();
    this.#forgetAll();
  }

  #invalidate(name: string, changer: Session | null): void {
    const key = this.#keys.get(name);
    if (key === undefined) return;
    this.#keys.delete(name);
    this.items -= key.ids.size;
    this.#unplan(name, key);
    const forms: Forms = { keys: [name], two: null, three: null };
    for (const id of key.ids) {
      const session = this.#run.sessions.get(id);
      const tracked = session?.tracking ?? null;
      if (session === undefined || tracked === null || tracked.mode === "broadcast") continue;
      if (!tracked.noLoop || session !== changer) this.#tell(session, tracked, forms);
    }
  }

  /** Forgets keys beyond `tracking-table-max-keys`, the oldest first, a few at a time. */
  #evict(): void {
    const max = this.#run.settings.trackingTableMaxKeys;
    if (max === 0) return;
    for (let left = EVICT_MAX; left > 0 && this.#keys.size > max; left--) {
      let oldest = this.#oldest.next();
      if (oldest.done === true) {
        this.#oldest = this.#keys.keys();
        oldest = this.#oldest.next();
      }
      if (oldest.done !== true) this.#invalidate(oldest.value, null);
    }
  }

  #forgetAll(): void {
    this.#keys.clear();
    this.#due.clear();
    this.#oldest = this.#keys.keys();
    this.items = 0;
  }

  /** Time has passed: tells of keys whose deadline has come. */
  tick(): void {
    if (this.clients === 0) return;
    this.#evict();
    const step = Math.floor(this.#run.nowMs / DUE_STEP_MS);
    // After a pause it is quicker to look at all there are than at each moment that has passed.
    if (step - this.#dueStep > this.#due.size) {
      for (const due of [...this.#due.keys()]) if (due <= step) this.#expire(due);
    } else for (let due = this.#dueStep + 1; due <= step; due++) this.#expire(due);
    this.#dueStep = step;
  }

  #expire(due: number): void {
    for (const name of [...(this.#due.get(due) ?? [])]) this.#invalidate(name, null);
  }

  /** A turn ends: tells those who track prefixes what has changed below them. */
  broadcast(): void {
    for (const { sessions, changed } of this.#prefixes.values()) {
      if (changed.size === 0) continue;
      const all: Forms = { keys: [...changed.keys()], two: null, three: null };
      for (const session of sessions) {
        const { tracking } = session;
        if (tracking === null) continue;
        if (!tracking.noLoop) this.#tell(session, tracking, all);
        else {
          const keys = [...changed].filter(([, by]) => by !== session).map(([name]) => name);
          if (keys.length > 0) this.#tell(session, tracking, { keys, two: null, three: null });
        }
      }
      changed.clear();
    }
  }

  #tell(session: Session, tracked: Tracked, forms: Forms): void {
    const { sessions, pushes } = this.#run;
    const { redirect } = tracked;
    const target = redirect === 0 ? session : sessions.get(redirect);
    if (target === undefined) {
      tracked.broken = true;
      if (session.resp === 3)
        pushes.post(
          session,
          encoded(3, (reply) => {
            reply.push(2);
            reply.text("tracking-redir-broken");
            reply.int(redirect);
          }),
        );
      return;
    }
    // Whoever was told is forgotten, so it is told even if the change is undone.
    // A client of RESP2 can be told only as a message, so only if it listens to those.
    if (target.resp === 3) pushes.post(target, (forms.three ??= inThree(forms.keys)), true);
    else if (redirect !== 0 && target.subscriptions > 0)
      pushes.post(target, (forms.two ??= inTwo(forms.keys)), true);
    else return;
    this.sent++;
  }
}

function inThree(keys: readonly string[] | null): Buffer {
  return encoded(3, (reply) => {
    reply.push(2);
    reply.text("invalidate");
    writeKeys(keys, reply);
  });
}

function inTwo(keys: readonly string[] | null): Buffer {
  return encoded(2, (reply) => {
    reply.array(3);
    reply.text("message");
    reply.buffer(CHANNEL);
    writeKeys(keys, reply);
  });
}

function writeKeys(keys: readonly string[] | null, reply: Reply): void {
  if (keys === null) return reply.nil();
  reply.array(keys.length);
  for (const key of keys) reply.text(key);
}
