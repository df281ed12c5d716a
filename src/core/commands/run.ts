/**
 * Run: everything a command may use while it runs.
 *
 * Invariant: a handler decides on what it has looked at, and refuses before it writes: once it calls `write`, it goes through to
 * the end. So a command is all or nothing without an undo log. It neither waits nor allocates more than its answer needs.
 *
 *   const place = run.look(args, 1);            what the reader sees of the key in argument 1
 *   if (place.type !== STRING) return …         refuse: the reply is the answer
 *   run.write.set(place, Infinity, …);          then write
 */
import type { Keyspace } from "../keyspace/keyspace.ts";
import { NONE } from "../crdt/key.ts";
import { Place } from "../keyspace/place.ts";
import { ConflictFeed } from "../replica/conflict-feed.ts";
import { usedAccess } from "../keyspace/access.ts";
import { Eviction } from "../replica/eviction.ts";
import type { Wait, Waits } from "../replica/waits.ts";
import type { Writer } from "../replica/writer.ts";
import type { Args } from "../wire/args.ts";
import { AclUsers } from "./acl-users.ts";
import { Blocking } from "./blocking.ts";
import type { ChangesRequest } from "./changes.ts";
import type { ClockFacts } from "./clock.ts";
import { CommandStats } from "./command-stats.ts";
import { Homes } from "./homes.ts";
import { Ids } from "./ids.ts";
import { keyName } from "../keyspace/key-name.ts";
import { KeyspaceEvents } from "./keyspace-events.ts";
import { LatencyMonitor } from "./latency-monitor.ts";
import { Once } from "./once.ts";
import { Pushes } from "./pushes.ts";
import { Stopwatch } from "./stopwatch.ts";
import type { StrongCalls } from "./strong-calls.ts";
import type { ScriptEngine } from "./script-engine.ts";
import { Libraries } from "./libraries.ts";
import type { Rights } from "./rights.ts";
import { ScriptRun } from "./script-run.ts";
import { Scripts } from "./scripts.ts";
import { SlowLog } from "./slow-log.ts";
import { Subscriptions } from "./subscriptions.ts";
import { eventClass } from "./event-classes.ts";
import { Tracking } from "./tracking.ts";
import type { Agreeing } from "./keyspaces.ts";
import type { Session } from "./session.ts";
import type { Settings } from "./settings.ts";

/** A file of users, of one byte a character. */
export interface AclFile {
  read(): { readonly text: string } | { readonly problem: string };
  /** Replaces it as a whole; returns what stood against it, or null. */
  write(text: string): string | null;
}

/** What commands ask of the node around the core. */
export interface NodePort {
  /** The text of INFO for the sections named ("default", "all", "everything" or sections in lower case). */
  info(sections: readonly string[], nowMs: number): string;
  /** Closes a client's connection. */
  closeClient(id: number): void;
  /** What the process takes, for MEMORY: all of it, and its JavaScript heap. */
  memory(): { readonly rssBytes: number; readonly heapBytes: number };
  /** Has a checkpoint written of what there is now. */
  checkpoint(): void;
  /** When the newest checkpoint was written, in milliseconds since 1970; the node's start while there is none (LASTSAVE). */
  checkpointMs(): number;
  /** Stops the node: what was answered is stored, connections are closed (SHUTDOWN). */
  shutdown(): void;
  /** Bytes that nobody can guess. */
  secret(bytes: number): Buffer;
  /** Where users are kept; null when nowhere. */
  readonly aclFile: AclFile | null;
  /** Writes a text of one byte a character to the log. */
  log(level: "notice" | "warning", text: string): void;
  /** A stopwatch in microseconds. What it measures is told, and decides nothing. */
  micros(): number;
  /**
   * Sends a client something it did not ask for just now, behind all of its replies and once our records up to `seq` are durable
   * (Infinity: all there are). The bytes never change again, so they may be kept.
   */
  push(clientId: number, bytes: Buffer, seq: number): void;
  /** Reads changes from the log; the session, which waits (`deciding`), is answered then. */
  changes(session: Session, request: ChangesRequest): void;
  /** What is known of its clock; null while it starts. */
  clock(): ClockFacts | null;
  /** An operator says that its clock is right. Returns why that changes nothing, or null. */
  acceptClock(): string | null;
}

const MISSES = eventClass("m");

