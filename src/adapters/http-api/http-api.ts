/**
 * HTTP API: what operators, load balancers and Prometheus ask a node.
 *
 *   /             the list of these, as text
 *   /health/live  200 as long as the process answers at all
 *   /health/ready 200 when the node may be given traffic, else 503 with the reason
 *   /metrics      for Prometheus
 *   /status       everything the node says about itself
 *   /members      who belongs to the cluster; POST removes or adds one
 *   /keyspaces    what holds for keys with a prefix: see keyspace-routes.ts
 *   /verify       POST begins a comparison with all other members, GET tells how far it is and what it found
 *   /traffic …    where routing is configured: see traffic-routes.ts
 *   /changes      what changes, as server-sent events (?prefix=cart:&from=start), to who may read it
 *   /backup       POST streams a copy of everything, to who may do everything (`atoll backup`)
 *
 * Invariant: every answer but `/`, `/metrics`, changes and a backup is JSON, refusals too: `{"error": …}` says what is wrong and what to do. A request
 * that names an unknown host is answered nothing, so that a page which a browser shows cannot read the node under a name of its
 * own (DNS rebinding).
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { ListenOptions } from "node:net";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import type { Since } from "../../host/backup/backup-job.ts";
import { lastBlockSchema } from "../../host/backup/frames.ts";
import type { StreamQuery } from "../../host/change-feed.ts";
import type { Membership } from "../../host/membership.ts";
import type { NodeStatus } from "../../host/status.ts";
import type { Mending, VerifyState } from "../../host/verification.ts";
import { changeKeyspaces, type KeyspaceApi, tellKeyspaces } from "./keyspace-routes.ts";
import { isKnownHost } from "./known-host.ts";
import { explainRoute, planRoute, type Told, type TrafficApi } from "./traffic-routes.ts";

export type HttpApiOptions = {
  host: string;
  /** 0 picks a free one. */
  port: number;
  /** The names this node is reached by, beside IP addresses and `localhost`. */
  names?: readonly string[];
  status: () => NodeStatus;
  metrics: () => Promise<{ contentType: string; body: string }>;
  /** `reason` says why when it is not. */
  ready: () => { ready: boolean; reason: string | null };
  /** Begins a comparison; false while one is under way. */
  verify: (mending: Mending) => boolean;
  verifyState: () => VerifyState;
  membership: () => Membership;
  /** Each returns why not, or null. */
  removeMember: (name: string, force: boolean) => string | null;
  addMember: (name: string) => string | null;
  keyspaces: KeyspaceApi;
  /** Absent where no regions are configured. */
  traffic?: TrafficApi;
  /** The frames of a backup, behind `since` if that is possible, or why there are none. */
  backup: (
    since: Since | null,
    asking: { address: string; name: string; password: string },
  ) => AsyncIterable<Buffer> | { refused: string; status: 401 | 409 | 503 };
  /** Events of what changes, or why there are none. */
  changes: (
    query: StreamQuery,
    asking: { address: string; name: string; password: string },
  ) => AsyncIterable<Buffer> | { refused: string; status: number };
};

export interface HttpApi extends AsyncDisposable {
  readonly port: number;
  /** Stops listening and ends every connection. */
  close(): Promise<void>;
}

type Answer = {
  status: number;
  contentType: string;
  /** What comes in pieces comes for as long as it is read. */
  body: string | AsyncIterable<Buffer>;
  allow?: string;
};
type Route = {
  path: string;
  means: string;
  /** Absent where only POST is taken. */
  answer?: (query: URLSearchParams, request: IncomingMessage) => Answer | Promise<Answer>;
  /** What POST does, where it is taken. */
  post?: (query: URLSearchParams, request: IncomingMessage) => Answer | Promise<Answer>;
};

/** What is asked here takes no body. A small one is read and ignored, for clients that always send one. */
const MAX_BODY_BYTES = 16 * 1024;
const MAX_HEADER_BYTES = 16 * 1024;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** Longer than the usual load balancer keeps an idle connection, so that it is the one to close. */
const KEEP_ALIVE_MS = 65_000;
/** Who reads nothing of a backup for so long does not get the rest: the log is kept for it. */
const STREAM_STALLED_MS = 120_000;

