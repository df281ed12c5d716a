/**
 * SameValue: whether two values show the same, however each was written.
 *
 * Invariant: what a client can tell apart by commands is not the same, but for when consumers were last heard of, how often an entry
 * was delivered and when, which change by reading, and the form of a HyperLogLog. Deadlines of fields are compared
 * only where both sides tell them, since Redis before 7.4 knows none.
 */
import type { Strings } from "../bytes/strings.ts";
import { encodingOf, raiseRegisters, REGISTERS } from "../hll/text.ts";
import type { HashValue, SortedSetValue, StreamGroup, StreamValue, Value } from "./value.ts";

export function sameValue(a: Value, b: Value): boolean {
  switch (a.type) {
    case "string":
      return b.type === "string" && sameText(a.value, b.value);
    case "list":
      return b.type === "list" && sameStrings(a.items, b.items);
    case "set":
      return b.type === "set" && samePlaces(a.members, b.members) !== null;
    case "zset":
      return b.type === "zset" && sameScores(a, b);
    case "hash":
      return b.type === "hash" && sameFields(a, b);
    case "stream":
      return b.type === "stream" && sameStream(a, b);
  }
}

function sameText(a: Buffer, b: Buffer): boolean {
  if (a.equals(b)) return true;
  const [left, right] = [registersOf(a), registersOf(b)];
  return left !== null && right !== null && left.equals(right);
}

/** All registers of a HyperLogLog; null of any other string. */
function registersOf(text: Buffer): Buffer | null {
  const encoding = encodingOf(text, 0, text.length);
  const registers = Buffer.alloc(REGISTERS);
  const isOne = encoding !== null && raiseRegisters(registers, text, 0, text.length, encoding);
  return isOne ? registers : null;
}

function sameStrings(a: Strings, b: Strings): boolean {
  if (a.count !== b.count) return false;
  for (let i = 0; i < a.count; i++) if (!a.view(i).equals(b.view(i))) return false;
  return true;
}

/** For each string of `a`, in the order of its bytes, where it stands in both; null unless both have the same ones. */
function samePlaces(a: Strings, b: Strings): { a: number[]; b: number[] } | null {
  if (a.count !== b.count) return null;
  const [left, right] = [inOrder(a), inOrder(b)];
  for (let i = 0; i < left.length; i++)
    if (!a.view(left[i] as number).equals(b.view(right[i] as number))) return null;
  return { a: left, b: right };
}

function inOrder(strings: Strings): number[] {
  return Array.from({ length: strings.count }, (_, i) => i).sort((i, k) => strings.compare(i, k));
}

function sameScores(a: SortedSetValue, b: SortedSetValue): boolean {
  const places = samePlaces(a.members, b.members);
  return (
    // -0 and 0 are one score.
    places?.a.every((i, at) => a.scores[i] === b.scores[places.b[at] as number]) ?? false
  );
}

function sameFields(a: HashValue, b: HashValue): boolean {
  const places = samePlaces(a.fields, b.fields);
  if (places === null) return false;
  return places.a.every((i, at) => {
    const k = places.b[at] as number;
    if (!a.values.view(i).equals(b.values.view(k))) return false;
    return (
      a.deadlines === undefined || b.deadlines === undefined || a.deadlines[i] === b.deadlines[k]
    );
  });
}

function sameStream(a: StreamValue, b: StreamValue): boolean {
  return (
    a.lastId === b.lastId &&
    a.ids.length === b.ids.length &&
    a.ids.every((id, i) => id === b.ids[i] && a.ends[i] === b.ends[i]) &&
    sameStrings(a.pairs, b.pairs) &&
    sameNamed(a.groups, b.groups, sameGroup)
  );
}

function sameGroup(a: StreamGroup, b: StreamGroup): boolean {
  return (
    a.lastId === b.lastId &&
    sameNamed(a.consumers, b.consumers, (left, right) => {
      const ids = new Set(left.pending.map(({ id }) => id));
      return ids.size === right.pending.length && right.pending.every(({ id }) => ids.has(id));
    })
  );
}

function sameNamed<T extends { readonly name: Buffer }>(
  a: readonly T[],
  b: readonly T[],
  same: (left: T, right: T) => boolean,
): boolean {
  if (a.length !== b.length) return false;
  const byName = new Map(b.map((one) => [one.name.latin1Slice(), one]));
  return a.every((one) => {
    const other = byName.get(one.name.latin1Slice());
    return other !== undefined && same(one, other);
  });
}
