import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfig, parseKeyspaces } from "./config.ts";
import { exampleConfig } from "./config-example.ts";
import { parseBytes, parseMs, parseOffsetMs } from "./quantity.ts";

function config(yaml: string, env: Record<string, string> = {}) {
  const outcome = parseConfig(yaml, env, "node.yaml");
  assert.ok("config" in outcome, JSON.stringify(outcome));
  return outcome.config;
}

function problems(yaml: string, env: Record<string, string> = {}): string[] {
  const outcome = parseConfig(yaml, env, "node.yaml");
  return "problems" in outcome ? outcome.problems : [];
}

test("an empty file is a whole configuration", () => {
  const { member, members, resp, durability } = config("");
  assert.deepEqual([member, members, durability], ["local/1", ["local/1"], "local"]);
  assert.deepEqual(resp, { host: "127.0.0.1", port: 6379, maxClients: 10_000 });
});

test("the file that `atoll init` writes shows every setting at its default", () => {
  assert.deepEqual(config(exampleConfig()), config(""));
  const shown = exampleConfig().replaceAll(/^# ?(members:)/gm, "$1");
  for (const name of Object.keys(config("")).filter((key) => key !== "member"))
    assert.match(shown, new RegExp(`^${name}:`, "m"), name);
});

test("a node of a cluster counts itself and its links as members", () => {
  const { members, replication } = config(`
region: us-east
replication:
  secret: reef
  links:
    - { to: us-west/1, address: "10.0.0.2:7379" }
    - { to: eu-west/2, address: "eu.example.com:7379" }
`);
  assert.deepEqual(members, ["eu-west/2", "us-east/1", "us-west/1"]);
  assert.deepEqual(
    replication.links.map((link) => link.address),
    ["10.0.0.2:7379", "eu.example.com:7379"],
  );
});

test("sizes and durations may be written with their units", () => {
  const { log, checkpoint, protoMaxBulkLen } = config(
    "protoMaxBulkLen: 32mb\nlog: { minRetainMs: 1h, maxBytes: 1 GiB }\ncheckpoint: { everyMs: 30s, everyBytes: 1048576 }",
  );
  assert.equal(protoMaxBulkLen, 33_554_432);
  assert.deepEqual(log, { minRetainMs: 3_600_000, maxBytes: 1_073_741_824, maxAgeMs: 86_400_000 });
  assert.deepEqual(checkpoint, { everyMs: 30_000, everyBytes: 1_048_576 });
});

test("keyspace events are chosen by their classes", () => {
  assert.equal(config("").notifyKeyspaceEvents, "");
  assert.equal(config("notifyKeyspaceEvents: KEA").notifyKeyspaceEvents, "KEA");
  assert.deepEqual(problems("notifyKeyspaceEvents: KEy"), [
    'node.yaml:1:23: `notifyKeyspaceEvents` must be classes of events, such as KEA, or empty for none; it is "KEy"',
  ]);
});

test("a problem names the line, the column, what is wrong and the mend", () => {
  const cases: [yaml: string, problem: string][] = [
    ["resp:\n  prot: 7001", 'node.yaml:2:3: `resp.prot` is not a setting; did you mean "port"?'],
    [
      "replication:\n  port: 70000",
      "node.yaml:2:9: `replication.port` must be a port, 0 to 65535 (0 picks a free one); it is 70000",
    ],
    [
      "durability: always",
      'node.yaml:1:13: `durability` must be one of local, relaxed; it is "always"',
    ],
    [
      "databases: many",
      'node.yaml:1:12: `databases` must be a number of databases, 1 to 16384; it is "many"',
    ],
    [
      "\nrequirepass: 1234",
      "node.yaml:2:14: `requirepass` must be text, in quotes if it looks like a number; it is 1234",
    ],
    [
      "log: { maxBytes: 1 bushel }",
      'node.yaml:1:18: `log.maxBytes` must be bytes, 256MiB or more, such as 8GiB; it is "1 bushel"',
    ],
    [
      "resp: 6379",
      "node.yaml:1:7: `resp` must be a group of settings, each on its own indented line; it is 6379",
    ],
    ["region: EU West", /small letters, digits and hyphens.*it is "EU West"/.source],
    [
      "members: [eu-west/1]",
      "node.yaml:1:10: `members` must contain this node, local/1; add it to the list",
    ],
    [
      "replication:\n  secret: s\n  links:\n    - to: eu-west/1\n",
      "node.yaml:4:7: `replication.links[1].address` must be host:port; it is missing",
    ],
    [
      "keyspaces:\n  - prefix: a\n    conflict: newest",
      'node.yaml:3:15: `keyspaces[1].conflict` must be one of lww, fww, siblings, max, min, or a module such as ./resolve-cart.cjs; it is "newest"',
    ],
    [
      "keyspaces:\n  - prefix: a\n    format: bits",
      'node.yaml:3:13: `keyspaces[1].format` must be one of bitmap, lww-set, lww-strict; it is "bits"',
    ],
    [
      "keyspaces:\n  - prefix: a\n    conflict: lww\n    pop: strong",
      'node.yaml:4:10: `keyspaces[1].pop` must be local or owner: this version has no strong, so let the owner of a key pop; it is "strong"',
    ],
    [
      "keyspaces:\n  - prefix: a\n    conflict: lww\n    writes: everywhere",
      'node.yaml:4:13: `keyspaces[1].writes` must be one of local, home, global; it is "everywhere"',
    ],
    [
      "keyspaces:\n  - prefix: a\n    writes: home\n    failover: auto",
      "node.yaml:4:15: `keyspaces[1].failover` auto is for keyspaces with `writes: home` and a `home`; add those, or remove it",
    ],
    [
      "keyspaces:\n  - prefix: a\n    residency: [eu-west]",
      "node.yaml:3:5: `keyspaces[1].residency` is not available in this version; remove the line",
    ],
  ];
  for (const [yaml, expected] of cases) {
    const found = problems(yaml);
    const hit = found.some((one) => one === expected || new RegExp(expected).test(one));
    assert.ok(hit, `${yaml}\n→ ${found.join("\n→ ")}\nnot: ${expected}`);
  }
});

test("all problems are named at once, each of them once", () => {
  const found = problems("regoin: x\nresp: { port: -1 }\nlogLevel: loud");
  assert.equal(found.length, 3, found.join("\n"));
});

test("what is not YAML is named with its place", () => {
  assert.match(problems("region: [a")[0] as string, /^node\.yaml:\d+:\d+: is not valid YAML/);
  assert.match(problems("region: a\nregion: b")[0] as string, /^node\.yaml:2:1: is not valid YAML/);
  assert.match(problems("just a text")[0] as string, /one `name: value` a line/);
});

test("links that lead nowhere, to oneself or twice to one member are refused", () => {
  const links = (...list: string[]): string[] =>
    problems(`replication: { secret: s, links: [${list.join(",")}] }`);
  assert.match(links("{to: local/1, address: 'a:1'}").join(), /is this node itself/);
  assert.match(
    links("{to: b/1, address: 'a:1'}", "{to: b/1, address: 'a:2'}").join(),
    /second link to b\/1/,
  );
  assert.match(links("{to: b/1, address: 'a:0'}").join(), /a port, 1 to 65535/);
  assert.match(links("{to: b/1, address: nowhere}").join(), /must be host:port/);
});

test("a node that peers can reach needs a secret", () => {
  const wanted = /`replication.secret` must be set/;
  assert.match(problems("replication: { links: [{to: b/1, address: 'b:1'}] }").join(), wanted);
  assert.match(problems("replication: { host: 0.0.0.0 }").join(), wanted);
  assert.match(problems("members: [local/1, b/1]").join(), wanted);
});

test("the environment overrides the file, and its problems name the variable", () => {
  const env = {
    ATOLL_RESP_PORT: "7001",
    ATOLL_RESP_MAX_CLIENTS: "5",
    ATOLL_REPLICATION_SECRET: "0123",
    ATOLL_REPLICATION_LINKS: '[{to: b/1, address: "b:1"}]',
    ATOLL_LOG_MIN_RETAIN_MS: "2m",
    ATOLL_SERVICE_HOST: "10.0.0.1", // what an orchestrator sets for a service of our name
  };
  const { resp, replication, log } = config("resp: { port: 6000 }", env);
  assert.deepEqual([resp.port, resp.maxClients], [7001, 5]);
  assert.deepEqual([replication.secret, replication.links.length], ["0123", 1]);
  assert.equal(log.minRetainMs, 120_000);
  assert.deepEqual(problems("", { ATOLL_RESP_PORT: "high" }), [
    'environment ATOLL_RESP_PORT: `resp.port` must be a port, 0 to 65535 (0 picks a free one); it is "high"',
  ]);
  assert.deepEqual(problems("", { ATOLL_RSEP_PORT: "7001" }), [
    'environment ATOLL_RSEP_PORT: there is no such setting; did you mean "ATOLL_RESP_PORT"?',
  ]);
});

test("a list of keyspaces stands alone in a file, or under its name", () => {
  const list = "- { prefix: 'price:', conflict: max }\n- { prefix: '', conflict: fww }";
  const expected = {
    keyspaces: [
      { prefix: "price:", conflict: "max" },
      { prefix: "", conflict: "fww" },
    ],
  };
  assert.deepEqual(parseKeyspaces(list, "k.yaml"), expected);
  assert.deepEqual(
    parseKeyspaces(`keyspaces:\n${list.replaceAll(/^/gm, "  ")}`, "k.yaml"),
    expected,
  );
  assert.deepEqual(parseKeyspaces("- { prefix: a, xread: stable }", "k.yaml"), {
    keyspaces: [{ prefix: "a", conflict: "lww", xread: "stable" }],
  });
  assert.deepEqual(parseKeyspaces("- { prefix: a, conflict: last }", "k.yaml"), {
    problems: [
      'k.yaml:1:26: `keyspaces[1].conflict` must be one of lww, fww, siblings, max, min, or a module such as ./resolve-cart.cjs; it is "last"',
    ],
  });
  assert.deepEqual(
    parseKeyspaces("- { prefix: a, conflict: lww }\n- { prefix: a, conflict: lww }", "k.yaml"),
    {
      problems: ['k.yaml:2:13: `keyspaces[2].prefix` "a" is there twice; remove one'],
    },
  );
});

test("a quantity is read whole or not at all", () => {
  assert.deepEqual(["80ms", "1.5s", "2 m", "1h", "7", "1x", "ms", "-1", ""].map(parseMs), [
    80,
    1500,
    120_000,
    3_600_000,
    7,
    null,
    null,
    null,
    null,
  ]);
  assert.deepEqual(["+1h", "-30s", "5", "--5"].map(parseOffsetMs), [3_600_000, -30_000, 5, null]);
  assert.deepEqual(["1kb", "2MiB", "12", "3 q"].map(parseBytes), [1024, 2_097_152, 12, null]);
});
