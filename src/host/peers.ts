/**
 * Peers: the node's connections to other members, under the numbers by which the replica knows its links.
 *
 * Invariant: a connection has a number from the moment it opens until it closes, and no number is used twice. What a peer sends
 * that makes no sense costs it the connection, and nobody else anything.
 */
import { Malformed } from "../core/bytes/source.ts";
import type { Replica } from "../core/replica/replica.ts";
import type { Connection, TransportEvents } from "./ports/transport.ts";
import type { Turn } from "./turn.ts";

export interface PeersHost {
  readonly replica: Replica;
  beginTurn(): void;
  turnEnded(): void;
  readonly turn: Turn;
  /** A link has closed; not said while the node stops. */
  linkClosed(peer: string, reason: string): void;
}

export class Peers implements TransportEvents {
  readonly #host: PeersHost;
  readonly #connections = new Map<number, Connection>();
  readonly #links = new Map<Connection, number>();
  /** Member or link → how often it has opened, and why it last closed. */
  readonly #opened = new Map<string, number>();
  readonly #failures = new Map<string, string>();
  #ids = 0;

  constructor(host: PeersHost) {
    this.#host = host;
    host.replica.exchange.isWritable = (id) => this.#connections.get(id)?.writable ?? false;
  }

  send(link: number, type: number, body: Buffer): void {
    this.#connections.get(link)?.send(type, body);
  }

  close(link: number, reason: string): void {
    this.#connections.get(link)?.close(reason);
  }

  closeAll(reason: string): void {
    for (const connection of this.#connections.values()) connection.close(reason);
  }

  /** How often links to a member have opened. */
  openedTo(member: string): number {
    return this.#opened.get(member) ?? 0;
  }

  /** Why there is no link to a member. */
  reasonDown(member: string): string {
    return this.#failures.get(member) ?? "never connected";
  }

  onOpen(connection: Connection): void {
    const { replica } = this.#host;
    const id = ++this.#ids;
    this.#connections.set(id, connection);
    this.#links.set(connection, id);
    this.#host.beginTurn();
    replica.exchange.opened(id, connection.dialled, connection.address);
    this.#host.turnEnded();
  }

  onFrame(connection: Connection, type: number, body: Buffer): boolean {
    const { replica } = this.#host;
    const id = this.#links.get(connection);
    if (id === undefined) return true;
    const wasUp = replica.exchange.links.get(id)?.up ?? false;
    this.#host.beginTurn();
    try {
      replica.exchange.receive(id, type, body);
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      connection.close(`it sent what makes no sense: ${error.message}`);
    }
    const member = replica.exchange.links.get(id)?.member ?? null;
    if (!wasUp && member !== null) this.#opened.set(member, this.openedTo(member) + 1);
    this.#host.turnEnded();
    if (!this.#host.turn.isFull && !replica.delivery.unfinished) return true;
    this.#hold(connection, true);
    this.#goOnLater(connection);
    return false;
  }

  /** No more is taken from a connection before what it has sent is applied. */
  #goOnLater(connection: Connection): void {
    this.#host.turn.later({
      goOn: () => {
        if (this.#host.replica.delivery.unfinished) return this.#goOnLater(connection);
        this.#hold(connection, false);
        connection.resume();
      },
    });
  }

  #hold(connection: Connection, held: boolean): void {
    const link = this.#host.replica.exchange.links.get(this.#links.get(connection) ?? -1);
    if (link !== undefined) link.held = held;
  }

  onWritable(connection: Connection): void {
    const id = this.#links.get(connection);
    if (id === undefined) return;
    this.#host.beginTurn();
    this.#host.replica.exchange.writable(id);
    this.#host.turnEnded();
  }

  onClose(connection: Connection, reason: string): void {
    const id = this.#links.get(connection);
    if (id === undefined) return;
    const member = this.#host.replica.exchange.links.get(id)?.member;
    const peer = member ?? connection.dialled ?? connection.address;
    this.#failures.set(peer, reason);
    this.#links.delete(connection);
    this.#connections.delete(id);
    this.#host.replica.exchange.closed(id);
    this.#host.linkClosed(peer, reason);
  }

  isConnected(member: string): boolean {
    for (const link of this.#host.replica.exchange.links.values())
      if (link.member === member) return true;
    return false;
  }

  /** A dialled link could not be opened. */
  dialFailed(link: string | null, address: string, reason: string): void {
    this.#failures.set(link ?? address, reason);
  }
}
