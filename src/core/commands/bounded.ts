/**
 * Bounded: AA.BOUND, counters that never cross their bound, in any region and through any cut.
 *
 *   change away from the bound  ─► room is added, the rights to it are this replica's
 *   change towards it           ─► rights here suffice: used, at once
 *                               ─► others hold them: they are asked, and the client waits (`lacks`)
 *                               ─► they cannot be had now: AANORIGHTS;  there are not so many anywhere: AABOUND
 *
 * Invariant: what is refused has changed nothing. A transfer is one record: what leaves one counter arrives in the other, everywhere at
 * once.
 */
import { BOUNDED_COUNTER, encodeChange, ROOM_MAX } from "../crdt/bounded-counter.ts";
import { BOUNDED, NONE } from "../crdt/key.ts";
import { PLAIN } from "../crdt/policy.ts";
import { keyName } from "../keyspace/key-name.ts";
import { Place } from "../keyspace/place.ts";
import { BOUNDED_COUNTERS } from "../replica/formats.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import { BoundedView } from "./bounded-view.ts";
import type { Command, Handler, Lack } from "./command.ts";
import { container } from "./container.ts";
import { notReadByAll, NO_SUCH_KEY, OVERFLOW, SYNTAX, WRONGTYPE } from "./errors.ts";
import { integerAt } from "./numbers.ts";
import type { Run } from "./run.ts";

const NOT_POSITIVE = "ERR the amount is an integer from 1 to 2^48";
const OUT_OF_BOUNDS = "ERR bound and value are integers from -2^48 to 2^48";
const BUSY = "BUSYKEY the key holds something already";
const NOT_LOCAL =
  "ERR bounded counters are for prefixes that every region writes to: under `writes: home` or `global` a plain counter can be bounded by a script";
const SAME = "ERR source and destination objects are the same";
/** The whole number in argument `i`, not farther from 0 than counters go; NaN when it is none. */
function wholeAt(args: Args, i: number): number {
  const integer = integerAt(args, i);
  return typeof integer === "number" && Math.abs(integer) <= ROOM_MAX ? integer : Number.NaN;
}

/** The counter of the key in argument `i`, in the `n`-th place; null after the refusal was answered. */
function counterAt(run: Run, args: Args, i: number, n: number, reply: Reply): BoundedView | null {
  const place = run.look(args, i, n);
  if (place.type === BOUNDED) return new BoundedView(run, place);
  reply.error(place.type === NONE ? NO_SUCH_KEY : WRONGTYPE);
  return null;
}

// ── created and deleted ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function create(run: Run, args: Args, reply: Reply): void {
  const isMax = args.is(3, "MAX");
  if ((!isMax && !args.is(3, "MIN")) || !args.is(5, "VALUE")) return reply.error(SYNTAX);
  const [at, value] = [wholeAt(args, 4), wholeAt(args, 6)];
  if (Number.isNaN(at + value)) return reply.error(OUT_OF_BOUNDS);
  const room = isMax ? at - value : value - at;
  if (room < 0 || room > ROOM_MAX) return reply.error(crossed(isMax, at, value));
  const place = run.look(args, 2);
  if (place.type !== NONE) return reply.error(BUSY);
  const { writes } = run.keyspace.policies.find(place.bytes, place.start, place.end) ?? PLAIN;
  if (writes !== "local") return reply.error(NOT_LOCAL);
  if (!run.allRead(BOUNDED_COUNTERS)) return reply.error(notReadByAll("bounded counters"));
  const { origin } = run.write;
  const partners = run.rights?.partners() ?? [];
  // Who is away would have to come back before anybody could use its share.
  const share = Math.floor(room / (partners.length + 1));
  const given = share === 0 ? [] : partners.map((to) => ({ to, amount: share }));
  const bound = { isMax, at };
  run.write.join(
    place,
    BOUNDED_COUNTER,
    encodeChange({ origin, granted: room, used: 0, given, bound }),
  );
  reply.ok();
}

function crossed(isMax: boolean, at: number, value: number): string {
  return `AABOUND ${value} is ${isMax ? "above" : "below"} the bound, ${at}; nothing was done`;
}

function remove(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 2);
  if (place.type === NONE) return reply.int(0);
  if (place.type !== BOUNDED) return reply.error(WRONGTYPE);
  run.write.remove(place);
  reply.int(1);
}

