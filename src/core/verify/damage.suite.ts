/** Damage: what memory that rots does to a member's keys, past every record. */
import assert from "node:assert/strict";
import { Key } from "../crdt/key.ts";
import { Place } from "../keyspace/place.ts";
import type { Member } from "../replica/network.suite.ts";

const place = new Place();

export function located(member: Member | undefined, name: string): Place {
  assert.ok(member);
  const bytes = Buffer.from(name);
  member.replica.keyspace.locate(place, 0, bytes, 0, bytes.length);
  return place;
}

/** Loses a key. */
export function lose(member: Member | undefined, name: string): void {
  const { keyspace } = (member as Member).replica;
  const at = located(member, name);
  const key = keyspace.open(at);
  assert.ok(!key.empty, `${name} is there`);
  const nothing = new Key();
  nothing.counted = key.counted;
  nothing.countedExpiring = key.countedExpiring;
  nothing.countedExpirable = key.countedExpirable;
  keyspace.settle(at, nothing);
}

/** Alters a string's value and nothing else. */
export function alter(member: Member | undefined, name: string): void {
  const { keyspace } = (member as Member).replica;
  const at = located(member, name);
  const key = keyspace.open(at);
  const cell = keyspace.cell(key);
  cell.siblings = cell.siblings.map((s) => ({ ...s, value: Buffer.from("rotten") }));
  keyspace.settle(at, key);
}