/** Rejects, naming the address, when it cannot listen. */
export async function startHttpApi(options: HttpApiOptions): Promise<HttpApi> {
  const routes = routesOf(options);
  const server = createServer(
    { maxHeaderSize: MAX_HEADER_BYTES, noDelay: true },
    (request, response) => {
      void answer(routes, options.names ?? [], request, response);
    },
  );
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  await listening(server, { host: options.host, port: options.port }, options);
  const address = server.address();
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return {
    port: address !== null && typeof address === "object" ? address.port : options.port,
    close,
    [Symbol.asyncDispose]: close,
  };
}

function routesOf(options: HttpApiOptions): Map<string, Route> {
  const routes: Route[] = [
    {
      path: "/health/live",
      means: "200 as long as the process answers",
      answer: () => json(200, { live: true }),
    },
    {
      path: "/health/ready",
      means: "200 when the node may be given traffic, else 503 with the reason",
      answer: () => {
        const { ready, reason } = options.ready();
        return json(ready ? 200 : 503, { ready, reason });
      },
    },
    {
      path: "/metrics",
      means: "metrics for Prometheus",
      answer: async () => ({ status: 200, ...(await options.metrics()) }),
    },
    {
      path: "/status",
      means: "everything the node says about itself, as JSON",
      answer: () => json(200, options.status()),
    },
    {
      path: "/members",
      means: "who belongs to the cluster; POST ?remove=NAME (&force=yes) or ?add=NAME changes it",
      answer: () => json(200, options.membership()),
      post: (query) => changeMembers(options, query),
    },
    {
      path: "/keyspaces",
      means:
        "what holds for keys with a prefix (?explain=KEY: for one); POST ?set=PREFIX&SETTING=VALUE or ?remove=PREFIX",
      answer: (query) => toldAs(tellKeyspaces(options.keyspaces, query)),
      post: async (query) => toldAs(await changeKeyspaces(options.keyspaces, query)),
    },
    {
      path: "/verify",
      means: "how far the comparison with all other members is; POST begins one (?mend=few or all)",
      answer: () => json(200, options.verifyState()),
      post: (query) => beginVerify(options, query.get("mend") ?? "no"),
    },
    {
      path: "/changes",
      means:
        "what changes, as server-sent events (?prefix=cart:&from=start or now or an id, &db=0)",
      answer: (query, request) => streamChanges(options, query, request),
    },
    {
      path: "/backup",
      means: "POST streams a copy of everything, for atoll backup",
      post: (query, request) => streamBackup(options, query, request),
    },
  ];
  if (options.traffic !== undefined) routes.push(...trafficRoutes(options, options.traffic));
  const width = Math.max(...routes.map((route) => route.path.length)) + 2;
  const index = routes.map((route) => `${route.path.padEnd(width)}${route.means}\n`).join("");
  routes.push({ path: "/", means: "this list", answer: () => text(index) });
  return new Map(routes.map((route) => [route.path, route]));
}

function toldAs({ status, told: body }: { status: number; told: unknown }): Answer {
  return json(status, body);
}

function changeMembers(options: HttpApiOptions, query: URLSearchParams): Answer {
  const [remove, add] = [query.get("remove"), query.get("add")];
  if ((remove === null) === (add === null))
    return problem(400, "write either ?remove=NAME or ?add=NAME");
  const refusal =
    remove === null
      ? options.addMember(add as string)
      : options.removeMember(remove, query.get("force") === "yes");
  return refusal === null ? json(202, options.membership()) : problem(409, refusal);
}

