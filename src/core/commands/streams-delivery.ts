/**
 * StreamsDelivery: gives entries of a stream to a consumer of a group: new ones, or again what is pending for it.
 *
 * Invariant: an entry is given to a group once by each region, and to none less than once: what arrives late from another region is
 * new to the group whatever its id. What two regions give away before they hear of each other is given twice.
 */
import { Strings } from "../bytes/strings.ts";
import type { Order } from "../crdt/order.ts";
import { ENTRY_MAKER, PENDING } from "../crdt/stream-cell.ts";
import { compareIds, ID_BYTES } from "../crdt/stream-id.ts";
import type { Place } from "../keyspace/place.ts";
import type { Reply } from "../wire/reply.ts";
import type { Run } from "./run.ts";
import {
  pending,
  pendingRankBehind,
  ranksOf,
  writeConsumer,
  writePending,
} from "./stream-consumers.ts";
import { rankBehind, seenLength, showAll, showEntry, showId } from "./stream-entries.ts";
import { group } from "./stream-group.ts";
import { counted } from "./stream-lag.ts";
import { tally } from "./stream-tally.ts";

const id = Buffer.alloc(ID_BYTES);

/** The rank of the first entry that `group`, which was found at the place, has not been given, from a rank on; −1 for none. */
function nextNew(place: Place, from: number, length: number): number {
  const order = place.order as Order;
  for (let rank = from; rank < length; rank++) {
    const { bytes, nameStart } = place.nameOf(order.at(rank));
    if (group.isNew(bytes, nameStart + ENTRY_MAKER, bytes, nameStart + 1)) return rank;
  }
  return -1;
}

/** Where to look for new entries. */
function startRank(run: Run, place: Place): number {
  group.findStart(run, place);
  return rankBehind(place.order as Order, group.start);
}

/** Whether there are entries that `group`, which was found at the place, has not been given. */
export function hasNew(run: Run, place: Place): boolean {
  return nextNew(place, startRank(run, place), seenLength(run, place)) >= 0;
}

/** Shows up to `count` (0: all) new entries; they are pending for the consumer then, unless it wants none of that. */
export function showNew(
  run: Run,
  place: Place,
  name: Buffer,
  consumer: Buffer,
  count: number,
  noAck: boolean,
  reply: Reply,
): void {
  const order = place.order as Order;
  const length = seenLength(run, place);
  const given = new Strings();
  tally.read(run, place);
  counted.of(place);
  const mark = reply.mark;
  let rank = nextNew(place, startRank(run, place), length);
  while (rank >= 0) {
    const ref = order.at(rank);
    const { bytes, nameStart, nameEnd } = place.nameOf(ref);
    given.push(bytes, nameStart, nameEnd);
    bytes.copy(id, 0, nameStart + 1, nameStart + ENTRY_MAKER);
    countRead();
    group.deliver(bytes, nameStart + ENTRY_MAKER, id, 0);
    showEntry(run, place, ref, reply);
    rank = given.count === count ? -1 : nextNew(place, rank + 1, length);
  }
  reply.insertArrayHeader(mark, given.count);
  if (!noAck)
    for (let i = 0; i < given.count; i++)
      writePending(run, place, name, given.bytes, given.start(i) + 1, run.nowMs, 1, consumer);
  writeConsumer(run, place, name, consumer, run.nowMs);
  group.write(run, place);
}

/** One more entry was read: the one with `id`. */
function countRead(): void {
  if (group.read >= 0 && !counted.hasGapFrom(id)) group.read++;
  else if (tally.added > 0 && compareIds(id, 0, group.last, 0) > 0)
    group.read = counted.addedUpTo(id);
}

/** Shows up to `count` (0: all) of what is pending for a consumer behind an id, which counts as delivered again. */
export function showHistory(
  run: Run,
  place: Place,
  name: Buffer,
  consumer: Buffer,
  after: Buffer,
  count: number,
  reply: Reply,
): void {
  const order = place.order as Order;
  const { to } = ranksOf(order, PENDING, name);
  const again: { id: Buffer; deliveries: number }[] = [];
  const mark = reply.mark;
  let shown = 0;
  for (let rank = pendingRankBehind(order, name, after); rank < to; rank++) {
    pending.at(run, place, order.at(rank));
    if (!pending.isOf(consumer)) continue;
    const { deliveries } = pending;
    const entries = showAll(run, place, pending.id, reply);
    if (entries > 0) again.push({ id: Buffer.from(pending.id), deliveries: deliveries + 1 });
    else {
      reply.array(2);
      showId(pending.id, 0, reply);
      reply.nilArray();
    }
    shown += Math.max(1, entries);
    if (count > 0 && shown >= count) break;
  }
  reply.insertArrayHeader(mark, shown);
  for (const { id: of, deliveries } of again)
    writePending(run, place, name, of, 0, run.nowMs, deliveries, consumer);
  writeConsumer(run, place, name, consumer, run.nowMs);
}
