/**
 * Network: the wires between machines, as TCP shows them: frames of one connection arrive whole and in order, late or not at all.
 *
 *   send ─► queue of the wire (bandwidth) ─► delay, jitter ─► onFrame
 *                 └─ cut: held until the wire is mended, as TCP sends again what was not acknowledged
 *
 * Invariant: within a connection nothing is lost, doubled or reordered while it is open; a reset loses whatever was on its way.
 * An end whose peer has gone without a word (a cut, a lost reset) stays open until somebody notices. Frames travel as messages; where
 * bytes matter (half a frame before a reset, a bit that flips) they are written and read by the production codec.
 */
import { crc32 } from "node:zlib";
import { Sink } from "../../src/core/bytes/sink.ts";
import { Malformed } from "../../src/core/bytes/source.ts";
import { FRAME, FrameDecoder, writeFrame } from "../../src/core/wire/frame.ts";
import type { Connection } from "../../src/host/ports/transport.ts";
import type { Chance } from "./chance.ts";
import { type Harm, Harms } from "./harm.ts";
import type { Machine } from "./machine.ts";
import type { Timeline } from "./timeline.ts";
import type { Trace } from "./trace.ts";

/** One direction of a wire. */
export interface Way {
  delayUs: number;
  jitterUs: number;
  /** Bytes per millisecond; 0 is no limit. */
  rate: number;
  cut: boolean;
  /** How many hold it. */
  holders: number;
  /** What holds up whatever is sent here, and what makes it slow. */
  readonly cuts: Harms;
  readonly slows: Harms;
}

export function wayOf(delayUs: number, jitterUs: number, rate: number): Way {
  return { delayUs, jitterUs, rate, cut: false, holders: 0, cuts: new Harms(), slows: new Harms() };
}

/** The two directions between two machines, in the order of `ends`. */
export interface Wire {
  readonly ends: readonly [Machine, Machine];
  readonly ways: readonly [Way, Way];
  /** Who dials: either end or both. */
  readonly dialsFrom: readonly boolean[];
}

export interface NetworkCounts {
  frames: number;
  bytes: number;
  batches: number;
  /** Connections that were opened beside one that both ends knew. */
  spares: number;
}

const REDIAL_MIN_US = 50_000;
const REDIAL_MAX_US = 2_000_000;
const HANDSHAKE_US = 5_000_000;
const FRAME_OVERHEAD = 16;
/** What may be sent to a connection that was writable when it was read from the log for it. */
const QUEUED_MAX_BYTES = 1 << 20;

export class Network {
  readonly timeline: Timeline;
  readonly trace: Trace;
  readonly chance: Chance;
  readonly windowBytes: number;
  readonly wires: Wire[] = [];
  readonly connections = new Set<Link>();
  readonly counts: NetworkCounts = { frames: 0, bytes: 0, batches: 0, spares: 0 };
  /** Called when a connection has more to send than fits its window. */
  onFull: () => void = () => {};
  /** Called when half a frame was taken for a whole one. */
  onNonsense: (to: Machine) => void = () => {};
  /** Called when one holds far more than that: its node does not ask whether it takes more. */
  onFlood: (from: Machine) => void = () => {};
  /** Called with every batch that leaves a machine. */
  onBatch: (from: Machine, body: Uint8Array) => void = () => {};
  /** The end of a snapshot is sent. */
  onSnapshot: (from: Machine, body: Uint8Array) => void = () => {};

  constructor(timeline: Timeline, trace: Trace, chance: Chance, windowBytes: number) {
    this.timeline = timeline;
    this.trace = trace;
    this.chance = chance;
    this.windowBytes = windowBytes;
  }

  /** The wires of a machine that it dials are dialled, now that it has started. */
  started(machine: Machine): void {
    for (const wire of this.wires)
      for (const side of [0, 1] as const)
        if (wire.ends[side] === machine && wire.dialsFrom[side]) this.#dial(wire, side, 0);
  }

