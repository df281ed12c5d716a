/**
 * `atoll backup`, `atoll backup list`, `atoll backup verify`.
 *
 * Invariant: exit code 0 of a backup means that it is whole in its place, of `verify` that it was read as a restore reads it and holds
 * what the node held.
 */
import { Command } from "commander";
import { newIncarnation } from "../../core/clock/origins.ts";
import { CliError, usage } from "../cli-error.ts";
import { bar, NO_BAR, showsBar } from "../progress-bar.ts";
import { table } from "../table.ts";
import { interruptible } from "./interruptible.ts";
import { chooseManifest, loadManifests, type Manifest } from "./manifest.ts";
import { PLACE, placeOf } from "./place.ts";
import { readBackup } from "./read.ts";
import { takeBackup } from "./take.ts";

type TakeFlags = { url?: string; to?: string; full?: true; json?: true };
/** `--json` is the parent's, which takes it wherever it stands. */
type ReadFlags = { from: string; backup?: string; json?: true };

export function backupCommand(): Command {
  const command = new Command("backup")
    .description("keep a copy of everything a node holds, while it serves")
    .option("--url <url>", "the HTTP port of a node: http://127.0.0.1:8001, http://name:password@…")
    .option("--to <place>", PLACE)
    .option("--full", "even if an earlier one could be gone on from")
    .option("--json", "the result as one line of JSON")
    .action(async (flags: TakeFlags) => {
      const { url, to } = flags;
      if (url === undefined || to === undefined) throw usage("write --url <node> --to <place>");
      if (!URL.canParse(url)) throw usage(`${url} is no URL: write http://127.0.0.1:8001`);
      const place = placeOf(to, process.env);
      const shows = showsBar(flags);
      const manifest = await interruptible((signal) =>
        takeBackup({
          url,
          place,
          full: flags.full === true,
          signal,
          onProgress: (part, text) => shows && process.stderr.write(bar("backup", part, text)),
        }),
      );
      if (shows) process.stderr.write(NO_BAR);
      process.stdout.write(
        flags.json ? `${JSON.stringify(summary(manifest))}\n` : described(manifest, place.name),
      );
    });
  return command.addCommand(listCommand()).addCommand(verifyBackupCommand());
}

function listCommand(): Command {
  return new Command("list")
    .description("list the backups in a place, oldest first")
    .requiredOption("--from <place>", PLACE)
    .action(async (_: ReadFlags, command: Command) => {
      const flags = command.optsWithGlobals<ReadFlags>();
      const { manifests, damaged } = await loadManifests(placeOf(flags.from, process.env));
      if (flags.json)
        process.stdout.write(`${JSON.stringify({ backups: manifests.map(summary), damaged })}\n`);
      else
        process.stdout.write(
          table(
            ["id", "member", "reaches back to", "up to", "keys", "bytes", "follows"],
            manifests.map((one) => [
              one.id,
              one.member,
              new Date(one.earliestMs).toISOString(),
              new Date(one.latestMs).toISOString(),
              `${one.keys}`,
              `${summary(one).bytes}`,
              one.follows ?? "nothing: a full one",
            ]),
          ),
        );
      if (damaged.length > 0) throw new CliError(damaged.join("; "));
    });
}

function verifyBackupCommand(): Command {
  return new Command("verify")
    .description("read a backup as a restore would, and compare it with what the node held")
    .requiredOption("--from <place>", PLACE)
    .option("--backup <id>", "which one; the newest if it is left out")
    .action(async (_: ReadFlags, command: Command) => {
      const flags = command.optsWithGlobals<ReadFlags>();
      const place = placeOf(flags.from, process.env);
      const all = await loadManifests(place);
      const manifest = chooseManifest(place, all, { id: flags.backup, member: null, atMs: null });
      const shows = showsBar(flags);
      await interruptible((signal) =>
        readBackup({
          place,
          manifest,
          origin: { member: manifest.member, incarnation: newIncarnation(Date.now(), 0) },
          storage: null,
          until: null,
          signal,
          onProgress: (part) => shows && process.stderr.write(bar("reading", part, manifest.id)),
        }),
      );
      if (shows) process.stderr.write(NO_BAR);
      process.stdout.write(
        flags.json
          ? `${JSON.stringify({ whole: true, ...summary(manifest) })}\n`
          : `whole: ${described(manifest, place.name)}`,
      );
    });
}

/** What of a manifest is printed. */
function summary(manifest: Manifest) {
  const { id, follows, member, takenAt, earliestMs, latestMs, vector, keys, slots } = manifest;
  const { ofSlots, stateSha256, pieces, added } = manifest;
  const bytesOf = (some: Manifest["pieces"]): number =>
    some.reduce((sum, { bytes }) => sum + bytes, 0);
  return {
    ...{ id, follows, member, takenAt, earliestMs, latestMs, keys, vector, slots, ofSlots },
    ...{ stateSha256, bytes: bytesOf(pieces), addedBytes: bytesOf(pieces.slice(-added)) },
  };
}

function described(manifest: Manifest, place: string): string {
  const { id, follows, member, keys, slots, ofSlots, vector } = manifest;
  const { bytes, addedBytes } = summary(manifest);
  const lines = [
    `${id}: ${keys} keys of ${member} in ${place}`,
    follows === null ? `${bytes} bytes` : `${bytes} bytes, ${addedBytes} of them since ${follows}`,
    `digests of ${slots} of ${ofSlots} slots; everything up to`,
    ...Object.entries(vector).map(([origin, seq]) => `  ${origin}  ${seq}`),
  ];
  return lines.map((line) => `${line}\n`).join("");
}
