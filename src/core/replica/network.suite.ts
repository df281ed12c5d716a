/**
 * Network: replicas with a log in memory and links between them, driven by hand: the smallest host there is.
 *
 * Invariant: nothing happens but what a script asks for; frames travel when `run` is called, and disks sync when `sync` is.
 */
import { Vector } from "../clock/vector.ts";
import { argsOf } from "../wire/args.ts";
import { Reply } from "../wire/reply.ts";
import { Session } from "../commands/session.ts";
import { CheckpointLoader } from "./checkpoint-loader.ts";
import type { SnapshotStep } from "./joining.ts";
import type { Effect, Replica, ReplicaOptions } from "./replica.ts";
import { originOf, replicaOf } from "./solo.suite.ts";

interface Wire {
  readonly peer: Member;
  readonly id: number;
  /** Frames under way to the peer. */
  readonly frames: { readonly type: number; readonly body: Buffer }[];
}

export class Member {
  readonly name: string;
  replica: Replica;
  readonly network: Network;
  readonly more: Partial<ReplicaOptions>;
  readonly log: { readonly block: Buffer; readonly to: number }[] = [];
  /** Syncs after every turn. */
  prompt = true;
  readonly wires = new Map<number, Wire>();
  /** Sections of snapshots that peers wait for. */
  readonly gives: { readonly link: number; readonly snapshot: number }[] = [];
  /** The snapshot that is being kept. */
  sections: Buffer[] = [];
  /** Effects that were carried out, newest last. */
  readonly seen: Effect[] = [];
  #session: Session;
  #asked = 1;

  constructor(network: Network, name: string, more: Partial<ReplicaOptions>) {
    this.name = name;
    this.network = network;
    this.more = more;
    this.replica = replicaOf(name, 1, more);
    this.#session = new Session(1, "127.0.0.1:1", "127.0.0.1:2", 0, true);
  }

  begin(): void {
    const { nowMs } = this.network;
    this.replica.begin(nowMs, nowMs, nowMs);
  }

  /** Runs a command: its reply, and the seq that must be durable before the reply is shown. */
  command(...parts: string[]): { reply: string; hold: number } {
    this.begin();
    const reply = new Reply();
    const hold = this.replica.execute(this.#session, argsOf(...parts), reply);
    const text = reply.sink.view().latin1Slice();
    this.turn();
    return { reply: text, hold };
  }

  /** Runs a command on a strong key for a client of its own; its reply, once there is one. */
  ask(...parts: string[]): () => string | null {
    this.begin();
    const session = new Session(++this.#asked, "127.0.0.1:1", "127.0.0.1:2", 0, true);
    const reply = new Reply();
    this.replica.execute(session, argsOf(...parts), reply);
    const { replica } = this;
    const atOnce = session.deciding ? null : reply.sink.view().latin1Slice();
    this.turn();
    return () =>
      atOnce ??
      replica.run.blocking.answers
        .find((answer) => answer.session === session)
        ?.bytes.latin1Slice() ??
      null;
  }

  tick(): void {
    this.begin();
    this.replica.tick();
    this.turn();
  }

  /** What is under way is on disk now. */
  sync(): void {
    this.replica.stored(this.log.at(-1)?.to ?? 0);
    this.carryOut();
  }

  /** Ends a turn: the block, then the effects. */
  turn(): void {
    this.replica.deliverPushes();
    this.replica.strong.settle();
    const block = this.replica.takeBlock();
    if (block !== null) this.replica.appended(this.#append(block));
    const accepted = this.replica.strong.takeBlock();
    if (accepted !== null) this.replica.strongAppended(this.#append(accepted));
    if (this.prompt) this.sync();
    this.replica.endTurn();
    this.carryOut();
    if (this.replica.strong.unsettled) this.turn();
  }

  #append(block: Buffer): number {
    const to = (this.log.at(-1)?.to ?? 0) + block.length;
    this.log.push({ block: Buffer.from(block), to });
    return to;
  }

  carryOut(): void {
    const { effects } = this.replica;
    for (let next = effects.shift(); next !== undefined; next = effects.shift()) {
      this.seen.push(next);
      this.#carryOut(next);
    }
  }

  #carryOut(effect: Effect): void {
    const { replica } = this;
    switch (effect.type) {
      case "send":
        this.wires
          .get(effect.link)
          ?.frames.push({ type: effect.frame, body: Buffer.from(effect.body) });
        return;
      case "read":
        for (const { block, to } of this.log)
          if (to > effect.from && to <= replica.shipTo)
            replica.exchange.offer(effect.link, effect.passage, block, to);
        return replica.exchange.readDone(effect.link, effect.passage);
      case "ceiling":
        replica.ceilingAppended(this.#append(effect.block), effect.block);
        if (this.prompt) replica.stored(this.log.at(-1)?.to ?? 0);
        return;
      case "give":
        this.gives.push(effect);
        return;
      case "joining":
        return replica.exchange.standingChanged();
      case "snapshot":
        return this.#keep(effect.step);
      case "close":
        this.network.close(this, effect.link);
        return;
      case "formats":
        return replica.formats.stored(effect.version);
      case "roster":
        if (replica.roster.isRemoved(this.name)) replica.run.refuseWrites = "AAREMOVED";
        return replica.rosterStored();
      default:
        return;
    }
  }

  #keep(step: SnapshotStep): void {
    if (step.step === "begin") this.sections = [step.header];
    if (step.step === "section") this.sections.push(step.bytes);
    if (step.step === "begin" || step.step === "section") this.replica.exchange.joining.stored();
    if (step.step === "end") this.#startAnew(step.until);
  }

  /** Recovers from the snapshot and the log behind it, as a node does. */
  #startAnew(until: Vector): void {
    for (const id of [...this.wires.keys()]) this.network.close(this, id);
    const before = this.replica;
    const replica = replicaOf(this.name, 1, this.more);
    const loader = new CheckpointLoader(replica);
    this.sections.forEach((section, index) => loader.section(section, index));
    for (const { block, to } of this.log) if (to > loader.position) replica.replay(block, to);
    replica.replayed();
    const renumbered = new Vector();
    for (let number = 0; number < before.origins.count; number++)
      renumbered.raise(replica.origins.introduce(before.origins.get(number)), until.get(number));
    replica.exchange.joining.begin({ state: "catching up", until: renumbered });
    this.replica = replica;
  }

  /** The process ends and comes back on the same disk. */
  restart(): void {
    for (const id of [...this.wires.keys()]) this.network.close(this, id);
    const replica = replicaOf(this.name, 1, { ...this.more, life: (this.more.life ?? 1) + 10 });
    for (const { block, to } of this.log) replica.replay(block, to);
    replica.replayed();
    replica.stored(this.log.at(-1)?.to ?? 0);
    this.replica = replica;
  }

  /** Everything on this disk is gone; the replica keeps its name and incarnation. */
  wipe(more: Partial<ReplicaOptions> = {}): void {
    for (const id of [...this.wires.keys()]) this.network.close(this, id);
    this.log.length = 0;
    this.replica = replicaOf(this.name, 1, more);
  }

  renew(number: number): void {
    this.replica.become(originOf(this.name, number));
    this.carryOut();
  }

  frames(type: number): Effect[] {
    return this.seen.filter((effect) => effect.type === "send" && effect.frame === type);
  }

  closes(): string[] {
    return this.seen.flatMap((effect) => (effect.type === "close" ? [effect.reason] : []));
  }

  get(key: string): string {
    return this.command("GET", key).reply;
  }
}

export class Network {
  nowMs = 1_700_000_000_000;
  readonly members: Member[];
  readonly #cut = new Set<Wire>();
  #ids = 0;

