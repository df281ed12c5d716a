/** The ports of a gateway: its clients, and the regions that it speaks to for them. */

/** A client of the gateway, as the gateway writes to it. */
export interface GatewayOutput {
  /** Bytes that stay as they are. */
  write(bytes: Buffer): void;
  /** Reads no more from it, until told. */
  pause(): void;
  resume(): void;
  /** Sends what was written, and closes. */
  close(): void;
}

/** What the gateway wants to know of a client. */
export interface GatewayInput {
  /** Bytes that stay as they are. */
  receive(bytes: Buffer): void;
  /** What was written waits to be sent, or no longer does. */
  crowded(isCrowded: boolean): void;
  /** It sends nothing more, and is to be answered what it has asked. */
  ended(): void;
  closed(): void;
}

/** A connection to a region. */
export interface Upstream {
  write(bytes: Buffer): void;
  pause(): void;
  resume(): void;
  /** At once; nothing is told any more. */
  close(): void;
}

export interface UpstreamEvents {
  received(bytes: Buffer): void;
  /** It cannot be reached, or no longer. */
  ended(why: string): void;
}

/** Connects to `redis://host:port`; what is written before that is done is sent when it is. */
export type Dial = (url: string, events: UpstreamEvents) => Upstream;
