/**
 * Claims: what members say of what they have, and what they let go because of it, compared with what lies on the disks.
 *
 *   I-1   what a member says to have durably, in a report or with a snapshot, it has durably
 *   I-15  what a removal left behind goes when every member has that durably, and all that was made without it is here;
 *         until then it is there (I-5)
 *
 * Invariant: what comes of a wrong claim takes a crash at the right moment to be seen; the claim itself is wrong at once.
 */
import { Source } from "../../src/core/bytes/source.ts";
import { type Origins, readOrigin } from "../../src/core/clock/origins.ts";
import { Place } from "../../src/core/keyspace/place.ts";
import type { Replica } from "../../src/core/replica/replica.ts";
import type { Machine } from "../world/machine.ts";
import { numbering } from "./canonical.ts";
import type { Facts } from "./facts.ts";
import type { Judge, MachineView } from "./judge.ts";

const place = new Place();

/** Hears what a machine collects. */
export function watchGarbage(judge: Judge, machine: Machine): void {
  const replica = machine.node?.replica;
  if (replica === undefined) return;
  const { garbage, origins } = replica;
  const collect = garbage.collect.bind(garbage);
  garbage.collect = (isStable, limit) => {
    let count = 0;
    for (; count < limit; count++) {
      const { oldest } = garbage;
      if (oldest === null || collect(isStable, 1) === 0) break;
      const number = numbering(origins, judge.history)(oldest.origin);
      const wrong = tooEarly(judge, machine, number, oldest.seq);
      if (wrong !== null) judge.fail("I-15", machine, wrong);
    }
    return count;
  };
}

/** Why nothing may be collected of a record yet; null when it may. */
function tooEarly(judge: Judge, machine: Machine, of: number, seq: number): string | null {
  const { history } = judge;
  const dot = `${history.origins[of]?.member}:${seq}`;
  for (const { machine: other } of counted(judge))
    if ((judge.durableOf(other)[of] ?? 0) < seq)
      return `it collects what ${dot} left behind before ${other.name} has that durably`;
  // What a removed member alone had comes from nobody.
  if (judge.removed.size > 0 || judge.awaited.size > 0 || judge.hadTwins) return null;
  const { applied, origins } = (machine.node as NonNullable<Machine["node"]>).replica;
  for (const { index, incarnation, member, records } of history.origins) {
    const number = origins.find(incarnation);
    const next = records[number < 0 ? 0 : applied.get(number)];
    if (next === undefined || (next.deps[of] ?? 0) >= seq) continue;
    // A crash, or a lost disk, may have taken it from everybody.
    const isKept = [...judge.views.values()].some(
      (other) => !other.replaced && (judge.durableOf(other.machine)[index] ?? 0) >= next.seq,
    );
    if (isKept)
      return `it collects what ${dot} left behind, and ${member}:${next.seq}, made without it, is still to come`;
  }
  return null;
}

/**
 * A floor that waits to be collected and is not there any more; null when all are. Of a member the latest is enough: what is older than
 * it has come once it is collected.
 */
export function missingFloor({ garbage, keyspace }: Replica, facts: Facts): string | null {
  for (const { origin, seq, db, key: bytes, what } of garbage.items()) {
    if (what.kind !== "floor" && what.kind !== "member") continue;
    keyspace.locate(place, db, bytes, 0, bytes.length);
    const key = place.at < 0 ? null : place.table.objectAt(place.at);
    const name = bytes.latin1Slice();
    let isThere =
      key?.floors.some((floor) => floor.origin === origin && floor.seq === seq) === true;
    if (what.kind === "member") {
      const latest = facts.keys.get(`${db}:${name}`)?.memberFloors.get(what.member);
      const isLatest = latest?.ms === what.ms && latest.tick === what.tick;
      isThere = !isLatest || key?.memberFloors?.has(what.member) === true;
    }
    if (!isThere) return `${name} has lost a floor: ${JSON.stringify(what)}`;
  }
  return null;
}

/** Those of whom nothing can be gone, and who belong to the cluster in everybody's eyes. */
function counted(judge: Judge): MachineView[] {
  return [...judge.views.values()].filter(
    ({ machine }) =>
      !judge.removed.has(machine) &&
      !judge.lostDisks.has(machine) &&
      !judge.awaited.has(machine.name),
  );
}

/** What is wrong about the newest reports that a machine has of the others; null when nothing is. */
export function falseReport(judge: Judge, machine: Machine): string | null {
  const replica = machine.node?.replica;
  if (replica === undefined || judge.hadTwins) return null;
  const { members, origins } = replica;
  for (const { machine: other } of counted(judge)) {
    const report = members.latest(other.name);
    if (report === null) continue;
    for (let number = 0; number < origins.count; number++) {
      const wrong = lacking(judge, other, origins, number, report.durable.get(number));
      if (wrong !== null) return `${other.name} told it to have ${wrong} durably, and has not`;
    }
  }
  return null;
}

/** What is wrong about the end of a snapshot, as it leaves a machine; null when nothing is. */
export function falseEnd(judge: Judge, machine: Machine, body: Uint8Array): string | null {
  const replica = machine.node?.replica;
  if (replica === undefined || judge.durability === "relaxed") return null;
  const source = new Source(Buffer.from(body));
  source.u48();
  source.varint();
  for (let left = source.varint(); left > 0; left--) readOrigin(source);
  let number = 0;
  for (let left = source.varint(); left > 0; left--) {
    number += source.varint();
    const wrong = lacking(judge, machine, replica.origins, number, source.varint());
    if (wrong !== null) return `it ends a snapshot that shows ${wrong}, which is not durable`;
  }
  return null;
}

/** The dot up to which a machine was said to have something durably, by a number of the given origins; null when it has. */
function lacking(
  judge: Judge,
  machine: Machine,
  origins: Origins,
  number: number,
  seq: number,
): string | null {
  if (seq === 0) return null;
  const index = numbering(origins, judge.history)(number);
  if ((judge.durableOf(machine)[index] ?? 0) >= seq) return null;
  return `${judge.history.origins[index]?.member}:${seq}`;
}
