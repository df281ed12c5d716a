import assert from "node:assert/strict";
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { once } from "node:events";
import { Readable } from "node:stream";
import { test } from "node:test";
import type { KeyspaceApi } from "./keyspace-routes.ts";
import type { Membership } from "../../host/membership.ts";
import type { NodeStatus } from "../../host/status.ts";
import type { VerifyState } from "../../host/verification.ts";
import { type HttpApi, type HttpApiOptions, startHttpApi } from "./http-api.ts";
import { isKnownHost } from "./known-host.ts";

const STATUS = { region: "eu-west", member: "eu-west/1", state: "ready" } as NodeStatus;

function start(options: Partial<HttpApiOptions> = {}): Promise<HttpApi> {
  return startHttpApi({
    host: "127.0.0.1",
    port: 0,
    status: () => STATUS,
    metrics: () =>
      Promise.resolve({ contentType: "text/plain; version=0.0.4", body: "atoll_ready 1\n" }),
    ready: () => ({ ready: true, reason: null }),
    verify: () => true,
    verifyState: () => IDLE,
    backup: () => ({ refused: "there is none", status: 503 }),
    changes: () => ({ refused: "there are none", status: 503 }),
    membership: () => MEMBERS,
    removeMember: () => null,
    addMember: () => null,
    keyspaces: KEYSPACES,
    ...options,
  });
}

const KEYSPACES: KeyspaceApi = {
  list: () => ({ epoch: 7, keyspaces: [], file: [] }),
  explain: (key) => ({ key, prefix: "k" }),
  change: (prefix) =>
    Promise.resolve(prefix === "bad" ? { refusal: "AAFROZEN not now" } : { epoch: 8 }),
};

const MEMBERS: Membership = { members: ["eu-west/1"], removed: [], awaits: [] };

const IDLE: VerifyState = {
  running: false,
  phase: "idle",
  shards: 0,
  shardsDone: 0,
  differences: 0,
  report: null,
};

const at = (api: HttpApi, path: string): string => `http://127.0.0.1:${api.port}${path}`;

/** The status and body when the request names `host`. */
async function ask(
  api: HttpApi,
  host: string,
): Promise<{ status: number | undefined; body: string }> {
  const sent = request({
    port: api.port,
    host: "127.0.0.1",
    path: "/status",
    headers: { host },
    agent: false,
  });
  sent.end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  let body = "";
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode, body };
}

test("a node that answers is live", async () => {
  await using api = await start({ ready: () => ({ ready: false, reason: "starting" }) });
  const response = await fetch(at(api, "/health/live"));
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { live: true });
});

test("a node is ready, or says why it is not", async () => {
  let ready: { ready: boolean; reason: string | null } = { ready: true, reason: null };
  await using api = await start({ ready: () => ready });
  const yes = await fetch(at(api, "/health/ready"));
  assert.equal(yes.status, 200);
  assert.deepEqual(await yes.json(), { ready: true, reason: null });
  ready = { ready: false, reason: "the disk is full" };
  const no = await fetch(at(api, "/health/ready?verbose"));
  assert.equal(no.status, 503);
  assert.deepEqual(await no.json(), { ready: false, reason: "the disk is full" });
});

test("metrics are given as the telemetry wrote them", async () => {
  await using api = await start();
  const response = await fetch(at(api, "/metrics"));
  assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4");
  assert.equal(await response.text(), "atoll_ready 1\n");
});

test("the status is the node's own account, never cached", async () => {
  await using api = await start();
  const response = await fetch(at(api, "/status"));
  assert.equal(response.headers.get("content-type"), "application/json");
  assert.equal(response.headers.get("cache-control"), "no-store");
  assert.deepEqual(await response.json(), STATUS);
});

test("the root lists every endpoint, and each of them answers", async () => {
  await using api = await start();
  const index = await (await fetch(at(api, "/"))).text();
  const paths = index.split("\n").flatMap((line) => /^\S+/.exec(line) ?? []);
  const health = ["/health/live", "/health/ready"];
  const asked = [...health, "/metrics", "/status", "/members", "/keyspaces", "/verify"];
  assert.deepEqual(paths, [...asked, "/changes", "/backup"]);
  for (const path of asked) assert.equal((await fetch(at(api, path))).status, 200, path);
});

test("HEAD says what GET would, without the body", async () => {
  await using api = await start();
  const get = await fetch(at(api, "/status"));
  const head = await fetch(at(api, "/status"), { method: "HEAD" });
  assert.equal(head.status, 200);
  assert.equal(head.headers.get("content-length"), String((await get.text()).length));
  assert.equal(await head.text(), "");
});

