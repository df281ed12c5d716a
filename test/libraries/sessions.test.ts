/** Sessions of web servers: who logs in at one region is known at the others, and stays so when that region is gone. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import fastifyCookie from "@fastify/cookie";
import fastifySession, { type FastifySessionOptions } from "@fastify/session";
import { RedisStore } from "connect-redis";
import express from "express";
import session from "express-session";
import fastify from "fastify";
import { type RegionName, ThreeRegions, until } from "./three-regions.ts";

const SECRET = "a secret of at least thirty-two characters";

declare module "express-session" {
  interface SessionData {
    user: string;
  }
}

declare module "fastify" {
  interface Session {
    user?: string;
  }
}

let world: ThreeRegions;
before(async () => {
  world = await ThreeRegions.start();
});
after(() => world[Symbol.asyncDispose]());

/** A web server at a region; returns its address. */
async function expressAt(region: RegionName): Promise<string> {
  const client = await world.nodeRedis(region);
  const app = express();
  const store = new RedisStore({ client, prefix: "express:" });
  app.use(session({ store, secret: SECRET, resave: false, saveUninitialized: false }));
  app.get("/login/:user", (request, response) => {
    request.session.user = request.params.user;
    response.send("welcome");
  });
  app.get("/me", (request, response) => void response.send(request.session.user ?? "nobody"));
  app.get("/logout", (request, response) => {
    request.session.destroy(() => response.send("bye"));
  });
  const server = app.listen(0, "127.0.0.1");
  world.atEnd(() => server.close());
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function fastifyAt(region: RegionName): Promise<string> {
  const client = await world.nodeRedis(region);
  const app = fastify();
  await app.register(fastifyCookie);
  await app.register(fastifySession, {
    // Typed for express-session; what it does is what this plugin wants of a store.
    store: new RedisStore({
      client,
      prefix: "fastify:",
    }) as unknown as FastifySessionOptions["store"] & object,
    secret: SECRET,
    cookie: { secure: false },
    // Else each request writes the session again, and one that had not heard of a logout would bring it back.
    rolling: false,
  });
  app.get<{ Params: { user: string } }>("/login/:user", (request, reply) => {
    request.session.user = request.params.user;
    void reply.send("welcome");
  });
  app.get("/me", (request, reply) => void reply.send(request.session.user ?? "nobody"));
  app.get("/logout", (request, reply) => {
    void request.session.destroy().then(() => reply.send("bye"));
  });
  world.atEnd(() => app.close());
  return app.listen({ port: 0, host: "127.0.0.1" });
}

for (const [library, serverAt] of [
  ["connect-redis with express-session", expressAt],
  ["connect-redis with @fastify/session", fastifyAt],
] as const)
  test(`${library}: a login at one region holds at the others, and so does the logout`, async () => {
    const [here, there] = [await serverAt("us-east"), await serverAt("eu-west")];
    const response = await fetch(`${here}/login/ada`);
    assert.equal(await response.text(), "welcome");
    const cookie = (response.headers.get("set-cookie") as string).split(";")[0] as string;
    const ask = async (at: string, path: string): Promise<string> =>
      (await fetch(`${at}${path}`, { headers: { cookie } })).text();
    assert.equal(await ask(here, "/me"), "ada");
    await until(
      () => ask(there, "/me"),
      (user) => user === "ada",
    );
    assert.equal(await ask(there, "/logout"), "bye");
    await until(
      () => ask(here, "/me"),
      (user) => user === "nobody",
    );
  });

test("a session outlives its region: connect-redis at another one knows it after a kill", async () => {
  const [here, there] = [await expressAt("us-west"), await expressAt("eu-west")];
  const response = await fetch(`${here}/login/grace`);
  const cookie = (response.headers.get("set-cookie") as string).split(";")[0] as string;
  const me = async (at: string): Promise<string> =>
    (await fetch(`${at}/me`, { headers: { cookie } })).text();
  await until(
    () => me(there),
    (user) => user === "grace",
  );
  await world.lab.do("kill", "us-west");
  assert.equal(await me(there), "grace");
  await world.lab.do("start", "us-west");
});
