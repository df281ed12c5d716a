/**
 * Free port: a TCP port on the loopback that nobody listens on.
 *
 * Invariant: one run never hands out the same port twice, so two servers started together cannot be given one port.
 */
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";

const given = new Set<number>();

/** Another process may take the port before its user does; whoever starts a server on it must notice. */
export async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    if (given.has(port)) continue;
    given.add(port);
    return port;
  }
}
