/**
 * Conversations: what members really say to one another, recorded from a small network, as what peers and disks are fuzzed with.
 *
 * Invariant: recorded once and the same each time; a copy has incarnations of its own, so that its records are new to whoever has
 * met the others.
 */
import type { Chance } from "../sim/world/chance.ts";
import { CheckpointWriter } from "../src/core/replica/checkpoint.ts";
import { type Member, Network } from "../src/core/replica/network.suite.ts";
import { FRAME } from "../src/core/wire/frame.ts";
import { Chance as Stream } from "../sim/world/chance.ts";

export interface Message {
  readonly type: number;
  body: Buffer;
}

/** Everything one member was sent by another, in order. */
export type Conversation = readonly Message[];

export interface Recorded {
  readonly said: readonly Conversation[];
  /** Each member's log. */
  readonly logs: readonly (readonly Buffer[])[];
  /** Each member's checkpoint. */
  readonly checkpoints: readonly (readonly Buffer[])[];
}

const RECORDINGS = 24;
const KEYSPACES = [{ prefix: "m:", conflict: "lww", format: null, pubsub: "global" }] as const;
/** Of so many recordings, one has the members compare themselves too. */
const COMPARED = 6;
const KEY = Int32Array.of(1, 2, 3, 4);
const COMPARING: ReadonlySet<number> = new Set([FRAME.VERIFY_ASK, FRAME.VERIFY_TELL]);
const KEYS = ["k0", "k1", "k2", "k3", "h", "s", "c"];

let recorded: Recorded | null = null;

export function recordings(): Recorded {
  return (recorded ??= record());
}

export function conversations(): readonly Conversation[] {
  return recordings().said;
}

function record(): Recorded {
  const said: Conversation[] = [];
  const logs: Buffer[][] = [];
  const checkpoints: Buffer[][] = [];
  for (let seed = 1; seed <= RECORDINGS; seed++) {
    const chance = new Stream(seed, "conversation");
    const network = new Network(["a/1", "b/1", "c/1"], { relays: true, keyspaces: KEYSPACES });
    const [a, b, c] = network.members as [Member, Member, Member];
    for (const member of [b, c])
      for (let left = chance.below(5); left > 0; left--) command(member, chance);
    network.connect(b, c);
    network.run();
    network.connect(b, a);
    const wire = [...b.wires.keys()].at(-1) as number;
    network.run();
    for (let left = chance.below(12); left > 0; left--) {
      command(chance.pick([b, b, c]), chance);
      if (chance.is(0.6)) network.run();
    }
    network.run();
    network.pass(60);
    const sent = b.seen.flatMap((effect) =>
      effect.type === "send" && effect.link === wire
        ? [{ type: effect.frame, body: Buffer.from(effect.body) }]
        : [],
    );
    said.push(sent.slice(0, 8));
    if (seed % COMPARED === 0) {
      const begun = b.seen.length;
      compare(network, seed % (2 * COMPARED) === 0 ? a : b);
      const compared = b.seen
        .slice(begun)
        .flatMap((effect) =>
          effect.type === "send" && effect.link === wire && COMPARING.has(effect.frame)
            ? [{ type: effect.frame, body: Buffer.from(effect.body) }]
            : [],
        );
      said.push([...sent.slice(0, 1), ...compared.slice(0, 7)]);
    }
    for (const member of [a, b]) {
      logs.push(member.log.map(({ block }) => block));
      const writer = new CheckpointWriter(member.replica, 4);
      const sections: Buffer[] = [];
      for (let next = writer.next(); next !== null; next = writer.next())
        sections.push(Buffer.from(next));
      checkpoints.push(sections);
    }
  }
  return { said, logs, checkpoints };
}

/** Has a member compare itself with the others, one of which has lost a key, and mend that. */
function compare(network: Network, asker: Member): void {
  const [, b] = network.members as [Member, Member, Member];
  const [shard] = b.replica.keyspace.shards.filter(({ size }) => size > 0);
  if (shard !== undefined) shard.removeAt(shard.some(0));
  asker.begin();
  const progress = asker.replica.verifier.start({
    chance: KEY,
    mends: true,
    votes: true,
    slots: null,
  });
  for (let rounds = 0; rounds < 50 && progress?.done === false; rounds++) {
    for (const member of network.members) {
      while (member.replica.compares) member.replica.compare();
      member.turn();
    }
    network.pass(20);
  }
}

function command(member: Member, chance: Chance): void {
  const key = chance.pick(KEYS);
  const n = String(chance.between(1, 9));
  const commands: string[][] = [
    ["SET", key, `v${n}`],
    ["SET", key, `v${n}`, "EX", "100"],
    ["INCRBY", "c", n],
    ["INCR", key],
    ["INCRBYFLOAT", "c", `${n}.5`],
    ["SADD", "s", `m${n}`, "x"],
    ["SREM", "s", "x"],
    ["HSET", "h", `f${n}`, "1"],
    ["HINCRBY", "h", "f1", n],
    ["HDEL", "h", "f1"],
    ["DEL", key],
    ["EXPIRE", key, "1000"],
    ["PERSIST", key],
    ["RENAME", key, "k0"],
    ["FLUSHDB"],
    ["APPEND", key, "more"],
    ["PUBLISH", `m:${key}`, n],
    ["PUBLISH", "m:", "x".repeat(Number(n) * 40)],
  ];
  if (chance.is(0.15)) member.command("MULTI");
  member.command(...chance.pick(commands));
  member.command(...chance.pick(commands));
  member.command("EXEC");
}

/** The incarnations of `originOf(member, 1)` end in so much of chance; see `newIncarnation`. */
export function freshCopy(conversation: Conversation, chance: Chance): Message[] {
  const mark = chance.below(64);
  return conversation.map(({ type, body }) => ({ type, body: renamed(body, mark) }));
}

/** Bytes in which the incarnations of b and c are others. */
function renamed(bytes: Buffer, mark: number): Buffer {
  const copy = Buffer.from(bytes);
  for (const name of ["b/1", "c/1"]) {
    // An origin as bytes: its incarnation, then the length of the member's name and the name.
    const needle = Buffer.from(`\x03${name}`, "latin1");
    for (let at = copy.indexOf(needle); at >= 0; at = copy.indexOf(needle, at + 1))
      if (at >= 8) copy[at - 1] = ((copy[at - 1] as number) ^ mark) & 0xff;
  }
  return copy;
}
