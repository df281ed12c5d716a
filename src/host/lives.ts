/**
 * Lives: one node after another on the same ports: a node that was filled anew starts over, and whoever is connected need not know.
 *
 *   node ─ superseded ─► its clients and links are closed, all it had is durable ─► the next one recovers ─► it serves
 *
 * Invariant: at most one of them has the storage, and between two nobody is served: who connects then is told to come again.
 */
import type { Node } from "./node.ts";
import type { Client, ClientOutput, ClientService } from "./ports/clients.ts";
import type { Connection, TransportEvents } from "./ports/transport.ts";

const BETWEEN = "the node starts anew on what it was given";

export class Lives implements ClientService, TransportEvents, AsyncDisposable {
  readonly #start: () => Promise<Node>;
  readonly #began: (node: Node) => void;
  #node: Node;
  #between = false;
  #stopping = false;
  #fail: (error: Error) => void = () => {};
  /** Rejects when a node cannot go on, or none can be started. */
  readonly failed: Promise<never>;
  /** Resolves when one of them serves for the first time. */
  readonly serving: Promise<void>;
  #serve: () => void = () => {};
  /** The change from one node to the next that is under way. */
  #change: Promise<void> = Promise.resolve();

  private constructor(start: () => Promise<Node>, began: (node: Node) => void, first: Node) {
    this.#start = start;
    this.#began = began;
    this.#node = first;
    this.failed = new Promise((_, reject) => (this.#fail = reject));
    // Whoever does not wait for it must not be ended by it.
    this.failed.catch(() => {});
    this.serving = new Promise((resolve) => (this.#serve = resolve));
    this.#live(first);
  }

  /** `start` recovers a node; `began` hears of each. */
  static async begin(start: () => Promise<Node>, began: (node: Node) => void): Promise<Lives> {
    return new Lives(start, began, await start());
  }

  /** The present one; between two, the one before. */
  get node(): Node {
    return this.#node;
  }

  #live(node: Node): void {
    this.#began(node);
    void node.serving.then(this.#serve);
    node.failed.catch((error: unknown) => this.#failed(error));
    void node.superseded.then(() => {
      if (!this.#stopping)
        this.#change = this.#next().catch((error: unknown) => this.#failed(error));
    });
  }

  #failed(error: unknown): void {
    this.#fail(error instanceof Error ? error : new Error("the node failed", { cause: error }));
  }

  async #next(): Promise<void> {
    const before = this.#node;
    this.#between = true;
    before.peers.closeAll(BETWEEN);
    await before[Symbol.asyncDispose]();
    this.#node = await this.#start();
    this.#between = false;
    this.#live(this.#node);
  }

  open(output: ClientOutput): Client | null {
    if (!this.#between) return this.#node.clients.open(output);
    output.write(Buffer.from(`-LOADING ${BETWEEN}\r\n`, "latin1"));
    return null;
  }

  onOpen(connection: Connection): void {
    if (this.#between) connection.close(BETWEEN);
    else this.#node.peers.onOpen(connection);
  }

  onFrame(connection: Connection, type: number, body: Buffer): boolean {
    return this.#between || this.#node.peers.onFrame(connection, type, body);
  }

  onWritable(connection: Connection): void {
    if (!this.#between) this.#node.peers.onWritable(connection);
  }

  onClose(connection: Connection, reason: string): void {
    this.#node.peers.onClose(connection, reason);
  }

  isConnected(member: string): boolean {
    return this.#node.peers.isConnected(member);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    await this.#change;
    await this.#node[Symbol.asyncDispose]();
  }
}
