import assert from "node:assert/strict";
import { test } from "node:test";
import { decisionOf } from "../decision.suite.ts";
import fc from "fast-check";
import { WRITES } from "../../commands/command-table.ts";
import { commandTable } from "../../commands/table.ts";
import { argsOf } from "../../wire/args.ts";
import { encodeCommand } from "../../wire/encode-command.ts";
import { Breaker, defaultBreaker } from "./breaker.ts";
import { KIND, kindOf } from "./command-kind.ts";
import { Ledger } from "./ledger.ts";
import { LostTransaction } from "./lost-transaction.ts";
import { type Footing, isWorthMoving, orderFor } from "./preference.ts";
import { RetryBudget } from "./retry-budget.ts";
import { settleLost } from "./settle-lost.ts";
import { isNews, StandingWords } from "./standing-words.ts";

test("a region that fails five times in a row is given nothing until one request has found out that it works", () => {
  const breaker = new Breaker();
  for (let i = 0; i < 4; i++) breaker.failed(i);
  assert.equal(breaker.share(4), 1);
  breaker.succeeded(4);
  for (let i = 0; i < 5; i++) breaker.failed(5);
  assert.equal(breaker.share(5), 0);
  assert.equal(breaker.isDue(10_004), false);
  assert.equal(breaker.isDue(10_005), true);
  breaker.probe(10_005);
  assert.equal(breaker.isDue(10_006), false, "one at a time");
  assert.equal(breaker.share(10_006), 0);
  breaker.succeeded(11_000);
  assert.equal(breaker.share(11_000), 0);
  assert.equal(breaker.share(16_000), 0.5);
  assert.equal(breaker.share(21_000), 1);
});

test("each time it fails again it is left alone for twice as long, up to five minutes, and forgotten when it has served", () => {
  const breaker = new Breaker();
  let nowMs = 0;
  const held: number[] = [];
  breaker.trip(nowMs);
  for (let i = 0; i < 7; i++) {
    const from = nowMs;
    while (!breaker.isDue(nowMs)) nowMs += 1_000;
    held.push(nowMs - from);
    breaker.probe(nowMs);
    breaker.failed(nowMs);
  }
  assert.deepEqual(
    held,
    [10, 20, 40, 80, 160, 300, 300].map((s) => s * 1_000),
  );
  while (!breaker.isDue(nowMs)) nowMs += 1_000;
  breaker.probe(nowMs);
  breaker.succeeded(nowMs);
  breaker.succeeded(nowMs + defaultBreaker.rampMs);
  breaker.trip(nowMs + defaultBreaker.rampMs);
  assert.ok(breaker.isDue(nowMs + defaultBreaker.rampMs + defaultBreaker.openMs));
});

test("more than half of twenty requests in ten seconds must fail; older ones are forgotten", () => {
  const failing = (errors: number, successes: number, laterMs: number): Breaker => {
    const breaker = new Breaker();
    for (let i = 0; i < errors + successes; i++)
      if (i % 2 === 0 ? i / 2 < errors : (i - 1) / 2 >= successes) breaker.failed(i);
      else breaker.succeeded(i);
    breaker.failed(laterMs);
    return breaker;
  };
  assert.equal(failing(10, 10, 100).share(100), 0);
  assert.equal(failing(9, 10, 100).share(100), 1);
  assert.equal(failing(10, 10, 10_500).share(10_500), 1, "what was counted lies too far back");
});

test("retries stay below a fifth of the requests beside three a second", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ made: fc.nat(200), asked: fc.nat(100), ms: fc.nat(2_000) }), {
        maxLength: 60,
      }),
      (steps) => {
        const budget = new RetryBudget();
        let [made, retried, nowMs] = [0, 0, 0];
        for (const step of steps) {
          nowMs += step.ms;
          made += step.made;
          budget.made(step.made, nowMs);
          for (let i = 0; i < step.asked; i++) if (budget.take(nowMs)) retried++;
          assert.ok(retried <= 30 + (nowMs / 1_000) * 3 + made * 0.2 + 1e-6);
        }
      },
    ),
  );
  const idle = new RetryBudget();
  assert.ok(idle.take(0), "whoever asks little is retried too");
});

const standing = (latencyMs: number, more: Partial<Footing> = {}): Footing => ({
  latencyMs,
  load: 0,
  lagMs: 0,
  share: 1,
  ...more,
});

