/**
 * Transport: the connections of a node to its peers, as frames.
 *
 * Invariant: frames of one connection arrive whole, once, in the order they were sent, or the connection closes. Nothing of a
 * peer is handed over before it has proven the cluster's secret. A slow peer is felt only by its own connection: `send`
 * never blocks and never drops, and `writable` tells the node when to stop feeding it.
 */

/** One open, authenticated connection to a peer. */
export interface Connection {
  /** A name for logs: the peer's address. */
  readonly address: string;
  /** Which configured link this is, when this side dialled; null when the peer did. */
  readonly dialled: string | null;
  /** Sends one frame: its type (`core/wire/frame.ts`) and body. Copies what it needs before it returns. */
  send(type: number, body: Uint8Array): void;
  /** False while more than a window of bytes waits to be sent; `onWritable` follows. */
  readonly writable: boolean;
  /** Bytes given to `send` and not yet taken by the network. */
  readonly queuedBytes: number;
  /** Hands over frames again, from outside of this call. Also when it is closed already. */
  resume(): void;
  close(reason: string): void;
}

export interface TransportEvents {
  /** A peer has proven itself, on a connection that either side dialled. */
  onOpen(connection: Connection): void;
  /**
   * `body` is valid only inside the call. Returns whether more is wanted: if not, no frame of this connection is handed over until
   * its `resume`.
   */
  onFrame(connection: Connection, type: number, body: Buffer): boolean;
  onWritable(connection: Connection): void;
  onClose(connection: Connection, reason: string): void;
  /** Whether the member that a link leads to is connected anyway, as by its own dialling: then the link is not dialled. */
  isConnected(member: string): boolean;
}

export interface Transport extends AsyncDisposable {
  /** Where peers reach this node, once listening. */
  readonly port: number;
  /**
   * Dials `link.address` (`host:port`) now and again after every failure, with backoff and jitter, until disposed; not while the
   * peer `isConnected`.
   */
  dial(link: { name: string; address: string }): void;
}
