/**
 * Reading a backup: its pieces become a replica in memory, and if there is a storage, a checkpoint and a log in it.
 *
 *   first section ─► log before the checkpoint ─► other sections ─► log behind it, up to the cut ─► digests: the same as at the node?
 *
 * Invariant: what is returned is whole, and shows in every slot whose digest was told exactly what the node showed there. Anything else
 * is thrown and says what is wrong with which file.
 */
import { promisify } from "node:util";
import { zstdDecompress } from "node:zlib";
import { Malformed } from "../../core/bytes/source.ts";
import type { Origin } from "../../core/clock/origins.ts";
import { originName } from "../../core/clock/origins.ts";
import { CheckpointLoader } from "../../core/replica/checkpoint-loader.ts";
import { ForeignHeader } from "../../core/replica/foreign-header.ts";
import { LogCut } from "../../core/replica/log-cut.ts";
import type { Replica } from "../../core/replica/replica.ts";
import { sameSums } from "../../core/verify/digest.ts";
import { ShardPass } from "../../core/verify/shard-pass.ts";
import {
  type Frame,
  frames,
  KIND,
  readBlockFrame,
  readSectionFrame,
  readSumsFrame,
  sumOfTold,
  type Sums,
} from "../../host/backup/frames.ts";
import type { BackupPlace } from "../../host/ports/backup-place.ts";
import { type CheckpointWriter, Damaged, type Storage } from "../../host/ports/storage.ts";
import { CliError } from "../cli-error.ts";
import { type Manifest, type Piece, sha256 } from "./manifest.ts";
import { scratchReplica } from "./scratch-replica.ts";

const decompress = promisify(zstdDecompress);

/** Up to where the log is read: a moment, in milliseconds since 1970, or origin → seq. */
export type Until =
  { readonly atMs: number } | { readonly vector: Readonly<Record<string, number>> };

export interface ReadOptions {
  readonly place: BackupPlace;
  readonly manifest: Manifest;
  readonly origin: Origin;
  /** Where it is written too; empty. Null: nowhere. */
  readonly storage: Storage | null;
  /** Null: everything. What is cut is not compared with the node's digests: read everything once before. */
  readonly until: Until | null;
  readonly signal: AbortSignal;
  /** How much of it has been read, from 0 to 1. */
  readonly onProgress: (part: number) => void;
}

export interface Read {
  readonly replica: Replica;
  /** Records that lie behind the cut. */
  readonly dropped: number;
}

/** Log that may wait for the disk. */
const UNSTORED_MAX_BYTES = 32 * 1024 * 1024;

export async function readBackup(options: ReadOptions): Promise<Read> {
  const reading = new Reading(options);
  try {
    return await reading.all();
  } catch (error) {
    await reading.abandon();
    if (!(error instanceof Malformed || error instanceof Damaged)) throw error;
    const { place, manifest } = options;
    const where = reading.piece === null ? manifest.id : reading.piece.name;
    throw new CliError(`${where} in ${place.name}: ${error.message}`, 1, { cause: error });
  }
}

class Reading {
  readonly #options: ReadOptions;
  readonly #replica: Replica;
  readonly #loader: CheckpointLoader;
  #header: ForeignHeader | null = null;
  #sections = 0;
  #writer: CheckpointWriter | null = null;
  #cut: LogCut | null = null;
  /** Where the node's log has got to, and where its marks lie in ours. */
  #position = 0;
  readonly #places = new Map<number, number>();
  #marks: number[] = [];
  piece: Piece | null = null;

  constructor(options: ReadOptions) {
    this.#options = options;
    this.#replica = scratchReplica(options.origin);
    this.#loader = new CheckpointLoader(this.#replica);
  }

