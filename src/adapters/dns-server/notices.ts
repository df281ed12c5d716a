/**
 * Notices: packets to secondary servers, each sent until it is answered.
 *
 * Invariant: of several to one address the last counts. One that is never answered is given up after five tries: a secondary asks by itself, too.
 */
import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";

export interface Notices extends AsyncDisposable {
  /** `address` is `192.0.2.9:53` or `[2001:db8::9]:53`. */
  send(address: string, packet: Buffer): void;
}

const TRIES = 5;
const FIRST_PAUSE_MS = 1_000;

export function openNotices(): Notices {
  const open = new Map<string, () => void>();
  return {
    send(address, packet) {
      open.get(address)?.();
      const close = untilAnswered(address, packet, () => open.delete(address));
      open.set(address, close);
    },
    [Symbol.asyncDispose]() {
      for (const close of open.values()) close();
      return Promise.resolve();
    },
  };
}

/** Sends with twice the pause each time; returns what ends that. */
function untilAnswered(address: string, packet: Buffer, done: () => void): () => void {
  const at = address.lastIndexOf(":");
  const host = address.slice(0, at).replaceAll(/[[\]]/g, "");
  const port = Number(address.slice(at + 1));
  const socket: Socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
  let timer: NodeJS.Timeout | null = null;
  let isOpen = true;
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    if (timer !== null) clearTimeout(timer);
    socket.close();
  };
  const end = (): void => {
    close();
    done();
  };
  const send = (tries: number, pauseMs: number): void => {
    if (tries === 0) return end();
    // Who cannot be reached now may be at the next try.
    socket.send(packet, port, host, () => {});
    timer = setTimeout(() => send(tries - 1, pauseMs * 2), pauseMs);
  };
  socket.on("error", end);
  socket.on("message", (answer) => {
    const isAnswer = answer.length >= 4 && answer.readUInt16BE(0) === packet.readUInt16BE(0);
    if (isAnswer && (answer[2] as number) >= 0x80) end();
  });
  send(TRIES, FIRST_PAUSE_MS);
  return close;
}
