/**
 * A lab with its gateway: clients of two makers keep their connections while a region dies, comes back, is cut off and is drained.
 *
 * Nothing waits for a fixed time: clients work until what was waited for has come.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { setTimeout as pause } from "node:timers/promises";
import { Redis } from "ioredis5";
import { createClient } from "redis5";
import { atoll, RunningCommand } from "../lab/lab-process.ts";
import { tempDir } from "../support/temp-dir.ts";
import { dig } from "../support/dig.ts";

const POLL_MS = 100;
const LAB_REGIONS = ["us-east", "us-west", "eu-west"];
/** So that a client on a busy machine that is merely slow is no failure. */
const GAP_MS_MAX = 10_000;

const dir = tempDir("gateway");
let lab: RunningCommand;
let gatewayPort = 0;
let gatewayUrl = "";
let dnsPort = 0;
let httpUrls: string[] = [];
let redisPorts: { host: string; port: number }[] = [];

before(async () => {
  const words = ["lab", "--traffic", "--json", "--port", "0", "--wan", "5", "--dir", dir.path];
  lab = new RunningCommand(words);
  await lab.until(({ stdout }) => stdout.includes("\n"));
  const endpoints = JSON.parse(lab.stdout) as {
    regions: { http: string; redis: string }[];
    traffic: { redis: string; http: string; dns: string[] };
  };
  gatewayPort = Number(new URL(endpoints.traffic.redis).port);
  dnsPort = Number(new URL(endpoints.traffic.dns[0] as string).port);
  gatewayUrl = endpoints.traffic.http;
  httpUrls = endpoints.regions.map(({ http }) => http);
  redisPorts = endpoints.regions.map(({ redis }) => {
    const { hostname, port } = new URL(redis);
    return { host: hostname, port: Number(port) };
  });
});

after(async () => {
  lab.child.kill("SIGTERM");
  await lab.ended;
  dir[Symbol.dispose]();
});

const inLab = async (...words: string[]): Promise<void> => {
  const { code, stderr } = await atoll(...words, "--dir", dir.path);
  assert.equal(code, 0, stderr);
};

/** How many clients of its name each region has. */
async function served(name: string): Promise<number[]> {
  return await Promise.all(
    redisPorts.map(async ({ host, port }) => {
      const client = new Redis({ host, port, lazyConnect: true, retryStrategy: () => null });
      client.on("error", () => {});
      try {
        await client.connect();
        const list = String(await client.client("LIST"));
        return list.split("\n").filter((line) => line.includes(` name=${name} `)).length;
      } catch {
        return 0;
      } finally {
        client.disconnect();
      }
    }),
  );
}

/** Waits until a region serves so many of the clients of this name. */
async function untilServed(name: string, region: number, count: number): Promise<void> {
  while ((await served(name))[region] !== count) await pause(POLL_MS);
}

/** Waits until others than the first region serve so many of the clients of this name: which of them is nearer is a matter of moments. */
async function untilServedElsewhere(name: string, count: number): Promise<void> {
  for (;;) {
    const [, ...others] = await served(name);
    if (others.reduce((sum, one) => sum + one, 0) === count) return;
    await pause(POLL_MS);
  }
}

/** Reads and safe writes, one after the other, until it is stopped. */
interface Worker {
  readonly errors: string[];
  done: number;
  gapMs: number;
  stop(): Promise<void>;
}

function work(step: (i: number) => Promise<void>): Worker {
  let isOver = false;
  const worker = { errors: [] as string[], done: 0, gapMs: 0 };
  const running = (async () => {
    for (let i = 0; !isOver; i++) {
      const begunMs = performance.now();
      await step(i).catch((error: unknown) => worker.errors.push(String(error)));
      worker.done++;
      worker.gapMs = Math.max(worker.gapMs, performance.now() - begunMs);
    }
  })();
  return Object.assign(worker, {
    async stop() {
      isOver = true;
      await running;
    },
  });
}

/** Asks over HTTP; the region that answered. */
async function ask(): Promise<string> {
  const answer = await fetch(`${gatewayUrl}/status`);
  const { region } = (await answer.json()) as { region?: string };
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("atoll-region"), region);
  return region ?? "";
}

