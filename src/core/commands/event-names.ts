/**
 * EventNames: what the keyspace events of each command are called.
 *
 *   LPUSH k v      k changed             lpush
 *   LPOP k         k changed, is gone    lpop, del
 *   SINTERSTORE d  d changed, is gone    del
 *   SET k v EX 9   k changed             set, expire
 *
 * Invariant: an event is written as the letter of its class and its name. A command that is not named here has events called as
 * itself, of the class of its group; one of a group without a class has none.
 */
import type { Args } from "../wire/args.ts";
import { hasWord } from "./key-positions.ts";

/** A key that a command has changed. */
export interface Changed {
  readonly db: number;
  readonly key: Buffer;
  /** No reader saw it before. */
  readonly isNew: boolean;
}

/** What a rule may ask and tell. */
export interface Teller {
  /** The keys that the command has changed, in order. */
  readonly changed: readonly Changed[];
  /** Events that the command has named itself. */
  readonly noted: readonly string[];
  /** The changed key in argument `i` of the session's database, or null. */
  changedAt(args: Args, i: number): Changed | null;
  tell(event: string, key: Changed): void;
  /** Tells that a key is gone if it is. */
  tellIfGone(key: Changed): void;
  isGone(key: Changed): boolean;
}

type Rule = (teller: Teller, args: Args) => void;

const NEW = "nnew";
const GONE = "gdel";

const classOfGroup: Readonly<Record<string, string>> = {
  string: "$",
  bitmap: "$",
  hyperloglog: "$",
  list: "l",
  set: "s",
  hash: "h",
  "sorted-set": "z",
  geo: "z",
  stream: "t",
  generic: "g",
  json: "d",
};

/** What tells the events of a command; null when it has none. */
export function eventRule(name: string, group: string): Rule | null {
  const special = rules.get(name);
  if (special !== undefined) return special;
  const letter = classOfGroup[group];
  return letter === undefined ? null : changes(letter + name.replace("|", "-"));
}

/** The event, and behind it that the key is gone. */
function changes(...events: string[]): Rule {
  return (teller) => {
    for (const key of teller.changed) {
      if (key.isNew) teller.tell(NEW, key);
      for (const event of events) teller.tell(event, key);
      teller.tellIfGone(key);
    }
  };
}

/** The event, or else that the key is gone. */
function leaves(event: string | null): Rule {
  return (teller) => {
    for (const key of teller.changed) {
      if (teller.isGone(key)) teller.tell(GONE, key);
      else if (event !== null) {
        if (key.isNew) teller.tell(NEW, key);
        teller.tell(event, key);
      }
    }
  };
}

/** The event of a command that has it decided by an argument. */
function chosen(choose: (args: Args) => string): Rule {
  return (teller, args) => changes(choose(args))(teller, args);
}

/** Whether `word` is among the options from argument `first` on, which end with the first that is none of `options`. */
function hasOption(args: Args, first: number, word: string, options: readonly string[]): boolean {
  for (let i = first; i < args.count; i++) {
    if (args.is(i, word)) return true;
    if (!options.some((option) => args.is(i, option))) return false;
  }
  return false;
}

/** A value is written; a deadline with it is told of its own. */
const setRule: Rule = (teller, args) => {
  const expires = ["EX", "PX", "EXAT", "PXAT"].some((word) => hasWord(args, 3, word));
  for (const key of teller.changed) {
    if (key.isNew) teller.tell(NEW, key);
    teller.tell("$set", key);
    if (expires) teller.tell("gexpire", key);
  }
};

const setExpiringRule: Rule = (teller) => {
  for (const key of teller.changed) {
    if (key.isNew) teller.tell(NEW, key);
    teller.tell("$set", key);
    teller.tell("gexpire", key);
  }
};

/** An element moves from the list in argument 1 to that in argument 2: first it is there, then it is gone from where it was. */
function moves(popped: (args: Args) => string, pushed: (args: Args) => string): Rule {
  return (teller, args) => {
    const from = teller.changedAt(args, 1);
    const to = teller.changedAt(args, 2);
    if (from === null || to === null) return;
    if (to.isNew) teller.tell(NEW, to);
    teller.tell(pushed(args), to);
    teller.tell(popped(args), from);
    teller.tellIfGone(from);
  };
}

const end = (args: Args, i: number, verb: string): string =>
  `l${args.is(i, "LEFT") ? "l" : "r"}${verb}`;
const lmove = moves(
  (args) => end(args, 3, "pop"),
  (args) => end(args, 4, "push"),
);
const rpoplpush = moves(
  () => "lrpop",
  () => "llpush",
);

const smove: Rule = (teller, args) => {
  const from = teller.changedAt(args, 1);
  const to = teller.changedAt(args, 2);
  if (from !== null) {
    teller.tell("ssrem", from);
    teller.tellIfGone(from);
  }
  if (to === null) return;
  if (to.isNew) teller.tell(NEW, to);
  teller.tell("ssadd", to);
};

/** Redis removes what the destination held and adds the key anew. */
const rename: Rule = (teller, args) => {
  const from = teller.changedAt(args, 1);
  const to = teller.changedAt(args, 2);
  if (from === null || to === null) return;
  teller.tell(NEW, to);
  teller.tell("grename_from", from);
  teller.tell("grename_to", to);
};

