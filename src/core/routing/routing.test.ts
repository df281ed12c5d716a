import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Admissions, defaultAdmission } from "./admissions.ts";
import { type Ballot, parseBallot, type Vote } from "./ballot.ts";
import { addressText, parseNetwork } from "./dns/address.ts";
import { defaultHealth } from "./health-settings.ts";
import { type Location, Locations } from "./locations.ts";
import { decide, explain, pick, type RegionFacts, type Rule, settled } from "./pipeline.ts";
import {
  FIRST_PLAN,
  isPending,
  makePlan,
  parsePlan,
  type Plan,
  reject,
  type Shift,
  shiftOf,
} from "./plan.ts";
import { troubles, troubleText } from "./reachability.ts";
import { Router } from "./router.ts";
import { Verdicts } from "./verdicts.ts";
import { type Sight, Watch } from "./watch.ts";

const REGIONS = ["ap", "eu", "us"];

/** What `vantage` sees, one sign for each region: + up, - down, ? unknown; its own is passed over. */
function ballot(vantage: string, signs: string, regions: readonly string[] = REGIONS): Ballot {
  const votes = regions.flatMap((target, i): Vote[] => {
    const sight: Sight = signs[i] === "+" ? "up" : signs[i] === "-" ? "down" : "unknown";
    const vote = {
      target,
      sight,
      isDoubtful: false,
      rttMs: 10,
      lagMs: 0,
      tookMs: null,
      why: "no answer",
    };
    return target === vantage ? [] : [vote];
  });
  return { vantage, load: 0, votes };
}

function judged(ballots: readonly Ballot[], regions: readonly string[] = REGIONS): string[] {
  const verdicts = new Verdicts(regions, defaultHealth, 0);
  for (const one of ballots) verdicts.hear(one, 1_000);
  verdicts.judge(1_000);
  return verdicts.all.filter(({ state }) => state === "down").map(({ region }) => region);
}

test("a vantage votes for down after three failures, which a success in between does not hide", () => {
  const watch = new Watch(defaultHealth);
  watch.succeeded(10);
  assert.equal(watch.sight, "up");
  watch.failed("refused");
  watch.succeeded(10);
  watch.failed("refused");
  assert.ok(watch.isDoubtful);
  watch.succeeded(10);
  assert.equal(watch.sight, "up");
  watch.failed("refused");
  assert.equal(watch.sight, "down");
  for (let i = 0; i < 4; i++) watch.succeeded(10);
  assert.equal(watch.sight, "down");
  watch.succeeded(10);
  assert.equal(watch.sight, "up");
  watch.failed("refused");
  for (let i = 0; i < 5; i++) watch.succeeded(10);
  assert.equal(watch.isDoubtful, false);
});

test("a region is down when most of those that may judge see it down, itself not among them", () => {
  assert.deepEqual(judged([ballot("ap", "?+-"), ballot("eu", "+?-"), ballot("us", "+++")]), ["us"]);
  assert.deepEqual(judged([ballot("ap", "?+-"), ballot("eu", "+?+"), ballot("us", "-+?")]), []);
  assert.deepEqual(judged([ballot("ap", "?+-")]), []);
});

test("a vantage that sees most regions down is suspect, and its votes count for nothing", () => {
  assert.deepEqual(judged([ballot("ap", "?--"), ballot("eu", "+?+"), ballot("us", "++?")]), []);
  const verdicts = new Verdicts(REGIONS, defaultHealth, 0);
  verdicts.hear(ballot("ap", "?--"), 0);
  verdicts.judge(0);
  assert.ok(verdicts.all.every(({ isFrozen }) => isFrozen));
  assert.match(verdicts.all[1]?.evidence ?? "", /ap is suspect/);
  // Of four, one is down already: whoever sees the next one fall too has lost nothing but that.
  const four = ["ap", "eu", "sa", "us"];
  const later = new Verdicts(four, defaultHealth, 0);
  const hear = (signs: Record<string, string>): void => {
    for (const [vantage, seen] of Object.entries(signs)) later.hear(ballot(vantage, seen, four), 0);
    later.judge(0);
  };
  hear({ ap: "?++-", eu: "+?+-", sa: "++?-" });
  hear({ ap: "?+--", eu: "+?--" });
  assert.deepEqual(
    later.all.filter(({ state }) => state === "down").map(({ region }) => region),
    ["sa", "us"],
  );
});

