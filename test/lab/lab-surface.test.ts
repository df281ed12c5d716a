/**
 * The surface of `atoll lab` that people script: words, exit codes, JSON shapes, and that nothing is left behind.
 *
 * The nodes are fake (`fake-node.ts`), the processes, ports, links and cuts are not.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { callControl } from "../../src/lab/control.ts";
import type { LabEndpoints, LabStatus } from "../../src/lab/lab-command.ts";
import { readRunning } from "../../src/lab/lab-directory.ts";
import { root } from "../support/server.ts";
import { tempDir } from "../support/temp-dir.ts";
import { atoll, type Outcome, RunningCommand, runs } from "./lab-process.ts";

const fake = join(root, "test", "lab", "fake-node.ts");

type TestLab = {
  dir: string;
  command: RunningCommand;
  endpoints: LabEndpoints;
  /** A `lab` command on this lab. */
  lab: (...words: string[]) => Promise<Outcome>;
  status: () => Promise<LabStatus>;
  pid: (region: string) => number;
};

function tempLabDir(t: TestContext): string {
  const temp = tempDir("lab");
  t.after(() => temp[Symbol.dispose]());
  return join(temp.path, "lab");
}

/** The words that start a lab of fake nodes in `dir`. */
function words(dir: string, ...more: string[]): string[] {
  return ["lab", "--node", fake, "--port", "0", "--wan", "none", "--dir", dir, ...more];
}

async function start(t: TestContext, dir: string, ...more: string[]): Promise<TestLab> {
  const command = new RunningCommand(words(dir, "--json", ...more));
  t.after(async () => {
    command.child.kill("SIGTERM");
    await command.ended;
  });
  await command.until(({ stdout }) => stdout.endsWith("\n"));
  const endpoints = JSON.parse(command.stdout) as LabEndpoints;
  const lab = (...rest: string[]): Promise<Outcome> => atoll("lab", ...rest, "--dir", dir);
  return {
    dir,
    command,
    endpoints,
    lab,
    status: async () => JSON.parse((await lab("status", "--json")).stdout) as LabStatus,
    pid: (region) => endpoints.regions.find(({ name }) => name === region)?.pid ?? 0,
  };
}

/** Waits for the status to become what is wanted. */
async function eventually(lab: TestLab, holds: (status: LabStatus) => boolean): Promise<LabStatus> {
  const running = readRunning(lab.dir);
  assert.ok(running !== null);
  for (let attempt = 0; ; attempt++) {
    const answer = await callControl(running, { type: "status" });
    assert.ok(answer !== null && "done" in answer);
    const status = answer.done as LabStatus;
    if (holds(status)) return status;
    if (attempt > 1_000) throw new Error(JSON.stringify(status, null, 1));
    await sleep(20);
  }
}

function lag({ links }: LabStatus, from: string, to: string): number | null {
  return links.find((link) => link.from === from && link.to === to)?.lagRecords ?? null;
}

function stateOf({ regions }: LabStatus, name: string): string | undefined {
  return regions.find((region) => region.name === name)?.state;
}

async function pings(url: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.write("PING\r\n");
  const [reply] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return String(reply);
}

test("the lab says in one line where its regions are, and they are there", async (t) => {
  const { command, endpoints, dir, status } = await start(t, tempLabDir(t));
  assert.equal(command.stdout.split("\n").length, 2);
  assert.deepEqual(
    endpoints.regions.map(({ name }) => name),
    ["us-east", "us-west", "eu-west"],
  );
  for (const region of endpoints.regions) {
    assert.deepEqual(Object.keys(region), ["name", "redis", "http", "pid", "dir"]);
    assert.match(region.redis, /^redis:\/\/127\.0\.0\.1:\d+$/);
    assert.equal(region.dir, join(dir, region.name));
    assert.equal(await pings(region.redis), "+PONG\r\n");
    const answer = (await (await fetch(`${region.http}/status`)).json()) as { region: string };
    assert.equal(answer.region, region.name);
    assert.ok(runs(region.pid));
  }
  const { regions, links } = await status();
  assert.deepEqual(Object.keys(regions[0] ?? {}), ["name", "state", "pid", "clockOffsetMs"]);
  assert.deepEqual(Object.keys(links[0] ?? {}), [
    "from",
    "to",
    "cut",
    "delayMs",
    "lagMs",
    "lagRecords",
  ]);
  assert.equal(links.length, 6);
  assert.deepEqual(
    regions.map(({ state }) => state),
    ["ready", "ready", "ready"],
  );
});

