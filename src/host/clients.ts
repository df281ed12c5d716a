/**
 * Clients: parses what clients send, executes it, and gives each its replies in order, none before what it shows is durable.
 *
 *   bytes ─► parse ─► may it run? ─► execute ─► replies of this event, one write ─┬─ nothing to wait for ─► socket
 *                     no: not read from              held until `durableSeq` has reached their seq ◄─┘
 *                     until its wait has ended                      └─ and until the wait for other members has ended ─► socket
 *
 * Invariant: replies leave in the order of their commands. The queue of held replies is in order of the seqs they wait for, so
 * what became durable releases from its head; what then waits for other members holds up its own client alone.
 */
import type { Replica } from "../core/replica/replica.ts";
import { describe } from "../core/commands/client-line.ts";
import { outputExcess } from "../core/commands/client-limits.ts";
import { heldUntilMs, mayRun } from "../core/commands/dispatch.ts";
import type { Wait } from "../core/replica/waits.ts";
import { Session } from "../core/commands/session.ts";
import type { Settings } from "../core/commands/settings.ts";
import { leaveTransaction } from "../core/commands/transactions.ts";
import { Args } from "../core/wire/args.ts";
import { Reply } from "../core/wire/reply.ts";
import { INCOMPLETE, PROTOCOL_ERROR, RESP_LIMITS, RespParser } from "../core/wire/resp.ts";
import { ClientMemory } from "./client-memory.ts";
import type { Client, ClientOutput, ClientService } from "./ports/clients.ts";
import type { Turn, Waiting } from "./turn.ts";

/** What clients need of the node. */
export interface ClientsHost {
  readonly replica: Replica;
  readonly settings: Settings;
  /** A turn begins: the replica is told the time. */
  beginTurn(): void;
  /** Something may have been written: it goes to the log soon. */
  turnEnded(): void;
  /** Who has more to do than it holds goes on in the next one. */
  readonly turn: Turn;
  /** More waits for the disk than may: no client is read from until it has caught up. */
  congested(): boolean;
  /** A client, as CLIENT LIST shows it, was cut off, and why. */
  clientCutOff(client: string, reason: string): void;
}

/**
 * Replies gathered before they are handed on although the client has sent more; and what a client may owe to take before it is
 * served on.
 */
const REPLY_FLUSH_BYTES = 1024 * 1024;
/** Held replies beyond which clients are not read from: a slow disk must not become a full memory. */
const HELD_MAX_BYTES = 64 * 1024 * 1024;

const NOTHING: readonly Buffer[] = [];

/** A client and what is known of it. */
export interface ServedClient extends Client {
  readonly session: Session;
  /** Nothing that it asked for is still to be answered, as far as it was received. */
  readonly isIdle: boolean;
}

interface Held {
  readonly client: NodeClient;
  readonly seq: number;
  readonly bytes: Buffer;
  /** What it waits for of other members, once it is durable here. */
  readonly wait: Wait | null;
}

export class Clients implements ClientService {
  readonly #host: ClientsHost;
  readonly #clients = new Map<number, NodeClient>();
  readonly parser = new RespParser();
  readonly args = new Args();
  readonly reply = new Reply();
  readonly #instead = new Reply();
  #held: Held[] = [];
  #heldHead = 0;
  #heldSeq = 0;
  #ids = 0;
  received = 0;
  refused = 0;
  /** Clients cut off because of what was owed to them, and because all together held too much. */
  cutOff = 0;
  evicted = 0;
  readonly #memory: ClientMemory;
  /** Clients that something was gathered for in this turn. */
  #gathering: NodeClient[] = [];
  /** What was joined last, and of which pushes. */
  #joinedOf: readonly Buffer[] = NOTHING;
  #joinedBytes: Buffer = Buffer.alloc(0);
  #closing = false;
  #heldBytes = 0;
  /** Clients that are not read from until the disk has caught up. */
  readonly #congested = new Set<NodeClient>();
  /** Clients that are not read from until a time, in milliseconds since 1970. */
  readonly #waiting = new Map<NodeClient, number>();

