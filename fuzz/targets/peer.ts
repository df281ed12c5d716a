/**
 * Peer: what another member sends, through the production path: handshake, frames, words, records, delivery.
 *
 *   input = u8 way │ u8 how the stream is cut │ …
 *     way 0            a handshake: preamble and proof as they come
 *     way 1 to 31      the stream of frames as it comes
 *     others           messages, each u8 type │ u16 length │ body, which are put into whole frames
 *
 * Invariant: the only exception is `Malformed`, and behind it the replica serves on, and what it took
 * into its log can be replayed to the same vector.
 */
import { crc32, zstdDecompressSync } from "node:zlib";
import {
  agree,
  doubt,
  newPreamble,
  PREAMBLE_BYTES,
  PROOF_BYTES,
  proof,
  strangeness,
  VERSIONS,
} from "../../src/adapters/replication-tcp/handshake.ts";
import { Sink } from "../../src/core/bytes/sink.ts";
import { Malformed } from "../../src/core/bytes/source.ts";
import { Session } from "../../src/core/commands/session.ts";
import type { Replica } from "../../src/core/replica/replica.ts";
import { replicaOf } from "../../src/core/replica/solo.suite.ts";
import { argsOf } from "../../src/core/wire/args.ts";
import { FRAME, FrameDecoder, writeFrame } from "../../src/core/wire/frame.ts";
import { Reply } from "../../src/core/wire/reply.ts";
import type { Chance } from "../../sim/world/chance.ts";
import { checkCounts } from "../counts.ts";
import type { Target } from "../engine.ts";
import { mutate } from "../mutate.ts";
import { must, pieces } from "../must.ts";
import { type Conversation, conversations, freshCopy } from "../conversations.ts";

const TOOLS = {
  crc32,
  unpack: (bytes: Buffer, bytesMax: number) =>
    zstdDecompressSync(bytes, { maxOutputLength: bytesMax }),
  messageBytesMax: 1024 * 1024,
};
const KEY = Int32Array.of(1, 2, 3, 4);
const SLICES_MAX = 6;
const NOW_MS = 1_700_000_000_000;
const LINK = 7;
const CLUSTER = { clusterId: "fuzz", secret: "a secret that only members know" };
const MINE = newPreamble(VERSIONS, 1);
/** Messages whose effects one turn may leave: an answer to each, and what it made due. */
const EFFECTS_MAX = 10_000;

export class PeerTarget implements Target {
  readonly name = "peer";
  readonly renewEvery = 25;
  readonly #said: readonly Conversation[] = conversations();
  #replica: Replica = replicaOf("a/1", 1);
  #session = new Session(1, "127.0.0.1:1", "127.0.0.1:2", 0, true);
  #log: { block: Buffer; to: number }[] = [];
  #position = 0;
  #ms = NOW_MS;

  renew(): void {
    const { applied, origins } = this.#replica;
    const log = this.#log;
    this.#replica = replicaOf("a/1", 1);
    this.#session = new Session(1, "127.0.0.1:1", "127.0.0.1:2", 0, true);
    this.#log = [];
    this.#position = 0;
    this.#ms = NOW_MS;
    const again = replicaOf("a/1", 1);
    again.begin(NOW_MS, NOW_MS, NOW_MS);
    for (const { block, to } of log) again.replay(block, to);
    checkCounts(again);
    for (let number = 0; number < origins.count; number++) {
      const here = again.origins.find(origins.get(number).incarnation);
      const seq = here < 0 ? 0 : again.applied.get(here);
      must(seq === applied.get(number), "a replay ends elsewhere than the replica it came from");
    }
  }

