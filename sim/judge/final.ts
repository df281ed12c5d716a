/**
 * Final: what must hold once the world has healed and everyone agrees.
 *
 *   I-15  what removals left behind is collected          I-20  links carry heartbeats and nothing else
 *   I-1   every acknowledged write is there               I-6   counters are what was asked of them
 *   I-10  what was added and not removed is there         I-17  both halves of a transaction, or neither
 *   I-41  what was to be done once is not done again by whoever knows of it
 *   I-31  what lost against a concurrent write is in the conflict feed
 *
 * Invariant: what clients are told at the end is asked over their own protocol, of every region.
 */
import type { Judge } from "./judge.ts";
import type { Simulation } from "../simulation.ts";
import type { Outcome } from "../world/actor.ts";
import { type Reply, request } from "../world/replies.ts";
import type { CommittedRecord } from "./history.ts";
import { askedAgain, doneAgain, doneApart } from "./once.ts";
import { Served } from "../world/served.ts";
import { Chance } from "../world/chance.ts";
import type { Machine } from "../world/machine.ts";

const SETTLE_MS = 20_000;
/**
 * More than clocks differ by when nothing is wrong: two that go back to the right time by small steps are up to 250 ms off, one ahead and
 * one behind. With five regions in turn, less than the silence that closes a link.
 */
const LATER_MS = 550;
/** So far ahead of the time a node may begin that was killed. */
const BEGINS_AHEAD_MS = 1_000;
const CONVERGE_MS = 20_000;
const REST_MS = 3_000;
const QUIET_MS = 4_000;
/** A heartbeat: of every member two vectors, each with an entry per origin there ever was. */
const HEARTBEAT_BYTES = 64;
const REPORT_BYTES = 40;
const ENTRY_BYTES = 8;

/** Where no connection breaks every record travels once; a little more is what was pulled while it was late. */
const SENT_TIMES_MAX = 1.5;
const SENT_SPARE = 100;
const BREAKS_NOTHING = new Set(["slow-wire", "slow-disk"]);

/** I-15 and I-20. */
export async function quietChecks(simulation: Simulation): Promise<void> {
  const { timeline, judge, machines, network, plan } = simulation;
  const needed = judge.history.count * (machines.length - 1);
  if (
    plan.shape === "mesh" &&
    plan.faults.every(({ kind }) => BREAKS_NOTHING.has(kind)) &&
    judge.sentCount > SENT_TIMES_MAX * needed + SENT_SPARE
  )
    // Where so much too much is sent there may be no end of it.
    return judge.fail(
      "I-20",
      null,
      `${judge.sentCount} records were sent where ${needed} would have done`,
    );
  const untilUs = timeline.now + SETTLE_MS * 1000;
  // A comparison that began under load goes on for a while.
  const isAtRest = (machine: Machine): boolean =>
    isClean(judge, machine) && machine.node?.verification.state.running !== true;
  while (timeline.now < untilUs && !machines.every(isAtRest)) {
    await timeline.run(timeline.now + 200_000);
    // A failure stops the time.
    if (judge.failures.length > 0) return;
  }
  for (const machine of machines)
    if (!isClean(judge, machine))
      judge.fail("I-15", machine, `it still holds ${leftovers(judge, machine)}`);
  // What was asked for twice may still be on its way.
  await timeline.run(timeline.now + REST_MS * 1000);
  const { batches, bytes, spares } = network.counts;
  const records = judge.history.count;
  await timeline.run(timeline.now + QUIET_MS * 1000);
  if (judge.history.count > records) return;
  if (network.counts.batches > batches)
    judge.fail(
      "I-20",
      null,
      `${network.counts.batches - batches} batches were sent although nothing was written`,
    );
  if (network.counts.spares > spares)
    judge.fail(
      "I-20",
      null,
      `${network.counts.spares - spares} connections were opened beside one that stood`,
    );
  const ways = network.wires.length * 2;
  const report = REPORT_BYTES + 2 * ENTRY_BYTES * judge.history.origins.length;
  const most = ways * (QUIET_MS / 200 + 2) * (HEARTBEAT_BYTES + machines.length * report);
  if (network.counts.bytes - bytes > most)
    judge.fail(
      "I-20",
      null,
      `${network.counts.bytes - bytes} bytes were sent although nothing was written`,
    );
}

function isClean(judge: Judge, machine: Machine): boolean {
  return leftovers(judge, machine) === "";
}

