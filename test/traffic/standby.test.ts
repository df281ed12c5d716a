/**
 * A lab in which one region writes and the others stand by: promoted by hand, then because the one that wrote is lost.
 *
 * Nothing waits for a fixed time: what must come is polled for.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Redis } from "ioredis5";
import { atoll, RunningCommand } from "../lab/lab-process.ts";
import { tempDir } from "../support/temp-dir.ts";
import { dig } from "../support/dig.ts";

const POLL_MS = 200;
const REGIONS = ["us-east", "us-west", "eu-west"];
const KEY = "primary:n";

const dir = tempDir("standby");
let lab: RunningCommand;
let dnsPorts: number[] = [];
let httpUrls: string[] = [];
const clients: Redis[] = [];

before(async () => {
  const words = ["lab", "--traffic", "--json", "--port", "0", "--wan", "5", "--dir", dir.path];
  lab = new RunningCommand(words);
  await lab.until(({ stdout }) => stdout.includes("\n"));
  const { regions, traffic } = JSON.parse(lab.stdout) as {
    regions: { http: string; redis: string }[];
    traffic: { dns: string[] };
  };
  dnsPorts = traffic.dns.map((url) => Number(new URL(url).port));
  httpUrls = regions.map(({ http }) => http);
  for (const { redis } of regions) {
    const client = new Redis(redis, { maxRetriesPerRequest: null });
    client.on("error", () => {});
    clients.push(client);
  }
  const settings = ["writes=home", "home=us-east", "forward=no", "failover=auto"];
  await inLab("keyspace", "set", "primary:", ...settings);
});

after(async () => {
  for (const client of clients) client.disconnect();
  lab.child.kill("SIGTERM");
  await lab.ended;
  dir[Symbol.dispose]();
});

const inLab = async (...words: string[]): Promise<void> => {
  const { code, stderr } = await atoll(...words, "--dir", dir.path);
  assert.equal(code, 0, stderr);
};

/** Waits until the servers of these regions lead to one of the others or to that one; its name. */
async function untilLed(servers: readonly number[], isWanted: (region: string) => boolean) {
  for (;;) {
    const led = await Promise.all(
      servers.map(async (i) => {
        const { answers } = await dig(dnsPorts[i] as number, "primary.lab");
        const address = answers[0]?.split(" ").at(-1) ?? "";
        return REGIONS[Number(address.split(".")[2]) - 1] ?? "";
      }),
    );
    const [first = ""] = led;
    if (isWanted(first) && led.every((one) => one === first)) return first;
    await pause(POLL_MS);
  }
}

interface Succession {
  from: string;
  to: string;
  restedMs: number;
  missingSinceMs: number | null;
}

async function successionsAt(i: number): Promise<Succession[]> {
  const status = (await (await fetch(`${httpUrls[i]}/traffic/status`)).json()) as {
    successions: Succession[];
  };
  return status.successions;
}

test("names lead to the region that writes; another serves reads, refuses writes and says where they go", async () => {
  await untilLed([0, 1, 2], (region) => region === "us-east");
  await clients[0]?.set(KEY, "1");
  while ((await clients[1]?.get(KEY)) !== "1") await pause(POLL_MS);
  await assert.rejects(async () => clients[1]?.set(KEY, "2"), /AAHOME .*us-east/);
});

test("how long it takes until what is written in a region can be read in the others is measured, told and shown", async () => {
  for (;;) {
    const status = (await (await fetch(`${httpUrls[1]}/traffic/status`)).json()) as {
      regions: { tookMs: number | null }[];
    };
    if (status.regions.every(({ tookMs }) => tookMs !== null)) break;
    await pause(POLL_MS);
  }
  const { stdout } = await atoll("route", "explain", "app", "--dir", dir.path);
  for (const region of REGIONS)
    assert.match(
      stdout,
      new RegExp(`^${region}: what is written there can be read elsewhere`, "m"),
    );
  const metrics = await (await fetch(`${httpUrls[1]}/metrics`)).text();
  assert.match(metrics, /^atoll_route_canary_seconds\{region="us-east"\} \d/m);
});

test("a region is promoted by one command: names follow, the one before is refused writes, nothing is lost", async () => {
  await clients[0]?.call("AA.KEYSPACE", "MOVE", "primary:", "us-west");
  await untilLed([0, 1, 2], (region) => region === "us-west");
  assert.equal(await clients[1]?.incr(KEY), 2);
  await assert.rejects(async () => clients[0]?.set(KEY, "0"), /AAHOME .*us-west/);
  const last = (await successionsAt(2)).at(-1);
  assert.deepEqual(
    [last?.from, last?.to, last?.restedMs, last?.missingSinceMs],
    ["us-east", "us-west", 0, null],
  );
});

test("when the one that writes is lost another takes over by itself, it is told what that cost, and who comes back is no home any more", async () => {
  await inLab("lab", "kill", "us-west");
  const succession = async (): Promise<Succession> => {
    for (;;) {
      const found = (await successionsAt(0)).find(({ from }) => from === "us-west");
      if (found !== undefined) return found;
      await pause(POLL_MS);
    }
  };
  const { to: heir, restedMs, missingSinceMs } = await succession();
  assert.ok(restedMs > 0);
  assert.notEqual(missingSinceMs, null);
  await untilLed([0, 2], (region) => region === heir);
  const i = REGIONS.indexOf(heir);
  // It waits out the lease of the one that is lost.
  while ((await clients[i]?.incr(KEY).catch(() => null)) == null) await pause(POLL_MS);
  const { stdout } = await atoll("route", "status", "--dir", dir.path);
  assert.match(stdout, /in place of us-west: nobody could write for \d+ s at most/);
  await inLab("lab", "start", "us-west");
  for (;;) {
    const refusal = await clients[1]?.set(KEY, "0").catch((error: unknown) => String(error));
    if (refusal?.includes(`AAHOME`) === true && refusal.includes(heir)) break;
    assert.notEqual(refusal, "OK");
    await pause(POLL_MS);
  }
});
