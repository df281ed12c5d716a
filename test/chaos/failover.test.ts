/** `failover: auto` over real processes: the home of a region that is cut off goes to another one, and nobody loses anything in silence. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { RespConnection } from "../support/resp-connection.ts";
import { ChaosLab } from "./chaos-lab.ts";

const NAMES = ["us-east", "us-west", "eu-west"] as const;
type Name = (typeof NAMES)[number];

let lab: ChaosLab;

before(async () => {
  lab = await ChaosLab.withKeyspaces(
    '- { prefix: "auto:", writes: home, home: us-east, failover: auto }\n',
  );
});
after(async () => {
  await lab[Symbol.asyncDispose]();
});

async function ask(region: Name, ...words: string[]): Promise<string> {
  const { port } = lab.regions.find(({ name }) => name === region) ?? { port: 0 };
  using client = await RespConnection.open(port);
  const { raw } = await client.call(...words);
  return raw.latin1Slice();
}

/** Asks again and again until the reply is of a kind; no other errors than those of who may not write now. */
async function until(wanted: RegExp, region: Name, ...words: string[]): Promise<string> {
  for (;;) {
    const reply = await ask(region, ...words);
    if (wanted.test(reply)) return reply;
    assert.doesNotMatch(reply, /^-(?!AAHOME|AAUNKNOWN|AANOQUORUM)/, words.join(" "));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test("the home of a region that is cut off goes to another, and what it had not shipped comes back as a conflict", async () => {
  await until(/^\+OK/, "us-east", "SET", "auto:k", "before");
  await until(/before/, "us-west", "GET", "auto:k");
  await lab.do("cut", "us-east");
  // For as long as its lease lasts it goes on.
  assert.equal(await ask("us-east", "SET", "auto:k", "unshipped"), "+OK\r\n");
  await until(/^-AAHOME/, "us-east", "SET", "auto:other", "v");
  assert.match(await ask("us-east", "GET", "auto:k"), /unshipped/, "it is read all the same");
  await until(/^\+OK/, "us-west", "SET", "auto:k", "after");
  await until(/^\+OK/, "eu-west", "SET", "auto:from-eu", "v");
  await lab.do("heal");
  for (const name of NAMES) await until(/after/, name, "GET", "auto:k");
  for (const name of NAMES) await until(/unshipped/, name, "AA.CONFLICTS");
  // Who was replaced forwards from now on.
  await until(/^\+OK/, "us-east", "SET", "auto:k", "forwarded");
  for (const name of NAMES) await until(/forwarded/, name, "GET", "auto:k");
  const status = await Promise.all(NAMES.map((name) => lab.status(name)));
  const taken = status.map(({ lease }) => lease.taken);
  assert.deepEqual(
    taken.toSorted((a, b) => a - b),
    [0, 0, 1],
    "one region took it over, once",
  );
});
