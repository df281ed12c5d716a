/**
 * Configuration: what all members have agreed on about keyspaces, as the value of one strong key of the store's own.
 *
 *   configuration = u8 1 │ varint n │ n × (text prefix │ varint since │ varint fence │ words │ u8 flags │ [change])
 *                                        flags: 1 is being changed, 2 was taken from who was away
 *   change        = varint id │ text member │ varint life │ u8 stays │ [words]
 *   words         = varint n │ n × (text name │ text value)
 *
 * Invariant: it changes by the functions here alone, which are pure: every member that tries a change on the same configuration comes
 * to the same. Words that this version does not know are kept. A keyspace that changes who writes its keys, or how they are kept,
 * takes no writes between the epoch in which that begins and the one in which it is done.
 */
import { Sink } from "../bytes/sink.ts";
import { Malformed, Source } from "../bytes/source.ts";
import type { Words } from "../crdt/keyspace-words.ts";

/** The database of the register: no client's, and none that is kept in tables. */
export const REGISTER_DB = 16_448;
export const REGISTER_KEY: Buffer = Buffer.from("keyspaces");

const VERSION = 1;
const CHANGING = 1;
const FORCED = 2;

/** A change that takes no writes while it lasts. */
export interface Change {
  /** The epoch in which it began. */
  readonly id: number;
  /** Who sees it through, in which life of its process. */
  readonly member: string;
  readonly life: number;
  /** Null: the keyspace goes. */
  readonly words: Words | null;
}

export interface Agreed {
  /** One byte a character. */
  readonly prefix: string;
  /** The epoch in which its words became what they are. */
  readonly since: number;
  /** The epoch in which it was last decided who writes its keys. */
  readonly fence: number;
  /** Whether its home was then taken from an owner that was away. */
  readonly forced: boolean;
  readonly words: Words;
  readonly change: Change | null;
}

/** In the order of prefixes. */
export type Configuration = readonly Agreed[];

/** What somebody wants of a prefix. */
export interface Edit {
  readonly prefix: string;
  /** The words that change; an empty value takes one away. Null: the keyspace goes. */
  readonly words: Words | null;
}

/** Another home for the keys of an owner that is away. */
export interface Takeover {
  readonly prefix: string;
  /** The epoch in which the present owner was decided on. */
  readonly fence: number;
  readonly region: string;
}

const NEW = { fence: 0, forced: false } as const;

/** What comes of an edit. */
export type Outcome =
  | { readonly is: "refused"; readonly reason: string }
  | { readonly is: "done" | "begun"; readonly next: Configuration };

/** Who writes keys, and who gives their elements away. */
const PATTERN = ["writes", "home", "pop", "failover"] as const;
const FREEZES = [...PATTERN, "format"] as const;

/** The words that hold for the keys of a prefix: its own, or those of the longest prefix before it. */
function wordsOf(configuration: Configuration, prefix: string): Words {
  let found: Agreed | null = null;
  for (const one of configuration)
    if (prefix.startsWith(one.prefix) && one.prefix.length >= (found?.prefix.length ?? 0))
      found = one;
  return found?.words ?? {};
}

export function areSame(a: Words, b: Words): boolean {
  return !differ(Object.keys({ ...a, ...b }), a, b);
}

function differ(names: readonly string[], a: Words, b: Words): boolean {
  return names.some((name) => (a[name] ?? "") !== (b[name] ?? ""));
}

/** Whether a keyspace of a format gets another one, or its keys go from plain to strong or back: then there must be no keys. */
export function needsNoKeys(before: Words, after: Words): boolean {
  const isStrong = ({ writes }: Words): boolean => writes === "global";
  return differ(["format"], before, after) || isStrong(before) !== isStrong(after);
}

/** The words that hold for a prefix once it has those of its own, or, with null, none. */
export function wordsAt(configuration: Configuration, prefix: string, words: Words | null): Words {
  return (
    words ??
    wordsOf(
      configuration.filter((one) => one.prefix !== prefix),
      prefix,
    )
  );
}

/** Whether writes have to stop for an edit. */
export function freezes(configuration: Configuration, edit: Edit): boolean {
  return begin(configuration, edit, 1, { member: "", life: 0 }).is === "begun";
}

