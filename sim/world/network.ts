/**
 * Network: the wires between machines, as TCP shows them: frames of one connection arrive whole and in order, late or not at all.
 *
 *   send ─► queue of the wire (bandwidth) ─► delay, jitter ─► onFrame
 *                 └─ cut: held until the wire is mended, as TCP sends again what was not acknowledged
 *
 * Invariant: within a connection nothing is lost, doubled or reordered while it is open; a reset loses whatever was on its way.
 * An end whose peer has gone without a word (a cut, a lost reset) stays open until somebody notices.
 */
import { FRAME } from "../../src/core/wire/frame.ts";
import type { Connection } from "../../src/host/ports/transport.ts";
import type { Chance } from "./chance.ts";
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
}

const REDIAL_MIN_US = 50_000;
const REDIAL_MAX_US = 2_000_000;
const HANDSHAKE_US = 5_000_000;
const FRAME_OVERHEAD = 16;

export class Network {
  readonly timeline: Timeline;
  readonly trace: Trace;
  readonly chance: Chance;
  readonly windowBytes: number;
  readonly wires: Wire[] = [];
  readonly connections = new Set<Link>();
  readonly counts: NetworkCounts = { frames: 0, bytes: 0, batches: 0 };
  /** Called when a connection has more to send than fits its window. */
  onFull: () => void = () => {};
  /** Called with every batch that leaves a machine. */
  onBatch: (from: Machine, body: Uint8Array) => void = () => {};

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

  /** Ends every connection of a wire, losing what is on its way. */
  reset(wire: Wire): void {
    for (const link of this.connections)
      if (link.wire === wire) {
        link.generation++;
        for (const end of link.ends) if (end.open) end.drop("the connection was reset");
      }
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
    if (silent) return fail(HANDSHAKE_US);
    const { life } = from;
    this.timeline.after(this.#latency(there), "syn", null, () => {
      if (other.state !== "up" || there.cut || back.cut)
        return fail(other.state === "up" ? HANDSHAKE_US : back.delayUs);
      if (from.life !== life) return;
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
    });
  }

  #redial(wire: Wire, side: 0 | 1, attempts: number): void {
    const from = wire.ends[side];
    const waitUs = Math.min(REDIAL_MAX_US, REDIAL_MIN_US * 2 ** attempts);
    this.timeline.after(waitUs * (0.5 + 0.5 * this.chance.unit()), "redial", from, () =>
      this.#dial(wire, side, Math.min(attempts + 1, 30)),
    );
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

  constructor(network: Network, wire: Wire, dialler: 0 | 1) {
    this.wire = wire;
    this.ends = [
      new End(network, this, 0, dialler === 0 ? wire.ends[1].name : null),
      new End(network, this, 1, dialler === 1 ? wire.ends[0].name : null),
    ];
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
    counts.frames++;
    counts.bytes += body.length + FRAME_OVERHEAD;
    if (type === FRAME.BATCH) {
      counts.batches++;
      this.#network.onBatch(this.machine, body);
    }
    trace.bytes(body);
    const copy = Buffer.from(body);
    this.queuedBytes += copy.length + FRAME_OVERHEAD;
    if (!this.writable) {
      this.#blocked = true;
      this.#network.onFull();
    }
    this.#queue.push({ type, body: copy });
    this.#drain();
  }

  /** Sends what waits, one after the other, as fast as the wire takes it. */
  #drain(): void {
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
    timeline.after(arrival - timeline.now, "frame", peer.machine, () => {
      if (!peer.open || generation !== this.#link.generation) return;
      peer.machine.act(() => peer.machine.node?.peers.onFrame(peer, frame.type, frame.body));
      // Whoever kept a view of it finds out.
      frame.body.fill(0xdb);
    });
    this.#left(bytes);
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