  make(chance: Chance): Buffer {
    if (chance.is(0.02)) {
      const theirs = newPreambleOf(chance);
      const whole = Buffer.concat([theirs, proof(CLUSTER, "dialler", theirs, MINE)]);
      return Buffer.concat([
        Buffer.of(0, 0),
        chance.is(0.5) ? mutate(whole, whole, chance) : whole,
      ]);
    }
    const messages = freshCopy(chance.pick(this.#said), chance);
    const broken = chance.below(messages.length * 2);
    for (const [at, message] of messages.entries())
      if (at === broken) message.body = mutate(message.body, chance.pick(messages).body, chance);
    if (chance.is(0.1)) {
      const stream = framed(messages);
      return Buffer.concat([
        Buffer.of(1 + chance.below(31), chance.below(256)),
        chance.is(0.8) ? mutate(stream, stream, chance) : stream,
      ]);
    }
    const parts: Buffer[] = [Buffer.of(32 + chance.below(224), chance.below(256))];
    for (const { type, body } of messages) {
      const head = Buffer.alloc(3);
      head[0] = type;
      head.writeUInt16BE(body.length, 1);
      parts.push(head, body);
    }
    return Buffer.concat(parts);
  }

  take(input: Buffer): void {
    const [way = 0, how = 0] = input;
    if (way === 0) return shake(input.subarray(2));
    const stream = way < 32 ? input.subarray(2) : framed(unpacked(input.subarray(2)));
    const replica = this.#replica;
    this.#ms += 20;
    replica.begin(this.#ms, this.#ms, this.#ms);
    replica.exchange.opened(LINK, way % 2 === 0 ? null : "b/1", "b/1");
    // Now and then it compares itself, so that what comes may be an answer.
    if (how % 32 === 0)
      replica.verifier.start({ chance: KEY, mends: true, votes: true, slots: null });
    const decoder = new FrameDecoder(TOOLS);
    try {
      for (const piece of pieces(stream, 0, how))
        decoder.push(piece, (type, _, body) => replica.exchange.receive(LINK, type, body));
      must(decoder.heldBytes <= stream.length * 2 + 1024 || way < 32, "more is held than came");
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
    }
    this.#turn();
    for (let slices = 0; slices < SLICES_MAX && replica.compares; slices++) replica.compare();
    replica.tick();
    this.#turn();
    replica.exchange.closed(LINK);
    checkCounts(replica);
    this.#serves(`k${input.length % 10}`);
  }

  /** Ends a turn as a host does, with a disk that is always quick. */
  #turn(): void {
    const replica = this.#replica;
    for (let rounds = 0; rounds < 4; rounds++) {
      replica.deliverPushes();
      const block = replica.takeBlock();
      if (block !== null) {
        this.#position += block.length;
        this.#log.push({ block: Buffer.from(block), to: this.#position });
        replica.appended(this.#position);
      }
      replica.stored(this.#position);
      const effects = replica.effects.splice(0);
      must(effects.length < EFFECTS_MAX, "a few messages have effects without end");
      for (const effect of effects) {
        if (effect.type === "ceiling") {
          this.#position += effect.block.length;
          this.#log.push({ block: Buffer.from(effect.block), to: this.#position });
          replica.ceilingAppended(this.#position, effect.block);
        } else if (effect.type === "read") {
          for (const kept of this.#log)
            if (kept.to > effect.from)
              replica.exchange.offer(effect.link, effect.passage, kept.block, kept.to);
          replica.exchange.readDone(effect.link, effect.passage);
        }
      }
    }
  }

  /** Clients are answered as before. */
  #serves(key: string): void {
    const ask = (...words: string[]): string => {
      const reply = new Reply();
      this.#replica.execute(this.#session, argsOf(...words), reply);
      return reply.sink.view().latin1Slice();
    };
    must(ask("PING") === "+PONG\r\n", "a replica answers no PING");
    must(/^[$-]/.test(ask("GET", key)), "a replica answers no GET");
    must(ask("DBSIZE").startsWith(":"), "a replica answers no DBSIZE");
    must(ask("SET", "own", key) === "+OK\r\n", "a replica takes no write");
    must(ask("GET", "own") === `$${key.length}\r\n${key}\r\n`, "a replica forgets a write");
    this.#turn();
  }
}

function newPreambleOf(chance: Chance): Buffer {
  const preamble = newPreamble({ min: 1, max: 1 + chance.below(3) }, chance.below(4));
  // The nonce is chance that the seed does not decide.
  preamble.fill(chance.below(256), 10);
  return preamble;
}

/** A dialler's preamble and proof, as the listener takes them. */
function shake(bytes: Buffer): void {
  for (const cut of [1, 3, 4, PREAMBLE_BYTES]) strangeness(bytes.subarray(0, cut));
  if (bytes.length < PREAMBLE_BYTES + PROOF_BYTES || strangeness(bytes) !== null) return;
  const theirs = bytes.subarray(0, PREAMBLE_BYTES);
  const agreed = agree(MINE, theirs);
  must("refused" in agreed || agreed.capabilities <= 1, "more was agreed on than is spoken");
  const message = bytes.subarray(PREAMBLE_BYTES, PREAMBLE_BYTES + PROOF_BYTES);
  const right = proof(CLUSTER, "dialler", theirs, MINE).equals(message);
  must(
    (doubt(message, CLUSTER, "dialler", theirs, MINE) === null) === right,
    "a false proof holds",
  );
}

interface Said {
  type: number;
  body: Buffer;
}

function framed(messages: readonly Said[]): Buffer {
  const sink = new Sink(1024);
  for (const { type, body } of messages) writeFrame(sink, type, 0, 0, body, crc32);
  return sink.copy();
}

/** The messages of an input, as far as they reach. */
function unpacked(bytes: Buffer): Said[] {
  const messages: Said[] = [];
  for (let at = 0; at + 3 <= bytes.length;) {
    const end = Math.min(bytes.length, at + 3 + bytes.readUInt16BE(at + 1));
    // Only the transport sends ERROR on, and it keeps it for itself.
    const type = bytes[at] as number;
    if (type !== FRAME.ERROR) messages.push({ type, body: bytes.subarray(at + 3, end) });
    at = end;
  }
  return messages;
}
