/**
 * GatewayReader: cuts what a client sends into commands.
 *
 * Invariant: a command is told of when it is whole. Commands that come together stay together: their bytes are one chunk, which is told of
 * behind them.
 */
import { Args } from "../core/wire/args.ts";
import { INCOMPLETE, PROTOCOL_ERROR, RESP_LIMITS, RespParser } from "../core/wire/resp.ts";

export interface CommandTaker {
  /** A command of so many bytes; `args` are valid until it returns. */
  command(args: Args, bytes: number): void;
  /** The bytes of all commands since the last call; they stay as they are. */
  chunk(bytes: Buffer): void;
  /** What follows is no command. Nothing more is told. */
  nonsense(bytes: Buffer, problem: string): void;
}

/** Values as large as any region takes: it says itself what is too large. */
const parser = new RespParser({ ...RESP_LIMITS, maxBulkBytes: 512 * 1024 * 1024 });
const args = new Args();

export class GatewayReader {
  /** What came of a command that is not whole, and how many bytes it needs. */
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  #need = 1;

  read(bytes: Buffer, taker: CommandTaker): void {
    let chunk = bytes;
    if (this.#pieceBytes > 0) {
      this.#pieces.push(bytes);
      this.#pieceBytes += bytes.length;
      if (this.#pieceBytes < this.#need) return;
      chunk = Buffer.concat(this.#pieces);
      this.#pieces = [];
      this.#pieceBytes = 0;
    }
    let at = 0;
    let end = 0;
    for (; at < chunk.length; at = end) {
      end = parser.parse(chunk, at, chunk.length, args);
      if (end < 0) break;
      taker.command(args, end - at);
    }
    if (at > 0) taker.chunk(at === chunk.length ? chunk : chunk.subarray(0, at));
    if (at === chunk.length) return;
    const rest = chunk.subarray(at);
    if (end === PROTOCOL_ERROR) taker.nonsense(rest, parser.problem);
    else if (end === INCOMPLETE) {
      this.#need = parser.need;
      this.#pieces.push(rest);
      this.#pieceBytes = rest.length;
    }
  }
}

/** How many words a whole command has. */
export function wordsOf(command: Buffer): number {
  parser.parse(command, 0, command.length, args);
  return args.count;
}
