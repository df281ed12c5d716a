/**
 * ForwardedClients: clients of other replicas whose commands run here, each as a client of our own whose connection is the link.
 *
 *   request ─► a client for its session, if there is none ─► its commands, as bytes ─► NodeClient ─► replies ─► all are there: answered
 *
 * Invariant: a session's requests run one after the other, and an answer holds exactly the replies of its request: all that was
 * written since it was given, once nothing of it waits any more.
 */
import type { Channel, ForwardedCommands } from "../core/replica/forwards.ts";
import type { Request } from "../core/replica/forward-words.ts";
import type { Replica } from "../core/replica/replica.ts";
import { Reply } from "../core/wire/reply.ts";
import type { Clients, ServedClient } from "./clients.ts";
import type { ClientOutput } from "./ports/clients.ts";

const LF = 10;
const NOTHING: Buffer = Buffer.alloc(0);

export interface ForwardedHost {
  readonly replica: Replica;
  readonly clients: Clients;
  /** Runs something when this turn has ended. */
  soon(callback: () => void): void;
}

export class ForwardedClients implements ForwardedCommands {
  readonly host: ForwardedHost;
  readonly #clients = new Map<Channel, ForwardedClient>();

  constructor(host: ForwardedHost) {
    this.host = host;
  }

  run(channel: Channel, request: Request): void {
    let client = this.#clients.get(channel);
    if (client === undefined || client.isClosed) {
      client = new ForwardedClient(this.host, channel);
      this.#clients.set(channel, client);
    }
    const to = client;
    this.host.soon(() => to.run(request));
  }

  waits(channel: Channel): boolean {
    return this.#clients.get(channel)?.waits ?? false;
  }

  end(channel: Channel): void {
    const client = this.#clients.get(channel);
    this.#clients.delete(channel);
    client?.leave();
  }
}

class ForwardedClient implements ClientOutput {
  readonly address: string;
  readonly localAddress: string;
  readonly fd = -1;
  readonly isPeer = true;
  readonly queuedBytes = 0;
  readonly #host: ForwardedHost;
  readonly #channel: Channel;
  #client: ServedClient | null = null;
  /** The request that runs; null between requests. */
  #request: Request | null = null;
  #input = NOTHING;
  #replies: Buffer[] = [];
  #paused = false;
  #offering = false;
  /** The newest record that the session had made when the request came. */
  #before = 0;
  isClosed = false;

  constructor(host: ForwardedHost, channel: Channel) {
    this.#host = host;
    this.#channel = channel;
    this.address = `${channel.member}:${channel.session}`;
    this.localAddress = host.replica.member;
  }

  get waits(): boolean {
    return this.#client?.session.waiter != null;
  }

  run(request: Request): void {
    if (this.isClosed) return;
    const { clients, replica } = this.#host;
    this.#client ??= clients.open(this);
    this.#request = request;
    // What it wrote instead of opening says why.
    if (this.#client === null) return this.#over();
    const { session } = this.#client;
    const { users } = replica.run;
    const user = users.named(request.user);
    if (user === null) {
      this.#say(`NOPERM there is no user ${request.user} at ${replica.member}`);
      return this.#over();
    }
    session.peer = this.#channel.member;
    session.authenticated = true;
    session.user = user === users.default ? null : user;
    session.db = request.db;
    session.resp = request.resp;
    session.consistency = request.consistency;
    session.isMisplaced = false;
    const { seen, consistency } = request;
    session.behind = seen.length === 0 ? null : { seen, timeoutMs: consistency.timeoutMs };
    // What it watched here was forgotten meanwhile, so nobody knows whether it is as it was.
    if (request.watches && session.watched === null) session.dirty = true;
    this.#before = session.wroteSeq;
    this.#input = request.commands;
    this.#offer();
  }

  #say(error: string): void {
    const reply = new Reply();
    reply.error(error);
    this.#replies = [reply.sink.copy()];
    this.#input = NOTHING;
  }

  #offer(): void {
    const client = this.#client as ServedClient;
    this.#offering = true;
    while (this.#input.length > 0 && !this.#paused && !this.isClosed) {
      const used = client.receive(this.#input, 0, this.#input.length);
      this.#input = this.#input.subarray(used);
    }
    this.#offering = false;
    this.#look();
  }

  /** Answers when all of the request has run and nothing of it is held. */
  #look(): void {
    const client = this.#client as ServedClient;
    if (this.#request === null || this.#offering || this.#input.length > 0) return;
    if (client.isIdle) this.#over();
  }

  #over(): void {
    const { skips } = this.#request as Request;
    const { session } = this.#client ?? { session: null };
    this.#request = null;
    const all = Buffer.concat(this.#replies);
    this.#replies = [];
    let at = 0;
    for (let left = skips; left > 0; left--) at = all.indexOf(LF, at) + 1;
    const made = session !== null && session.wroteSeq !== this.#before ? session.wroteSeq : 0;
    const reply = all.subarray(at);
    this.#host.replica.exchange.forwards.answered(
      this.#channel,
      session?.isMisplaced ?? false,
      made,
      reply,
    );
    this.#host.clients.turnEnded();
  }

  /** The session it stands for is over. */
  leave(): void {
    this.#request = null;
    if (!this.isClosed) this.close();
  }

  // ── as a connection ────────────────────────────────────────────────────────────────────────────────────────────────────────

  write(bytes: Buffer): void {
    if (this.#request === null) return;
    this.#replies.push(Buffer.from(bytes));
    if (this.#client !== null) this.#look();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#host.soon(() => {
      if (!this.isClosed && !this.#paused && this.#request !== null) this.#offer();
    });
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    const client = this.#client;
    if (this.#request !== null) {
      this.#replies = [];
      this.#say("AAUNKNOWN the command was ended: it may have run or not");
      this.#over();
    }
    this.#host.soon(() => client?.closed());
  }
}
