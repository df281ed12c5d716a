/** Ports of this machine: which are free, and which are not. */
import { createServer, type Server } from "node:net";

/** Finds `count` free loopback ports. All are held until the last is found, so that none comes twice. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => listen(0)));
  const ports = servers.map((server) => {
    const address = server.address();
    return address === null || typeof address === "string" ? 0 : address.port;
  });
  await Promise.all(servers.map(closed));
  return ports;
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
