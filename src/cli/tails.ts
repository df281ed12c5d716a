/**
 * `atoll tails`: what a removed member had that nobody else has: told from its data directory, kept as a file, written again elsewhere.
 *
 *   directory of the removed member ┐
 *                                   ├─► list │ show │ save (a file) │ restore (at a member that remains)
 *   file that was saved             ┘
 *
 * Invariant: of a directory nothing is lost, and it is opened only while no node uses it; where its member ends is asked of those that
 * remain.
 */
import { readFile, stat, writeFile } from "node:fs/promises";
import { Command } from "commander";
import { z } from "zod";
import { parseAddress } from "../adapters/redis-client/address.ts";
import { RedisClient } from "../adapters/redis-client/redis-client.ts";
import { openFileStorage } from "../adapters/storage-files/file-storage.ts";
import { originName } from "../core/clock/origins.ts";
import { nameOf } from "../core/commands/conflicts.ts";
import { voidWrites } from "../core/commands/void-writes.ts";
import {
  type Conflict,
  conflictId,
  readConflict,
  writeConflict,
} from "../core/replica/conflict.ts";
import { Refused } from "../core/wire/answers.ts";
import { savedOrigin } from "../host/identity.ts";
import type { Membership } from "../host/membership.ts";
import type { NodeStatus } from "../host/status.ts";
import { recover } from "../host/recovery.ts";
import { CliError, EXIT_FAILED, EXIT_USAGE, usage } from "./cli-error.ts";
import { scratchReplica } from "./backup/scratch-replica.ts";
import { labUrls } from "./lab-urls.ts";
import { table } from "./table.ts";
import { withTarget } from "./target.ts";

type Flags = { dir: string; url?: string; json?: true };

/** What lies behind the end of one origin. */
interface Tail {
  origin: string;
  /** The last record that counts, and the last one of which something is left. */
  end: number;
  newest: number;
  writes: number;
  keys: number;
}

const fileSchema = z.strictObject({
  atollTails: z.literal(1),
  member: z.string(),
  ends: z.record(z.string(), z.number()),
  entries: z.array(z.string()),
});

interface Found {
  readonly member: string;
  readonly ends: Record<string, number>;
  readonly entries: readonly Conflict[];
}

const SOURCE = "a data directory that no node uses, or a file that `atoll tails save` made";
const SHOWN_MAX = 40;

export function tailsCommand(): Command {
  return new Command("tails")
    .description("what a removed member had that nobody else has, and how to get it back")
    .addCommand(
      sub("list", "which records are void, by origin").action(
        async (source: string, flags: Flags) => {
          const tails = tailsOf(await found(source, flags));
          if (flags.json) return print({ tails });
          const rows = tails.map((tail) => Object.values(tail).map(String));
          process.stdout.write(
            tails.length === 0
              ? "nothing is void: the others have all of it\n"
              : table(["origin", "ends at", "newest", "writes", "keys"], rows),
          );
        },
      ),
    )
    .addCommand(
      sub("show", "each write that is void, with its value").action(
        async (source: string, flags: Flags) => {
          const { entries } = await found(source, flags);
          if (flags.json) return print({ writes: entries.map(described) });
          const rows = entries.slice(0, SHOWN_MAX).map((entry) => {
            const { id: _, ...facts } = described(entry);
            return Object.values(facts).map(String);
          });
          const more = entries.length - rows.length;
          process.stdout.write(
            table(["db", "key", "type", "what", "path", "value", "origin", "seq", "at"], rows) +
              (more > 0 ? `and ${more} more: --json has them all\n` : ""),
          );
        },
      ),
    )
    .addCommand(
      sub("save", "keep what is void as a file, so that the directory may be emptied")
        .requiredOption("--to <file>", "the file, which must not be there yet")
        .action(async (source: string, flags: Flags & { to: string }) => {
          const { member, ends, entries } = await found(source, flags);
          const text = JSON.stringify({
            ...{ atollTails: 1, member, ends },
            entries: entries.map((entry) => writeConflict(entry).toString("base64")),
          });
          await writeFile(flags.to, `${text}\n`, { flag: "wx", mode: 0o600, flush: true });
          if (flags.json) print({ file: flags.to, writes: entries.length });
          else process.stdout.write(`${entries.length} writes are kept in ${flags.to}\n`);
        }),
    )
    .addCommand(
      sub("restore", "write what is void again at a member that remains, as writes made now")
        .option("--key <key...>", "only these keys; all if it is left out")
        .option("--prefix <prefix>", "put it beside: under each key with this in front")
        .action(restore),
    );
}

function sub(name: string, description: string): Command {
  return withTarget(new Command(name).description(description).argument("<source>", SOURCE));
}

