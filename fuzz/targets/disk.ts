/**
 * Disk: what a node finds when it starts: sections of a checkpoint, blocks of the log, and the files they lie in.
 *
 *   input = u8 kind │ u8 how │ …
 *     sections    u16 length │ bytes, and so on: a checkpoint as the loader gets it
 *     blocks      the same: a log as it is replayed
 *     identity, checkpoint, segment    the bytes of a file; with an odd `how` its checksums are put right first, so that what lies
 *                 behind them is reached
 *
 * Invariant: what is not whole is refused with `Malformed`, `Damaged` or as a newer version's; what is taken leaves a replica that
 * counts right and answers. A replica that refused is thrown away, as a node does.
 */
import { crc32 } from "node:zlib";
import { FileCheckpoints } from "../../src/adapters/storage-files/file-checkpoints.ts";
import { FileIdentity } from "../../src/adapters/storage-files/file-identity.ts";
import {
  BLOCK_HEADER_BYTES,
  blockBytes,
  readBlock,
  writeBlock,
} from "../../src/adapters/storage-files/block.ts";
import { recoverLog } from "../../src/adapters/storage-files/log-recovery.ts";
import {
  SEGMENT_HEADER_BYTES,
  segmentName,
  createSegment,
} from "../../src/adapters/storage-files/segment.ts";
import { Malformed } from "../../src/core/bytes/source.ts";
import { Session } from "../../src/core/commands/session.ts";
import { CheckpointLoader } from "../../src/core/replica/checkpoint-loader.ts";
import { replicaOf } from "../../src/core/replica/solo.suite.ts";
import { argsOf } from "../../src/core/wire/args.ts";
import { Reply } from "../../src/core/wire/reply.ts";
import { Damaged } from "../../src/host/ports/storage.ts";
import type { Chance } from "../../sim/world/chance.ts";
import { recordings } from "../conversations.ts";
import { checkCounts } from "../counts.ts";
import type { Target } from "../engine.ts";
import { MemoryFiles } from "../memory-files.ts";
import { mutate } from "../mutate.ts";
import { must } from "../must.ts";

const SECTIONS = 0;
const BLOCKS = 1;
const IDENTITY = 2;
const CHECKPOINT = 3;
const SEGMENT = 4;
const KINDS = 5;
const NOW_MS = 1_700_000_000_000;
const DIRECTORY = "/";

export class DiskTarget implements Target {
  readonly name = "disk";
  readonly renewEvery = 50;
  readonly #segment: Promise<Buffer> = wholeSegment();
  #segmentBytes: Buffer = Buffer.alloc(0);

  constructor() {
    void this.#segment.then((bytes) => (this.#segmentBytes = bytes));
  }

  /** Nothing outlives an input. */
  renew(): void {}

  make(chance: Chance): Buffer {
    const kind = chance.is(0.6) ? chance.below(2) : chance.below(KINDS);
    const how = chance.below(256);
    let body: Buffer;
    if (kind === SECTIONS || kind === BLOCKS) {
      const { checkpoints, logs } = recordings();
      const parts = [...chance.pick(kind === SECTIONS ? checkpoints : logs)];
      const broken = chance.below(parts.length);
      if (chance.is(0.7) && parts.length > 0)
        parts[broken] = mutate(parts[broken] as Buffer, chance.pick(parts), chance);
      body = Buffer.concat(
        parts.flatMap((part) => {
          const length = Buffer.alloc(2);
          length.writeUInt16BE(part.length);
          return [length, part];
        }),
      );
    } else {
      const whole =
        kind === SEGMENT
          ? this.#segmentBytes
          : kind === IDENTITY
            ? identityFile()
            : checkpointFile(chance);
      body = chance.is(0.9) ? mutate(whole, whole, chance) : whole;
    }
    return Buffer.concat([Buffer.of(kind, how), body]);
  }

  async take(input: Buffer): Promise<void> {
    const kind = (input[0] ?? 0) % KINDS;
    const how = input[1] ?? 0;
    const body = input.subarray(2);
    try {
      if (kind === SECTIONS) loadSections(body);
      else if (kind === BLOCKS) replayBlocks(body);
      else await openFile(kind, how, Buffer.from(body));
    } catch (error) {
      if (error instanceof Malformed || error instanceof Damaged) return;
      if (error instanceof Error && error.message.includes("was written by a newer Atoll")) return;
      throw error;
    }
  }
}

function loadSections(bytes: Buffer): void {
  const replica = replicaOf("a/1", 1);
  const loader = new CheckpointLoader(replica);
  for (const [index, section] of split(bytes).entries()) loader.section(section, index);
  loader.check();
  serves(replica);
}

function replayBlocks(bytes: Buffer): void {
  const replica = replicaOf("a/1", 1);
  let to = 0;
  for (const block of split(bytes)) replica.replay(block, (to += block.length));
  serves(replica);
}

