/**
 * Messages: what is published to channels with `pubsub: global`, on its way between regions.
 *
 *   PUBLISH ─► waits until what was written before it is durable here ─► MESSAGES to every link that knows them ─► a peer
 *   ─► waits until what was written before it is applied there ─► its subscribers
 *
 * Invariant: a message reaches a subscriber at most once, those of one member in order, and none before the records that were made
 * here before it. It is no record: it is neither logged nor sent again. Where a link is down or full, where it is too large, or
 * where too many wait, it is dropped and counted.
 *
 *   MESSAGES = messages back to back
 *   message  = origin │ varint number │ varint seq │ bytes channel │ bytes message
 */
import { Sink } from "../bytes/sink.ts";
import { Source } from "../bytes/source.ts";
import { type Origin, readOrigin, writeOrigin } from "../clock/origins.ts";
import { FRAME } from "../wire/frame.ts";
import type { Link } from "./link.ts";
import type { Replica } from "./replica.ts";

/** A larger one would keep records waiting behind it. */
const MESSAGE_MAX_BYTES = 256 * 1024;
/** What may wait to become durable here, and what may wait for records of others. */
const WAITING_MAX_BYTES = 4 * 1024 * 1024;
/** Messages beyond this go in the next frame. */
const FRAME_BYTES = 32 * 1024;
/** How long a message waits for records that were made before it. */
const PATIENCE_MS = 30_000;

/** A message that waits for our own records to be durable. */
interface Outgoing {
  readonly seq: number;
  readonly bytes: Buffer;
}

/** A message of a peer that waits for its records to be applied. */
interface Incoming {
  readonly origin: number;
  readonly seq: number;
  readonly channel: Buffer;
  readonly message: Buffer;
  readonly untilMs: number;
}

export class Messages {
  readonly #replica: Replica;
  readonly #send: (link: Link, type: number, body: Buffer) => void;
  #outgoing: Outgoing[] = [];
  #outgoingBytes = 0;
  #incoming: Incoming[] = [];
  #incomingBytes = 0;
  /** Member → the number of its newest message that came. */
  readonly #heard = new Map<string, number>();
  #number = 0;
  readonly #one = new Sink(1024);
  readonly #frame = new Sink(FRAME_BYTES);
  /** Messages handed to a link, once for each; taken from one; and given up, once for each peer that does not get it. */
  sent = 0;
  received = 0;
  dropped = 0;

  constructor(replica: Replica, send: (link: Link, type: number, body: Buffer) => void) {
    this.#replica = replica;
    this.#send = send;
  }

