/** ChangeFeed: what readers are told who wait, who fall behind the log, and whose rights end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChangesRequest } from "../core/commands/changes.ts";
import { Session } from "../core/commands/session.ts";
import { type Member, Network } from "../core/replica/network.suite.ts";
import { ChangeFeed, STREAMS_MAX } from "./change-feed.ts";
import type { Log } from "./ports/storage.ts";

interface Bench {
  readonly member: Member;
  readonly feed: ChangeFeed;
  readonly session: Session;
  monoMs: number;
  isStopping: boolean;
  /** The log was cut before this place. */
  begin: number;
}

function bench(): Bench {
  const [member] = new Network(["a/1"]).members as [Member];
  const log = {
    get begin() {
      return it.begin;
    },
    read: (from: number, _max: number, visit: (b: Buffer, from: number, to: number) => void) => {
      if (from < it.begin) return Promise.reject(new RangeError("forgotten"));
      for (const { block, to } of member.log)
        if (to - block.length >= from) visit(block, to - block.length, to);
      return Promise.resolve(member.log.at(-1)?.to ?? 0);
    },
  } as unknown as Log;
  const feed = new ChangeFeed({
    replica: member.replica,
    log,
    turnEnded: () => {},
    monoMs: () => it.monoMs,
    isStopping: () => it.isStopping,
  });
  const session = new Session(7, "", "", 0, true);
  member.replica.run.sessions.set(7, session);
  const it: Bench = { member, feed, session, monoMs: 0, isStopping: false, begin: 0 };
  return it;
}

function set(b: Bench, value: string): void {
  b.member.command("SET", "k", value);
  b.member.turn();
  b.feed.look();
}

/** Lets everything run that waits for nothing. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const request: ChangesRequest = {
  from: "now",
  prefix: Buffer.alloc(0),
  db: 0,
  count: 10,
  blockMs: 0,
};

/** What the session was answered; null while it waits. */
function answered({ member }: Bench): string | null {
  return member.replica.run.blocking.answers.at(-1)?.bytes.latin1Slice() ?? null;
}

const root = (b: Bench) => () => b.member.replica.run.users.named("default");

test("who waits is answered when something has come, or when the time is over, or when he has gone", async () => {
  const b = bench();
  b.feed.ask(b.session, { ...request, blockMs: 1_000 });
  await settled();
  assert.equal(answered(b), null);
  set(b, "1");
  await settled();
  assert.match(answered(b) ?? "", /value\r\n\$1\r\n1\r\n/);
  for (const end of [() => (b.monoMs += 1_000), () => b.member.replica.run.sessions.delete(7)]) {
    b.member.replica.run.blocking.answers = [];
    b.feed.ask(b.session, { ...request, blockMs: 1_000 });
    await settled();
    assert.equal(answered(b), null);
    end();
    b.feed.look();
    await settled();
    assert.match(answered(b) ?? "", /^\*2\r\n.*\r\n.*\r\n\*0\r\n$/);
  }
});

test("nothing is told that is not durable", async () => {
  const b = bench();
  b.member.prompt = false;
  set(b, "1");
  b.feed.ask(b.session, { ...request, from: "start" });
  await settled();
  assert.match(answered(b) ?? "", /\*0\r\n$/);
  b.member.sync();
  b.feed.ask(b.session, { ...request, from: "start" });
  await settled();
  assert.match(answered(b) ?? "", /value\r\n\$1\r\n1\r\n/);
});

test("who comes with a position before what the log has hears what to do", async () => {
  const b = bench();
  set(b, "1");
  const { index, applied } = b.member.replica;
  b.feed.ask(b.session, {
    ...request,
    from: b.member.replica.run.conflicts.cursorOf("0") ?? "now",
  });
  await settled();
  assert.match(answered(b) ?? "", /^\*2/);
  index.begin(index.end, applied);
  b.feed.ask(b.session, {
    ...request,
    from: b.member.replica.run.conflicts.cursorOf("0") ?? "now",
  });
  await settled();
  assert.match(answered(b) ?? "", /^-AATRUNCATED .* take a position with AA.CHANGES NOW/);
});

test("a stream whose reader fell behind the log ends with the reason", async () => {
  const b = bench();
  const events = b.feed.stream({ prefix: "", from: "now", db: 0 }, root(b));
  assert.ok(!("refused" in events));
  assert.match(String((await events.next()).value), /^id: 0\nevent: begin/);
  set(b, "1");
  b.begin = b.member.log.at(-1)?.to ?? 0;
  assert.match(String((await events.next()).value), /^event: end\ndata: .*AATRUNCATED/);
  assert.equal((await events.next()).done, true);
  assert.equal(b.feed.streams, 0);
});

test("a stream says when nothing happens, and ends with the rights of its user and with the node", async () => {
  const b = bench();
  const { users } = b.member.replica.run;
  let user = users.named("default");
  const events = b.feed.stream({ prefix: "", from: "now", db: 0 }, () => user);
  assert.ok(!("refused" in events));
  await events.next();
  const quiet = events.next();
  await settled();
  b.monoMs += 10_000;
  b.feed.look();
  assert.equal(String((await quiet).value), ": nothing new\n\n");
  user = null;
  assert.match(String((await events.next()).value), /^event: end\ndata: .*the user is gone/);
  const later = b.feed.stream({ prefix: "", from: "now", db: 0 }, root(b));
  assert.ok(!("refused" in later));
  await later.next();
  b.isStopping = true;
  assert.match(String((await later.next()).value), /^event: end\ndata: .*the node is stopping/);
});

test("there are so many streams and no more", async () => {
  const b = bench();
  const open = [];
  for (let i = 0; i < STREAMS_MAX; i++) {
    const events = b.feed.stream({ prefix: "", from: "now", db: 0 }, root(b));
    assert.ok(!("refused" in events));
    await events.next();
    open.push(events);
  }
  const more = b.feed.stream({ prefix: "", from: "now", db: 0 }, root(b));
  assert.equal("refused" in more && more.status, 503);
  await open[0]?.return(undefined);
  assert.ok(!("refused" in b.feed.stream({ prefix: "", from: "now", db: 0 }, root(b))));
});