test("what a vantage said too long ago counts no more, and then nothing changes", () => {
  const verdicts = new Verdicts(REGIONS, defaultHealth, 0);
  verdicts.hear(ballot("ap", "?+-"), 0);
  verdicts.hear(ballot("eu", "+?-"), 0);
  verdicts.judge(defaultHealth.voteTtlMs + 1);
  assert.equal(verdicts.all[2]?.state, "up");
  assert.equal(verdicts.all[2]?.isFrozen, true);
});

test("each time a region goes down again it stays down for twice as long, up to a bound", () => {
  const verdicts = new Verdicts(REGIONS, defaultHealth, 0);
  let nowMs = 0;
  const say = (sign: string): string => {
    verdicts.hear(ballot("ap", `?+${sign}`), nowMs);
    verdicts.hear(ballot("eu", `+?${sign}`), nowMs);
    verdicts.judge(nowMs);
    return verdicts.all[2]?.state ?? "";
  };
  const held: number[] = [];
  for (let i = 0; i < 7; i++) {
    assert.equal(say("-"), "down");
    const downMs = nowMs;
    while (say("+") === "down") nowMs += 1_000;
    held.push(nowMs - downMs);
  }
  assert.deepEqual(held, [30_000, 60_000, 120_000, 240_000, 480_000, 600_000, 600_000]);
  nowMs += defaultHealth.holdDecayMs;
  say("+");
  say("-");
  const downMs = nowMs;
  while (say("+") === "down") nowMs += 1_000;
  assert.equal(nowMs - downMs, 30_000);
});

test("who sees whom tells what is broken", () => {
  const kinds = (...ballots: Ballot[]): string[] =>
    troubles(REGIONS, "ap", ballots, 5_000).map((trouble) =>
      JSON.stringify(Object.values(trouble).flat()),
    );
  assert.deepEqual(kinds(ballot("ap", "?++"), ballot("eu", "+?+"), ballot("us", "++?")), []);
  assert.deepEqual(kinds(ballot("ap", "?+-"), ballot("eu", "+?-")), ['["region-down","us"]']);
  assert.deepEqual(kinds(ballot("ap", "?+-"), ballot("eu", "+?-"), ballot("us", "--?")), [
    '["isolated","us"]',
  ]);
  assert.deepEqual(kinds(ballot("ap", "?+-"), ballot("eu", "+?+"), ballot("us", "-+?")), [
    '["link-down","ap","us"]',
  ]);
  assert.deepEqual(kinds(ballot("ap", "?+-"), ballot("eu", "+?+"), ballot("us", "++?")), [
    '["asymmetric","ap","us"]',
  ]);
  const [first] = troubles(REGIONS, "ap", [ballot("ap", "?+-"), ballot("eu", "+?-")], 5_000);
  assert.ok(first !== undefined);
  assert.equal(troubleText(first), "us is down: nobody sees it, and it is not heard");
  assert.deepEqual(kinds(ballot("ap", "?--")), ['["observer-isolated","ap"]']);
  const slow = (vantage: string, sights: string, tookMs: number): Ballot => {
    const seen = ballot(vantage, sights);
    return { ...seen, votes: seen.votes.map((vote) => ({ ...vote, tookMs })) };
  };
  const late = [ballot("ap", "?++"), slow("eu", "+?+", 7_000), ballot("us", "++?")] as const;
  assert.deepEqual(kinds(...late), ['["degraded","ap","eu",7000]', '["degraded","us","eu",7000]']);
  assert.deepEqual(kinds(late[0], slow("eu", "+?+", 5_000), late[2]), []);
  assert.deepEqual(
    kinds(ballot("ap", "?+-"), slow("eu", "+?-", 7_000)),
    ['["region-down","us"]', '["degraded","ap","eu",7000]'],
    "who is down is late for that reason",
  );
});

