/**
 * Final: what must hold once the world has healed and everyone agrees.
 *
 *   I-15  what removals left behind is collected          I-20  links carry heartbeats and nothing else
 *   I-1   every acknowledged write is there               I-6   counters are what was asked of them
 *   I-10  what was added and not removed is there         I-17  both halves of a transaction, or neither
 *   I-31  what lost against a concurrent write is in the conflict feed
 *
 * Invariant: what clients are told at the end is asked over their own protocol, of every region.
 */
import type { Judge } from "./judge.ts";
import type { Simulation } from "../simulation.ts";
import type { Outcome } from "../world/actor.ts";
import { type Reply, request } from "../world/replies.ts";
import { Served } from "../world/served.ts";
import { Chance } from "../world/chance.ts";
import type { Machine } from "../world/machine.ts";

const SETTLE_MS = 20_000;
/** More than clocks differ by when nothing is wrong; with five regions in turn, less than the silence that closes a link. */
const LATER_MS = 400;
const CONVERGE_MS = 20_000;
const REST_MS = 3_000;
const QUIET_MS = 4_000;
/** A heartbeat: of every member two vectors, each with an entry per origin there ever was. */
const HEARTBEAT_BYTES = 64;
const REPORT_BYTES = 40;
const ENTRY_BYTES = 8;

/** I-15 and I-20. */
export async function quietChecks(simulation: Simulation): Promise<void> {
  const { timeline, judge, machines, network } = simulation;
  const untilUs = timeline.now + SETTLE_MS * 1000;
  while (timeline.now < untilUs && !machines.every((machine) => isClean(judge, machine)))
    await timeline.run(timeline.now + 200_000);
  for (const machine of machines)
    if (!isClean(judge, machine))
      judge.fail("I-15", machine, `it still holds ${leftovers(judge, machine)}`);
  // What was asked for twice may still be on its way.
  await timeline.run(timeline.now + REST_MS * 1000);
  const { batches, bytes } = network.counts;
  const records = judge.history.count;
  await timeline.run(timeline.now + QUIET_MS * 1000);
  if (judge.history.count > records) return;
  if (network.counts.batches > batches)
    judge.fail(
      "I-20",
      null,
      `${network.counts.batches - batches} batches were sent although nothing was written`,
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
  const silent = judge.losses.silent(judge.view(machines[0] as Machine).facts);
  if (silent !== null) judge.fail("I-31", null, silent);
  if (judge.losses.count > 0) judge.marks.sometimes("a write lost against a concurrent one");
  const there = outcomes.filter(isThere);
  const answers = new Map<string, string>();
  const flushes = "flush" in plan.kinds;
  for (const machine of machines) {
    const ask = (...words: string[]): Promise<Reply> => answerOf(simulation, machine, words);
    const same = async (...words: string[]): Promise<void> => {
      const reply = await ask(...words);
      const text = JSON.stringify(
        Array.isArray(reply) ? [...pairsOf(words, reply)].toSorted() : reply,
      );
      const question = words.join(" ");
      const before = answers.get(question);
      if (before === undefined) answers.set(question, text);
      else if (before !== text)
        judge.fail("I-3", machine, `${question} answers ${text}, elsewhere ${before}`);
    };
    for (let i = 0; i < plan.keys && judge.failures.length === 0; i++) {
      await same("GET", `k:${i}`);
      await same("SMEMBERS", `s:${i}`);
      await same("HGETALL", `h:${i}`);
      await same("PFCOUNT", `p:${i}`);
      await same("TYPE", `x:${i}`);
      await same("PTTL", `e:${i}`);
      if (flushes) continue;
      const total = there.reduce(
        (sum, { operation }) => sum + asked(operation.intents, `total:${i}`),
        0,
      );
      const reply = Number((await ask("GET", `total:${i}`)) ?? 0);
      if (reply !== total)
        judge.fail("I-6", machine, `total:${i} is ${reply}, its increments sum to ${total}`);
      const kept = there
        .flatMap(({ operation }) => operation.commands)
        .filter(([name, key]) => name === "SADD" && key === `keep:${i}`)
        .map((words) => words[2]);
      const members = await ask("SMEMBERS", `keep:${i}`);
      const lost = kept.filter((member) => !listOf(members).includes(member ?? ""));
      if (lost.length > 0) judge.fail("I-10", machine, `keep:${i} has lost ${lost.join(", ")}`);
    }
    await same("KEYS", "*");
    const a = JSON.stringify(listOf(await ask("SMEMBERS", "tx:a")).toSorted());
    const b = JSON.stringify(listOf(await ask("SMEMBERS", "tx:b")).toSorted());
    if (a !== b)
      judge.fail("I-17", machine, `of a transaction's two sets one is ${a}, the other ${b}`);
  }
  await scanCheck(simulation);
}

/** A walk in small steps shows every key once. */
async function scanCheck(simulation: Simulation): Promise<void> {
  const { judge, machines, plan } = simulation;
  const machine = machines[plan.seed % machines.length] as Machine;
  const ask = (...words: string[]): Promise<Reply> => answerOf(simulation, machine, words);
  const shown: string[] = [];
  let cursor = "0";
  do {
    const page = await ask("SCAN", cursor, "COUNT", "10");
    if (!Array.isArray(page)) break;
    cursor = String(page[0]);
    shown.push(...listOf(page[1] as Reply));
  } while (cursor !== "0" && judge.failures.length === 0);
  const keys = listOf(await ask("KEYS", "*"))
    .toSorted()
    .join(" ");
  const walked = shown.toSorted().join(" ");
  if (walked !== keys) judge.fail("I-5", machine, `SCAN shows ${walked}, KEYS ${keys}`);
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

function asked(intents: readonly { key: string; delta: number }[], key: string): number {
  return intents.reduce((sum, intent) => sum + (intent.key === key ? intent.delta : 0), 0);
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
  let answer: Reply | undefined;
  const served = Served.connect(machine, new Chance(simulation.plan.seed, words.join(" ")), {
    leaves: () => {},
    answered: (reply) => (answer = reply),
    gone: () => {},
    isWaiting: () => false,
  });
  served?.send(request(words));
  for (let i = 0; i < 100 && answer === undefined; i++)
    await simulation.timeline.run(simulation.timeline.now + 20_000);
  served?.leave();
  if (answer === undefined) {
    simulation.judge.fail("I-19", machine, `${words.join(" ")} was not answered`);
    return null;
  }
  return answer;
}
