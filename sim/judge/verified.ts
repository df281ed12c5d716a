/**
 * Verified: what replicas say when they compare themselves with one another.
 *
 *   while anything happens   nothing is called different, whatever is on its way
 *   at the end               everyone says equal; then one replica is damaged, everyone says so, and it is mended from the others
 *
 * Invariant: the damage is done to memory, past every record, as rot or a bug would do it.
 */
import type { Simulation } from "../simulation.ts";
import type { Mending, VerifyReport } from "../../src/host/verification.ts";
import { Key } from "../../src/core/crdt/key.ts";
import type { Keyspace } from "../../src/core/keyspace/keyspace.ts";
import { Place } from "../../src/core/keyspace/place.ts";
import { Entry } from "../../src/core/keyspace/table.ts";
import { Chance } from "../world/chance.ts";
import type { Machine } from "../world/machine.ts";

const ANSWER_MS = 60_000;
const RESTART_US = 300_000;
/** What a checkpoint takes, at most. */
const STORES_US = 3_000_000;

/** Has a machine compare itself with the others now and then, for as long as it is up. */
export function verifyNowAndThen(simulation: Simulation, everyMs: number): void {
  const { machines, timeline, judge, plan } = simulation;
  for (const machine of machines) {
    const chance = new Chance(plan.seed, `verify ${machine.name}`);
    const again = (): void =>
      timeline.after(chance.wait(everyMs) * 1000, "verify", null, () => {
        if (timeline.now > plan.healMs * 1000) return;
        again();
        const { node } = machine;
        if (node === null || machine.state !== "up" || machine.paused) return;
        machine.act(() => {
          void node.verification.verify("no").then((report) => {
            if (report === null) return;
            if (report.equal === true) judge.marks.sometimes("everything was verified under load");
            alarm(simulation, machine, report);
          });
        });
      });
    again();
  }
}

/** An alarm without damage is a false one. */
function alarm({ judge }: Simulation, machine: Machine, report: VerifyReport): void {
  if (report.differences === 0) return;
  const [key] = report.keys;
  judge.fail(
    "I-20",
    machine,
    `it calls ${report.differences} keys different that are not, such as ${key?.db}:${key?.key} (${JSON.stringify(key?.holds)})`,
  );
}

/** What a machine says of all; null, and a failure, if it does not. */
async function verdictOf(
  { timeline, judge }: Simulation,
  machine: Machine,
  mending: Mending,
): Promise<VerifyReport | null> {
  const untilUs = timeline.now + ANSWER_MS * 1000;
  const verification = machine.node?.verification;
  // One that was begun before may be under way.
  while (verification?.state.running && timeline.now < untilUs && judge.failures.length === 0)
    await timeline.run(timeline.now + 100_000);
  let report: VerifyReport | null = null;
  let failed: unknown = null;
  verification?.verify(mending).then(
    (said) => (report = said),
    (error: unknown) => (failed = error),
  );
  while (
    report === null &&
    failed === null &&
    timeline.now < untilUs &&
    judge.failures.length === 0
  )
    await timeline.run(timeline.now + 20_000);
  if (report === null && judge.failures.length === 0)
    judge.fail("I-19", machine, `it does not say whether everything is equal: ${String(failed)}`);
  return report;
}

/** I-20 and I-21, once nothing is written any more. */
export async function verifiedChecks(simulation: Simulation): Promise<void> {
  const { judge, machines, plan } = simulation;
  for (const machine of machines) {
    const report = await verdictOf(simulation, machine, "no");
    if (report === null) return;
    alarm(simulation, machine, report);
    if (plan.shape === "mesh" && report.equal !== true)
      judge.fail("I-19", machine, `it cannot tell whether everything is equal: ${report.reason}`);
  }
  if (plan.shape !== "mesh" || judge.failures.length > 0) return;
  await damageChecks(simulation);
}

/** One replica is damaged: it is found from wherever one asks, and mended. */
async function damageChecks(simulation: Simulation): Promise<void> {
  const { machines, plan } = simulation;
  const chance = new Chance(plan.seed, "damage");
  const victim = chance.pick(machines);
  const asked = chance.pick(machines);
  const keyspace = victim.node?.replica.keyspace;
  if (keyspace === undefined) return;
  simulation.isDamaged = true;
  await damageCheck(simulation, victim, asked, keyspace, damage(keyspace, chance));
  simulation.isDamaged = false;
}

