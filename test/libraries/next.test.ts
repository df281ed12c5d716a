/**
 * The cache of Next.js: pages and data that one region has rendered are served in the others, and what is revalidated is gone
 * everywhere.
 *
 * Next.js itself is not installed: it is some 340 MB, and of it the handler needs one constant. It is called here as Next.js calls it.
 */
import assert from "node:assert/strict";
import { registerHooks } from "node:module";
import { after, before, test } from "node:test";
import createHandler from "@fortedigital/nextjs-cache-handler/redis-strings";
import { type RegionName, ThreeRegions, until } from "./three-regions.ts";

const PACKAGE = "@fortedigital/nextjs-cache-handler";
const CONSTANTS =
  'data:text/javascript,export const PHASE_PRODUCTION_BUILD = "phase-production-build"';

/** What Next.js calls, as far as it is called here. */
interface CacheHandler {
  get(key: string, context: object): Promise<{ value: unknown } | null>;
  set(key: string, value: object, context: object): Promise<void>;
  revalidateTag(tags: string | string[]): Promise<void>;
}

let world: ThreeRegions;
const hooks = registerHooks({
  resolve: (specifier, context, next) =>
    specifier === "next/constants.js"
      ? { url: CONSTANTS, format: "module", shortCircuit: true }
      : next(specifier, context),
});
before(async () => {
  world = await ThreeRegions.start();
});
after(async () => {
  hooks.deregister();
  await world[Symbol.asyncDispose]();
});

/** The handler of a server in a region. It is configured once a process, so each gets a module of its own. */
async function serverAt(region: RegionName, name: string): Promise<CacheHandler> {
  // Typed for an older version of the same client.
  const client = (await world.nodeRedis(region)) as never;
  const own = `${import.meta.resolve(PACKAGE)}?${name}-${region}`;
  const { CacheHandler } = await import(own);
  CacheHandler.onCreation(() => ({
    handlers: [createHandler({ client, keyPrefix: `${name}:` })],
  }));
  return new CacheHandler({ serverDistDir: "/nowhere/.next/server", dev: false });
}

const page = (html: string): object => ({
  kind: "APP_PAGE",
  html,
  rscData: Buffer.from([0, 255, 10, 13]),
  segmentData: new Map([["/_tree", Buffer.from("tree")]]),
  headers: { "x-next-cache-tags": "posts,_N_T_/blog" },
  status: 200,
});
const ofPage = { cacheControl: { revalidate: 600, expire: undefined } };
const asPage = { kind: "APP_PAGE", isFallback: false };

/** The HTML of a page as a server has it cached. */
const htmlOf = async (server: CacheHandler, key: string): Promise<string | null> =>
  ((await server.get(key, asPage))?.value as { html: string } | undefined)?.html ?? null;

test("a page rendered in one region is served in the others, byte for byte", async () => {
  const [here, there] = [await serverAt("us-east", "page"), await serverAt("eu-west", "page")];
  assert.equal(await here.get("/blog", asPage), null);
  await here.set("/blog", page("<p>first</p>"), ofPage);
  await until(
    () => htmlOf(there, "/blog"),
    (html) => html === "<p>first</p>",
  );
  const found = await there.get("/blog", asPage);
  assert.deepEqual(found?.value, page("<p>first</p>"));
});

test("data fetched with a tag is fetched again everywhere once the tag is revalidated anywhere", async () => {
  const servers = [];
  for (const region of ["us-east", "us-west", "eu-west"] as const)
    servers.push(await serverAt(region, "fetch"));
  const [here, there] = servers as [CacheHandler, CacheHandler];
  const fetched = { kind: "FETCH", data: { body: "aGk=", headers: {}, url: "" }, revalidate: 600 };
  for (const [key, tags] of [
    ["a", ["users", "user-1"]],
    ["b", ["users"]],
    ["c", ["orders"]],
  ] as const)
    await here.set(key, fetched, { fetchCache: true, tags });
  const cached = async (server: CacheHandler): Promise<string> => {
    let keys = "";
    for (const key of ["a", "b", "c"])
      if ((await server.get(key, { kind: "FETCH", softTags: [] })) !== null) keys += key;
    return keys;
  };
  for (const server of servers)
    await until(
      () => cached(server),
      (keys) => keys === "abc",
    );
  await there.revalidateTag(["user-1"]);
  for (const server of servers)
    await until(
      () => cached(server),
      (keys) => keys === "bc",
    );
  await there.revalidateTag("users");
  for (const server of servers)
    await until(
      () => cached(server),
      (keys) => keys === "c",
    );
});

test("a region that is cut off serves what it has, and loses what was revalidated elsewhere when it is back", async () => {
  const here = await serverAt("us-east", "cut");
  const near = await serverAt("us-west", "cut");
  const far = await serverAt("eu-west", "cut");
  await here.set("/blog", page("before"), ofPage);
  for (const server of [near, far])
    await until(
      () => htmlOf(server, "/blog"),
      (html) => html === "before",
    );
  await world.lab.do("cut", "eu-west");
  // Rendered over there from what was true before, and known nowhere else.
  const wasMs = Date.now() - 1000;
  await far.set("/blog/1", page("one"), { ...ofPage, internal_lastModified: wasMs });
  await here.revalidateTag("posts");
  await here.revalidateTag("_N_T_/blog");
  await until(
    () => htmlOf(near, "/blog"),
    (html) => html === null,
  );
  assert.equal(await htmlOf(far, "/blog"), "before");
  assert.equal(await htmlOf(far, "/blog/1"), "one");
  await world.lab.do("heal");
  for (const server of [here, near, far])
    for (const key of ["/blog", "/blog/1"])
      await until(
        () => htmlOf(server, key),
        (html) => html === null,
      );
  await far.set("/blog", page("after"), ofPage);
  for (const server of [here, near, far])
    await until(
      () => htmlOf(server, "/blog"),
      (html) => html === "after",
    );
});
