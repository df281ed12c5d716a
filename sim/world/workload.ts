/**
 * Workload: what clients ask for: commands over a few keys, so that they meet.
 *
 * Invariant: operation i of client c is a function of the seed, c and i alone: leaving one out leaves the others as they were.
 */
import type { Intent } from "../judge/judge.ts";
import { Chance } from "./chance.ts";
import { certain, type Expected } from "./expected.ts";

export interface Operation {
  readonly client: number;
  readonly index: number;
  readonly kind: string;
  readonly commands: readonly (readonly string[])[];
  /** What each command asks of counters; the EXEC of a transaction asks for all of it. */
  readonly intents: readonly Intent[];
  /** What the last command must be answered unless it is refused; undefined where that depends on others. */
  readonly expected: Expected;
}

export interface WorkloadOptions {
  readonly seed: number;
  /** Kind → weight. */
  readonly kinds: Readonly<Record<string, number>>;
  readonly keys: number;
  readonly elements: number;
  /** Bytes added to values, so that logs grow. */
  readonly padding: number;
}

type Draw = (chance: Chance, o: WorkloadOptions, id: string) => string[][];

const key = (prefix: string, chance: Chance, o: WorkloadOptions): string =>
  `${prefix}:${chance.below(o.keys)}`;
/** Not text in any encoding. */
const element = (chance: Chance, o: WorkloadOptions): string => `m\xff${chance.below(o.elements)}`;
const small = (chance: Chance): string => String(chance.between(1, 9));
/** Halves add up without rounding. */
const half = (chance: Chance): string => String(chance.between(-9, 9) / 2);
const score = (chance: Chance): string => (chance.is(0.05) ? "inf" : half(chance));
const ttl = (chance: Chance): string => String(chance.between(100, 8_000));
const value = (o: WorkloadOptions, id: string): string =>
  o.padding === 0 ? id : id.padEnd(o.padding, ".");
const binary = (o: WorkloadOptions, id: string): string => `${value(o, id)}\xfe\x00`;

/** How keys of a prefix are kept, where that is not as it always is. */
export const FORMATS = [
  { prefix: "b:", conflict: "lww", format: "bitmap" },
  { prefix: "w:", conflict: "lww", format: "lww-set" },
  { prefix: "v:", conflict: "lww", format: "lww-strict" },
  // Streams of which readers miss nothing.
  { prefix: "t:", conflict: "lww", xread: "stable" },
  // What owners do for all regions.
  { prefix: "o:", conflict: "lww", pop: "owner" },
  { prefix: "ho:", conflict: "lww", writes: "home" },
  { prefix: "hm:", conflict: "lww", writes: "home", home: "us-east" },
] as const;

/** Most of them ask for the version, which makes it easy to tell what happened. */
const strongly = (c: Chance): string[] => [
  "AA.DO",
  ...(c.is(0.75) ? ["VERSIONED"] : []),
  ...["TIMEOUT", "1000"],
];

const once = (c: Chance, id: string): string[] => [
  ...["AA.ONCE", id, "WINDOW", c.pick(["1500", "8000"])],
];

const LEVELS = [
  "LOCAL_ONE",
  "LOCAL_QUORUM",
  "GLOBAL_ONE",
  "GLOBAL_QUORUM",
  "GLOBAL_QUORUM",
  "EACH_QUORUM",
  "ALL",
];

/** Scripts: one that does what a pair does; one that does and then takes more memory than it may; one that decides by what it reads. */
const PAIR =
  "redis.call('SADD', 'tx:a', ARGV[1]) redis.call('SADD', 'tx:b', ARGV[1]) return redis.call('INCRBY', KEYS[1], 1)";
const STOPPED =
  "redis.call('SADD', 'tx:a', ARGV[1]) redis.call('DEL', KEYS[1]) local held = ARGV[1] while true do held = held .. held end";
