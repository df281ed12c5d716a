/**
 * Forwards: commands of our clients that another replica runs, and those of others that we run.
 *
 *   place ─► begin ─► FORWARD ─────────────► asked ─► the host runs it as one client's of its own ─► answered
 *                                                                                                      │
 *   the client goes on ◄─ what was done there is applied here ◄─ told ◄───────────────── FORWARDED ◄───┘
 *
 * Invariant: a command runs at most once. A session's commands go one at a time and are numbered; whoever runs them keeps the last
 * answer, so that one which is sent again over a new connection is not run again. Where that cannot be known, because the other
 * process is another one or has forgotten, the client hears AAUNKNOWN; any other error says that the command has not run.
 *
 *   FORWARD   = u8 0 │ varint life │ varint session │ varint number │ u8 last │ a piece of the request
 *             | u8 1 │ varint life │ varint session                                    the session needs nothing more there
 *   FORWARDED = varint session │ varint number │ u8 last │ a piece of the answer
 */
import { Sink } from "../bytes/sink.ts";
import { Source } from "../bytes/source.ts";
import type { Called } from "../commands/consistency.ts";
import { COMES_WITHIN_MS, type Forwarded, type Forwarding } from "../commands/homes.ts";
import type { Session } from "../commands/session.ts";
import type { Args } from "../wire/args.ts";
import { FRAME } from "../wire/frame.ts";
import { Reply } from "../wire/reply.ts";
import {
  type Answer,
  Outcome,
  readAnswer,
  readRequest,
  type Request,
  writeAnswer,
  writeRequest,
} from "./forward-words.ts";
import type { Link } from "./link.ts";
import type { Replica } from "./replica.ts";

/** What runs commands of other replicas' clients: the host. */
export interface ForwardedCommands {
  /** Runs a request for a session of another replica, as the next of that session; then it calls `answered`. */
  run(channel: Channel, request: Request): void;
  /** Whether what the session asked for waits for a key. */
  waits(channel: Channel): boolean;
  /** The session is over: whatever it waits for or watches is forgotten. */
  end(channel: Channel): void;
}

/** A session of another replica, as far as it runs commands here. */
export interface Channel {
  readonly member: string;
  /** Of the other replica's process. */
  readonly life: number;
  /** The session's number there. */
  readonly session: number;
  /** Of its newest request. */
  number: number;
  /** What was answered to that; null while it runs. */
  answer: Buffer | null;
  /** What has come of the next request. */
  pieces: Buffer[];
  /** Since when there is no connection to the process; null while there is one. */
  awaySinceMs: number | null;
}

interface Outgoing extends Forwarded {
  readonly session: Session;
  readonly number: number;
  /** What is sent, but for whether it is the first time. */
  readonly request: Buffer;
  /** The life of the process that it was first sent to; 0 while it was not. */
  life: number;
  /** The connection it was sent on; −1 for none. */
  link: number;
  sinceMs: number;
}

const PIECE_BYTES = 32 * 1024;
/** How long a connection may be away before nobody waits for the answer of what was sent over it. */
const PATIENCE_MS = 10_000;
/** How long an answer is kept for a process that cannot be reached: longer than it waits. */
const KEEP_MS = 60_000;

const NOSCRIPT = Buffer.from("-NOSCRIPT");

const COMMAND = 0;
const LEAVE = 1;

export class Forwards implements Forwarding {
  readonly #replica: Replica;
  readonly #send: (link: Link, type: number, body: Buffer) => void;
  /** By session. */
  readonly #outgoing = new Map<number, Outgoing>();
  /** Session → the members where it has run something. */
  readonly #known = new Map<number, Set<string>>();
  /** Member → the scripts that its process knows from us. */
  readonly #taught = new Map<string, { readonly life: number; readonly scripts: Set<string> }>();
  readonly #channels = new Map<string, Channel>();
  /** Lives of other processes of which something was forgotten that they may send again. */
  readonly #forgotten = new Set<number>();
  /** Member → when the last connection to it was lost. */
  readonly #lostMs = new Map<string, number>();
  #numbers = 0;
  readonly #sink = new Sink(1024);
  readonly #error = new Reply();
  /** Sessions whose command is decided without anything left to wait for, since the host last took them. */
  ended: number[] = [];
  /** Set by the host. */
  host: ForwardedCommands = { run: () => {}, waits: () => false, end: () => {} };
  /** Commands that were sent, and those that were run for others. */
  sent = 0;
  served = 0;
  /** Commands that were sent once more because the connection was lost. */
  repeated = 0;

