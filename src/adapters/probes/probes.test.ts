import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer as createHttp } from "node:http";
import { type AddressInfo, createServer, type Server } from "node:net";
import { test } from "node:test";
import { probe } from "./probes.ts";

const TIMEOUT_MS = 5_000;

/** Serves on a free port for as long as `use` takes. */
async function serving<T extends Server>(
  server: T,
  use: (port: number) => Promise<void>,
): Promise<void> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    await use((server.address() as AddressInfo).port);
  } finally {
    server.close();
  }
}

test("a node that answers 200 is there, and what it says comes along", async () => {
  const http = createHttp((request, response) => {
    response.statusCode = request.url === "/traffic" || request.url === "/fine" ? 200 : 503;
    response.end(JSON.stringify({ asked: request.url }));
  });
  await serving(http, async (port) => {
    const answer = await probe(`http://127.0.0.1:${port}`, TIMEOUT_MS);
    assert.deepEqual(answer.body, { asked: "/traffic" });
    assert.ok(answer.rttMs > 0);
    assert.equal((await probe(`http://127.0.0.1:${port}/fine`, TIMEOUT_MS)).body, null);
    await assert.rejects(probe(`http://127.0.0.1:${port}/other`, TIMEOUT_MS), /HTTP status 503/);
  });
});

test("who takes no connection, or never answers, is not there", async () => {
  const mute = createServer((socket) => void socket.on("error", () => {}).resume());
  await serving(mute, async (port) => {
    await probe(`tcp://127.0.0.1:${port}`, TIMEOUT_MS);
    for (const kind of ["http", "redis"])
      await assert.rejects(probe(`${kind}://127.0.0.1:${port}`, 50), /no answer within 50 ms/);
  });
  const { port } = await new Promise<AddressInfo>((resolve) => {
    const gone = createServer().listen(0, "127.0.0.1", () => {
      const address = gone.address() as AddressInfo;
      gone.close(() => resolve(address));
    });
  });
  for (const kind of ["http", "tcp", "redis"])
    await assert.rejects(probe(`${kind}://127.0.0.1:${port}`, TIMEOUT_MS), /refused/);
});

test("a Redis server is there when it answers PING, and one that only loads is not", async () => {
  let reply = "+PONG\r\n";
  const redis = createServer(
    (socket) => void socket.on("error", () => {}).once("data", () => socket.write(reply)),
  );
  await serving(redis, async (port) => {
    await probe(`redis://127.0.0.1:${port}`, TIMEOUT_MS);
    reply = "-NOAUTH Authentication required.\r\n";
    await probe(`redis://127.0.0.1:${port}`, TIMEOUT_MS);
    reply = "-LOADING it reads its data\r\n";
    await assert.rejects(probe(`redis://127.0.0.1:${port}`, TIMEOUT_MS), /-LOADING/);
  });
});

test("a DNS server is there when it answers the name with something", async () => {
  const socket = createSocket("udp4");
  let answers = 1;
  socket.on("message", (packet, from) => {
    const head = Buffer.from(packet);
    head.writeUInt16BE(0x8400, 2);
    head.writeUInt16BE(answers, 6);
    const record = Buffer.from("c00c000100010000001e0004c0000201", "hex");
    socket.send(answers === 0 ? head : Buffer.concat([head, record]), from.port, from.address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  try {
    const url = `dns://127.0.0.1:${socket.address().port}/app.lab`;
    await probe(url, TIMEOUT_MS);
    answers = 0;
    await assert.rejects(probe(url, TIMEOUT_MS), /code 0 and 0 records/);
  } finally {
    socket.close();
  }
});
