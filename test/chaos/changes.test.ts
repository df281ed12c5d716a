/** The change feed on real processes: over RESP and as server-sent events, resumed in another region when the first is killed. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";
import { RespConnection } from "../support/resp-connection.ts";
import { itemsOf, type Reply, textOf } from "../support/resp.ts";
import { ChaosLab, type Region } from "./chaos-lab.ts";

/** A page of AA.CHANGES: the position behind it, and the values that keys were set to. */
function page(reply: Reply): { cursor: string; values: string[] } {
  const [cursor, events] = itemsOf(reply);
  const values = itemsOf(events as Reply).flatMap((event) => {
    const [, , , , , changes] = itemsOf(event);
    return itemsOf(changes as Reply).map((change) => String(textOf(itemsOf(change)[7] as Reply)));
  });
  return { cursor: String(textOf(cursor as Reply)), values };
}

/** What a stream says until `isEnough`, and the last id. */
async function stream(
  lab: ChaosLab,
  region: Region,
  query: string,
  headers: Record<string, string>,
  isEnough: (values: readonly string[]) => boolean,
): Promise<{ values: string[]; id: string }> {
  const config = readFileSync(`${lab.dir}/${region.name}/node.yaml`, "utf8");
  const { http } = parse(config) as { http: { port: number } };
  const end = new AbortController();
  const answer = await fetch(`http://127.0.0.1:${http.port}/changes${query}`, {
    headers,
    signal: end.signal,
  });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("content-type"), "text/event-stream");
  const values: string[] = [];
  let id = "";
  let text = "";
  for await (const bytes of answer.body as AsyncIterable<Uint8Array>) {
    text += Buffer.from(bytes).toString();
    for (let at = text.indexOf("\n\n"); at >= 0; at = text.indexOf("\n\n")) {
      for (const line of text.slice(0, at).split("\n")) {
        if (line.startsWith("id: ")) id = line.slice(4);
        if (!line.startsWith("data: {")) continue;
        const { changes = [] } = JSON.parse(line.slice(6)) as { changes?: { value?: string }[] };
        values.push(...changes.map(({ value = "" }) => value));
      }
      text = text.slice(at + 2);
    }
    if (isEnough(values) && text === "") break;
  }
  end.abort();
  return { values, id };
}

test("a reader whose region is killed goes on in another one from its last position, and misses nothing", async () => {
  await using lab = await ChaosLab.start();
  const [first, second] = lab.regions as [Region, Region];
  using home = await RespConnection.open(first.port);
  using away = await RespConnection.open(second.port);
  for (let i = 1; i <= 5; i++) {
    await home.call("AA.DO", "WRITE", "ALL", "TIMEOUT", "10000", "SET", "cart:1", `${i}`);
    await home.call("SET", "other:1", "unseen");
  }
  const begun = page(
    await home.call("AA.CHANGES", "PREFIX", "cart:", "FROM", "START", "COUNT", "3"),
  );
  assert.deepEqual(begun.values, ["1", "2", "3"]);
  const streamed = await stream(
    lab,
    first,
    "?prefix=cart%3A&from=start",
    {},
    ({ length }) => length === 5,
  );
  assert.deepEqual(streamed.values, ["1", "2", "3", "4", "5"]);
  await lab.do("kill", first.name);

  const after = page(await away.call("AA.CHANGES", "PREFIX", "cart:", "FROM", begun.cursor));
  assert.deepEqual(after.values, ["4", "5"]);
  // It waits for what comes, and is told it at once.
  const waits = away.call("AA.CHANGES", "PREFIX", "cart:", "FROM", after.cursor, "BLOCK", "20000");
  using writer = await RespConnection.open(second.port);
  await writer.call("SET", "cart:1", "6");
  assert.deepEqual(page(await waits).values, ["6"]);
  const on = await stream(
    lab,
    second,
    "?prefix=cart%3A",
    { "last-event-id": streamed.id },
    ({ length }) => length === 1,
  );
  assert.deepEqual(on.values, ["6"]);
});

test("a reader is told of the keys that it may read, and hears when a position makes no sense", async () => {
  await using lab = await ChaosLab.start();
  const [region] = lab.regions as [Region];
  using root = await RespConnection.open(region.port);
  await root.call("SET", "mine:1", "1");
  await root.call("SET", "other:1", "2");
  await root.call("ACL", "SETUSER", "ann", "on", ">pw", "%R~mine:*", "+aa.changes");
  await root.call("ACL", "SETUSER", "bob", "on", ">pw", "~*", "+get");
  using ann = await RespConnection.open(region.port);
  await ann.call("AUTH", "ann", "pw");
  assert.deepEqual(page(await ann.call("AA.CHANGES", "FROM", "START")).values, ["1"]);
  const basic = (name: string): Record<string, string> => ({
    authorization: `Basic ${Buffer.from(`${name}:pw`).toString("base64")}`,
  });
  const seen = await stream(lab, region, "?from=start", basic("ann"), ({ length }) => length === 1);
  assert.deepEqual(seen.values, ["1"]);
  const config = readFileSync(`${lab.dir}/${region.name}/node.yaml`, "utf8");
  const { http } = parse(config) as { http: { port: number } };
  const status = async (query: string, headers: Record<string, string>): Promise<number> =>
    (await fetch(`http://127.0.0.1:${http.port}/changes${query}`, { headers })).status;
  assert.equal(await status("", basic("bob")), 403);
  assert.equal(await status("", { authorization: "Basic YW5uOm5v" }), 401);
  assert.equal(await status("?from=nowhere!", basic("ann")), 400);
  const wrong = await root.call("AA.CHANGES", "FROM", "nowhere!");
  assert.match(String(textOf(wrong)), /FROM takes START, NOW/);
});
