/**
 * DnsServer: the DNS over UDP and TCP (RFC 7766), on one port.
 *
 * Invariant: what comes in is answered by the responder or not at all.
 */
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { isIPv6 } from "node:net";
import { ignore, NOWHERE, type StreamOptions, Streams, taken, type Tls } from "./streams.ts";

export interface DnsServer extends AsyncDisposable {
  readonly port: number;
}

/** A free TCP port may be taken for UDP. */
const TRIES_MAX = 20;

/** Rejects, naming the address, when it cannot listen. */
export async function startDnsServer(options: StreamOptions): Promise<DnsServer> {
  for (let tries = 1; ; tries++) {
    const streams = new Streams(options, null);
    await using stack = new AsyncDisposableStack();
    stack.use(streams);
    const port = await streams.listen();
    try {
      const udp = await listenUdp(options, port);
      stack.defer(() => new Promise((resolve) => void udp.close(() => resolve())));
      const opened = stack.move();
      return { port, [Symbol.asyncDispose]: () => opened.disposeAsync() };
    } catch (error) {
      if (options.port !== 0 || tries >= TRIES_MAX) throw error;
    }
  }
}

/** Starts the DNS over TLS (RFC 7858). Rejects, naming the address, when it cannot listen. */
export async function startDnsOverTls(options: StreamOptions, tls: Tls): Promise<DnsServer> {
  await using stack = new AsyncDisposableStack();
  const streams = stack.use(new Streams(options, tls));
  const port = await streams.listen();
  const opened = stack.move();
  return { port, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

function listenUdp(options: StreamOptions, port: number): Promise<UdpSocket> {
  const { host, service, addressOf, onFailure } = options;
  // So that several processes may share the port, each on a core of its own.
  const socket = createSocket({
    type: isIPv6(host) ? "udp6" : "udp4",
    reusePort: options.port !== 0,
    // Addresses are answered to, never names: looking them up costs a turn of the microtask queue each.
    lookup: (address, _options, found) => found(null, address, isIPv6(address) ? 6 : 4),
  });
  socket.on("message", (packet, from) => {
    try {
      const answer = service.respond(packet, addressOf(from.address) ?? NOWHERE, false);
      // The bytes are used again before they have left.
      if (answer !== null) socket.send(Buffer.from(answer), from.port, from.address, ignore);
    } catch (error) {
      onFailure(error);
    }
  });
  return new Promise((resolve, reject) => {
    const failed = (cause: Error): void => reject(taken(options.host, "UDP", port, cause));
    socket.once("error", failed);
    socket.bind(port, host, () => {
      socket.off("error", failed);
      socket.on("error", onFailure);
      resolve(socket);
    });
  });
}
