/**
 * Altering proxy: a server with one fault, for the tests of the comparison itself.
 *
 * Invariant: requests reach the server behind in order and whole; only those that `alter` changes differ. Bytes that are not
 * an array of bulk strings pass as they are.
 */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { encodeCommand, frameEnd, itemsOf, parseReply, textOf } from "../support/resp.ts";

export interface AlteringProxy extends AsyncDisposable {
  readonly port: number;
}

/** `alter` gets the arguments of each request and returns what the server is to see. */
export async function alteringProxy(
  serverPort: number,
  alter: (args: Buffer[]) => Buffer[],
): Promise<AlteringProxy> {
  const sockets = new Set<Socket>();
  const listener = createServer((client) => {
    const server = connect({ port: serverPort, host: "127.0.0.1" });
    client.setNoDelay(true);
    server.setNoDelay(true);
    let left: Buffer = Buffer.alloc(0);
    client.on("data", (chunk) => {
      left = Buffer.concat([left, chunk]);
      try {
        for (let end = frameEnd(left, 0); end > 0; end = left.length > 0 ? frameEnd(left, 0) : -1) {
          const items = itemsOf(parseReply(left.subarray(0, end)));
          server.write(encodeCommand(alter(items.map((item) => textOf(item) ?? Buffer.alloc(0)))));
          left = left.subarray(end);
        }
      } catch {
        server.write(left);
        left = Buffer.alloc(0);
      }
    });
    server.on("data", (chunk) => client.write(chunk));
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(one);
      one.on("error", () => {});
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  return {
    port: (listener.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, "close");
    },
  };
}
