/** Ports of this machine: which are free, and which are not. */
import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:net";

/**
 * Where ports are looked for: below those that systems hand out by themselves. A port from among these may be gone, to somebody's outgoing
 * connection, between being found and being listened on.
 */
const FROM = 10_000;
const TO = 32_768;
const TRIES_MAX = 1_000;

/** Finds `count` free loopback ports, drawn by chance. All are held until the last is found, so that none comes twice. */
export async function freePorts(count: number): Promise<number[]> {
  const held = new Map<number, Server>();
  try {
    for (let tries = 0; held.size < count; tries++) {
      const port = randomInt(FROM, TO);
      try {
        held.set(port, await listen(port));
      } catch (error) {
        if (tries >= TRIES_MAX) throw error;
      }
    }
    return [...held.keys()];
  } finally {
    await Promise.all([...held.values()].map(closed));
  }
}

/** Why nothing can listen on `port` of the loopback interface; null when it can. */
export async function portTaken(port: number): Promise<string | null> {
  try {
    await closed(await listen(port));
    return null;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EADDRINUSE"
      ? "is taken"
      : `cannot be used (${error instanceof Error ? error.message : String(error)})`;
  }
}

function listen(port: number): Promise<Server> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