function leftovers(judge: Judge, machine: Machine): string {
  const replica = machine.node?.replica;
  if (replica === undefined) return "no node";
  const { waitingFloors, waitingResets } = replica.garbage;
  // What depends on records that were lost with a disk waits until their origin is sealed, which is not there yet.
  const waiting = judge.lostDisks.size > 0 ? 0 : replica.delivery.waitingCount;
  const { pending } = replica.writer.conflicts;
  const found = [
    pending.size > 0 ? `${pending.size} losses to be recorded` : "",
    waitingResets > 0 ? `${waitingResets} resets` : "",
    waitingFloors > 0 ? `${waitingFloors} floors or flushes` : "",
    waiting > 0 ? `${waiting} records that wait` : "",
    replica.keyspace.expirable > 0
      ? `${replica.keyspace.expirable} keys that should have expired`
      : "",
  ];
  return found.filter((text) => text !== "").join(", ");
}

/** I-1, I-6, I-10 and I-17, and that every region answers the same. */
export async function finalChecks(simulation: Simulation): Promise<void> {
  const { judge, machines, plan } = simulation;
  const outcomes = simulation.actors.flatMap((actor) => actor.outcomes);
  const applied = judge.view(machines[0] as Machine).applied;
  const isThere = ({ origin, seq, madeUs }: Outcome): boolean =>
    origin !== null &&
    (applied[origin.index] ?? 0) >= seq &&
    !origin.lost.some((tail) => seq > tail.seq && madeUs <= tail.atUs);
  if (plan.durability === "local")
    for (const outcome of outcomes)
      if (
        outcome.acknowledged &&
        outcome.origin !== null &&
        !isThere(outcome) &&
        !judge.lostDisks.has(outcome.machine)
      )
        judge.fail(
          "I-1",
          outcome.machine,
          `the acknowledged ${wordsOf(outcome)} (${outcome.origin.member}:${outcome.seq}) is lost`,
        );
  if (judge.hadTwins) return;
  const removed = new Set([...judge.removed].map(({ name }) => name));
  const silent = judge.losses.silent(judge.view(machines[0] as Machine).facts, removed);
  if (silent !== null) judge.fail("I-31", null, silent);
  const records = judge.history.inOrder();
  const nameOf = ({ origin, seq }: CommittedRecord): string =>
    `${judge.history.origins[origin]?.member}:${seq}`;
  const again = doneAgain(records, nameOf) ?? askedAgain(outcomes.filter(isThere), nameOf);
  if (again !== null) judge.fail("I-41", null, again);
  if (doneApart(records) > 0) judge.marks.sometimes("two regions did what was to be done once");
  if (judge.losses.count > 0) judge.marks.sometimes("a write lost against a concurrent one");
  const there = outcomes.filter(isThere);
  const { escrow } = judge;
  if (!escrow.mayRepeat)
    for (const key of escrow.keys) {
      const value = await answerOf(simulation, machines[0] as Machine, ["AA.BOUND", "GET", key]);
      const wrong = typeof value === "number" ? escrow.wrongInTheEnd(key, value) : null;
      if (wrong !== null) judge.fail("I-43", null, wrong);
    }
  const totals = new Map<string, number>();
  const kept = new Map<string, string[]>();
  for (const { operation } of there) {
    for (const { key, delta } of operation.intents)
      if (key.startsWith("total:")) totals.set(key, (totals.get(key) ?? 0) + delta);
    for (const [name, key = "", member = ""] of operation.commands) {
      if (name !== "SADD" || !key.startsWith("keep:")) continue;
      const members = kept.get(key);
      if (members === undefined) kept.set(key, [member]);
      else members.push(member);
    }
  }
  const answers = new Map<string, string>();
  const flushes = "flush" in plan.kinds;
  const keys = Array.from({ length: plan.keys }, (_, i) => i);
  const questions = keys.flatMap((i) => [
    ["GET", `k:${i}`],
    ["SMEMBERS", `s:${i}`],
    ["HGETALL", `h:${i}`],
    ["PFCOUNT", `p:${i}`],
    ["JSON.GET", `j:${i}`],
    ["LRANGE", `l:${i}`, "0", "-1"],
    ["LRANGE", `q:${i}`, "0", "-1"],
    ["XRANGE", `y:${i}`, "-", "+"],
    ["XINFO", "GROUPS", `y:${i}`],
    ["TYPE", `x:${i}`],
    ["PTTL", `e:${i}`],
  ]);
  for (const key of escrow.keys) questions.push(["AA.BOUND", "GET", key]);
  const own = [
    ...keys.flatMap((i) => [
      [`GET`, `total:${i}`],
      [`SMEMBERS`, `keep:${i}`],
    ]),
    ["SMEMBERS", "tx:a"],
    ["SMEMBERS", "tx:b"],
  ];
  for (const machine of machines) {
    const replies = await answersOf(simulation, machine, [...questions, ...own]);
    if (replies === null) return;
    questions.forEach((words, n) => {
      const reply = replies[n] as Reply;
      const text = JSON.stringify(
        Array.isArray(reply) && words[0] !== "LRANGE"
          ? [...pairsOf(words, reply)].toSorted()
          : reply,
      );
      const question = words.join(" ");
      const before = answers.get(question);
      if (before === undefined) answers.set(question, text);
      else if (before !== text)
        judge.fail("I-3", machine, `${question} answers ${text}, elsewhere ${before}`);
    });
    const ofOwn = replies.slice(questions.length);
    for (const i of flushes ? [] : keys) {
      const total = totals.get(`total:${i}`) ?? 0;
      const reply = Number(ofOwn[2 * i] ?? 0);
      if (reply !== total)
        judge.fail("I-6", machine, `total:${i} is ${reply}, its increments sum to ${total}`);
      const members = new Set(listOf(ofOwn[2 * i + 1] as Reply));
      const lost = (kept.get(`keep:${i}`) ?? []).filter((member) => !members.has(member));
      if (lost.length > 0) judge.fail("I-10", machine, `keep:${i} has lost ${lost.join(", ")}`);
    }
    const [a, b] = ofOwn.slice(-2).map((reply) => JSON.stringify(listOf(reply).toSorted()));
    if (a !== b)
      judge.fail("I-17", machine, `of a transaction's two sets one is ${a}, the other ${b}`);
  }
}

