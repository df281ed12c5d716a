/**
 * Session: what the node remembers of one client between commands.
 *
 * Invariant: it holds no socket and no reply; a transaction's queue and watched keys live and die with it.
 */
import type { AclUser } from "./acl-user.ts";
import type { Args } from "../wire/args.ts";
import type { Waiter } from "./blocking.ts";
import type { Level } from "../replica/levels.ts";
import type { Wait } from "../replica/waits.ts";
import type { CommandEntry } from "./command-table.ts";
import { type Behind, type Consistency, UNSAID } from "./consistency.ts";
import type { Forwarded } from "./homes.ts";
import type { Asking } from "./rights.ts";
import type { Tracked } from "./tracking.ts";

/** A command that waits for EXEC. */
export interface Queued {
  readonly entry: CommandEntry;
  readonly args: Args;
}

/** A key that EXEC depends on, as WATCH saw it. */
export interface Watch {
  /** Whether a reader saw a value. */
  readonly existed: boolean;
  /** When that value expires; Infinity for never. */
  readonly deadline: number;
}

const noBytes = (): number => 0;

export class Session {
  readonly id: number;
  readonly address: string;
  readonly localAddress: string;
  readonly createdMs: number;
  db = 0;
  resp: 2 | 3 = 2;
  name = "";
  libraryName = "";
  libraryVersion = "";
  /** Whom the client has said to be; null: nobody, so the default user. */
  user: AclUser | null = null;
  authenticated: boolean;
  /** Whether commands after QUIT are still taken: no. The host closes once replies are sent. */
  closing = false;
  /** With `closing`: replies that are not sent yet never are. */
  unheard = false;
  /** CLIENT REPLY: whether this and following commands are answered. */
  replies: "on" | "off" | "skip" | "skip next" = "on";
  noEvict = false;
  noTouch = false;
  /** Queued commands of MULTI; null outside of a transaction. */
  queue: Queued[] | null = null;
  queuedBytes = 0;
  /** A command could not be queued, so EXEC must refuse. */
  queueFailed = false;
  /** Keys that EXEC depends on, by name (database and key, one byte a character). */
  watched: Map<string, Watch> | null = null;
  /** A watched key has changed. */
  dirty = false;
  /** The descriptor of its socket; −1 when there is none. */
  fd = -1;
  /** Bytes that were received and not executed yet, the command that runs now included. */
  queryBytes = 0;
  /** Channels, patterns and shard channels that the client listens to; `Subscriptions` knows which. */
  subscriptions = 0;
  /** What it held when it was last counted among all clients, in bytes. */
  notedBytes = 0;
  /** Since when more is owed to it than the soft limit allows; null while it is not. */
  softLimitSinceMs: number | null = null;
  /** Bytes owed to the client: held for the disk, or not taken by the network yet. */
  outputBytes: () => number = noBytes;
  /** How the client tracks what it reads; null when it does not. */
  tracking: Tracked | null = null;
  /** The client's command waits for a key, and those behind it wait for the command. */
  waiter: Waiter | null = null;
  /** The client's command waits until most regions agree on it, and those behind it wait for it. */
  deciding = false;
  /** What was said for the command that runs alone; null for nothing. */
  said: Consistency | null = null;
  /** What was said of levels for this connection. */
  consistency: Consistency = UNSAID;
  /** What the session has seen elsewhere and this replica may not have yet. */
  behind: Behind | null = null;
  /** What the next command waits for before it runs; the client's later ones wait with it. */
  pending: Wait | null = null;
  /** Why the next command is refused although nothing is wrong with it. */
  objection: string | null = null;
  /** The client's command is on its way to the replica that owns its keys, or its answer is here and was not given yet. */
  forwarded: Forwarded | null = null;
  /** The client's command waits for rights of a bounded counter, or was given what there was to be had. */
  asking: Asking | null = null;
  /** The replica where it watches keys, when that is another one. */
  watchedAt: string | null = null;
  /** The replica that this session's commands come from; null for a client of our own. */
  peer: string | null = null;
  /** Its command was refused because this replica does not own the keys. */
  isMisplaced = false;
  /** The command that runs rests on this replica's lease, and so does its reply. */
  restsOnLease = false;
  /** Where the command that runs is to be durable before it is answered, and how long that is waited for. */
  writeLevel: Level = "LOCAL_ONE";
  levelTimeoutMs = 0;
  /** The newest record that this connection made; seq 0 before the first. */
  wroteOrigin = 0;
  wroteSeq = 0;
  lastCommand = "";
  lastCommandMs: number;
  /** Nothing is executed for this client before this time (DEBUG SLEEP). */
  sleepUntilMs = 0;

  constructor(
    id: number,
    address: string,
    localAddress: string,
    nowMs: number,
    authenticated: boolean,
  ) {
    this.id = id;
    this.address = address;
    this.localAddress = localAddress;
    this.createdMs = nowMs;
    this.lastCommandMs = nowMs;
    this.authenticated = authenticated;
  }
}
