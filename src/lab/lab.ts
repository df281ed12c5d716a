/**
 * The lab: several regions on this machine, each a process, with a WAN between them.
 *
 *     us-east ──► [ WAN link ] ──► us-west        one for every two nodes; the first by name dials
 *
 * Invariant: whatever ends the lab ends its nodes: it stops them when it is told to, and they stop by themselves when it is
 * gone. Ports, addresses and directories stay the same from a node's kill to its start, so that only what was meant changes.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import { stringify } from "yaml";
import type { KeyspaceConfig } from "../host/config.ts";
import type { Membership } from "../host/membership.ts";
import { didYouMean } from "../host/suggestion.ts";
import { type Answer, callControl, type ControlServer, serveControl } from "./control.ts";
import type { LabCommand, LabEndpoints, LabStatus } from "./lab-command.ts";
import {
  endLeftovers,
  objection,
  prepare,
  readRunning,
  removeRunning,
  writeRunning,
} from "./lab-directory.ts";
import { LabNode } from "./lab-node.ts";
import {
  addressOf,
  type GatewayPorts,
  gatewaySettingsOf,
  LAB_DNS_PORT,
  LAB_NAME,
  type LabGateway,
  type StartGateway,
  trafficSettingsOf,
} from "./lab-traffic.ts";
import { unknownRegion } from "./distances.ts";
import { courseBetween, parseRegions, type Post, postsOf, type Wan } from "./lab-options.ts";
import { freePorts, portTaken } from "./ports.ts";
import { systemClock } from "./wan-direction.ts";
import { type Way, WanLink } from "./wan-link.ts";

export interface LabOptions {
  readonly regions: readonly string[];
  /** How many each region has. */
  readonly replicas: number;
  /** RESP port of the first node; 0 picks free ones. */
  readonly port: number;
  readonly wan: Wan;
  readonly durability: "local" | "relaxed";
  readonly dir: string;
  /** Starts on the data that is there. */
  readonly keep: boolean;
  readonly keyspaces: readonly KeyspaceConfig[];
  /** With a DNS server in each region, and one gateway. */
  readonly traffic: boolean;
  readonly startGateway: StartGateway;
  /** Program and arguments of a node; `serve --config <file>` follows. */
  readonly command: readonly string[];
  /** Says something to whoever watches the lab. */
  readonly say: (line: string) => void;
}

/** A reason not to start, in words for the user. */
export class LabRefusal extends Error {
  override name = "LabRefusal";
}

type Cable = { dialler: Post; listener: Post; link: WanLink };

/**
 * Starts a lab and resolves when every region serves. Rejects with `LabRefusal` for what the user can mend. `onLab` gets it
 * before anything of it runs, so that it can be stopped while it starts.
 */
export async function startLab(
  options: LabOptions,
  onLab: (lab: Lab) => void = () => {},
): Promise<Lab> {
  const dir = resolve(options.dir);
  await refuseIfOccupied(dir);
  const ports = await choosePorts(options);
  const gatewayPorts = await chooseGatewayPorts(options);
  prepare(dir, options.keep);
  const lab = new Lab({ ...options, dir }, ports, gatewayPorts);
  try {
    onLab(lab);
    await lab.open();
  } catch (error) {
    await lab.stop();
    throw error;
  }
  return lab;
}

async function refuseIfOccupied(dir: string): Promise<void> {
  const why = objection(dir);
  if (why !== null) throw new LabRefusal(why);
  const running = readRunning(dir);
  if (running === null) return;
  if ((await callControl(running, { type: "ping" })) !== null)
    throw new LabRefusal(
      `a lab already runs in ${dir} (pid ${running.pid}); end it with \`atoll lab stop --dir ${dir}\` or name another directory with --dir`,
    );
  endLeftovers(running);
}

/** How far the ports for HTTP lie behind those for Redis. */
const HTTP_PORTS_FROM = 1_000;

/** `dns` is null where there is no server. */
type Ports = { resp: number; http: number; replication: number; dns: number | null };