  constructor(host: ClientsHost) {
    this.#host = host;
    this.parser.limits = { ...RESP_LIMITS };
    this.#memory = new ClientMemory(host.settings, host.replica.run.sessions);
  }

  /** Clients that are served: one whose connection is being closed is none any more. */
  get count(): number {
    return this.#host.replica.run.sessions.size;
  }

  /** Clients that are made to wait (CLIENT PAUSE, DEBUG SLEEP). */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  open(output: ClientOutput): ServedClient | null {
    const refusal = this.#refusal(output);
    if (refusal !== null) {
      this.refused++;
      output.write(Buffer.from(`-${refusal}\r\n`, "latin1"));
      return null;
    }
    this.received++;
    const { replica } = this.#host;
    this.#host.beginTurn();
    const session = new Session(
      ++this.#ids,
      output.address,
      output.localAddress,
      replica.run.wallMs,
      replica.run.users.isOpen,
    );
    session.fd = output.fd;
    const client = new NodeClient(this, this.#host, session, output);
    session.outputBytes = () => client.owedBytes;
    this.#clients.set(session.id, client);
    replica.run.sessions.set(session.id, session);
    return client;
  }

  /** Why somebody at that address may not have a copy of everything; null if they may. */
  deniesEverything(address: string, name: string, password: string): string | null {
    const denied = this.deniesUser(address, name, password);
    if (denied !== null) return denied;
    if (this.#host.replica.run.users.named(name)?.isLimited === true)
      return `${name} may not do everything, and a backup holds everything`;
    return null;
  }

  /** Why somebody at that address is not taken for the user; null if they are. */
  deniesUser(address: string, name: string, password: string): string | null {
    if (this.#isProtectedFrom(address)) return PROTECTED;
    if (this.#host.replica.run.users.named(name)?.admits(Buffer.from(password)) === true)
      return null;
    return "the name or the password is wrong: write them into the URL, http://name:password@host";
  }

  #isProtectedFrom(address: string): boolean {
    const { isOpen } = this.#host.replica.run.users;
    return this.#host.settings.protectedMode && isOpen && !isLocal(address);
  }

  #refusal(output: ClientOutput): string | null {
    const { settings } = this.#host;
    if (this.#closing) return "ERR the node is stopping";
    if (this.#clients.size >= settings.maxClients) return "ERR max number of clients reached";
    if (output.isPeer !== true && this.#isProtectedFrom(output.address)) return PROTECTED;
    return null;
  }

  /** A client's connection is being closed: nobody sees it any more. */
  leaving({ session }: NodeClient): void {
    const { run } = this.#host.replica;
    run.sessions.delete(session.id);
    this.#memory.left(session);
    run.monitors.delete(session);
    run.subscriptions.leave(session);
    run.tracking.end(session);
  }

  closed(client: NodeClient): void {
    this.#clients.delete(client.session.id);
    this.leaving(client);
    const { run } = this.#host.replica;
    this.#waiting.delete(client);
    this.#congested.delete(client);
    this.#host.turn.leave(client);
    run.blocking.leave(client.session);
    run.waits.leave(client.session.id);
    leaveTransaction(run, client.session);
    this.#host.replica.exchange.forwards.leave(client.session);
    this.#host.replica.exchange.escrow.leave(client.session);
  }

  /** Something has come for a client that no turn of its own brought. */
  turnEnded(): void {
    this.#host.turnEnded();
  }

  /** Answers clients that waited for a key: those that were served, and those whose time is over. */
  answer(): void {
    const { replica } = this.#host;
    const { blocking } = replica.run;
    if (blocking.answers.length > 0) {
      const { answers } = blocking;
      blocking.answers = [];
      for (const { session, bytes, seq, wrote } of answers) {
        const client = this.#clients.get(session.id);
        if (client === undefined) continue;
        session.deciding = false;
        const wait = wrote ? replica.wrote(session, seq) : null;
        if (wait !== null) this.#host.turnEnded();
        this.deliver(client, bytes, replica.hold(seq), wait);
        client.released();
        client.output.resume();
      }
    }
    this.#endWaits();
  }

  /** What was waited for of other members has come, or its time is over. */
  #endWaits(): void {
    const { waits, exchange } = this.#host.replica;
    for (const over of [exchange.forwards, exchange.escrow]) {
      if (over.ended.length === 0) continue;
      for (const id of over.ended) this.#clients.get(id)?.output.resume();
      over.ended = [];
    }
    if (waits.ended.length === 0) return;
    const { ended } = waits;
    waits.ended = [];
    for (const wait of ended) {
      const client = this.#clients.get(wait.client);
      if (client?.session.pending === wait) client.output.resume();
      else client?.unblock();
    }
  }

  /** A client must wait before its next command (DEBUG SLEEP, CLIENT PAUSE). */
  wait(client: NodeClient, untilMs: number): void {
    this.#waiting.set(client, untilMs);
    client.output.pause();
  }

  /** Whether a client waits for the disk or for a time: it is resumed then. */
  isHeldUp(client: NodeClient): boolean {
    return this.#congested.has(client) || this.#waiting.has(client);
  }

  /** Lets clients go on whose time has come, or whose pause was ended; the node calls it every tick. */
  wake(): void {
    if (this.#congested.size > 0 && !this.congested) {
      for (const client of this.#congested) client.output.resume();
      this.#congested.clear();
    }
    if (this.#waiting.size === 0) return;
    const { run } = this.#host.replica;
    for (const [client, untilMs] of this.#waiting) {
      const paused = run.pausedUntilMs > run.wallMs || client.session.sleepUntilMs > run.wallMs;
      if (untilMs > run.wallMs && paused) continue;
      this.#waiting.delete(client);
      client.output.resume();
    }
  }

  /** Sends a client something of its own accord, behind the replies that are held for it. */
  push(id: number, bytes: Buffer, seq: number): void {
    // Who waited and was granted its wish hears first of that, then of what it changed.
    this.answer();
    const client = this.#clients.get(id);
    if (client === undefined) return;
    const hold = this.#host.replica.hold(seq);
    if (hold === 0 && client.heldCount === 0) this.#gather(client, bytes);
    else this.deliver(client, bytes, hold, null, true);
  }

  /** What one turn pushes to a client goes to it in one write. */
  #gather(client: NodeClient, bytes: Buffer): void {
    this.#judgeOutput(client, bytes.length);
    if (client.gone) return;
    if (client.gathered.length === 0) this.#gathering.push(client);
    client.gathered.push(bytes);
    client.gatheredBytes += bytes.length;
  }

  /** Sends what was gathered; the node calls it at the end of a turn. */
  sendGathered(): void {
    if (this.#gathering.length === 0) return;
    for (const client of this.#gathering) this.sendGatheredTo(client);
    this.#gathering = [];
    this.#joinedOf = NOTHING;
  }

  sendGatheredTo(client: NodeClient): void {
    const { gathered } = client;
    if (gathered.length === 0) return;
    client.gathered = [];
    client.gatheredBytes = 0;
    if (client.gone) return;
    client.output.write(this.#joined(gathered), true);
    if (client.output.queuedBytes > 0) this.grown(client);
  }

  /** Subscribers of the same channels are mostly sent the same, which is put together once. */
  #joined(parts: readonly Buffer[]): Buffer {
    const [first] = parts;
    if (parts.length === 1 && first !== undefined) return first;
    const before = this.#joinedOf;
    if (before.length !== parts.length || parts.some((part, i) => part !== before[i])) {
      this.#joinedOf = parts;
      this.#joinedBytes = inOnePiece(parts) ?? Buffer.concat(parts);
    }
    return this.#joinedBytes;
  }

  /** Disconnects clients that have been silent for longer than `timeout`, and are not there to listen. */
  closeIdle(): void {
    const { settings, replica } = this.#host;
    if (settings.timeoutSeconds === 0) return;
    const { wallMs, monitors } = replica.run;
    for (const client of this.#clients.values()) {
      const { session } = client;
      const listens = session.subscriptions > 0 || monitors.has(session);
      const idleMs = wallMs - session.lastCommandMs;
      if (idleMs > settings.timeoutSeconds * 1000 && !listens) client.end();
    }
  }

  /** Cuts off clients of which too much is waiting, for too long. */
  closeExcessive(): void {
    for (const client of this.#clients.values()) this.#judgeOutput(client, 0);
    this.#evict(this.#memory.excess());
  }

  /** A client holds more than before. */
  grown({ session, ending }: NodeClient): void {
    if (!ending) this.#evict(this.#memory.changed(session));
  }

  #evict(victims: readonly Session[]): void {
    for (const { id } of victims) {
      const client = this.#clients.get(id);
      if (client === undefined) continue;
      this.evicted++;
      this.#cutOff(client, "clients together hold more than maxmemory-clients, this one most");
    }
  }

  /** Cuts a client off if it is owed too much with `bytes` more. */
  #judgeOutput(client: NodeClient, bytes: number): void {
    if (client.ending) return;
    const { settings, replica } = this.#host;
    const owedBytes = client.owedBytes + bytes;
    const excess = outputExcess(settings, client.session, owedBytes, replica.run.monoMs);
    if (excess === null) return;
    this.cutOff++;
    this.#cutOff(client, `${excess} (client-output-buffer-limit)`);
  }

  #cutOff(client: NodeClient, reason: string): void {
    this.#host.clientCutOff(describe(this.#host.replica.run, client.session), reason);
    client.cutOff();
  }

  /** Closes one client's connection once its replies are sent. */
  close(id: number): void {
    this.#clients.get(id)?.end();
  }

  /** Takes no more clients and ends those there are. */
  closeAll(): void {
    this.#closing = true;
    for (const client of this.#clients.values()) client.end();
  }

  get congested(): boolean {
    return this.#heldBytes > HELD_MAX_BYTES || this.#host.congested();
  }

  /** Stops reading from a client while the disk is behind. */
  slow(client: NodeClient): void {
    if (!this.congested || this.#congested.has(client)) return;
    this.#congested.add(client);
    client.output.pause();
  }

  /**
   * Sends replies now or, when they show what is not durable, once it is, and `wait` has ended. `seq` 0 and no `wait` wait only
   * for earlier replies. Bytes that last are never changed again, so many clients may share them.
   */
  deliver(
    client: NodeClient,
    bytes: Buffer,
    seq: number,
    wait: Wait | null = null,
    lasting = false,
  ): void {
    if (bytes.length === 0) return;
    this.sendGatheredTo(client);
    this.#judgeOutput(client, bytes.length);
    if (client.gone) return;
    if (seq === 0 && wait === null && client.heldCount === 0) {
      client.output.write(bytes, lasting);
      if (client.output.queuedBytes > 0) this.grown(client);
      return;
    }
    const isNext = seq === 0 && client.heldCount === client.blockedCount;
    this.#heldSeq = Math.max(this.#heldSeq, seq);
    client.heldCount++;
    client.heldBytes += bytes.length;
    this.#heldBytes += bytes.length;
    const kept = lasting ? bytes : Buffer.from(bytes);
    const held = { client, seq: this.#heldSeq, bytes: kept, wait };
    if (isNext) client.block(held);
    else this.#held.push(held);
  }

  /** Sends a reply that was held. */
  sendHeld({ client, bytes, wait }: Held): void {
    client.heldCount--;
    client.heldBytes -= bytes.length;
    this.#heldBytes -= bytes.length;
    const instead = this.#instead;
    instead.sink.clear();
    instead.resp = client.session.resp;
    if (wait?.terms.end !== undefined) {
      // It may look at the time, and this process may have stood still since the turn began.
      this.#host.beginTurn();
      wait.terms.end(wait, instead);
    }
    client.output.write(instead.sink.length > 0 ? instead.sink.copy() : bytes, true);
    client.released();
  }

  /** Releases the replies whose records are durable up to `durableSeq`. */
  release(durableSeq: number): void {
    const held = this.#held;
    let head = this.#heldHead;
    while (head < held.length) {
      const next = held[head] as Held;
      if (next.seq > durableSeq) break;
      head++;
      next.client.block(next);
    }
    this.#heldHead = head;
    if (head === held.length) {
      this.#held = [];
      this.#heldHead = 0;
    } else if (head > 4096) {
      this.#held = held.slice(head);
      this.#heldHead = 0;
    }
  }

  /** A new incarnation counts its seqs anew; what was held belongs to the old one and was durable or is durable now. */
  restart(): void {
    this.release(Infinity);
    this.#heldSeq = 0;
  }
}

class NodeClient implements ServedClient, Waiting {
  readonly session: Session;
  readonly output: ClientOutput;
  readonly #clients: Clients;
  readonly #host: ClientsHost;
  need = 0;
  /** Pushes of this turn; none while replies are held. */
  gathered: Buffer[] = [];
  gatheredBytes = 0;
  /** Replies that are held. */
  heldCount = 0;
  heldBytes = 0;
  /** Those of them that are durable here and wait for other members, or behind such. */
  #blocked: Held[] = [];
  /** What was asked before is still answered, and nothing more. */
  ending = false;
  /** Nothing is sent any more. */
  gone = false;

  constructor(clients: Clients, host: ClientsHost, session: Session, output: ClientOutput) {
    this.#clients = clients;
    this.#host = host;
    this.session = session;
    this.output = output;
  }

  /** Bytes of replies that are held, or that the network has not taken yet. */
  get owedBytes(): number {
    return this.heldBytes + this.gatheredBytes + this.output.queuedBytes;
  }

  /** Whether its next command has to wait until something has come for the one before, or for it. */
  get #isWaiting(): boolean {
    const { waiter, deciding, pending, forwarded, asking } = this.session;
    return (
      waiter !== null ||
      deciding ||
      pending?.outcome === null ||
      forwarded?.state === "under way" ||
      asking?.state === "under way"
    );
  }

  get isIdle(): boolean {
    return !this.#isWaiting && this.heldCount === 0;
  }

  unread(bytes: number): void {
    this.session.queryBytes = bytes;
    this.#clients.grown(this);
  }

  receive(bytes: Buffer, start: number, end: number): number {
    const { parser, args, reply } = this.#clients;
    const { session } = this;
    const { replica, settings } = this.#host;
    if (this.ending) return end;
    if (this.#isWaiting) {
      this.output.pause();
      return start;
    }
    if (this.#host.turn.isFull) {
      this.#waitForTurn();
      return start;
    }
    this.unread(end - start);
    if (this.ending) return end;
    this.#host.beginTurn();
    parser.limits.maxBulkBytes = settings.protoMaxBulkLen;
    reply.sink.clear();
    let at = start;
    let hold = 0;
    this.need = 0;
    while (at < end) {
      parser.authenticated = session.authenticated;
      const next = parser.parse(bytes, at, end, args);
      if (next === INCOMPLETE) {
        this.need = parser.need;
        break;
      }
      if (next === PROTOCOL_ERROR) {
        reply.resp = session.resp;
        reply.error(`ERR ${parser.problem}`);
        session.closing = true;
        at = end;
        break;
      }
      const untilMs = args.count === 0 ? 0 : heldUntilMs(replica.run, session, args);
      if (untilMs > 0) {
        this.#clients.wait(this, untilMs);
        break;
      }
      if (args.count > 0 && !mayRun(replica.run, session, args)) {
        this.output.pause();
        break;
      }
      const commandAt = at;
      at = next;
      if (args.count === 0) continue;
      session.queryBytes = end - commandAt;
      reply.resp = session.resp;
      const { mark } = reply;
      const seq = replica.execute(session, args, reply);
      const { replyWait } = replica.run;
      if (replyWait !== null) hold = this.#deliverWaiting(mark, hold, seq, replyWait);
      else if (seq > hold) hold = seq;
      replica.run.blocking.serve();
      if (session.waiter !== null || session.deciding) {
        this.output.pause();
        break;
      }
      if (session.closing) {
        if (session.unheard) reply.sink.clear();
        break;
      }
      if (reply.sink.length > REPLY_FLUSH_BYTES) {
        this.#clients.deliver(this, reply.sink.view(), hold);
        reply.sink.clear();
        if (this.ending || this.output.queuedBytes > REPLY_FLUSH_BYTES) break;
        if (this.#clients.congested) break;
      }
      if (at < end && this.#host.turn.isFull) {
        this.#waitForTurn();
        break;
      }
    }
    if (reply.sink.length > 0) this.#clients.deliver(this, reply.sink.view(), hold);
    this.unread(end - at);
    if (session.closing) this.end();
    else this.#clients.slow(this);
    this.#host.turnEnded();
    return at;
  }

  /** The turn is full: it goes on in the next one, which nobody may have called for yet: a tick does work too. */
  #waitForTurn(): void {
    this.output.pause();
    this.#host.turn.later(this);
    this.#host.turnEnded();
  }

  goOn(): void {
    if (!this.gone && !this.#clients.isHeldUp(this)) this.output.resume();
  }

  /** Delivers what was answered so far, and the reply from `mark` on, which waits for other members. Nothing is left to hold. */
  #deliverWaiting(mark: number, hold: number, seq: number, wait: Wait): number {
    const { reply } = this.#clients;
    const bytes = reply.sink.view();
    this.#clients.deliver(this, bytes.subarray(0, mark), hold);
    this.#clients.deliver(this, bytes.subarray(mark), seq, wait);
    reply.sink.clear();
    return 0;
  }

  get blockedCount(): number {
    return this.#blocked.length;
  }

  /** A reply is durable here: it is sent unless it, or one before it, waits for other members. */
  block(held: Held): void {
    this.#blocked.push(held);
    this.unblock();
  }

  /** Sends what waits for other members no more. */
  unblock(): void {
    let count = 0;
    for (const held of this.#blocked) {
      if (held.wait !== null && held.wait.outcome === null) break;
      count++;
    }
    for (const held of this.#blocked.splice(0, count)) this.#clients.sendHeld(held);
  }

  /** Closes once everything owed to the client is sent. */
  end(): void {
    this.ending = true;
    this.#clients.leaving(this);
    this.session.closing = true;
    this.#host.replica.run.blocking.leave(this.session);
    this.#clients.sendGatheredTo(this);
    this.released();
  }

  /** Closes at once, whatever is owed to the client: that is too much. */
  cutOff(): void {
    this.end();
    this.gone = true;
    this.output.close(true);
  }

  /** A reply was sent; or nothing more is to come. */
  released(): void {
    if (this.ending && this.heldCount === 0 && !this.session.deciding) this.output.close();
  }

  drained(): void {}

  /** The client will send no more: it still gets what it is owed. */
  ended(): void {
    this.end();
  }

  closed(): void {
    this.ending = true;
    this.gone = true;
    this.#clients.closed(this);
  }
}

/** What lies one behind the other in the same memory, as it lies there; or null. */
function inOnePiece(parts: readonly Buffer[]): Buffer | null {
  const memory = parts[0]?.buffer;
  const start = parts[0]?.byteOffset ?? 0;
  let end = start;
  for (const part of parts) {
    if (part.buffer !== memory || part.byteOffset !== end) return null;
    end += part.length;
  }
  return memory === undefined ? null : Buffer.from(memory, start, end - start);
}

const PROTECTED =
  "DENIED Atoll is in protected mode because no password is set: only clients on the same machine are served. Set `requirepass` in the node's configuration and connect again, or, if the network itself is protected, set `protectedMode: false`.";

function isLocal(address: string): boolean {
  return (
    address.startsWith("127.") ||
    address.startsWith("[::1]") ||
    address.startsWith("::1") ||
    address.startsWith("[::ffff:127.") ||
    address.startsWith("::ffff:127.") ||
    address.startsWith("/") ||
    address.startsWith("unix")
  );
}
