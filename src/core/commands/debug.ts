/**
 * Debug: what of DEBUG makes sense here, for tests of clients and of Redis.
 *
 * Invariant: nothing here can lose data, stop the node, or keep it from serving other clients.
 */
import { format, parseDecimal } from "../crdt/amount.ts";
import { NONE } from "../crdt/key.ts";
import { Entry } from "../keyspace/table.ts";
import { encodePayload } from "../rdb/payload.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command, Handler } from "./command.ts";
import { container } from "./container.ts";
import { debugProtocol } from "./debug-protocol.ts";
import { digestOf, digestOfAll, NO_DIGEST } from "./digest.ts";
import { NO_SUCH_KEY, NOT_A_FLOAT, NOT_AN_INTEGER, SYNTAX } from "./errors.ts";
import { globMatches } from "./glob.ts";
import { encodingOf, idleSecondsOf } from "./keys-objects.ts";
import { typeName } from "./keys.ts";
import { roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";
import { readWhole } from "./values.ts";

/** Nobody sleeps longer: a typing error must not take a connection away for a day. */
const SLEEP_MAX_SECONDS = 3600;
/** Keys that DEBUG POPULATE makes in one record. */
const POPULATE_MAX = 100_000;
/** What a payload has behind the value: its version and checksum. */
const FOOTER_BYTES = 10;

const admin = ["admin", "noscript", "loading", "stale"] as const;
const common = { keys: [0, 0, 0], categories: [], group: "server", complexity: "O(1)" } as const;

const ok: Handler = (_run, _args, reply) => reply.ok();

const row = (
  name: string,
  arity: number,
  usage: string,
  summary: string,
  run: Handler,
): Command => ({
  ...common,
  name,
  arity,
  flags: admin,
  since: "1.0.0",
  usage,
  summary,
  run,
});

export const debugCommands: readonly Command[] = [
  container(
    {
      name: "debug",
      group: "server",
      since: "1.0.0",
      summary: "Commands for finding faults and testing clients",
      flags: admin,
      openEnded: true,
    },
    [
      row("digest", 2, "", "Shows a digest of all keys with their values", digest),
      row("digest-value", -3, "<key> [<key> ...]", "Shows a digest of each value", digestValue),
      row("loadaof", 2, "", "Writes a checkpoint; the memory is what it would load", reload),
      { ...row("object", 3, "<key>", "Shows how a key is stored", object), glances: true },
      row("pause-cron", 3, "<0|1>", "Is taken and means nothing: no background work shows", ok),
      {
        ...row(
          "populate",
          -3,
          "<count> [<prefix>] [<size>]",
          "Makes keys that are not there",
          populate,
        ),
        flags: [...admin, "write", "denyoom"],
      },
      row("protocol", 3, "<type>", "Answers a value of a type of RESP3", debugProtocol),
      row("quicklist-packed-threshold", 3, "<size>", "Is taken and means nothing here", ok),
      row(
        "reload",
        -2,
        "[<option> ...]",
        "Writes a checkpoint; the memory is what it would load",
        reload,
      ),
      row(
        "set-active-expire",
        3,
        "<0|1>",
        "Stops the removal of expired keys by this node, or resumes it",
        activeExpire,
      ),
      row(
        "set-disable-deny-scripts",
        3,
        "<0|1>",
        "Lets scripts call DEBUG PROTOCOL, or no longer",
        scriptsMayProbe,
      ),
      row("sleep", 3, "<seconds>", "Makes this connection wait, and no other", sleep),
      row(
        "stringmatch-len",
        4,
        "<len> <pattern>",
        "Matches a pattern with a long text",
        stringMatch,
      ),
    ],
  ),
];

/** What a restart would load is what is in memory, so there is nothing to load. */
function reload(run: Run, _args: Args, reply: Reply): void {
  run.node.checkpoint();
  reply.ok();
}

function activeExpire(run: Run, args: Args, reply: Reply): void {
  run.sweeps = !args.is(2, "0");
  reply.ok();
}

/** What else scripts may not call could wait, or run them again, so it stays refused. */
function scriptsMayProbe(run: Run, args: Args, reply: Reply): void {
  run.scriptsMayProbe = args.is(2, "1");
  reply.ok();
}

function stringMatch(_run: Run, args: Args, reply: Reply): void {
  const length = roughlyAt(args, 2);
  if (!(length >= 0 && length <= 1_000_000)) return reply.error(NOT_AN_INTEGER);
  reply.int(Number(globMatches(args.view(3), Buffer.alloc(length, 120), 0, length)));
}

function digestValue(run: Run, args: Args, reply: Reply): void {
  reply.array(args.count - 2);
  for (let i = 2; i < args.count; i++) {
    const place = run.look(args, i);
    reply.status(place.type === NONE ? NO_DIGEST : digestOf(readWhole(run, place)));
  }
}

function digest(run: Run, _args: Args, reply: Reply): void {
  run.holdForEverything();
  const names: { db: number; name: Buffer }[] = [];
  const entry = new Entry();
  for (let cursor = 0, more = true; more; more = cursor !== 0)
    cursor = run.keyspace.walk(cursor, 1000, (table, at) => {
      if (!run.keyspace.isOfClients(table)) return;
      table.load(at, entry);
      const { db, bytes, nameStart, nameEnd } = entry;
      names.push({ db, name: Buffer.from(bytes.subarray(nameStart, nameEnd)) });
    });
  const parts = names.flatMap(({ db, name }) => {
    const place = run.lookAt(db, name, 0, name.length);
    return place.type === NONE ? [] : [{ db, name, digest: digestOf(readWhole(run, place)) }];
  });
  reply.status(digestOfAll(parts));
}

function populate(run: Run, args: Args, reply: Reply): void {
  if (args.count > 5) return reply.error(SYNTAX);
  const count = roughlyAt(args, 2);
  const size = args.count > 4 ? roughlyAt(args, 4) : 0;
  if (!(count >= 0 && size >= 0)) return reply.error(NOT_AN_INTEGER);
  if (count * Math.max(1, size / 100) > POPULATE_MAX)
    return reply.error(`ERR at most ${POPULATE_MAX} small keys at a time`);
  const prefix = args.count > 3 ? args.copy(3) : Buffer.from("key");
  for (let i = 0; i < count; i++) {
    const name = Buffer.concat([prefix, Buffer.from(`:${i}`)]);
    const place = run.lookAt(run.session.db, name, 0, name.length);
    if (place.type !== NONE) continue;
    const text = Buffer.from(`value:${i}`);
    const value = size === 0 ? text : Buffer.concat([text, Buffer.alloc(size)], size);
    run.write.set(place, Infinity, value, 0, value.length);
  }
  reply.ok();
}

function object(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 2);
  const { slot, key, cells, horizonMs } = place;
  const type = typeName(place.type);
  if (place.type === NONE) return reply.error(NO_SUCH_KEY);
  const kept = key === null ? "register" : "object";
  const entries = cells === null ? 1 : cells.countLive(horizonMs);
  const idle = idleSecondsOf(run, place);
  const encoding = encodingOf(run, place);
  const value = readWhole(run, place);
  const length =
    value.type === "document"
      ? value.payloads.reduce((sum, payload) => sum + payload.length, 0)
      : encodePayload(value).length - FOOTER_BYTES;
  reply.status(
    `Value at:slot-${slot} refcount:1 encoding:${encoding} serializedlength:${length} lru_seconds_idle:${idle} type:${type} kept:${kept} entries:${entries}`,
  );
}

function sleep(run: Run, args: Args, reply: Reply): void {
  const amount = parseDecimal(args.bytes, args.start[2] as number, args.end[2] as number);
  const seconds = amount === null ? NaN : Number(format(amount));
  if (!(seconds >= 0)) return reply.error(NOT_A_FLOAT);
  const ms = Math.min(seconds, SLEEP_MAX_SECONDS) * 1000;
  run.session.sleepUntilMs = run.wallMs + ms;
  run.waitedMicros = ms * 1000;
  reply.ok();
}
