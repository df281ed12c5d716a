/**
 * StrongWords: what members say to one another about strong keys, as bodies of STRONG frames.
 *
 *   body  = u32 electorate │ u8 hops │ varint from │ varint to │ u8 kind │ …                    members by their place
 *   asks:     1 PREPARE  varint life │ varint id │ key │ ballot
 *             2 ACCEPT   varint life │ varint id │ key │ ballot │ ballot next │ bytes state
 *             3 READ     varint life │ varint id │ key
 *             4 DROP     key │ ballot
 *             5 COPY     varint tenure │ varint page                    all that you have promised and accepted, from the first page on
 *   answers:  6 ANSWER   varint life │ varint id │ varint tenure │ varint n │ n × varint tenure │ u8 idle │ u8 verdict
 *                        verdict 0: ballot promised · 1: ballot accepted │ bytes state · 2: does not serve
 *             7 PAGE     varint tenure │ varint page │ u8 from │ …
 *                        from 0: varint known, a newer tenure of the asker · 1: nothing is here yet │ tenures · 2: tenures │ ballot │ varint version │ u8 last │ items
 *   tenures = varint n │ n × varint (2 × tenure + 1 if it is the first that was ever heard of)
 *
 * Invariant: what is read back is what was said; anything else is `Malformed`.
 */
import type { Sink } from "../bytes/sink.ts";
import { Malformed, type Source } from "../bytes/source.ts";
import { type Ballot, readBallot, readCount, writeBallot } from "./ballot.ts";

const PREPARE = 1;
const ACCEPT = 2;
const READ = 3;
const DROP = 4;
const COPY = 5;
const ANSWER = 6;
const PAGE = 7;

export interface Head {
  readonly electorate: number;
  /** How many members it may still be passed on by. */
  readonly hops: number;
  readonly from: number;
  readonly to: number;
}

/** Where the number of hops stands. */
export const HOPS_AT = 4;

interface OfKey {
  readonly db: number;
  readonly key: Buffer;
}

interface Asked extends OfKey {
  /** Of the proposer's process, and its number of the question. */
  readonly life: number;
  readonly id: number;
}

export interface Answer {
  readonly say: "answer";
  readonly life: number;
  readonly id: number;
  /** Of who answers, and what it knows of all members'. */
  readonly tenure: number;
  readonly tenures: readonly number[];
  /** Whether its own proposer has nothing under way for the key. */
  readonly idle: boolean;
  readonly verdict:
    | { readonly is: "conflict"; readonly promised: Ballot }
    | { readonly is: "ok"; readonly accepted: Ballot; readonly state: Buffer }
    | { readonly is: "not serving" };
}

/** What is known of a member's. */
export interface Tenure {
  /** 0: nothing was ever heard of it. */
  readonly tenure: number;
  /** It never had another. */
  readonly first: boolean;
}

export type Page = { readonly say: "page"; readonly tenure: number; readonly page: number } & (
  | { readonly from: "newer"; readonly known: number }
  | { readonly from: "nothing"; readonly tenures: readonly Tenure[] }
  | {
      readonly from: "acceptor";
      readonly tenures: readonly Tenure[];
      readonly ballot: Ballot;
      readonly version: number;
      readonly last: boolean;
      /** As a checkpoint has them. */
      readonly items: Buffer;
    }
);

export type Prepare = Asked & { readonly say: "prepare"; readonly ballot: Ballot };
export type Accept = Asked & {
  readonly say: "accept";
  readonly ballot: Ballot;
  readonly next: Ballot;
  readonly state: Buffer;
};
export type Read = Asked & { readonly say: "read" };
export type Drop = OfKey & { readonly say: "drop"; readonly ballot: Ballot };
export type Copy = { readonly say: "copy"; readonly tenure: number; readonly page: number };
export type Saying = Prepare | Accept | Read | Drop | Copy | Answer | Page;

export function writeHead(sink: Sink, { electorate, hops, from, to }: Head): void {
  sink.u32(electorate);
  sink.u8(hops);
  sink.varint(from);
  sink.varint(to);
}

export function readHead(source: Source): Head {
  return {
    electorate: source.u32(),
    hops: source.u8(),
    from: source.varint(),
    to: source.varint(),
  };
}

export function writeSaying(sink: Sink, saying: Saying): void {
  switch (saying.say) {
    case "prepare":
      writeAsked(sink, PREPARE, saying);
      return writeBallot(sink, saying.ballot);
    case "accept":
      writeAsked(sink, ACCEPT, saying);
      writeBallot(sink, saying.ballot);
      writeBallot(sink, saying.next);
      return sink.bytes(saying.state, 0, saying.state.length);
    case "read":
      return writeAsked(sink, READ, saying);
    case "drop":
      sink.u8(DROP);
      writeKey(sink, saying);
      return writeBallot(sink, saying.ballot);
    case "copy":
      sink.u8(COPY);
      sink.varint(saying.tenure);
      return sink.varint(saying.page);
    case "answer":
      return writeAnswer(sink, saying);
    case "page":
      return writePage(sink, saying);
  }
}