function trafficRoutes({ ready }: HttpApiOptions, traffic: TrafficApi): Route[] {
  return [
    {
      path: "/traffic",
      means: "what this region sees of the others, and the plan; 503 while it serves nobody",
      // Whoever asks takes traffic away from here for that.
      answer: () =>
        ready().ready
          ? json(200, traffic.view())
          : problem(503, ready().reason ?? "it is not ready"),
    },
    {
      path: "/traffic/status",
      means: "verdicts on all regions with their evidence, and what was changed",
      answer: () => json(200, traffic.status()),
    },
    {
      path: "/traffic/explain",
      means: "why an answer is what it is (?name=app&address=203.0.113.9)",
      answer: (query) => told(explainRoute(traffic, query)),
    },
    {
      path: "/traffic/latecomers",
      means:
        "who comes to a region although it is drained, as far as is seen here (?region=us-east)",
      answer: (query) => json(200, traffic.latecomers(query.get("region") ?? "")),
    },
    {
      path: "/traffic/plan",
      means: "the plan; POST makes the next (?region=us-east&mode=drained)",
      answer: () => json(200, traffic.view().plan),
      post: (query) => told(planRoute(traffic, query)),
    },
  ];
}

function told(said: Told): Answer {
  return "value" in said ? json(200, said.value) : problem(said.status, said.error);
}

function beginVerify({ verify, verifyState }: HttpApiOptions, mend: string): Answer {
  if (mend !== "no" && mend !== "few" && mend !== "all")
    return problem(400, `mend=${mend} means nothing: write no, few or all`);
  if (!verify(mend))
    return problem(409, "a comparison is under way: GET /verify tells how far it is");
  return json(202, verifyState());
}

const sinceSchema = z
  .object({ chain: z.string(), from: z.coerce.number(), to: z.coerce.number(), sum: z.string() })
  .transform(({ chain, ...last }) => ({ chain, last }))
  .pipe(z.object({ chain: z.string(), last: lastBlockSchema }));

function streamBackup(
  { backup }: HttpApiOptions,
  query: URLSearchParams,
  request: IncomingMessage,
): Answer {
  const since = query.size === 0 ? null : sinceSchema.safeParse(Object.fromEntries(query));
  if (since?.success === false)
    return problem(400, "chain, from, to and sum are those of an earlier backup, or absent");
  const begun = backup(since?.data ?? null, {
    address: request.socket.remoteAddress ?? "",
    ...credentialsOf(request),
  });
  if ("refused" in begun) return problem(begun.status, begun.refused);
  return { status: 200, contentType: "application/octet-stream", body: begun };
}

function streamChanges(
  { changes }: HttpApiOptions,
  query: URLSearchParams,
  request: IncomingMessage,
): Answer {
  // A page of another site must not read it with what the browser knows of this one.
  if (request.headers.origin !== undefined) return problem(403, "a web page may not ask for this");
  if (request.method === "HEAD") return { status: 200, contentType: EVENTS, body: "" };
  const db = Number(query.get("db") ?? "0");
  if (!Number.isInteger(db) || db < 0) return problem(400, "db is the number of a database");
  const last = request.headers["last-event-id"];
  const begun = changes(
    {
      prefix: query.get("prefix") ?? "",
      from: typeof last === "string" && last !== "" ? last : (query.get("from") ?? "now"),
      db,
    },
    { address: request.socket.remoteAddress ?? "", ...credentialsOf(request) },
  );
  if ("refused" in begun) return problem(begun.status, begun.refused);
  return { status: 200, contentType: EVENTS, body: begun };
}

const EVENTS = "text/event-stream";

/** By `Authorization: Basic`; without it, the user whom every client is at first. */
function credentialsOf({ headers }: IncomingMessage): { name: string; password: string } {
  const [, encoded] = /^basic (\S+)$/i.exec(headers.authorization ?? "") ?? [];
  if (encoded === undefined) return { name: "default", password: "" };
  const pair = Buffer.from(encoded, "base64").toString();
  const colon = pair.indexOf(":");
  const [name, password] = [pair.slice(0, Math.max(0, colon)), pair.slice(colon + 1)];
  return { name: name === "" ? "default" : name, password };
}

