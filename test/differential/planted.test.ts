/**
 * The comparison finds what it is for: faults planted in front of a redis-server are met, shrunk and named.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startServer, type TestServer } from "../support/server.ts";
import { alteringProxy } from "./altering-proxy.ts";
import { runDifferential, specs, type DifferentialResult } from "./differential.ts";
import type { KnownDifference } from "./known-differences.ts";

let reference: TestServer;
let behind: TestServer;

before(async () => {
  reference = await startServer("redis");
  behind = await startServer("redis");
});

after(async () => {
  await reference[Symbol.asyncDispose]();
  await behind[Symbol.asyncDispose]();
});

const word = (args: Buffer[], place: number): string => args[place]?.toString().toUpperCase() ?? "";

async function compareWith(
  alter: (args: Buffer[]) => Buffer[],
  known: readonly KnownDifference[] = [],
  revive?: () => Promise<void>,
): Promise<DifferentialResult> {
  await using proxy = await alteringProxy(behind.port, alter);
  return await runDifferential({
    referencePort: reference.port,
    subjectPort: proxy.port,
    seed: 1,
    count: 20_000,
    most: 1,
    known,
    ...(revive === undefined ? {} : { revive }),
    // Its bytes are no requests that the proxy could read.
    only: specs.map((spec) => spec.name).filter((name) => name !== "QUIT"),
  });
}

test("without a fault nothing differs", async () => {
  const result = await compareWith((args) => args);
  assert.deepEqual(result.differences, []);
  assert.ok(result.total >= 20_000);
});

test("a GETDEL that forgets to delete is shrunk to the command and what it left", async () => {
  const result = await compareWith((args) =>
    word(args, 0) === "GETDEL" ? [Buffer.from("GET"), ...args.slice(1)] : args,
  );
  const [found] = result.differences;
  assert.ok(found?.shrunk);
  assert.ok(found.script.some((line) => /^getdel /i.test(line)));
  assert.ok(found.script.length <= 3, found.script.join("\n"));
});

test("a LIMIT that is ignored is shrunk to two commands or so", async () => {
  const result = await compareWith((args) =>
    word(args, 0) === "SINTERCARD" && word(args, args.length - 2) === "LIMIT" && args.length > 4
      ? [...args.slice(0, -1), Buffer.from("0")]
      : args,
  );
  const [found] = result.differences;
  assert.ok(found?.shrunk);
  assert.match(found.script.at(-1) ?? "", /^sintercard .* limit \S+$/i);
  assert.ok(found.script.length <= 3, found.script.join("\n"));
});

test("a WATCH that watches another key is shrunk to one aborted transaction", async () => {
  const result = await compareWith((args) =>
    word(args, 0) === "WATCH" && args.length > 1
      ? [Buffer.from("WATCH"), Buffer.from("nobody's key")]
      : args,
  );
  const [found] = result.differences;
  assert.ok(found?.shrunk);
  assert.match(found.script.at(-1) ?? "", /^exec$/i);
  assert.ok(found.script.length <= 8, found.script.join("\n"));
});

test("a deadline that is too short is found in the data", async () => {
  const result = await compareWith((args) =>
    word(args, 0) === "SETEX" && Number(args[2]) > 100_000
      ? args.with(2, Buffer.from(String(Number(args[2]) - 60)))
      : args,
  );
  const [found] = result.differences;
  assert.ok(found?.shrunk);
  assert.ok(found.script.length <= 2, found.script.join("\n"));
});

test("a command that ends the process is found, and is all that is left of the script", async () => {
  const revive = async (): Promise<void> => {
    await behind.kill();
    await behind.start();
  };
  const result = await compareWith(
    (args) =>
      word(args, 0) === "HSTRLEN" && args.length === 3
        ? [Buffer.from("SHUTDOWN"), Buffer.from("NOSAVE")]
        : args,
    [],
    revive,
  );
  // The last script that was tried ended it once more.
  await revive();
  const [found] = result.differences;
  assert.ok(found?.shrunk);
  assert.match(found.reason, /connection/);
  assert.match(found.script.join("\n"), /^hstrlen.*$/i);
});

test("a known difference is passed over and counted", async () => {
  const result = await compareWith(
    (args) => (word(args, 0) === "ECHO" ? [Buffer.from("PING"), ...args.slice(1)] : args),
    [
      {
        id: "echo-is-ping",
        command: "ECHO",
        redis: "refuses a missing argument as echo",
        atoll: "refuses it as ping",
        reason: "planted",
        excuses: (difference) =>
          difference.step?.kind === "command" &&
          word(difference.step.args, 0) === "ECHO" &&
          difference.reference.toString().includes("'echo'"),
      },
    ],
  );
  assert.deepEqual(result.differences, []);
  assert.ok((result.known["echo-is-ping"] ?? 0) > 0);
});
