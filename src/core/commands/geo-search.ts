/**
 * Geo search: the members within a circle or a box, answered or stored.
 *
 *   request ─► area ─► cells that cover it ─► ranges of scores ─► members within ─► sorted, cut ─► answer or store
 *
 * Invariant: everything is read and refused before a result is stored; the destination may be the source.
 */
import { parseDouble } from "../bytes/double.ts";
import { Strings } from "../bytes/strings.ts";
import { NONE, ZSET } from "../crdt/key.ts";
import type { Order } from "../crdt/order.ts";
import { coverOf } from "../geo/cover.ts";
import { type Area, metersWithin } from "../geo/earth.ts";
import { type Position, positionOf, scoreBehindCell, scoreOfCell } from "../geo/grid.ts";
import type { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command, Handler } from "./command.ts";
import { NOT_AN_INTEGER, SYNTAX, WRONGTYPE } from "./errors.ts";
import {
  memberPosition,
  positionAt,
  replyDistance,
  replyPosition,
  unitAt,
} from "./geo-arguments.ts";
import { roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";
import { storeSorted } from "./sorted-sets-scores.ts";

/** How a command says where to search: GEORADIUS by coordinates and GEORADIUSBYMEMBER in front, GEOSEARCH in its words. */
type Center = "coordinates" | "member" | "words";

interface Takes {
  readonly center: Center;
  /** The argument that names the set. */
  readonly source: number;
  /** Whether the words STORE and STOREDIST, or the argument in front of the set, say where the result goes. */
  readonly stores: "words" | "argument" | "never";
}

/** What is asked for. */
class Request {
  center: Position | null = null;
  /** FROMMEMBER or FROMLONLAT was said. */
  from: "member" | "coordinates" | null = null;
  shape: "circle" | "box" | null = null;
  /** In `unit`. */
  width = 0;
  height = 0;
  /** Meters of the unit. */
  unit = 1;
  withDistance = false;
  withScore = false;
  withPosition = false;
  /** −1 for the farthest first, 1 for the nearest first, 0 for no matter. */
  direction: -1 | 0 | 1 = 0;
  /** 0 for all. */
  count = 0;
  any = false;
  /** The argument that names the destination; 0 for none. */
  store = 0;
  storesDistance = false;

  get isPlain(): boolean {
    return !this.withDistance && !this.withScore && !this.withPosition;
  }

  area(center: Position): Area {
    const { unit, width, height } = this;
    const isBox = this.shape === "box";
    if (!isBox) return { center, halfWidth: width * unit, halfHeight: width * unit, isBox };
    return { center, halfWidth: (width * unit) / 2, halfHeight: (height * unit) / 2, isBox };
  }
}

/** A command on areas. */
function searching(takes: Takes): Handler {
  return (run, args, reply) => {
    const place = run.look(args, takes.source);
    if (place.type !== NONE && place.type !== ZSET) return reply.error(WRONGTYPE);
    const request = requestOf(run, place, args, takes, reply);
    if (request === null) return;
    const found = place.order === null ? [] : search(run, place, place.order, request);
    if (request.store > 0) store(run, args, request, found, reply);
    else answer(request, found, reply);
  };
}

/** Reads the request; null after the refusal was answered. */
function requestOf(run: Run, place: Place, args: Args, takes: Takes, reply: Reply): Request | null {
  const request = new Request();
  let at = takes.source + 1;
  if (takes.center === "coordinates") {
    request.center = positionAt(args, at, reply);
    if (request.center === null || !readCircle(args, at + 2, request, reply)) return null;
    at += 4;
  } else if (takes.center === "member") {
    // What is missing is found out last, whatever is wrong before.
    if (place.type === ZSET) {
      if (!readMember(run, place, args, at, request, reply)) return null;
      if (!readCircle(args, at + 1, request, reply)) return null;
    }
    at += 3;
  }
  if (takes.stores === "argument") request.store = 1;
  if (!readWords(run, place, args, at, takes, request, reply)) return null;
  const refusal = refusalOf(args, takes, request);
  if (refusal === null) return request;
  reply.error(refusal);
  return null;
}

function refusalOf(args: Args, takes: Takes, request: Request): string | null {
  if (request.store > 0 && !request.isPlain) {
    const what = takes.stores === "argument" ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS";
    return `ERR ${what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options`;
  }
  if (takes.center === "words" && request.from === null)
    return `ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ${args.text(0)}`;
  if (takes.center === "words" && request.shape === null)
    return `ERR exactly one of BYRADIUS and BYBOX can be specified for ${args.text(0)}`;
  if (request.any && request.count === 0) return "ERR the ANY argument requires COUNT argument";
  return null;
}

function readWords(
  run: Run,
  place: Place,
  args: Args,
  from: number,
  takes: Takes,
  request: Request,
  reply: Reply,
): boolean {
  for (let i = from; i < args.count; i++) {
    const left = args.count - 1 - i;
    if (args.is(i, "WITHDIST")) request.withDistance = true;
    else if (args.is(i, "WITHHASH")) request.withScore = true;
    else if (args.is(i, "WITHCOORD")) request.withPosition = true;
    else if (args.is(i, "ANY")) request.any = true;
    else if (args.is(i, "ASC")) request.direction = 1;
    else if (args.is(i, "DESC")) request.direction = -1;
    else if (args.is(i, "COUNT") && left >= 1) {
      request.count = roughlyAt(args, ++i);
      if (request.count > 0) continue;
      reply.error(Number.isNaN(request.count) ? NOT_AN_INTEGER : "ERR COUNT must be > 0");
      return false;
    } else if (takes.stores === "words" && left >= 1 && args.is(i, "STORE")) {
      request.store = ++i;
      request.storesDistance = false;
    } else if (takes.stores === "words" && left >= 1 && args.is(i, "STOREDIST")) {
      request.store = ++i;
      request.storesDistance = true;
    } else if (takes.stores === "argument" && args.is(i, "STOREDIST"))
      request.storesDistance = true;
    else {
      const read = takes.center === "words" ? readArea(run, place, args, i, request, reply) : 0;
      if (read < 0) return false;
      if (read === 0) {
        reply.error(SYNTAX);
        return false;
      }
      i += read;
    }
  }
  return true;
}

/** Reads a word of GEOSEARCH that says where: returns how many arguments belong to it, 0 for none such, −1 after a refusal. */
function readArea(
  run: Run,
  place: Place,
  args: Args,
  i: number,
  request: Request,
  reply: Reply,
): number {
  const left = args.count - 1 - i;
  if (args.is(i, "FROMMEMBER") && left >= 1 && request.from !== "coordinates") {
    request.from = "member";
    if (place.type === NONE) return 1;
    return readMember(run, place, args, i + 1, request, reply) ? 1 : -1;
  }
  if (args.is(i, "FROMLONLAT") && left >= 2 && request.from !== "member") {
    request.from = "coordinates";
    request.center = positionAt(args, i + 1, reply);
    return request.center === null ? -1 : 2;
  }
  if (args.is(i, "BYRADIUS") && left >= 2 && request.shape !== "box")
    return readCircle(args, i + 1, request, reply) ? 2 : -1;
  if (args.is(i, "BYBOX") && left >= 3 && request.shape !== "circle")
    return readBox(args, i + 1, request, reply) ? 3 : -1;
  return 0;
}

function readMember(
  run: Run,
  place: Place,
  args: Args,
  i: number,
  request: Request,
  reply: Reply,
): boolean {
  request.center = memberPosition(run, place, args, i);
  if (request.center === null) reply.error("ERR could not decode requested zset member");
  return request.center !== null;
}

/** Reads a radius and its unit. */
function readCircle(args: Args, i: number, request: Request, reply: Reply): boolean {
  request.shape = "circle";
  request.width = lengthAt(args, i, "ERR need numeric radius", reply);
  if (Number.isNaN(request.width)) return false;
  if (request.width < 0) {
    reply.error("ERR radius cannot be negative");
    return false;
  }
  request.unit = unitAt(args, i + 1, reply);
  return !Number.isNaN(request.unit);
}

/** Reads a width, a height and their unit. */
function readBox(args: Args, i: number, request: Request, reply: Reply): boolean {
  request.shape = "box";
  request.width = lengthAt(args, i, "ERR need numeric width", reply);
  if (Number.isNaN(request.width)) return false;
  request.height = lengthAt(args, i + 1, "ERR need numeric height", reply);
  if (Number.isNaN(request.height)) return false;
  if (request.width < 0 || request.height < 0) {
    reply.error("ERR height or width cannot be negative");
    return false;
  }
  request.unit = unitAt(args, i + 2, reply);
  return !Number.isNaN(request.unit);
}

/** The number in argument `i`; NaN after the refusal was answered. */
function lengthAt(args: Args, i: number, refusal: string, reply: Reply): number {
  const length = parseDouble(args.bytes, args.start[i] as number, args.end[i] as number);
  if (Number.isNaN(length)) reply.error(refusal);
  return length;
}

interface Found {
  readonly name: Buffer;
  readonly position: Position;
  readonly score: number;
  readonly meters: number;
}

/** Members looked at before it is asked again whether enough were found. */
const STRIDE = 64;

/** What lies within the area: in the order asked for, and no more than asked for. */
function search(run: Run, place: Place, order: Order, request: Request): Found[] {
  const area = request.area(request.center as Position);
  const enough = request.any ? request.count : Infinity;
  const found: Found[] = [];
  const take = (ref: number, score: number): void => {
    if (found.length >= enough) return;
    const position = positionOf(score);
    const meters = metersWithin(area, position);
    if (meters < 0) return;
    const { bytes, nameStart, nameEnd } = place.nameOf(ref);
    const name = Buffer.from(bytes.subarray(nameStart, nameEnd));
    found.push({ name, position, score, meters });
  };
  for (const cell of coverOf(area)) {
    const to = order.belowScore(scoreBehindCell(cell), false);
    for (let rank = order.belowScore(scoreOfCell(cell), false); rank < to; rank += STRIDE) {
      if (found.length >= enough) break;
      order.each(rank, Math.min(STRIDE, to - rank), false, take);
    }
  }
  // The nearest ones are meant unless any are welcome.
  const direction =
    request.direction === 0 && request.count > 0 && !request.any ? 1 : request.direction;
  if (direction !== 0) found.sort((a, b) => direction * (a.meters - b.meters));
  return request.count > 0 ? found.slice(0, request.count) : found;
}

function answer(request: Request, found: readonly Found[], reply: Reply): void {
  const { withDistance, withScore, withPosition, isPlain } = request;
  reply.array(found.length);
  for (const { name, position, score, meters } of found) {
    if (!isPlain) reply.array(1 + Number(withDistance) + Number(withScore) + Number(withPosition));
    reply.buffer(name);
    if (withDistance) replyDistance(reply, meters / request.unit);
    if (withScore) reply.int(Number.isSafeInteger(score) ? score : BigInt(Math.trunc(score)));
    if (withPosition) replyPosition(reply, position);
  }
}

function store(
  run: Run,
  args: Args,
  request: Request,
  found: readonly Found[],
  reply: Reply,
): void {
  const names = new Strings();
  const scores: number[] = [];
  for (const { name, score, meters } of found) {
    names.push(name, 0, name.length);
    scores.push(request.storesDistance ? meters / request.unit : score);
  }
  storeSorted(run, args, request.store, names, scores, reply);
}

/** GEORADIUS and GEORADIUSBYMEMBER: the set, and the last destination that is named. */
function storedKeys(args: Args): number[] {
  let stored = 0;
  for (let i = 5; i + 1 < args.count; i++)
    if (args.is(i, "STORE") || args.is(i, "STOREDIST")) stored = ++i;
  return stored === 0 ? [1] : [1, stored];
}

function storing(from: number): Pick<Command, "findKeys" | "looseKeys" | "flags" | "keyFlags"> {
  const behind = (word: string) =>
    ({ keyFlags: ["OW", "update"], behind: { word, from, range: [0, 1, 0] } }) as const;
  return {
    flags: ["write", "denyoom", "movablekeys"],
    keyFlags: ["RO", "access"],
    findKeys: storedKeys,
    looseKeys: [behind("STORE"), behind("STOREDIST")],
  };
}

const common = { keys: [1, 1, 1], categories: ["geo"], group: "geo" } as const;
const radius = {
  ...common,
  since: "3.2.0",
  complexity: "O(N + log M) for N members in the cells around, of M in all",
} as const;
const search62 = { ...common, since: "6.2.0", complexity: radius.complexity } as const;

export const geoSearchCommands: readonly Command[] = [
  {
    ...radius,
    ...storing(6),
    name: "georadius",
    arity: -6,
    summary: "Reads or stores the members within a distance of a position",
    run: searching({ center: "coordinates", source: 1, stores: "words" }),
  },
  {
    ...radius,
    name: "georadius_ro",
    arity: -6,
    flags: ["readonly"],
    since: "3.2.10",
    summary: "Reads the members within a distance of a position",
    run: searching({ center: "coordinates", source: 1, stores: "never" }),
  },
  {
    ...radius,
    ...storing(5),
    name: "georadiusbymember",
    arity: -5,
    summary: "Reads or stores the members within a distance of one",
    run: searching({ center: "member", source: 1, stores: "words" }),
  },
  {
    ...radius,
    name: "georadiusbymember_ro",
    arity: -5,
    flags: ["readonly"],
    since: "3.2.10",
    summary: "Reads the members within a distance of one",
    run: searching({ center: "member", source: 1, stores: "never" }),
  },
  {
    ...search62,
    name: "geosearch",
    arity: -7,
    flags: ["readonly"],
    summary: "Reads the members within a circle or a box",
    run: searching({ center: "words", source: 1, stores: "never" }),
  },
  {
    ...search62,
    name: "geosearchstore",
    arity: -8,
    flags: ["write", "denyoom"],
    keys: [1, 2, 1],
    keyFlags: ["OW", "update"],
    laterKeyFlags: ["RO", "access"],
    summary: "Stores the members within a circle or a box",
    run: searching({ center: "words", source: 2, stores: "argument" }),
  },
];