/** Waits until requests are answered by a region, or by any other. */
async function untilAsked(holds: (region: string) => boolean): Promise<void> {
  while (!holds(await ask())) await pause(POLL_MS);
}

/** Each has done something since. */
async function untilAllWorked(workers: readonly Worker[]): Promise<void> {
  const earlier = workers.map(({ done }) => done);
  while (workers.some(({ done }, i) => done < (earlier[i] as number) + 5)) await pause(POLL_MS);
}

test("kill -9 of a region: clients through the gateway see no error on idempotent requests, keep their connections, and go home when it is back", async (t) => {
  await using stack = new AsyncDisposableStack();
  const closed: string[] = [];
  const workers: Worker[] = [];
  // What a region acknowledged in its last milliseconds may be nowhere else yet, and waits for it to come back.
  let older = 0;
  for (let c = 0; c < 4; c++) {
    const client = new Redis({
      port: gatewayPort,
      connectionName: "worker",
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
    });
    stack.defer(() => client.disconnect());
    client.on("error", (error) => closed.push(String(error)));
    client.on("close", () => closed.push("ioredis"));
    workers.push(
      work(async (i) => {
        await client.set(`k${c}`, i);
        if ((await client.get(`k${c}`)) !== String(i)) older++;
        await client.sadd(`s${c}`, `m${i % 10}`);
      }),
    );
  }
  const other = createClient({
    socket: { port: gatewayPort, reconnectStrategy: false },
    name: "worker",
    RESP: 3,
  });
  other.on("error", (error) => closed.push(String(error)));
  await other.connect();
  stack.defer(() => other.destroy());
  workers.push(
    work(async (i) => {
      await other.hSet("h", "f", i);
      if ((await other.hGet("h", "f")) !== String(i)) older++;
    }),
  );
  for (let c = 0; c < 2; c++) workers.push(work(async () => void (await ask())));
  const listener = new Redis({ port: gatewayPort, connectionName: "listener" });
  stack.defer(() => listener.disconnect());
  const heard: string[] = [];
  listener.on("message", (_channel, message) => heard.push(message));
  listener.on("close", () => closed.push("listener"));
  await listener.subscribe("news");
  await untilServed("worker", 0, 5);
  await untilAsked((region) => region === "us-east");
  await untilAllWorked(workers);

  await inLab("lab", "kill", "us-east");
  await untilServedElsewhere("listener", 1);
  await untilAsked((region) => region !== "us-east");
  await untilAllWorked(workers);
  const speaker = new Redis({ port: gatewayPort });
  stack.defer(() => speaker.disconnect());
  while (heard.length === 0) {
    await speaker.publish("news", "after");
    await pause(POLL_MS);
  }

  await inLab("lab", "start", "us-east");
  await untilServed("worker", 0, 5);
  await untilAsked((region) => region === "us-east");
  await untilAllWorked(workers);
  // So that nobody is counted who is ended by us.
  await Promise.all(workers.map((worker) => worker.stop()));
  const gapMs = Math.max(...workers.map((worker) => worker.gapMs));
  t.diagnostic(
    `${workers.reduce((sum, { done }) => sum + done, 0)} rounds, the longest took ${Math.round(gapMs)} ms, ${older} read what was older`,
  );
  assert.deepEqual(
    workers.flatMap(({ errors }) => errors),
    [],
  );
  assert.deepEqual(closed, []);
  assert.ok(older <= workers.length, "at most what each wrote last was not there");
  assert.ok(gapMs < GAP_MS_MAX, `${gapMs} ms without service`);
});

test("a cut between two regions moves nobody", async () => {
  await using stack = new AsyncDisposableStack();
  const client = new Redis({ port: gatewayPort, connectionName: "still" });
  stack.defer(() => client.disconnect());
  await client.set("a", 1);
  await untilServed("still", 0, 1);
  const idOf = async (): Promise<string> => String(await client.client("ID"));
  const id = await idOf();
  await inLab("lab", "cut", "us-east", "eu-west");
  for (;;) {
    const { troubles } = (await (await fetch(`${httpUrls[0]}/traffic/status`)).json()) as {
      troubles: { kind: string }[];
    };
    if (troubles.length > 0) break;
    await client.set("a", 2);
    await pause(POLL_MS);
  }
  assert.equal(await idOf(), id, "the same connection to the same region");
  await inLab("lab", "heal");
});