async function restore(
  source: string,
  flags: Flags & { key?: string[]; prefix?: string },
): Promise<void> {
  const { entries } = await found(source, flags);
  const keys = flags.key === undefined ? null : new Set(flags.key.map(latin1));
  const wanted = entries.filter(({ key }) => keys === null || keys.has(key.latin1Slice()));
  if (wanted.length === 0) throw usage("there is nothing of that to restore");
  const refused: { key: string; reason: string }[] = [];
  using client = await open(await remaining(flags));
  for (const entry of wanted) {
    const words = ["AA.RESTORE", "ENTRY", writeConflict(entry)];
    if (flags.prefix !== undefined) {
      await client.demand("SELECT", String(entry.db));
      words.push("AS", Buffer.concat([Buffer.from(flags.prefix), entry.key]));
    }
    const answer = await client.ask(...words);
    if (answer instanceof Refused)
      refused.push({ key: entry.key.latin1Slice(), reason: answer.text });
  }
  const restored = wanted.length - refused.length;
  if (flags.json) print({ restored, refused });
  else {
    process.stdout.write(`${restored} of ${wanted.length} writes are restored\n`);
    for (const { key, reason } of refused) process.stdout.write(`${key}: ${reason}\n`);
  }
  if (refused.length > 0)
    throw new CliError(
      `${refused.length} could not be written where they were: put them beside with --prefix`,
      EXIT_FAILED,
    );
}

/** What is void in a directory or a file. */
async function found(source: string, flags: Flags): Promise<Found> {
  const kind = await stat(source).catch((cause: unknown) => {
    throw new CliError(`${source} is not there`, EXIT_USAGE, { cause });
  });
  return kind.isDirectory() ? foundIn(source, await remaining(flags)) : savedIn(source);
}

async function savedIn(file: string): Promise<Found> {
  try {
    const { member, ends, entries } = fileSchema.parse(JSON.parse(await readFile(file, "utf8")));
    const read = entries.map((entry) => readConflict(Buffer.from(entry, "base64")));
    return { member, ends, entries: read };
  } catch (cause) {
    throw new CliError(`${file} is no file that atoll tails saved`, EXIT_USAGE, { cause });
  }
}

async function foundIn(directory: string, { membership }: NodeStatus): Promise<Found> {
  await using storage = await openFileStorage(directory).catch((cause: unknown) => {
    throw new CliError(cause instanceof Error ? cause.message : String(cause), EXIT_USAGE, {
      cause,
    });
  });
  const origin = await savedOrigin(storage.identity);
  if (origin === null) throw usage(`${directory} is no data directory of a node`);
  const { replica } = await recover(
    storage,
    () => scratchReplica(origin),
    () => {},
    () => {},
  );
  const ends = endsOf(membership);
  const entries = [
    ...voidWrites(replica.run, (one) =>
      membership.removed.some((gone) => gone.member === one.member)
        ? (ends[originName(one)] ?? 0)
        : Infinity,
    ),
  ];
  return { member: origin.member, ends, entries };
}

/** Where each origin of a removed member ends. Throws while that is not known of one. */
function endsOf({ removed }: Membership): Record<string, number> {
  const closing = removed.filter(({ state }) => state === "closing");
  if (closing.length > 0)
    throw new CliError(
      `where ${closing.map(({ member }) => member).join(", ")} ends is not known yet: atoll member list says whose word is missing`,
      EXIT_FAILED,
    );
  return Object.assign({}, ...removed.map(({ ends }) => ends)) as Record<string, number>;
}

interface Remaining extends NodeStatus {
  readonly url: URL;
}

/** A member that remains, as it describes itself. */
async function remaining({ url, dir }: Flags): Promise<Remaining> {
  const urls = url === undefined ? await labUrls(dir) : [url];
  for (const text of urls) {
    const base = new URL(text);
    const { username, password } = base;
    base.username = base.password = "";
    const answer = await fetch(new URL("/status", base), {
      signal: AbortSignal.timeout(2_000),
    }).catch(() => null);
    if (answer === null) continue;
    const status = (await answer.json()) as NodeStatus;
    if (!status.membership.members.includes(status.member)) continue;
    base.username = username;
    base.password = password;
    return { ...status, url: base };
  }
  throw new CliError("no member that remains answers: name one with --url", EXIT_USAGE);
}

function open({ url, respPort }: Remaining): Promise<RedisClient> {
  const { username, password, hostname } = url;
  const who = password === "" ? "" : `${username}:${password}@`;
  const address = parseAddress(`redis://${who}${hostname}:${respPort}`);
  if (address === null) throw usage(`${hostname} is no address`);
  return RedisClient.open(address);
}

function tailsOf({ ends, entries }: Found): Tail[] {
  const groups = Map.groupBy(entries, ({ loser }) => originName(loser.origin));
  return [...groups].map(([origin, those]) => ({
    origin,
    end: ends[origin] ?? 0,
    newest: Math.max(...those.map(({ loser }) => loser.seq)),
    writes: those.length,
    keys: new Set(those.map(({ db, key }) => `${db}:${key.latin1Slice()}`)).size,
  }));
}

function described(entry: Conflict): {
  id: string;
  db: number;
  key: string;
  type: string;
  what: string;
  path: string;
  value: string;
  origin: string;
  seq: number;
  at: string;
} {
  const { db, key, tag, what, path, value, loser } = entry;
  return {
    id: conflictId(entry),
    ...{ db, key: key.latin1Slice(), type: nameOf(tag), what },
    ...{ path: path.latin1Slice(), value: value.latin1Slice() },
    ...{ origin: originName(loser.origin), seq: loser.seq },
    at: new Date(loser.ms).toISOString(),
  };
}

function latin1(text: string): string {
  return Buffer.from(text).latin1Slice();
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