  constructor(replica: Replica, send: (link: Link, type: number, body: Buffer) => void) {
    this.#replica = replica;
    this.#send = send;
  }

  // ── here, for our clients ──────────────────────────────────────────────────────────────────────────────────────────────────

  begin(session: Session, member: string, called: Called, args: Args, moves: number): Forwarded {
    const { run, monoMs } = this.#replica;
    const link = this.#replica.exchange.linkTo(member);
    this.#sink.clear();
    writeRequest(this.#sink, run, session, called, args, this.#scriptsOf(member, link?.life ?? 0));
    const outgoing: Outgoing = {
      session,
      member,
      moves,
      number: ++this.#numbers,
      request: this.#sink.copy(),
      state: "under way",
      reply: Buffer.alloc(0),
      seen: [],
      life: 0,
      link: -1,
      sinceMs: monoMs,
    };
    const lostMs = this.#lostMs.get(member) ?? -Infinity;
    const comesBack = link === undefined && monoMs - lostMs < PATIENCE_MS;
    if (comesBack) outgoing.sinceMs = lostMs;
    else if (link === undefined || !link.runsCommands) {
      this.#fail(
        outgoing,
        `AAHOME ${member} owns the keys, and there is no connection to it; the command has not run`,
      );
      return outgoing;
    }
    this.#outgoing.set(session.id, outgoing);
    if (link !== undefined) this.#try(outgoing, link);
    return outgoing;
  }

