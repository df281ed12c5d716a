/**
 * ChangeFeed: reads changes from the log for whoever asks: a page for AA.CHANGES, a stream of events for HTTP.
 *
 *   position ─► log, from the last mark before it ─► ChangeReader ─► page ─► nothing new: wait for the disk ─► …
 *
 * Invariant: nothing is kept for a reader but its position, so a slow one costs the others nothing: what it has not read lies in the log,
 * and when the log is cut there it is told so. What is told is what links ship: durable here, unless durability is `relaxed`.
 */
import { isUtf8 } from "node:buffer";
import type { AclUser } from "../core/commands/acl-user.ts";
import {
  type ChangesFrom,
  type ChangesQuery,
  type ChangesRequest,
  fromOf,
  NO_CURSOR,
  replyChanges,
  TRUNCATED,
} from "../core/commands/changes.ts";
import type { CommandEntry } from "../core/commands/command-table.ts";
import type { Session } from "../core/commands/session.ts";
import { commandTable } from "../core/commands/table.ts";
import { type ChangeEvent, ChangeReader, type Wants } from "../core/replica/change-reader.ts";
import type { Replica } from "../core/replica/replica.ts";
import { argsOf } from "../core/wire/args.ts";
import { Reply } from "../core/wire/reply.ts";
import type { Log } from "./ports/storage.ts";

export interface ChangeFeedHost {
  readonly replica: Replica;
  readonly log: Log;
  turnEnded(): void;
  monoMs(): number;
  isStopping(): boolean;
}

/** One way through the log. */
interface Passage {
  readonly reader: ChangeReader;
  position: number;
}

interface Waiting {
  readonly passage: Passage;
  readonly untilMs: number;
  readonly isGone: () => boolean;
  readonly resolve: () => void;
}

/** What HTTP asks for, in its words. */
export interface StreamQuery {
  readonly prefix: string;
  readonly from: string;
  readonly db: number;
}

const READ_BYTES = 256 * 1024;
/** A page ends when it holds so much, or has looked through so much of the log. */
const PAGE_BYTES = 1024 * 1024;
const PAGE_LOG_BYTES = 32 * 1024 * 1024;
const STREAM_EVENTS = 100;
/** A stream on which nothing happens says so, or whatever lies between would close it. */
const QUIET_MS = 10_000;
export const STREAMS_MAX = 256;
/** Pages end between marks of the log: for so many positions it is remembered where they lie. */
const PLACES_MAX = 256;

const WORDS = argsOf("AA.CHANGES");
const entry = commandTable.find(WORDS) as CommandEntry;
const NOTHING = Buffer.alloc(0);

export class ChangeFeed {
  readonly #host: ChangeFeedHost;
  readonly #waiting = new Set<Waiting>();
  /** Position as text → place in the log, the newest last. */
  readonly #places = new Map<string, number>();
  /** Streams that are open. */
  streams = 0;

  constructor(host: ChangeFeedHost) {
    this.#host = host;
  }

