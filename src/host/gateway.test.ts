/** A gateway between clients and regions that are played by hand: what each is sent, and what comes of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeCommand } from "../core/wire/encode-command.ts";
import { failoverTo } from "../core/routing/decision.suite.ts";
import type { RegionFacts } from "../core/routing/pipeline.ts";
import { Gateway, GATEWAY_TICK_MS } from "./gateway.ts";
import type { GatewayInput, UpstreamEvents } from "./ports/gateway.ts";

const cmd = (...words: string[]): Buffer => encodeCommand(words);

/** One connection to a region. Those of heartbeats are answered by themselves. */
class Line {
  readonly region: string;
  readonly events: UpstreamEvents;
  isClosed = false;
  text = "";

  constructor(region: string, events: UpstreamEvents) {
    this.region = region;
    this.events = events;
  }

  /** What was sent since the last call. */
  take(): string {
    const { text } = this;
    this.text = "";
    return text;
  }

  answer(text: string): void {
    this.events.received(Buffer.from(text, "latin1"));
  }
}

class World {
  nowMs = 1_000;
  draw = 0.5;
  candidates = ["east", "west"];
  readonly up = new Set(["east", "west"]);
  readonly mute = new Set<string>();
  /** Of clients. */
  readonly lines: Line[] = [];
  readonly all: Line[] = [];
  readonly gateway: Gateway;
  tokens = 0;

  constructor() {
    this.gateway = new Gateway({
      regions: ["east", "west"].map((name) => ({ name, url: name })),
      route: () => ({ decision: failoverTo(this.candidates), facts: [] as RegionFacts[] }),
      dial: (url, events) => this.#dial(url, events),
      user: "",
      password: "",
      monoMs: () => this.nowMs,
      chance: () => this.draw,
      log: { info() {}, warn() {}, error() {} },
    });
    this.pass(GATEWAY_TICK_MS);
  }

  #dial(region: string, events: UpstreamEvents) {
    const line = new Line(region, events);
    this.all.push(line);
    let isHeartbeat: boolean | null = null;
    queueMicrotask(() => {
      if (!this.up.has(region) && !line.isClosed) events.ended("refused");
    });
    return {
      write: (bytes: Buffer) => {
        const text = bytes.latin1Slice();
        isHeartbeat ??= text.includes("AA.TOKEN");
        if (!isHeartbeat) {
          if (!this.lines.includes(line)) this.lines.push(line);
          line.text += text;
        } else if (this.up.has(region) && !this.mute.has(region))
          queueMicrotask(() => {
            if (text.includes("SETINFO")) line.answer("+OK\r\n");
            if (!line.isClosed) line.answer(`+PONG\r\n${bulk(`${region}-${++this.tokens}`)}`);
          });
      },
      pause() {},
      resume() {},
      close: () => void (line.isClosed = true),
    };
  }

  /** Kills a region: its connections end, and no new ones begin. */
  kill(region: string): void {
    this.up.delete(region);
    for (const line of this.all)
      if (line.region === region && !line.isClosed) line.events.ended("killed");
  }

  pass(ms: number): void {
    for (let left = ms; left > 0; left -= GATEWAY_TICK_MS) {
      this.nowMs += GATEWAY_TICK_MS;
      this.gateway.tick();
    }
  }

  /** Lets time pass in which heartbeats are answered. */
  async run(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= GATEWAY_TICK_MS) {
      this.pass(GATEWAY_TICK_MS);
      await settled();
    }
  }

  client(): Client {
    return new Client(this);
  }

  get last(): Line {
    return this.lines.at(-1) as Line;
  }
}

class Client {
  text = "";
  isClosed = false;
  readonly input: GatewayInput;

  constructor(world: World) {
    this.input = world.gateway.open({
      write: (bytes) => (this.text += bytes.latin1Slice()),
      pause() {},
      resume() {},
      close: () => void (this.isClosed = true),
    });
  }

  send(...commands: Buffer[]): void {
    this.input.receive(Buffer.concat(commands));
  }

  take(): string {
    const { text } = this;
    this.text = "";
    return text;
  }
}