async function choosePorts({ regions, replicas, port, traffic }: LabOptions): Promise<Ports[]> {
  const posts = postsOf(regions, replicas);
  const free = await freePorts(posts.length * 4);
  const chosen = posts.map(({ region, replica }, i) => ({
    resp: port === 0 ? (free[i * 4] ?? 0) : port + i,
    http: port === 0 ? (free[i * 4 + 1] ?? 0) : port + i + HTTP_PORTS_FROM,
    replication: free[i * 4 + 2] ?? 0,
    dns:
      !traffic || replica > 1
        ? null
        : port === 0
          ? (free[i * 4 + 3] ?? 0)
          : LAB_DNS_PORT + regions.indexOf(region),
  }));
  if (port === 0) return chosen;
  for (const [i, { resp, http, dns }] of chosen.entries())
    for (const [kind, number] of [
      ["RESP", resp],
      ["HTTP", http],
      ["DNS", dns],
    ] as const) {
      if (number === null) continue;
      const why = await portTaken(number);
      if (why !== null)
        throw new LabRefusal(
          `port ${number} (${kind} of ${posts[i]?.name}) ${why}; choose others with --port, or free ones with --port 0`,
        );
    }
  return chosen;
}

/** The ports of the gateway, below those of the nodes; 0, when there is none or free ones will do. */
async function chooseGatewayPorts({ port, traffic }: LabOptions): Promise<GatewayPorts> {
  if (!traffic || port === 0) return { redis: 0, http: 0 };
  const ports = { redis: port - 1, http: port - 1 + HTTP_PORTS_FROM };
  for (const number of Object.values(ports)) {
    const why = await portTaken(number);
    if (why !== null)
      throw new LabRefusal(
        `port ${number} (of the gateway) ${why}; choose others with --port, or free ones with --port 0`,
      );
  }
  return ports;
}

/** How long the nodes may take to learn of a new one. */
const ADMIT_MS = 30_000;
const ADMIT_POLL_MS = 50;

export class Lab {
  readonly #options: LabOptions;
  readonly #nodes = new Map<string, LabNode>();
  readonly #posts: Post[];
  /** The members that nodes are started with. */
  #members: readonly string[];
  readonly #ports: Ports[];
  readonly #cables: Cable[] = [];
  /** What probes travel by, from each node to each other region. */
  readonly #probeCables: Cable[] = [];
  readonly #secret = randomBytes(24).toString("base64url");
  readonly #token = randomBytes(24).toString("base64url");
  readonly #gatewayPorts: GatewayPorts;
  #gateway: LabGateway | null = null;
  #control: ControlServer | null = null;
  #stopping: Promise<void> | null = null;
  #urgent = false;
  /** Resolves when the lab has ended, by whatever. */
  readonly ended: Promise<void>;
  #end: () => void = () => {};

