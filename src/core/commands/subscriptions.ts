/**
 * Subscriptions: who listens to which channel, pattern and shard channel, and what a message becomes for each.
 *
 * Invariant: `session.subscriptions` is how many channels, patterns and shard channels the session listens to here. A message is
 * encoded at most once per protocol version for a channel, and once for each pattern that matches it.
 *
 * Names are text of one byte a character, so that they can be keys of maps; a channel may be any bytes.
 */
import { globMatches } from "./glob.ts";
import { encoded, type Pushes } from "./pushes.ts";
import type { Reply } from "../wire/reply.ts";
import type { Session } from "./session.ts";

/** What can be listened to. Shard channels are channels of their own. */
export type Kind = "channel" | "pattern" | "shard";

/** Name → who listens, in the order in which they came. */
type Listeners = Map<string, Set<Session>>;

/** What one session listens to. */
type Heard = Readonly<Record<Kind, Set<string>>>;

const NOTHING: ReadonlySet<string> = new Set();

export class Subscriptions {
  readonly #pushes: Pushes;
  readonly #listeners: Readonly<Record<Kind, Listeners>> = {
    channel: new Map(),
    pattern: new Map(),
    shard: new Map(),
  };
  /** The bytes of each pattern that somebody listens to. */
  readonly #globs = new Map<string, Buffer>();
  readonly #heard = new Map<Session, Heard>();
  /** Messages published here since the start, and how often one was handed to a subscriber. */
  published = 0;
  delivered = 0;

  constructor(pushes: Pushes) {
    this.#pushes = pushes;
  }

  /** Clients that listen to anything. */
  get clients(): number {
    return this.#heard.size;
  }

  /** How many different names somebody listens to. */
  count(kind: Kind): number {
    return this.#listeners[kind].size;
  }

  /** The names that somebody listens to. */
  names(kind: Kind): Iterable<string> {
    return this.#listeners[kind].keys();
  }

  /** How many listen to a name. */
  countOf(kind: Kind, name: string): number {
    return this.#listeners[kind].get(name)?.size ?? 0;
  }

  /** The names that one session listens to. */
  of(session: Session, kind: Kind): ReadonlySet<string> {
    return this.#heard.get(session)?.[kind] ?? NOTHING;
  }

  add(session: Session, kind: Kind, name: string): void {
    let heard = this.#heard.get(session);
    if (heard === undefined) {
      heard = { channel: new Set(), pattern: new Set(), shard: new Set() };
      this.#heard.set(session, heard);
    }
    if (heard[kind].has(name)) return;
    heard[kind].add(name);
    session.subscriptions++;
    const listeners = this.#listeners[kind];
    const there = listeners.get(name);
    if (there !== undefined) return void there.add(session);
    listeners.set(name, new Set([session]));
    if (kind === "pattern") this.#globs.set(name, Buffer.from(name, "latin1"));
  }

  remove(session: Session, kind: Kind, name: string): void {
    const heard = this.#heard.get(session);
    if (heard === undefined || !heard[kind].delete(name)) return;
    if (--session.subscriptions === 0) this.#heard.delete(session);
    const listeners = this.#listeners[kind];
    const there = listeners.get(name);
    there?.delete(session);
    if (there?.size !== 0) return;
    listeners.delete(name);
    if (kind === "pattern") this.#globs.delete(name);
  }

  /** A session listens to nothing any more: it has gone, or begins anew. */
  leave(session: Session): void {
    for (const kind of ["channel", "pattern", "shard"] as const)
      for (const name of [...this.of(session, kind)]) this.remove(session, kind, name);
  }

  /** Posts a message to whoever listens to the channel here; returns how often. Neither buffer is kept. */
  publish(channel: Buffer, message: Buffer): number {
    this.published++;
    const { channel: channels, pattern: patterns } = this.#listeners;
    const there = channels.get(channel.latin1Slice());
    let count = this.#post(there, "message", null, channel, message);
    if (patterns.size > 0)
      for (const [name, glob] of this.#globs)
        if (globMatches(glob, channel, 0, channel.length))
          count += this.#post(patterns.get(name), "pmessage", glob, channel, message);
    this.delivered += count;
    return count;
  }

  /** The same for a shard channel, to which no pattern applies. */
  publishShard(channel: Buffer, message: Buffer): number {
    this.published++;
    const there = this.#listeners.shard.get(channel.latin1Slice());
    const count = this.#post(there, "smessage", null, channel, message);
    this.delivered += count;
    return count;
  }

  #post(
    listeners: ReadonlySet<Session> | undefined,
    kind: string,
    glob: Buffer | null,
    channel: Buffer,
    message: Buffer,
  ): number {
    if (listeners === undefined) return 0;
    const write = (reply: Reply): void => {
      reply.push(glob === null ? 3 : 4);
      reply.text(kind);
      if (glob !== null) reply.buffer(glob);
      reply.buffer(channel);
      reply.buffer(message);
    };
    let two: Buffer | null = null;
    let three: Buffer | null = null;
    for (const session of listeners)
      this.#pushes.post(
        session,
        session.resp === 3 ? (three ??= encoded(3, write)) : (two ??= encoded(2, write)),
      );
    return listeners.size;
  }
}