export class Run {
  readonly keyspace: Keyspace;
  readonly write: Writer;
  readonly settings: Settings;
  readonly node: NodePort;
  /** What was lost against concurrent writes. */
  readonly conflicts: ConflictFeed;
  /** Every client, by id. */
  readonly sessions = new Map<number, Session>();
  readonly users: AclUsers;
  /** Who watches a key: the name as `keyName` gives it. */
  readonly watchers = new Map<string, Set<Session>>();
  readonly #watched = new Place();
  /** Physical time of this turn in milliseconds since 1970, as clients are told it (TIME). */
  wallMs = 0;
  /** The time by which expiry is judged: never behind a stamp seen. */
  nowMs = 0;
  /** The monotonic clock of this turn: how long a client waits is counted by it. */
  monoMs = 0;
  session!: Session;
  readonly stats = new CommandStats();
  readonly eviction: Eviction;
  /** Whether what is looked at counts as used: while a command runs that uses keys, for a client that counts. */
  touching = false;
  readonly slowLog = new SlowLog();
  readonly latency = new LatencyMonitor();
  /** Clients that are told every command (MONITOR). */
  readonly monitors = new Set<Session>();
  readonly pushes = new Pushes();
  readonly subscriptions = new Subscriptions(this.pushes);
  readonly events: KeyspaceEvents;
  readonly tracking: Tracking;
  readonly stopwatch: Stopwatch;
  /** How long the client of this command is made to wait beside it (DEBUG SLEEP): that counts as its time. */
  waitedMicros = 0;
  /** Why no command may write now, as an error with its code (a full disk, a node that joins); null when all may. */
  refuseWrites: string | null = null;
  /** Why nothing that needs data is answered, as an error with its code; null when everything is. */
  loading: string | null = null;
  /** CLIENT PAUSE: clients wait until then (by `wallMs`). The host keeps to it by asking `heldUntilMs`. */
  pausedUntilMs = 0;
  /** Which commands wait: all, or those that may write. */
  paused: "all" | "write" = "all";
  /** Whether this node removes expired keys for good (DEBUG SET-ACTIVE-EXPIRE). Readers never see them either way. */
  sweeps = true;
  /** Whether scripts may call DEBUG PROTOCOL (DEBUG SET-DISABLE-DENY-SCRIPTS). */
  scriptsMayProbe = false;
  /** Whether a command of `session` is running: what changes then, it has changed. */
  executing = false;
  /** Whether EXEC is running its queue. */
  inTransaction = false;
  /** Whether what is looked at counts as a hit or a miss: while a command that only reads runs. */
  counting = false;
  /** Lookups of readers that found a key, or did not (INFO, metrics). */
  hits = 0;
  misses = 0;
  /** The newest of our records in any slot read since the host last reset it: the reply waits until that is durable. */
  holdSeq = 0;
  /** Everything stamped up to this time has arrived, from every member: what readers of stable streams see. */
  watermarkMs: () => number = () => this.nowMs;
  /** Which of the members this is, and how many there are: regions number the entries of streams apart by it. */
  memberIndex = 0;
  memberCount = 1;
  /** The member of an index; null where there never was one. */
  memberAt: (index: number) => string | null = () => null;
  /** What runs scripts; null where none does. */
  scriptEngine: ScriptEngine | null = null;
  /** The scripts that clients may call by their digest. */
  readonly scripts = new Scripts();
  /** The functions that every region has. */
  readonly libraries: Libraries;
  readonly ids: Ids;
  readonly once: Once;
  readonly scriptRun: ScriptRun;
  /** What takes commands on strong keys; null where there can be none. */
  strong: StrongCalls | null = null;
  /** What has all members agree on keyspaces; null where nothing does. */
  register: Agreeing | null = null;
  /** The version of the strong key on whose value a command runs; null where it runs on data. */
  strongVersion: number | null = null;
  /** Clients whose command waits for a key. */
  readonly blocking: Blocking;
  /** Which commands are for other replicas. */
  readonly homes: Homes;
  /** Who holds rights of bounded counters; null while there are no other replicas. */
  rights: Rights | null = null;
  /** Whether every member reads what came with a version of the formats, so that it may be written; set by the replica. */
  allRead: (version: number) => boolean = () => true;
  /** What clients wait for of other members; set by the replica. */
  waits!: Waits;
  /** The reply of the command that runs waits for this; null for nothing beside its own record. */
  replyWait: Wait | null = null;
  /** 16 bytes that all members share and nobody else knows: the mark of tokens. */
  tokenKey: Buffer = Buffer.alloc(16);
  readonly #places: Place[] = [];
  #chance: number;

  constructor(
    keyspace: Keyspace,
    write: Writer,
    settings: Settings,
    node: NodePort,
    chance: number,
  ) {
    this.keyspace = keyspace;
    this.write = write;
    this.settings = settings;
    this.users = new AclUsers(settings);
    this.node = node;
    this.conflicts = new ConflictFeed(keyspace, write);
    this.stopwatch = new Stopwatch(this.stats, () => node.micros());
    this.#chance = chance | 1;
    this.blocking = new Blocking(this);
    this.homes = new Homes(this);
    this.events = new KeyspaceEvents(this);
    this.tracking = new Tracking(this);
    this.scriptRun = new ScriptRun(this);
    this.libraries = new Libraries(this);
    this.ids = new Ids(this);
    this.once = new Once(this);
    for (let i = 0; i < 4; i++) this.#places.push(new Place());
    this.eviction = new Eviction(keyspace, write, settings, () => this.chance());
    this.eviction.onEvicted = (place) => this.events.removed("eevicted", place);
    this.listen();
  }