  /** The scripts that a process knows from us. */
  #scriptsOf(member: string, life: number): Set<string> {
    const taught = this.#taught.get(member);
    if (taught !== undefined && taught.life === life) return taught.scripts;
    const scripts = new Set<string>();
    this.#taught.set(member, { life, scripts });
    return scripts;
  }

  /** Sends what is to be sent, once the process on the other side is known. */
  #try(outgoing: Outgoing, link: Link): void {
    if (outgoing.link >= 0 || link.life === 0 || !link.up) return;
    const { session, member, number, request } = outgoing;
    if (outgoing.life !== 0 && outgoing.life !== link.life)
      return this.#end(
        outgoing,
        `AAUNKNOWN ${member} was started anew while it ran the command: it may have run or not`,
      );
    const again = outgoing.life !== 0;
    outgoing.life = link.life;
    outgoing.link = link.id;
    let known = this.#known.get(session.id);
    if (known === undefined) this.#known.set(session.id, (known = new Set()));
    known.add(member);
    this.sent++;
    if (again) this.repeated++;
    this.#pieces(
      link,
      FRAME.FORWARD,
      Buffer.concat([Buffer.from([again ? 1 : 0]), request]),
      () => {
        this.#sink.u8(COMMAND);
        this.#sink.varint(this.#replica.rivals.life);
        this.#sink.varint(session.id);
        this.#sink.varint(number);
      },
    );
  }

  /** So many frames that each crosses a slow wire soon. */
  #pieces(link: Link, type: number, whole: Buffer, header: () => void): void {
    for (let at = 0; at === 0 || at < whole.length; at += PIECE_BYTES) {
      const end = Math.min(whole.length, at + PIECE_BYTES);
      this.#sink.clear();
      header();
      this.#sink.u8(end === whole.length ? 1 : 0);
      this.#sink.raw(whole, at, end);
      this.#send(link, type, this.#sink.copy());
    }
  }

  leave(session: Session): void {
    this.#outgoing.delete(session.id);
    const known = this.#known.get(session.id);
    if (known === undefined) return;
    this.#known.delete(session.id);
    for (const member of known) {
      const link = this.#replica.exchange.linkTo(member);
      if (link === undefined || !link.up) continue;
      this.#sink.clear();
      this.#sink.u8(LEAVE);
      this.#sink.varint(this.#replica.rivals.life);
      this.#sink.varint(session.id);
      this.#send(link, FRAME.FORWARD, this.#sink.copy());
    }
  }

  readonly #answers = new Map<string, Buffer[]>();

  /** A piece of an answer has come. Throws `Malformed`. */
  told(link: Link, body: Buffer): void {
    const source = new Source(body);
    const session = source.varint();
    const number = source.varint();
    const last = source.u8() === 1;
    const piece = Buffer.from(body.subarray(body.length - source.left));
    const name = `${link.id} ${session} ${number}`;
    const pieces = this.#answers.get(name);
    if (!last) {
      if (pieces === undefined) this.#answers.set(name, [piece]);
      else pieces.push(piece);
      return;
    }
    this.#answers.delete(name);
    const answer = readAnswer(pieces === undefined ? piece : Buffer.concat([...pieces, piece]));
    const outgoing = this.#outgoing.get(session);
    if (outgoing === undefined || outgoing.number !== number) return;
    this.#answered(outgoing, answer);
  }

  #answered(outgoing: Outgoing, { outcome, seen, made, incarnation, reply }: Answer): void {
    const { session, member } = outgoing;
    const { waits, origins } = this.#replica;
    this.#outgoing.delete(session.id);
    if (outcome === Outcome.FORGOTTEN)
      return this.#fail(
        outgoing,
        `AAUNKNOWN the connection to ${member} was away for too long: the command may have run or not`,
      );
    if (reply.subarray(0, NOSCRIPT.length).equals(NOSCRIPT)) this.#taught.delete(member);
    if (made > 0) {
      session.wroteOrigin = origins.find(incarnation);
      session.wroteSeq = session.wroteOrigin < 0 ? 0 : made;
    }
    outgoing.state = outcome === Outcome.ANSWERED ? "answered" : "moved";
    outgoing.reply = reply;
    outgoing.seen = seen;
    session.pending = waits.begin(session.id, { named: seen, timeoutMs: COMES_WITHIN_MS });
    if (session.pending === null) this.ended.push(session.id);
  }

  #fail(outgoing: Outgoing, error: string): void {
    const { sink } = this.#error;
    sink.clear();
    this.#error.error(error);
    outgoing.state = "answered";
    outgoing.reply = sink.copy();
  }

  #end(outgoing: Outgoing, error: string): void {
    this.#outgoing.delete(outgoing.session.id);
    this.#fail(outgoing, error);
    this.ended.push(outgoing.session.id);
  }

  // ── here, for clients of others ────────────────────────────────────────────────────────────────────────────────────────────

  /** A piece of a request has come, or a session has ended. Throws `Malformed`. */
  asked(link: Link, body: Buffer): void {
    const source = new Source(body);
    const kind = source.u8();
    const life = source.varint();
    const session = source.varint();
    const member = link.member as string;
    const name = `${member} ${life} ${session}`;
    const channel = this.#channels.get(name);
    if (kind === LEAVE) {
      if (channel !== undefined) this.#drop(name, channel);
      return;
    }
    const number = source.varint();
    const last = source.u8() === 1;
    const piece = Buffer.from(body.subarray(body.length - source.left));
    const to = channel ?? this.#open(name, member, life, session);
    to.awaySinceMs = null;
    to.pieces.push(piece);
    if (!last) return;
    const whole = to.pieces.length === 1 ? piece : Buffer.concat(to.pieces);
    to.pieces = [];
    const again = whole[0] === 1;
    if (number < to.number) return;
    if (number === to.number) return this.#say(to);
    to.number = number;
    to.answer = null;
    if (again && channel === undefined && this.#forgotten.has(life)) {
      to.answer = this.#answerOf(Outcome.FORGOTTEN, 0, Buffer.alloc(0));
      return this.#say(to);
    }
    this.served++;
    this.host.run(to, readRequest(whole.subarray(1)));
  }

  #open(name: string, member: string, life: number, session: number): Channel {
    // What an earlier process of the member began, nobody waits for.
    for (const [other, channel] of this.#channels)
      if (channel.member === member && channel.life < life) this.#drop(other, channel);
    const channel: Channel = {
      member,
      life,
      session,
      number: 0,
      answer: null,
      pieces: [],
      awaySinceMs: null,
    };
    this.#channels.set(name, channel);
    return channel;
  }

  #drop(name: string, channel: Channel): void {
    this.#channels.delete(name);
    this.host.end(channel);
  }

  /** The host has run a channel's request: what it replied, and our newest record that it made, or 0. */
  answered(channel: Channel, isMisplaced: boolean, made: number, reply: Buffer): void {
    const outcome = isMisplaced ? Outcome.MOVED : Outcome.ANSWERED;
    channel.answer = this.#answerOf(outcome, made, reply);
    this.#say(channel);
  }

  #answerOf(outcome: Answer["outcome"], made: number, reply: Buffer): Buffer {
    const { origins, me, waits, durable } = this.#replica;
    const seen = [];
    for (const { number, seq } of waits.unstable())
      // What of ours is not durable yet, no answer has shown.
      seen.push({
        incarnation: origins.get(number).incarnation,
        seq: number === me ? Math.max(made, Math.min(seq, durable.get(me))) : seq,
      });
    this.#sink.clear();
    writeAnswer(this.#sink, {
      outcome,
      seen: seen.filter(({ seq }) => seq > 0),
      made,
      incarnation: origins.get(me).incarnation,
      reply,
    });
    return this.#sink.copy();
  }

  /** Sends a channel's answer, if there is one and somebody to send it to; who comes back later asks again. */
  #say({ member, life, session, number, answer }: Channel): void {
    const link = this.#replica.exchange.linkTo(member);
    if (answer === null || link === undefined || !link.up) return;
    if (link.life !== 0 && link.life !== life) return;
    this.#pieces(link, FRAME.FORWARDED, answer, () => {
      this.#sink.varint(session);
      this.#sink.varint(number);
    });
  }

  // ── connections and time ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** A link has closed: what was sent over it is sent again over the next. */
  closed({ id, member }: Link): void {
    const { monoMs } = this.#replica;
    this.#lostMs.set(member as string, monoMs);
    for (const name of this.#answers.keys())
      if (name.startsWith(`${id} `)) this.#answers.delete(name);
    for (const outgoing of this.#outgoing.values()) {
      if (outgoing.link !== id) continue;
      outgoing.link = -1;
      outgoing.sinceMs = monoMs;
    }
    for (const [name, channel] of this.#channels) {
      if (channel.member !== member) continue;
      channel.awaySinceMs ??= monoMs;
      channel.pieces = [];
      // It has not run: who asks again waits again, and nobody is given what nobody may hear of.
      if (channel.answer === null && this.host.waits(channel)) this.#drop(name, channel);
    }
  }

  tick(): void {
    const { exchange, monoMs } = this.#replica;
    for (const outgoing of this.#outgoing.values()) {
      if (outgoing.link >= 0) continue;
      const link = exchange.linkTo(outgoing.member);
      if (link?.runsCommands) this.#try(outgoing, link);
      if (outgoing.link >= 0 || monoMs - outgoing.sinceMs < PATIENCE_MS) continue;
      const ran =
        outgoing.life === 0 ? "the command has not run" : "the command may have run or not";
      const code = outgoing.life === 0 ? "AAHOME" : "AAUNKNOWN";
      this.#end(
        outgoing,
        `${code} ${outgoing.member} owns the keys, and there has been no connection to it for ${PATIENCE_MS} ms; ${ran}`,
      );
    }
    for (const [name, channel] of this.#channels) {
      const link = exchange.linkTo(channel.member);
      if (link?.up && (link.life === 0 || link.life === channel.life)) channel.awaySinceMs = null;
      else channel.awaySinceMs ??= monoMs;
      if (channel.awaySinceMs === null || monoMs - channel.awaySinceMs < KEEP_MS) continue;
      this.#forgotten.add(channel.life);
      this.#drop(name, channel);
    }
  }
}