/**
 * I-14: whatever a clock was, it holds nobody up any more: of two writes that do not know of each other the later one wins, the
 * first region's clock having been as wrong as it may have been.
 */
export async function repairedChecks(simulation: Simulation): Promise<void> {
  const { judge, machines, network, timeline } = simulation;
  const key = "clock:repaired";
  const cut = (isCut: boolean): void => {
    for (const wire of network.wires)
      for (const side of [0, 1] as const) {
        wire.ways[side].cut = isCut;
        network.changed(wire, side);
      }
  };
  // Who came back just now begins behind whatever it may have promised.
  await timeline.run(timeline.now + BEGINS_AHEAD_MS * 1000);
  cut(true);
  for (const [i, machine] of machines.entries()) {
    await answerOf(simulation, machine, ["SET", key, `${i}`]);
    await timeline.run(timeline.now + LATER_MS * 1000);
  }
  cut(false);
  const untilUs = timeline.now + CONVERGE_MS * 1000;
  do await timeline.run(timeline.now + 200_000);
  while (!judge.converged && timeline.now < untilUs && judge.failures.length === 0);
  for (const machine of machines) {
    const reply = await answerOf(simulation, machine, ["GET", key]);
    const last = String(machines.length - 1);
    if (reply !== last)
      judge.fail(
        "I-14",
        machine,
        `it shows the write of ${machines[Number(reply)]?.name}, a later one was made`,
      );
  }
}

function listOf(reply: Reply): string[] {
  return Array.isArray(reply) ? reply.map(String) : [];
}

function wordsOf({ operation }: Outcome): string {
  return operation.commands.map((words) => words.join(" ")).join("; ");
}

/** A hash's fields stay with their values when they are put in order. */
function pairsOf(words: readonly string[], reply: readonly Reply[]): string[] {
  if (words[0] !== "HGETALL") return reply.map(String);
  return reply.flatMap((field, i) =>
    i % 2 === 0 ? [`${JSON.stringify(field)}=${JSON.stringify(reply[i + 1])}`] : [],
  );
}

async function answerOf(simulation: Simulation, machine: Machine, words: string[]): Promise<Reply> {
  return (await answersOf(simulation, machine, [words]))?.[0] ?? null;
}

/** What a machine answers to some commands on one connection; null, and a failure, when it does not answer all. */
async function answersOf(
  simulation: Simulation,
  machine: Machine,
  commands: readonly string[][],
): Promise<readonly Reply[] | null> {
  const answers: Reply[] = [];
  const first = commands[0]?.join(" ") ?? "";
  const served = Served.connect(machine, new Chance(simulation.plan.seed, first), {
    leaves: () => {},
    answered: (reply) => void answers.push(reply),
    gone: () => {},
    isWaiting: () => false,
  });
  served?.send(Buffer.concat(commands.map(request)));
  for (let i = 0; i < 100 && answers.length < commands.length; i++)
    await simulation.timeline.run(simulation.timeline.now + 20_000);
  served?.leave();
  if (answers.length === commands.length) return answers;
  const missing = commands[answers.length]?.join(" ") ?? "";
  simulation.judge.fail("I-19", machine, `${missing} was not answered`);
  return null;
}