  /** A place for the `n`-th key a command holds at the same time. */
  place(n: number): Place {
    while (n >= this.#places.length) this.#places.push(new Place());
    return this.#places[n] as Place;
  }

  /** Looks at the key in argument `i` of the session's database, in the `n`-th place. */
  look(args: Args, i: number, n = 0): Place {
    return this.lookAt(
      this.session.db,
      args.bytes,
      args.start[i] as number,
      args.end[i] as number,
      n,
    );
  }

  /** Looks at any key; its bytes must stay as they are while the place is used. */
  lookAt(db: number, bytes: Buffer, start: number, end: number, n = 0): Place {
    const place = this.#places[n] ?? this.place(n);
    this.keyspace.locate(place, db, bytes, start, end);
    place.look(this.keyspace, this.nowMs);
    if (this.counting) {
      if (place.type === NONE) this.#missed(place);
      else this.hits++;
    }
    if (this.touching && place.at >= 0) this.#touch(place);
    const seq = this.write.slotSeqs[place.slot] as number;
    if (seq > this.holdSeq) this.holdSeq = seq;
    return place;
  }

  #missed(place: Place): void {
    this.misses++;
    if ((this.settings.notifyEvents & MISSES) !== 0) this.events.miss(place);
  }

  #touch({ table, at }: Place): void {
    const { accessSeconds } = this.keyspace;
    table.setAccess(
      at,
      usedAccess(table.accessAt(at), accessSeconds, this.settings, this.chance()),
    );
  }

  /** Looks again at what a write has changed. */
  lookAgain(place: Place): void {
    this.keyspace.locate(place, place.db, place.bytes, place.start, place.end);
    place.look(this.keyspace, this.nowMs);
  }

  /** Sends a message to whoever listens to a channel; neither buffer is kept. Returns how many receivers there are here. */
  publish(channel: Buffer, message: Buffer): number {
    if (this.keyspace.policies.isGlobal(channel))
      this.pushes.postAbroad(Buffer.from(channel), Buffer.from(message));
    return this.subscriptions.publish(channel, message);
  }

  /** Hears of changed keys as long as somebody wants to know of one, so that writes pay nothing otherwise. */
  listen(): void {
    const needed =
      this.watchers.size > 0 ||
      this.blocking.count > 0 ||
      this.tracking.clients > 0 ||
      this.settings.notifyEvents !== 0;
    this.keyspace.onFlushed = this.tracking.clients > 0 ? () => this.tracking.flushed() : null;
    this.keyspace.onTouch = needed ? this.#onTouch : null;
  }

  readonly #onTouch = (place: Place): void => {
    if (this.watchers.size > 0) this.#markWatchers(place);
    if (this.blocking.count > 0) this.blocking.touch(place);
    if (this.tracking.clients > 0) this.tracking.touch(place);
    if (this.executing && this.settings.notifyEvents !== 0) this.events.touch(place);
  };

  /** Marks the sessions that watch a key which has changed. */
  #markWatchers({ db, bytes, start, end }: Place): void {
    const name = keyName(db, bytes, start, end);
    const watching = this.watchers.get(name);
    if (watching === undefined) return;
    const now = this.#watched;
    this.keyspace.locate(now, db, bytes, start, end);
    now.look(this.keyspace, this.nowMs);
    // A key that was absent or expired and still is has not changed for a reader: its remains were cleared away.
    for (const session of watching)
      if (now.type !== NONE || session.watched?.get(name)?.existed !== false) session.dirty = true;
  }

  /** The reply shows something of the whole keyspace (KEYS, SCAN, DBSIZE), so it waits for all our records. */
  holdForEverything(): void {
    this.holdSeq = Infinity;
  }

  /** From how many microseconds on somebody wants to know of a command. */
  get notableMicros(): number {
    const { slowlogSlowerThanMicros: slower, latencyThresholdMs: threshold } = this.settings;
    const latency = threshold === 0 ? Infinity : threshold * 1000;
    return slower < 0 || slower > latency ? latency : slower;
  }

  /** What somebody watches, or has at hand, may read otherwise now: what holds for a prefix has changed. */
  changed(prefix: string): void {
    for (const [name, sessions] of this.watchers)
      if (name.startsWith(prefix, name.indexOf(":") + 1))
        for (const session of sessions) session.dirty = true;
    if (this.tracking.clients > 0) this.tracking.flushed();
  }

  /** A number in [0, 1), from a generator that the host seeded (xorshift32). */
  chance(): number {
    let x = this.#chance;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#chance = x;
    return (x >>> 0) / 2 ** 32;
  }
}
