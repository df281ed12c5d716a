/**
 * DnsOverHttps: the DNS for browsers and programs that speak HTTPS (RFC 8484).
 *
 *     GET /dns-query?dns=AAABAAAB…          or POST, with the packet as its body
 *
 * Invariant: a request is answered with a packet of the responder, or with the status that says what is wrong with it. No body is longer than a
 * packet may be, and no connection is idle for long.
 */
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from "node:http2";
import {
  CONNECTIONS_MAX,
  Crowd,
  IDLE_MS,
  ignore,
  NOWHERE,
  type StreamOptions,
  taken,
  type Tls,
} from "./streams.ts";
import type { DnsServer } from "./dns-server.ts";

export interface DnsOverHttpsOptions extends StreamOptions {
  readonly tls: Tls;
  /** For how many seconds an answer may be kept. */
  readonly freshSeconds: (answer: Buffer) => number;
}

const PATH = "/dns-query";
const MEDIA = "application/dns-message";
const PACKET_BYTES_MAX = 65_535;
const CONCURRENT_MAX = 100;

/** Rejects, naming the address, when it cannot listen. */
export async function startDnsOverHttps(options: DnsOverHttpsOptions): Promise<DnsServer> {
  const { host, port, onFailure, tls } = options;
  const server = createSecureServer({
    ...tls,
    allowHTTP1: true,
    handshakeTimeout: IDLE_MS,
    settings: { maxConcurrentStreams: CONCURRENT_MAX },
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.setTimeout(IDLE_MS);
  const crowd = new Crowd();
  server.on("secureConnection", (socket) => void crowd.admit(socket));
  server.on("tlsClientError", ignore);
  server.on("request", (request, response) => void answer(options, request, response));
  await listen(server, options);
  server.on("error", onFailure);
  const address = server.address();
  return {
    port: address !== null && typeof address === "object" ? address.port : port,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        crowd.disperse();
      }),
  };

  function listen(starting: Http2SecureServer, { port: wanted }: StreamOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const failed = (cause: Error): void => reject(taken(host, "HTTPS", wanted, cause));
      starting.once("error", failed);
      starting.listen(wanted, host, () => {
        starting.off("error", failed);
        resolve();
      });
    });
  }
}

async function answer(
  { service, addressOf, freshSeconds, onFailure }: DnsOverHttpsOptions,
  request: Http2ServerRequest,
  response: Http2ServerResponse,
): Promise<void> {
  const refuse = (status: number, headers: Record<string, string> = {}): void => {
    response.writeHead(status, headers);
    response.end();
  };
  try {
    const url = new URL(request.url, "https://server");
    if (url.pathname !== PATH) return refuse(404);
    const { method } = request;
    if (method !== "GET" && method !== "HEAD" && method !== "POST")
      return refuse(405, { allow: "GET, HEAD, POST" });
    if (method === "POST" && request.headers["content-type"] !== MEDIA) return refuse(415);
    const packet =
      method === "POST" ? await bodyOf(request) : packetOf(url.searchParams.get("dns"));
    if (packet === "long") {
      // What is still to come nobody wants.
      response.once("finish", () => request.destroy());
      return refuse(413);
    }
    const from = addressOf(request.socket.remoteAddress ?? "") ?? NOWHERE;
    const found = packet === null ? null : service.respond(packet, from, true);
    if (found === null) return refuse(400);
    const body = Buffer.from(found);
    response.writeHead(200, {
      "content-type": MEDIA,
      "content-length": String(body.length),
      "cache-control": `max-age=${freshSeconds(body)}`,
    });
    if (method === "HEAD") response.end();
    else response.end(body);
  } catch (error) {
    onFailure(error);
    response.stream?.destroy();
  }
}

function packetOf(text: string | null): Buffer | "long" | null {
  if (text === null || !/^[\w-]+$/.test(text)) return null;
  const packet = Buffer.from(text, "base64url");
  return packet.length > PACKET_BYTES_MAX ? "long" : packet;
}

/** Null when it broke off. */
function bodyOf(request: Http2ServerRequest): Promise<Buffer | "long" | null> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > PACKET_BYTES_MAX) resolve("long");
      else chunks.push(chunk);
    });
    request.on("end", () => resolve(Buffer.concat(chunks)));
    request.on("error", () => resolve(null));
    request.on("close", () => resolve(null));
  });
}
