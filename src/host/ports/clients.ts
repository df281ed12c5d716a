/**
 * Clients: the node's side of client connections, so that the socket adapter knows nothing of commands and the node nothing
 * of sockets.
 *
 * Invariant: bytes are offered in order; what `receive` did not consume is offered again, in front of what came later, when
 * more has arrived or after `resume`. Between `pause` and `resume` nothing is offered, so a client that does not read its
 * replies, or waits for one, costs no more memory than its limits allow.
 */

/** What the node may do to a connection. */
export interface ClientOutput {
  /** `ip:port` of the client, and of the listening side. */
  readonly address: string;
  readonly localAddress: string;
  /** The descriptor of the socket, for CLIENT LIST; −1 when there is none. */
  readonly fd: number;
  /** Whether another member, which has proven who it is, speaks for the client. */
  readonly isPeer?: boolean;
  /**
   * Sends bytes. They are on their way or copied before it returns, so the caller may reuse them; unless it says that they last:
   * those are kept as they are, and may be shared with other connections.
   */
  write(bytes: Buffer, lasting?: boolean): void;
  /** Bytes given to `write` and not yet taken by the network. */
  readonly queuedBytes: number;
  /** Stops reading from the client. */
  pause(): void;
  /** Offers what is left over, then reads on. Never calls `receive` from inside `receive`. */
  resume(): void;
  /** Closes once everything written is sent; `now` does not wait. */
  close(now?: boolean): void;
}

/** What the adapter tells the node about one connection. */
export interface Client {
  /**
   * Executes the whole commands in `bytes[start … end)`; returns the offset in `bytes` up to which it consumed. `bytes` is the
   * caller's again afterwards. One that leaves whole commands behind, so that others get their turn, and says so by a `need`
   * that is already there, is offered them again soon.
   */
  receive(bytes: Buffer, start: number, end: number): number;
  /** At least this many bytes must be there before another `receive` can make progress: spares re-parsing a large value. */
  readonly need: number;
  /** So many bytes have come and wait for the rest of their command, or for the client to be served on. */
  unread(bytes: number): void;
  /** `queuedBytes` has fallen to zero. */
  drained(): void;
  /**
   * The client will send nothing more, but may still read. Whoever implements it closes after the last answer; without it
   * the connection closes once what was written is sent. Also told while paused: a blocked client that ends has gone.
   */
  ended?(): void;
  /** The connection is gone. Called once. */
  closed(): void;
}

export interface ClientService {
  /** A client has connected; null refuses it after `output.write` of the reason (too many clients). */
  open(output: ClientOutput): Client | null;
}
