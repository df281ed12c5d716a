/**
 * GatewaySession: one client of a gateway, who keeps its connection while regions come and go.
 *
 *     resting ── a command ──► opening ── what stands is said again ──► serving ◄──► leaving (asks what was done, then opens another)
 *                                 ▲                                        │
 *                                 └── retried, or answered for ◄── lost ◄──┘
 *
 * Invariant: each command is answered once, in order: by a region, or by us, who then say whether it may have been done. A reply reaches the
 * client whole, or the connection ends. No command is sent to a third region.
 */
import { Malformed } from "../core/bytes/source.ts";
import { KIND, type Kind, kindOf } from "../core/routing/gateway/command-kind.ts";
import { Ledger } from "../core/routing/gateway/ledger.ts";
import { LostTransaction } from "../core/routing/gateway/lost-transaction.ts";
import { settleLost } from "../core/routing/gateway/settle-lost.ts";
import { isNews, StandingWords } from "../core/routing/gateway/standing-words.ts";
import type { Args } from "../core/wire/args.ts";
import { encodeCommand } from "../core/wire/encode-command.ts";
import { ReplyEnds } from "../core/wire/reply-ends.ts";
import type { Gateway } from "./gateway.ts";
import { type CommandTaker, GatewayReader, wordsOf } from "./gateway-reader.ts";
import { GatewaySetup } from "./gateway-setup.ts";
import type { GatewayInput, GatewayOutput, Upstream } from "./ports/gateway.ts";

/** More than so much that waits for answers, and the client is not read. */
const AHEAD_BYTES = 1024 * 1024;
const AHEAD_COMMANDS = 10_000;
/** A reply that is larger is passed on before it is whole. */
const HELD_BYTES = 256 * 1024;
/** For so long regions are tried before the client is told that none answers; between two rounds; each of them. */
const PATIENCE_MS = 5_000;
const ROUND_MS = 100;
const ATTEMPT_MS = 1_500;
/** A region that is drained is left by force after so long. */
const STICKY_MS = 30_000;
/** In which the first word of a message is. */
const HEAD_BYTES = 64;
const NOTHING = Buffer.alloc(0);
const INVALIDATE_ALL = Buffer.from(">2\r\n$10\r\ninvalidate\r\n_\r\n");
const TOKEN = encodeCommand(["AA.TOKEN"]);

const PUSH = 0x3e;
const ARRAY = 0x2a;
const ERROR = 0x2d;

type State = "resting" | "opening" | "serving" | "leaving" | "ended";

export class GatewaySession implements GatewayInput, CommandTaker {
  /** From 0 to below 1, its own. */
  readonly draw: number;
  /** Who serves it, or is about to; null for nobody. */
  region: string | null = null;
  readonly #gateway: Gateway;
  readonly #output: GatewayOutput;
  readonly #ledger = new Ledger();
  readonly #words = new StandingWords();
  readonly #lostTransaction = new LostTransaction();
  readonly #ends = new ReplyEnds();
  #state: State = "resting";
  #upstream: Upstream | null = null;
  #setup: GatewaySetup | null = null;
  readonly #reader = new GatewayReader();
  /** Commands in what is read now. */
  #asked = 0;
  /** What came of a reply that is not whole; of one that is too large the client has the beginning. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  #isTorn = false;
  /** As the commands that came say; and as the region has answered them. */
  #isQueuing = false;
  #hasBegun = false;
  #hasWatched = false;
  /** Regions that were tried in this round, and when the first round began; when the attempt ends, or the next round begins. */
  readonly #tried: string[] = [];
  #openingSinceMs = 0;
  #dueMs = 0;
  #wantsToLeaveSinceMs = Infinity;
  #wroteAtMs = -Infinity;
  /** Where it was served before, and what was done there. */
  #token: string | null = null;
  /** What this session wrote may be missing where it goes on, and it wants to be told. */
  #mustTell = "";
  #isPaused = false;
  #isCrowded = false;
  #hasServed = false;
  #hasEnded = false;

  constructor(gateway: Gateway, output: GatewayOutput, draw: number) {
    this.#gateway = gateway;
    this.#output = output;
    this.draw = draw;
  }