test("a ballot that is none is refused, whatever it is", () => {
  const own = ballot("ap", "?+-");
  assert.deepEqual(parseBallot(JSON.parse(JSON.stringify(own))), own);
  fc.assert(fc.property(fc.jsonValue(), (value) => void parseBallot(value)));
  for (const bad of [
    null,
    [],
    {},
    { vantage: "x", votes: [{}] },
    { vantage: "x", votes: [{ target: "y", sight: "maybe" }] },
  ])
    assert.equal(parseBallot(bad), null);
});

test("regions are taken out one at a time, and never the last", () => {
  const admissions = new Admissions(defaultAdmission, 0);
  const health = (
    region: string,
    isUp: boolean,
  ): { region: string; isUp: boolean; sinceMs: number; lagMs: number } => ({
    region,
    isUp,
    sinceMs: 0,
    lagMs: 0,
  });
  const shares = (nowMs: number, ups: readonly boolean[]): number[] => {
    admissions.tick(
      REGIONS.map((region, i) => health(region, ups[i] === true)),
      nowMs,
    );
    return REGIONS.map((region) => admissions.share(region));
  };
  assert.deepEqual(shares(0, [true, false, false]), [1, 0, 1]);
  assert.deepEqual(shares(59_000, [true, false, false]), [1, 0, 1]);
  assert.deepEqual(shares(60_000, [true, false, false]), [1, 0, 0]);
  assert.deepEqual(shares(500_000, [false, false, false]), [1, 0, 0]);
});

test("a region returns when it has been up for a while and has caught up, with ever more of its traffic", () => {
  const admissions = new Admissions(defaultAdmission, 0);
  const share = (nowMs: number, isUp: boolean, lagMs: number | null): number => {
    admissions.tick(
      [
        { region: "eu", isUp: true, sinceMs: 0, lagMs: 0 },
        { region: "us", isUp, sinceMs: 10_000, lagMs },
      ],
      nowMs,
    );
    return admissions.share("us");
  };
  assert.equal(share(0, false, 0), 0);
  assert.equal(share(10_000, true, 0), 0);
  assert.equal(share(309_000, true, 0), 0);
  assert.equal(share(310_000, true, 6_000), 0);
  assert.equal(share(310_000, true, null), 0);
  assert.equal(share(310_000, true, 5_000), 0.05);
  assert.equal(share(369_000, true, 0), 0.05);
  assert.equal(share(370_000, true, 0), 0.25);
  assert.equal(share(430_000, true, 9_000), 0.25);
  assert.equal(share(430_000, true, 0), 0.5);
  assert.equal(share(490_000, true, 0), 1);
  assert.equal(share(500_000, false, 0), 0);
});

const RULES = { regions: REGIONS, servingMin: 1 };
const DRAINED: Shift = { mode: "drained", weight: 1, fromMs: 0, untilMs: null };
const change = (
  shifts: Record<string, Shift | null>,
  base = 0,
): Parameters<typeof makePlan>[1] => ({ base, author: "eu", why: "test", shifts });

test("a plan that leaves nobody, or only who is down, is refused; so is one that builds on an older plan", () => {
  const all = change({ ap: DRAINED, eu: DRAINED, us: DRAINED });
  assert.ok("refused" in makePlan(FIRST_PLAN, all, RULES, null, 0));
  const two = change({ ap: DRAINED, eu: DRAINED });
  assert.ok("refused" in makePlan(FIRST_PLAN, two, RULES, ["ap", "eu"], 0));
  const made = makePlan(FIRST_PLAN, two, RULES, null, 0);
  assert.ok("plan" in made);
  assert.equal(made.plan.number, 1);
  assert.ok("refused" in makePlan(made.plan, change({ ap: null }, 0), RULES, null, 0));
  assert.ok("plan" in makePlan(made.plan, change({ ap: null }, 1), RULES, null, 0));
  assert.ok("refused" in makePlan(FIRST_PLAN, change({ nowhere: DRAINED }), RULES, null, 0));
  assert.deepEqual(parsePlan(JSON.parse(JSON.stringify(made.plan))), made.plan);
  fc.assert(fc.property(fc.jsonValue(), (value) => void parsePlan(value)));
});