/** The replica starts on what it found: it answers, writes, collects, and counts right. */
function serves(replica: ReturnType<typeof replicaOf>): void {
  replica.replayed();
  checkCounts(replica);
  replica.begin(NOW_MS, NOW_MS, NOW_MS);
  const session = new Session(1, "127.0.0.1:1", "127.0.0.1:2", 0, true);
  for (const words of ["GET k0", "SMEMBERS s", "HGETALL h", "TTL k1", "SET own 1", "DBSIZE"]) {
    const reply = new Reply();
    replica.execute(session, argsOf(...words.split(" ")), reply);
    must(reply.sink.length > 0, "a replica gives no answer");
  }
  for (const words of ["DEL c k0 k1 s h", "FLUSHALL"])
    replica.execute(session, argsOf(...words.split(" ")), new Reply());
  replica.tick();
  checkCounts(replica);
}

function split(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at + 2 <= bytes.length;) {
    const end = Math.min(bytes.length, at + 2 + bytes.readUInt16BE(at));
    parts.push(bytes.subarray(at + 2, end));
    at = end;
  }
  return parts;
}

async function openFile(kind: number, how: number, bytes: Buffer): Promise<void> {
  const files = new MemoryFiles();
  if (how % 2 === 1) seal(kind, bytes);
  if (kind === IDENTITY) {
    files.files.set("identity.replica", bytes);
    await new FileIdentity(files, DIRECTORY, { fingerprint: () => "" }).load("replica");
  } else if (kind === CHECKPOINT) {
    files.files.set("checkpoint.1", bytes);
    let sum = 0;
    await new FileCheckpoints(files, DIRECTORY).load((section) => (sum += section.length));
    must(sum <= bytes.length, "a checkpoint holds more than its file");
  } else {
    files.files.set(segmentName(0), bytes);
    const found = await recoverLog(files, DIRECTORY, await files.list());
    must(
      found !== null && found.end <= Math.max(bytes.length, SEGMENT_HEADER_BYTES),
      "a log ends behind its file",
    );
  }
}

/** Puts the checksums of a file right wherever they lie by what the bytes before them say. */
function seal(kind: number, bytes: Buffer): void {
  if (kind === IDENTITY && bytes.length >= 16) {
    bytes.writeUInt32BE(bytes.length - 16, 8);
    bytes.writeUInt32BE(crc32(bytes.subarray(16), crc32("replica")), 12);
  } else if (kind === CHECKPOINT && bytes.length >= 16) {
    bytes.writeUInt32BE(crc32(bytes.subarray(0, 12)), 12);
    for (let at = 16, index = 0; at + 8 <= bytes.length; index++) {
      const length = bytes.readUInt32BE(at);
      if (length === 0xffff_ffff) break;
      bytes.writeUInt32BE(crc32(bytes.subarray(at + 8, at + 8 + length), index), at + 4);
      at += 8 + length;
    }
  } else if (kind === SEGMENT && bytes.length >= 72)
    bytes.writeUInt32BE(crc32(bytes.subarray(0, 68)), 68);
}

function identityFile(): Buffer {
  const body = Buffer.from('{"member":"a/1"}');
  const bytes = Buffer.concat([Buffer.from("AAID\0\x01\0\0"), Buffer.alloc(8), body]);
  seal(IDENTITY, bytes);
  return bytes;
}

function checkpointFile(chance: Chance): Buffer {
  const sections = chance.pick(recordings().checkpoints);
  const header = Buffer.concat([Buffer.from("AACP\0\x01\0\0\0\0\0\x01"), Buffer.alloc(4)]);
  const parts: Buffer[] = [header];
  for (const section of sections) {
    const head = Buffer.alloc(8);
    head.writeUInt32BE(section.length);
    parts.push(head, section);
  }
  const footer = Buffer.alloc(12, 0xff);
  footer.writeUInt32BE(sections.length, 8);
  footer.writeUInt32BE(crc32(footer.subarray(8), 1), 4);
  const bytes = Buffer.concat([...parts, footer]);
  seal(CHECKPOINT, bytes);
  return bytes;
}

/** A segment as the adapter makes it, with a few blocks in it. */
async function wholeSegment(): Promise<Buffer> {
  const files = new MemoryFiles();
  const capacity = 2048;
  await createSegment(
    files,
    DIRECTORY,
    {
      start: 0,
      capacity,
      previousEnd: 0,
      opening: 1,
      logId: Buffer.alloc(16, 7),
      path: `/${segmentName(0)}`,
      file: null,
      dataEnd: SEGMENT_HEADER_BYTES,
      prepared: 0,
      readers: 0,
      native: true,
    },
    false,
  );
  const bytes = Buffer.from(files.files.get(segmentName(0)) as Buffer);
  let at = SEGMENT_HEADER_BYTES;
  for (let size = 0; size < 200; size += 37) {
    writeBlock(bytes, at, at, 1, SEGMENT_HEADER_BYTES, "data", Buffer.alloc(size, size));
    must(readBlock(bytes, at, at) !== null, "a block is not read back");
    at += blockBytes(size);
  }
  must(at + BLOCK_HEADER_BYTES < capacity, "the segment holds its blocks");
  return bytes;
}