async function answer(
  routes: Map<string, Route>,
  names: readonly string[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  // A client that leaves in the middle is no event.
  request.on("error", () => {});
  response.on("error", () => {});
  const refusal = refuse(routes, names, request);
  if (refusal !== null) return send(request, response, refusal, true);
  let found: Answer;
  try {
    const route = routes.get(pathOf(request)) as Route;
    const query = new URLSearchParams(queryOf(request));
    found =
      request.method === "POST" && route.post !== undefined
        ? await route.post(query, request)
        : await (route.answer as NonNullable<Route["answer"]>)(query, request);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    found = problem(500, `${pathOf(request)} could not be answered: ${why}`);
  }
  let received = 0;
  request.on("data", (chunk: Buffer) => {
    received += chunk.length;
    if (received > MAX_BODY_BYTES) request.destroy();
  });
  send(request, response, found, false);
}

/** Why the request is not answered, or null when it is. */
function refuse(
  routes: Map<string, Route>,
  names: readonly string[],
  request: IncomingMessage,
): Answer | null {
  const host = request.headers.host;
  if (host === undefined || !isKnownHost(host, names))
    return problem(
      403,
      `the host ${JSON.stringify(host ?? "")} is not a name of this node: ask by IP address, or configure the name`,
    );
  const path = pathOf(request);
  if (!routes.has(path)) return problem(404, `there is nothing at ${path}: / lists what there is`);
  const route = routes.get(path);
  const allow = [
    ...(route?.answer === undefined ? [] : ["GET", "HEAD"]),
    ...(route?.post === undefined ? [] : ["POST"]),
  ].join(", ");
  if (!allow.split(", ").includes(request.method ?? ""))
    return {
      ...problem(405, `${path} answers ${allow}, not ${request.method ?? "this"}`),
      allow,
    };
  // A page that a browser shows may send a POST to any address; a browser says so.
  if (request.method === "POST" && request.headers.origin !== undefined)
    return problem(403, "a web page may not ask for this");
  if (Number(request.headers["content-length"] ?? 0) > MAX_BODY_BYTES)
    return problem(413, `a request may carry at most ${MAX_BODY_BYTES} bytes`);
  return null;
}

function pathOf(request: IncomingMessage): string {
  const url = request.url ?? "/";
  const query = url.indexOf("?");
  return query < 0 ? url : url.slice(0, query);
}

function queryOf(request: IncomingMessage): string {
  const url = request.url ?? "/";
  const query = url.indexOf("?");
  return query < 0 ? "" : url.slice(query + 1);
}

function json(status: number, value: unknown): Answer {
  return { status, contentType: "application/json", body: `${JSON.stringify(value)}\n` };
}

function text(body: string): Answer {
  return { status: 200, contentType: "text/plain; charset=utf-8", body };
}

function problem(status: number, error: string): Answer {
  return json(status, { error });
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  { status, contentType, body, allow }: Answer,
  last: boolean,
): void {
  if (typeof body !== "string") {
    response.writeHead(status, { "content-type": contentType, "cache-control": "no-store" });
    response.setTimeout(STREAM_STALLED_MS, () => response.destroy());
    // Who leaves in the middle ends what makes it.
    void pipeline(body, response).catch(() => response.destroy());
    return;
  }
  const bytes = Buffer.from(body);
  response.writeHead(status, {
    "content-type": contentType,
    "content-length": bytes.length,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...(allow === undefined ? {} : { allow }),
    // What a refused request still carries is not read: the connection ends with the answer.
    ...(last ? { connection: "close" } : {}),
  });
  response.end(request.method === "HEAD" ? undefined : bytes);
}

function listening(server: Server, where: ListenOptions, options: HttpApiOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: NodeJS.ErrnoException): void => {
      const why = cause.code === "EADDRINUSE" ? "it is already in use" : cause.message;
      reject(
        new Error(`cannot listen for HTTP on ${options.host}:${options.port}: ${why}`, { cause }),
      );
    };
    server.once("error", failed);
    server.listen(where, () => {
      server.off("error", failed);
      // From now on: a connection that could not be accepted. The client sees it; the node goes on.
      server.on("error", () => {});
      resolve();
    });
  });
}