test("of any two plans all take the same, in whichever order they come", () => {
  const plan = (number: number, author: string, madeAtMs: number): Plan => ({
    ...FIRST_PLAN,
    number,
    author,
    madeAtMs,
  });
  const plans = [plan(1, "ap", 5), plan(1, "eu", 4), plan(2, "ap", 3), plan(2, "ap", 9)];
  fc.assert(
    fc.property(fc.shuffledSubarray(plans, { minLength: 1 }), (order) => {
      const last = order.reduce(
        (current, next) => (reject(next, current, RULES) === null ? next : current),
        FIRST_PLAN,
      );
      assert.equal(
        last,
        plans.findLast((one) => order.includes(one)),
      );
    }),
  );
});

test("a region that was out when a router ended stays out until everybody who is up has said that it has caught up", () => {
  const router = new Router({
    me: "ap",
    regions: REGIONS.map((name) => ({ name })),
    rules: [],
    locations: new Locations([]),
    health: defaultHealth,
    admission: { ...defaultAdmission, stableMs: 1_000, ramp: [] },
    servingMin: 1,
    nowMs: 0,
    remembered: { plan: FIRST_PLAN, down: [], out: ["us"] },
  });
  const shareAt = (nowMs: number): number | undefined => {
    for (const other of ["eu", "us"]) router.succeeded(other, 10);
    router.measured(
      new Map([
        ["eu", 0],
        ["us", 0],
      ]),
      0,
    );
    router.tick(nowMs);
    return router.facts.find(({ name }) => name === "us")?.share;
  };
  assert.equal(shareAt(60_000), 0, "nobody has heard what it lacks of eu");
  assert.deepEqual(router.remembered.out, ["us"], "the next life knows too");
  router.hear(ballot("eu", "+?+"), 61_000);
  assert.equal(shareAt(61_000), 1);
  assert.deepEqual(router.remembered.out, []);
});

test("a shift begins when it is announced for, and ends by itself", () => {
  const shift: Shift = { mode: "drained", weight: 1, fromMs: 10, untilMs: 20 };
  const plan: Plan = { ...FIRST_PLAN, number: 1, shifts: { us: shift } };
  assert.deepEqual(
    [5, 10, 19, 20].map((nowMs) => shiftOf(plan, "us", nowMs).mode),
    ["serving", "drained", "drained", "serving"],
  );
  assert.deepEqual(
    [5, 10].map((nowMs) => isPending(plan, nowMs)),
    [true, false],
  );
});

const rule = (fields: Partial<Rule> = {}): Rule => ({
  name: "app",
  policy: "nearest",
  regions: REGIONS,
  isSticky: false,
  residency: [],
  lagMsMax: 1_000,
  limit: 1,
  ttl: 30,
  ...fields,
});
const facts = (changes: Record<string, Partial<RegionFacts>> = {}): RegionFacts[] =>
  REGIONS.map((name) => ({
    name,
    place: { country: name === "eu" ? "DE" : "US", continent: name === "eu" ? "EU" : "NA" },
    mode: "serving",
    weight: 1,
    share: 1,
    verdict: "nobody sees it",
    lagMs: 0,
    load: 0,
    ...changes[name],
  }));
const RTT: Record<string, number> = { ap: 90, eu: 80, us: 5 };
const answered = (
  changes: Record<string, Partial<RegionFacts>>,
  fields: Partial<Rule> = {},
  client: Location = {},
): string[] =>
  pick(
    decide(rule(fields), facts(changes), client, (region) => RTT[region] ?? 0),
    0.5,
  );

