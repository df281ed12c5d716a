/** The examples of docs/choosing-consistency.md, run as they stand there, one after the other in one cluster of three regions. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { RespConnection } from "../support/resp-connection.ts";
import { itemsOf, type Reply, textOf } from "../support/resp.ts";
import { root } from "../support/server.ts";
import { ChaosLab } from "./chaos-lab.ts";

interface Step {
  readonly region: string;
  readonly command: string;
  readonly answer: string;
}

const page = readFileSync(join(root, "docs", "choosing-consistency.md"), "utf8");

/** The examples by the heading they stand under. */
function examples(): Map<string, Step[]> {
  const found = new Map<string, Step[]>();
  for (const section of page.split("\n## ").slice(1)) {
    const [, block] = /```redis\n(.*?)```/s.exec(section) ?? [];
    if (block === undefined) continue;
    const steps = block.split(/^(?=[a-z-]+> )/m).map((text): Step => {
      const [, region = "", command = "", answer = ""] =
        /^(\S+)> ([^\n]*)\n(.*)$/s.exec(text) ?? [];
      return { region, command, answer: answer.trimEnd() };
    });
    found.set(section.slice(0, section.indexOf("\n")), steps);
  }
  return found;
}

/** A reply as redis-cli shows it. */
function shown(reply: Reply): string {
  switch (reply.type) {
    case "*":
      return itemsOf(reply)
        .map((item, i) => `${i + 1}) ${shown(item)}`)
        .join("\n");
    case "-":
      return `(error) ${String(textOf(reply))}`;
    case ":":
      return `(integer) ${String(textOf(reply))}`;
    case "+":
      return String(textOf(reply));
    default: {
      const text = textOf(reply);
      return text === null ? "(nil)" : JSON.stringify(String(text));
    }
  }
}

let lab: ChaosLab;
const clients = new Map<string, RespConnection>();

before(async () => {
  lab = await ChaosLab.start("--wan", "20");
  for (const { name, port } of lab.regions) {
    const client = await RespConnection.open(port);
    // Time enough for a busy machine.
    await client.call("AA.LEVEL", "WRITE", "DEFAULT", "TIMEOUT", "60000");
    clients.set(name, client);
  }
});
after(async () => {
  for (const client of clients.values()) client[Symbol.dispose]();
  await lab[Symbol.asyncDispose]();
});

/** What is refused because members have not met yet, or have not heard yet, is asked again. */
const TOO_EARLY = /^\(error\) (AANOQUORUM|AAHOME|AAFROZEN|AASTALE|LOADING|AANORIGHTS)/;

let said = "";

async function run({ region, command }: Step): Promise<string> {
  const client = clients.get(region) ?? assert.fail(`there is no region ${region}`);
  // As redis-cli takes them: quotes keep a word together.
  const words = command
    .split(" ")
    .map((word) => (word === "…" ? said : word.replace(/^'(.*)'$/, "$1")));
  const giveUpMs = performance.now() + 60_000;
  for (;;) {
    const reply = await client.call(...words);
    const text = shown(reply);
    if (TOO_EARLY.test(text) && performance.now() < giveUpMs) continue;
    if (reply.type === "$") said = String(textOf(reply));
    return text;
  }
}

const all = examples();

test("there is an example of every kind of data", () => {
  assert.deepEqual(
    [...all.keys()],
    ["Analytics", "A cart", "A profile", "A feed", "A document", "Inventory", "A ledger", "A lock"],
  );
});

for (const [name, steps] of all)
  test(`the example "${name}" is answered as the page says`, async () => {
    for (const step of steps) {
      const answer = await run(step);
      const [head = "", behind] = step.answer.split("…");
      if (behind === undefined)
        assert.equal(answer, step.answer, `${step.region}> ${step.command}`);
      else assert.ok(answer.startsWith(head), `${step.command} was answered ${answer}`);
    }
  });