function writeKey(sink: Sink, { db, key }: OfKey): void {
  sink.varint(db);
  sink.bytes(key, 0, key.length);
}

function writeAsked(sink: Sink, kind: number, asked: Asked): void {
  sink.u8(kind);
  sink.varint(asked.life);
  sink.varint(asked.id);
  writeKey(sink, asked);
}

function writeTenures(sink: Sink, tenures: readonly number[]): void {
  sink.varint(tenures.length);
  for (const tenure of tenures) sink.varint(tenure);
}

function writeAnswer(sink: Sink, { life, id, tenure, tenures, idle, verdict }: Answer): void {
  sink.u8(ANSWER);
  sink.varint(life);
  sink.varint(id);
  sink.varint(tenure);
  writeTenures(sink, tenures);
  sink.u8(idle ? 1 : 0);
  sink.u8(verdict.is === "conflict" ? 0 : verdict.is === "ok" ? 1 : 2);
  if (verdict.is === "conflict") writeBallot(sink, verdict.promised);
  if (verdict.is !== "ok") return;
  writeBallot(sink, verdict.accepted);
  sink.bytes(verdict.state, 0, verdict.state.length);
}

function writePage(sink: Sink, saying: Page): void {
  sink.u8(PAGE);
  sink.varint(saying.tenure);
  sink.varint(saying.page);
  sink.u8(saying.from === "newer" ? 0 : saying.from === "nothing" ? 1 : 2);
  if (saying.from === "newer") return sink.varint(saying.known);
  const known = saying.tenures.map(({ tenure, first }) => 2 * tenure + (first ? 1 : 0));
  writeTenures(sink, known);
  if (saying.from === "nothing") return;
  writeBallot(sink, saying.ballot);
  sink.varint(saying.version);
  sink.u8(saying.last ? 1 : 0);
  sink.bytes(saying.items, 0, saying.items.length);
}

/** What was said; its bytes are those of the source. */
export function readSaying(source: Source): Saying {
  const kind = source.u8();
  switch (kind) {
    case PREPARE:
      return { ...readAsked(source), say: "prepare", ballot: readBallot(source) };
    case ACCEPT:
      return {
        ...readAsked(source),
        say: "accept",
        ballot: readBallot(source),
        next: readBallot(source),
        state: source.view(),
      };
    case READ:
      return { ...readAsked(source), say: "read" };
    case DROP:
      return { ...readKey(source), say: "drop", ballot: readBallot(source) };
    case COPY:
      return { say: "copy", tenure: readCount(source), page: source.varint() };
    case ANSWER:
      return readAnswer(source);
    case PAGE:
      return readPage(source);
    default:
      throw new Malformed(`${kind} is nothing that is said of strong keys`);
  }
}

function readKey(source: Source): OfKey {
  return { db: source.varint(), key: source.view() };
}

function readAsked(source: Source): Asked {
  const [life, id] = [source.varint(), source.varint()];
  return { life, id, ...readKey(source) };
}

function readTenures(source: Source): number[] {
  const tenures: number[] = [];
  for (let left = source.varint(); left > 0; left--) tenures.push(readCount(source));
  return tenures;
}

function readAnswer(source: Source): Answer {
  const [life, id, tenure] = [source.varint(), source.varint(), readCount(source)];
  const tenures = readTenures(source);
  const idle = source.u8() === 1;
  return { say: "answer", life, id, tenure, tenures, idle, verdict: readVerdict(source) };
}

function readVerdict(source: Source): Answer["verdict"] {
  switch (source.u8()) {
    case 0:
      return { is: "conflict", promised: readBallot(source) };
    case 1:
      // It is kept until enough others have answered.
      return { is: "ok", accepted: readBallot(source), state: Buffer.from(source.view()) };
    default:
      return { is: "not serving" };
  }
}

function readPage(source: Source): Page {
  const [tenure, page] = [readCount(source), source.varint()];
  const head = { say: "page", tenure, page } as const;
  const from = source.u8();
  if (from === 0) return { ...head, from: "newer", known: readCount(source) };
  const tenures = readTenures(source).map((known) => ({
    tenure: Math.floor(known / 2),
    first: known % 2 === 1,
  }));
  if (from === 1) return { ...head, from: "nothing", tenures };
  const ballot = readBallot(source);
  const [version, last] = [readCount(source), source.u8() === 1];
  return { ...head, from: "acceptor", tenures, ballot, version, last, items: source.view() };
}
