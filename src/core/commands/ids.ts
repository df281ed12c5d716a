/**
 * Ids: AA.ID, names that a replica gives without asking another one.
 *
 *   the clock's next stamp ─► behind all stamps of this process, and of those before it ─► with the member, an id
 *
 * Invariant: one member never gives an id twice, also over restarts and with a clock that goes back: its stamps begin behind the
 * durable ceiling of the clock, and an id beyond that ceiling is given with a record, so that its reply waits until the clock is stored.
 */
import { TICK_MAX } from "../clock/stamp.ts";
import {
  CHANCE_BYTES,
  hasSnowflake,
  ID_KINDS,
  ID_TICKS,
  type IdKind,
  idOf,
  MEMBERS_MAX,
  readId,
} from "../ids/id.ts";
import { regionOf } from "../replica/levels.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { NOT_AN_INTEGER, SYNTAX } from "./errors.ts";
import { roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";

/** As many as one command gives. */
const COUNT_MAX = 1_000;
/** Chance is drawn for so many ids at a time: asking for it costs more than making them. */
const POOL_IDS = 256;
/** Longer than any id. */
const TEXT_MAX = 300;

const NO_KIND = `ERR an id is one of ${ID_KINDS.join(", ").toUpperCase()}; or DECODE one`;
const NO_SNOWFLAKE =
  "ERR snowflakes say times from 2024 to 2093, and the clock of this node shows another one";
const TOO_MANY = "TRYAGAIN the disk is behind: no more ids can be given in this transaction";
const NO_ID =
  "ERR that is no UUID of version 7, no ULID, with a region before it or not, and no snowflake";

/** What draws a node's ids. */
export class Ids {
  readonly #run: Run;
  /** Whether the clock stands behind everything that processes before this one have given. */
  #begun = false;
  /** A restarted clock begins here or later; set by the replica. */
  ceilingMs: () => number = () => Infinity;
  #pool: Buffer = Buffer.alloc(0);
  #used = 0;

  constructor(run: Run) {
    this.#run = run;
  }

  /** The stamp of the next id; null where it would outlive the record that is being made. */
  draw(): { readonly ms: number; readonly tick: number } | null {
    const { write } = this.#run;
    const { clock } = write;
    // Of the millisecond in which this process began, an earlier one may have given any.
    if (!this.#begun || clock.tick >= ID_TICKS - 1) clock.observe(clock.ms, TICK_MAX);
    this.#begun = true;
    clock.next(write.nowMs);
    const { ms, tick } = clock;
    return ms < this.ceilingMs() || write.store() >= ms ? { ms, tick } : null;
  }

  /** Bytes that nobody can guess, until the next call. */
  chance(): Buffer {
    if (this.#used === this.#pool.length) {
      this.#pool = this.#run.node.secret(POOL_IDS * CHANCE_BYTES);
      this.#used = 0;
    }
    this.#used += CHANCE_BYTES;
    return this.#pool.subarray(this.#used - CHANCE_BYTES, this.#used);
  }
}

function id(run: Run, args: Args, reply: Reply): void {
  const word = args.text(1).toLowerCase();
  const kind = ID_KINDS.find((known) => known === word);
  if (kind !== undefined) return draw(run, kind, args, reply);
  if (word !== "decode" || args.count !== 3) return reply.error(NO_KIND);
  decode(run, args.text(2), reply);
}

function draw(run: Run, kind: IdKind, args: Args, reply: Reply): void {
  let count = 1;
  if (args.count !== 2) {
    if (args.count !== 4 || !args.is(2, "COUNT")) return reply.error(SYNTAX);
    count = roughlyAt(args, 3);
    if (!(count >= 1)) return reply.error(NOT_AN_INTEGER);
    if (count > COUNT_MAX) return reply.error(`ERR at most ${COUNT_MAX} ids are given at a time`);
  }
  const { ids, memberIndex: member } = run;
  if (member >= MEMBERS_MAX)
    return reply.error(`ERR ids tell at most ${MEMBERS_MAX} members apart`);
  const region = regionOf(run.homes.me);
  const drawn: string[] = [];
  for (let i = 0; i < count; i++) {
    const stamp = ids.draw();
    if (stamp === null) return reply.error(TOO_MANY);
    if (kind === "snowflake" && !hasSnowflake(stamp.ms)) return reply.error(NO_SNOWFLAKE);
    drawn.push(idOf(kind, { ...stamp, member }, region, ids.chance()));
  }
  if (args.count !== 2) reply.array(count);
  for (const one of drawn) reply.text(one);
}

function decode(run: Run, text: string, reply: Reply): void {
  const read = text.length > TEXT_MAX ? null : readId(text);
  if (read === null) return reply.error(NO_ID);
  const { kind, ms, tick, member, region } = read;
  reply.map(kind === "prefixed" ? 5 : 4);
  reply.text("kind");
  reply.text(kind);
  reply.text("ms");
  reply.int(ms);
  reply.text("tick");
  reply.int(tick);
  reply.text("member");
  const name = run.memberAt(member);
  if (name === null) reply.nil();
  else reply.text(name);
  if (kind !== "prefixed") return;
  reply.text("region");
  reply.text(region);
}

export const idCommands: readonly Command[] = [
  {
    name: "aa.id",
    arity: -2,
    flags: ["write", "fast"],
    keys: [0, 0, 0],
    categories: ["keyspace"],
    group: "atoll",
    since: "0.1.0",
    complexity: "O(N) for N ids",
    usage: "UUID7|ULID|SNOWFLAKE|PREFIXED [COUNT <count>] | DECODE <id>",
    summary: "Gives ids that no other member gives and that sort by time, or tells what one says",
    run: id,
  },
];
