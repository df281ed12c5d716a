/**
 * Words: what two replicas say to each other besides records: HELLO when they meet, ACK from then on, PULL for what is missing.
 *
 *   HELLO = varint protocol | text cluster | text member | text region | origin | origins | vector applied | vector durable |
 *           u48 wall ms | [varint features]
 *   ACK   = origins | u48 wall ms | f64 sent | f64 echo | f64 held | varint n, n × report | [n × varint settled epoch |
 *           [n × varint reads]]
 *   PULL  = origins | varint n, n × (varint origin, varint from, varint to)
 *   report = text member | varint version | vector applied | vector durable | varint n, n × varint met | u48 ms, u16 tick |
 *            varint asked | vector awaited | varint n, n × (text member, varint asked)
 *   origins = varint n, n × origin        those not yet introduced on this connection; from then on they go by number
 *   vector = varint n, n × (varint growth of the number, varint seq)        ascending numbers, the first absolute
 *
 * Invariant: numbers of origins are the sender's, and mean something only on this connection, in this direction.
 */
import type { Sink } from "../bytes/sink.ts";
import { Malformed, type Source } from "../bytes/source.ts";
import { type Origin, type Origins, readOrigin, writeOrigin } from "../clock/origins.ts";
import { Vector } from "../clock/vector.ts";
import { READS_FIRST } from "./formats.ts";
import type { Heard, Report } from "./members.ts";

/** The version this code speaks; a change of any format above raises it. */
export const PROTOCOL = 2;
/** Features of HELLO, as bits: what a peer understands beside that. It is sent nothing that it does not name. */
export const TAKES_MESSAGES = 1;
export const RUNS_COMMANDS = 2;
export const HANDS_RIGHTS = 16;
/** It is not whole, and would rather take a copy of the data than a log that is long. */
export const TAKES_COPY = 32;

export interface Hello {
  readonly protocol: number;
  readonly cluster: string;
  readonly member: string;
  readonly region: string;
  readonly origin: Origin;
  readonly applied: Vector;
  readonly durable: Vector;
  readonly wallMs: number;
  readonly features: number;
}

export interface Ack {
  readonly wallMs: number;
  /** The sender's monotonic clock; our own, as last received by it; and how long it held that. Milliseconds. */
  readonly sentMs: number;
  readonly echoMs: number;
  readonly heldMs: number;
  readonly reports: readonly Report[];
}

export interface Wanted {
  readonly origin: number;
  readonly from: number;
  readonly to: number;
}

/** One direction's numbering of origins on one connection. */
export class Numbering {
  readonly #origins: Origins;
  /** Origins this side has introduced: our numbers below this. */
  #told = 0;
  /** The other side's number → ours. */
  readonly #heard: number[] = [];

  constructor(origins: Origins) {
    this.#origins = origins;
  }