async function damageCheck(
  simulation: Simulation,
  victim: Machine,
  asked: Machine,
  keyspace: Keyspace,
  count: number,
): Promise<void> {
  const { judge, machines } = simulation;
  if (count === 0) return;
  judge.marks.sometimes("a replica was damaged in memory");
  // Half of the time the damage is on disk too before anybody looks.
  if (new Chance(simulation.plan.seed, "damage stored").is(0.5)) {
    victim.act(() => victim.node?.checkpoint());
    await simulation.timeline.run(simulation.timeline.now + STORES_US);
  }
  victim.say(`${count} of its keys are damaged in memory`);
  const found = await verdictOf(simulation, asked, "no");
  if (found === null) return;
  if (found.equal !== false || found.differences !== count)
    judge.fail(
      "I-21",
      asked,
      `of ${count} damaged keys it finds ${found.differences} (${found.reason})`,
    );
  const mended = await verdictOf(simulation, asked, "all");
  if (mended === null || judge.failures.length > 0) return;
  // Of two that disagree nobody can say who is right, unless one has nothing at all.
  if (machines.length === 2 && mended.undecided > 0) {
    judge.marks.sometimes("two disagreed and nobody could say who is right");
    restore(keyspace);
    return;
  }
  if (mended.equal !== true)
    judge.fail("I-21", asked, `it could not have the damage mended: ${JSON.stringify(mended)}`);
  else judge.marks.sometimes("damage in memory was mended");
  if (!judge.check(true)) judge.fail("I-21", victim, "what was mended is not what it was");
  await survives(simulation, victim, asked);
}

/** What was mended is there after a crash too, although no record tells of it. */
async function survives(simulation: Simulation, victim: Machine, asked: Machine): Promise<void> {
  const { judge, timeline } = simulation;
  if (judge.failures.length > 0) return;
  victim.kill(true);
  timeline.after(RESTART_US, "restart", null, () => victim.start());
  const untilUs = timeline.now + ANSWER_MS * 1000;
  do await timeline.run(timeline.now + 200_000);
  while (
    timeline.now < untilUs &&
    judge.failures.length === 0 &&
    !(judge.converged && linked(simulation))
  );
  let after = await verdictOf(simulation, asked, "no");
  // Of two connections that both sides have dialled one may close while they compare: then nobody can tell.
  if (after?.equal === null) after = await verdictOf(simulation, asked, "no");
  if (after !== null && after.equal !== true)
    judge.fail("I-21", victim, `after a crash it is as damaged as before (${after.reason})`);
}

/** Whether everybody hears everybody. */
export function linked({ machines }: Simulation): boolean {
  return machines.every(({ node }) => {
    const links = [...(node?.replica.exchange.links.values() ?? [])];
    return links.filter(({ up }) => up).length === machines.length - 1;
  });
}

interface Damaged {
  readonly db: number;
  readonly name: Buffer;
  readonly before: Key;
}

let damaged: Damaged[] = [];

/** Loses or alters up to three keys; returns how many. */
function damage(keyspace: Keyspace, chance: Chance): number {
  const names: { db: number; name: Buffer }[] = [];
  const entry = new Entry();
  for (const table of keyspace.shards) {
    // Who has taken keys over, and finds that it has not, does so again: that mends what was to be found.
    if (table === keyspace.homes && keyspace.policies.haveLeases) continue;
    table.each((at) => {
      table.load(at, entry);
      const { db, bytes, nameStart, nameEnd } = entry;
      names.push({ db, name: Buffer.from(bytes.subarray(nameStart, nameEnd)) });
    });
  }
  damaged = [];
  const place = new Place();
  for (let i = 0; i < 3 && names.length > 0; i++) {
    const { db, name } = names.splice(chance.below(names.length), 1)[0] as (typeof names)[0];
    keyspace.locate(place, db, name, 0, name.length);
    const key = keyspace.open(place);
    if (key.tags === 0) continue;
    const sibling = key.cell?.siblings[0];
    const other = new Key();
    other.counted = key.counted;
    other.countedExpiring = key.countedExpiring;
    other.countedExpirable = key.countedExpirable;
    if (sibling !== undefined && chance.is(0.5))
      keyspace.cell(other).siblings.push({
        ...sibling,
        value: Buffer.from(`${sibling.value.latin1Slice()}!`, "latin1"),
      });
    keyspace.settle(place, other);
    damaged.push({ db, name, before: key });
  }
  return damaged.length;
}

function restore(keyspace: Keyspace): void {
  const place = new Place();
  for (const { db, name, before } of damaged) {
    keyspace.locate(place, db, name, 0, name.length);
    const now = keyspace.open(place);
    before.counted = now.counted;
    before.countedExpiring = now.countedExpiring;
    before.countedExpirable = now.countedExpirable;
    keyspace.settle(place, before);
  }
}