  /** A process ended: its connections are reset, as far as anybody can be told. */
  killed(machine: Machine): void {
    for (const link of this.connections)
      for (const end of link.ends) if (end.machine === machine && end.open) end.vanish();
  }

  /** Whether the machine has an open connection. */
  isConnected(machine: Machine): boolean {
    return [...this.connections].some(({ ends }) =>
      ends.some((end) => end.machine === machine && end.open),
    );
  }

  /** Ends every connection of a wire, losing what is on its way; `tears` a frame in the middle if there is one. Whether there was any. */
  reset(wire: Wire, tears: boolean): boolean {
    let happened = false;
    for (const link of this.#linksOf(wire)) {
      if (tears && !link.ends.map((end) => end.tear()).includes(true)) continue;
      happened = true;
      link.generation++;
      for (const end of link.ends) if (end.open) end.drop("the connection was reset");
    }
    return happened;
  }

  /** One end of a wire's connections is gone, and nobody tells the other, which talks on. Whether there was one. */
  forget(wire: Wire, side: 0 | 1, harm: Harm): boolean {
    let happened = false;
    for (const link of this.#linksOf(wire)) {
      const end = link.ends[side];
      if (!end.open) continue;
      happened = true;
      link.unheard = harm;
      link.generation++;
      end.drop("the connection's state was lost");
    }
    return happened;
  }

  /** One end of a wire's connections breaks, and what it has sent arrives when it has already dialled again. */
  delay(wire: Wire, side: 0 | 1, harm: Harm): boolean {
    let happened = false;
    for (const link of this.#linksOf(wire)) {
      const end = link.ends[side];
      if (!end.open || end.inFlight === 0) continue;
      happened = true;
      link.late = { harm, frames: [] };
      end.drop("the connection was reset");
    }
    return happened;
  }

  /** A bit of the next frame to leave one end of a wire's connections flips on the way. */
  flip(wire: Wire, side: 0 | 1, harm: Harm): boolean {
    let happened = false;
    for (const link of this.#linksOf(wire)) {
      const end = link.ends[side];
      if (!end.open) continue;
      happened = true;
      end.flips = harm;
    }
    return happened;
  }

  #linksOf(wire: Wire): Link[] {
    return [...this.connections].filter((link) => link.wire === wire);
  }

  /** A direction was cut or mended. */
  changed(wire: Wire, side: 0 | 1): void {
    if (wire.ways[side].cut) return;
    for (const link of this.connections) if (link.wire === wire) link.ends[side].mended();
  }

  #dial(wire: Wire, side: 0 | 1, attempts: number): void {
    const from = wire.ends[side];
    const other = wire.ends[side === 0 ? 1 : 0];
    const there = wire.ways[side];
    const back = wire.ways[side === 0 ? 1 : 0];
    const fail = (afterUs: number): void =>
      this.timeline.after(afterUs, "dial failed", from, () => {
        from.node?.peers.dialFailed(other.name, other.name, "no connection");
        this.#redial(wire, side, attempts);
      });
    const silent = there.cut || back.cut || other.paused;
    if (silent) {
      for (const way of wire.ways) if (way.cut) way.cuts.felt();
      if (other.paused) other.pauses.felt();
      return fail(HANDSHAKE_US);
    }
    const { life } = from;
    const dialledAt = this.timeline.now;
    this.timeline.after(this.#latency(there), "syn", null, () => {
      // Who has started anew dials anew.
      if (from.life !== life) return;
      if (other.state !== "up" || there.cut || back.cut)
        return fail(other.state === "up" ? HANDSHAKE_US : back.delayUs);
      if (this.#stood(wire, dialledAt)) this.counts.spares++;
      const link = new Link(this, wire, side);
      this.connections.add(link);
      const end = link.ends[side];
      end.onGone = () => {
        if (from.life !== life) return;
        const held = end.openedAt > 0 && this.timeline.now - end.openedAt > REDIAL_MAX_US;
        this.#redial(wire, side, held ? 0 : attempts);
      };
      const openUs = this.#latency(back);
      const accepted = link.ends[side === 0 ? 1 : 0];
      // What the peer says first comes right behind the answer to the call.
      accepted.notBefore(this.timeline.now + openUs);
      this.timeline.after(openUs, "link open", null, () => {
        if (from.life !== life) end.vanish();
        else if (end.open) end.opened();
      });
      accepted.opened();
      for (const old of this.#linksOf(wire)) if (old !== link) old.arriveLate();
    });
  }

  /**
   * Whether both ends have a connection over which they had long been known to one another when one of them dialled: two that dial at
   * once know of the other's call only afterwards.
   */
  #stood(wire: Wire, dialledAt: number): boolean {
    return this.#linksOf(wire).some(({ ends }) =>
      ends.every(
        ({ open, openedAt }) => open && openedAt > 0 && openedAt + HANDSHAKE_US < dialledAt,
      ),
    );
  }

  #redial(wire: Wire, side: 0 | 1, attempts: number): void {
    const from = wire.ends[side];
    const to = wire.ends[side === 0 ? 1 : 0].name;
    const waitUs = Math.min(REDIAL_MAX_US, REDIAL_MIN_US * 2 ** attempts);
    this.timeline.after(waitUs * (0.5 + 0.5 * this.chance.unit()), "redial", from, () => {
      if (from.node?.peers.isConnected(to)) this.#redial(wire, side, attempts);
      else this.#dial(wire, side, Math.min(attempts + 1, 30));
    });
  }

  #latency(way: Way): number {
    return way.delayUs + this.chance.unit() * way.jitterUs;
  }
}