test("without --json the lab prints a table and then that it is ready", async (t) => {
  const command = new RunningCommand(words(tempLabDir(t), "--regions", "a,b", "--wan", "7"));
  t.after(() => command.ended);
  await command.until(({ stdout }) => stdout.endsWith("ready\n"));
  assert.match(command.stdout, /^region +redis +http +pid\na +redis:/);
  assert.match(command.stdout, /one way: a – b 7 ms/);
  command.child.kill("SIGINT");
  assert.equal((await command.ended).code, 0);
});

test("real distances lie between known regions", async (t) => {
  const { status } = await start(t, tempLabDir(t), "--wan", "real", "--regions", "us-east,eu-west");
  const { links } = await status();
  assert.deepEqual(
    links.map(({ delayMs }) => delayMs),
    [37.5, 37.5],
  );
});

test("a cut stops a link in both directions or in one, and healing brings back what was missed", async (t) => {
  const lab = await start(t, tempLabDir(t));
  await eventually(lab, (status) => (lag(status, "eu-west", "us-west") ?? 99) < 8);

  assert.equal((await lab.lab("cut", "us-east", "eu-west")).code, 0);
  const cut = await eventually(
    lab,
    (status) =>
      (lag(status, "us-east", "eu-west") ?? 0) > 12 &&
      (lag(status, "eu-west", "us-east") ?? 0) > 12,
  );
  assert.deepEqual(
    cut.links.filter((link) => link.cut).map(({ from, to }) => [from, to]),
    [
      ["eu-west", "us-east"],
      ["us-east", "eu-west"],
    ],
  );
  assert.ok((lag(cut, "us-east", "us-west") ?? 99) < 12, "the other links are whole");

  assert.equal((await lab.lab("heal")).code, 0);
  const whole = await eventually(
    lab,
    (status) =>
      (lag(status, "us-east", "eu-west") ?? 99) < 8 &&
      (lag(status, "eu-west", "us-east") ?? 99) < 8,
  );
  assert.ok(whole.links.every((link) => !link.cut));

  await lab.lab("cut", "us-west", "us-east", "--one-way");
  const oneWay = await lab.status();
  assert.deepEqual(
    oneWay.links.filter((link) => link.cut).map(({ from, to }) => [from, to]),
    [["us-west", "us-east"]],
  );
  await lab.lab("heal", "us-east", "us-west");
  await lab.lab("cut", "us-west");
  const alone = await lab.status();
  assert.equal(alone.links.filter((link) => link.cut).length, 4);
  assert.ok(alone.links.every((link) => link.cut === [link.from, link.to].includes("us-west")));
});

test("a distance can be changed while the lab runs", async (t) => {
  const lab = await start(t, tempLabDir(t), "--regions", "a,b");
  assert.equal((await lab.lab("wan", "b", "a", "80ms")).code, 0);
  assert.deepEqual(
    (await lab.status()).links.map(({ delayMs }) => delayMs),
    [80, 80],
  );
});

test("a killed node is gone when the command returns, and comes back at the same place", async (t) => {
  const lab = await start(t, tempLabDir(t), "--regions", "a,b");
  const [a] = lab.endpoints.regions;
  assert.ok(a !== undefined);
  assert.equal((await lab.lab("kill", "a")).code, 0);
  assert.equal(runs(a.pid), false);
  const killed = await lab.status();
  assert.deepEqual(killed.regions[0], { name: "a", state: "killed", pid: null, clockOffsetMs: 0 });
  assert.equal(lab.command.stderr, "", "what was asked for is no failure");
  assert.equal((await lab.lab("start", "a")).code, 0);
  assert.equal(await pings(a.redis), "+PONG\r\n");
  const back = await lab.status();
  assert.equal(stateOf(back, "a"), "ready");
  assert.notEqual(back.regions[0]?.pid, a.pid);
});

test("a paused node hangs and stays, and goes on when it is started", async (t) => {
  const lab = await start(t, tempLabDir(t), "--regions", "a,b");
  const [a] = lab.endpoints.regions;
  assert.ok(a !== undefined);
  assert.equal((await lab.lab("pause", "a")).code, 0);
  assert.equal(stateOf(await lab.status(), "a"), "paused");
  assert.match(readFileSync(`/proc/${a.pid}/stat`, "utf8"), /\) T /);
  assert.equal((await lab.lab("start", "a")).code, 0);
  assert.equal(await pings(a.redis), "+PONG\r\n");
  assert.equal((await lab.status()).regions[0]?.pid, a.pid);
});

