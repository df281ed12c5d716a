/**
 * Pushes: what clients are sent without having asked for it just now: messages, invalidations.
 *
 *   PUBLISH, a write, a record of a peer ─► post ─► … the command or the turn ends ─► deliver ─► each client's output
 *
 * Invariant: nothing is sent from inside a command. So what a transaction tells comes behind its end, and a client's own pushes
 * never stand inside a reply. What is sent shows no record before it is durable: the host holds it for all there are.
 *
 * One encoding serves every receiver that speaks the same protocol version: the bytes are never changed again.
 */
import { Reply } from "../wire/reply.ts";
import type { Run } from "./run.ts";
import type { Session } from "./session.ts";

/** In place of a receiver: the subscribers of a channel in the other regions. */
interface Abroad {
  readonly channel: Buffer;
}

export class Pushes {
  /** Lists side by side, so that one more receiver costs no object. */
  #receivers: (Session | Abroad)[] = [];
  #bytes: Buffer[] = [];
  /** Whether it is sent also if the command that told it is undone. */
  #certain: boolean[] = [];

  /** Sends a message to the other regions; set by who has links to them. */
  abroad: (channel: Buffer, message: Buffer) => void = () => {};

  /** How many wait; also a mark for `takeBack`. */
  get count(): number {
    return this.#receivers.length;
  }

  /** `bytes` belong to this list from now on. */
  post(receiver: Session, bytes: Buffer, certain = false): void {
    this.#receivers.push(receiver);
    this.#bytes.push(bytes);
    this.#certain.push(certain);
  }

  /** A message for the other regions. */
  postAbroad(channel: Buffer, message: Buffer): void {
    this.#receivers.push({ channel });
    this.#bytes.push(message);
    this.#certain.push(false);
  }

  /** Forgets what was posted since there were `count`: the command that told it is undone. */
  takeBack(count: number): void {
    let kept = count;
    for (let i = count; i < this.#receivers.length; i++) {
      if (this.#certain[i] !== true) continue;
      this.#receivers[kept] = this.#receivers[i] as Session;
      this.#bytes[kept++] = this.#bytes[i] as Buffer;
    }
    this.#receivers.length = kept;
    this.#bytes.length = kept;
    this.#certain.length = count;
    while (this.#certain.length < kept) this.#certain.push(true);
  }

  /** Hands everything on: to the client that is being answered behind its reply, to the others by the node. */
  deliver(run: Run, answered: Session | null, reply: Reply | null): void {
    const receivers = this.#receivers;
    const all = this.#bytes;
    this.#receivers = [];
    this.#bytes = [];
    this.#certain = [];
    for (let i = 0; i < receivers.length; i++) {
      const receiver = receivers[i] as Session | Abroad;
      const bytes = all[i] as Buffer;
      if (!("id" in receiver)) this.abroad(receiver.channel, bytes);
      else if (receiver === answered && reply !== null) {
        reply.sink.raw(bytes, 0, bytes.length);
        run.holdForEverything();
      } else run.node.push(receiver.id, bytes, Infinity);
    }
  }
}

const scratch = new Reply();

/** One push in the bytes of a protocol version. */
export function encoded(resp: 2 | 3, write: (reply: Reply) => void): Buffer {
  scratch.resp = resp;
  scratch.sink.clear();
  write(scratch);
  return scratch.sink.copy();
}