test("clients go to where latency, headroom and lag together are best; like ones are told apart by distance", () => {
  const decision = decisionOf({ near: { distance: 0 }, far: { distance: 100 } });
  const order = (near: Footing, far: Footing): string | undefined =>
    orderFor(
      decision,
      new Map([
        ["near", near],
        ["far", far],
      ]),
      0.5,
    )[0];
  assert.equal(order(standing(1), standing(1)), "near");
  assert.equal(order(standing(1.2), standing(0.9)), "near");
  assert.equal(order(standing(80), standing(5)), "far");
  assert.equal(order(standing(1, { load: 0.9 }), standing(3)), "far");
  assert.equal(order(standing(1, { lagMs: 60_000 }), standing(3)), "far");
  assert.equal(order(standing(1, { share: 0 }), standing(80)), "far");
  assert.equal(orderFor(decision, new Map(), 0.5)[0], "near", "nothing is measured yet");
});

test("a client is moved that is beyond the part of its traffic a region still has, and no other", () => {
  const decision = decisionOf({ near: { distance: 0, share: 0.5 }, far: { distance: 100 } });
  const footings = new Map([
    ["near", standing(1)],
    ["far", standing(80)],
  ]);
  const moves = (draw: number): boolean =>
    isWorthMoving(
      decision,
      footings,
      "near",
      orderFor(decision, footings, draw)[0] as string,
      draw,
    );
  assert.deepEqual([0, 0.49, 0.5, 0.99].map(moves), [false, false, true, true]);
});

test("an order has exactly the regions that the router names, each once", () => {
  fc.assert(
    fc.property(
      fc.dictionary(
        fc.constantFrom("a", "b", "c", "d"),
        fc.record({ distance: fc.nat(9), share: fc.constantFrom(0.05, 0.5, 1) }),
      ),
      fc.dictionary(
        fc.constantFrom("a", "b", "c", "e"),
        fc.record({
          latencyMs: fc.option(fc.nat(500)),
          load: fc.constantFrom(0, 0.5, 1, 2),
          lagMs: fc.option(fc.nat(50_000)),
          share: fc.constantFrom(0, 0.3, 1),
        }),
      ),
      fc.constantFrom("nearest" as const, "failover" as const),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (candidates, footings, policy, draw) => {
        const order = orderFor(
          decisionOf(candidates, policy),
          new Map(Object.entries(footings)),
          draw,
        );
        assert.deepEqual(order.toSorted(), Object.keys(candidates).toSorted());
      },
    ),
  );
});

test("a client is moved for much, not for little, and never to and fro", () => {
  const decision = decisionOf({ near: { distance: 0 }, far: { distance: 100 } });
  const worth = (near: Footing, far: Footing, now: string, best: string): boolean =>
    isWorthMoving(
      decision,
      new Map([
        ["near", near],
        ["far", far],
      ]),
      now,
      best,
      0,
    );
  assert.equal(worth(standing(1), standing(1), "far", "near"), true, "it returns home");
  assert.equal(worth(standing(2.2), standing(1), "near", "far"), false);
  assert.equal(worth(standing(80), standing(1), "near", "far"), true);
  assert.equal(
    worth(standing(1, { share: 0 }), standing(80), "near", "far"),
    true,
    "it is not reached",
  );
  assert.equal(
    isWorthMoving(decision, new Map(), "drained", "near", 0),
    true,
    "the router names it no more",
  );
  fc.assert(
    fc.property(fc.nat(300), fc.nat(300), (a, b) => {
      const [near, far] = [standing(a), standing(b)];
      assert.ok(!(worth(near, far, "near", "far") && worth(near, far, "far", "near")));
    }),
  );
});

const kind = (...words: string[]): number => kindOf(argsOf(...words));

