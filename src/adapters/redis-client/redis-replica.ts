/**
 * Redis replica: takes part in Redis' own replication as a replica does, to be given everything and then every write.
 *
 *     AUTH ─► REPLCONF capa ─► PSYNC id offset ─► +FULLRESYNC id offset ─► $length or $EOF:mark ─► the database ─► commands …
 *                                             └─► +CONTINUE ────────────────────────────────────────────────► commands …
 *
 * Invariant: `offset` is the source's own count of the bytes of commands read so far, so what was read up to an offset can be gone on from by
 * another connection. Only as much is read as the caller takes.
 */
import type { Socket } from "node:net";
import { Malformed } from "../../core/bytes/source.ts";
import { RdbFile, type RdbItem } from "../../core/rdb/rdb-file.ts";
import { Args } from "../../core/wire/args.ts";
import { INCOMPLETE, PROTOCOL_ERROR, RespParser } from "../../core/wire/resp.ts";
import { encodeCommand } from "../../core/wire/encode-command.ts";
import { type Address, nameOf } from "./address.ts";
import { greeting, Lost, openSocket, reason, Unwilling } from "./redis-socket.ts";

/** A place in a source's stream of commands. */
export interface StreamPosition {
  /** Names the history of which the offset counts bytes. */
  readonly id: string;
  readonly offset: number;
}

/** The source will not have replicas: what it said. */
export class PsyncRefused extends Unwilling {
  override name = "PsyncRefused";
}

const LF = 10;
const LINE_MAX_BYTES = 64 * 1024;
const MARK_BYTES = 40;
const ACKNOWLEDGE_MS = 1_000;
/** A source says something every ten seconds unless told otherwise; while it forks, nothing. */
const SILENCE_MAX_MS = 120_000;
const COMMAND_MAX_BYTES = 2 ** 30;

export class RedisReplica implements Disposable {
  readonly #socket: Socket;
  readonly #address: Address;
  readonly #chunks: AsyncIterator<Buffer>;
  #bytes: Buffer = Buffer.alloc(0);
  #timer: NodeJS.Timeout | null = null;
  /** Whether everything is sent first: `items` must be read to their end before `commands`. */
  full = false;
  id = "";
  offset = 0;
  /** What the source is told that we have. */
  acknowledged = 0;

  private constructor(socket: Socket, address: Address) {
    this.#socket = socket;
    this.#address = address;
    // Whoever reads is told; an error between two reads must not end the process.
    socket.on("error", () => {});
    this.#chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  /** Connects and asks for everything, or for what follows `from`. Throws `PsyncRefused`, `Unwilling` and `Lost`. */
  static async open(address: Address, from: StreamPosition | null): Promise<RedisReplica> {
    const replica = new RedisReplica(await openSocket(address), address);
    try {
      await replica.#begin(from);
      return replica;
    } catch (error) {
      replica[Symbol.dispose]();
      throw error;
    }
  }

  async #begin(from: StreamPosition | null): Promise<void> {
    const words = greeting(this.#address);
    if (words !== null) {
      const answer = await this.#tell(...words);
      if (answer.startsWith("-"))
        throw new Unwilling(`${nameOf(this.#address)} refuses: ${answer.slice(1)}`);
    }
    // An old source knows no such words, and sends what it sends.
    await this.#tell("REPLCONF", "capa", "eof", "capa", "psync2");
    const answer = await this.#tell(
      "PSYNC",
      from?.id ?? "?",
      from === null ? "-1" : String(from.offset + 1),
    );
    const [word = "", id = "", offset = ""] = answer.split(" ");
    if (word === "+FULLRESYNC" && id !== "" && /^\d+$/.test(offset)) {
      this.full = true;
      this.id = id;
      this.offset = Number(offset);
    } else if (word === "+CONTINUE" && from !== null) {
      // The history may go on under another name.
      this.id = id === "" ? from.id : id;
      this.offset = from.offset;
      this.acknowledged = from.offset;
      this.#acknowledgeFromNowOn();
    } else if (/^-(NOMASTERLINK|LOADING)/.test(answer))
      throw new Lost(`${nameOf(this.#address)} is not ready: ${answer.slice(1)}`);
    else throw new PsyncRefused(`${nameOf(this.#address)} refuses PSYNC: ${answer.slice(1)}`);
  }

