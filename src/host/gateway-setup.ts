/**
 * GatewaySetup: what is said on a new connection to a region before a client's commands are.
 *
 *     what stands (AUTH, HELLO, SELECT, SUBSCRIBE …) │ AA.SESSION token │ DBSIZE, which waits for it │ PING │ ─► ready
 *
 * Invariant: none of these answers reaches the client. A session that did not say AA.SESSION ON waits for what it wrote for a moment and then
 * goes on without; one that did is refused by the region itself until that is there.
 */
import { isNews, type StandingWords } from "../core/routing/gateway/standing-words.ts";
import { encodeCommand } from "../core/wire/encode-command.ts";
import { ReplyEnds } from "../core/wire/reply-ends.ts";

/** For so long a session waits for what it wrote elsewhere. */
const SESSION_WAIT_MS = "250";
const OFF = encodeCommand(["AA.SESSION", "OFF"]);
const ERROR = 0x2d;
const HEAD_BYTES = 64;
const PUSH = 0x3e;
const ARRAY = 0x2a;

type Step = "stands" | "session" | "waits" | "ping" | "off";

export class GatewaySetup {
  readonly bytes: Buffer;
  /** Whether the region has what the session wrote, as far as that is known. */
  hasSeenAll = true;
  /** Messages that came meanwhile, for the client. */
  readonly news: Buffer[] = [];
  readonly #steps: Step[];
  #unread: Buffer = Buffer.alloc(0);
  #isOff = false;

  constructor(words: StandingWords, token: string | null) {
    const { bytes, answers } = words.repeated();
    this.#steps = Array.from({ length: answers }, () => "stands");
    const parts = [bytes];
    if (token !== null) {
      const wait = words.isStrict ? [] : ["TIMEOUT", SESSION_WAIT_MS];
      parts.push(encodeCommand(["AA.SESSION", token, ...wait]));
      this.#steps.push("session");
      if (!words.isStrict) {
        parts.push(encodeCommand(["DBSIZE"]));
        this.#steps.push("waits");
      }
    }
    parts.push(encodeCommand(["PING"]));
    this.#steps.push("ping");
    this.bytes = Buffer.concat(parts);
  }

  /** Takes what the region answers; returns what is to be said to it next, or how things stand. Throws `Malformed`. */
  received(bytes: Buffer): "ready" | "more" | "failed" | Buffer {
    const unread = (this.#unread = Buffer.concat([this.#unread, bytes]));
    const ends = new ReplyEnds();
    for (let from = 0; ;) {
      const end = ends.next(unread, from, unread.length);
      if (end < 0) {
        this.#unread = unread.subarray(from);
        return "more";
      }
      const reply = unread.subarray(from, end);
      from = end;
      if ((ends.top === PUSH || ends.top === ARRAY) && isNews(reply.latin1Slice())) {
        this.news.push(reply);
        continue;
      }
      if (!this.#take(this.#steps.shift() ?? "ping", reply)) return "failed";
      if (this.#steps.length > 0) continue;
      this.#unread = unread.subarray(from);
      if (this.hasSeenAll || this.#isOff) return "ready";
      this.#isOff = true;
      this.#steps.push("off");
      return OFF;
    }
  }

  /** What came behind the last of the answers. */
  get rest(): Buffer {
    return this.#unread;
  }

  /** Whether the region can be used, after this answer. */
  #take(step: Step, reply: Buffer): boolean {
    if (reply[0] !== ERROR) return true;
    if (step === "waits") this.hasSeenAll = false;
    if (step === "ping") return !/^-(LOADING|ERR max)/.test(reply.latin1Slice(0, HEAD_BYTES));
    // Whoever was known elsewhere and is not here must not go on as somebody else.
    return step !== "stands";
  }
}