test("a drained region is left without an error, by whoever waits for something too when it has come, and what a session wrote is there", async () => {
  await using stack = new AsyncDisposableStack();
  const clients = Array.from({ length: 2 }, () => {
    const client = new Redis({ port: gatewayPort, connectionName: "moved" });
    stack.defer(() => client.disconnect());
    return client;
  });
  const [client, waiter] = clients as [Redis, Redis];
  await untilServed("moved", 0, 2);
  const popped = waiter.blpop("queue", 0);
  const asking = work(async () => void (await ask()));
  const evacuating = inLab("route", "evacuate", "us-east", "--for", "10m");
  let i = 0;
  while ((await served("moved"))[0] !== 1) {
    await client.set("mine", ++i);
    assert.equal(await client.get("mine"), String(i));
  }
  const direct = new Redis({ ...(redisPorts[0] as { host: string; port: number }) });
  stack.defer(() => direct.disconnect());
  await direct.lpush("queue", "x");
  assert.deepEqual(await popped, ["queue", "x"]);
  await untilServed("moved", 0, 0);
  assert.equal(await waiter.get("mine"), String(i));
  assert.notEqual(await ask(), "us-east");
  await asking.stop();
  assert.deepEqual(asking.errors, []);
  await evacuating;
  await inLab("route", "reset", "us-east");
});

test("a region is drained step by step under load without an error, who keeps coming is named, and it gets its traffic back", async () => {
  await using stack = new AsyncDisposableStack();
  const client = new Redis({ port: gatewayPort, connectionName: "stepped" });
  stack.defer(() => client.disconnect());
  const stubborn = new Redis({
    ...(redisPorts[0] as { host: string; port: number }),
    connectionName: "stubborn",
  });
  stack.defer(() => stubborn.disconnect());
  await untilServed("stepped", 0, 1);
  await dig(dnsPort, "app.lab");
  const workers = [
    work(async (i) => {
      await client.set("stepped", i);
      assert.equal(await client.get("stepped"), String(i));
    }),
    work(async () => void (await ask())),
    work(async () => {
      await stubborn.incr("stubborn");
      await pause(POLL_MS);
    }),
  ];
  const words = ["--step", "1s", "--why", "kernel", "--dir", dir.path, "--json"];
  const { code, stdout, stderr } = await atoll("route", "drain", "us-east", ...words);
  assert.equal(code, 0, stderr);
  const report = JSON.parse(stdout) as {
    done: string;
    clients: { name: string; address: string; open: number }[];
    resolvers: { server: string; address: string }[];
  };
  assert.match(report.done, /us-east is drained, and all others have everything/);
  assert.deepEqual(
    report.clients.filter(({ open }) => open > 0).map(({ name }) => name),
    ["stubborn"],
  );
  assert.ok(report.resolvers.some(({ server, address }) => server === "us-east" && address !== ""));
  const back = await atoll("route", "failback", "us-east", ...words);
  assert.equal(back.code, 0, back.stderr);
  await untilServed("stepped", 0, 1);
  for (const worker of workers) await worker.stop();
  assert.deepEqual(
    workers.flatMap(({ errors }) => errors),
    [],
  );
});

test("whoever stops a drain in the middle is told what holds, and how to go on and back", async () => {
  const draining = new RunningCommand(["route", "drain", "us-west", "--dir", dir.path]);
  await draining.until(({ stderr }) => stderr.includes("plan "));
  draining.child.kill("SIGINT");
  const { code } = await draining.ended;
  assert.equal(code, 1);
  assert.match(draining.stderr, /Plan \d+ holds, and ends by itself after 1h.*route reset us-west/);
  await inLab("route", "reset", "us-west");
});