test("a node's clock is set off, stays so over a restart, and is set back", async (t) => {
  const lab = await start(t, tempLabDir(t), "--regions", "a,b");
  const offset = async (): Promise<number> => {
    const url = `${lab.endpoints.regions[0]?.http}/status`;
    const status = (await (await fetch(url)).json()) as { clock: { offsetMs: number } };
    return status.clock.offsetMs;
  };
  assert.equal((await lab.lab("clock", "a", "+1h")).code, 0);
  assert.equal(await offset(), 3_600_000);
  await lab.lab("kill", "a");
  await lab.lab("start", "a");
  assert.equal(await offset(), 3_600_000);
  assert.equal((await lab.lab("clock", "a", "-30s")).code, 0);
  assert.equal(await offset(), -30_000);
  assert.equal((await lab.status()).regions[0]?.clockOffsetMs, -30_000);
  await lab.lab("clock", "a", "0");
  assert.equal(await offset(), 0);
});

test("a node that dies by itself is reported with its last words, and can be started again", async (t) => {
  const lab = await start(t, tempLabDir(t), "--regions", "a,b");
  const [a] = lab.endpoints.regions;
  assert.ok(a !== undefined);
  const socket = connect(Number(new URL(a.redis).port), "127.0.0.1").on("error", () => {});
  socket.write("CRASH\r\n");
  await lab.command.until(({ stderr }) => stderr.includes("atoll lab start a"));
  assert.match(lab.command.stderr, /the node of a failed: it ended with exit code 3/);
  assert.match(lab.command.stderr, /a planted crash/);
  assert.equal(stateOf(await lab.status(), "a"), "failed");
  assert.equal((await lab.lab("start", "a")).code, 0);
  assert.equal(stateOf(await lab.status(), "a"), "ready");
});

test("stop ends every process before it returns", async (t) => {
  const lab = await start(t, tempLabDir(t));
  await lab.lab("pause", "us-west"); // a process that cannot hear
  assert.equal((await lab.lab("stop")).code, 0);
  assert.equal((await lab.command.ended).code, 0);
  for (const { pid } of lab.endpoints.regions) assert.equal(runs(pid), false);
  const after = await lab.lab("status");
  assert.deepEqual([after.code, after.stdout], [2, ""]);
  assert.match(after.stderr, /no lab runs in .*; start one with: atoll lab/);
});

for (const signal of ["SIGINT", "SIGTERM"] as const)
  test(`${signal} leaves no process`, async (t) => {
    const lab = await start(t, tempLabDir(t));
    lab.command.child.kill(signal);
    assert.equal((await lab.command.ended).code, 0);
    for (const { pid } of lab.endpoints.regions) assert.equal(runs(pid), false);
  });

test("a signal while the lab starts leaves no process", async (t) => {
  const dir = tempLabDir(t);
  const command = new RunningCommand(words(dir));
  while (readRunning(dir) === null) await sleep(1);
  command.child.kill("SIGINT");
  await command.ended;
  for (const entry of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    let line = "";
    try {
      line = readFileSync(`/proc/${entry}/cmdline`, "utf8");
    } catch {
      // it has ended meanwhile
    }
    assert.ok(!line.includes(dir), line);
  }
});

test("a lab that is killed takes its nodes with it, even one that was paused, by the next start", async (t) => {
  const dir = tempLabDir(t);
  const lab = await start(t, dir, "--regions", "a,b");
  await lab.lab("pause", "b");
  lab.command.child.kill("SIGKILL");
  await lab.command.ended;
  while (runs(lab.pid("a"))) await sleep(5);
  const next = await start(t, dir, "--regions", "a,b");
  while (runs(lab.pid("b"))) await sleep(5);
  assert.equal(stateOf(await next.status(), "b"), "ready");
});

test("a second lab in the same directory is refused with the pid of the first", async (t) => {
  const { dir, command } = await start(t, tempLabDir(t), "--regions", "a,b");
  const second = await atoll(...words(dir));
  assert.equal(second.code, 1);
  assert.ok(second.stderr.includes(`a lab already runs in ${dir} (pid ${command.child.pid})`));
  assert.equal(second.stdout, "");
});

test("a directory that is not the lab's is refused and not touched", async (t) => {
  const dir = tempLabDir(t);
  mkdirSync(dir);
  writeFileSync(join(dir, "thesis.txt"), "three years of work");
  for (const more of [[], ["--keep"]]) {
    const refused = await atoll(...words(dir, ...more));
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /is not a lab's directory/);
  }
  assert.deepEqual(readdirSync(dir), ["thesis.txt"]);
});

