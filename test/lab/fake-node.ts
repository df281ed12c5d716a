/**
 * Fake node: what the lab sees of a node, and nothing else, so that the lab can be tested by itself.
 *
 *     serve --config <file>, ports, a link to every peer, /status, the message channel
 *
 * Over each link it numbers lines and counts those that were acknowledged: that is its lag. `CRASH` to the RESP port ends it.
 */
import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { connect, createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { parseConfig } from "../../src/host/config.ts";

const file = process.argv[process.argv.indexOf("--config") + 1] ?? "";
const outcome = parseConfig(readFileSync(file, "utf8"), process.env, file);
if ("problems" in outcome) throw new Error(outcome.problems.join("\n"));
const { config } = outcome;
const { resp, http, replication, member, region } = config;

const TICK_MS = 20;
let offsetMs = Number(process.argv[process.argv.indexOf("--clock-offset-ms") + 1] ?? 0);
type Link = { sent: number; acked: number };
const links = new Map<string, Link>();

function talk(socket: Socket): void {
  let link: Link | null = null;
  const timer = setInterval(() => {
    if (link !== null) socket.write(`n ${++link.sent}\n`);
  }, TICK_MS);
  socket.write(`i ${member}\n`);
  socket.on("error", () => {});
  socket.on("close", () => clearInterval(timer));
  const lines = createInterface({ input: socket });
  lines.on("error", () => {}); // it repeats the socket's
  lines.on("line", (line) => {
    const [kind, word = ""] = line.split(" ");
    if (kind === "i") {
      link = links.get(word) ?? { sent: 0, acked: 0 };
      // What was lost with the last connection is sent anew, as a node would.
      link.sent = link.acked;
      links.set(word, link);
    } else if (kind === "n") socket.write(`a ${word}\n`);
    else if (kind === "a" && link !== null) link.acked = Number(word);
  });
}

function dial(address: string): void {
  const [host = "", port] = address.split(":");
  const socket = connect(Number(port), host);
  talk(socket);
  socket.on("close", () => setTimeout(() => dial(address), 20));
}

const listening = [
  createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      if (bytes.includes("CRASH")) {
        console.error("a planted crash");
        process.exit(3);
      }
      socket.write("+PONG\r\n");
    });
  }).listen(resp.port, resp.host),
  createServer(talk).listen(replication.port, replication.host),
  createHttpServer((_request, response) => {
    const status = {
      state: "ready",
      region,
      member,
      pid: process.pid,
      durability: config.durability,
      keyspaces: config.keyspaces,
      environment: process.env["ATOLL_REGION"] ?? null,
      clock: { nowMs: Date.now() + offsetMs, suspect: null, offsetMs },
      links: [...links].map(([peer, { sent, acked }]) => ({
        peer,
        region: peer.split("/")[0],
        lagMs: (sent - acked) * TICK_MS,
        lagRecords: sent - acked,
      })),
    };
    response.end(JSON.stringify(status));
  }).listen(http.port, http.host),
];

let waiting = listening.length;
for (const server of listening)
  server.on("listening", () => {
    if (--waiting > 0) return;
    for (const { address } of replication.links) dial(address);
    process.send?.({
      type: "ready",
      resp: resp.port,
      http: http.port,
      replication: replication.port,
    });
  });

process.on("message", (message: { type: string; offsetMs?: number }) => {
  if (message.type === "stop") process.exit(0);
  if (message.type !== "clock") return;
  offsetMs = message.offsetMs ?? 0;
  process.send?.({ type: "clock", offsetMs });
});
process.on("disconnect", () => process.exit(0));
