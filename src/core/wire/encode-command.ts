/** EncodeCommand: a command as the bytes that a client sends. */

const CRLF = Buffer.from("\r\n");

/** Text is UTF-8. */
export function encodeCommand(words: readonly (Buffer | string)[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${words.length}\r\n`)];
  for (const word of words) {
    const bytes = typeof word === "string" ? Buffer.from(word) : word;
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, CRLF);
  }
  return Buffer.concat(parts);
}