const MOVE =
  "if redis.call('SCARD', KEYS[2]) > 2 then return 0 end local one = redis.call('SPOP', KEYS[1]) if one then redis.call('SADD', KEYS[2], one) end return one";

/** A counter that has one home for ever, or one that is moved. */
const home = (chance: Chance): string => chance.pick(["ho:n", "hm:n"]);
/** A queue that every region adds to, or one whose home does. */
const queue = (chance: Chance): string => chance.pick(["o", "hm:q"]);
const COUNT = "return redis.call('RPUSH', KEYS[1], ARGV[1])";

/** Every kind of operation there is. Keys of one prefix are used by kinds that agree about their type, except `x:`. */
export const KINDS: Readonly<Record<string, Draw>> = {
  // Counted exactly: nothing ever removes them.
  total: (c, o) => [["INCRBY", key("total", c, o), small(c)]],
  count: (c, o) => [["GET", key("total", c, o)]],
  // The same at levels: what is acknowledged there is seen by reads at levels that meet it.
  wlevel: (c, o) => [
    ["AA.DO", "WRITE", c.pick(LEVELS), "TIMEOUT", "1000", "INCRBY", key("total", c, o), small(c)],
  ],
  rlevel: (c, o) => [
    ["AA.DO", "READ", c.pick(LEVELS), "TIMEOUT", "1000", "GET", key("total", c, o)],
  ],
  ratomic: (c, o) => [
    ["AA.DO", "READ", "GLOBAL_QUORUM", "ATOMIC", "TIMEOUT", "1000", "GET", key("total", c, o)],
  ],
  token: () => [["AA.TOKEN"]],
  incr: (c, o) => [["INCRBY", key("k", c, o), small(c)]],
  decr: (c, o) => [["DECRBY", key("k", c, o), small(c)]],
  set: (c, o, id) => [["SET", key("k", c, o), c.pick([binary(o, id), value(o, id), small(c)])]],
  append: (c, o, id) => [["APPEND", key("k", c, o), id]],
  setnx: (c, o, id) => [["SET", key("k", c, o), binary(o, id), "NX"]],
  getdel: (c, o) => [["GETDEL", key("k", c, o)]],
  get: (c, o) => [["GET", key("k", c, o)]],
  // Members that were added once and nobody ever names again.
  keep: (c, o, id) => [["SADD", key("keep", c, o), id]],
  sadd: (c, o) => [["SADD", key("s", c, o), element(c, o), element(c, o)]],
  srem: (c, o) => [["SREM", key("s", c, o), element(c, o)]],
  spop: (c, o) => [["SPOP", key("s", c, o)]],
  smove: (c, o) => [["SMOVE", key("s", c, o), key("s", c, o), element(c, o)]],
  smembers: (c, o) => [["SMEMBERS", key("s", c, o)]],
  hset: (c, o, id) => [["HSET", key("h", c, o), element(c, o), binary(o, id)]],
  hincr: (c, o) => [["HINCRBY", key("h", c, o), `n${c.below(o.elements)}`, small(c)]],
  hdel: (c, o) => [["HDEL", key("h", c, o), element(c, o), `n${c.below(o.elements)}`]],
  hgetall: (c, o) => [["HGETALL", key("h", c, o)]],
  zadd: (c, o) => {
    const when = c.is(0.4) ? [c.pick(["NX", "XX", "GT", "LT"])] : [];
    return [["ZADD", key("z", c, o), ...when, score(c), element(c, o), score(c), element(c, o)]];
  },
  zincr: (c, o) => [["ZINCRBY", key("z", c, o), half(c), element(c, o)]],
  zrem: (c, o) => [["ZREM", key("z", c, o), element(c, o)]],
  zpop: (c, o) => [[c.pick(["ZPOPMIN", "ZPOPMAX"]), key("z", c, o)]],
  zcut: (c, o) => [["ZREMRANGEBYSCORE", key("z", c, o), score(c), score(c)]],
  zrange: (c, o) => [["ZRANGE", key("z", c, o), "0", "-1", "WITHSCORES"]],
  pfadd: (c, o, id) => [["PFADD", key("p", c, o), id, element(c, o)]],
  pfmerge: (c, o) => [["PFMERGE", key("p", c, o), key("p", c, o), key("p", c, o)]],
  pfcount: (c, o) => [["PFCOUNT", key("p", c, o), key("p", c, o)]],
  // Sparse and dense, and bytes that a client wrote, become one.
  pfother: (c, o) => [
    c.pick([
      ["PFDEBUG", "TODENSE", key("p", c, o)],
      ["COPY", key("p", c, o), key("p", c, o), "REPLACE"],
      ["SETRANGE", key("p", c, o), "8", "\0"],
    ]),
  ],
  del: (c, o) => [["DEL", key(c.pick(["k", "s", "h", "z", "p", "x", "e"]), c, o)]],
  // One key, every type.
  clash: (c, o, id) => [
    c.pick([
      ["SET", key("x", c, o), id],
      ["SADD", key("x", c, o), element(c, o)],
      ["HSET", key("x", c, o), element(c, o), id],
      ["INCRBY", key("x", c, o), small(c)],
      ["PFADD", key("x", c, o), element(c, o)],
      ["DEL", key("x", c, o)],
      ["SREM", key("x", c, o), element(c, o)],
      ["HDEL", key("x", c, o), element(c, o)],
    ]),
  ],
  setex: (c, o, id) => [["SET", key("e", c, o), id, "PX", ttl(c)]],
  expire: (c, o) => [["PEXPIRE", key(c.pick(["k", "s", "h", "z", "p", "x", "e"]), c, o), ttl(c)]],
  persist: (c, o) => [["PERSIST", key(c.pick(["k", "s", "h", "z", "p", "x", "e"]), c, o)]],
  rename: (c, o) => [["RENAME", key("x", c, o), key("x", c, o)]],
  pair: (c, o, id) => [
    ["MULTI"],
    ["SADD", "tx:a", id],
    ["SADD", "tx:b", id],
    ["INCRBY", key("total", c, o), "1"],
    ["EXEC"],
  ],
  script: (c, o, id) => [["EVAL", PAIR, "1", key("total", c, o), id]],
  stopped: (c, o, id) => [["EVAL", STOPPED, "1", key(c.pick(["s", "h", "z", "l"]), c, o), id]],
  move: (c, o) => [["EVAL", MOVE, "2", key("s", c, o), key("s", c, o)]],
  watch: (c, o, id) => {
    const watched = key("k", c, o);
    return [["WATCH", watched], ["GET", watched], ["MULTI"], ["SET", watched, id], ["EXEC"]];
  },
  multi: (c, o, id) => {
    const commands = Array.from({ length: c.between(1, 5) }, () => {
      const kind = c.pick([
        "sadd",
        "srem",
        "hset",
        "hincr",
        "hdel",
        "zadd",
        "zincr",
        "zrem",
        "keep",
      ] as const);
      const draw = KINDS[kind] as Draw;
      return draw(c, o, id)[0] as string[];
    });
    return [["MULTI"], ...withoutSecondScores(commands), ["EXEC"]];
  },
  flush: () => [["FLUSHDB"]],
  // Never waits, and an error beside it: its reply may neither overtake nor be taken for another.
  echo: (c, o, id) => [
    c.is(0.5) ? ["INCRBY", key("x", c, o), "none"] : ["GET", "tx:a"],
    ["ECHO", id],
  ],
  certain: () => [],
  // Work queues: every element is pushed once, so that who is given one is given it once.
  qpush: (c, o, id) => [[c.pick(["LPUSH", "RPUSH"]), key("q", c, o), `${id}a`, `${id}b`]],
  qpop: (c, o) => [[c.pick(["LPOP", "RPOP"]), key("q", c, o)]],
  qwait: (c, o) => [
    [c.pick(["BLPOP", "BRPOP"]), key("q", c, o), key("q", c, o), `0.${c.between(1, 9)}`],
  ],
  qmove: (c, o) => [["BLMOVE", key("q", c, o), key("l", c, o), "LEFT", "RIGHT", "0.2"]],
  lpush: (c, o, id) => [[c.pick(["LPUSH", "RPUSH"]), key("l", c, o), element(c, o), binary(o, id)]],
  lset: (c, o, id) => [["LSET", key("l", c, o), `${c.between(-2, 2)}`, id]],
  linsert: (c, o, id) => [
    ["LINSERT", key("l", c, o), c.pick(["BEFORE", "AFTER"]), element(c, o), id],
  ],
  lrem: (c, o) => [["LREM", key("l", c, o), `${c.between(-1, 1)}`, element(c, o)]],
  ltrim: (c, o) => [["LTRIM", key("l", c, o), `${c.between(0, 1)}`, `${c.between(-3, -1)}`]],
  lpop: (c, o) => [["LMPOP", "1", key("l", c, o), c.pick(["LEFT", "RIGHT"]), "COUNT", "2"]],
  lmove: (c, o) => [["LMOVE", key("l", c, o), key("l", c, o), "RIGHT", "LEFT"]],
  lrange: (c, o) => [["LRANGE", key("l", c, o), "0", "-1"]],
  ldel: (c, o) => [["DEL", key("l", c, o)]],
  lexpire: (c, o) => [["PEXPIRE", key("l", c, o), ttl(c)]],
  // Prefixes with a format of their own: `FORMATS`.
  bset: (c, o) => [
    ["SETBIT", key("b", c, o), `${c.below(c.is(0.5) ? 16 : 1_500)}`, c.pick(["1", "1", "0"])],
  ],
  bfield: (c, o) => [["BITFIELD", key("b", c, o), "INCRBY", "u8", `#${c.below(130)}`, small(c)]],
  bcount: (c, o) => [["BITCOUNT", key("b", c, o)]],
  bother: (c, o, id) => [
    c.pick([
      ["BITOP", "XOR", key("b", c, o), key("b", c, o), key("b", c, o)],
      ["SET", key("b", c, o), id],
      ["APPEND", key("b", c, o), id],
      ["DEL", key("b", c, o)],
    ]),
  ],
  wadd: (c, o) => [["SADD", key("w", c, o), element(c, o), element(c, o)]],
  wrem: (c, o) => [["SREM", key("w", c, o), element(c, o), element(c, o)]],
  wpop: (c, o) => [["SPOP", key("w", c, o)]],
  wdel: (c, o) => [["DEL", key("w", c, o)]],
  hexpire: (c, o) => [
    ["HPEXPIRE", key("h", c, o), ttl(c), "FIELDS", "2", element(c, o), `n${c.below(o.elements)}`],
  ],
  hpersist: (c, o) => [["HPERSIST", key("h", c, o), "FIELDS", "1", element(c, o)]],
  jnew: (c, o, id) => [
    ["JSON.SET", key("j", c, o), "$", `{"l":["${id}"]}`, ...(c.is(0.8) ? ["NX"] : [])],
  ],
  jset: (c, o, id) => [
    ["JSON.SET", key("j", c, o), `$.m${c.below(o.elements)}`, `"${value(o, id)}"`],
  ],
  jpush: (c, o, id) => [
    ["JSON.ARRINSERT", key("j", c, o), "$.l", "0", `"${id}"`, `{"id":"${id}"}`],
  ],
  jpop: (c, o) => [["JSON.ARRPOP", key("j", c, o), "$.l", `${c.between(-2, 2)}`]],
  jnum: (c, o) => [
    ["JSON.MERGE", key("j", c, o), "$", `{"n":{"${c.below(o.elements)}":${small(c)}}}`],
    ["JSON.NUMINCRBY", key("j", c, o), "$.n.*", small(c)],
  ],
  jget: (c, o) => [["JSON.GET", key("j", c, o), "$..id"]],
  jother: (c, o) => [
    c.pick([
      ["JSON.DEL", key("j", c, o), c.pick(["$", "$.l", "$.n", "$.m0", "$.l[0]"])],
      ["JSON.CLEAR", key("j", c, o), "$.*"],
      ["COPY", key("j", c, o), key("j", c, o), "REPLACE"],
      ["PEXPIRE", key("j", c, o), ttl(c)],
      ["DEL", key("j", c, o)],
    ]),
  ],
  xadd: (c, o, id) => [
    ["XADD", key("y", c, o), ...(c.is(0.1) ? ["MAXLEN", "9"] : []), "*", id, binary(o, id)],
  ],
  xtrim: (c, o) => [["XTRIM", key("y", c, o), "MAXLEN", `${c.between(0, 5)}`]],
  xgroup: (c, o) => [
    c.pick([
      ["XGROUP", "CREATE", key("y", c, o), "g", "0", "MKSTREAM"],
      ["XGROUP", "CREATE", key("y", c, o), "g", "0", "MKSTREAM"],
      ["XGROUP", "SETID", key("y", c, o), "g", "0"],
      ["XGROUP", "DELCONSUMER", key("y", c, o), "g", element(c, o)],
      ["XGROUP", "DESTROY", key("y", c, o), "g"],
    ]),
  ],
  xreadgroup: (c, o) => {
    const wait = c.is(0.3) ? ["BLOCK", `${c.between(1, 900)}`] : [];
    const words = ["GROUP", "g", element(c, o), ...wait, "COUNT", "3", "STREAMS", key("y", c, o)];
    return [["XREADGROUP", ...words, c.pick([">", ">", ">", "0"])]];
  },
  xautoclaim: (c, o) => [["XAUTOCLAIM", key("y", c, o), "g", element(c, o), "0", "0"]],
  xread: (c, o) => [
    c.is(0.5)
      ? ["XREAD", "BLOCK", `${c.between(1, 900)}`, "STREAMS", key("y", c, o), "$"]
      : ["XREAD", "COUNT", "5", "STREAMS", key("y", c, o), "0"],
  ],
  xend: (c, o) => [c.is(0.5) ? ["DEL", key("y", c, o)] : ["PEXPIRE", key("y", c, o), ttl(c)]],
  vset: (c, o, id) => [["SET", key("v", c, o), binary(o, id)]],
  vsetex: (c, o, id) => [["SET", key("v", c, o), id, "PX", ttl(c)]],
  vdel: (c, o) => [[c.pick(["DEL", "GETDEL"]), key("v", c, o)]],
  vget: (c, o) => [["GET", key("v", c, o)]],
  tadd: (c, o, id) => [["XADD", key("t", c, o), "*", id, ""]],
  opush: (c, o, id) => [[c.pick(["LPUSH", "RPUSH"]), key(queue(c), c, o), `${id}a`, `${id}b`]],
  opop: (c, o) => [[c.pick(["LPOP", "RPOP"]), key(queue(c), c, o)]],
  owait: (c, o) => [[c.pick(["BLPOP", "BRPOP"]), key(queue(c), c, o), `0.${c.between(1, 9)}`]],
  // How long a list has become is a number that no other addition is told.
  ocount: (c, o, id) => [["RPUSH", key(home(c), c, o), id]],
  oread: (c, o) => [["LLEN", key(home(c), c, o)]],
  oscript: (c, o, id) => [["EVAL", COUNT, "1", key(home(c), c, o), id]],
  otx: (c, o, id) => {
    const counter = key(home(c), c, o);
    const watched = c.is(0.5) ? [["WATCH", counter]] : [];
    return [...watched, ["MULTI"], ["RPUSH", counter, id], ["EXEC"]];
  },
  omove: (c) => [["AA.KEYSPACE", "MOVE", "hm:", c.pick(["us-east", "us-west", "eu-west"])]],
  // Keys of which it is decided who writes them while they are written: `FENCED_KEYSPACE`, and one that is made.
  fpush: (c, o, id) => [["RPUSH", key("hf", c, o), id]],
  fmove: (c) => [["AA.KEYSPACE", "MOVE", "hf:", c.pick(["us-east", "us-west", "eu-west"])]],
  // Refused while the owner can be heard; at once when not.
  fforce: (c) => [
    ["AA.KEYSPACE", "MOVE", "hf:", c.pick(["us-east", "us-west", "eu-west"]), "FORCE"],
  ],
  xpush: (c, o, id) => [["RPUSH", key("hx", c, o), id]],
  xset: (c) => [
    [
      ...["AA.KEYSPACE", "SET", "hx:", "WRITES"],
      ...c.pick([["LOCAL"], ["HOME", "HOME", "us-east"], ["HOME", "HOME", "eu-west"]]),
    ],
  ],
  oclaim: (c, _, id) => [["SET", `${c.pick(["ho", "hm"])}:claim:${c.below(200)}`, id, "NX"]],
  tail: (c, o) => [["XREVRANGE", key("t", c, o), "+", "-", "COUNT", "40"]],
  // Strong keys: their prefix is `STRONG_KEYSPACE`.
  gset: (c, o, id) => [[...strongly(c), "SET", key("g", c, o), c.is(0.5) ? id : small(c)]],
  gget: (c, o) => [[...strongly(c), "GET", key("g", c, o)]],
  gnx: (c, o, id) => [[...strongly(c), "SET", key("g", c, o), id, "NX"]],
  gdel: (c, o) => [[...strongly(c), c.pick(["DEL", "GETDEL"]), key("g", c, o)]],
  gincr: (c, o) => [[...strongly(c), "INCRBY", key("g", c, o), small(c)]],
  gappend: (c, o) => [[...strongly(c), "APPEND", key("g", c, o), small(c)]],
  gcas: (c, o, id) => [[...strongly(c), "AA.CAS", key("g", c, o), String(c.below(40)), id]],
  glock: (c, o, id) => [
    [...strongly(c), "SET", `g:lock${c.below(o.keys)}`, id, "NX", "PX", String(c.between(50, 900))],
  ],
  // Done once under an id, also when it is asked for again; ids that nobody is given again.
  once: (c, o, id) => [[...once(c, id), "INCRBY", key("total", c, o), small(c)]],
  oonce: (c, o, id) => [[...once(c, id), "RPUSH", key("ho:once", c, o), id]],
  id: () => [["AA.ID", "SNOWFLAKE"]],
  // Two stocks that every region sells from, moves between and adds to; one replica creates them.
  bound: (c) => {
    const [one, other] = c.is(0.5) ? ["bc:0", "bc:1"] : ["bc:1", "bc:0"];
    const lot = c.below(100);
    let words = ["DECR", one, small(c)];
    if (lot < 4) words = ["CREATE", one, "MIN", "0", "VALUE", "200"];
    else if (lot < 12) words = ["INCR", one, small(c)];
    else if (lot < 20) words = ["TRANSFER", one, other, small(c)];
    else if (lot < 35) words = ["GET", one];
    const waits = c.is(0.5) ? ["AA.DO", "TIMEOUT", String(c.between(50, 900))] : [];
    return [[...waits, "AA.BOUND", ...words]];
  },
  gsee: (c, o) => [[...strongly(c), "GET", `g:lock${c.below(o.keys)}`]],
  // What a removed member held: refused of any other.
  reclaim: (c) => [
    [
      ...["AA.BOUND", "RECLAIM", c.pick(["bc:0", "bc:1"])],
      c.pick(["us-east/1", "us-west/1", "eu-west/1"]),
    ],
  ],
  // From where its reader has come to: `POSITION`.
  feed: (c) => {
    const prefix = c.pick(["", "s:", "keep:", "k:", "total:"]);
    const waits = c.is(0.3) ? ["BLOCK", String(c.between(1, 500))] : [];
    const count = String(c.pick([1, 3, 20]));
    return [["AA.CHANGES", "PREFIX", prefix, ...waits, "COUNT", count, "FROM", POSITION]];
  },
};