  async all(): Promise<Read> {
    const { manifest, storage, until, signal, onProgress } = this.#options;
    const { pieces, added } = manifest;
    const whole = pieces.reduce((sum, { bytes }) => sum + bytes, 0);
    let read = 0;
    let next = this.#fetch(pieces[0]);
    for (const [i, piece] of pieces.entries()) {
      this.piece = piece;
      const bytes = await next;
      next = this.#fetch(pieces[i + 1]);
      // Whoever stops on the way does not wait for it.
      next.catch(() => {});
      for await (const one of frames([bytes] as never)) {
        signal.throwIfAborted();
        await this.#take(one, i >= pieces.length - added);
      }
      read += piece.bytes;
      onProgress(read / whole);
    }
    this.piece = null;
    const replica = this.#replica;
    if (this.#sections === 0) throw new Damaged("it holds no checkpoint");
    if (until === null) this.#compareVector();
    else this.#checkUntil(until);
    this.#loader.check();
    if (storage !== null && this.#writer !== null) {
      await stored(storage);
      await this.#writer.install();
    }
    this.#writer = null;
    return { replica, dropped: this.#cut?.dropped ?? 0 };
  }

  async abandon(): Promise<void> {
    await this.#writer?.abandon().catch(() => {});
  }

  async #fetch(piece: Piece | undefined): Promise<Buffer> {
    if (piece === undefined) return Buffer.alloc(0);
    const bytes = await this.#options.place.get(piece.name);
    if (bytes === null) throw new Damaged("it is missing");
    if (bytes.length !== piece.bytes)
      throw new Damaged(`it has ${bytes.length} bytes, the manifest says ${piece.bytes}`);
    if (sha256(bytes) !== piece.sha256) throw new Damaged("it does not match its checksum");
    return decompress(bytes);
  }

  async #take({ kind, body }: Frame, isOwn: boolean): Promise<void> {
    if (kind === KIND.section) await this.#takeSection(readSectionFrame(body).section);
    else if (kind === KIND.block) await this.#takeBlock(body);
    else if (kind !== KIND.sums) throw new Damaged(`a frame is of the unknown kind ${kind}`);
    // Those of earlier backups say nothing that these do not.
    else if (isOwn && this.#options.until === null) this.#compare(readSumsFrame(body));
  }

  async #takeSection(section: Buffer): Promise<void> {
    if (this.#header === null) {
      this.#header = new ForeignHeader(Buffer.from(section), this.#replica.origins);
      this.#position = this.#options.manifest.from;
      this.#marks = [...this.#header.markedAt, this.#header.position].filter(
        (position) => position >= this.#position,
      );
      this.#note();
      return;
    }
    await this.#begin();
    this.#loader.section(section, this.#sections++);
    await this.#writer?.section(section);
  }

  /** The log before the checkpoint is here: where its marks lie is known. */
  async #begin(): Promise<void> {
    const header = this.#header;
    if (header === null) throw new Damaged("it does not begin with a checkpoint");
    if (this.#sections > 0) return;
    const { storage, until } = this.#options;
    if (this.#position < header.position)
      throw new Damaged("the log does not reach the checkpoint behind it");
    const first = header.relocated((position) => this.#places.get(position) ?? null);
    this.#checkBegin(header);
    this.#loader.section(first, this.#sections++);
    if (until !== null) {
      const { origins, applied } = this.#replica;
      this.#cut = new LogCut(origins, applied, header.lineages, this.#keeps(until));
    }
    if (storage === null) return;
    this.#writer = storage.checkpoints.begin();
    await this.#writer.section(first);
  }

  async #takeBlock(body: Buffer): Promise<void> {
    const { from, to, block } = readBlockFrame(body);
    const header = this.#header;
    if (header === null) throw new Damaged("it does not begin with a checkpoint");
    if (from < this.#position || to <= from)
      throw new Damaged(`the block of ${from} does not follow ${this.#position}`);
    const before = this.#sections === 0 && this.#position < header.position;
    if (!before) await this.#begin();
    const kept = before || this.#cut === null ? block : this.#cut.take(block);
    this.#position = to;
    if (kept === null) return;
    const { storage } = this.#options;
    const place = storage === null ? to : storage.log.append(kept, false);
    if (storage !== null && place - storage.log.durable > UNSTORED_MAX_BYTES) await stored(storage);
    if (before) this.#note();
    else this.#replica.replay(kept, place);
  }

  /** Notes where a mark lies in our log, if one is here. */
  #note(): void {
    const { storage } = this.#options;
    while (this.#marks[0] !== undefined && this.#marks[0] <= this.#position)
      this.#places.set(this.#marks.shift() as number, storage?.log.end ?? this.#position);
  }

  #keeps(until: Until): (origin: number, seq: number, ms: number) => boolean {
    if ("atMs" in until) return (_origin, _seq, ms) => ms <= until.atMs;
    const { origins } = this.#replica;
    return (origin, seq) => seq <= (until.vector[originName(origins.get(origin))] ?? 0);
  }

  /** The state that the log goes on from must lie before the cut. */
  #checkBegin({ vector }: ForeignHeader): void {
    const { until } = this.#options;
    if (until === null || "atMs" in until) return;
    for (const [name, seq] of Object.entries(this.#replica.describe(vector)))
      if (seq > (until.vector[name] ?? 0)) throw new CliError(tooEarly(name));
  }

  #checkUntil(until: Until): void {
    const { applied } = this.#replica;
    for (const [name, seq] of Object.entries(this.#replica.describe(this.#loader.shown)))
      if (seq > (this.#replica.describe(applied)[name] ?? 0)) throw new CliError(tooEarly(name));
    if ("atMs" in until) return;
    for (const [name, seq] of Object.entries(until.vector))
      if ((this.#replica.describe(applied)[name] ?? 0) !== seq)
        throw new CliError(`the backup does not reach ${seq} of ${name}: name another one`);
  }

  #compareVector(): void {
    const { vector } = this.#options.manifest;
    const has = this.#replica.describe(this.#replica.applied);
    for (const name of new Set([...Object.keys(vector), ...Object.keys(has)]))
      if (vector[name] !== has[name])
        throw new Damaged(
          `it ends with record ${has[name] ?? 0} of ${name}, the manifest says ${vector[name] ?? 0}`,
        );
  }

  #compare({ position, shard, key, told, sum }: Sums): void {
    if (position !== this.#position)
      throw new Damaged(`digests are of ${position}, where the log is at ${this.#position}`);
    const walk = new ShardPass(this.#replica, shard, 1, key, null);
    while (!walk.done) walk.slice(1_000_000);
    if (!sameSums(sumOfTold(walk.sums, told), 0, sum, 0))
      throw new Damaged(`the keys of shard ${shard} are not what the node held there`);
  }
}

function tooEarly(name: string): string {
  return `the state in the backup is later than that, by what ${name} had written: name an earlier backup`;
}

async function stored({ log }: Storage): Promise<void> {
  const to = log.end;
  await new Promise<void>((resolve, reject) => {
    const settle = (): void => {
      if (log.durable >= to) resolve();
    };
    log.onDurable = settle;
    log.onFailure = ({ error }) => reject(error);
    log.sync();
    settle();
  });
}