function reclaim(run: Run, args: Args, reply: Reply): void {
  const view = counterAt(run, args, 2, 0, reply);
  if (view === null) return;
  const member = args.text(3);
  const wrong = run.rights?.keeps(member) ?? null;
  if (wrong !== null) return reply.error(wrong);
  reply.int(view.reclaim(run.write, member));
}

// ── changed ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

type Direction = 1 | -1;

/** Whether a change goes towards the bound, so that it takes rights. */
function takesRights(view: BoundedView, direction: Direction): boolean {
  return view.bound.isMax === (direction === 1);
}

/** Why a change is refused here and now; null when it is not. */
function objection(
  run: Run,
  view: BoundedView,
  direction: Direction,
  amount: number,
): string | null {
  if (!takesRights(view, direction)) return view.room + amount > ROOM_MAX ? OVERFLOW : null;
  if (view.rightsOf(run.write.origin) >= amount) return null;
  const { db, bytes, start, end } = view.place;
  const name = keyName(db, bytes, start, end);
  if (view.room < amount) {
    run.rights?.refused(name, "bound_reached");
    const { isMax, at } = view.bound;
    return crossed(isMax, at, view.value + direction * amount);
  }
  run.rights?.refused(name, "no_rights");
  run.rights?.want({ db, key: Buffer.from(bytes.subarray(start, end)), amount });
  return noRights(run, view, amount);
}

/** Who else holds what is missing. */
function noRights(run: Run, view: BoundedView, amount: number): string {
  const words: string[] = [];
  let lost = 0;
  for (const origin of view.origins()) {
    const rights = view.rightsOf(origin);
    const standing = run.rights?.standingOf(origin) ?? "here";
    if (standing === "here" || rights === 0) continue;
    if (standing === "lost") lost += rights;
    else words.push(`${origin.member} ${rights}${standing === "up" ? "" : " (out of reach)"}`);
  }
  if (lost > 0) words.push(`lost incarnations ${lost} (frozen)`);
  const own = view.rightsOf(run.write.origin);
  return `AANORIGHTS ${amount} needed, ${own} held here, the rest elsewhere: ${words.join(", ")}; nothing was done, try again`;
}

function apply(run: Run, view: BoundedView, direction: Direction, amount: number): void {
  if (!takesRights(view, direction)) return view.grant(run.write, amount);
  const { db, bytes, start, end } = view.place;
  run.rights?.used(run.session, keyName(db, bytes, start, end), amount);
  view.use(run.write, amount);
}

function changing(direction: Direction): Handler {
  return (run, args, reply) => {
    const amount = wholeAt(args, 3);
    if (!(amount > 0)) return reply.error(NOT_POSITIVE);
    const view = counterAt(run, args, 2, 0, reply);
    if (view === null) return;
    const wrong = objection(run, view, direction, amount);
    if (wrong !== null) return reply.error(wrong);
    const value = view.value + direction * amount;
    apply(run, view, direction, amount);
    reply.int(value);
  };
}

function transfer(run: Run, args: Args, reply: Reply): void {
  const amount = wholeAt(args, 4);
  if (!(amount > 0)) return reply.error(NOT_POSITIVE);
  if (args.view(2).equals(args.view(3))) return reply.error(SAME);
  const from = counterAt(run, args, 2, 0, reply);
  const to = from === null ? null : counterAt(run, args, 3, 1, reply);
  if (from === null || to === null) return;
  const wrong = objection(run, from, -1, amount) ?? objection(run, to, 1, amount);
  if (wrong !== null) return reply.error(wrong);
  const values = [from.value - amount, to.value + amount] as const;
  apply(run, from, -1, amount);
  apply(run, to, 1, amount);
  reply.array(2);
  for (const value of values) reply.int(value);
}

const glance = new Place();

/** What a change of the key in argument `i` by the amount in argument `n` lacks here, if it is to be had elsewhere. */
function lackAt(run: Run, args: Args, i: number, n: number, direction: Direction): Lack | null {
  const amount = wholeAt(args, n);
  const { db } = run.session;
  const [start, end] = [args.start[i] as number, args.end[i] as number];
  run.keyspace.locate(glance, db, args.bytes, start, end);
  glance.look(run.keyspace, run.nowMs);
  if (!(amount > 0) || glance.type !== BOUNDED) return null;
  const view = new BoundedView(run, glance);
  if (!takesRights(view, direction) || view.room < amount) return null;
  if (view.rightsOf(run.write.origin) >= amount) return null;
  return { db, key: Buffer.from(args.view(i)), amount };
}

// ── read ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

