/**
 * Mutants of routing: bugs that somebody could write into what routers and gateways decide, each as a patch of a line.
 *
 * Invariant: as of `sim/mutants/catalogue.ts`: a patch fits in exactly one place. `by` says who must find it: the outages, within 300
 * seeds, or the tests beside the code, where a decision is about one request or one move and not about the world.
 */
export interface TrafficMutant {
  readonly name: string;
  readonly by: "outages" | "tests";
  /** Below `src`. */
  readonly file: string;
  readonly find: string;
  readonly put: string;
}

/** What is run for "tests". */
export const TRAFFIC_TESTS: readonly string[] = [
  "src/core/routing/*.test.ts",
  "src/core/routing/gateway/*.test.ts",
  "src/core/routing/export/*.test.ts",
  "src/host/gateway.test.ts",
  "src/host/http-gateway.test.ts",
  "src/host/traffic.test.ts",
  "src/host/canary-client.test.ts",
];

export const TRAFFIC_MUTANTS: readonly TrafficMutant[] = [
  {
    name: "a vantage that has lost the world votes on",
    by: "outages",
    file: "core/routing/verdicts.ts",
    find: "const valid = ballots.filter((ballot) => !suspects.includes(ballot));",
    put: "const valid = ballots;",
  },
  {
    name: "whoever is left judges alone",
    by: "outages",
    file: "core/routing/verdicts.ts",
    find: "const isFrozen = votes.length < needed || votes.length === 0;",
    put: "const isFrozen = votes.length === 0;",
  },
  {
    name: "one vote takes a region out",
    by: "outages",
    file: "core/routing/verdicts.ts",
    find: "down.length * 2 > votes.length",
    put: "down.length > 0",
  },
  {
    name: "old votes count for ever",
    by: "tests",
    file: "core/routing/verdicts.ts",
    find: "nowMs - atMs <= voteTtlMs",
    put: "true",
  },
  {
    name: "a stage that would leave nobody is not passed over",
    by: "outages",
    file: "core/routing/pipeline.ts",
    find: 'const isSkipped = kept.length === 0 && name !== "residency";',
    put: "const isSkipped = false;",
  },
  {
    name: "residency is passed over like any other stage",
    by: "outages",
    file: "core/routing/pipeline.ts",
    find: 'const isSkipped = kept.length === 0 && name !== "residency";',
    put: "const isSkipped = kept.length === 0;",
  },
  {
    name: "an older plan replaces a newer one",
    by: "outages",
    file: "core/routing/plan.ts",
    find: "if (plan.number !== current.number) return plan.number > current.number;",
    put: "if (plan.number !== current.number) return true;",
  },
  {
    name: "of two plans with one number each side keeps its own",
    by: "tests",
    file: "core/routing/plan.ts",
    find: "if (plan.author !== current.author) return plan.author > current.author;",
    put: "if (plan.author !== current.author) return false;",
  },
  {
    name: "a plan that leaves nobody is taken over",
    by: "outages",
    file: "core/routing/plan.ts",
    find: "  return objection(plan, rules);",
    put: "  return null;",
  },
  {
    name: "a region returns before it has caught up",
    by: "outages",
    file: "core/routing/admissions.ts",
    find: "if (!health.isUp || !hasCaughtUp || nowMs - health.sinceMs < stableMs) return before;",
    put: "if (!health.isUp || nowMs - health.sinceMs < stableMs) return before;",
  },
  {
    name: "a region returns as soon as it is up",
    by: "outages",
    file: "core/routing/admissions.ts",
    find: "|| nowMs - health.sinceMs < stableMs) return before;",
    put: ") return before;",
  },
  {
    name: "regions are taken out without a pause between them",
    by: "outages",
    file: "core/routing/admissions.ts",
    find: "nowMs - this.#removedAtMs < removalGapMs",
    put: "false",
  },
  {
    name: "what a region lacks of one that is not heard is not asked for",
    by: "tests",
    file: "core/routing/router.ts",
    find: "this.#isAnyoneUnheard(region, ballots) ? null : lagOf(region, ballots)",
    put: "lagOf(region, ballots)",
  },
  {
    name: "the lag that counts is the smallest",
    by: "outages",
    file: "core/routing/router.ts",
    find: "worst = Math.max(worst ?? 0, vote.lagMs);",
    put: "worst = Math.min(worst ?? Infinity, vote.lagMs);",
  },
  {
    name: "a restart forgets who is out",
    by: "tests",
    file: "core/routing/router.ts",
    find: "out: names.filter((name) => this.#admissions.share(name) < 1),",
    put: "out: [],",
  },
  {
    name: "a success now and then hides failures",
    by: "tests",
    file: "core/routing/watch.ts",
    find: "if (this.#successes >= resetAfter) this.#failures = 0;",
    put: "this.#failures = 0;",
  },
  {
    name: "a shift by hand never ends",
    by: "tests",
    file: "core/routing/plan.ts",
    find: "nowMs >= shift.untilMs ? SERVES : shift",
    put: "nowMs >= Infinity ? SERVES : shift",
  },
  {
    name: "a part of its traffic is all of it",
    by: "tests",
    file: "core/routing/pipeline.ts",
    find: "weight === 0 ? 1 : Math.min(1, weight);",
    put: "weight === 0 ? 1 : 1;",
  },
  {
    name: "the home of a name comes where it is listed",
    by: "tests",
    file: "core/routing/pipeline.ts",
    find: "Number(b.region === home) - Number(a.region === home) || order(a, b)",
    put: "order(a, b)",
  },
  {
    name: "a region may be shut off that alone has what it wrote",
    by: "tests",
    file: "core/routing/move.ts",
    find: "if (lacking.length > 0)",
    put: "if (lacking.length > regions.length)",
  },
  {
    name: "what a region said before it was drained is believed",
    by: "tests",
    file: "core/routing/move.ts",
    find: "if (unshipped.heardMs - HEARING_MS < this.#fromMs + ANSWERS_MS)",
    put: "if (unshipped.heardMs < 0)",
  },
  {
    name: "a move overrides the plan that somebody else has made",
    by: "tests",
    file: "core/routing/move.ts",
    find: "if (this.#plan !== null && scene.plan > this.#plan)",
    put: "if (this.#plan !== null && scene.plan < 0)",
  },
  {
    name: "failback goes on while the region falls behind",
    by: "tests",
    file: "core/routing/move.ts",
    find: "return late === null ? this.#shift() : wait(late);",
    put: "return this.#shift();",
  },
  {
    name: "a drain goes on although the others are full",
    by: "tests",
    file: "core/routing/move.ts",
    find: "const full = others.find(({ load }) => load >= 1);",
    put: "const full = others.find(({ load }) => load >= 100);",
  },
  {
    name: "who was there before a drain is a latecomer",
    by: "tests",
    file: "core/routing/latecomers.ts",
    find: "if (lastMs < sinceMs) continue;",
    put: "",
  },
  {
    name: "a resolver that was told another region still leads to the first",
    by: "tests",
    file: "core/routing/latecomers.ts",
    find: "led.regions = regions;",
    put: "",
  },
  {
    name: "whatever a lost region had acknowledged counts as given over",
    by: "tests",
    file: "core/routing/successions.ts",
    find: "if (last !== undefined && atMs - last.heardMs <= HEARD_MS)",
    put: "if (last !== undefined)",
  },
  {
    name: "a mark that does not come is as fast as the last one",
    by: "tests",
    file: "core/routing/canary.ts",
    find: "return mark.tookMs + Math.max(0, silentMs);",
    put: "return mark.tookMs;",
  },
  {
    name: "who is led nowhere is led where all others are",
    by: "tests",
    file: "core/routing/export/steered.ts",
    find: "if (audiences.some(({ regions }) => regions.length === 0))",
    put: "if (audiences.length === 0)",
  },
  {
    name: "a client beyond the share of its region stays",
    by: "tests",
    file: "core/routing/gateway/preference.ts",
    find: "|| draw >= stays.share) return true;",
    put: ") return true;",
  },
  {
    name: "regions whose breaker is open are tried first",
    by: "tests",
    file: "core/routing/gateway/preference.ts",
    find: "return [...order.filter(isTaken), ...order.filter((region) => !isTaken(region))];",
    put: "return order;",
  },
  {
    name: "everything may be tried twice",
    by: "tests",
    file: "core/routing/gateway/retry-budget.ts",
    find: "else return false;",
    put: "else return true;",
  },
  {
    name: "an INCR whose region was lost is sent again",
    by: "tests",
    file: "host/gateway-session.ts",
    find: "if (kind === KIND.unsafe || this.#ledger.isAgain(i)) return false;",
    put: "if (this.#ledger.isAgain(i)) return false;",
  },
  {
    name: "a command goes to a third region",
    by: "tests",
    file: "host/gateway-session.ts",
    find: "if (kind === KIND.unsafe || this.#ledger.isAgain(i)) return false;",
    put: "if (kind === KIND.unsafe) return false;",
  },
  {
    name: "a session goes on without what it wrote, and is not told",
    by: "tests",
    file: "host/gateway-session.ts",
    find: "if (hasWritten && !covers && this.#words.isStrict)",
    put: "if (hasWritten && covers && this.#words.isStrict)",
  },
  {
    name: "a POST whose region was lost is sent again",
    by: "tests",
    file: "host/http-gateway.ts",
    find: "return this.mayRepeat && this.#sent === 0 &&",
    put: "return this.#sent === 0 &&",
  },
];