  /** The log may have more to tell, or time has passed. */
  look(): void {
    if (this.#waiting.size === 0) return;
    const { replica } = this.#host;
    const monoMs = this.#host.monoMs();
    for (const waiting of this.#waiting) {
      const { passage, untilMs, isGone, resolve } = waiting;
      if (passage.position >= replica.shipTo && monoMs < untilMs && !this.#over(isGone)) continue;
      this.#waiting.delete(waiting);
      resolve();
    }
  }

  #over(isGone: () => boolean): boolean {
    return this.#host.isStopping() || isGone();
  }

  /** Answers a session that waits. */
  ask(session: Session, request: ChangesRequest): void {
    const reply = new Reply();
    reply.resp = session.resp;
    const muted = session.replies !== "on";
    void this.#answer(session, request, reply)
      .catch((error: unknown) => reply.error(`ERR the log cannot be read there: ${String(error)}`))
      .then(() => {
        const bytes = muted ? NOTHING : reply.sink.copy();
        this.#host.replica.run.blocking.answers.push({ session, bytes, seq: 0, wrote: false });
        this.#host.turnEnded();
      });
  }

  async #answer(session: Session, request: ChangesRequest, reply: Reply): Promise<void> {
    const { replica } = this.#host;
    const { sessions, users } = replica.run;
    const isGone = (): boolean => !sessions.has(session.id);
    const passage = this.#begin(request.from);
    if (passage === null) return reply.error(TRUNCATED);
    const untilMs = this.#host.monoMs() + request.blockMs;
    for (;;) {
      const { count } = request;
      const events = await this.#page(passage, this.#wants(request, users.of(session)), count);
      if (events === null) return reply.error(TRUNCATED);
      const cursor = replica.run.conflicts.cursorText(passage.reader.after);
      this.#remember(cursor, passage.position);
      if (events.length > 0 || this.#host.monoMs() >= untilMs || this.#over(isGone))
        return replyChanges(events, cursor, reply);
      await this.#news(passage, untilMs, isGone);
    }
  }

  /**
   * Events for as long as somebody reads them, in the format of server-sent events, or why there are none. `user` is asked again for
   * each page, since its rules may change.
   */
  stream(
    { prefix, from, db }: StreamQuery,
    user: () => AclUser | null,
  ): AsyncGenerator<Buffer> | { refused: string; status: 400 | 403 | 409 | 410 | 503 } {
    const { run } = this.#host.replica;
    const at = fromOf(run, from);
    if (at === null) return { refused: NO_CURSOR.slice(4), status: 400 };
    const named = user();
    if (named === null || named.reader(entry, WORDS) === null)
      return { refused: "the user may not run AA.CHANGES", status: 403 };
    if (this.#host.isStopping() || run.loading !== null)
      return { refused: "the node does not serve now", status: 503 };
    if (this.streams >= STREAMS_MAX)
      return { refused: `there are ${STREAMS_MAX} streams already`, status: 503 };
    const passage = this.#begin(at);
    if (passage === null) return { refused: TRUNCATED, status: 410 };
    const query = { from: at, prefix: Buffer.from(prefix), db };
    return this.#events(passage, query, user);
  }

  async *#events(
    passage: Passage,
    query: ChangesQuery,
    user: () => AclUser | null,
  ): AsyncGenerator<Buffer> {
    const { conflicts } = this.#host.replica.run;
    this.streams++;
    try {
      // Who comes back before anything has happened goes on from here.
      yield Buffer.from(
        `id: ${conflicts.cursorText(passage.reader.after)}\nevent: begin\ndata: {}\n\n`,
      );
      while (!this.#host.isStopping()) {
        const named = user();
        if (named === null)
          return yield ending("the user is gone, or may not run AA.CHANGES any more");
        const events = await this.#page(passage, this.#wants(query, named), STREAM_EVENTS);
        if (events === null) return yield ending(TRUNCATED);
        if (events.length === 0) {
          const untilMs = this.#host.monoMs() + QUIET_MS;
          await this.#news(passage, untilMs, () => false);
          if (this.#host.monoMs() >= untilMs) yield Buffer.from(": nothing new\n\n");
          continue;
        }
        const cursor = conflicts.cursorText(passage.reader.after);
        const last = events.length - 1;
        const texts = events.map((event, i) => {
          // A position lies behind a whole page: who is cut off within it is told the page again.
          const id = i === last ? `id: ${cursor}\n` : "";
          return `${id}event: change\ndata: ${JSON.stringify(jsonOf(event))}\n\n`;
        });
        yield Buffer.from(texts.join(""));
      }
      yield ending("the node is stopping");
    } finally {
      this.streams--;
    }
  }

  /** Where to begin; null where the log does not reach back so far. */
  #begin(from: ChangesFrom): Passage | null {
    const { replica } = this.#host;
    const { index, origins, shipTo } = replica;
    if (from === "now") {
      const isLocal = shipTo === index.durableTo;
      const after = (isLocal ? replica.durable : replica.applied).copy();
      return { reader: new ChangeReader(origins, after), position: shipTo };
    }
    const after = from === "start" ? index.baseVector.copy() : from;
    if (!after.includes(index.baseVector)) return null;
    const known = this.#places.get(replica.run.conflicts.cursorText(after)) ?? -1;
    const marked = index.startFor((vector) => after.includes(vector));
    return { reader: new ChangeReader(origins, after), position: Math.max(known, marked) };
  }

  #remember(cursor: string, position: number): void {
    this.#places.delete(cursor);
    this.#places.set(cursor, position);
    for (const [oldest] of this.#places) {
      if (this.#places.size <= PLACES_MAX) break;
      this.#places.delete(oldest);
    }
  }

  #wants({ prefix, db: wanted }: ChangesQuery, user: AclUser): Wants {
    const mayRead = user.reader(entry, WORDS);
    return (db, key) =>
      (db === wanted || db < 0) &&
      (key === null || key.subarray(0, prefix.length).equals(prefix)) &&
      mayRead?.(key) === true;
  }

  /** The next events; null where the log was cut below the reader. */
  async #page(passage: Passage, wants: Wants, count: number): Promise<ChangeEvent[] | null> {
    const { log, replica } = this.#host;
    const { reader } = passage;
    reader.events = [];
    reader.bytes = 0;
    const isFull = (): boolean => reader.events.length >= count || reader.bytes >= PAGE_BYTES;
    const from = passage.position;
    const { shipTo } = replica;
    let isOver = false;
    while (!isOver && passage.position < shipTo && passage.position - from < PAGE_LOG_BYTES) {
      const before = passage.position;
      try {
        await log.read(before, READ_BYTES, (block, _, to) => {
          if (isOver) return;
          isOver = to > shipTo || !reader.read(block, wants, isFull);
          if (!isOver) passage.position = to;
        });
      } catch (error) {
        if (before < log.begin) return null;
        throw error;
      }
      if (passage.position === before) break;
    }
    return reader.events;
  }

  #news(passage: Passage, untilMs: number, isGone: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.add({ passage, untilMs, isGone, resolve });
      this.look();
    });
  }
}

function ending(reason: string): Buffer {
  return Buffer.from(`event: end\ndata: ${JSON.stringify({ reason })}\n\n`);
}

function jsonOf({ origin, seq, changes }: ChangeEvent): object {
  return {
    member: origin.member,
    seq,
    changes: changes.map(({ key, what, path, value, deadlineMs }) => ({
      ...bytesAs("key", key),
      what,
      ...bytesAs("path", path),
      ...bytesAs("value", value),
      ...(deadlineMs === null ? {} : { deadline: deadlineMs === Infinity ? null : deadlineMs }),
    })),
  };
}

/** Bytes as text where they are UTF-8, else in base64 under another name. */
function bytesAs(name: string, bytes: Buffer | null): Record<string, string> {
  if (bytes === null) return {};
  return isUtf8(bytes)
    ? { [name]: bytes.toString() }
    : { [`${name}Base64`]: bytes.toString("base64") };
}