test("an unknown path and a wrong method are refused in JSON that says what to do", async () => {
  await using api = await start();
  const missing = await fetch(at(api, "/nothing"));
  assert.equal(missing.status, 404);
  assert.deepEqual(await missing.json(), {
    error: "there is nothing at /nothing: / lists what there is",
  });
  const posted = await fetch(at(api, "/status"), { method: "POST", body: "x" });
  assert.equal(posted.status, 405);
  assert.equal(posted.headers.get("allow"), "GET, HEAD");
  assert.deepEqual(await posted.json(), { error: "/status answers GET, HEAD, not POST" });
});

test("a request with a large body is refused before the body is read", async () => {
  await using api = await start();
  const socket = connect(api.port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write("GET /status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
  let reply = "";
  for await (const chunk of socket) reply += String(chunk);
  assert.match(reply, /^HTTP\/1\.1 413 /);
});

test("a body without end is cut off", async () => {
  await using api = await start();
  const socket = connect(api.port, "127.0.0.1");
  socket.on("error", () => {});
  socket.resume();
  const closed = once(socket, "close");
  socket.write("GET /status HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (let i = 0; i < 10; i++) socket.write(`1000\r\n${"x".repeat(4096)}\r\n`);
  await closed;
});

test("a failure while answering is a 500 that names it, and the next request is answered", async () => {
  let fails = true;
  const metrics = (): Promise<{ contentType: string; body: string }> =>
    fails
      ? Promise.reject(new Error("no counters"))
      : Promise.resolve({ contentType: "text/plain", body: "" });
  await using api = await start({ metrics });
  const response = await fetch(at(api, "/metrics"));
  assert.equal(response.status, 500);
  assert.deepEqual(await response.json(), { error: "/metrics could not be answered: no counters" });
  fails = false;
  assert.equal((await fetch(at(api, "/metrics"))).status, 200);
});

test("a page in a browser cannot read the node under a name of its own", async () => {
  await using api = await start({ names: ["node-1.example.com"] });
  for (const host of [
    `127.0.0.1:${api.port}`,
    "localhost",
    "LOCALHOST:80",
    "[::1]:8001",
    "Node-1.Example.com.",
  ])
    assert.equal((await ask(api, host)).status, 200, host);
  for (const host of [
    "evil.example",
    "127.0.0.1.evil.example",
    "node-1.example.com.evil.example:8001",
  ]) {
    const { status, body } = await ask(api, host);
    assert.equal(status, 403, host);
    assert.doesNotMatch(body, /eu-west/);
    assert.match(body, /is not a name of this node/);
  }
});

test("what cannot be read as a host is unknown", () => {
  for (const host of [
    "",
    " ",
    "localhost evil",
    "user@localhost",
    "[localhost]",
    "[::1]evil",
    "127.0.0.1:80:80",
    "127.1",
    "0x7f.1",
  ])
    assert.equal(isKnownHost(host, []), false, host);
  assert.equal(isKnownHost("anything.example", ["*"]), true);
});

test("a port in use is an error that names it", async () => {
  await using api = await start();
  await assert.rejects(
    start({ port: api.port }),
    new RegExp(`HTTP on 127.0.0.1:${api.port}: it is already in use`),
  );
});

test("closing ends connections, also in the middle of a request", async () => {
  let asked = (): void => {};
  const pending = new Promise<void>((resolve) => (asked = resolve));
  const metrics = (): Promise<never> => {
    asked();
    return new Promise(() => {});
  };
  const api = await start({ metrics });
  const socket = connect(api.port, "127.0.0.1");
  socket.on("error", () => {});
  socket.resume();
  const closed = once(socket, "close");
  await once(socket, "connect");
  socket.write("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await pending;
  await api.close();
  await closed;
});

test("a comparison is begun by POST, once at a time, and never by a web page", async () => {
  const asked: string[] = [];
  await using api = await start({
    verify: (mending) => {
      asked.push(mending);
      return asked.length === 1;
    },
  });
  const post = (query: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(at(api, `/verify${query}`), { method: "POST", headers });
  assert.equal((await post("?mend=few", { origin: "http://example.com" })).status, 403);
  assert.equal((await post("?mend=some")).status, 400);
  assert.deepEqual(asked, []);
  const begun = await post("?mend=few");
  assert.equal(begun.status, 202);
  assert.deepEqual(await begun.json(), IDLE);
  assert.equal((await post("")).status, 409);
  assert.deepEqual(asked, ["few", "no"]);
});

test("a backup is streamed to who asks with a name and a password, from where the last one ended", async () => {
  const asked: unknown[] = [];
  await using api = await start({
    backup: (since, { name, password }) => {
      asked.push(since, name, password);
      return (async function* () {
        yield Buffer.from("first ");
        yield Buffer.from("second");
      })();
    },
  });
  const authorization = `Basic ${Buffer.from("reader:a:b").toString("base64")}`;
  const query = `chain=c&from=1&to=2&sum=${"0".repeat(16)}`;
  const answer = await fetch(at(api, `/backup?${query}`), {
    method: "POST",
    headers: { authorization },
  });
  assert.equal(await answer.text(), "first second");
  const last = { from: 1, to: 2, sum: "0".repeat(16) };
  assert.deepEqual(asked, [{ chain: "c", last }, "reader", "a:b"]);
  const wrong = await fetch(at(api, "/backup?chain=c&from=x"), { method: "POST" });
  assert.equal(wrong.status, 400);
  assert.equal((await fetch(at(api, "/backup"))).status, 405);
});

test("a backup ends with the connection of who asked for it, and a refusal says why", async () => {
  let ended: () => void = () => {};
  const end = new Promise<void>((resolve) => (ended = resolve));
  const endless = async function* (): AsyncGenerator<Buffer> {
    try {
      for (;;) yield Buffer.alloc(65_536);
    } finally {
      ended();
    }
  };
  let refuses = false;
  await using api = await start({
    backup: () => (refuses ? { refused: "not to you", status: 401 } : endless()),
  });
  const leaving = new AbortController();
  const answer = await fetch(at(api, "/backup"), { method: "POST", signal: leaving.signal });
  assert.equal(answer.status, 200);
  leaving.abort();
  await end;
  refuses = true;
  const refused = await fetch(at(api, "/backup"), { method: "POST" });
  assert.equal(refused.status, 401);
  assert.deepEqual(await refused.json(), { error: "not to you" });
});

test("a member is removed or added by POST, with what stands against it in words", async () => {
  const asked: unknown[] = [];
  await using api = await start({
    removeMember: (name, force) => {
      asked.push([name, force]);
      return name === "nobody" ? "there is no member nobody" : null;
    },
    addMember: (name) => {
      asked.push(name);
      return null;
    },
  });
  const post = (query: string): Promise<Response> =>
    fetch(at(api, `/members${query}`), { method: "POST" });
  for (const query of ["", "?remove=a&add=b"]) assert.equal((await post(query)).status, 400);
  const removed = await post("?remove=us-east%2F1&force=yes");
  assert.equal(removed.status, 202);
  assert.deepEqual(await removed.json(), MEMBERS);
  assert.equal((await post("?add=b%2F1")).status, 202);
  const refused = await post("?remove=nobody");
  assert.equal(refused.status, 409);
  assert.deepEqual(await refused.json(), { error: "there is no member nobody" });
  assert.deepEqual(asked, [["us-east/1", true], "b/1", ["nobody", false]]);
});

test("keyspaces are told, explained and changed, and a refusal says why", async () => {
  await using api = await start();
  const asked = async (path: string, method = "GET"): Promise<[number, unknown]> => {
    const answer = await fetch(at(api, path), { method });
    return [answer.status, await answer.json()];
  };
  const list = { epoch: 7, keyspaces: [], file: [] };
  assert.deepEqual(await asked("/keyspaces"), [200, list]);
  assert.deepEqual(await asked("/keyspaces?explain=k1"), [200, { key: "k1", prefix: "k" }]);
  assert.deepEqual(await asked("/keyspaces?set=p&conflict=max", "POST"), [200, list]);
  assert.deepEqual(await asked("/keyspaces?remove=p", "POST"), [200, list]);
  assert.deepEqual(await asked("/keyspaces?remove=bad", "POST"), [
    409,
    { error: "AAFROZEN not now" },
  ]);
  for (const query of ["", "?set=p", "?set=p&remove=q", "?set=p&conflict=max&timeout=x"])
    assert.equal((await asked(`/keyspaces${query}`, "POST"))[0], 400);
});

test("changes are streamed from the last id that the reader had, to the user it is", async () => {
  const asked: unknown[] = [];
  await using api = await start({
    changes: (query, { name, password }) => {
      asked.push({ ...query, name, password });
      return Readable.from([Buffer.from("id: 7\n\n"), Buffer.from("event: end\n\n")]);
    },
  });
  const headers = {
    "last-event-id": "abc",
    authorization: `Basic ${Buffer.from("ann:pw").toString("base64")}`,
  };
  const answer = await fetch(at(api, "/changes?prefix=cart%3A&from=start&db=2"), { headers });
  assert.equal(answer.headers.get("content-type"), "text/event-stream");
  assert.equal(await answer.text(), "id: 7\n\nevent: end\n\n");
  assert.deepEqual(asked, [{ prefix: "cart:", from: "abc", db: 2, name: "ann", password: "pw" }]);
});

test("changes are not told to a web page, nor where the node refuses", async () => {
  await using api = await start();
  const page = await fetch(at(api, "/changes"), { headers: { origin: "http://example.org" } });
  assert.equal(page.status, 403);
  assert.equal((await fetch(at(api, "/changes"))).status, 503);
  assert.equal((await fetch(at(api, "/changes?db=x"))).status, 400);
});