function get(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 2);
  if (place.type === NONE) return reply.nil();
  if (place.type !== BOUNDED) return reply.error(WRONGTYPE);
  reply.int(new BoundedView(run, place).value);
}

function info(run: Run, args: Args, reply: Reply): void {
  const view = counterAt(run, args, 2, 0, reply);
  if (view === null) return;
  const { db, bytes, start, end } = view.place;
  const figures = Object.entries(run.rights?.figures(keyName(db, bytes, start, end)) ?? {});
  const holders = new Map<string, number>();
  let frozen = 0;
  for (const origin of view.origins()) {
    const rights = view.rightsOf(origin);
    const standing = origin === run.write.origin ? "here" : run.rights?.standingOf(origin);
    if (standing === "lost") frozen += rights;
    else holders.set(origin.member, (holders.get(origin.member) ?? 0) + rights);
  }
  reply.map(6 + figures.length);
  reply.text(view.bound.isMax ? "max" : "min");
  reply.int(view.bound.at);
  reply.text("value");
  reply.int(view.value);
  reply.text("room");
  reply.int(view.room);
  reply.text("here");
  reply.int(view.rightsOf(run.write.origin));
  reply.text("frozen");
  reply.int(frozen);
  reply.text("rights");
  reply.map(holders.size);
  for (const [member, rights] of [...holders].sort(([a], [b]) => (a < b ? -1 : 1))) {
    reply.text(member);
    reply.int(rights);
  }
  for (const [name, figure] of figures) {
    reply.text(name);
    reply.int(figure);
  }
}

// ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const common = {
  keys: [2, 2, 1],
  categories: ["keyspace"],
  group: "consistency",
  since: "0.1.0",
  complexity: "O(N) for N incarnations that have held rights",
  bounded: true,
} as const;
/** Created and deleted at one place, so that nobody creates it twice at once. */
const owned = { ...common, byOwner: true, keyFlags: ["RW", "update"] } as const;
const changes = { ...common, flags: ["write", "fast"], keyFlags: ["RW", "update"] } as const;

/** AA.BOUND. */
export const boundedCommands: readonly Command[] = [
  container(
    {
      name: "aa.bound",
      group: "consistency",
      since: "0.1.0",
      summary: "Counters that never cross their bound, in any region",
    },
    [
      {
        ...owned,
        name: "create",
        arity: 7,
        flags: ["write", "denyoom", "noscript", "no_multi"],
        usage: "<key> (MIN|MAX) <bound> VALUE <value>",
        summary: "Creates a counter that never goes below, or above, its bound",
        run: create,
      },
      {
        ...owned,
        name: "delete",
        arity: 3,
        flags: ["write", "noscript", "no_multi"],
        usage: "<key>",
        summary: "Deletes a counter; what others still do to it is gone with it",
        run: remove,
      },
      {
        ...owned,
        name: "reclaim",
        arity: 4,
        flags: ["write", "noscript", "no_multi"],
        onEverything: true,
        usage: "<key> <member>",
        summary:
          "Takes the rights of a member that was removed, whose unheard sales are dealt with",
        run: reclaim,
      },
      {
        ...common,
        name: "get",
        arity: 3,
        flags: ["readonly", "fast"],
        keyFlags: ["RO", "access"],
        usage: "<key>",
        summary: "Tells the value of a counter",
        run: get,
      },
      {
        ...changes,
        name: "incr",
        arity: 4,
        usage: "<key> <amount>",
        summary: "Adds to a counter; answers its value",
        lacks: (run, args) => lackAt(run, args, 2, 3, 1),
        run: changing(1),
      },
      {
        ...changes,
        name: "decr",
        arity: 4,
        usage: "<key> <amount>",
        summary: "Takes from a counter; answers its value",
        lacks: (run, args) => lackAt(run, args, 2, 3, -1),
        run: changing(-1),
      },
      {
        ...changes,
        name: "transfer",
        arity: 5,
        keys: [2, 3, 1],
        usage: "<from> <to> <amount>",
        summary: "Takes from one counter and adds to another at once; answers both values",
        lacks: (run, args) => lackAt(run, args, 2, 4, -1) ?? lackAt(run, args, 3, 4, 1),
        run: transfer,
      },
      {
        ...common,
        name: "info",
        arity: 3,
        flags: ["readonly"],
        keyFlags: ["RO", "access"],
        usage: "<key>",
        summary:
          "Tells bound, value, who holds which rights, and how this replica came by what was used",
        run: info,
      },
    ],
  ),
];
