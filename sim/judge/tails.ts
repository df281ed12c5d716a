/**
 * Tails: the newest entries of stable streams that readers were shown, in all regions: I-36.
 *
 * Invariant: of each stream the tail that ends latest is remembered. Whatever else is shown of that part of the stream was shown in it:
 * otherwise somebody who reads on behind its last id has missed something. Nothing is ever removed from these streams.
 */
import type { Reply } from "../world/replies.ts";

interface Tail {
  readonly ids: ReadonlySet<string>;
  readonly first: string;
  readonly last: string;
}

export class Tails {
  readonly #latest = new Map<string, Tail>();

  /** A client is shown the newest entries of a stream, the newest first. In words, what is wrong with that; null when all is well. */
  shown(key: string, reply: Reply): string | null {
    const ids = idsIn(reply);
    const [last, first] = [ids[0], ids.at(-1)];
    if (last === undefined || first === undefined) return null;
    const latest = this.#latest.get(key);
    if (latest === undefined || compareIds(last, latest.last) > 0)
      this.#latest.set(key, { ids: new Set(ids), first, last });
    if (latest === undefined) return null;
    const missed = ids.find(
      (id) =>
        compareIds(id, latest.first) > 0 && compareIds(id, latest.last) < 0 && !latest.ids.has(id),
    );
    if (missed === undefined) return null;
    return `${key} shows ${missed}, which was not there when ${latest.last} was shown`;
  }
}

/** [[id, fields], …] */
function idsIn(reply: Reply): string[] {
  if (!Array.isArray(reply)) return [];
  return reply.map((entry: Reply) => (Array.isArray(entry) ? String(entry[0]) : ""));
}

function compareIds(a: string, b: string): number {
  const [[aMs, aSeq], [bMs, bSeq]] = [a.split("-").map(Number), b.split("-").map(Number)];
  return (aMs ?? 0) - (bMs ?? 0) || (aSeq ?? 0) - (bSeq ?? 0);
}