  constructor(options: LabOptions, ports: readonly Ports[], gatewayPorts: GatewayPorts) {
    this.#options = options;
    this.#gatewayPorts = gatewayPorts;
    this.#posts = postsOf(options.regions, options.replicas);
    this.#members = this.#posts.map(({ member }) => member);
    this.#ports = [...ports];
    this.ended = new Promise((done) => (this.#end = done));
  }

  async open(): Promise<void> {
    const { dir } = this.#options;
    this.#control = await serveControl(this.#token, (command) => this.#carryOut(command));
    try {
      this.#sign(true);
    } catch (cause) {
      throw new LabRefusal(`another lab has just been started in ${dir}; name another with --dir`, {
        cause,
      });
    }
    await this.#layCables();
    if (this.#stopping !== null) {
      await this.#removeCables();
      throw new Error("it was stopped while it started");
    }
    for (const [i, post] of this.#posts.entries())
      this.#nodes.set(post.name, this.#prepareNode(post, this.#ports[i] ?? none));
    await Promise.all([...this.#nodes.values()].map((node) => this.#startNode(node)));
    if (this.#options.traffic) await this.#openGateway();
  }

  /** The gateway is a part of the lab itself: no region's death takes it along. */
  async #openGateway(): Promise<void> {
    const { regions, dir, startGateway } = this.#options;
    const targets = this.#posts.flatMap(({ region, replica, name }) => {
      const { respHost, respPort, httpPort } = (this.#nodes.get(name) as LabNode).options;
      const redis = `redis://${respHost}:${respPort}`;
      return replica > 1
        ? []
        : [[region, { redis, http: `http://127.0.0.1:${httpPort}` }] as const];
    });
    const config = gatewaySettingsOf(new Map(targets), this.#gatewayPorts);
    const gateway = await startGateway(config, regions[0] ?? "", join(dir, "gateway.log"));
    if (this.#stopping === null) this.#gateway = gateway;
    else await gateway[Symbol.asyncDispose]();
  }

  /** Where clients find the regions. */
  endpoints(): LabEndpoints {
    return {
      regions: [...this.#nodes.values()].map(({ options, pid }) => ({
        name: options.name,
        redis: `redis://${options.respHost}:${options.respPort}`,
        http: `http://127.0.0.1:${options.httpPort}`,
        pid: pid ?? 0,
        dir: options.dir,
      })),
      ...(this.#options.traffic
        ? {
            traffic: {
              dns: this.#ports.flatMap(({ dns }) =>
                dns === null ? [] : [`udp://127.0.0.1:${dns}`],
              ),
              name: LAB_NAME,
              redis: `redis://127.0.0.1:${this.#gateway?.port ?? this.#gatewayPorts.redis}`,
              http: `http://127.0.0.1:${this.#gateway?.httpPort ?? this.#gatewayPorts.http}`,
            },
          }
        : {}),
    };
  }

  /** One way between two regions, in words, for the table. */
  distances(): string[] {
    return this.#cables
      .filter(({ dialler, listener }) => dialler.replica === 1 && listener.replica === 1)
      .map(
        ({ dialler, listener, link }) =>
          `${dialler.region} – ${listener.region} ${link.course("forth").delayMs} ms`,
      );
  }

  /** Ends every node and resolves when all are gone. A second call does not wait for them to end in order. */
  stop(): Promise<void> {
    if (this.#stopping !== null) {
      this.#urgent = true;
      for (const node of this.#nodes.values()) void node.killNow();
      return this.#stopping;
    }
    this.#stopping = this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    await this.#gateway?.[Symbol.asyncDispose]();
    await Promise.all(
      [...this.#nodes.values()].map((node) => (this.#urgent ? node.killNow() : node.stop())),
    );
    await this.#removeCables();
    // The answer to `lab stop` is still to be sent, so the control port closes by itself once that is done.
    if (this.#control !== null) {
      void this.#control[Symbol.asyncDispose]();
      removeRunning(this.#options.dir, this.#token);
    }
    this.#end();
  }

  async #removeCables(): Promise<void> {
    await Promise.all(
      [...this.#cables, ...this.#probeCables].map(({ link }) => link[Symbol.asyncDispose]()),
    );
  }

  /** Leaves in the directory how this lab is found. */
  #sign(first: boolean): void {
    const nodes = [...this.#nodes.values()].flatMap(({ pid, options }) =>
      pid === null ? [] : [{ pid, config: options.config }],
    );
    const port = this.#control?.port ?? 0;
    writeRunning(this.#options.dir, { pid: process.pid, port, token: this.#token, nodes }, first);
  }

  async #layCables(): Promise<void> {
    for (const dialler of this.#posts)
      for (const [i, listener] of this.#posts.entries()) {
        if (dialler.member < listener.member) await this.#layCable(dialler, listener, i);
        if (this.#options.traffic && dialler.region !== listener.region && listener.replica === 1)
          this.#probeCables.push(
            await this.#openCable(dialler, listener, this.#ports[i]?.http ?? 0),
          );
      }
  }

  /** `i` is which of the posts listens. */
  async #layCable(dialler: Post, listener: Post, i: number): Promise<void> {
    this.#cables.push(await this.#openCable(dialler, listener, this.#ports[i]?.replication ?? 0));
  }

  /** A cable to a port of the listener. */
  async #openCable(dialler: Post, listener: Post, port: number): Promise<Cable> {
    const { wan } = this.#options;
    const target = { host: "127.0.0.1", port };
    const isNear = dialler.region === listener.region;
    const course = courseBetween(isNear ? { type: "none" } : wan, dialler.region, listener.region);
    const link = await WanLink.open(target, course, systemClock);
    return { dialler, listener, link };
  }

  /**
   * A region joins. The others count it before it begins, or they would let go of what it has not seen: they are told, and go on serving.
   * The new one dials all of them.
   */
  async #add(region: string): Promise<Answer> {
    const { wan, replicas, port } = this.#options;
    const parsed = parseRegions(region);
    const why =
      "refused" in parsed ? parsed.refused : wan.type === "real" ? unknownRegion(region) : null;
    if (why !== null) return { refused: why };
    if (this.#options.traffic)
      return { refused: "a lab with --traffic keeps the regions that it began with" };
    if (this.#posts.some((post) => post.region === region))
      return { refused: `this lab has a region ${region} already` };
    const asked = await this.#witness();
    const idle = this.#posts
      .map(({ name, member }) => ({ node: this.#nodes.get(name) as LabNode, member }))
      .find(
        ({ node, member }) => node.state !== "ready" && asked?.members.includes(member) !== false,
      );
    if (idle !== undefined || asked === null)
      return {
        refused: `every node has to learn of ${region}: ${idle === undefined ? "none answers" : `${idle.node.options.name} is ${idle.node.state}`}`,
      };
    const admitted = await admit(
      asked.httpPort,
      postsOf([region], replicas).map(({ member }) => member),
    );
    if ("refused" in admitted) return admitted;
    this.#members = admitted.members;
    const known = this.#posts.length;
    for (const post of postsOf([region], replicas)) {
      const [resp = 0, http = 0, replication = 0] = await freePorts(3);
      const n = port + this.#posts.length;
      this.#ports.push(
        port === 0
          ? { resp, http, replication, dns: null }
          : { resp: n, http: n + 1_000, replication, dns: null },
      );
      this.#posts.push(post);
    }
    for (let i = known; i < this.#posts.length; i++)
      for (let to = 0; to < i; to++)
        if (admitted.members.includes(this.#posts[to]?.member ?? ""))
          await this.#layCable(this.#posts[i] as Post, this.#posts[to] as Post, to);
    const added = this.#posts.slice(known).map((post, i) => {
      const node = this.#prepareNode(post, this.#ports[known + i] ?? none);
      this.#nodes.set(post.name, node);
      return node;
    });
    await Promise.all(added.map((node) => this.#startNode(node)));
    return { done: null };
  }

  /** A node that belongs to the cluster, and who else does; null when none answers. */
  async #witness(): Promise<{ httpPort: number; members: readonly string[] } | null> {
    for (const { name, member } of this.#posts) {
      const node = this.#nodes.get(name);
      if (node?.state !== "ready") continue;
      const { httpPort } = node.options;
      const answer = await fetch(`http://127.0.0.1:${httpPort}/members`).catch(() => null);
      const members = ((await answer?.json()) as Membership | undefined)?.members ?? [];
      if (members.includes(member)) return { httpPort, members };
    }
    return null;
  }

  #prepareNode(post: Post, ports: Ports): LabNode {
    const { command, say } = this.#options;
    const { name } = post;
    const dir = join(this.#options.dir, name);
    const logFile = join(dir, "node.log");
    mkdirSync(dir, { recursive: true });
    writeFileSync(logFile, "");
    const config = this.#writeSettings(post, ports);
    return new LabNode({
      name,
      command,
      dir,
      config,
      logFile,
      respHost: this.#respHost(post),
      respPort: ports.resp,
      httpPort: ports.http,
      replicationPort: ports.replication,
      onFailed: (_node, why) => {
        say(`the node of ${name} failed: it ${why}`);
        say(`start it again with \`atoll lab start ${name}\``);
      },
    });
  }

  /** Writes a node's settings; returns the file. */
  #writeSettings(post: Post, ports: Ports): string {
    const { name, region, replica, member } = post;
    const { durability, keyspaces, regions, traffic } = this.#options;
    const probePorts = new Map(
      this.#probeCables
        .filter(({ dialler }) => dialler.member === member)
        .map(({ listener, link }) => [listener.region, link.port]),
    );
    const dir = join(this.#options.dir, name);
    const config = join(dir, "node.yaml");
    const settings = {
      region,
      replica,
      dir: join(dir, "data"),
      durability,
      resp: { host: this.#respHost(post), port: ports.resp },
      http: { host: "127.0.0.1", port: ports.http },
      replication: {
        host: "127.0.0.1",
        port: ports.replication,
        secret: this.#secret,
        links: this.#cables
          .filter(({ dialler }) => dialler.member === member)
          .map(({ listener, link }) => ({
            to: listener.member,
            address: `127.0.0.1:${link.port}`,
          })),
      },
      members: this.#members,
      keyspaces,
      ...(traffic ? { traffic: trafficSettingsOf(regions, probePorts, ports.dns) } : {}),
    };
    writeFileSync(config, stringify(settings), { mode: 0o600 });
    return config;
  }

  /** Where clients find a node: with `--traffic` at the address that the DNS tells them. */
  #respHost({ region }: Post): string {
    const { traffic, regions } = this.#options;
    return traffic ? addressOf(regions.indexOf(region)) : "127.0.0.1";
  }

  async #startNode(node: LabNode): Promise<void> {
    const started = node.start();
    this.#sign(false);
    await started;
  }

  async #carryOut(command: LabCommand): Promise<Answer> {
    switch (command.type) {
      case "ping":
        return { done: null };
      case "status":
        return { done: await this.#status() };
      case "endpoints":
        return { done: this.endpoints() };
      case "stop":
        await this.stop();
        return { done: null };
      case "cut":
        return this.#cut(command.regions, command.oneWay);
      case "heal":
        return this.#heal(command.regions);
      case "wan":
        return this.#setDelay(command.from, command.to, command.delayMs);
      case "kill":
        return this.#withNode(command.region, (node) => node.kill());
      case "pause":
        return this.#withNode(command.region, (node) => {
          if (node.state !== "ready") throw new Error(cannot("pause", node));
          node.pause();
        });
      case "start":
        return this.#withNode(command.region, (node) => this.#startAgain(node));
      case "add":
        return this.#add(command.region);
      case "clock":
        return this.#withNode(command.region, (node) => node.setClock(command.offsetMs));
      default:
        return { refused: "this lab does not know that command; it may be of another version" };
    }
  }

  async #withNode(name: string, run: (node: LabNode) => void | Promise<void>): Promise<Answer> {
    const meant = this.#posts.filter((post) => isMeant(post, name));
    if (meant.length === 0) return { refused: this.#noRegion(name) };
    await Promise.all(meant.map(async (post) => run(this.#nodes.get(post.name) as LabNode)));
    return { done: null };
  }

  async #startAgain(node: LabNode): Promise<void> {
    if (this.#stopping !== null) throw new Error("the lab is stopping");
    if (node.state === "paused") await node.resume();
    else if (node.state === "starting") throw new Error(cannot("start", node));
    else if (node.state !== "ready") await this.#startNode(node);
  }

  #noRegion(name: string): string {
    const names = [...this.#nodes.keys()];
    const meant = didYouMean(name, names);
    return `this lab has no region "${name}"${meant}${meant === "" ? ";" : ""} it has ${names.join(", ")}`;
  }

  /** The directions between the named regions: from the first to the second, or from the only one to all others. */
  #directions(regions: readonly string[], oneWay: boolean): { link: WanLink; way: Way }[] | string {
    for (const name of regions)
      if (!this.#posts.some((post) => isMeant(post, name))) return this.#noRegion(name);
    const [from, to] = regions;
    if (from !== undefined && from === to) return `${from} has no link to itself`;
    const out: { link: WanLink; way: Way }[] = [];
    for (const { dialler, listener, link } of [...this.#cables, ...this.#probeCables])
      for (const [sender, receiver, way] of [
        [dialler, listener, "forth"],
        [listener, dialler, "back"],
      ] as const) {
        const ahead = isWay(sender, receiver, from, to);
        const reverse = isWay(receiver, sender, from, to);
        if (from === undefined || ahead || (reverse && !oneWay)) out.push({ link, way });
      }
    return out;
  }

  #cut(regions: readonly string[], oneWay: boolean): Answer {
    const directions = this.#directions(regions, oneWay);
    if (typeof directions === "string") return { refused: directions };
    for (const { link, way } of directions) link.cut(way);
    return { done: null };
  }

  #heal(regions: readonly string[]): Answer {
    const directions = this.#directions(regions, false);
    if (typeof directions === "string") return { refused: directions };
    for (const { link, way } of directions) link.heal(way);
    return { done: null };
  }

  #setDelay(from: string, to: string, delayMs: number): Answer {
    const directions = this.#directions([from, to], false);
    if (typeof directions === "string") return { refused: directions };
    for (const { link, way } of directions)
      link.setCourse(way, { ...link.course(way), delayMs, jitterMs: 0 });
    return { done: null };
  }

  async #status(): Promise<LabStatus> {
    const nodes = [...this.#nodes.values()];
    const answers = await Promise.all(nodes.map((node) => node.status()));
    const regions = nodes.map((node, i) => ({
      name: node.options.name,
      // A node that serves may have more to say of itself, such as `read-only`.
      state: answers[i]?.state ?? node.state,
      pid: node.pid,
      clockOffsetMs: node.clockOffsetMs,
      ...(answers[i]?.state === "joining" ? { progress: answers[i]?.reason ?? "" } : {}),
    }));
    const links = this.#cables.flatMap(({ dialler, listener, link }) =>
      (
        [
          [dialler, listener, "forth"],
          [listener, dialler, "back"],
        ] as const
      ).map(([from, to, way]) => {
        const sender = answers[nodes.findIndex((node) => node.options.name === from.name)];
        const seen = sender?.links.find((one) => one.peer === to.member);
        return {
          from: from.name,
          to: to.name,
          cut: link.isCut(way),
          delayMs: link.course(way).delayMs,
          lagMs: seen?.lagMs ?? null,
          lagRecords: seen?.lagRecords ?? null,
        };
      }),
    );
    return { regions, links };
  }
}

/** Has a node's cluster count new members; returns all there are once everybody counts them, or who does not. */
async function admit(
  httpPort: number,
  added: readonly string[],
): Promise<{ members: string[] } | { refused: string }> {
  const url = new URL(`http://127.0.0.1:${httpPort}/members`);
  for (const member of added) {
    url.search = new URLSearchParams({ add: member }).toString();
    const answer = await fetch(url, { method: "POST" });
    if (!answer.ok) return { refused: ((await answer.json()) as { error: string }).error };
  }
  url.search = "";
  const untilMs = Date.now() + ADMIT_MS;
  for (;;) {
    const { members, awaits } = (await (await fetch(url)).json()) as Membership;
    const left = awaits.filter((member) => !added.includes(member));
    if (left.length === 0) return { members };
    if (Date.now() > untilMs)
      return { refused: `${left.join(", ")} does not count ${added.join(", ")} yet: try again` };
    await after(ADMIT_POLL_MS);
  }
}

const none: Ports = { resp: 0, http: 0, replication: 0, dns: null };

function cannot(what: string, node: LabNode): string {
  return `cannot ${what} ${node.options.name}: it is ${node.state}`;
}

/** Whether a node is the one of a name, or in the region of that name. */
function isMeant({ name, region }: Post, named: string): boolean {
  return name === named || region === named;
}

/** Whether one direction leads from what `from` names to what `to` names; without `to`, to anywhere outside of `from`. */
function isWay(sender: Post, receiver: Post, from?: string, to?: string): boolean {
  if (from === undefined || !isMeant(sender, from)) return false;
  return to === undefined ? !isMeant(receiver, from) : isMeant(receiver, to);
}