  /** Sends a message to the other regions once what was written here before it is durable. */
  publish(channel: Buffer, message: Buffer): void {
    const { origins, applied, me, nowMs, clock, members } = this.#replica;
    const others = members.names.length - 1;
    const bytes = channel.length + message.length;
    if (others === 0) return;
    if (bytes > MESSAGE_MAX_BYTES || this.#outgoingBytes + bytes > WAITING_MAX_BYTES) {
      this.dropped += others;
      return;
    }
    // Numbers go on growing over a restart, as the clock does.
    this.#number = Math.max(this.#number + 1, Math.floor(Math.max(nowMs, clock.ms)) * 1024);
    const seq = applied.get(me);
    const sink = this.#one;
    sink.clear();
    writeOrigin(sink, origins.get(me));
    sink.varint(this.#number);
    sink.varint(seq);
    sink.bytes(channel, 0, channel.length);
    sink.bytes(message, 0, message.length);
    this.#outgoing.push({ seq, bytes: sink.copy() });
    this.#outgoingBytes += bytes;
  }

  /** Sends what nothing stands against any more, and gives subscribers what they may have. */
  pump(): void {
    this.ship();
    if (this.#incoming.length > 0) this.#deliver();
  }

  /** More of our records may be durable. */
  ship(): void {
    if (this.#outgoing.length === 0) return;
    let ready = 0;
    const frame = this.#frame;
    frame.clear();
    let count = 0;
    for (const { seq, bytes } of this.#outgoing) {
      if (this.#replica.hold(seq) > 0) break;
      ready++;
      count++;
      frame.raw(bytes, 0, bytes.length);
      if (frame.length < FRAME_BYTES) continue;
      this.#broadcast(frame.copy(), count, null);
      frame.clear();
      count = 0;
    }
    if (count > 0) this.#broadcast(frame.copy(), count, null);
    this.#outgoing = this.#outgoing.slice(ready);
    this.#outgoingBytes = this.#outgoing.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  /** Hands messages to every link but the one from which they came. */
  #broadcast(body: Buffer, count: number, from: Link | null): void {
    const { exchange, members } = this.#replica;
    let reached = 0;
    for (const link of exchange.links.values()) {
      if (!link.takesMessages || link === from || !exchange.isWritable(link.id)) continue;
      this.#send(link, FRAME.MESSAGES, body);
      this.sent += count;
      reached++;
    }
    // Behind a hub there are fewer links than members, and the hub sends on.
    const expected = exchange.relays ? exchange.links.size : members.names.length - 1;
    if (from === null) this.dropped += Math.max(0, expected - reached) * count;
  }

  /** A peer sends messages. Throws `Malformed` before any of them is believed. */
  receive(link: Link, body: Buffer): void {
    const { origins, members, monoMs, exchange } = this.#replica;
    const source = new Source(body);
    const all: Read[] = [];
    while (source.left > 0) all.push(read(source, body));
    const relayed = this.#frame;
    relayed.clear();
    let count = 0;
    for (const { origin, number, seq, channel, message, bytes } of all) {
      const { member } = origin;
      // Over several ways the same message comes more than once, and our own comes back.
      if (member === this.#replica.member || !members.names.includes(member)) continue;
      if (number <= (this.#heard.get(member) ?? 0)) continue;
      this.#heard.set(member, number);
      const untilMs = monoMs + PATIENCE_MS;
      this.#take({ origin: origins.introduce(origin), seq, channel, message, untilMs });
      relayed.raw(bytes, 0, bytes.length);
      count++;
    }
    if (exchange.relays && count > 0) this.#broadcast(relayed.copy(), count, link);
    this.#deliver();
  }

  #take(incoming: Incoming): void {
    const bytes = incoming.channel.length + incoming.message.length;
    this.received++;
    if (this.#incomingBytes + bytes > WAITING_MAX_BYTES) {
      this.dropped++;
      return;
    }
    this.#incomingBytes += bytes;
    this.#incoming.push(incoming);
  }

  /** Publishes what waits for no records. Whoever waits, the later ones of its origin wait too: theirs are no fewer. */
  #deliver(): void {
    const { applied, monoMs, run } = this.#replica;
    const left: Incoming[] = [];
    for (const incoming of this.#incoming) {
      const { origin, seq, channel, message, untilMs } = incoming;
      const waits = !applied.covers(origin, seq);
      if (waits && monoMs < untilMs) {
        left.push(incoming);
        continue;
      }
      this.#incomingBytes -= channel.length + message.length;
      if (waits) this.dropped++;
      else run.subscriptions.publish(channel, message);
    }
    this.#incoming = left;
  }
}

interface Read {
  readonly origin: Origin;
  readonly number: number;
  readonly seq: number;
  readonly channel: Buffer;
  readonly message: Buffer;
  /** All of it, as it came: valid as long as the frame. */
  readonly bytes: Buffer;
}

function read(source: Source, body: Buffer): Read {
  const start = body.length - source.left;
  const origin = readOrigin(source);
  const number = source.varint();
  const seq = source.varint();
  const channel = Buffer.from(source.view());
  const message = Buffer.from(source.view());
  const bytes = body.subarray(start, body.length - source.left);
  return { origin, number, seq, channel, message, bytes };
}