test("the nearest region that may and can serve is the answer", () => {
  assert.deepEqual(answered({}), ["us"]);
  assert.deepEqual(answered({}, {}, { country: "DE" }), ["eu"]);
  assert.deepEqual(answered({}, {}, { region: "ap" }), ["ap"]);
  assert.deepEqual(answered({ us: { mode: "drained" } }), ["eu"]);
  assert.deepEqual(answered({ us: { share: 0 } }), ["eu"]);
  assert.deepEqual(answered({ us: { lagMs: 1_001 } }), ["eu"]);
  assert.deepEqual(answered({ us: { lagMs: null } }), ["us"]);
  assert.deepEqual(answered({ us: { load: 1 } }), ["eu"]);
  assert.deepEqual(answered({ us: { mode: "standby" } }), ["eu"]);
  assert.deepEqual(answered({ us: { mode: "standby" }, eu: { share: 0 }, ap: { share: 0 } }), [
    "us",
  ]);
  assert.deepEqual(answered({}, { policy: "failover" }), ["ap"]);
  assert.deepEqual(answered({ us: { share: 0.25 } }, { limit: 2 }), ["eu", "ap"]);
});

test("a stage that would leave nobody is passed over and said to be", () => {
  const out = { share: 0 };
  const decision = decide(
    rule(),
    facts({ ap: out, eu: out, us: out }),
    {},
    (region) => RTT[region] ?? 0,
  );
  assert.deepEqual(decision.failedOpen, ["health"]);
  assert.deepEqual(pick(decision, 0.9), ["us"]);
  assert.match(
    explain(decision).join("\n"),
    /health: passed over, it would remove all: ap \(nobody sees it\)/,
  );
});

test("where data may not be, nobody is sent, even if nobody else is left", () => {
  const residency = [{ clients: ["DE", "AF"], regions: ["eu"] }];
  const german = { country: "DE", continent: "EU" };
  assert.deepEqual(answered({}, { residency }, german), ["eu"]);
  assert.deepEqual(answered({ eu: { share: 0 } }, { residency }, german), ["eu"]);
  assert.deepEqual(answered({}, { residency }, { country: "FR" }), ["us"]);
  const nowhere = decide(rule({ residency: [{ clients: [], regions: [] }] }), facts(), {}, () => 0);
  assert.ok(nowhere.isWithheld);
  assert.deepEqual(nowhere.failedOpen, []);
});

test("where clients are not told apart they get all that is right for each of them", () => {
  const everybody = (
    changes: Record<string, Partial<RegionFacts>>,
    fields: Partial<Rule>,
  ): string[] =>
    pick(
      decide(settled(rule(fields)), facts(changes), {}, (region) => RTT[region] ?? 0),
      0,
    );
  assert.deepEqual(everybody({}, {}), ["us", "eu", "ap"]);
  assert.deepEqual(everybody({ us: { share: 0 }, ap: { mode: "drained" } }, {}), ["eu"]);
  assert.deepEqual(everybody({}, { policy: "failover" }), ["ap"]);
  const residency = [
    { clients: ["DE"], regions: ["eu"] },
    { clients: ["FR"], regions: ["eu", "us"] },
  ];
  assert.deepEqual(everybody({}, { residency }), ["eu"]);
  assert.deepEqual(everybody({ eu: { share: 0 } }, { residency }), ["eu"]);
  assert.deepEqual(
    everybody({}, { residency: [...residency, { clients: ["US"], regions: ["us"] }] }),
    [],
  );
});

test("an answer of any facts and any rule has somebody in it, of the rule's own, and of the residency's", () => {
  const anyFacts = fc.tuple(
    ...REGIONS.map((name) =>
      fc
        .record({
          mode: fc.constantFrom("serving" as const, "standby" as const, "drained" as const),
          weight: fc.constantFrom(0, 0.25, 1, 3),
          share: fc.constantFrom(0, 0.05, 1),
          lagMs: fc.constantFrom(null, 0, 5_000),
          load: fc.constantFrom(0, 2),
        })
        .map((changed): RegionFacts => ({
          ...(facts().find((one) => one.name === name) as RegionFacts),
          ...changed,
        })),
    ),
  );
  const anyRule = fc.record({
    policy: fc.constantFrom("nearest" as const, "failover" as const, "weighted" as const),
    regions: fc.subarray(REGIONS, { minLength: 1 }),
    limit: fc.integer({ min: 1, max: 3 }),
    residency: fc.constantFrom<Rule["residency"]>([], [{ clients: [], regions: ["eu", "us"] }]),
  });
  const draw = fc.double({ min: 0, max: 0.999, noNaN: true });
  fc.assert(
    fc.property(anyFacts, anyRule, draw, (known, fields, number) => {
      const decision = decide(rule(fields), known, {}, () => 1);
      const allowed = fields.regions.filter(
        (name) => fields.residency[0]?.regions.includes(name) ?? true,
      );
      const regions = pick(decision, number);
      assert.equal(regions.length > 0, allowed.length > 0);
      assert.ok(regions.length <= fields.limit);
      assert.equal(new Set(regions).size, regions.length);
      for (const region of regions) assert.ok(allowed.includes(region));
    }),
  );
});

