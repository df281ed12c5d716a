/**
 * A cluster is upgraded node by node from the recorded commit to the present one, and back, while clients write in every region.
 */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { READS } from "../../src/core/replica/formats.ts";
import type { NodeStatus } from "../../src/host/status.ts";
import { eventually, FaultyNode } from "../faults/faulty-node.ts";
import { atoll } from "../lab/lab-process.ts";
import { freePort } from "../support/free-port.ts";
import { textOf } from "../support/resp.ts";
import { root } from "../support/server.ts";
import { tempDir } from "../support/temp-dir.ts";
import { Load } from "./load.ts";
import { checkOutPrevious, recordedCommit } from "./previous.ts";

const REGIONS = ["a", "b", "c"];
/** Writes that each region must have acknowledged after a step before the next one. */
const WRITES_BETWEEN = 20;

test("a record of a previous commit that names none fails", () => {
  assert.throws(() => recordedCommit("{}"), /names no commit/);
  assert.throws(() => recordedCommit('{"commit":"main"}'), /names no commit/);
});

test("nodes are upgraded and rolled back one by one under load, and nothing acknowledged is lost", async (t) => {
  const temp = tempDir("upgrade");
  t.after(() => temp[Symbol.dispose]());
  const previous = join(temp.path, "previous");
  mkdirSync(previous);
  const why = checkOutPrevious(previous);
  if (why !== null) return t.skip(why);
  const nodes = await prepare(temp.path);
  t.after(() => Promise.all(nodes.map((node) => node.end())));
  for (const node of nodes) node.build = previous;
  await Promise.all(nodes.map((node) => node.start()));
  const all: Load[] = [];
  t.after(() => Promise.all(all.map((load) => load.stop())));

  for (const [step, build] of [
    ["upgraded", root],
    ["rolled back", previous],
  ] as const) {
    const loads = nodes.map((node, i) => new Load(`${REGIONS[i]}, while ${step},`, node.port));
    all.push(...loads);
    await spoken(nodes, loads, `before any is ${step}`);
    for (const [i, node] of nodes.entries()) {
      // One in order, one as if its machine had failed.
      await node.end(i === 1 ? "SIGKILL" : "SIGTERM");
      node.build = build;
      await node.start();
      await spoken(nodes, loads, `${REGIONS[i]} is ${step}`);
    }
    await Promise.all(loads.map((load) => load.stop()));
    await spoken(nodes, [], `all are ${step}`);
    if (build === root) await allRead(nodes);
    for (const load of all)
      for (const node of nodes) assert.deepEqual((await load.missing(node.port)).slice(0, 10), []);
    await equal(nodes);
  }
});

/** Three nodes that are linked with one another, not started yet. */
async function prepare(dir: string): Promise<FaultyNode[]> {
  const ports = await Promise.all(REGIONS.map(() => freePort()));
  return await Promise.all(
    REGIONS.map(async (region, i) => {
      mkdirSync(join(dir, region));
      const links = REGIONS.map((other, k) => ({ region: other, port: ports[k] ?? 0 }));
      return await FaultyNode.prepare({
        dir: join(dir, region),
        region,
        regions: REGIONS,
        replicationPort: ports[i] ?? 0,
        links: links.filter((link) => link.region !== region),
      });
    }),
  );
}

/** Each node finds that all others read what it does, so that it may be written; until then it was not. */
async function allRead(nodes: readonly FaultyNode[]): Promise<void> {
  for (const node of nodes)
    await eventually("everybody knows what all read", async () => {
      const answer = await fetch(`http://127.0.0.1:${node.httpPort}/status`);
      const { formats } = (await answer.json()) as NodeStatus;
      return formats.usable === READS && formats.awaits.length === 0;
    });
}

let probes = 0;

/** What each node is told reaches every other one, and clients go on writing everywhere. */
async function spoken(
  nodes: readonly FaultyNode[],
  loads: readonly Load[],
  when: string,
): Promise<void> {
  const probe = `probe:${++probes}`;
  const before = loads.map((load) => load.acknowledged);
  for (const [i, node] of nodes.entries()) await node.ask("SADD", probe, REGIONS[i] ?? "");
  await eventually(`${when}, each hears all others`, async () => {
    const counts = await Promise.all(nodes.map((node) => node.ask("SCARD", probe)));
    return counts.every((count) => Number(textOf(count)) === nodes.length);
  });
  await eventually(`${when}, all regions write`, () =>
    loads.every((load, i) => load.acknowledged >= (before[i] ?? 0) + WRITES_BETWEEN),
  );
}

/** `atoll verify` of the present build says that all are equal, whichever they run. */
async function equal(nodes: readonly FaultyNode[]): Promise<void> {
  for (const node of nodes) {
    const outcome = await atoll("verify", "--url", `http://127.0.0.1:${node.httpPort}`, "--json");
    assert.equal(outcome.code, 0, outcome.stdout + outcome.stderr);
    assert.equal((JSON.parse(outcome.stdout) as { equal: unknown }).equal, true);
  }
}