test("what adds, takes, or answers for others is never made twice", () => {
  const unsafe = [
    ["INCR", "k"],
    ["incrby", "k", "1"],
    ["APPEND", "k", "v"],
    ["LPUSH", "k", "v"],
    ["rpop", "k"],
    ["SPOP", "k"],
    ["XADD", "k", "*", "f", "v"],
    ["HINCRBY", "k", "f", "1"],
    ["ZINCRBY", "k", "1", "m"],
    ["ZADD", "k", "INCR", "1", "m"],
    ["SET", "k", "v", "NX"],
    ["SET", "k", "v", "px", "5", "get"],
    ["SETNX", "k", "v"],
    ["GETSET", "k", "v"],
    ["RENAME", "a", "b"],
    ["PUBLISH", "c", "m"],
    ["EVAL", "return 1", "0"],
    ["BLPOP", "k", "0"],
    ["AA.CAS", "k", "1", "v"],
    ["NOBODY.KNOWS", "k"],
    ["FLUSHALL"],
  ];
  for (const words of unsafe) assert.equal(kind(...words), KIND.unsafe, words.join(" "));
  for (const words of [
    ["GET", "k"],
    ["xread", "block", "0", "streams", "s", "$"],
    ["SCAN", "0"],
    ["ping"],
    ["EVAL_RO", "x", "0"],
  ])
    assert.equal(kind(...words), KIND.read, words.join(" "));
  for (const words of [
    ["SET", "k", "v", "EX", "5"],
    ["hset", "k", "f", "v"],
    ["DEL", "k"],
    ["SADD", "k", "m"],
    ["ZADD", "k", "1", "m"],
  ])
    assert.equal(kind(...words), KIND.idempotent, words.join(" "));
  assert.equal(kind("MONITOR"), KIND.refused);
  assert.equal(kind("CLIENT", "REPLY", "OFF"), KIND.refused);
  assert.equal(kind("client", "setname", "x"), KIND.state);
});

test("nothing that writes is taken for a read", () => {
  for (const { name, bits, subcommands } of commandTable.entries) {
    if ((bits & WRITES) === 0 || subcommands !== null) continue;
    assert.notEqual(kind(...name.split("|"), "a", "b", "c"), KIND.read, name);
  }
});

test("a ledger gives each command its own bytes, in order, and lets them go when it is answered", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.record({
            type: fc.constant("chunk" as const),
            sizes: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 30 }),
            own: fc.nat(12),
          }),
          fc.record({ type: fc.constant("send" as const) }),
          fc.record({
            type: fc.constant("answer" as const),
            count: fc.integer({ min: 1, max: 12 }),
          }),
          fc.record({ type: fc.constant("unsend" as const) }),
        ),
        { maxLength: 60 },
      ),
      (steps) => {
        const ledger = new Ledger();
        const model: { bytes: string; own: boolean; again: boolean }[] = [];
        let [sent, next] = [0, 0];
        for (const step of steps) {
          if (step.type === "chunk") {
            const all = step.sizes.map((size, i) => {
              const bytes = String.fromCharCode(65 + (next++ % 26)).repeat(size);
              const own = i === step.own;
              ledger.add(size, KIND.read, 1, own ? Buffer.from("own") : null);
              model.push({ bytes, own, again: false });
              return bytes;
            });
            ledger.keep(Buffer.from(all.join("")));
          } else if (step.type === "send") {
            let out = "";
            ledger.send((bytes) => (out += bytes.latin1Slice()));
            const wanted = model.slice(sent).filter(({ own }) => !own);
            assert.equal(out, wanted.map(({ bytes }) => bytes).join(""));
            sent = model.length;
          } else if (step.type === "unsend") {
            ledger.unsend();
            for (const one of model.slice(0, sent)) one.again = true;
            sent = 0;
          } else
            for (let i = 0; i < step.count && model.length > 0; i++) {
              assert.equal(ledger.bytesOf(0).latin1Slice(), model[0]?.bytes);
              assert.equal(ledger.own(0) !== null, model[0]?.own);
              assert.ok(ledger.answered());
              model.shift();
              sent = Math.max(0, sent - 1);
            }
          assert.equal(ledger.length, model.length);
          assert.equal(ledger.sent, sent);
          assert.equal(
            ledger.bytes,
            model.reduce((sum, { bytes }) => sum + bytes.length, 0),
          );
          for (const [i, { again }] of model.entries()) assert.equal(ledger.isAgain(i), again);
        }
      },
    ),
  );
});