  constructor(names: readonly string[], more: Partial<ReplicaOptions> = {}) {
    this.members = names.map(
      (name, i) => new Member(this, name, { members: names, life: 1 + i, ...more }),
    );
  }

  /** A connection that `from` dialled. */
  connect(from: Member, to: Member): void {
    const [a, b] = [++this.#ids, ++this.#ids];
    from.wires.set(a, { peer: to, id: b, frames: [] });
    to.wires.set(b, { peer: from, id: a, frames: [] });
    from.begin();
    from.replica.exchange.opened(a, to.name, to.name);
    from.turn();
    to.begin();
    to.replica.exchange.opened(b, null, from.name);
    to.turn();
  }

  /** From now on nothing gets through between two members, and neither is told. */
  cut(a: Member, b: Member): void {
    for (const wire of [...a.wires.values(), ...b.wires.values()])
      if (wire.peer === a || wire.peer === b) this.#cut.add(wire);
  }

  close(member: Member, id: number): void {
    const wire = member.wires.get(id);
    if (wire === undefined) return;
    member.wires.delete(id);
    member.replica.exchange.closed(id);
    wire.peer.wires.delete(wire.id);
    wire.peer.replica.exchange.closed(wire.id);
  }

  /** Delivers frames until none is under way. */
  run(): void {
    for (let busy = true; busy;) {
      busy = false;
      for (const member of this.members) {
        const give = member.gives.shift();
        if (give !== undefined) {
          busy = true;
          this.between();
          member.begin();
          member.replica.exchange.give(give.link, give.snapshot);
          member.turn();
        }
        for (const wire of [...member.wires.values()])
          while (wire.frames.length > 0) {
            const { type, body } = wire.frames.shift() as Wire["frames"][number];
            if (this.#cut.has(wire)) continue;
            busy = true;
            wire.peer.begin();
            wire.peer.replica.exchange.receive(wire.id, type, body);
            wire.peer.turn();
          }
      }
    }
  }

  /** Called before each section of a snapshot. */
  between: () => void = () => {};

  /** Time passes in ticks of 20 ms; everything under way arrives in between. */
  pass(ms: number): void {
    for (let left = ms; left > 0; left -= 20) {
      this.nowMs += 20;
      for (const member of this.members) member.tick();
      this.run();
    }
  }
}
