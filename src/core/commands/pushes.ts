/**
 * Pushes: what clients are sent without having asked for it just now: messages, invalidations.
 *
 *   PUBLISH, a write, a record of a peer ─► post ─► … the command or the turn ends ─► deliver ─► each client's output
 *
 * Invariant: nothing is sent from inside a command. So what a transaction tells comes behind its end, and a client's own pushes
 * never stand inside a reply. What is sent shows no record before it is durable: the host holds it for all there are.
 *
 * One encoding serves every receiver that speaks the same protocol version: the bytes are never changed again, only written behind.
 */
import { Sink } from "../bytes/sink.ts";
import { Reply } from "../wire/reply.ts";
import type { Run } from "./run.ts";
import type { Session } from "./session.ts";

/** In place of a receiver: the subscribers of a channel in the other regions. */
interface Abroad {
  readonly channel: Buffer;
}

/** Lists side by side, so that one more receiver costs no object. */
class Posted {
  readonly receivers: (Session | Abroad)[] = [];
  readonly bytes: Buffer[] = [];
  /** Whether it is sent also if the command that told it is undone. */
  readonly certain: boolean[] = [];

  add(receiver: Session | Abroad, bytes: Buffer, certain: boolean): void {
    this.receivers.push(receiver);
    this.bytes.push(bytes);
    this.certain.push(certain);
  }

  clear(): void {
    this.receivers.length = 0;
    this.bytes.length = 0;
    this.certain.length = 0;
  }
}

export class Pushes {
  #posted = new Posted();
  /** Empty, for what is posted while the others are handed on; null while it is used for that. */
  #spare: Posted | null = new Posted();

  /** Sends a message to the other regions; set by who has links to them. */
  abroad: (channel: Buffer, message: Buffer) => void = () => {};

  /** How many wait; also a mark for `takeBack`. */
  get count(): number {
    return this.#posted.receivers.length;
  }

  /** `bytes` belong to this list from now on. */
  post(receiver: Session, bytes: Buffer, certain = false): void {
    this.#posted.add(receiver, bytes, certain);
  }

  /** A message for the other regions. */
  postAbroad(channel: Buffer, message: Buffer): void {
    this.#posted.add({ channel }, message, false);
  }

  /** Forgets what was posted since there were `count`: the command that told it is undone. */
  takeBack(count: number): void {
    const { receivers, bytes, certain } = this.#posted;
    let kept = count;
    for (let i = count; i < receivers.length; i++) {
      if (certain[i] !== true) continue;
      receivers[kept] = receivers[i] as Session;
      certain[kept] = true;
      bytes[kept++] = bytes[i] as Buffer;
    }
    receivers.length = kept;
    bytes.length = kept;
    certain.length = kept;
  }

  /** Hands everything on: to the client that is being answered behind its reply, to the others by the node. */
  deliver(run: Run, answered: Session | null, reply: Reply | null): void {
    const posted = this.#posted;
    this.#posted = this.#spare ?? new Posted();
    this.#spare = null;
    const { receivers, bytes: all } = posted;
    for (let i = 0; i < receivers.length; i++) {
      const receiver = receivers[i] as Session | Abroad;
      const bytes = all[i] as Buffer;
      if (!("id" in receiver)) this.abroad(receiver.channel, bytes);
      else if (receiver === answered && reply !== null) {
        reply.sink.raw(bytes, 0, bytes.length);
        run.holdForEverything();
      } else run.node.push(receiver.id, bytes, Infinity);
    }
    posted.clear();
    this.#spare = posted;
  }
}

/** What one push may pin of the memory around it while a client does not take it. */
const PAGE_BYTES = 16 * 1024;
let page = new Reply(new Sink(PAGE_BYTES));

/**
 * One push in the bytes of a protocol version. They lie right behind those of the push before, so that those of one turn to one
 * client are mostly one piece.
 */
export function encoded(resp: 2 | 3, write: (reply: Reply) => void): Buffer {
  const { sink } = page;
  const start = sink.length;
  page.resp = resp;
  write(page);
  // What has grown for a large one is not kept.
  if (sink.length > PAGE_BYTES / 2) page = new Reply(new Sink(PAGE_BYTES));
  return sink.buffer.subarray(start, sink.length);
}
