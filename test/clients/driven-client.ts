/**
 * Driven client: what the same tests ask of every client library, each in its own idiom.
 *
 * Invariant: values go in and come out as the library hands them to its users; nothing is repaired on the way.
 */
export interface DrivenClient extends AsyncDisposable {
  /** The library's generic call; replies as strings where the library makes them so. */
  call(...args: (string | Buffer)[]): Promise<unknown>;
  set(key: string | Buffer, value: string | Buffer): Promise<unknown>;
  getBuffer(key: string | Buffer): Promise<Buffer | null>;
  select(db: number): Promise<unknown>;
  /** INCR so often in one pipeline. */
  incrementPipelined(key: string, times: number): Promise<unknown[]>;
  /** SET, INCR and HSET in one MULTI. */
  transaction(key: string): Promise<unknown[]>;
  /** WATCH, then `meanwhile`, then a MULTI that sets the key: whether it was aborted, as the library says it. */
  isAborted(key: string, meanwhile: () => Promise<unknown>): Promise<boolean>;
  scanAll(match: string): Promise<string[]>;
  /** HEXPIRE of two fields for 100 seconds, HTTL, HPERSIST and HTTL again: their replies. */
  expireFields(key: string, first: string, second: string): Promise<unknown[]>;
  hgetall(key: string): Promise<Record<string, string>>;
}

export interface ConnectOptions {
  port: number;
  password?: string;
}

export interface ClientLibrary {
  name: string;
  protocol: 2 | 3;
  /** Connected and ready. Rejects when the server refuses. */
  connect(options: ConnectOptions): Promise<DrivenClient>;
}