test("a gateway that is a process of its own leads clients to the regions, and ends in order", async () => {
  const file = join(dir.path, "gateway.yaml");
  const regions = httpUrls.map((http, i) => {
    const { host, port } = redisPorts[i] as { host: string; port: number };
    return { name: LAB_REGIONS[i], probes: [http], redis: `redis://${host}:${port}`, http };
  });
  const both = { port: 0, http: { port: 0, health: "/health/ready" } };
  const settings = { region: LAB_REGIONS[1], traffic: { gateway: both, regions } };
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(settings));
  const gateway = new RunningCommand(["gateway", "--config", file]);
  try {
    await gateway.until(({ stderr }) => stderr.includes("listens"));
    const [, redis, url] = /listens: (redis:\S+) (http:\S+)/.exec(gateway.stderr) ?? [];
    const port = Number(new URL(redis ?? "").port);
    assert.equal((await fetch(`${url}/health/ready`)).status, 200);
    const client = new Redis({ port, connectionName: "alone" });
    client.on("error", () => {});
    assert.equal(await client.set("alone", "1"), "OK");
    assert.equal(await client.get("alone"), "1");
    assert.equal(Math.max(...(await served("alone"))), 1);
    client.disconnect();
  } finally {
    gateway.child.kill("SIGTERM");
  }
  assert.equal((await gateway.ended).code, 0, gateway.stderr);
  const [{ http: _http, ...incomplete } = {}, ...others] = regions;
  writeFileSync(
    file,
    JSON.stringify({ ...settings, traffic: { gateway: both, regions: [incomplete, ...others] } }),
  );
  const lacking = await atoll("gateway", "--config", file);
  assert.equal(lacking.code, 2);
  assert.match(lacking.stderr, /needs `http`: where the gateway leads clients/);
  writeFileSync(file, JSON.stringify({ ...settings, traffic: { regions } }));
  const refused = await atoll("gateway", "--config", file);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /has no `traffic\.gateway`/);
});

test("a gateway speaks TLS to its clients and is measured; with a certificate or key that is of no use it does not start, and says why", async () => {
  const file = join(dir.path, "tls.yaml");
  const [cert, key] = ["cert", "key"].map((name) =>
    fileURLToPath(new URL(`../../testdata/tls/${name}.pem`, import.meta.url)),
  ) as [string, string];
  const regions = httpUrls.map((http, i) => {
    const { host, port } = redisPorts[i] as { host: string; port: number };
    return { name: LAB_REGIONS[i], probes: [http], redis: `redis://${host}:${port}` };
  });
  const write = (tls: { cert: string; key: string }): void =>
    writeFileSync(
      file,
      JSON.stringify({
        region: LAB_REGIONS[0],
        traffic: { gateway: { port: 0, metrics: { port: 0 }, ...tls }, regions },
      }),
    );
  write({ cert, key });
  const gateway = new RunningCommand(["gateway", "--config", file]);
  try {
    await gateway.until(({ stderr }) => stderr.includes("listens"));
    const [, redis, metrics] = /listens: (rediss:\S+) (http:\S+)/.exec(gateway.stderr) ?? [];
    const port = Number(new URL(redis ?? "").port);
    const client = new Redis({ port, tls: { ca: readFileSync(cert), servername: "localhost" } });
    client.on("error", () => {});
    assert.equal(await client.set("secret", "1"), "OK");
    assert.equal(await client.get("secret"), "1");
    const answer = await fetch(metrics ?? "");
    const text = await answer.text();
    assert.match(text, /^atoll_gateway_connections\{protocol="redis"\} 1$/m);
    assert.match(text, /^atoll_gateway_requests_total\{protocol="redis"\} [2-9]/m);
    assert.match(text, /^atoll_route_up\{region="us-east"\} 1$/m);
    client.disconnect();
  } finally {
    gateway.child.kill("SIGTERM");
  }
  assert.equal((await gateway.ended).code, 0, gateway.stderr);
  const missing = join(dir.path, "missing.pem");
  for (const tls of [
    { cert: missing, key },
    { cert, key: missing },
    { cert, key: cert },
    { cert: file, key },
  ]) {
    write(tls);
    const refused = await atoll("gateway", "--config", file);
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(refused.stderr, /cannot speak TLS with the certificate \S+ and the key \S+: \S/);
  }
});