interface Held {
  readonly type: number;
  readonly body: Buffer;
}

/** One connection. */
export class Link {
  readonly wire: Wire;
  readonly ends: readonly [End, End];
  /** Grows when a reset loses what is on its way. */
  generation = 0;
  /** Set when one end is gone and the other does not know. */
  unheard: Harm | null = null;
  /** Set while what is on its way waits for a newer connection to open. */
  late: { readonly harm: Harm; readonly frames: (() => void)[] } | null = null;

  constructor(network: Network, wire: Wire, dialler: 0 | 1) {
    this.wire = wire;
    this.ends = [
      new End(network, this, 0, dialler === 0 ? wire.ends[1].name : null),
      new End(network, this, 1, dialler === 1 ? wire.ends[0].name : null),
    ];
  }

  /** A newer connection has opened: what waited for that comes now. */
  arriveLate(): void {
    const { late } = this;
    this.late = null;
    for (const arrive of late?.frames ?? []) {
      if (this.ends.some((end) => end.open)) late?.harm.felt();
      arrive();
    }
  }
}

/** One end of a connection, as its node sees it. */
export class End implements Connection {
  readonly #network: Network;
  readonly #link: Link;
  readonly #side: 0 | 1;
  readonly machine: Machine;
  readonly dialled: string | null;
  readonly address: string;
  open = true;
  /** Whether its node was told of it. */
  #known = false;
  openedAt = 0;
  onGone: () => void = () => {};
  queuedBytes = 0;
  #blocked = false;
  #lastArrival = 0;
  /** What waits to leave, the end of the connection behind the last frame. */
  #queue: (Held | "end")[] = [];
  #leaving = false;
  /** Frames that have left and not arrived, the oldest first. */
  readonly #flight: Held[] = [];
  /** Set when a bit of the next frame is to flip. */
  flips: Harm | null = null;
  /** Reads bytes once one of them was not what was sent. */
  #decoder: FrameDecoder | null = null;
  /** Frames that have come while its node wants none; null while it wants them. */
  #unwanted: (() => void)[] | null = null;

  constructor(network: Network, link: Link, side: 0 | 1, dialled: string | null) {
    this.#network = network;
    this.#link = link;
    this.#side = side;
    this.machine = link.wire.ends[side];
    this.dialled = dialled;
    this.address = `${link.wire.ends[side === 0 ? 1 : 0].name}:7379`;
  }