  receive(bytes: Buffer): void {
    if (this.#state === "ended") return;
    this.#asked = 0;
    this.#reader.read(bytes, this);
    this.#gateway.asked(this.#asked);
    this.#answerOwn();
    this.#endIfDone();
    if (this.#state === "resting" && this.#ledger.length > 0) this.#begin();
    else if (this.#state === "serving" && this.#maySend) this.#send();
    this.#steer();
  }

  command(args: Args, bytes: number): void {
    this.#asked++;
    if (args.count === 0) return this.#ledger.add(bytes, KIND.read, 1, NOTHING);
    const kind = kindOf(args);
    const own =
      this.#lostTransaction.answer(kind, this.#words.protocol) ?? this.#refusal(kind, args);
    if (own !== null) return this.#ledger.add(bytes, kind, 1, own);
    if (this.#isQueuing && kind !== KIND.exec && kind !== KIND.discard && kind !== KIND.reset)
      return this.#ledger.add(bytes, KIND.unsafe, 1, null);
    this.#isQueuing = kind === KIND.multi;
    let answers = 1;
    if (kind === KIND.subscription) {
      answers = this.#words.answersTo(args);
      this.#words.subscribed(args);
    }
    this.#ledger.add(bytes, kind, answers, null);
  }

  chunk(bytes: Buffer): void {
    this.#ledger.keep(bytes);
  }

  /** Its answer comes behind those of all that was understood. */
  nonsense(bytes: Buffer, problem: string): void {
    this.#ledger.add(bytes.length, KIND.quit, 1, Buffer.from(`-ERR ${problem}\r\n`));
    this.#ledger.keep(bytes);
  }

  #refusal(kind: Kind, args: Args): Buffer | null {
    if (kind === KIND.refused)
      return Buffer.from(
        `-ERR ${args.text(0).toUpperCase()} is not taken by a gateway: ask the region itself\r\n`,
      );
    if (this.#mustTell === "" || kind === KIND.state) return null;
    const told = this.#mustTell;
    this.#mustTell = "";
    return Buffer.from(`-AALOSTWRITE ${told}\r\n`);
  }

  /** Whoever is to leave sends nothing more, but for what ends its transaction. */
  get #maySend(): boolean {
    return this.#wantsToLeaveSinceMs === Infinity || this.#isPinned;
  }

  get #isPinned(): boolean {
    return this.#isQueuing || this.#hasBegun || this.#hasWatched;
  }

  #send(): void {
    const upstream = this.#upstream;
    if (upstream !== null) this.#ledger.send((bytes) => upstream.write(bytes));
  }

  crowded(isCrowded: boolean): void {
    this.#isCrowded = isCrowded;
    if (isCrowded) this.#upstream?.pause();
    else this.#upstream?.resume();
  }

  ended(): void {
    this.#hasEnded = true;
    this.#endIfDone();
  }

  #endIfDone(): void {
    if (this.#hasEnded && this.#ledger.length === 0) this.end();
  }

  closed(): void {
    this.#state = "ended";
    this.#drop();
    this.#gateway.forget(this);
  }

  /** Ends the client's connection, with what was written sent. */
  end(): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#drop();
    this.#output.close();
  }