const move: Rule = (teller) => {
  for (const key of teller.changed) if (!teller.isGone(key)) teller.tell(NEW, key);
  for (const key of teller.changed) if (teller.isGone(key)) teller.tell("gmove_from", key);
  for (const key of teller.changed) if (!teller.isGone(key)) teller.tell("gmove_to", key);
};

/** Replaces what was there: `new` comes in any case. */
function replaces(event: string): Rule {
  return (teller) => {
    for (const key of teller.changed) {
      if (teller.isGone(key)) teller.tell(GONE, key);
      else {
        teller.tell(NEW, key);
        teller.tell(event, key);
      }
    }
  };
}

/** The event of the command, if any, then those that it has named. */
function notes(event: string | null): Rule {
  return (teller) => {
    for (const key of teller.changed) {
      if (event !== null && key.isNew) teller.tell(NEW, key);
      if (event !== null) teller.tell(event, key);
      for (const noted of teller.noted) teller.tell(noted, key);
    }
  };
}

const none: Rule = () => {};

/** A pop from one of several keys, of which argument `counted` says how many: which end it takes stands behind them. */
function pops(counted: number, word: string, event: string, other: string): Rule {
  return chosen((args) =>
    args.is(counted + 1 + Number(args.text(counted)), word) ? event : other,
  );
}

const ZADD_OPTIONS = ["NX", "XX", "GT", "LT", "CH"];

const rules: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  // ── strings ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────
  ["set", setRule],
  ["setex", setExpiringRule],
  ["psetex", setExpiringRule],
  ...alike(changes("$set"), "setnx", "getset", "mset", "msetnx"),
  ...alike(changes("$incrby"), "incr", "decr", "incrby", "decrby"),
  ...alike(leaves(null), "getdel", "del", "unlink"),
  ["getex", (teller, args) => leaves(args.is(2, "PERSIST") ? "gpersist" : "gexpire")(teller, args)],
  ...alike(changes("$setbit"), "setbit", "bitfield"),
  ["bitop", leaves("$set")],
  ...alike(changes("$pfadd"), "pfadd", "pfmerge"),
  // ── hashes ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────
  ...alike(changes("hhset"), "hset", "hmset", "hsetnx"),
  ...alike(changes("hhexpire"), "hexpire", "hpexpire", "hexpireat", "hpexpireat"),
  ["hgetdel", changes("hhdel")],
  ["hgetex", chosen((args) => (args.is(2, "PERSIST") ? "hhpersist" : "hhexpire"))],
  ["hsetex", changes("hhset", "hhexpire")],
  // ── lists ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
  ["lpushx", changes("llpush")],
  ["rpushx", changes("lrpush")],
  ["blpop", changes("llpop")],
  ["brpop", changes("lrpop")],
  ["lmpop", pops(1, "LEFT", "llpop", "lrpop")],
  ["blmpop", pops(2, "LEFT", "llpop", "lrpop")],
  ...alike(lmove, "lmove", "blmove"),
  ...alike(rpoplpush, "rpoplpush", "brpoplpush"),
  // ── sets and sorted sets ─────────────────────────────────────────────────────────────────────────────────────────────────────
  ["smove", smove],
  ...alike(leaves("ssinterstore"), "sinterstore"),
  ...alike(leaves("ssunionstore"), "sunionstore"),
  ...alike(leaves("ssdiffstore"), "sdiffstore"),
  ["zadd", chosen((args) => (hasOption(args, 2, "INCR", ZADD_OPTIONS) ? "zzincr" : "zzadd"))],
  ["zincrby", changes("zzincr")],
  ["geoadd", changes("zzadd")],
  ["bzpopmin", changes("zzpopmin")],
  ["bzpopmax", changes("zzpopmax")],
  ["zmpop", pops(1, "MIN", "zzpopmin", "zzpopmax")],
  ["bzmpop", pops(2, "MIN", "zzpopmin", "zzpopmax")],
  ["zunionstore", leaves("zzunionstore")],
  ["zinterstore", leaves("zzinterstore")],
  ["zdiffstore", leaves("zzdiffstore")],
  ["zrangestore", leaves("zzrangestore")],
  ["geosearchstore", leaves("zgeosearchstore")],
  ...alike(leaves("zgeoradiusstore"), "georadius", "georadiusbymember"),
  // ── streams ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────
  ["xadd", notes("txadd")],
  ...alike(notes(null), "xreadgroup", "xclaim", "xautoclaim", "xgroup|createconsumer", "xack"),
  // ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
  ...alike(leaves("gexpire"), "expire", "pexpire", "expireat", "pexpireat"),
  ...alike(rename, "rename", "renamenx"),
  ["move", move],
  ["copy", replaces("gcopy_to")],
  ["restore", replaces("grestore")],
  ["sort", leaves("lsortstore")],
  ...alike(none, "flushall", "flushdb", "swapdb", "touch", "pfdebug", "pfselftest"),
]);

function alike(rule: Rule, ...names: string[]): [string, Rule][] {
  return names.map((name) => [name, rule]);
}