  async #tell(...words: string[]): Promise<string> {
    this.#socket.write(encodeCommand(words));
    return await this.#line();
  }

  /** Everything, after a full beginning. `valueBytesMax` as of `RdbFile`. Throws `Lost`, and `Malformed` for what makes no sense. */
  async *items(valueBytesMax: number): AsyncGenerator<RdbItem, void, void> {
    const announced = await this.#line();
    const mark = /^\$EOF:(.{40})$/.exec(announced)?.[1];
    const length = /^\$(\d+)$/.exec(announced)?.[1];
    if (mark === undefined && length === undefined)
      throw new Malformed("the source did not send what it has");
    const rdb = new RdbFile(valueBytesMax);
    let left = length === undefined ? Infinity : Number(length);
    for (let ended = false; !ended;) {
      if (left === 0) throw new Malformed("what the source sent ends too early");
      const chunk = await this.#some();
      const taken = chunk.subarray(0, Math.min(left, chunk.length));
      this.#bytes = chunk.subarray(taken.length);
      left -= taken.length;
      rdb.add(taken);
      for (let item = rdb.next(); item !== null; item = rdb.next()) {
        ended = item.type === "end";
        yield item;
      }
    }
    this.#bytes = Buffer.concat([rdb.rest(), this.#bytes]);
    if (mark !== undefined) await this.#expect(mark);
    this.acknowledged = this.offset;
    this.#acknowledgeFromNowOn();
  }

  /** The mark that ends what has no length. */
  async #expect(mark: string): Promise<void> {
    while (this.#bytes.length < MARK_BYTES) await this.#more();
    if (this.#bytes.latin1Slice(0, MARK_BYTES) !== mark)
      throw new Malformed("what the source sent does not end with its mark");
    this.#bytes = this.#bytes.subarray(MARK_BYTES);
  }

  /** The commands that follow, for ever; `offset` lies behind the one that was given last. Throws `Lost` and `Malformed`. */
  async *commands(): AsyncGenerator<readonly Buffer[], void, void> {
    const parser = new RespParser({
      maxBulkBytes: COMMAND_MAX_BYTES,
      maxArgs: COMMAND_MAX_BYTES,
      maxLineBytes: LINE_MAX_BYTES,
      unauthenticated: { maxArgs: 0, maxBulkBytes: 0 },
    });
    const args = new Args();
    for (let at = 0; ;) {
      const end = parser.parse(this.#bytes, at, this.#bytes.length, args);
      if (end === PROTOCOL_ERROR) throw new Malformed(`the source: ${parser.problem}`);
      if (end === INCOMPLETE) {
        this.#bytes = this.#bytes.subarray(at);
        at = 0;
        await this.#more(parser.need);
        continue;
      }
      this.offset += end - at;
      at = end;
      if (args.count > 0) yield Array.from({ length: args.count }, (_, i) => args.view(i));
    }
  }

  #acknowledgeFromNowOn(): void {
    this.acknowledge();
    this.#timer = setInterval(() => this.acknowledge(), ACKNOWLEDGE_MS);
  }

  /** Tells the source now how far we are. */
  acknowledge(): void {
    this.#socket.write(encodeCommand(["REPLCONF", "ACK", String(this.acknowledged)]));
  }

  /** The next line, without its end; empty ones only say that the source lives. */
  async #line(): Promise<string> {
    for (;;) {
      const end = this.#bytes.indexOf(LF);
      if (end < 0) {
        if (this.#bytes.length > LINE_MAX_BYTES) throw new Malformed("a line does not end");
        await this.#more();
        continue;
      }
      const line = this.#bytes.latin1Slice(0, end).trimEnd();
      this.#bytes = this.#bytes.subarray(end + 1);
      if (line !== "") return line;
    }
  }

  /** Whatever is there, and if nothing is, what comes next. */
  async #some(): Promise<Buffer> {
    if (this.#bytes.length === 0) return await this.#next();
    return this.#bytes;
  }

  /** Waits for one more piece, or for as many as make `count` bytes. */
  async #more(count = 0): Promise<void> {
    const pieces = [this.#bytes];
    let length = this.#bytes.length;
    do {
      const piece = await this.#next();
      pieces.push(piece);
      length += piece.length;
    } while (length < count);
    this.#bytes = Buffer.concat(pieces);
  }

  async #next(): Promise<Buffer> {
    const why = (text: string, cause?: unknown): Lost =>
      new Lost(`the connection to ${nameOf(this.#address)} ended: ${text}`, { cause });
    const timer = setTimeout(
      () => this.#socket.destroy(new Error(`nothing came for ${SILENCE_MAX_MS / 1000} s`)),
      SILENCE_MAX_MS,
    );
    try {
      const { value, done } = await this.#chunks.next();
      if (done === true) throw why("it closed the connection");
      return value;
    } catch (cause) {
      throw cause instanceof Lost ? cause : why(reason(cause), cause);
    } finally {
      clearTimeout(timer);
    }
  }

  [Symbol.dispose](): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#socket.destroy();
  }
}
