/**
 * Document-updates: DOC.SYNC and DOC.APPLY, by which a client of Yjs edits a document as it edits any other: it asks for what it
 * lacks and hands in what it has made.
 *
 * Invariant: an update is taken whole or not at all, and only when all that it builds on is here.
 */
import { NONE } from "../crdt/key.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import { DOCUMENT_TOO_LARGE, fits, join, open } from "./json-documents.ts";
import type { Run } from "./run.ts";

/** A client of Yjs that has nothing. */
const NOTHING = Buffer.from([0]);

export function docSync(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  const opened = open(run, place, reply);
  if (opened === null) return;
  const update = opened.document.missing(args.count > 2 ? args.copy(2) : NOTHING);
  if (update === null) return reply.error("ERR not a state vector of Yjs");
  reply.buffer(update);
}

export function docApply(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  const opened = open(run, place, reply);
  if (opened === null || !fits(run, opened, args.length(2), reply)) return;
  const changes = opened.document.take(args.view(2));
  if (changes === "malformed") return reply.error("ERR not an update of Yjs that is taken here");
  if (changes === "incomplete")
    return reply.error(
      "ERR the update builds on changes that are not here: sync, then apply them all",
    );
  if (place.type === NONE && args.length(2) > run.settings.documentMaxBytes)
    return reply.error(DOCUMENT_TOO_LARGE);
  if (changes.length > 0) join(run, opened, changes);
  reply.int(changes.length > 0 ? 1 : 0);
}
