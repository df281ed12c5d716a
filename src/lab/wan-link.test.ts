import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { type ManualClock, manualClock } from "./manual-clock.ts";
import { systemClock } from "./wan-direction.ts";
import { WanLink } from "./wan-link.ts";

/** One end of a connection, and what it heard. */
class End {
  readonly socket: Socket;
  heard = "";
  closed: "no" | "ended" | "reset" = "no";
  #woken: (() => void)[] = [];

  constructor(t: TestContext, socket: Socket) {
    this.socket = socket;
    t.after(() => socket.destroy());
    const wake = (): void => this.#woken.splice(0).forEach((run) => run());
    socket.on("data", (chunk) => {
      this.heard += String(chunk);
      wake();
    });
    socket.on("end", () => {
      this.closed = "ended";
      wake();
    });
    socket.on("error", () => {
      this.closed = "reset";
      wake();
    });
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#woken.push(resolve));
  }
}

type Setup = { link: WanLink; dial: () => Promise<[near: End, far: End]>; arrivals: () => number };

/** A link to a listener of the test's. */
async function linkOf(t: TestContext, delayMs: number, clock = systemClock): Promise<Setup> {
  const far: End[] = [];
  const server = createServer((socket) => far.push(new End(t, socket)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  const target = { host: "127.0.0.1", port: address.port };
  const course = { delayMs, jitterMs: 0, bytesPerSecond: null };
  const link = await WanLink.open(target, course, clock);
  t.after(async () => {
    await link[Symbol.asyncDispose]();
    server.close();
  });
  const dial = async (): Promise<[End, End]> => {
    const before = far.length;
    const near = new End(t, connect(link.port, "127.0.0.1"));
    while (far.length === before) await once(server, "connection");
    return [near, far[before] as End];
  };
  return { link, dial, arrivals: () => far.length };
}

/** Lets sockets of this process do what they can, while no time passes on the test's clock. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Advances until `end` has heard what is wanted; returns how much time that took on the test's clock. */
async function advanceUntil(clock: ManualClock, holds: () => boolean): Promise<number> {
  const fromMs = clock.nowMs();
  while (!holds()) {
    clock.advance(1);
    await settle();
  }
  return clock.nowMs() - fromMs;
}

test("bytes cross in both directions, in order and whole", async (t) => {
  const { dial } = await linkOf(t, 1);
  const [near, far] = await dial();
  const text = "0123456789".repeat(50_000);
  near.socket.write(text);
  far.socket.write("back");
  await far.until(() => far.heard.length === text.length);
  await near.until(() => near.heard === "back");
  assert.ok(far.heard === text);
});

test("each direction has its own distance", async (t) => {
  const clock = manualClock();
  const { link, dial } = await linkOf(t, 40, clock);
  link.setCourse("back", { delayMs: 5, jitterMs: 0, bytesPerSecond: null });
  const [near, far] = await dial();
  near.socket.write("ping");
  await settle();
  clock.advance(39);
  await settle();
  assert.equal(far.heard, "");
  await advanceUntil(clock, () => far.heard === "ping");
  far.socket.write("pong");
  await settle();
  assert.ok((await advanceUntil(clock, () => near.heard === "pong")) < 40);
});

test("an orderly end crosses as an end, a reset as a reset", async (t) => {
  const { dial } = await linkOf(t, 1);
  const [near, far] = await dial();
  near.socket.end("last words");
  await far.until(() => far.closed !== "no");
  assert.deepEqual([far.heard, far.closed], ["last words", "ended"]);
  const [near2, far2] = await dial();
  near2.socket.resetAndDestroy();
  await far2.until(() => far2.closed === "reset");
});

test("who dials a listener that is not there is reset", async (t) => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  server.close();
  await once(server, "close");
  const course = { delayMs: 1, jitterMs: 0, bytesPerSecond: null };
  const target = { host: "127.0.0.1", port: address.port };
  const link = await WanLink.open(target, course, systemClock);
  t.after(() => link[Symbol.asyncDispose]());
  const near = new End(t, connect(link.port, "127.0.0.1"));
  await near.until(() => near.closed === "reset");
});

test("a cut in one direction leaves the other whole, and healing resets the connection", async (t) => {
  const { link, dial } = await linkOf(t, 1);
  const [near, far] = await dial();
  link.cut("forth");
  assert.deepEqual([link.isCut("forth"), link.isCut("back")], [true, false]);
  near.socket.write("lost");
  far.socket.write("heard");
  await near.until(() => near.heard === "heard");
  await settle();
  assert.deepEqual([far.heard, far.closed, near.closed], ["", "no", "no"]);
  link.heal("forth");
  await near.until(() => near.closed === "reset");
  await far.until(() => far.closed === "reset");
  assert.equal(far.heard, "");
  const [again, there] = await dial();
  again.socket.write("whole");
  await there.until(() => there.heard === "whole");
});

test("what is on its way when the cable breaks is lost", async (t) => {
  const clock = manualClock();
  const { link, dial } = await linkOf(t, 40, clock);
  const [near, far] = await dial();
  near.socket.write("under way");
  await settle();
  link.cut("forth");
  clock.advance(1000);
  await settle();
  assert.equal(far.heard, "");
});

test("whoever dials into a cut is accepted, hears nothing, and is reset by the healing", async (t) => {
  const { link, dial, arrivals } = await linkOf(t, 1);
  link.cut("forth");
  link.cut("back");
  const near = new End(t, connect(link.port, "127.0.0.1"));
  await once(near.socket, "connect");
  near.socket.write("anybody?");
  await settle();
  assert.deepEqual([near.heard, near.closed, arrivals()], ["", "no", 0]);
  link.heal("forth"); // the way back is still cut
  await settle();
  assert.equal(near.closed, "no");
  link.heal("back");
  await near.until(() => near.closed === "reset");
  await dial();
});

test("a connection that saw no cut is not touched by a healing", async (t) => {
  const { link, dial } = await linkOf(t, 1);
  const [near, far] = await dial();
  link.heal("forth");
  near.socket.write("still here");
  await far.until(() => far.heard === "still here");
});
