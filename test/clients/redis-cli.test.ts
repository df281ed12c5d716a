/**
 * Redis's own tools work unchanged: redis-cli and redis-benchmark.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, test } from "node:test";
import { atExit } from "../support/cleanup.ts";
import { RespConnection } from "../support/resp-connection.ts";
import { encodeCommand } from "../support/resp.ts";
import { startSubject, type TestServer } from "../support/server.ts";

let server: TestServer;

before(async () => {
  server = await startSubject();
});

after(async () => {
  await server[Symbol.asyncDispose]();
});

test("redis-cli sets and gets, and shows types as it does with Redis", async () => {
  assert.equal(await cli(["SET", "cli:k", "v"]), "OK\n");
  assert.equal(await cli(["GET", "cli:k"]), "v\n");
  assert.equal(await cli(["--no-raw", "GET", "cli:none"]), "(nil)\n");
  assert.equal(await cli(["--no-raw", "STRLEN", "cli:k"]), "(integer) 1\n");
  assert.match(await cli(["--no-raw", "HGET", "cli:k", "f"]), /^\(error\) WRONGTYPE /);
});

test("redis-cli reads commands from its input, transactions and other databases among them", async () => {
  const output = await cli(
    [],
    "SELECT 2\nSET a 1\nMULTI\nINCR a\nINCR a\nEXEC\nSELECT 0\nEXISTS a\n",
  );
  assert.equal(output, "OK\nOK\nOK\nQUEUED\nQUEUED\n2\n3\nOK\n0\n");
});

test("redis-cli -3 shows the types of RESP3", async () => {
  await cli(["HSET", "cli:h", "field", "value"]);
  assert.equal(await cli(["-3", "--no-raw", "HGETALL", "cli:h"]), '1# "field" => "value"\n');
  await cli(["SADD", "cli:s", "member"]);
  assert.equal(await cli(["-3", "--no-raw", "SMEMBERS", "cli:s"]), '1~ "member"\n');
});

test("redis-cli -n and --scan look into one database", async () => {
  for (let i = 0; i < 30; i++) await cli(["-n", "5", "SET", `scan:${i}`, "x"]);
  const found = (await cli(["-n", "5", "--scan", "--pattern", "scan:*"])).trim().split("\n");
  assert.equal(new Set(found).size, 30);
});

test("redis-cli --stat prints a line of figures", async () => {
  // It goes on for ever; the first line of figures is enough.
  const output = await cli(["--stat", "-i", "0.1"], undefined, /\n\d+ +[\d.]+[KMG]? +\d+ .*\n/);
  assert.match(output, /keys +mem +clients/);
});

test("redis-cli --bigkeys names the biggest of each type", async () => {
  await cli(["SET", "cli:biggest", "x".repeat(5_000)]);
  await cli(["HSET", "cli:widest", ...Array.from({ length: 40 }, (_, i) => [`f${i}`, "v"]).flat()]);
  const output = await cli(["--bigkeys"]);
  assert.match(output, /Biggest string found ["']+cli:biggest["']+ has 5000 bytes/);
  assert.match(output, /Biggest +hash found ["']+cli:widest["']+ has 40 fields/);
});

test("redis-cli --memkeys and --hotkeys name what takes memory and what is used", async () => {
  await cli(["SET", "cli:heaviest", "x".repeat(50_000)]);
  assert.match(
    await cli(["--memkeys"]),
    /Biggest string found ["']+cli:heaviest["']+ has \d+ bytes/,
  );
  await cli(["CONFIG", "SET", "maxmemory-policy", "allkeys-lfu"]);
  const output = await cli(["--hotkeys"]);
  await cli(["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
  assert.match(output, /hot key found with counter: \d+\s+keyname: /);
});

test("redis-cli MONITOR shows what others run, without their passwords", async () => {
  using connection = await RespConnection.open(server.port);
  const shown = cli(["MONITOR"], undefined, /"monitored" "a\\x00b"/);
  // Until the monitor listens nobody is told; so the command comes again until it was seen.
  let seen = false;
  void shown.then(() => (seen = true));
  while (!seen) {
    await connection.call("AUTH", "default", "secret");
    await connection.call("SET", "monitored", Buffer.from("a\0b"));
  }
  const output = await shown;
  assert.match(output, /^OK\n/);
  assert.match(output, /\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] "SET" "monitored" "a\\x00b"/);
  assert.doesNotMatch(output, /secret/);
});

test("redis-cli --latency and SLOWLOG measure", async () => {
  assert.match(
    await cli(["--latency", "--raw", "-i", "0.2"], undefined, /\d+ [\d.]+ [\d.]+ \d+/),
    /\d+ [\d.]+/,
  );
  await cli(["CONFIG", "SET", "slowlog-log-slower-than", "0"]);
  await cli(["ECHO", "slow"]);
  await cli(["CONFIG", "SET", "slowlog-log-slower-than", "10000"]);
  assert.match(await cli(["SLOWLOG", "GET"]), /ECHO\nslow\n/i);
});

test("redis-cli --pipe inserts in mass", async () => {
  const commands = Array.from({ length: 5_000 }, (_, i) => encodeCommand(["SET", `pipe:${i}`, i]));
  const output = await cli(["--pipe"], Buffer.concat(commands));
  assert.match(output, /errors: 0, replies: 5000/);
  assert.equal(await cli(["GET", "pipe:4999"]), "4999\n");
});

test("redis-benchmark finishes without errors, and its writes are there", async () => {
  using connection = await RespConnection.open(server.port);
  await connection.call("FLUSHALL");
  const output = await run("redis-benchmark", [
    ...["-p", String(server.port), "-t", "set,get,incr,sadd,hset,mset", "-P", "16"],
    ...["-n", "20000", "-c", "20", "-r", "1000", "-d", "64", "--csv", "-e"],
  ]);
  assert.doesNotMatch(output, /error/i);
  // A heading and one line for each test.
  const tests = output.split("\n").filter((line) => /^"(SET|GET|INCR|SADD|HSET|MSET)/.test(line));
  assert.equal(tests.length, 6, output);
  // INCR counts on `counter:<random>`; together they are all that were made.
  const keys = (await cli(["--scan", "--pattern", "counter:*"])).trim().split("\n");
  const counts = await connection.pipeline(keys.map((key) => ["GET", key]));
  const sum = counts.reduce((total, one) => total + Number("text" in one ? one.text : 0), 0);
  assert.equal(sum, 20_000);
});

test("redis-benchmark's whole default run finishes, every test of it", async () => {
  const output = await run("redis-benchmark", [
    "-p",
    String(server.port),
    "-n",
    "1000",
    "-q",
    "-e",
  ]);
  assert.doesNotMatch(output, /error/i);
  const tests = [...output.matchAll(/([A-Z][A-Z_0-9]+)[^:\r\n]*: [\d.]+ requests per second/g)];
  assert.deepEqual(
    tests.map(([, name]) => name),
    [
      ...["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "LPUSH", "RPUSH", "LPOP", "RPOP"],
      ...["SADD", "HSET", "SPOP", "ZADD", "ZPOPMIN", "LPUSH"],
      ...["LRANGE_100", "LRANGE_300", "LRANGE_500", "LRANGE_600", "MSET"],
    ],
  );
});

function cli(args: string[], input?: string | Buffer, enough?: RegExp): Promise<string> {
  return run("redis-cli", ["-p", String(server.port), ...args], input, enough);
}

/** What it wrote to stdout. Ends it as soon as that contains `enough`; rejects when it fails or takes a minute. */
function run(
  file: string,
  args: string[],
  input?: string | Buffer,
  enough?: RegExp,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ["pipe", "pipe", "pipe"] });
    const forget = atExit(() => child.kill("SIGKILL"));
    const timer = setTimeout(() => child.kill("SIGKILL"), 60_000);
    let output = "";
    let errors = "";
    let ended = false;
    child.stdout.on("data", (chunk) => {
      output += String(chunk);
      if (enough?.test(output) === true) {
        ended = true;
        child.kill("SIGKILL");
      }
    });
    child.stderr.on("data", (chunk) => (errors += String(chunk)));
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      forget();
      if (code === 0 || ended) resolve(output);
      else reject(new Error(`${file} ended with ${signal ?? String(code)}\n${output}\n${errors}`));
    });
  });
}
