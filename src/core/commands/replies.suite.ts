/** Replies as they go over the wire in RESP2, one byte a character, for tests to compare with. */
export const OK = "+OK\r\n";
export const NIL = "$-1\r\n";
export const WRONG = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";

export function int(value: number | bigint): string {
  return `:${value}\r\n`;
}

export function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`;
}

export function array(...items: string[]): string {
  return `*${items.length}\r\n${items.join("")}`;
}

export function error(text: string): string {
  return `-${text}\r\n`;
}

/** The bulks in a flat reply, sorted: what a reply in arbitrary order holds. */
export function bulksOf(raw: string): string[] {
  const bulks: string[] = [];
  for (let at = raw.indexOf("$"); at >= 0 && at < raw.length;) {
    const line = raw.indexOf("\r\n", at);
    const length = Number(raw.slice(at + 1, line));
    bulks.push(raw.slice(line + 2, line + 2 + length));
    at = line + 2 + length + 2;
  }
  return bulks.sort();
}
