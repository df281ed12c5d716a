/**
 * Replies: reads RESP2 replies and writes requests, apart from the product's own codec on purpose: a shared mistake would be
 * invisible.
 */

/** A reply: text of one byte a character, a number, nothing, an error, or several. */
export type Reply = string | number | null | { readonly error: string } | readonly Reply[];

export function isError(reply: Reply | undefined): reply is { readonly error: string } {
  return typeof reply === "object" && reply !== null && "error" in reply;
}

/** A request as clients send it. */
export function request(words: readonly string[]): Buffer {
  let text = `*${words.length}\r\n`;
  for (const word of words) text += `$${word.length}\r\n${word}\r\n`;
  return Buffer.from(text, "latin1");
}

/** Reads replies from a stream of pieces. */
export class ReplyReader {
  #rest = "";
  #at = 0;

  /** The replies that are whole with this piece. Throws when it is not RESP. */
  read(piece: Buffer): Reply[] {
    this.#rest += piece.latin1Slice();
    const replies: Reply[] = [];
    for (;;) {
      this.#at = 0;
      const reply = this.#one();
      if (reply === undefined) return replies;
      replies.push(reply);
      this.#rest = this.#rest.slice(this.#at);
    }
  }

  #one(): Reply | undefined {
    const end = this.#rest.indexOf("\r\n", this.#at);
    if (end < 0) return undefined;
    const type = this.#rest[this.#at];
    const line = this.#rest.slice(this.#at + 1, end);
    this.#at = end + 2;
    switch (type) {
      case "+":
        return line;
      case "-":
        return { error: line };
      case ":":
        return Number(line);
      case "$": {
        const length = Number(line);
        if (length < 0) return null;
        if (this.#rest.length < this.#at + length + 2) return undefined;
        const text = this.#rest.slice(this.#at, this.#at + length);
        this.#at += length + 2;
        return text;
      }
      case "*": {
        const count = Number(line);
        if (count < 0) return null;
        const items: Reply[] = [];
        for (let i = 0; i < count; i++) {
          const item = this.#one();
          if (item === undefined) return undefined;
          items.push(item);
        }
        return items;
      }
      default:
        throw new Error(`not RESP: ${JSON.stringify(this.#rest.slice(0, 80))}`);
    }
  }
}