  get #peer(): End {
    return this.#link.ends[this.#side === 0 ? 1 : 0];
  }

  get #way(): Way {
    return this.#link.wire.ways[this.#side];
  }

  get writable(): boolean {
    return this.queuedBytes <= this.#network.windowBytes;
  }

  /** Nothing sent here arrives earlier. */
  notBefore(at: number): void {
    this.#lastArrival = at;
  }

  opened(): void {
    this.machine.say(`is connected to ${this.#peer.machine.name}`);
    this.#known = true;
    this.openedAt = this.#network.timeline.now;
    this.machine.act(() => this.machine.node?.peers.onOpen(this));
  }

  send(type: number, body: Uint8Array): void {
    if (!this.open) return;
    const { counts, trace } = this.#network;
    this.#network.timeline.deeds++;
    counts.frames++;
    counts.bytes += body.length + FRAME_OVERHEAD;
    if (type === FRAME.BATCH) {
      counts.batches++;
      this.#network.onBatch(this.machine, body);
    }
    if (type === FRAME.SNAP_END) this.#network.onSnapshot(this.machine, body);
    trace.bytes(body);
    const copy = Buffer.from(body);
    this.queuedBytes += copy.length + FRAME_OVERHEAD;
    if (this.queuedBytes > this.#network.windowBytes + QUEUED_MAX_BYTES)
      this.#network.onFlood(this.machine);
    if (!this.writable) {
      this.#blocked = true;
      this.#network.onFull();
    }
    this.#queue.push({ type, body: copy });
    this.#drain();
  }

  get inFlight(): number {
    return this.#flight.length;
  }

  /** The first frame on its way arrives in part. False when there is none. */
  tear(): boolean {
    const [first] = this.#flight;
    if (first === undefined || !this.open || !this.#peer.open) return false;
    const bytes = encoded(first);
    const { chance } = this.#network;
    newDecoder().push(bytes.subarray(0, chance.between(1, bytes.length - 1)), () =>
      this.#network.onNonsense(this.#peer.machine),
    );
    return true;
  }

  /** Sends what waits, one after the other, as fast as the wire takes it. */
  #drain(): void {
    if (this.#way.cut && this.#queue.length > 0) this.#way.cuts.felt();
    while (!this.#leaving && !this.#way.cut) {
      const first = this.#queue[0];
      if (first === undefined) return;
      if (first === "end") {
        this.#queue.shift();
        this.#sayEnd();
        continue;
      }
      const bytes = first.body.length + FRAME_OVERHEAD;
      const { rate } = this.#way;
      if (rate === 0) {
        this.#leave(first, bytes);
        continue;
      }
      this.#leaving = true;
      this.#network.timeline.after((bytes / rate) * 1000, "sent", null, () => {
        this.#leaving = false;
        if (this.#queue[0] === first && !this.#way.cut) this.#leave(first, bytes);
        this.#drain();
      });
    }
  }

  #leave(frame: Held, bytes: number): void {
    this.#queue.shift();
    const { timeline, chance } = this.#network;
    const way = this.#way;
    const arrival = Math.max(
      this.#lastArrival,
      timeline.now + way.delayUs + chance.unit() * way.jitterUs,
    );
    this.#lastArrival = arrival;
    const { generation } = this.#link;
    const peer = this.#peer;
    way.slows.felt();
    this.#flight.push(frame);
    timeline.after(arrival - timeline.now, "frame", peer.machine, () => {
      const link = this.#link;
      if (this.#flight[0] === frame) this.#flight.shift();
      if (generation !== link.generation || !peer.open) return link.unheard?.felt();
      const arrive = (): void => peer.#receive(this, frame);
      if (link.late === null) arrive();
      else link.late.frames.push(arrive);
    });
    this.#left(bytes);
  }

  #receive(from: End, frame: Held): void {
    const { machine } = this;
    if (!this.open || machine.state !== "up") return;
    if (this.#unwanted !== null) {
      this.#unwanted.push(() => this.#receive(from, frame));
      return;
    }
    this.#network.timeline.events++;
    const deliver = (type: number, body: Buffer): void =>
      machine.act(() => {
        if (machine.node?.peers.onFrame(this, type, body) === false) this.#unwanted ??= [];
      });
    if (from.flips === null && this.#decoder === null) deliver(frame.type, frame.body);
    else this.#decode(from, frame, deliver);
    // Whoever kept a view of it finds out.
    frame.body.fill(0xdb);
  }

  resume(): void {
    this.#network.timeline.after(0, "frames go on", this.machine, () => {
      const frames = this.#unwanted ?? [];
      this.#unwanted = null;
      for (const arrive of frames) arrive();
    });
  }

  /** The connection's bytes are not what was sent: read them as the transport does. */
  #decode(from: End, frame: Held, deliver: (type: number, body: Buffer) => void): void {
    const bytes = encoded(frame);
    this.#decoder ??= newDecoder();
    const { chance } = this.#network;
    if (from.flips !== null) {
      (bytes[chance.below(bytes.length)] as number) ^= 1 << chance.below(8);
      from.flips.felt();
      from.flips = null;
    }
    try {
      this.#decoder.push(bytes, (type, _, body) => deliver(type, body));
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      this.close(error.message);
    }
  }

  #left(bytes: number): void {
    this.queuedBytes -= bytes;
    if (!this.#blocked || this.queuedBytes > this.#network.windowBytes / 2 || !this.open) return;
    this.#blocked = false;
    this.#network.timeline.after(0, "writable", this.machine, () => {
      if (this.open) this.machine.act(() => this.machine.node?.peers.onWritable(this));
    });
  }

  /** The way out of here works again. */
  mended(): void {
    this.#drain();
    // Whoever writes to an end that has gone is told so.
    if (!this.open) this.#end();
  }

  close(reason: string): void {
    if (!this.open) return;
    this.machine.say(`closes its connection to ${this.#peer.machine.name}: ${reason}`);
    this.#network.timeline.deeds++;
    this.open = false;
    this.#network.timeline.after(50, "closed", this.machine, () => this.#gone("closed here"));
    this.#end();
  }

  /** The process has ended: nobody here is told. */
  vanish(): void {
    if (!this.open) return;
    this.open = false;
    // What had not left goes with the process.
    this.#queue = [];
    this.#end();
    this.#forget();
  }

  /** The connection broke; the node here is told at once. */
  drop(reason: string): void {
    if (!this.open) return;
    this.open = false;
    this.#queue = [];
    this.#network.timeline.after(0, "dropped", this.machine, () => this.#gone(reason));
  }

  /** The peer is to hear that this end is closed, behind what was sent before. */
  #end(): void {
    this.#queue.push("end");
    this.#drain();
  }

  #sayEnd(): void {
    const way = this.#way;
    const { timeline } = this.#network;
    const arrival = Math.max(this.#lastArrival, timeline.now + way.delayUs);
    this.#lastArrival = arrival;
    const peer = this.#peer;
    timeline.after(arrival - timeline.now, "end", peer.machine, () =>
      peer.drop("closed by the peer"),
    );
  }

  #gone(reason: string): void {
    if (this.#known) this.machine.act(() => this.machine.node?.peers.onClose(this, reason));
    this.onGone();
    this.#forget();
  }

  #forget(): void {
    const { connections } = this.#network;
    if (this.#link.ends.every((end) => !end.open)) connections.delete(this.#link);
  }
}

function newDecoder(): FrameDecoder {
  return new FrameDecoder({
    crc32,
    unpack: () => {
      throw new Error("nothing here is compressed");
    },
  });
}

function encoded({ type, body }: Held): Buffer {
  const sink = new Sink(body.length + 64);
  writeFrame(sink, type, 0, 0, body, crc32);
  return sink.copy();
}
