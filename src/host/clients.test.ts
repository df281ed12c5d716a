import assert from "node:assert/strict";
import { test } from "node:test";
import { idlePort } from "../core/commands/idle-port.ts";
import { defaultSettings } from "../core/commands/settings.ts";
import { tokenOf } from "../core/commands/session-token.ts";
import { Vector } from "../core/clock/vector.ts";
import { Replica } from "../core/replica/replica.ts";
import { Clients } from "./clients.ts";
import type { ClientOutput } from "./ports/clients.ts";
import { Turn } from "./turn.ts";

/** A client's connection that remembers what was done to it. */
class FakeOutput implements ClientOutput {
  readonly address: string;
  readonly localAddress = "127.0.0.1:6379";
  readonly fd = -1;
  /** Bytes that the network has not taken, when it takes none. */
  queuedBytes = 0;
  reads = true;
  text = "";
  paused = false;
  closed = false;

  constructor(address: string) {
    this.address = address;
  }

  write(bytes: Buffer): void {
    if (this.closed) return;
    this.text += bytes.latin1Slice();
    if (!this.reads) this.queuedBytes += bytes.length;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  close(): void {
    this.closed = true;
  }

  take(): string {
    const { text } = this;
    this.text = "";
    return text;
  }
}

function setup(
  settings: Partial<typeof defaultSettings> = {},
  members = ["here/1"],
  turnSteps = Infinity,
) {
  const all = { ...defaultSettings, ...settings };
  const replica = new Replica({
    origin: { member: "here/1", incarnation: "\0\0\0\0\0\0\0\x01" },
    region: "here",
    cluster: "test",
    members,
    relays: false,
    durability: "local",
    keyspaces: [],
    settings: all,
    node: {
      ...idlePort((bytes) => Buffer.alloc(bytes)),
      closeClient: (id) => clients.close(id),
    },
    chance: [1, 2, 3],
  });
  let nowMs = 1_700_000_000_000;
  let position = 0;
  let version = 0;
  const host = {
    replica,
    settings: all,
    behind: false,
    beginTurn: () => replica.begin(nowMs, nowMs, nowMs),
    turns: 0,
    turnEnded: () => void host.turns++,
    turn: new Turn(() => replica.keyspace.heap.steps, turnSteps),
    congested: () => host.behind,
    cutOff: [] as string[],
    clientCutOff: (client: string, reason: string) =>
      void host.cutOff.push(`${client.split(" ")[0]}: ${reason}`),
  };
  const clients = new Clients(host);
  return {
    host,
    clients,
    pass: (ms: number) => {
      nowMs += ms;
      host.beginTurn();
    },
    /** The process stands still, and does not know it yet. */
    pause: (ms: number) => void (nowMs += ms),
    connect: (address = "127.0.0.1:5000") => {
      const output = new FakeOutput(address);
      const client = clients.open(output);
      const send = (text: string): number => {
        const bytes = Buffer.from(text);
        return client?.receive(bytes, 0, bytes.length) ?? 0;
      };
      return { output, client, send };
    },
    /** The disk has stored everything. */
    store: () => {
      const block = replica.takeBlock();
      if (block !== null) replica.appended((position += block.length));
      replica.stored(position);
      clients.release(replica.durableSeq);
      clients.answer();
    },
    /** A turn ends. */
    turn: () => {
      replica.endTurn();
      clients.answer();
    },
    /** Another member says that it has our records up to `seq`, and has heard our newest question. */
    hears: (member: string, seq: number, more: Vector = new Vector()) => {
      const has = more.copy();
      has.raise(replica.me, seq);
      const incarnation = member.padEnd(8).slice(0, 8);
      const met = [replica.origins.introduce({ member, incarnation })];
      const says = {
        member,
        version: ++version,
        applied: has,
        durable: has,
        met,
        promiseTick: 0,
        life: 1,
        reads: 1,
        counts: true,
      };
      const heard = [{ member: "here/1", asked: replica.waits.say() }];
      const { monoMs } = replica;
      replica.members.report(
        { ...says, promiseMs: 0, asked: 0, awaited: new Vector(), heard, settledEpoch: 0 },
        monoMs,
      );
      replica.endTurn();
      clients.answer();
    },
  };
}

const THREE = ["here/1", "there/1", "yonder/1"];

test("the reply to a write waits until the write is durable", () => {
  const { connect, store } = setup();
  const { output, send } = connect();
  send("SET k v\r\n");
  assert.equal(output.take(), "");
  store();
  assert.equal(output.take(), "+OK\r\n");
});

test("a reply that depends on the time goes by the time at which it is given", () => {
  const { host, connect, store, pause } = setup();
  const { replica } = host;
  const { output, send } = connect();
  const untilMs = replica.monoMs + 1_000;
  replica.wrote = () => ({
    client: -1,
    terms: {
      timeoutMs: 0,
      end: (_, reply) => {
        if (replica.monoMs >= untilMs) reply.error("LATE");
      },
    },
    vector: new Vector(),
    named: [],
    question: 0,
    sinceMonoMs: 0,
    deadlineMs: 0,
    outcome: "reached",
  });
  send("SET k v\r\n");
  store();
  assert.equal(output.take(), "+OK\r\n");
  send("SET k v\r\nGET k\r\n");
  pause(2_000);
  store();
  assert.equal(output.take(), "-LATE\r\n$1\r\nv\r\n");
});

test("a read that shows what is not durable waits too, absence included, and other keys do not", () => {
  const { connect, store } = setup();
  const [writer, reader] = [connect(), connect()];
  writer.send("SET k v\r\nSET other v\r\n");
  store();
  writer.output.take();
  writer.send("DEL k\r\n");
  reader.send("GET k\r\n");
  assert.equal(reader.output.take(), "");
  const third = connect();
  third.send("GET other\r\n");
  assert.equal(third.output.take(), "$1\r\nv\r\n");
  store();
  assert.equal(reader.output.take(), "$-1\r\n");
});

test("replies leave in the order of their commands, although only the first has to wait", () => {
  const { connect, store } = setup();
  const { output, send } = connect();
  send("SET k v\r\n");
  send("PING\r\n");
  assert.equal(output.take(), "");
  store();
  assert.equal(output.take(), "+OK\r\n+PONG\r\n");
});

test("a client from elsewhere is turned away while no password is set", () => {
  const { connect } = setup();
  const { output, client } = connect("192.0.2.7:5000");
  assert.equal(client, null);
  assert.match(output.take(), /^-DENIED .*requirepass/);
});

test("one more client than allowed is told so", () => {
  const { connect } = setup({ maxClients: 1 });
  connect();
  const { output, client } = connect();
  assert.equal(client, null);
  assert.equal(output.take(), "-ERR max number of clients reached\r\n");
});

test("a client that quits is closed once its held replies are sent", () => {
  const { connect, store } = setup();
  const { output, send } = connect();
  send("SET k v\r\nQUIT\r\n");
  assert.equal(output.closed, false);
  store();
  assert.equal(output.take(), "+OK\r\n+OK\r\n");
  assert.equal(output.closed, true);
});

test("a client that has said all it wants still gets the replies that wait for the disk", () => {
  const { connect, store } = setup();
  const { output, client, send } = connect();
  send("SET k v\r\n");
  client?.ended?.();
  assert.equal(output.closed, false);
  store();
  assert.equal(output.take(), "+OK\r\n");
  assert.equal(output.closed, true);
});

test("bytes that are no command are answered, and the connection ends", () => {
  const { connect } = setup();
  const { output, send } = connect();
  send("*1\r\n$x\r\n");
  assert.equal(output.take(), "-ERR Protocol error: invalid bulk length\r\n");
  assert.equal(output.closed, true);
});

test("a client that sleeps is not read from until it wakes, and others are", () => {
  const { connect, clients, pass } = setup();
  const [sleeper, other] = [connect(), connect()];
  const text = "DEBUG SLEEP 1\r\nPING\r\n";
  assert.equal(sleeper.send(text), "DEBUG SLEEP 1\r\n".length);
  assert.equal(sleeper.output.paused, true);
  other.send("PING\r\n");
  assert.equal(other.output.take(), "+PONG\r\n");
  pass(500);
  clients.wake();
  assert.equal(sleeper.output.paused, true);
  pass(600);
  clients.wake();
  assert.equal(sleeper.output.paused, false);
});

test("clients are not read from while the disk is too far behind", () => {
  const { connect, clients, host } = setup();
  const { output, send } = connect();
  host.behind = true;
  send("SET k v\r\n");
  assert.equal(output.paused, true);
  clients.wake();
  assert.equal(output.paused, true);
  host.behind = false;
  clients.wake();
  assert.equal(output.paused, false);
});

test("what a client that has gone was watching is forgotten", () => {
  const { connect, host } = setup();
  const { client, send } = connect();
  send("WATCH k\r\n");
  assert.equal(host.replica.run.watchers.size, 1);
  client?.closed();
  assert.equal(host.replica.run.watchers.size, 0);
  assert.equal(host.replica.run.sessions.size, 0);
});

test("commands behind one that waits wait with it, and its answer comes first", () => {
  const { clients, connect, store } = setup();
  const [waiter, pusher] = [connect(), connect()];
  const text = "BLPOP k 0\r\nPING\r\n";
  assert.equal(waiter.send(text), "BLPOP k 0\r\n".length);
  assert.equal(waiter.output.paused, true);
  // What is offered all the same is not taken.
  assert.equal(waiter.send("PING\r\n"), 0);
  pusher.send("RPUSH k a\r\n");
  clients.answer();
  assert.equal(waiter.output.take(), "", "the pop is not durable yet");
  assert.equal(waiter.output.paused, false);
  waiter.send("PING\r\n");
  store();
  assert.equal(waiter.output.take(), "*2\r\n$1\r\nk\r\n$1\r\na\r\n+PONG\r\n");
  assert.equal(pusher.output.take(), ":1\r\n");
});

test("a client that goes, or is made to go, while it waits takes nothing", () => {
  const { host, clients, connect, store } = setup();
  const [gone, ended, killed, last] = [connect(), connect(), connect(), connect()];
  for (const { send } of [gone, ended, killed, last]) send("BLPOP k 0\r\n");
  gone.client?.closed();
  ended.client?.ended?.();
  connect().send("CLIENT KILL ID 3\r\n");
  assert.ok(ended.output.closed && killed.output.closed);
  assert.equal(host.replica.run.blocking.count, 1);
  connect().send("RPUSH k a\r\n");
  clients.answer();
  store();
  assert.equal(last.output.take(), "*2\r\n$1\r\nk\r\n$1\r\na\r\n");
  assert.equal(killed.output.take(), "");
});

test("that the time is over is answered only when what it shows is durable", () => {
  const { host, clients, connect, store, pass } = setup();
  const [waiter, other] = [connect(), connect()];
  other.send("RPUSH k a\r\n");
  store();
  other.output.take();
  other.send("LPOP k\r\n");
  waiter.send("BLPOP k 0.1\r\n");
  pass(100);
  host.replica.tick();
  clients.answer();
  assert.equal(waiter.output.take(), "");
  store();
  assert.equal(waiter.output.take(), "*-1\r\n");
});

/** A client that does not read, and a key of so many bytes. */
function slowReader(settings: Partial<typeof defaultSettings>, bytes: number) {
  const all = setup(settings);
  const { connect, store } = all;
  const writer = connect();
  writer.send(`SET k ${"v".repeat(bytes)}\r\n`);
  store();
  const slow = connect();
  slow.output.reads = false;
  return { ...all, slow };
}

const limits = (hardBytes: number, softBytes = 0, softSeconds = 0) => ({
  outputLimits: {
    ...defaultSettings.outputLimits,
    normal: { hardBytes, softBytes, softSeconds },
  },
});

test("a client to whom more is owed than the hard limit is cut off, and the log says why", () => {
  const { host, clients, slow } = slowReader(limits(2500), 1000);
  slow.send("GET k\r\nGET k\r\n");
  assert.equal(slow.output.closed, false);
  slow.send("GET k\r\nGET k\r\n");
  assert.equal(slow.output.closed, true);
  assert.equal(clients.cutOff, 1);
  assert.match(
    host.cutOff[0] ?? "",
    /^id=2: 40\d\d bytes .* hard limit for normal clients is 2500/,
  );
  assert.equal(host.replica.run.sessions.has(2), false);
  assert.equal(slow.send("SET k w\r\n"), "SET k w\r\n".length);
  assert.equal(host.replica.run.stats.total, 5, "what comes later is not executed");
});

test("a single reply beyond the hard limit is not sent, and replies held for the disk count as others", () => {
  const { slow, connect, store } = slowReader(limits(2500), 3000);
  slow.output.reads = true;
  slow.send("GET k\r\n");
  assert.equal(slow.output.closed, true);
  assert.equal(slow.output.take(), "");
  const waiting = connect();
  waiting.send(`SET j ${"v".repeat(2000)}\r\nGET j\r\n`);
  assert.equal(waiting.output.closed, false);
  waiting.send("GET j\r\n");
  assert.equal(waiting.output.closed, true);
  store();
  assert.equal(waiting.output.take(), "");
});

test("the soft limit may be exceeded for its seconds, and no longer", () => {
  const { clients, slow, pass } = slowReader(limits(0, 1500, 10), 1000);
  slow.send("GET k\r\nGET k\r\n");
  pass(9_000);
  clients.closeExcessive();
  slow.output.queuedBytes = 100;
  clients.closeExcessive();
  slow.output.queuedBytes = 1500;
  pass(9_000);
  clients.closeExcessive();
  pass(10_000);
  clients.closeExcessive();
  assert.equal(slow.output.closed, false, "it had caught up in the meantime");
  pass(1);
  clients.closeExcessive();
  assert.equal(slow.output.closed, true);
});

test("pushes of one turn go to a client in one write, in front of what it is answered later and behind what is held", () => {
  const { clients, connect, store } = setup();
  const client = connect();
  let writes = 0;
  const write = client.output.write.bind(client.output);
  client.output.write = (bytes) => {
    writes++;
    write(bytes);
  };
  const push = (text: string): void => clients.push(1, Buffer.from(text), 0);
  push("+a\r\n");
  push("+b\r\n");
  assert.equal(client.output.take(), "");
  client.send("PING\r\n");
  assert.equal(client.output.take(), "+a\r\n+b\r\n+PONG\r\n");
  assert.equal(writes, 2);
  client.send("SET k v\r\n");
  push("+c\r\n");
  clients.sendGathered();
  assert.equal(
    client.output.take(),
    "",
    "the reply waits for the disk, and what comes behind it too",
  );
  store();
  assert.equal(client.output.take(), "+OK\r\n+c\r\n");
});

test("pushes arrive as they are, whether they lie side by side, apart or in other memory", () => {
  const { clients, connect } = setup();
  const client = connect();
  const [one, other] = [Buffer.alloc(64, "1"), Buffer.alloc(64, "2")];
  const sent = (...pieces: Buffer[]): string => {
    for (const piece of pieces) clients.push(1, piece, 0);
    clients.sendGathered();
    return client.output.take();
  };
  one.write("+a\r\n+b\r\n");
  other.write("+x\r\n+y\r\n");
  assert.equal(sent(one.subarray(0, 4), one.subarray(4, 8)), "+a\r\n+b\r\n");
  assert.equal(sent(one.subarray(4, 8), one.subarray(0, 4)), "+b\r\n+a\r\n");
  assert.equal(sent(one.subarray(0, 4), other.subarray(4, 8)), "+a\r\n+y\r\n");
});

test("whoever has subscriptions is held to the limit of pubsub clients", () => {
  const pubsub = { hardBytes: 1500, softBytes: 0, softSeconds: 0 };
  const outputLimits = { ...defaultSettings.outputLimits, pubsub };
  const { host, clients, slow } = slowReader({ outputLimits }, 1000);
  clients.push(2, Buffer.alloc(2000), 0);
  assert.equal(slow.output.closed, false);
  const session = host.replica.run.sessions.get(2);
  assert.ok(session);
  session.subscriptions = 1;
  clients.push(2, Buffer.alloc(1), 0);
  assert.equal(slow.output.closed, true);
});

test("when clients together hold too much the largest goes, unless it is spared", () => {
  const { host, clients, connect } = setup({ maxMemoryClients: 10_000 });
  const [small, large, spared] = [connect(), connect(), connect()];
  spared.send("CLIENT NO-EVICT ON\r\n");
  small.client?.unread(1000);
  spared.client?.unread(6000);
  large.client?.unread(2000);
  assert.equal(clients.evicted, 0);
  large.client?.unread(4000);
  assert.deepEqual(
    [small, large, spared].map(({ output }) => output.closed),
    [false, true, false],
  );
  assert.match(host.cutOff[0] ?? "", /^id=2: .*maxmemory-clients/);
  const queueing = connect();
  queueing.send("MULTI\r\n");
  queueing.send(`SET k ${"v".repeat(3500)}\r\n`);
  assert.equal(queueing.output.closed, true, "what MULTI has queued counts");
  small.client?.unread(5000);
  assert.equal(small.output.closed, true);
  connect().send("PING\r\n");
  assert.equal(clients.evicted, 3, "what those held who went is not counted any more");
  spared.client?.unread(20_000);
  assert.equal(spared.output.closed, false);
});

test("a pipeline of large replies is not executed beyond what the client takes", () => {
  const { host, slow, connect, store } = slowReader({}, 0);
  connect().send(`SETRANGE k ${1024 * 1024} x\r\n`);
  store();
  const sent = "GET k\r\n".repeat(10);
  const taken = slow.send(sent);
  assert.ok(taken > 0 && taken < sent.length, `${taken}`);
  assert.equal(slow.output.queuedBytes < 3 * 1024 * 1024, true);
  assert.ok(host.replica.run.stats.total < 6);
  slow.output.queuedBytes = 0;
  slow.output.reads = true;
  assert.equal(slow.send(sent.slice(taken)), sent.length - taken);
});

test("a write at a level holds up its own client until other members have it, and nobody else", () => {
  const { connect, store, hears } = setup({}, THREE);
  const [careful, hasty] = [connect(), connect()];
  hears("there/1", 0);
  careful.send("AA.DO WRITE GLOBAL_QUORUM SET k v\r\nPING\r\n");
  hasty.send("SET other v\r\n");
  hears("there/1", 1);
  assert.equal(careful.output.take(), "", "it is not durable here");
  store();
  assert.equal(careful.output.take(), "+OK\r\n+PONG\r\n");
  assert.equal(hasty.output.take(), "+OK\r\n");
  careful.send("AA.LEVEL WRITE GLOBAL_QUORUM\r\n");
  careful.send("SET k w\r\nINCR n\r\nGET k\r\n");
  store();
  assert.equal(careful.output.take(), "+OK\r\n", "that of AA.LEVEL");
  hears("there/1", 3);
  assert.equal(careful.output.take(), "+OK\r\n");
  hears("there/1", 4);
  assert.equal(careful.output.take(), ":1\r\n$1\r\nw\r\n");
});

test("a write whose level is not reached in time is answered with where it is durable", () => {
  const { host, connect, store, hears, pass, turn } = setup({}, THREE);
  const { output, send } = connect();
  hears("there/1", 0);
  send("AA.DO WRITE GLOBAL_QUORUM TIMEOUT 100 INCR k\r\nGET k\r\n");
  store();
  pass(99);
  turn();
  assert.equal(output.take(), "");
  pass(1);
  host.replica.tick();
  turn();
  assert.equal(
    output.take(),
    "-AAINCOMPLETE GLOBAL_QUORUM was not reached within 100 ms: the write is applied and will replicate; durable so far at here/1\r\n$1\r\n1\r\n",
  );
  send("AA.WAIT GLOBAL_QUORUM 100\r\nWAIT 1 100\r\nWAITAOF 1 1 100\r\n");
  hears("there/1", 1);
  assert.equal(output.take(), "+OK\r\n:1\r\n*2\r\n:1\r\n:1\r\n");
});

test("WAIT answers how many there are when its time is over", () => {
  const { host, connect, store, pass, turn } = setup({}, THREE);
  const { output, send } = connect();
  send("SET k v\r\nWAIT 2 50\r\nWAIT 0 50\r\n");
  store();
  assert.equal(output.take(), "+OK\r\n");
  pass(50);
  host.replica.tick();
  turn();
  assert.equal(output.take(), ":0\r\n:0\r\n");
});

test("a level that cannot be met refuses before anything is written", () => {
  const { connect, store } = setup({}, THREE);
  const { output, send } = connect();
  send("AA.DO GLOBAL_QUORUM SET k v\r\nAA.DO ALL GET k\r\n");
  const why = "cannot be met now: of all members only here/1 can be reached; nothing was";
  assert.equal(
    output.take(),
    `-AANOQUORUM GLOBAL_QUORUM ${why} written\r\n-AANOQUORUM ALL ${why} read\r\n`,
  );
  send("AA.LEVEL WRITE ALL\r\nMULTI\r\nSET k v\r\nEXEC\r\nEXISTS k\r\n");
  store();
  const transaction = `EXECABORT Transaction discarded because of: AANOQUORUM ALL ${why} written`;
  assert.equal(output.take(), `+OK\r\n+OK\r\n+QUEUED\r\n-${transaction}\r\n:0\r\n`);
});

test("a session that saw more elsewhere is read from again once that is here, and refused when it does not come", () => {
  const { host, connect, pass, turn } = setup({}, THREE);
  const { replica } = host;
  const { output, send } = connect();
  const incarnation = "\x00\x01\x02\x03\x04\x05\x06\x07";
  const token = tokenOf([{ incarnation, seq: 3 }], replica.run.tokenKey);
  const take = `AA.SESSION ${token} TIMEOUT 500\r\n`;
  assert.equal(send(`${take}INCR k\r\n`), take.length, "INCR waits");
  assert.equal(output.take(), "+OK\r\n");
  assert.equal(output.paused, true);
  assert.equal(send("INCR k\r\n"), 0, "what is offered all the same is not taken");
  pass(500);
  host.replica.tick();
  turn();
  assert.equal(output.paused, false);
  send("INCR k\r\nPING\r\n");
  assert.match(output.take(), /^-AASTALE [^\r]*has not run\r\n\+PONG\r\n$/);
  assert.equal(replica.applied.get(replica.me), 0, "nothing was written");
  assert.equal(send("GET k\r\n"), 0, "the next command waits anew");
  replica.applied.raise(replica.origins.introduce({ member: "there/1", incarnation }), 3);
  turn();
  send("GET k\r\n");
  assert.equal(output.take(), "$-1\r\n");
  assert.equal(replica.waits.count, 0);
});

test("a read at a level runs once the members that were asked have answered and what they have is here", () => {
  const { host, connect, hears, turn } = setup({}, THREE);
  const { replica } = host;
  const { output, send } = connect();
  hears("there/1", 0);
  hears("yonder/1", 0);
  const read = "AA.DO READ GLOBAL_QUORUM GET k\r\n";
  assert.equal(send(read), 0);
  turn();
  const theirs = new Vector();
  const there = replica.origins.introduce({ member: "there/1", incarnation: "theirs!!" });
  theirs.raise(there, 7);
  hears("there/1", 0, theirs);
  assert.equal(output.paused, true, "it answered with a record that is not here");
  replica.applied.raise(there, 7);
  turn();
  assert.equal(output.paused, false);
  assert.equal(send(read), read.length);
  assert.equal(output.take(), "$-1\r\n");
});

test("a client that goes while it waits is forgotten", () => {
  const { host, connect, hears, store } = setup({}, THREE);
  const { client, send } = connect();
  hears("there/1", 0);
  send("AA.DO WRITE GLOBAL_QUORUM SET k v\r\n");
  store();
  client?.closed();
  assert.equal(host.replica.waits.count, 0);
  hears("there/1", 1);
});

test("what a turn does not hold goes on in the next one, whoever waited longest first, and replies stay in order", () => {
  const { host, connect } = setup({ protectedMode: false }, ["here/1"], 40);
  const pipeline = Array.from({ length: 10 }, (_, i) => `ECHO ${i}\r\n`).join("");
  const [many, other] = [connect(), connect()];
  const used = many.send(pipeline);
  // A command of two words takes four steps.
  assert.equal(many.output.take(), Array.from({ length: 10 }, (_, i) => `$1\r\n${i}\r\n`).join(""));
  assert.equal(used, pipeline.length, "that was all of it, so it does not wait");
  assert.equal(many.output.paused, false);
  assert.equal(other.send("PING\r\n"), 0, "nothing more is taken");
  assert.equal(other.output.paused, true);
  assert.equal(many.send(pipeline), 0);
  host.turn.end();
  host.turn.goOn();
  assert.deepEqual([other.output.paused, many.output.paused], [false, false]);
  assert.equal(other.send("PING\r\nPING\r\n"), 12);
  const part = many.send(pipeline);
  assert.ok(part > 0 && part < pipeline.length, "the turn has room for a part");
  assert.equal(many.output.paused, true);
  assert.equal(connect().send("PING\r\n"), 0);
  host.turn.end();
  host.turn.goOn();
  assert.equal(many.send(pipeline.slice(part)), pipeline.length - part);
  assert.equal(many.output.take(), Array.from({ length: 10 }, (_, i) => `$1\r\n${i}\r\n`).join(""));
  assert.equal(host.turn.longest, 42, "the command that fills it is done");
});

test("a client who comes when work of the node's own has filled the turn sees to it that there is another", () => {
  const { host, connect } = setup({}, ["here/1"], 1);
  const { send } = connect();
  host.replica.keyspace.heap.steps++;
  assert.equal(send("*1\r\n$4\r\nPING\r\n"), 0, "nothing of it is taken yet");
  assert.equal(host.turns, 1);
});

test("who waits for the disk does not go on with the next turn", () => {
  const { host, clients, connect } = setup({}, ["here/1"], 4);
  const { output, send } = connect();
  host.behind = true;
  send("PING\r\nPING\r\nPING\r\nPING\r\n");
  assert.equal(output.paused, true);
  host.turn.end();
  host.turn.goOn();
  assert.equal(output.paused, true);
  host.behind = false;
  clients.wake();
  assert.equal(output.paused, false);
});