/** Stands for the position of a reader of the change feed. */
export const POSITION = "?";

/** Kinds that may wait for an owner that cannot be reached. */
export const WAIT_FOR_OWNERS: ReadonlySet<string> = new Set([
  ...["opush", "opop", "owait", "ocount", "oscript", "otx", "oclaim", "omove", "oonce", "bound"],
  "reclaim",
  ...["fpush", "fmove", "fforce", "xpush", "xset"],
]);

/** Kinds that may be asked for again although they were answered. */
export const ONCE: ReadonlySet<string> = new Set(["once", "oonce"]);

/** Kinds whose reply gives an element of a queue away. */
export const POPS: ReadonlySet<string> = new Set(["qpop", "qwait"]);

export function operation(o: WorkloadOptions, client: number, index: number): Operation {
  const chance = new Chance(o.seed, `operation ${client} ${index}`);
  const { names, ends } = lotOf(o.kinds);
  const drawn = chance.unit() * (ends.at(-1) ?? 0);
  const kind = names[ends.findIndex((end) => drawn <= end)] ?? "get";
  const id = `${client}.${index}`;
  if (kind === "certain") {
    const counter = `n${chance.below(o.elements)}`;
    const named = (prefix: string): string => key(prefix, chance, o);
    const { commands, answer } = certain(chance, named, element(chance, o), counter, id);
    return { client, index, kind, commands, intents: [], expected: answer };
  }
  const commands = (KINDS[kind] as Draw)(chance, o, id);
  const expected = kind === "echo" ? id : undefined;
  return { client, index, kind, commands, intents: commands.flatMap(intentsOf), expected };
}