const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`;
const PING = cmd("PING").latin1Slice();
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A world whose heartbeats have been answered, and a client that is served by the first region. */
async function begun(): Promise<{ world: World; client: Client }> {
  const world = new World();
  await settled();
  world.pass(GATEWAY_TICK_MS);
  const client = world.client();
  client.send(cmd("PING"));
  assert.equal(world.last.region, "east");
  assert.equal(world.last.take(), PING);
  world.last.answer("+PONG\r\n");
  assert.equal(world.last.take(), PING);
  world.last.answer("+PONG\r\n");
  assert.equal(client.take(), "+PONG\r\n");
  return { world, client };
}

/** The second region takes over: answers what it is said to begin with. Returns what it is then sent. */
function takenOver(world: World, prelude = PING, replies = "+PONG\r\n"): string {
  assert.equal(world.last.region, "west");
  assert.equal(world.last.take(), prelude);
  world.last.answer(replies);
  return world.last.take();
}

test("commands and replies pass as they are, however they are cut", async () => {
  const { world, client } = await begun();
  const bytes = Buffer.concat([cmd("GET", "a"), cmd("GET", "b"), cmd("GET", "c")]);
  client.input.receive(bytes.subarray(0, 30));
  client.input.receive(bytes.subarray(30));
  assert.equal(world.last.take(), bytes.latin1Slice());
  for (const piece of ["$3\r\nf", "oo\r\n*2\r\n:1\r", "\n$-1\r\n", "-ERR x\r\n"])
    world.last.answer(piece);
  assert.equal(client.take(), "$3\r\nfoo\r\n*2\r\n:1\r\n$-1\r\n-ERR x\r\n");
});

test("what was not answered when a region dies is done elsewhere where that is safe, and else said to be unknown, each in its turn", async () => {
  const { world, client } = await begun();
  client.send(cmd("GET", "a"), cmd("INCR", "n"), cmd("SET", "b", "1"), cmd("LPUSH", "l", "x"));
  world.last.answer("$1\r\n");
  assert.equal(client.take(), "", "half a reply is not given");
  world.kill("east");
  const sent = takenOver(world);
  assert.equal(sent, cmd("GET", "a").latin1Slice() + cmd("SET", "b", "1").latin1Slice());
  world.last.answer("$1\r\nA\r\n+OK\r\n");
  assert.match(
    client.take(),
    /^\$1\r\nA\r\n-AAUNKNOWN east [^\r]*may have run or not[^\r]*\r\n\+OK\r\n-AAUNKNOWN [^\r]*\r\n$/,
  );
  assert.equal(client.isClosed, false);
});

test("no command is sent to a third region", async () => {
  const { world, client } = await begun();
  client.send(cmd("GET", "a"));
  world.kill("east");
  assert.equal(takenOver(world), cmd("GET", "a").latin1Slice());
  world.up.add("east");
  await world.run(1_000);
  world.kill("west");
  assert.match(client.take(), /^-AAUNKNOWN west/);
});

test("what a connection was said to be is said again before anything else, and answered to nobody", async () => {
  const { world, client } = await begun();
  client.send(cmd("SELECT", "3"), cmd("CLIENT", "SETNAME", "me"), cmd("AUTH", "wrong"));
  world.last.answer("+OK\r\n+OK\r\n-WRONGPASS\r\n");
  client.take();
  world.kill("east");
  const prelude = [cmd("SELECT", "3"), cmd("CLIENT", "SETNAME", "me"), cmd("PING")];
  takenOver(world, Buffer.concat(prelude).latin1Slice(), "+OK\r\n+OK\r\n+PONG\r\n");
  assert.equal(client.take(), "");
  client.send(cmd("GET", "a"));
  assert.equal(world.last.take(), cmd("GET", "a").latin1Slice());
});

test("a session that wrote goes on where that is, or after a moment without", async () => {
  const { world, client } = await begun();
  client.send(cmd("SET", "a", "1"));
  world.last.answer("+OK\r\n");
  world.pass(GATEWAY_TICK_MS);
  await settled();
  client.send(cmd("GET", "a"));
  world.kill("east");
  const said = world.last.take();
  assert.match(
    said,
    /AA\.SESSION\r\n\$\d+\r\neast-\d+\r\n\$7\r\nTIMEOUT\r\n[^]*DBSIZE[^]*PING\r\n$/,
  );
  world.last.answer("+OK\r\n-AASTALE not yet\r\n+PONG\r\n");
  assert.equal(world.last.take(), cmd("AA.SESSION", "OFF").latin1Slice());
  world.last.answer("+OK\r\n");
  assert.equal(world.last.take(), cmd("GET", "a").latin1Slice());
  assert.equal(world.gateway.counts.unseen, 1);
});

test("a session that insists is told once when what it wrote last may be lost", async () => {
  const { world, client } = await begun();
  client.send(cmd("AA.SESSION", "ON"), cmd("SET", "a", "1"));
  world.last.answer("+OK\r\n+OK\r\n");
  client.take();
  world.kill("east");
  assert.doesNotMatch(world.last.text, /DBSIZE/);
  world.last.answer("+OK\r\n+PONG\r\n");
  client.send(cmd("GET", "a"), cmd("GET", "a"));
  world.last.take();
  world.last.answer("$1\r\n1\r\n");
  assert.match(client.take(), /^-AALOSTWRITE [^\r]*east[^\r]*\r\n\$1\r\n1\r\n$/);
});

test("a transaction whose region dies is aborted and says so; nothing of it runs elsewhere", async () => {
  const { world, client } = await begun();
  client.send(cmd("MULTI"), cmd("INCR", "n"));
  world.last.answer("+OK\r\n+QUEUED\r\n");
  assert.equal(client.take(), "+OK\r\n+QUEUED\r\n");
  world.kill("east");
  assert.equal(takenOver(world), "");
  client.send(cmd("INCR", "m"), cmd("EXEC"), cmd("GET", "n"));
  assert.equal(world.last.take(), cmd("GET", "n").latin1Slice());
  world.last.answer("$-1\r\n");
  assert.match(client.take(), /^\+QUEUED\r\n-EXECABORT [^\r]*east[^\r]*\r\n\$-1\r\n$/);
});

test("whether a transaction ran whose EXEC was not answered is unknown", async () => {
  const { world, client } = await begun();
  client.send(cmd("MULTI"), cmd("SET", "a", "1"), cmd("EXEC"), cmd("GET", "a"));
  world.kill("east");
  assert.equal(takenOver(world), cmd("GET", "a").latin1Slice());
  world.last.answer("$-1\r\n");
  assert.match(client.take(), /^\+OK\r\n\+QUEUED\r\n-AAUNKNOWN [^\r]*\r\n\$-1\r\n$/);
});

test("keys that were watched at a region that died have changed, for all that is known", async () => {
  const { world, client } = await begun();
  client.send(cmd("WATCH", "a"), cmd("GET", "a"));
  world.last.answer("+OK\r\n$-1\r\n");
  client.take();
  world.kill("east");
  takenOver(world);
  client.send(cmd("MULTI"), cmd("SET", "a", "2"), cmd("EXEC"));
  assert.equal(world.last.take(), "");
  assert.equal(client.take(), "+OK\r\n+QUEUED\r\n*-1\r\n");
});

test("who listens goes on listening, and hears of no second confirmation", async () => {
  const { world, client } = await begun();
  client.send(cmd("SUBSCRIBE", "a", "b"));
  const confirmed = ["a", "b"].map((c, i) => `*3\r\n${bulk("subscribe")}${bulk(c)}:${i + 1}\r\n`);
  const message = `*3\r\n${bulk("message")}${bulk("a")}${bulk("hi")}`;
  world.last.answer(confirmed[0] + message + confirmed[1]);
  assert.equal(client.take(), confirmed[0] + message + confirmed[1]);
  world.kill("east");
  const prelude = cmd("SUBSCRIBE", "a", "b").latin1Slice() + PING;
  takenOver(
    world,
    prelude,
    `${confirmed.join("")}${message}*2\r\n$4\r\npong\r\n$0\r\n\r\n${message}`,
  );
  assert.equal(client.take(), message + message);
});

test("a client that is better off elsewhere goes when nothing is owed to it, with what it has seen", async () => {
  const { world, client } = await begun();
  client.send(cmd("BLPOP", "q", "0"));
  world.last.take();
  world.candidates = ["west"];
  world.pass(500);
  const east = world.last;
  assert.equal(east.take(), "", "it waits for what it asked for");
  client.send(cmd("GET", "a"));
  assert.equal(east.take(), "");
  east.answer("*2\r\n$1\r\nq\r\n$1\r\nx\r\n");
  assert.equal(client.take(), "*2\r\n$1\r\nq\r\n$1\r\nx\r\n");
  assert.equal(east.take(), cmd("AA.TOKEN").latin1Slice());
  east.answer(bulk("seen"));
  assert.ok(east.isClosed);
  assert.equal(world.last.region, "west");
  assert.match(world.last.take(), /AA\.SESSION\r\n\$4\r\nseen/);
  world.last.answer("+OK\r\n:1\r\n+PONG\r\n");
  assert.equal(world.last.take(), cmd("GET", "a").latin1Slice());
});

test("a message that comes while a listener is on its way is heard", async () => {
  const { world, client } = await begun();
  client.send(cmd("SUBSCRIBE", "a"));
  world.last.answer(`*3\r\n${bulk("subscribe")}${bulk("a")}:1\r\n`);
  client.take();
  world.candidates = ["west"];
  world.pass(500);
  const message = `*3\r\n${bulk("message")}${bulk("a")}${bulk("hi")}`;
  world.last.answer(`${message}-ERR only SUBSCRIBE is allowed in this context\r\n`);
  assert.equal(client.take(), message);
  assert.equal(world.last.region, "west");
});

test("a region that was lost and is back is given one client to find out, and the others when that was served", async () => {
  const { world, client } = await begun();
  const others = [world.client(), world.client()];
  for (const one of others) one.send(cmd("SUBSCRIBE", "a"));
  const at = (region: string): number =>
    world.lines.filter((line) => line.region === region && !line.isClosed).length;
  /** Lets time pass in which regions answer. */
  const live = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= GATEWAY_TICK_MS) {
      await world.run(GATEWAY_TICK_MS);
      for (const line of world.lines.filter(({ isClosed }) => !isClosed))
        for (const word of line.take().match(/SUBSCRIBE|PING|TOKEN|GET/g) ?? [])
          if (word === "SUBSCRIBE") line.answer(`*3\r\n${bulk("subscribe")}${bulk("a")}:1\r\n`);
          else line.answer(word === "PING" ? "+PONG\r\n" : "$-1\r\n");
    }
  };
  world.kill("east");
  await live(500);
  world.up.add("east");
  await live(5_000);
  assert.deepEqual([at("east"), at("west")], [0, 3]);
  await live(6_000);
  assert.deepEqual([at("east"), at("west")], [1, 2], "one finds out");
  await live(5_000);
  assert.deepEqual([at("east"), at("west")], [1, 2], "and stays for it");
  client.send(cmd("GET", "a"));
  await live(25_000);
  assert.deepEqual([at("east"), at("west")], [3, 0]);
});

test("a region that is silent for a second is left, and nobody waits for it longer", async () => {
  const { world, client } = await begun();
  client.send(cmd("GET", "a"));
  world.mute.add("east");
  await world.run(1_500);
  assert.equal(takenOver(world), cmd("GET", "a").latin1Slice());
});

test("when no region answers, clients hear so in the end, and that nothing was done", async () => {
  const world = new World();
  world.kill("east");
  world.kill("west");
  const client = world.client();
  client.send(cmd("INCR", "n"));
  await world.run(6_000);
  assert.match(client.take(), /^-ERR no region answers; the command has not run\r\n$/);
  assert.ok(client.isClosed);
});

test("what is no command is refused in its turn, and the connection ends", async () => {
  const { world, client } = await begun();
  client.send(cmd("GET", "a"), Buffer.from("*1\r\nfoo\r\n"));
  world.last.answer("$-1\r\n");
  assert.match(client.take(), /^\$-1\r\n-ERR Protocol error: expected '\$', got 'f'\r\n$/);
  assert.ok(client.isClosed);
});
