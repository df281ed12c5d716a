/**
 * Feeds: what readers of the change feed are told, wherever they go on from their position: I-46.
 *
 *   from ──────────── page ────────────► position
 *        every record between the two that changed a key of the prefix, once; those of one member in its order, causes before effects
 *
 * Invariant: what a page must tell follows from what the records say (`history.ts`), not from the code that reads the feed; so a reader who
 * stores each position behind its page is told everything, whatever happened in between. What a position covers is told again only
 * where nobody had heard of its origin.
 */
import { Source } from "../../src/core/bytes/source.ts";
import type { Reply } from "../world/replies.ts";
import type { Operation } from "../world/workload.ts";
import { type CommittedRecord, type History, type HistoryOrigin, OP } from "./history.ts";
import { STRONG_KEYSPACE } from "./strong-keys.ts";

/** By origin, everything up to a seq. */
type Position = ReadonlyMap<HistoryOrigin, number>;

export class Feeds {
  readonly #history: History;
  /** The origins of which a replica had records when it was asked. */
  readonly #known = new WeakMap<Operation, ReadonlySet<number>>();
  /** Events that readers were told. */
  told = 0;

  constructor(history: History) {
    this.#history = history;
  }

  asked(operation: Operation, applied: readonly number[]): void {
    const known = new Set<number>();
    applied.forEach((seq, index) => {
      if (seq > 0) known.add(index);
    });
    this.#known.set(operation, known);
  }

  /** A reader was told a page by a replica that has stored `durable`; returns what is wrong with it, or null. */
  answered(operation: Operation, reply: Reply, durable: readonly number[]): string | null {
    if (!Array.isArray(reply)) return null;
    const [words = []] = operation.commands;
    const from = words[words.indexOf("FROM") + 1] ?? "";
    const prefix = words[words.indexOf("PREFIX") + 1] ?? "";
    const events = (reply[1] as Reply[]).map(eventOf);
    this.told += events.length;
    const to = this.#positionOf(String(reply[0]));
    // Where it begins is not known: what has been before may have been cut off.
    const begins = from === "NOW" || from === "START" ? null : this.#positionOf(from);
    for (const [origin, seq] of to)
      if (seq > Math.max(begins?.get(origin) ?? 0, durable[origin.index] ?? 0))
        return `its position covers ${origin.member}:${seq}, which is not durable there`;
    return this.#wrong(operation, prefix, begins, to, events);
  }

  #wrong(
    operation: Operation,
    prefix: string,
    from: Position | null,
    to: Position,
    events: readonly Event[],
  ): string | null {
    const known = this.#known.get(operation);
    // An event names a member, and not which of its incarnations.
    if (new Set([...to.keys()].map(({ member }) => member)).size < to.size) return null;
    const told = new Map<HistoryOrigin, Set<number>>();
    for (const { member, seq, isStrong } of events) {
      // What most regions have agreed on is none of the data that `history.ts` reads.
      if (isStrong) continue;
      const origin = [...to.keys()].find((one) => one.member === member);
      const record = origin?.records[seq - 1];
      if (origin === undefined || record === undefined || seq > (to.get(origin) ?? 0))
        return `it tells ${member}:${seq}, which its position does not cover`;
      const name = `${member}:${seq}`;
      if (!isSeen(record, prefix)) return `it tells ${name}, which changed nothing of ${prefix}`;
      const before = told.get(origin) ?? new Set<number>();
      told.set(origin, before);
      if ([...before].some((other) => other >= seq)) return `it tells ${name} out of its order`;
      const covered = from?.get(origin) ?? 0;
      if (known?.has(origin.index) === true && seq <= covered)
        return `it tells ${name} again, which the position it goes on from covers`;
      const cause = this.#untold(record, prefix, from, told);
      if (cause !== null) return `it tells ${name} before ${cause}, on which that depends`;
      before.add(seq);
    }
    if (from === null) return null;
    for (const [origin, last] of to)
      for (let seq = (from.get(origin) ?? 0) + 1; seq <= last; seq++) {
        const record = origin.records[seq - 1];
        if (record !== undefined && isSeen(record, prefix) && !told.get(origin)?.has(seq))
          return `its position covers ${origin.member}:${seq}, which it has not told`;
      }
    return null;
  }

  /** What a record depends on that was told neither before it nor with an earlier page. */
  #untold(
    record: CommittedRecord,
    prefix: string,
    from: Position | null,
    told: ReadonlyMap<HistoryOrigin, ReadonlySet<number>>,
  ): string | null {
    for (const origin of this.#history.origins) {
      const needed = record.deps[origin.index] ?? 0;
      const begins = from === null ? needed : (from.get(origin) ?? 0);
      for (let seq = begins + 1; seq <= needed; seq++) {
        const cause = origin.records[seq - 1];
        if (cause === undefined || cause === record || !isSeen(cause, prefix)) continue;
        if (!told.get(origin)?.has(seq)) return `${origin.member}:${seq}`;
      }
    }
    return null;
  }

  /** A position as the feed tells it: origins, each with a seq. */
  #positionOf(text: string): Position {
    const position = new Map<HistoryOrigin, number>();
    const source = new Source(text === "0" ? Buffer.alloc(0) : Buffer.from(text, "base64"));
    while (source.left > 0) {
      const start = source.skip(8);
      const incarnation = source.bytes.latin1Slice(start, start + 8);
      position.set(this.#history.origin(incarnation, source.text()), source.varint());
    }
    return position;
  }
}

interface Event {
  readonly member: string;
  readonly seq: number;
  readonly isStrong: boolean;
}

/** ["member", …, "seq", …, "changes", [["key", …], …]] */
function eventOf(reply: Reply): Event {
  const [, member, , seq, , changes] = reply as Reply[];
  const isStrong = (changes as Reply[][]).some(
    ([, key]) => typeof key === "string" && key.startsWith(STRONG_KEYSPACE.prefix),
  );
  return { member: member as string, seq: seq as number, isStrong };
}

/** Whether a record changed a key of the first database that begins so. */
function isSeen({ effects }: CommittedRecord, prefix: string): boolean {
  return effects.some(({ op, db, key }) => {
    if (op === OP.FLUSH) return db <= 0;
    return op !== OP.RESET && db === 0 && key.startsWith(prefix);
  });
}
