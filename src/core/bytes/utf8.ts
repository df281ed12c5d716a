/** Whether bytes are UTF-8 as it is defined: no overlong forms, no surrogates, nothing beyond U+10FFFF. */
export function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end;) {
    const first = bytes[at++] as number;
    if (first < 0x80) continue;
    const more = first < 0xc2 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf5 ? 3 : 0;
    if (more === 0 || at + more > end) return false;
    const second = bytes[at] as number;
    const least = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
    const most = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
    if (second < least || second > most) return false;
    for (let i = 1; i < more; i++) if (((bytes[at + i] as number) & 0xc0) !== 0x80) return false;
    at += more;
  }
  return true;
}
