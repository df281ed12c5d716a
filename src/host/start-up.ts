/**
 * StartUp: a replica out of a directory.
 *
 *   who are we? ─► what does the directory lack? ─► checkpoint and log ─► roster and identity are durable ─► users
 *
 * Invariant: what the directory lacks is marked on disk before anything is written under a new name, and the name is durable before the
 * replica that bears it is handed out. A start that fails on the way may be tried again.
 */
import { plausibleMs } from "../core/clock/stamp.ts";
import { originName } from "../core/clock/origins.ts";
import type { Vector } from "../core/clock/vector.ts";
import type { NodePort } from "../core/commands/run.ts";
import { tokenKeyOf } from "../core/commands/session-token.ts";
import type { Settings } from "../core/commands/settings.ts";
import { commandTable } from "../core/commands/table.ts";
import { type KeyspacePolicy, type More, POLICIES } from "../core/crdt/policy.ts";
import { Replica } from "../core/replica/replica.ts";
import type { Config } from "./config.ts";
import { loadFormats } from "./formats-note.ts";
import { type Chosen, chooseOrigin, saveOrigin } from "./identity.ts";
import { FENCED, type JoiningMark, loadMark, owes, saveMark } from "./joining-mark.ts";
import type { NodeWorld } from "./node-world.ts";
import type { Storage } from "./ports/storage.ts";
import { recover } from "./recovery.ts";
import { RosterFile } from "./roster-file.ts";

export interface StartedUp {
  readonly replica: Replica;
  /** The position of the checkpoint that was loaded, or null. */
  readonly checkpoint: number | null;
  /** Its number; 0 where there is none. */
  readonly number: number;
  /** What the directory lacks, and records that its state shows in part. */
  readonly mark: JoiningMark;
  readonly shown: Vector;
  readonly rosterFile: RosterFile;
}

/** Throws what the directory's operator has to look at: damage, another member's directory, users that cannot be read. */
export async function startUp(
  config: Config,
  settings: Settings,
  world: NodeWorld,
  port: NodePort,
): Promise<StartedUp> {
  const { storage, log } = world;
  const chance = { nowMs: plausibleMs(world.wallMs()), random: world.random() & 0xffff };
  const chosen = await chooseOrigin(storage.identity, config.member, chance);
  const { origin, renewed } = chosen;
  if (renewed !== null) log.warn({ origin: originName(origin) }, `new incarnation: ${renewed}`);
  const keyspaces = keyspacesOf(config, world);
  const { maxEntries, maxBytes, maxAgeMs } = config.conflicts;
  const rosterFile = new RosterFile(storage.identity);
  const roster = await rosterFile.load();
  const formats = await loadFormats(storage.identity);
  const life = Math.floor(chance.nowMs / 1000) * 2 ** 20 + (world.random() % 2 ** 20);
  const newReplica = (): Replica =>
    new Replica({
      origin,
      region: config.region,
      cluster: "atoll",
      members: config.members,
      relays: config.replication.topology === "links",
      durability: config.durability,
      keyspaces,
      copyBeyondBytes: world.copyBeyondBytes,
      engines: world.engines,
      scripting: world.scripting(),
      conflicts: { entries: maxEntries, bytes: maxBytes, ageMs: maxAgeMs },
      settings,
      node: port,
      tokenKey: tokenKeyOf(config.replication.secret),
      life,
      roster,
      formats,
      chance: [world.random(), world.random(), world.random()],
    });
  const mark = await markFor(chosen, config, storage);
  const startedMs = world.monoMs();
  const { replica, checkpoint, number, replayedBytes, shown } = await recover(
    storage,
    newReplica,
    (text) => log.warn({}, text),
    progress(world),
    owes(mark),
  );
  log.info(
    {
      origin: originName(origin),
      checkpoint,
      replayedBytes,
      tookMs: Math.round(world.monoMs() - startedMs),
    },
    "recovered",
  );
  if (chosen.directory !== "own") {
    replica.roster.doubt();
    await rosterFile.save(replica.roster.encode());
  }
  await saveOrigin(storage.identity, origin, config.durability, false);
  if (chosen.directory !== "own") replica.strong.lost(chance.nowMs);
  loadUsers(replica, world);
  return { replica, checkpoint, number, mark, shown, rosterFile };
}

/** With the resolvers that the configuration names. */
function keyspacesOf({ keyspaces }: Config, world: NodeWorld): KeyspacePolicy[] {
  return keyspaces.map(({ prefix, conflict, format, ...more }) => ({
    prefix,
    conflict: POLICIES.find((name) => name === conflict) ?? world.resolver(conflict),
    format: format ?? null,
    ...given(more),
  }));
}

/** Without what was left out. */
function given(more: { [Key in keyof More]: More[Key] | undefined }): More {
  return Object.fromEntries(Object.entries(more).filter(([, value]) => value !== undefined));
}

/** Logs how far recovery is, once a second. */
function progress({ log, monoMs }: NodeWorld): (position: number, end: number) => void {
  let saidMs = monoMs();
  return (position, end) => {
    if (monoMs() - saidMs < 1_000) return;
    saidMs = monoMs();
    log.info({ position, end }, `replaying the log: ${Math.floor((100 * position) / end)} %`);
  };
}

/** What the directory lacks, kept on disk before anything is written under a new name. */
async function markFor(
  { directory }: Chosen,
  { members }: Config,
  { identity }: Storage,
): Promise<JoiningMark> {
  const kept = await loadMark(identity);
  if (kept.state === "fenced")
    throw new Error(
      `this directory was used while another process lived under its name. ${FENCED}`,
    );
  if (kept.state === "restoring")
    throw new Error(
      "the restore into this directory did not come to its end: empty the directory and restore again",
    );
  if (directory === "own") return kept;
  const waiting: JoiningMark = {
    ...{ state: "waiting", alone: directory === "new" },
    // Whose directory it was had not caught up with what it shows.
    ...(owes(kept) ? { until: kept.until } : {}),
  };
  const mark: JoiningMark = members.length === 1 ? { state: "whole" } : waiting;
  await saveMark(identity, mark);
  return mark;
}

/** Takes over the users of the file there is, or throws what is wrong with it: without them the node would be open to anyone. */
function loadUsers({ run }: Replica, { aclFile }: NodeWorld): void {
  if (aclFile === undefined) return;
  const read = aclFile.read();
  const problem = "problem" in read ? read.problem : run.users.load(read.text, commandTable);
  if (problem !== null) throw new Error(`the users cannot be loaded: ${problem}`);
}