  tick(): void {
    const { nowMs } = this.#gateway;
    if (this.#state === "opening" && nowMs >= this.#dueMs) {
      if (this.#upstream === null) {
        this.#tried.length = 0;
        this.#open();
      } else this.#failedToOpen();
    } else if (nowMs - this.#wantsToLeaveSinceMs >= STICKY_MS && this.#state !== "opening")
      this.lost();
  }

  /** It shall go on at another region, as soon as nothing is left to be answered here. */
  leave(): void {
    if (this.#state !== "serving") return;
    if (this.#wantsToLeaveSinceMs === Infinity) this.#wantsToLeaveSinceMs = this.#gateway.nowMs;
    this.#leaveIfIdle();
  }

  #leaveIfIdle(): void {
    if (this.#state !== "serving" || this.#wantsToLeaveSinceMs === Infinity) return;
    if (this.#ledger.sent > 0 || this.#isPinned || this.#ends.isInside) return;
    this.#state = "leaving";
    this.#upstream?.write(TOKEN);
  }

  /** Whoever served it does no more. */
  lost(): void {
    const { region } = this;
    if (region === null || this.#state === "ended") return;
    if (this.#state === "opening") return this.#failedToOpen();
    this.#drop();
    // The client has a part of a reply, and the rest is nowhere.
    if (this.#isTorn) return this.end();
    this.#settleLost(region);
    const { token, covers } = this.#gateway.tokenOf(region, this.#wroteAtMs);
    const hasWritten = this.#wroteAtMs > -Infinity;
    if (hasWritten || this.#words.isStrict) this.#token = token;
    if (hasWritten && !covers && this.#words.isStrict)
      this.#mustTell = `what this session wrote last may be in ${region} alone, which was lost`;
    this.#ledger.unsend();
    this.#answerOwn();
    this.region = null;
    if (this.#state !== ("ended" as State)) this.#begin();
  }

  /** Decides what becomes of each command that was sent and not answered. */
  #settleLost(region: string): void {
    const { unknown, isQueuing } = settleLost(
      this.#ledger,
      this.#lostTransaction,
      {
        region,
        protocol: this.#words.protocol,
        hasBegun: this.#hasBegun,
        hasWatched: this.#hasWatched,
      },
      (i, kind) => this.#mayRepeat(i, kind),
    );
    this.#gateway.counts.unknown += unknown;
    this.#isQueuing = isQueuing;
    this.#hasBegun = false;
    this.#hasWatched = false;
  }

  #mayRepeat(i: number, kind: Kind): boolean {
    if (kind === KIND.unsafe || this.#ledger.isAgain(i)) return false;
    // It is answered anew, once for each channel.
    if (kind === KIND.subscription)
      this.#ledger.restart(i, Math.max(1, wordsOf(this.#ledger.bytesOf(i)) - 1));
    return kind !== KIND.read && kind !== KIND.idempotent ? true : this.#gateway.mayRetry();
  }

  #begin(): void {
    this.#state = "opening";
    this.#tried.length = 0;
    this.#openingSinceMs = this.#gateway.nowMs;
    this.#open();
  }

  #open(): void {
    const { nowMs } = this.#gateway;
    const region = this.#gateway.order(this.draw).find((one) => !this.#tried.includes(one));
    if (region === undefined) {
      if (nowMs - this.#openingSinceMs >= PATIENCE_MS) return this.#giveUp();
      this.#dueMs = nowMs + ROUND_MS;
      return;
    }
    this.#tried.push(region);
    this.region = region;
    this.#dueMs = nowMs + ATTEMPT_MS;
    this.#wantsToLeaveSinceMs = Infinity;
    const upstream: Upstream = this.#gateway.dial(region, {
      received: (bytes) => {
        if (this.#upstream === upstream) this.#received(bytes);
      },
      ended: () => {
        if (this.#upstream !== upstream) return;
        if (this.#state !== "opening") this.#gateway.failed(region);
        this.lost();
      },
    });
    this.#upstream = upstream;
    if (this.#isCrowded) upstream.pause();
    this.#setup = new GatewaySetup(this.#words, this.#token);
    upstream.write(this.#setup.bytes);
  }

  #failedToOpen(): void {
    if (this.region !== null) this.#gateway.failed(this.region);
    this.#drop();
    this.region = null;
    this.#open();
  }

  #giveUp(): void {
    for (let i = 0; i < this.#ledger.length; i++)
      if (this.#ledger.own(i) === null) {
        if (this.#ledger.isAgain(i)) this.#gateway.counts.unknown++;
        else this.#gateway.counts.unserved++;
        this.#ledger.answer(
          i,
          this.#ledger.isAgain(i)
            ? Buffer.from("-AAUNKNOWN no region answers: the command may have run or not\r\n")
            : Buffer.from("-ERR no region answers; the command has not run\r\n"),
        );
      }
    this.#answerOwn();
    this.end();
  }

  #received(bytes: Buffer): void {
    try {
      if (this.#setup !== null) this.#prepare(bytes, this.#setup);
      else this.#pass(bytes);
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      this.lost();
    }
  }

  /** Answers to what we said ourselves. */
  #prepare(bytes: Buffer, setup: GatewaySetup): void {
    const progress = setup.received(bytes);
    if (progress === "failed") return this.lost();
    if (Buffer.isBuffer(progress)) return void this.#upstream?.write(progress);
    if (progress === "more") return;
    this.#setup = null;
    if (!setup.hasSeenAll && this.#token !== null) this.#gateway.counts.unseen++;
    this.#token = null;
    this.#state = "serving";
    if (this.#hasServed) this.#gateway.counts.moves++;
    this.#hasServed = true;
    if (this.#words.isTracking && this.#words.protocol === 3) this.#output.write(INVALIDATE_ALL);
    for (const news of setup.news) this.#output.write(news);
    this.#send();
    if (setup.rest.length > 0) this.#pass(setup.rest);
  }

  /** Replies of the region, for the client. */
  #pass(bytes: Buffer): void {
    const ends = this.#ends;
    let given = 0;
    let at = 0;
    let answered = 0;
    while (at < bytes.length) {
      const end = ends.next(bytes, at, bytes.length);
      if (end < 0) break;
      const reply = at;
      at = end;
      if (this.#isForUs(bytes, reply, end)) {
        if (reply > given) this.#output.write(bytes.subarray(given, reply));
        given = end;
        this.#moved(bytes, reply, end);
        return;
      }
      this.#writeHeld();
      if (!this.#answers(bytes, reply, end)) continue;
      answered++;
      if (this.#ledger.length === 0 || this.#ledger.own(0) === null) continue;
      this.#output.write(bytes.subarray(given, at));
      given = at;
      this.#answerOwn();
      if ((this.#state as State) === "ended") return;
    }
    if (at > given)
      this.#output.write(given === 0 && at === bytes.length ? bytes : bytes.subarray(given, at));
    if (at < bytes.length) this.#hold(bytes.subarray(at));
    if (answered > 0) this.#gateway.succeeded(this.region ?? "", answered);
    this.#endIfDone();
    this.#leaveIfIdle();
    this.#steer();
  }

  /** Whether a whole reply answers what we asked before we leave. */
  #isForUs(bytes: Buffer, from: number, to: number): boolean {
    return this.#state === "leaving" && !this.#isNews(bytes, from, to);
  }

  /** The region has said what was done there: on to the next. */
  #moved(bytes: Buffer, from: number, to: number): void {
    const text = this.#head(bytes, from, to, 100_000);
    this.#token = /^\$\d+\r\n([\w-]+)\r\n$/.exec(text)?.[1] ?? null;
    this.#drop();
    this.region = null;
    this.#begin();
  }

  /** A whole reply has come; whether it answers a command, all of it. */
  #answers(bytes: Buffer, from: number, to: number): boolean {
    const ledger = this.#ledger;
    const { top } = this.#ends;
    if (this.#isNews(bytes, from, to)) return false;
    if (ledger.sent === 0) throw new Malformed("the region answers what was not asked");
    const kind = ledger.kind(0);
    const isError = top === ERROR;
    switch (kind) {
      case KIND.read:
        break;
      case KIND.state:
        if (!isError) this.#words.said(ledger.bytesOf(0));
        break;
      case KIND.multi:
        if (!isError) this.#hasBegun = true;
        break;
      case KIND.watch:
        if (!isError) this.#hasWatched = true;
        break;
      case KIND.exec:
      case KIND.discard:
      case KIND.reset:
        this.#hasBegun = false;
        this.#hasWatched = false;
        if (kind === KIND.reset) this.#words.reset();
        break;
      case KIND.unwatch:
        this.#hasWatched = false;
        break;
      default:
    }
    const isWrite = kind === KIND.unsafe || kind === KIND.idempotent;
    if (kind === KIND.exec || (isWrite && !this.#hasBegun)) {
      this.#wroteAtMs = this.#gateway.nowMs;
      this.#gateway.wrote(this.region ?? "");
    }
    const isDone = isError && kind === KIND.subscription ? this.#giveAll() : ledger.answered();
    if (isDone && kind === KIND.quit) this.end();
    return isDone;
  }

  /** A command of subscriptions that is refused has one answer. */
  #giveAll(): boolean {
    while (!this.#ledger.answered());
    return true;
  }

  /** Whether a whole reply was not asked for: a message, an invalidation. */
  #isNews(bytes: Buffer, from: number, to: number): boolean {
    const { top } = this.#ends;
    const isAsked = this.#ledger.sent > 0 && this.#ledger.kind(0) === KIND.subscription;
    if (top === PUSH && !isAsked) return true;
    if (top !== PUSH && !(top === ARRAY && (isAsked || this.#words.isListening))) return false;
    return isNews(this.#head(bytes, from, to, HEAD_BYTES));
  }

  /** The first bytes of a whole reply, as text. */
  #head(bytes: Buffer, from: number, to: number, max: number): string {
    if (this.#held.length === 0) return bytes.latin1Slice(from, Math.min(to, from + max));
    return Buffer.concat([...this.#held, bytes.subarray(from, to)]).latin1Slice(0, max);
  }

  #hold(bytes: Buffer): void {
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if ((this.#heldBytes < HELD_BYTES && !this.#isTorn) || this.#state === "leaving") return;
    this.#writeHeld();
    this.#isTorn = true;
  }

  #writeHeld(): void {
    this.#isTorn = false;
    if (this.#heldBytes === 0) return;
    for (const bytes of this.#held.splice(0)) this.#output.write(bytes);
    this.#heldBytes = 0;
  }

  /** Gives what we answer ourselves, as far as it is its turn. */
  #answerOwn(): void {
    const ledger = this.#ledger;
    while (ledger.length > 0) {
      const own = ledger.own(0);
      if (own === null) return;
      const kind = ledger.kind(0);
      if (own.length > 0) this.#output.write(own);
      ledger.answered();
      if (kind === KIND.quit) return this.end();
    }
  }

  #drop(): void {
    this.#upstream?.close();
    this.#upstream = null;
    this.#setup = null;
    this.#held = [];
    this.#heldBytes = 0;
    if (!this.#isTorn) this.#ends.reset();
  }

  /** Reads on from the client, or does not. */
  #steer(): void {
    if (this.#state === "ended") return;
    const isAhead = this.#ledger.bytes > AHEAD_BYTES || this.#ledger.length > AHEAD_COMMANDS;
    if (isAhead === this.#isPaused) return;
    this.#isPaused = isAhead;
    if (isAhead) this.#output.pause();
    else this.#output.resume();
  }
}