/** Begins an edit in `epoch`, or does it at once where nobody's writes have to stop for it. */
export function begin(
  configuration: Configuration,
  { prefix, words }: Edit,
  epoch: number,
  by: { readonly member: string; readonly life: number },
): Outcome {
  const own = configuration.find((one) => one.prefix === prefix);
  if (own?.change)
    return refused(
      `${named(prefix)} is being changed by ${own.change.member} since epoch ${own.change.id}`,
    );
  if (own === undefined && words === null) return { is: "done", next: configuration };
  const others = configuration.filter((one) => one !== own);
  const before = wordsOf(configuration, prefix);
  const after = wordsAt(
    configuration,
    prefix,
    words === null ? null : merged(own?.words ?? {}, words),
  );
  const kept = words === null ? null : after;
  if (own !== undefined && kept !== null && areSame(own.words, kept))
    return { is: "done", next: configuration };
  if (!differ(FREEZES, before, after))
    return {
      is: "done",
      next: withOne(
        others,
        kept === null ? null : { ...(own ?? NEW), prefix, since: epoch, words: kept, change: null },
      ),
    };
  if (after["failover"] === "auto" && (after["writes"] !== "home" || (after["home"] ?? "") === ""))
    return refused("failover=auto is for keyspaces with writes=home and a home");
  const change: Change = { id: epoch, ...by, words: kept };
  const frozen = own ?? { ...NEW, prefix, since: epoch, words: before, change: null };
  return { is: "begun", next: withOne(others, { ...frozen, change }) };
}

/** Ends the change that began in epoch `id`: does it, or gives it up. */
export function finish(
  configuration: Configuration,
  prefix: string,
  id: number,
  epoch: number,
  does: boolean,
): Outcome {
  const own = configuration.find((one) => one.prefix === prefix);
  if (own?.change?.id !== id) return refused(`the change of ${named(prefix)} was given up`);
  const others = configuration.filter((one) => one !== own);
  const { words } = own.change;
  // One that was made for the change was nothing before.
  if (!does)
    return {
      is: "done",
      next: withOne(others, own.since === id ? null : { ...own, change: null }),
    };
  if (words === null) return { is: "done", next: others };
  const fences = differ(PATTERN, own.words, words) ? { fence: epoch, forced: false } : {};
  return {
    is: "done",
    next: withOne(others, { ...own, ...fences, since: epoch, words, change: null }),
  };
}

/** Gives the keys of an owner that is away to another region, unless it was decided otherwise since `fence`. */
export function takeOver(
  configuration: Configuration,
  { prefix, fence, region }: Takeover,
  epoch: number,
): Outcome {
  const own = configuration.find((one) => one.prefix === prefix);
  if (own?.fence !== fence || own.change !== null)
    return refused(`it was decided otherwise about ${named(prefix)} meanwhile`);
  const others = configuration.filter((one) => one !== own);
  const words = { ...own.words, home: region };
  const taken = { ...own, words, since: epoch, fence: epoch, forced: true };
  return { is: "done", next: withOne(others, taken) };
}

function refused(reason: string): Outcome {
  return { is: "refused", reason };
}

function named(prefix: string): string {
  return `the keyspace ${JSON.stringify(prefix)}`;
}

function merged(before: Words, edits: Words): Words {
  const all = { ...before, ...edits };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ""));
}

function withOne(others: Configuration, one: Agreed | null): Configuration {
  if (one === null) return others;
  return [...others, one].toSorted((a, b) => (a.prefix < b.prefix ? -1 : 1));
}

// ── bytes ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

export function encodeConfiguration(configuration: Configuration): Buffer {
  const sink = new Sink(256);
  sink.u8(VERSION);
  sink.varint(configuration.length);
  for (const { prefix, since, fence, forced, words, change } of configuration) {
    sink.text(prefix);
    sink.varint(since);
    sink.varint(fence);
    writeWords(sink, words);
    sink.u8((change === null ? 0 : CHANGING) | (forced ? FORCED : 0));
    if (change === null) continue;
    sink.varint(change.id);
    sink.text(change.member);
    sink.varint(change.life);
    sink.u8(change.words === null ? 0 : 1);
    if (change.words !== null) writeWords(sink, change.words);
  }
  return sink.copy();
}

/** Throws `Malformed`. */
export function decodeConfiguration(bytes: Buffer): Configuration {
  const source = new Source(bytes);
  const version = source.u8();
  if (version !== VERSION)
    throw new Malformed(`keyspaces are of version ${version}, which this version does not know`);
  const configuration: Agreed[] = [];
  for (let left = source.varint(); left > 0; left--) {
    const [prefix, since, fence] = [source.text(), source.varint(), source.varint()];
    const words = readWords(source);
    const flags = source.u8();
    const change = (flags & CHANGING) === 0 ? null : readChange(source);
    configuration.push({ prefix, since, fence, words, forced: (flags & FORCED) !== 0, change });
  }
  return configuration;
}

function readChange(source: Source): Change {
  return {
    id: source.varint(),
    member: source.text(),
    life: source.varint(),
    words: source.u8() === 0 ? null : readWords(source),
  };
}

function writeWords(sink: Sink, words: Words): void {
  const all = Object.entries(words);
  sink.varint(all.length);
  for (const [name, value] of all) {
    sink.text(name);
    sink.text(value);
  }
}

function readWords(source: Source): Words {
  const words: [string, string][] = [];
  for (let left = source.varint(); left > 0; left--) words.push([source.text(), source.text()]);
  return Object.fromEntries(words);
}
