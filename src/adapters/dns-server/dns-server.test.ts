import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { parseAddress } from "../../core/routing/dns/address.ts";
import { type DnsServer, startDnsServer } from "./dns-server.ts";
import { openNotices } from "./notices.ts";
import type { PacketService } from "./streams.ts";

/** Answers with the packet and how it came; nothing to "quiet"; fails at "bug". */
const service: PacketService = {
  transfer: (packet) =>
    packet.toString() === "all" ? [Buffer.from("one"), Buffer.from("two")] : null,
  respond(packet, address, isStream) {
    const text = packet.toString("latin1");
    if (text === "bug") throw new Error("planted");
    return text === "quiet"
      ? null
      : Buffer.from(`${text} ${address.join(".")} ${isStream ? "tcp" : "udp"}`);
  },
};

function start(failures: unknown[] = []): Promise<DnsServer> {
  return startDnsServer({
    host: "127.0.0.1",
    port: 0,
    service,
    addressOf: parseAddress,
    onFailure: (error) => void failures.push(error),
  });
}

const framed = (text: string): Buffer =>
  Buffer.concat([Buffer.from([0, text.length]), Buffer.from(text)]);

async function dial(server: DnsServer): Promise<Socket> {
  const socket = connect(server.port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}

/** The next `count` bytes of a connection. */
async function bytes(socket: Socket, count: number): Promise<string> {
  let got = Buffer.alloc(0);
  while (got.length < count) {
    const [chunk] = (await once(socket, "data")) as [Buffer];
    got = Buffer.concat([got, chunk]);
  }
  return got.toString("latin1");
}

test("a packet over UDP is answered to where it came from, and a failure in one costs the others nothing", async () => {
  const failures: unknown[] = [];
  await using server = await start(failures);
  const socket = createSocket("udp4");
  try {
    for (const packet of ["bug", "quiet", "hello"]) socket.send(packet, server.port, "127.0.0.1");
    const [answer] = (await once(socket, "message")) as [Buffer];
    assert.equal(answer.toString(), "hello 127.0.0.1 udp");
    assert.equal(failures.length, 1);
  } finally {
    socket.close();
  }
});

test("queries on one connection are answered in order, however their bytes are cut", async () => {
  await using server = await start();
  const socket = await dial(server);
  try {
    socket.setNoDelay();
    const stream = Buffer.concat([framed("one"), framed("two"), framed("three")]);
    for (const byte of stream) socket.write(Buffer.from([byte]));
    const expected = ["one", "two", "three"].map((text) =>
      framed(`${text} 127.0.0.1 tcp`).toString("latin1"),
    );
    assert.equal(await bytes(socket, expected.join("").length), expected.join(""));
  } finally {
    socket.destroy();
  }
});

test("who sends what gets no answer, or comes too often at once, is cut off", async () => {
  await using server = await start();
  const quiet = await dial(server);
  quiet.write(framed("quiet"));
  await once(quiet, "close");
  const crowd = await Promise.all(Array.from({ length: 32 }, () => dial(server)));
  try {
    const late = connect(server.port, "127.0.0.1");
    late.on("error", () => {});
    await once(late, "close");
    crowd[0]?.destroy();
    crowd[1]?.write(framed("still here"));
    assert.match(await bytes(crowd[1] as Socket, 10), /still/);
  } finally {
    for (const socket of crowd) socket.destroy();
  }
});

test("a port that is taken is named", async () => {
  await using server = await start();
  await assert.rejects(
    startDnsServer({
      host: "127.0.0.1",
      port: server.port,
      service,
      addressOf: parseAddress,
      onFailure() {},
    }),
    new RegExp(`TCP on 127.0.0.1:${server.port}: it is already in use`),
  );
});

test("a transfer is sent over TCP in as many messages as it has, and what was asked behind it is answered", async () => {
  await using server = await start();
  const socket = await dial(server);
  try {
    socket.write(Buffer.concat([framed("all"), framed("next")]));
    const expected = [framed("one"), framed("two"), framed("next 127.0.0.1 tcp")].join("");
    assert.equal(await bytes(socket, expected.length), expected);
  } finally {
    socket.destroy();
  }
});

test("a notice is sent until it is answered, and a later one takes its place", async () => {
  const secondary = createSocket("udp4");
  secondary.bind(0, "127.0.0.1");
  await once(secondary, "listening");
  await using notices = openNotices();
  try {
    const address = `127.0.0.1:${secondary.address().port}`;
    notices.send(address, Buffer.from("aa012345", "hex"));
    notices.send(address, Buffer.from("bb012345", "hex"));
    const seen: string[] = [];
    while (!seen.includes("bb012345")) {
      const [packet, from] = (await once(secondary, "message")) as [Buffer, { port: number }];
      seen.push(packet.toString("hex"));
      // Not the answer: of another number, or no answer at all.
      for (const other of ["aa018345", "bb012345"])
        secondary.send(Buffer.from(other, "hex"), from.port, "127.0.0.1");
    }
    // It is not taken for answered, so it comes again.
    const [again, from] = (await once(secondary, "message")) as [Buffer, { port: number }];
    assert.equal(again.toString("hex"), "bb012345");
    secondary.send(Buffer.from("bb01a345", "hex"), from.port, "127.0.0.1");
  } finally {
    secondary.close();
  }
});
