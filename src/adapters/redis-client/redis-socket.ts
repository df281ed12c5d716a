/**
 * Redis socket: a connection to a server of Redis' protocol, and what one says first on it.
 *
 * Invariant: whatever ends it is thrown as a `Lost`, which says who was lost and why.
 */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { type Address, nameOf } from "./address.ts";

/** A server that cannot be reached, or no longer. */
export class Lost extends Error {
  override name = "Lost";
}

/** A server that answers, and will not do what is needed: to try again changes nothing. */
export class Unwilling extends Error {
  override name = "Unwilling";
}

const CONNECT_MS = 10_000;

export async function openSocket(address: Address): Promise<Socket> {
  const { host, port } = address;
  const socket = address.tls
    ? connectTls({ host, port, servername: /[a-z]/i.test(host) ? host : "" })
    : connect({ host, port });
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(
      () => socket.destroy(new Error(`no answer within ${CONNECT_MS} ms`)),
      CONNECT_MS,
    );
    socket.once(address.tls ? "secureConnect" : "connect", () => {
      clearTimeout(timer);
      resolve();
    });
    socket.once("error", (cause) => {
      clearTimeout(timer);
      reject(new Lost(`cannot reach ${nameOf(address)}: ${reason(cause)}`, { cause }));
    });
  });
  socket.setNoDelay(true);
  socket.setKeepAlive(true, 30_000);
  return socket;
}

/** AUTH, as the address says; null when there is nothing to prove. */
export function greeting({ user, password }: Address): string[] | null {
  if (password === "") return null;
  return user === "" ? ["AUTH", password] : ["AUTH", user, password];
}

export function reason(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  // Of several addresses that all failed, Node's own message is empty.
  const first = cause instanceof AggregateError ? (cause.errors[0] as unknown) : null;
  return cause.message !== "" ? cause.message : first instanceof Error ? first.message : cause.name;
}
