/**
 * Served: one client's connection, both ends of it: bytes in pieces to the node, replies in pieces back.
 *
 *   ask ─► bytes, cut anywhere ─► Client.receive ─► … ─► ClientOutput.write ─► replies, parsed as they leave ─► answered
 *
 * Invariant: the node sees a byte stream as a socket would give it. The replies are read where they leave the node, so that the
 * judge can ask what was durable at that very moment; the client hears of them later, if the connection lasts.
 */
import type { Client, ClientOutput } from "../../src/host/ports/clients.ts";
import type { Chance } from "./chance.ts";
import type { Machine } from "./machine.ts";
import type { Timeline } from "./timeline.ts";
import { type Reply, ReplyReader } from "./replies.ts";

export interface ServedEvents {
  /** A reply leaves the node. */
  leaves(reply: Reply): void;
  /** A reply has come to the client. */
  answered(reply: Reply): void;
  /** The connection is gone. */
  gone(): void;
  /** Whether a reply is still to come. */
  isWaiting(): boolean;
}

const NEAR_US = 200;
/** Others have their turn between two pieces. */
const PIECES_APART_US = 50_000;

export class Served implements ClientOutput {
  readonly address = "127.0.0.1:50000";
  readonly localAddress = "127.0.0.1:6379";
  readonly fd = -1;
  readonly queuedBytes = 0;
  readonly machine: Machine;
  readonly life: number;
  readonly #timeline: Timeline;
  readonly #chance: Chance;
  readonly #events: ServedEvents;
  readonly #reader = new ReplyReader();
  #client: Client | null = null;
  #input = Buffer.alloc(0);
  #reading = true;
  #open = true;
  #lastIn = 0;
  #lastOut = 0;
  /** Commands executed on this connection. */
  executed = 0;

  private constructor(machine: Machine, chance: Chance, events: ServedEvents) {
    this.machine = machine;
    this.life = machine.life;
    this.#timeline = machine.timeline;
    this.#chance = chance;
    this.#events = events;
  }

  /** Connects to a machine; null when nobody listens there. */
  static connect(machine: Machine, chance: Chance, events: ServedEvents): Served | null {
    if (machine.state !== "up" || machine.paused || machine.node === null) return null;
    const served = new Served(machine, chance, events);
    machine.act(() => (served.#client = machine.node?.clients.open(served) ?? null));
    if (served.#client === null) return null;
    machine.served.add(served);
    return served;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** The session's number in its node. */
  get session(): number {
    return (this.#client as unknown as { session: { id: number } }).session.id;
  }

  /** Sends bytes, perhaps in pieces. */
  send(bytes: Buffer): void {
    const pieces = this.#chance.is(0.2) ? this.#chance.between(2, 4) : 1;
    let at = 0;
    for (let i = 0; i < pieces; i++) {
      const to = i === pieces - 1 ? bytes.length : this.#chance.between(at, bytes.length);
      if (to === at) continue;
      const piece = Buffer.from(bytes.subarray(at, to));
      at = to;
      this.#lastIn = Math.max(
        this.#lastIn,
        this.#timeline.now + NEAR_US + this.#chance.below(i === 0 ? NEAR_US : PIECES_APART_US),
      );
      this.#timeline.after(this.#lastIn - this.#timeline.now, "client bytes", this.machine, () =>
        this.#receive(piece),
      );
    }
  }

  #receive(piece: Buffer): void {
    if (!this.#open) return;
    this.#input = Buffer.concat([this.#input, piece]);
    if (this.#reading) this.#offer();
  }

  #offer(): void {
    const client = this.#client as Client;
    const input = this.#input;
    if (input.length === 0 || !this.#open) return;
    this.machine.act(() => {
      const consumed = client.receive(input, 0, input.length);
      this.#input = Buffer.from(input.subarray(consumed));
      // The bytes are ours again: whoever kept a view of them finds out.
      input.fill(0xdb);
    });
  }

  write(bytes: Buffer): void {
    if (!this.#open) return;
    this.#timeline.deeds++;
    this.machine.network.trace.bytes(bytes);
    const replies = this.#reader.read(bytes);
    for (const reply of replies) this.#events.leaves(reply);
    this.#lastOut = Math.max(this.#lastOut, this.#timeline.now + NEAR_US);
    this.#timeline.after(this.#lastOut - this.#timeline.now, "client reply", null, () => {
      for (const reply of replies) if (this.#open) this.#events.answered(reply);
    });
  }

  pause(): void {
    this.#reading = false;
  }

  resume(): void {
    this.#reading = true;
    this.#timeline.after(0, "client resumed", this.machine, () => this.#offer());
  }

  /** The node closes the connection. */
  close(): void {
    this.#timeline.after(NEAR_US, "client closed", this.machine, () => this.#ended());
  }

  /** The client goes away in the middle of things; whether it had asked for something that was not answered. */
  hangUp(): boolean {
    if (!this.#open || !this.#events.isWaiting()) return false;
    this.leave();
    this.#timeline.after(NEAR_US, "client lost", null, () => this.#events.gone());
    return true;
  }

  /** The client goes away. */
  leave(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#timeline.after(NEAR_US, "client left", this.machine, () => {
      this.machine.served.delete(this);
      this.machine.act(() => this.#client?.closed());
    });
  }

  /** The process has ended. */
  died(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#timeline.after(NEAR_US, "client lost", null, () => this.#events.gone());
  }

  #ended(): void {
    if (!this.#open) return;
    this.#open = false;
    this.machine.served.delete(this);
    this.machine.act(() => this.#client?.closed());
    this.#events.gone();
  }
}
