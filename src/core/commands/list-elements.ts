/**
 * ListElements: what every command on lists does with elements: push, show, remove.
 *
 * Invariant: an element is known by its position, which is copied out of the store before anything is written: a write may move
 * what lies there.
 */
import { Strings } from "../bytes/strings.ts";
import { LIST } from "../crdt/key.ts";
import type { Order } from "../crdt/order.ts";
import { PUSHED_MAX_BYTES, writeHead, writeTail } from "../crdt/position.ts";
import type { Ref } from "../keyspace/heap.ts";
import type { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Run } from "./run.ts";

/** An end of a list. */
export type End = "left" | "right";

const pushed = Buffer.alloc(PUSHED_MAX_BYTES);
let popped = Buffer.alloc(64);

/** Pushes a value to an end; several of one record lie in the order of the calls, each outside of the one before. */
export function push(
  run: Run,
  place: Place,
  end: End,
  value: Buffer,
  valueStart: number,
  valueEnd: number,
): void {
  const birth = run.write.nextBirth();
  const to = end === "left" ? writeHead(pushed, 0, birth) : writeTail(pushed, 0, birth);
  run.write.putCell(place, LIST, pushed, 0, to, value, valueStart, valueEnd);
}

/** Answers with the element at an end of a list, and removes it. */
export function pop(run: Run, place: Place, end: End, reply: Reply): void {
  const order = place.order as Order;
  const ref = order.at(end === "left" ? 0 : order.size - 1);
  place.lookRef(run.keyspace, ref);
  reply.bulk(place.value, place.valueStart, place.valueEnd);
  removeAt(run, place, ref);
}

/** Answers with up to `count` elements from an end inwards, as an array, and removes them. */
export function popSeveral(run: Run, place: Place, end: End, count: number, reply: Reply): void {
  const { size } = place.order as Order;
  const taken = Math.min(count, size);
  reply.array(taken);
  if (end === "left") show(run, place, 0, taken, false, reply);
  else show(run, place, size - 1, taken, true, reply);
  removeRanks(run, place, end === "left" ? 0 : size - taken, taken);
}

/** Removes the element at a reference. */
function removeAt(run: Run, place: Place, ref: Ref): void {
  const { bytes, nameStart, nameEnd } = place.nameOf(ref);
  const length = nameEnd - nameStart;
  if (length > popped.length) popped = Buffer.alloc(length * 2);
  bytes.copy(popped, 0, nameStart, nameEnd);
  run.write.removeCell(place, LIST, popped, 0, length);
}

/** Removes `count` elements from a rank on. */
export function removeRanks(run: Run, place: Place, from: number, count: number): void {
  const positions = new Strings();
  (place.order as Order).each(from, count, false, (ref) => note(place, ref, positions));
  removeAll(run, place, positions);
}

/** Notes the position of the element at a reference. */
export function note(place: Place, ref: Ref, positions: Strings): void {
  const { bytes, nameStart, nameEnd } = place.nameOf(ref);
  positions.push(bytes, nameStart, nameEnd);
}

/** Removes the elements at the positions. */
export function removeAll(run: Run, place: Place, positions: Strings): void {
  for (let i = 0; i < positions.count; i++)
    run.write.removeCell(place, LIST, positions.bytes, positions.start(i), positions.end(i));
}

/** Writes `count` values from a rank on, upwards or downwards. */
export function show(
  run: Run,
  place: Place,
  from: number,
  count: number,
  down: boolean,
  reply: Reply,
): void {
  shower.run = run;
  shower.place = place;
  shower.reply = reply;
  (place.order as Order).each(from, count, down, shower.visit);
}

/** One visitor for all: LRANGE makes no closure. */
const shower = {
  run: null as unknown as Run,
  place: null as unknown as Place,
  reply: null as unknown as Reply,
  visit: (ref: Ref): void => {
    const { run, place, reply } = shower;
    place.lookRef(run.keyspace, ref);
    reply.bulk(place.value, place.valueStart, place.valueEnd);
  },
};

/** Whether the element at a reference is the value in argument `i`. */
export function isValue(run: Run, place: Place, ref: Ref, args: Args, i: number): boolean {
  place.lookRef(run.keyspace, ref);
  const { value, valueStart, valueEnd } = place;
  const start = args.start[i] as number;
  const end = args.end[i] as number;
  if (end - start !== valueEnd - valueStart) return false;
  return value.compare(args.bytes, start, end, valueStart, valueEnd) === 0;
}
