/**
 * Probes: whether another region answers, over the ways that clients take.
 *
 *   http://host:port        a node: 200 and what it says to others; with a path, anything that answers 2xx
 *   tcp://host:port         takes connections
 *   redis://host:port       answers PING, as one that serves
 *   dns://host:port/name    answers for a name
 *
 * Invariant: a probe ends within its time, whatever the other side does, and leaves no connection behind.
 */
import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { get } from "node:http";
import { get as getTls } from "node:https";
import { connect } from "node:net";
import { performance } from "node:perf_hooks";
import { CLASS, TYPE } from "../../core/routing/dns/constants.ts";
import { readMessage, writeQuery } from "../../core/routing/dns/message.ts";
import { parseName } from "../../core/routing/dns/name.ts";
import type { ProbeAnswer } from "../../host/ports/probe.ts";

const BODY_BYTES_MAX = 1024 * 1024;
const REPLY_BYTES_MAX = 4096;

/** See `Probe`. */
export async function probe(url: string, timeoutMs: number): Promise<ProbeAnswer> {
  const target = new URL(url);
  const begunMs = performance.now();
  const body = await ask(target, AbortSignal.timeout(timeoutMs), timeoutMs);
  return { rttMs: performance.now() - begunMs, body };
}

function ask(target: URL, signal: AbortSignal, timeoutMs: number): Promise<unknown> {
  switch (target.protocol) {
    case "http:":
    case "https:":
      return askHttp(target, signal, timeoutMs);
    case "tcp:":
      return askTcp(target, signal, null, timeoutMs);
    case "redis:":
      return askTcp(target, signal, "PING\r\n", timeoutMs);
    case "dns:":
      return askDns(target, signal, timeoutMs);
    default:
      return Promise.reject(new Error(`${target.protocol} cannot be probed`));
  }
}

function askHttp(target: URL, signal: AbortSignal, timeoutMs: number): Promise<unknown> {
  const isNode = target.pathname === "/";
  const url = isNode ? new URL("/traffic", target) : target;
  const start = url.protocol === "https:" ? getTls : get;
  return new Promise((resolve, reject) => {
    const request = start(url, { agent: false, signal }, (response) => {
      const { statusCode = 0 } = response;
      let text = "";
      response.setEncoding("utf8");
      response.on("error", reject);
      response.on("data", (chunk: string) => {
        text += chunk;
        if (text.length > BODY_BYTES_MAX) request.destroy(new Error("the answer is too long"));
      });
      response.on("end", () => {
        if (statusCode < 200 || statusCode > 299) reject(new Error(`HTTP status ${statusCode}`));
        else resolve(isNode ? parsed(text) : null);
      });
    });
    request.on("error", (cause) => reject(reasonOf(cause, timeoutMs)));
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function askTcp(
  target: URL,
  signal: AbortSignal,
  question: string | null,
  timeoutMs: number,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: bare(target), port: Number(target.port), signal });
    let reply = "";
    const done = (): void => {
      socket.destroy();
      resolve(null);
    };
    socket.on("error", (cause) => reject(reasonOf(cause, timeoutMs)));
    socket.on("close", () => reject(new Error("the connection was closed")));
    socket.on("connect", () => {
      if (question === null) done();
      else socket.write(question);
    });
    socket.on("data", (chunk: Buffer) => {
      reply += chunk.toString("latin1");
      const line = reply.split("\r\n", 2);
      if (line.length < 2 && reply.length < REPLY_BYTES_MAX) return;
      // Who asks for a password serves.
      if (/^(?:\+PONG|-NOAUTH )/.test(line[0] ?? "")) return done();
      reject(new Error(`PING is answered ${JSON.stringify((line[0] ?? "").slice(0, 80))}`));
      socket.destroy();
    });
  });
}

function askDns(target: URL, signal: AbortSignal, timeoutMs: number): Promise<unknown> {
  const name = parseName(decodeURIComponent(target.pathname.slice(1)));
  if (name === null) return Promise.reject(new Error(`${target.pathname} is no name`));
  const host = bare(target);
  const id = randomInt(65_536);
  const socket = createSocket({ type: host.includes(":") ? "udp6" : "udp4", signal });
  return new Promise<null>((resolve, reject) => {
    signal.addEventListener("abort", () => reject(reasonOf(signal.reason, timeoutMs)));
    socket.on("error", (cause) => reject(reasonOf(cause, timeoutMs)));
    socket.on("message", (packet: Buffer) => {
      try {
        const message = readMessage(packet);
        if (message.id !== id) return;
        const rcode = message.flags & 0xf;
        if (rcode === 0 && message.answers.length > 0) resolve(null);
        else
          reject(
            new Error(`the DNS answers with code ${rcode} and ${message.answers.length} records`),
          );
      } catch (error) {
        reject(reasonOf(error, timeoutMs));
      }
    });
    socket.send(writeQuery(id, name, TYPE.A, CLASS.IN), Number(target.port), host);
  }).finally(() => {
    if (!signal.aborted) socket.close();
  });
}

/** An IPv6 address stands in brackets in a URL. */
function bare({ hostname }: URL): string {
  return hostname.replaceAll(/[[\]]/g, "");
}

function reasonOf(cause: unknown, timeoutMs: number): Error {
  const error = cause instanceof Error ? cause : new Error(String(cause));
  if (error.name === "TimeoutError" || error.name === "AbortError")
    return new Error(`no answer within ${timeoutMs} ms`, { cause });
  return "code" in error && error.code === "ECONNREFUSED"
    ? new Error("the connection is refused", { cause })
    : error;
}
