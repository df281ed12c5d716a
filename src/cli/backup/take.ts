/**
 * Taking a backup: the frames that a node sends become pieces in a place, and then a manifest.
 *
 *   POST /backup ─► frames ─► pieces of some megabytes, compressed ─► END ─► manifest
 *
 * Invariant: without END there is no manifest. What was put until then is removed, or by a later backup if this process could not.
 */
import { createHash, randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { zstdCompress } from "node:zlib";
import {
  type BackupBegin,
  type BackupEnd,
  beginSchema,
  endSchema,
  frame,
  frames,
  KIND,
  readBlockFrame,
  readSectionFrame,
} from "../../host/backup/frames.ts";
import type { BackupPlace } from "../../host/ports/backup-place.ts";
import { CliError } from "../cli-error.ts";
import { loadManifests, type Manifest, type Piece, putManifest, sha256 } from "./manifest.ts";

/** Before compression. */
const PIECE_BYTES = 16 * 1024 * 1024;
const FOLDER = "pieces/";
/** What no manifest names may be that of a backup which is being taken, as long as it is not older. */
const LEFT_OVER_AFTER_MS = 24 * 3600 * 1000;

const compress = promisify(zstdCompress);

export interface TakeOptions {
  /** Of the node's HTTP port; a name and a password in it are those of a user who may do everything. */
  readonly url: string;
  readonly place: BackupPlace;
  /** Whether an earlier one is not gone on from. */
  readonly full: boolean;
  readonly signal: AbortSignal;
  /** How much of it has come, from 0 to 1. */
  readonly onProgress: (part: number, text: string) => void;
}

export async function takeBackup(options: TakeOptions): Promise<Manifest> {
  const { place, full, signal, onProgress } = options;
  const node = nodeAt(options.url);
  const { member } = (await (await node.ask("status", "GET", signal)).json()) as { member: string };
  const { manifests, damaged } = await loadManifests(place);
  const before = full ? undefined : manifests.findLast((one) => one.member === member);
  // What only a damaged manifest names may be needed yet.
  if (damaged.length === 0) await removeLeftOvers(place, manifests);
  const query = before?.last
    ? `?${new URLSearchParams({
        chain: before.chain,
        from: String(before.last.from),
        to: String(before.last.to),
        sum: before.last.sum,
      }).toString()}`
    : "";
  const answer = await node.ask(`backup${query}`, "POST", signal);
  if (answer.body === null) throw new CliError(`${options.url} sent nothing`);
  const taking = new Taking(place);
  try {
    const { begin, end } = await taking.takeAll(answer.body, onProgress);
    const follows = begin.full ? undefined : before;
    if (!begin.full && (follows === undefined || follows.chain !== begin.chain))
      throw new CliError("the node goes on from a backup that is not here");
    const { earliestMs, ...cut } = end;
    const manifest: Manifest = {
      format: 1,
      id: taking.id,
      follows: follows?.id ?? null,
      takenAt: new Date().toISOString(),
      member: begin.member,
      version: begin.version,
      chain: begin.chain,
      from: follows?.from ?? begin.from,
      ...cut,
      earliestMs: follows?.earliestMs ?? earliestMs ?? end.latestMs,
      stateSha256: taking.stateSha256(),
      pieces: [...(follows?.pieces ?? []), ...taking.pieces],
      added: taking.pieces.length,
    };
    signal.throwIfAborted();
    await putManifest(place, manifest);
    return manifest;
  } catch (error) {
    await taking.abandon();
    throw error;
  }
}

class Taking {
  readonly id: string;
  readonly pieces: Piece[] = [];
  readonly #place: BackupPlace;
  readonly #state = createHash("sha256");
  #gathered: Buffer[] = [];
  #gatheredBytes = 0;

  constructor(place: BackupPlace) {
    this.#place = place;
    this.id = idAt(Date.now());
  }

  stateSha256(): string {
    return this.#state.copy().digest("hex");
  }

  async takeAll(
    body: AsyncIterable<Uint8Array>,
    onProgress: TakeOptions["onProgress"],
  ): Promise<{ begin: BackupBegin; end: BackupEnd }> {
    let begin: BackupBegin | null = null;
    let end: BackupEnd | null = null;
    for await (const { kind, body: bytes } of frames(body)) {
      if (kind === KIND.failed) throw new CliError(`the node gave up: ${bytes.toString()}`);
      if (kind === KIND.begin) begin = beginSchema.parse(JSON.parse(bytes.toString()));
      else if (kind === KIND.end) end = endSchema.parse(JSON.parse(bytes.toString()));
      else if (begin === null || end !== null) throw new CliError("the node sent no backup");
      else {
        await this.#take(kind, bytes);
        this.#tell(begin, kind, bytes, onProgress);
      }
    }
    if (begin === null || end === null)
      throw new CliError("the node left before the backup was whole: take it again");
    await this.#flush();
    return { begin, end };
  }

  async #take(kind: number, body: Buffer): Promise<void> {
    if (kind === KIND.sums) this.#state.update(body);
    const bytes = frame(kind, body);
    this.#gathered.push(bytes);
    this.#gatheredBytes += bytes.length;
    if (this.#gatheredBytes >= PIECE_BYTES) await this.#flush();
  }

  async #flush(): Promise<void> {
    if (this.#gathered.length === 0 && this.pieces.length > 0) return;
    const bytes = await compress(Buffer.concat(this.#gathered));
    this.#gathered = [];
    this.#gatheredBytes = 0;
    const number = String(this.pieces.length + 1).padStart(5, "0");
    const name = `${FOLDER}${this.id}-${number}`;
    this.pieces.push({ name, bytes: bytes.length, sha256: sha256(bytes) });
    await this.#place.put(name, bytes);
  }

  #keys = 0;
  #logBytes = 0;

  #tell(
    { full, keys, logBytes }: BackupBegin,
    kind: number,
    body: Buffer,
    onProgress: TakeOptions["onProgress"],
  ): void {
    if (kind === KIND.section) this.#keys = Math.max(this.#keys, readSectionFrame(body).keys);
    if (kind === KIND.block) {
      const { from, to } = readBlockFrame(body);
      this.#logBytes += to - from;
    }
    const bytes = this.pieces.reduce((sum, piece) => sum + piece.bytes, 0);
    const part = full ? this.#keys / (keys + 1) : Math.min(1, this.#logBytes / (logBytes + 1));
    const what = full ? `${this.#keys} of ${keys} keys` : `${this.#logBytes} bytes of log`;
    onProgress(Math.min(part, 1), `${what}, ${bytes} bytes stored`);
  }

  /** Leaves nothing behind, as far as the place can be reached. */
  async abandon(): Promise<void> {
    for (const { name } of this.pieces) await this.#place.remove(name).catch(() => {});
  }
}

/** In the order of time as text. */
function idAt(ms: number): string {
  const time = new Date(ms).toISOString().replaceAll(/[-:.]/g, "").toLowerCase();
  return `${time}-${randomBytes(3).toString("hex")}`;
}

/** When a piece was begun, in milliseconds since 1970; NaN if its name does not say. */
function timeOf(piece: string): number {
  const [, ...parts] =
    /(\d{4})(\d\d)(\d\d)t(\d\d)(\d\d)(\d\d)(\d{3})z/.exec(piece)?.map(Number) ?? [];
  const [year = NaN, month = 1, day, hour, minute, second, milli] = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second, milli);
}

/** Removes what a process that was killed has left, long after. */
async function removeLeftOvers(place: BackupPlace, manifests: readonly Manifest[]): Promise<void> {
  const named = new Set(manifests.flatMap(({ pieces }) => pieces.map(({ name }) => name)));
  for (const name of await place.list(FOLDER))
    if (!named.has(name) && Date.now() - timeOf(name) > LEFT_OVER_AFTER_MS)
      await place.remove(name);
}

/** A node by its URL, with the credentials in it. */
function nodeAt(text: string): {
  ask(path: string, method: "GET" | "POST", signal: AbortSignal): Promise<Response>;
} {
  const url = new URL(text);
  const { username, password } = url;
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const headers: Record<string, string> =
    username === "" && password === ""
      ? {}
      : { authorization: `Basic ${Buffer.from(credentials).toString("base64")}` };
  url.username = "";
  url.password = "";
  return {
    async ask(path, method, signal) {
      let answer: Response;
      try {
        answer = await fetch(new URL(path, url), { method, headers, signal });
      } catch (cause) {
        if (signal.aborted) throw cause;
        throw new CliError(`${url.origin} does not answer`, 1, { cause });
      }
      if (answer.status === 200) return answer;
      const said = await answer.text();
      throw new CliError(`${url.origin} refuses: ${errorIn(said)}`);
    },
  };
}

function errorIn(said: string): string {
  try {
    return (JSON.parse(said) as { error: string }).error;
  } catch {
    return said.trim();
  }
}