test("the lab's own directory is emptied at start, and kept with --keep", async (t) => {
  const dir = tempLabDir(t);
  const startAndStop = async (...more: string[]): Promise<void> => {
    const lab = await start(t, dir, "--regions", "a", ...more);
    await lab.lab("stop");
    await lab.command.ended;
  };
  await startAndStop();
  const data = join(dir, "a", "data.log");
  writeFileSync(data, "records");
  await startAndStop("--keep");
  assert.equal(readFileSync(data, "utf8"), "records");
  await startAndStop();
  assert.equal(existsSync(data), false);
});

test("a taken port is named, with whose it would be", async (t) => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  const dir = tempLabDir(t);
  const port = String(address.port);
  const refused = await atoll("lab", "--node", fake, "--port", port, "--wan", "none", "--dir", dir);
  assert.equal(refused.code, 1);
  assert.ok(refused.stderr.includes(`port ${port} (RESP of us-east) is taken`), refused.stderr);
  assert.match(refused.stderr, /choose others with --port/);
  assert.equal(existsSync(dir), false);
});

test("a node's own settings in the environment do not reach the lab's nodes", async (t) => {
  const dir = tempLabDir(t);
  const command = new RunningCommand(words(dir, "--json", "--regions", "a"), {
    ATOLL_REGION: "elsewhere",
  });
  t.after(() => command.ended);
  await command.until(({ stdout }) => stdout.endsWith("\n"));
  const { regions } = JSON.parse(command.stdout) as LabEndpoints;
  const status = (await (await fetch(`${regions[0]?.http}/status`)).json()) as {
    environment: string | null;
  };
  assert.equal(status.environment, null);
  command.child.kill("SIGTERM");
});

test("keyspaces and durability reach the nodes", async (t) => {
  const dir = tempLabDir(t);
  mkdirSync(join(dir, ".."), { recursive: true });
  const file = join(dir, "..", "keyspaces.yaml");
  writeFileSync(file, "- { prefix: 'price:', conflict: max }\n");
  const { endpoints } = await start(t, dir, "--keyspaces", file, "--durability", "relaxed");
  const status: unknown = await (await fetch(`${endpoints.regions[0]?.http}/status`)).json();
  assert.ok(typeof status === "object" && status !== null);
  assert.ok("keyspaces" in status && "durability" in status);
  assert.deepEqual(status.keyspaces, [{ prefix: "price:", conflict: "max" }]);
  assert.equal(status.durability, "relaxed");
});

test("words that make no sense end with 2, say what is wrong, and start nothing", async (t) => {
  const dir = tempLabDir(t);
  const file = join(dir, "..", "bad.yaml");
  writeFileSync(file, "- { prefix: a, conflict: last }\n");
  const cases: [words: string[], says: RegExp][] = [
    [["--wan", "far"], /--wan must be real, none/],
    [["--wan", "real", "--regions", "atlantis"], /where "atlantis" lies is not known.*us-east/],
    [["--regions", "a,a"], /named twice/],
    [["--port", "eleven"], /--port must be/],
    [["--durability", "never"], /local, relaxed/],
    [["--keyspaces", file], /bad\.yaml:1:26/],
    [["--colour"], /unknown option/],
    [["ct"], /did you mean|unknown command|too many arguments/i],
    [["clock", "a", "soon"], /"soon" is not an offset/],
    [["wan", "a", "b", "near"], /"near" is not a delay/],
    [["kill"], /missing required argument/],
  ];
  for (const [more, says] of cases) {
    const refused = await atoll(...words(dir, ...more));
    assert.equal(refused.code, 2, `${more.join(" ")}: ${refused.stderr}`);
    assert.match(refused.stderr, says);
    assert.equal(refused.stdout, "");
  }
  assert.equal(existsSync(dir), false);
});

test("a command about a region that is not there says which are", async (t) => {
  const lab = await start(t, tempLabDir(t), "--regions", "us-east,eu-west");
  for (const command of [
    ["kill", "eu-wst"],
    ["cut", "us-east", "eu-wst"],
    ["clock", "eu-wst", "0"],
  ]) {
    const refused = await lab.lab(...command);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /no region "eu-wst"; did you mean "eu-west"\?/);
  }
  assert.equal((await lab.lab("cut", "us-east", "us-east")).code, 1);
});
