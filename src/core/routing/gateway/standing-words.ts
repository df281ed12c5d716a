/**
 * StandingWords: what a client has said of its connection, to be said again where it goes on.
 *
 *     AUTH · HELLO 3 · CLIENT SETNAME · SELECT 2 · AA.LEVEL … · SUBSCRIBE …
 *
 * Invariant: what was said last holds, and only what was answered without an error; who one is comes first.
 */
import { Args } from "../../wire/args.ts";
import { encodeCommand } from "../../wire/encode-command.ts";
import { RespParser } from "../../wire/resp.ts";

const parser = new RespParser();
parser.limits = { ...parser.limits, maxBulkBytes: 2 ** 29 };
const args = new Args();

/** Which commands of subscriptions end what which others began. */
const ENDS: Readonly<Record<string, string>> = {
  UNSUBSCRIBE: "SUBSCRIBE",
  PUNSUBSCRIBE: "PSUBSCRIBE",
  SUNSUBSCRIBE: "SSUBSCRIBE",
};

/** Whether a reply, of which this is the beginning, is news that nobody asked for: a message, an invalidation. */
export function isNews(head: string): boolean {
  const word = /^[>*]\d+\r\n\$\d+\r\n([a-z]+)\r\n/.exec(head)?.[1] ?? "";
  return /^[ps]?message$/.test(word) || (head.startsWith(">") && !word.endsWith("subscribe"));
}

export class StandingWords {
  /** 2 until HELLO says otherwise. */
  protocol: 2 | 3 = 2;
  /** AA.SESSION ON: rather no answer than one that does not show what the session wrote. */
  isStrict = false;
  #proof: Buffer | null = null;
  readonly #said = new Map<string, Buffer>();
  /** Names of channels as text of one byte a character. */
  readonly #channels = new Map<string, Set<string>>();

  /** Whether it listens, or asked to be told of changes. */
  get isListening(): boolean {
    for (const names of this.#channels.values()) if (names.size > 0) return true;
    return false;
  }

  get isTracking(): boolean {
    return this.#said.has("CLIENT TRACKING");
  }

  /** A command of `state` was answered, and not by an error. */
  said(bytes: Buffer): void {
    if (parser.parse(bytes, 0, bytes.length, args) < 0) return;
    const name = args.text(0).toUpperCase();
    const second = args.count > 1 ? args.text(1).toUpperCase() : "";
    if (name === "AUTH") this.#proof = Buffer.from(bytes);
    else if (name === "HELLO") this.#greeted(bytes, second);
    // A token is taken up once; what the session has seen since is in those that the gateway asks for.
    else if (name === "AA.SESSION") {
      if (second === "ON" || second === "OFF") this.isStrict = second === "ON";
    } else if (name !== "CLIENT") this.#said.set(name, Buffer.from(bytes));
    else if (second === "TRACKING" && args.is(2, "OFF")) this.#said.delete("CLIENT TRACKING");
    else {
      const third = second === "SETINFO" ? ` ${args.text(2).toUpperCase()}` : "";
      this.#said.set(`CLIENT ${second}${third}`, Buffer.from(bytes));
    }
  }

  #greeted(bytes: Buffer, version: string): void {
    if (version !== "") this.protocol = version === "3" ? 3 : 2;
    for (let i = 2; i < args.count; i++)
      if (args.is(i, "AUTH")) {
        this.#proof = Buffer.from(bytes);
        i += 2;
      } else if (args.is(i, "SETNAME") && i + 1 < args.count)
        this.#said.set("CLIENT SETNAME", encodeCommand(["CLIENT", "SETNAME", args.copy(++i)]));
  }

  /** RESET was answered: all is as at the beginning. */
  reset(): void {
    this.#said.clear();
    this.#channels.clear();
    this.#proof = null;
    this.protocol = 2;
    this.isStrict = false;
  }

  /** How many answers a command of subscriptions gets, as things stand. */
  answersTo(command: Args): number {
    if (command.count > 1) return command.count - 1;
    const begun = this.#channels.get(ENDS[command.text(0).toUpperCase()] ?? "");
    return Math.max(1, begun?.size ?? 0);
  }

  /** A command of subscriptions has come. */
  subscribed(command: Args): void {
    const name = command.text(0).toUpperCase();
    const begins = ENDS[name] ?? name;
    const names = this.#channels.get(begins) ?? new Set();
    this.#channels.set(begins, names);
    if (begins !== name && command.count === 1) names.clear();
    for (let i = 1; i < command.count; i++)
      if (begins === name) names.add(command.text(i));
      else names.delete(command.text(i));
  }

  /** All of it as commands, and how many answers they get. */
  repeated(): { readonly bytes: Buffer; readonly answers: number } {
    const parts: Buffer[] = [];
    if (this.#proof !== null) parts.push(this.#proof);
    if (this.#proof !== null || this.protocol === 3)
      parts.push(encodeCommand(["HELLO", String(this.protocol)]));
    parts.push(...this.#said.values());
    let answers = parts.length;
    for (const [name, channels] of this.#channels) {
      if (channels.size === 0) continue;
      answers += channels.size;
      const names = [...channels].map((one) => Buffer.from(one, "latin1"));
      parts.push(encodeCommand([name, ...names]));
    }
    return { bytes: Buffer.concat(parts), answers };
  }
}
