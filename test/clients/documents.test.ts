/**
 * Documents over two regions: through node-redis, and through clients of Yjs that edit one document from either side.
 *
 * Invariant: the example in `docs/types/document.md` is run as it is printed.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { createClient } from "redis6";
import * as Y from "yjs";
import { RunningCommand } from "../lab/lab-process.ts";
import { root } from "../support/server.ts";
import { tempDir } from "../support/temp-dir.ts";

const dir = tempDir("documents");
let lab: RunningCommand;
let urls: [string, string];

before(async () => {
  const words = ["--regions", "a,b", "--port", "0", "--wan", "5", "--dir", join(dir.path, "lab")];
  lab = new RunningCommand(["lab", "--json", ...words]);
  await lab.until(({ stdout }) => stdout.includes("\n"));
  const { regions } = JSON.parse(lab.stdout) as { regions: { redis: string }[] };
  urls = regions.map(({ redis }) => redis) as [string, string];
});

after(async () => {
  lab.child.kill("SIGTERM");
  await lab.ended;
  dir[Symbol.dispose]();
});

function connect(url: string, RESP: 2 | 3 = 2) {
  return createClient({ url, RESP }).connect();
}
type Client = Awaited<ReturnType<typeof connect>>;

/** Waits until both regions answer the same, and for what is wanted. */
async function agree(clients: readonly Client[], key: string, wanted: unknown): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const seen = await Promise.all(clients.map((client) => client.json.get(key)));
    try {
      for (const shown of seen) assert.deepEqual(shown, wanted);
      return;
    } catch (error) {
      if (attempt === 1_000) throw error;
      await sleep(10);
    }
  }
}

for (const protocol of [2, 3] as const)
  test(`node-redis reads and writes documents over RESP${protocol}`, async () => {
    const [a, b] = [await connect(urls[0], protocol), await connect(urls[1], protocol)];
    try {
      const key = `doc${protocol}`;
      assert.equal(
        await a.json.set(key, "$", { name: "Ada", tags: ["x"], n: 1, deep: { on: true } }),
        "OK",
      );
      assert.deepEqual(await a.json.numIncrBy(key, "$.n", 2.5), [3.5]);
      assert.deepEqual(await a.json.arrAppend(key, "$.tags", "y", { z: null }), [3]);
      assert.deepEqual(await a.json.arrPop(key, { path: "$.tags", index: 0 }), ["x"]);
      assert.deepEqual(await a.json.type(key, { path: "$.*" }), [
        "string",
        "array",
        "number",
        "object",
      ]);
      assert.deepEqual(await a.json.toggle(key, "$.deep.on"), [0]);
      assert.deepEqual(await a.json.strLen(key, { path: "$.name" }), [3]);
      assert.deepEqual(await a.json.objKeys(key, { path: "$.deep" }), [["on"]]);
      assert.equal(await a.json.merge(key, "$", { name: null, more: 1 }), "OK");
      await agree([a, b], key, { tags: ["y", { z: null }], n: 3.5, deep: { on: false }, more: 1 });
      assert.deepEqual(await b.json.mGet([key, "none"], "$.n"), [[3.5], null]);
      await b.json.del(key, { path: "$.deep" });
      await agree([a, b], key, { tags: ["y", { z: null }], n: 3.5, more: 1 });
    } finally {
      a.destroy();
      b.destroy();
    }
  });

/** The example of the manual, where its imports are found under the names that it uses. */
function example(): string {
  const page = readFileSync(join(root, "docs", "types", "document.md"), "utf8");
  const code = /```js\n([^]*?)```/.exec(page)?.[1];
  assert.ok(code !== undefined);
  const modules = join(dir.path, "node_modules");
  mkdirSync(modules, { recursive: true });
  for (const [name, of] of [
    ["redis", "redis6"],
    ["yjs", "yjs"],
  ] as const)
    symlinkSync(join(root, "node_modules", of), join(modules, name));
  const file = join(dir.path, "example.mjs");
  writeFileSync(file, code);
  return file;
}

test("clients of Yjs in two regions write one text, as the manual's example does", async () => {
  const file = example();
  const { stdout } = await promisify(execFile)(process.execPath, [file], {
    env: { ...process.env, REDIS_URL: urls[0] },
  });
  assert.match(stdout, /title: 'Notes'/);
  const [a, b] = [await connect(urls[0]), await connect(urls[1])];
  try {
    process.env["REDIS_URL"] = urls[0];
    const { follow } = (await import(pathToFileURL(file).href)) as {
      follow: (doc: Y.Doc, client: Client, key: string) => () => Promise<void>;
    };
    const docs = [new Y.Doc(), new Y.Doc()] as const;
    const syncs = [follow(docs[0], a, "text"), follow(docs[1], b, "text")] as const;
    const texts = docs.map((doc) => doc.getText("text")) as [Y.Text, Y.Text];
    const settle = async (): Promise<void> => {
      for (let attempt = 0; attempt < 1_000; attempt++) {
        for (const sync of syncs) await sync();
        const [one, other] = docs.map((doc) =>
          Buffer.from(Y.encodeStateVector(doc)).toString("hex"),
        );
        if (one === other && texts[0].length === texts[1].length) return;
        await sleep(10);
      }
      throw new Error("the two never agree");
    };
    texts[0].insert(0, "one two");
    await settle();
    assert.equal(texts[1].toJSON(), "one two");
    // Both at once, several times over.
    for (let i = 0; i < 5; i++) {
      texts[0].insert(3, `<${i}>`);
      texts[1].insert(texts[1].length, `(${i})`);
      docs[1].getMap("object").set(`k${i}`, i);
      await settle();
    }
    assert.equal(texts[0].toJSON(), texts[1].toJSON());
    assert.equal(texts[0].toJSON(), "one<4><3><2><1><0> two(0)(1)(2)(3)(4)");
    // JSON commands edit the same document.
    await a.json.set("text", "$.k9", { by: "JSON" });
    await agree([a, b], "text", { k0: 0, k1: 1, k2: 2, k3: 3, k4: 4, k9: { by: "JSON" } });
    await settle();
    assert.deepEqual(docs[1].getMap("object").toJSON()["k9"], { by: "JSON" });
  } finally {
    a.destroy();
    b.destroy();
  }
});
