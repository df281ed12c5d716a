/**
 * Pubsub: how many messages a second reach subscribers, and what one costs, next to Redis.
 *
 *   pair: Atoll, Redis ─ pair: Redis, Atoll ─ …: so many subscribers of one channel, one publisher with so many messages under way
 *
 * Invariant: a run ends when every subscriber has every message; the driver reads as fast for both, on the other processor.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { RespConnection } from "../test/support/resp-connection.ts";
import { encodeCommand } from "../test/support/resp.ts";
import { startServer, type ServerKind } from "../test/support/server.ts";
import { SERVER_CORE } from "./load.ts";
import { processSeconds } from "./processor-time.ts";
import {
  showSpread,
  spreadOf,
  table,
  type Answer,
  type BenchOptions,
  type Spread,
} from "./answer.ts";

const CHANNEL = "news";
const MESSAGE = Buffer.alloc(64, "x");
/** Messages under way at once. */
const PIPELINE = 16;

/** Subscribers, and messages published in one run. */
const settings: readonly { subscribers: number; messages: number }[] = [
  { subscribers: 1, messages: 100_000 },
  { subscribers: 50, messages: 10_000 },
  { subscribers: 1_000, messages: 500 },
];

export interface PubsubCell {
  subscribers: number;
  messages: number;
  /** Atoll's deliveries per second to Redis's, per pair. */
  ratio: Spread;
  /** Redis's processor time per delivery to Atoll's, per pair: above 1, Atoll's is the cheaper. */
  cpuRatio: Spread;
  atoll: Side;
  redis: Side;
}

/** Medians over the pairs. */
interface Side {
  deliveriesPerSecond: number;
  cpuMicros: number;
}

export async function pubsub(options: BenchOptions): Promise<Answer<PubsubCell>> {
  const cells: PubsubCell[] = [];
  for (const { subscribers, messages: full } of settings) {
    const messages = options.quick ? Math.ceil(full / 20) : full;
    const sides: Record<ServerKind, Side[]> = { atoll: [], redis: [] };
    for (let pair = 0; pair < options.pairs; pair++) {
      const order: ServerKind[] = pair % 2 === 0 ? ["atoll", "redis"] : ["redis", "atoll"];
      for (const kind of order) sides[kind].push(await measure(kind, subscribers, messages));
      options.note(`${subscribers} subscribers, pair ${pair + 1} of ${options.pairs}`);
    }
    const perPair = (of: (a: Side, r: Side) => number): Spread =>
      spreadOf(sides.atoll.map((side, i) => of(side, sides.redis[i] as Side)));
    cells.push({
      subscribers,
      messages,
      ratio: perPair((a, r) => a.deliveriesPerSecond / r.deliveriesPerSecond),
      cpuRatio: perPair((a, r) => r.cpuMicros / a.cpuMicros),
      atoll: medianOf(sides.atoll),
      redis: medianOf(sides.redis),
    });
  }
  const ratio = spreadOf(cells.map((cell) => cell.ratio.median));
  return { question: "pubsub", ratio, cells };
}

function medianOf(sides: readonly Side[]): Side {
  return {
    deliveriesPerSecond: Math.round(spreadOf(sides.map((s) => s.deliveriesPerSecond)).median),
    cpuMicros: Number(spreadOf(sides.map((s) => s.cpuMicros)).median.toFixed(2)),
  };
}

async function measure(kind: ServerKind, subscribers: number, messages: number): Promise<Side> {
  await using server = await startServer(kind, { durability: "relaxed", core: SERVER_CORE });
  const sockets: Socket[] = [];
  try {
    const frame = encodeCommand(["message", CHANNEL, MESSAGE]).length;
    const confirmed = Buffer.from(`*3\r\n$9\r\nsubscribe\r\n$4\r\n${CHANNEL}\r\n:1\r\n`).length;
    let left = subscribers * confirmed;
    let done: () => void = () => {};
    const allHeard = (): Promise<void> => new Promise((resolve) => (done = resolve));
    const subscribed = allHeard();
    for (let i = 0; i < subscribers; i++) {
      const socket = connect({ port: server.port, host: "127.0.0.1" });
      sockets.push(socket);
      socket.on("data", (bytes) => {
        left -= bytes.length;
        if (left === 0) done();
      });
      await once(socket, "connect");
      socket.write(encodeCommand(["SUBSCRIBE", CHANNEL]));
    }
    await subscribed;
    using publisher = await RespConnection.open(server.port);
    const batch = encodeCommand(["PUBLISH", CHANNEL, MESSAGE]);
    const publish = async (): Promise<void> => {
      left = subscribers * messages * frame;
      const heard = allHeard();
      for (let sent = 0; sent < messages; sent += PIPELINE) {
        const count = Math.min(PIPELINE, messages - sent);
        await publisher.send(Buffer.concat(Array.from({ length: count }, () => batch)), count);
      }
      await heard;
    };
    // A run that does not count: what is compiled while it runs is a cost of starting, not of messages.
    await publish();
    const cpuBefore = processSeconds(server.pid);
    const began = performance.now();
    await publish();
    const seconds = (performance.now() - began) / 1000;
    const deliveries = subscribers * messages;
    return {
      deliveriesPerSecond: deliveries / seconds,
      cpuMicros: ((processSeconds(server.pid) - cpuBefore) * 1e6) / deliveries,
    };
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

export function pubsubTable({ cells }: Answer<PubsubCell>): string {
  return table([
    ["subscribers", "deliveries/s", "redis", "ratio", "CPU µs", "redis", "ratio"],
    ...cells.map(({ subscribers, atoll, redis, ratio, cpuRatio }) => [
      String(subscribers),
      String(atoll.deliveriesPerSecond),
      String(redis.deliveriesPerSecond),
      showSpread(ratio),
      String(atoll.cpuMicros),
      String(redis.cpuMicros),
      showSpread(cpuRatio),
    ]),
  ]);
}
