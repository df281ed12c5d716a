/**
 * Adopt: a client's socket that reads into memory shared by all of them.
 *
 * Node gives a server's sockets a fresh buffer for every read; only sockets that dial may name one (`onread`). So the handle of
 * the accepted socket is moved into a socket made with `onread`. That rests on `_handle`, which is not documented: where it is
 * missing, and on streams that have none, such as TLS, the ordinary events serve the same.
 *
 * Invariant: nothing was read from the socket before it was adopted (the server pauses on connect), and the listening server no
 * longer counts it, so closing the server waits for nobody.
 */
import { Socket, type SocketConstructorOpts } from "node:net";

/** The bytes are the reader's until it returns. */
export type Reader = (bytes: Buffer, length: number) => void;

/** Queued beyond this, a stream asks to be told when it drains, which costs something on every write below it too. */
const WRITABLE_HIGH_WATER_MARK = 1024 * 1024;

/** A socket that starts reading when it is resumed. `handle` is the accepted socket's own, or null to use its events. */
export function adopt(
  accepted: Socket,
  shared: Buffer,
  read: Reader,
  handle: object | null = handleOf(accepted),
): Socket {
  if (handle === null) {
    accepted.on("data", (bytes: Buffer) => read(bytes, bytes.length));
    return accepted;
  }
  const options = {
    handle,
    allowHalfOpen: true,
    writableHighWaterMark: WRITABLE_HIGH_WATER_MARK,
    onread: {
      buffer: shared,
      callback(length: number): boolean {
        read(shared, length);
        return true;
      },
    },
  };
  const socket = new Socket(options as SocketConstructorOpts);
  // oxlint-disable-next-line no-underscore-dangle -- Node's name, see above
  (accepted as unknown as { _handle: object | null })._handle = null;
  accepted.destroy();
  return socket;
}

function handleOf(socket: Socket): object | null {
  // oxlint-disable-next-line no-underscore-dangle -- Node's name, see above
  const handle: unknown = (socket as unknown as { _handle?: unknown })._handle;
  return typeof handle === "object" ? handle : null;
}