  /** Introduces every origin that is new since the last frame. */
  write(sink: Sink): void {
    const count = this.#origins.count;
    sink.varint(count - this.#told);
    for (; this.#told < count; this.#told++) writeOrigin(sink, this.#origins.get(this.#told));
  }

  read(source: Source): void {
    for (let left = source.varint(); left > 0; left--)
      this.#heard.push(this.#origins.introduce(readOrigin(source)));
  }

  /** Our number for the other side's. */
  heard(number: number): number {
    const ours = this.#heard[number];
    if (ours === undefined) throw new Malformed(`origin ${number} was not introduced`);
    return ours;
  }

  writeVector(sink: Sink, vector: Vector): void {
    const { seqs } = vector;
    const end = Math.min(this.#told, seqs.length);
    let count = 0;
    for (let number = 0; number < end; number++) if ((seqs[number] as number) > 0) count++;
    sink.varint(count);
    let last = 0;
    for (let number = 0; number < end; number++) {
      const seq = seqs[number] as number;
      if (seq === 0) continue;
      sink.varint(number - last);
      sink.varint(seq);
      last = number;
    }
  }

  readVector(source: Source): Vector {
    const vector = new Vector(this.#origins.count);
    let number = 0;
    for (let left = source.varint(); left > 0; left--) {
      number += source.varint();
      vector.raise(this.heard(number), source.varint());
    }
    return vector;
  }
}

export function writeHello(sink: Sink, numbering: Numbering, hello: Hello): void {
  sink.varint(hello.protocol);
  sink.text(hello.cluster);
  sink.text(hello.member);
  sink.text(hello.region);
  writeOrigin(sink, hello.origin);
  numbering.write(sink);
  numbering.writeVector(sink, hello.applied);
  numbering.writeVector(sink, hello.durable);
  sink.u48(hello.wallMs);
  sink.varint(hello.features);
}

/** Reads a HELLO; only its protocol version when that is not ours, because the rest may then mean something else. */
export function readHello(source: Source, numbering: Numbering): Hello | { protocol: number } {
  const protocol = source.varint();
  if (protocol !== PROTOCOL) return { protocol };
  const cluster = source.text();
  const member = source.text();
  const region = source.text();
  const origin = readOrigin(source);
  numbering.read(source);
  const applied = numbering.readVector(source);
  const durable = numbering.readVector(source);
  const wallMs = source.u48();
  // The first that spoke this protocol said nothing of features.
  const features = source.left > 0 ? source.varint() : 0;
  return { protocol, cluster, member, region, origin, applied, durable, wallMs, features };
}

export function writeAck(sink: Sink, numbering: Numbering, ack: Ack): void {
  numbering.write(sink);
  sink.u48(ack.wallMs);
  sink.f64(ack.sentMs);
  sink.f64(ack.echoMs);
  sink.f64(ack.heldMs);
  sink.varint(ack.reports.length);
  for (const report of ack.reports) {
    sink.text(report.member);
    sink.varint(report.version);
    numbering.writeVector(sink, report.applied);
    numbering.writeVector(sink, report.durable);
    sink.varint(report.met.length);
    for (const origin of report.met) sink.varint(origin);
    sink.u48(report.promiseMs);
    sink.u16(report.promiseTick);
    sink.varint(report.life);
    sink.varint(report.asked);
    numbering.writeVector(sink, report.awaited);
    sink.varint(report.heard.length);
    for (const { member, asked } of report.heard) {
      sink.text(member);
      sink.varint(asked);
    }
  }
  for (const { settledEpoch } of ack.reports) sink.varint(settledEpoch);
  for (const { reads } of ack.reports) sink.varint(reads);
  for (const { counts } of ack.reports) sink.varint(counts ? 1 : 0);
}

/** Whether nothing is new in a report of a member, of this version, by this life of its process. */
export type IsOld = (member: string, version: number, life: number) => boolean;

/** Reports are passed on, so most come more than once: those that are old are left out. */
export function readAck(source: Source, numbering: Numbering, isOld: IsOld = () => false): Ack {
  numbering.read(source);
  const wallMs = source.u48();
  const sentMs = source.f64();
  const echoMs = source.f64();
  const heldMs = source.f64();
  const reports: (Report | null)[] = [];
  for (let left = source.varint(); left > 0; left--)
    reports.push(readReport(source, numbering, isOld));
  // Builds that know of no epochs end here, those that know only the first formats behind the epochs, and those of which every life
  // counts at once behind the formats; nor do they pass that on.
  const settled = source.left > 0 ? reports.map(() => source.varint()) : [];
  const reads = source.left > 0 ? reports.map(() => source.varint()) : [];
  const counts = source.left > 0 ? reports.map(() => source.varint()) : [];
  const heard: Report[] = [];
  for (const [i, report] of reports.entries())
    if (report !== null)
      heard.push({
        ...report,
        settledEpoch: settled[i] ?? 0,
        reads: reads[i] ?? READS_FIRST,
        counts: counts[i] !== 0,
      });
  return { wallMs, sentMs, echoMs, heldMs, reports: heard };
}

/** A report as far as all builds write it; null of an old one. */
function readReport(source: Source, numbering: Numbering, isOld: IsOld): Report | null {
  const member = source.text();
  const version = source.varint();
  const start = source.at;
  // Making three vectors takes longer than passing over them to where its life is said.
  passVector(source);
  passVector(source);
  for (let left = source.varint(); left > 0; left--) source.varint();
  source.skip(6 + 2);
  const life = source.varint();
  if (isOld(member, version, life)) {
    source.varint();
    passVector(source);
    for (let left = source.varint(); left > 0; left--) {
      source.skip(source.varint());
      source.varint();
    }
    return null;
  }
  source.at = start;
  return {
    member,
    version,
    applied: numbering.readVector(source),
    durable: numbering.readVector(source),
    met: readMet(source, numbering),
    promiseMs: source.u48(),
    promiseTick: source.u16(),
    life: source.varint(),
    asked: source.varint(),
    awaited: numbering.readVector(source),
    heard: readHeard(source),
    settledEpoch: 0,
    reads: READS_FIRST,
    counts: true,
  };
}

function passVector(source: Source): void {
  for (let left = source.varint(); left > 0; left--) {
    source.varint();
    source.varint();
  }
}

function readMet(source: Source, numbering: Numbering): number[] {
  const met: number[] = [];
  for (let left = source.varint(); left > 0; left--) met.push(numbering.heard(source.varint()));
  if (met.length === 0) throw new Malformed("a report names no incarnation that wrote it");
  return met;
}

function readHeard(source: Source): Heard[] {
  const heard: Heard[] = [];
  for (let left = source.varint(); left > 0; left--)
    heard.push({ member: source.text(), asked: source.varint() });
  return heard;
}

export function writePull(sink: Sink, numbering: Numbering, wanted: readonly Wanted[]): void {
  numbering.write(sink);
  sink.varint(wanted.length);
  for (const { origin, from, to } of wanted) {
    sink.varint(origin);
    sink.varint(from);
    sink.varint(to);
  }
}

export function readPull(source: Source, numbering: Numbering): Wanted[] {
  numbering.read(source);
  const wanted: Wanted[] = [];
  for (let left = source.varint(); left > 0; left--)
    wanted.push({
      origin: numbering.heard(source.varint()),
      from: source.varint(),
      to: source.varint(),
    });
  return wanted;
}