test("weights are shares of the answers", () => {
  const decision = decide(
    rule({ policy: "weighted" }),
    facts({ eu: { weight: 3 }, us: { weight: 0 } }),
    {},
    () => 0,
  );
  const counts: Record<string, number> = {};
  for (let i = 0; i < 400; i++) {
    const [region = ""] = pick(decision, i / 400);
    counts[region] = (counts[region] ?? 0) + 1;
  }
  assert.deepEqual(counts, { ap: 100, eu: 300 });
});

test("elsewhere a weight below 1 is that part of a region's traffic, and what is beyond it goes on to the next", () => {
  for (const policy of ["nearest", "failover"] as const) {
    const decision = decide(
      rule({ policy }),
      facts({ ap: { weight: 0.25 }, eu: { weight: 3 } }),
      { region: "ap" },
      () => 0,
    );
    const [first, ...others] = Array.from({ length: 400 }, (_, i) => pick(decision, i / 400)[0]);
    assert.equal(first, "ap");
    assert.equal(others.filter((region) => region === "ap").length, 99, policy);
    assert.ok(others.every((region) => region === "ap" || region === "eu"));
  }
});

test("an address is where the longest network that holds it is said to be, and so is all of its scope", () => {
  const anyNetwork = fc
    .tuple(fc.nat(255), fc.nat(255), fc.integer({ min: 0, max: 24 }))
    .map(([a, b, bits]) => {
      const address = Buffer.from([10, a & 3, b & 7, 0]);
      const mask = bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0;
      address.writeUInt32BE((address.readUInt32BE(0) & mask) >>> 0, 0);
      return { address, bits };
    });
  const entry = fc.record({
    network: anyNetwork,
    location: fc.constantFrom({ country: "DE" }, { country: "FR" }, { region: "us" }),
  });
  fc.assert(
    fc.property(
      fc.array(entry, { maxLength: 12 }),
      fc.nat(3),
      fc.nat(7),
      fc.nat(255),
      (entries, b, c, d) => {
        const locations = new Locations(entries);
        const oracle = (address: Buffer): object => {
          let best: { bits: number; location: object } = { bits: -1, location: {} };
          for (const { network, location } of entries) {
            const shift = 32 - network.bits;
            const same =
              network.bits === 0 ||
              address.readUInt32BE(0) >>> shift === network.address.readUInt32BE(0) >>> shift;
            if (same && network.bits >= best.bits) best = { bits: network.bits, location };
          }
          return best.location;
        };
        const address = Buffer.from([10, b, c, d]);
        const { location, scopeBits } = locations.locate(address, 32);
        assert.deepEqual(location, oracle(address), addressText(address));
        for (const flip of [31, 24, 20, 16, 12]) {
          const other = Buffer.from(address);
          if (flip < scopeBits) continue;
          other[flip >> 3] = (other[flip >> 3] as number) ^ (0x80 >> (flip & 7));
          assert.deepEqual(oracle(other), location);
        }
        if (scopeBits > 0)
          assert.deepEqual(locations.locate(address, scopeBits), { location, scopeBits });
      },
    ),
  );
  const wide = new Locations(
    ["192.0.2.0/25", "192.0.2.128/25"].map((text) => ({
      network: parseNetwork(text) as never,
      location: { country: "DE" },
    })),
  );
  assert.equal(wide.locate(Buffer.from([192, 0, 2, 7]), 32).scopeBits, 24);
});