/** What is added to an infinite score is not written, so of two additions in one record the judge could not tell which one was. */
function withoutSecondScores(commands: readonly string[][]): string[][] {
  const scored = new Set<string>();
  return commands.filter(([name, of, , member]) => {
    if (name !== "ZINCRBY") return true;
    const named = `${of} ${member}`;
    if (scored.has(named)) return false;
    scored.add(named);
    return true;
  });
}

interface Lot {
  readonly names: readonly string[];
  /** Where the share of each name ends. */
  readonly ends: readonly number[];
}

/** Drawn from once an operation, so it is laid out once a plan. */
const lots = new WeakMap<object, Lot>();

function lotOf(kinds: Readonly<Record<string, number>>): Lot {
  let lot = lots.get(kinds);
  if (lot === undefined) {
    let end = 0;
    lot = {
      names: Object.keys(kinds),
      ends: Object.values(kinds).map((weight) => (end += weight)),
    };
    lots.set(kinds, lot);
  }
  return lot;
}

function intentsOf(words: readonly string[]): Intent[] {
  const isWrapped = words[0] === "AA.DO" || words[0] === "AA.ONCE";
  const command = isWrapped ? words.slice(words.indexOf("INCRBY")) : words;
  const [name, name1 = "", name2 = "", name3 = ""] = command;
  if (name === "INCRBY" && name2 !== "none")
    return [{ key: name1, field: "", delta: Number(name2) }];
  if (name === "DECRBY") return [{ key: name1, field: "", delta: -Number(name2) }];
  if (name === "EVAL" && name1 === PAIR) return [{ key: name3, field: "", delta: 1 }];
  if (name === "HINCRBY") return [{ key: name1, field: name2, delta: Number(name3) }];
  if (name === "ZINCRBY") return [{ key: name1, field: name3, delta: Number(name2) }];
  return [];
}