test("what of a lost transaction was not sent yet is not sent at all, and what follows it is", () => {
  const ledger = new Ledger();
  const add = (name: string, one: (typeof KIND)[keyof typeof KIND]): void => {
    ledger.add(1, one, 1, null);
    ledger.keep(Buffer.from(name));
  };
  add("M", KIND.multi);
  ledger.send(() => {});
  add("S", KIND.unsafe);
  add("E", KIND.exec);
  add("G", KIND.read);
  add("M", KIND.multi);
  const lost = { region: "us-east", protocol: 2, hasBegun: false, hasWatched: false } as const;
  const settled = settleLost(ledger, new LostTransaction(), lost, () => assert.fail());
  assert.deepEqual(settled, { unknown: 0, isQueuing: true });
  ledger.unsend();
  let sent = "";
  ledger.send((bytes) => (sent += bytes.latin1Slice()));
  assert.equal(sent, "GM");
  const own = [0, 1, 2].map((i) => ledger.own(i)?.latin1Slice().slice(0, 8));
  assert.deepEqual(own, ["+OK\r\n", "+QUEUED\r", "-EXECABO"]);
});

test("what a client said of its connection is said again, the last word of each kind, and who it is first", () => {
  const words = new StandingWords();
  const say = (...all: string[]): void => words.said(encodeCommand(all));
  say("SELECT", "1");
  say("CLIENT", "SETNAME", "first");
  say("HELLO", "3", "AUTH", "me", "secret", "SETNAME", "second");
  say("select", "2");
  say("CLIENT", "SETINFO", "LIB-NAME", "lib");
  say("CLIENT", "SETINFO", "LIB-VER", "1");
  say("CLIENT", "TRACKING", "ON");
  say("CLIENT", "TRACKING", "OFF");
  say("AA.SESSION", "ON");
  const sub = argsOf("SUBSCRIBE", "a", "b");
  assert.equal(words.answersTo(sub), 2);
  words.subscribed(sub);
  words.subscribed(argsOf("UNSUBSCRIBE", "a"));
  assert.ok(words.isStrict && words.isListening);
  const { bytes, answers } = words.repeated();
  const wanted = [
    ["HELLO", "3", "AUTH", "me", "secret", "SETNAME", "second"],
    ["HELLO", "3"],
    ["select", "2"],
    ["CLIENT", "SETNAME", "second"],
    ["CLIENT", "SETINFO", "LIB-NAME", "lib"],
    ["CLIENT", "SETINFO", "LIB-VER", "1"],
    ["SUBSCRIBE", "b"],
  ];
  assert.equal(bytes.latin1Slice(), Buffer.concat(wanted.map(encodeCommand)).latin1Slice());
  assert.equal(answers, wanted.length);
  words.subscribed(argsOf("PSUBSCRIBE", "x*", "y*"));
  assert.equal(words.answersTo(argsOf("PUNSUBSCRIBE")), 2);
  assert.equal(words.answersTo(argsOf("SUNSUBSCRIBE")), 1);
  words.reset();
  assert.deepEqual(words.repeated(), { bytes: Buffer.alloc(0), answers: 0 });
});

test("messages are news, and so are pushes that confirm nothing", () => {
  for (const news of [
    "*3\r\n$7\r\nmessage\r\n",
    ">4\r\n$8\r\npmessage\r\n",
    ">2\r\n$10\r\ninvalidate\r\n",
  ])
    assert.ok(isNews(news), news);
  for (const answer of [
    "*3\r\n$9\r\nsubscribe\r\n",
    ">3\r\n$12\r\npunsubscribe\r\n",
    "*2\r\n$4\r\npong\r\n",
    "+OK\r\n",
  ])
    assert.ok(!isNews(answer), answer);
});

test("nothing of a transaction that was lost runs, and EXEC says why; who only watched is told that something changed", () => {
  const lost = new LostTransaction();
  const say = (one: (typeof KIND)[keyof typeof KIND]): string | undefined =>
    lost.answer(one, 2)?.latin1Slice();
  assert.equal(say(KIND.unsafe), undefined);
  lost.lose("begun", "us-east");
  assert.equal(say(KIND.unsafe), "+QUEUED\r\n");
  assert.match(say(KIND.exec) ?? "", /^-EXECABORT .*us-east.*nothing of it was done\r\n$/);
  assert.equal(say(KIND.exec), undefined);
  lost.lose("watched", "us-east");
  assert.equal(say(KIND.read), undefined, "reads go on");
  assert.equal(say(KIND.multi), "+OK\r\n");
  assert.equal(say(KIND.unsafe), "+QUEUED\r\n");
  assert.equal(say(KIND.exec), "*-1\r\n");
  lost.lose("watched", "us-east");
  assert.equal(say(KIND.unwatch), undefined);
  assert.equal(say(KIND.multi), undefined);
});
