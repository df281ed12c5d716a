/** `atoll restore`: a backup becomes the data directory of a member. */
import { Command } from "commander";
import { CliError, usage } from "../cli-error.ts";
import { bar, NO_BAR, showsBar } from "../progress-bar.ts";
import { interruptible } from "./interruptible.ts";
import { chooseManifest, loadManifests } from "./manifest.ts";
import { PLACE, placeOf } from "./place.ts";
import type { Until } from "./read.ts";
import { restore } from "./restore.ts";

type Flags = {
  from: string;
  dir: string;
  backup?: string;
  at?: string;
  toVector?: string;
  asNewCluster?: true;
  region?: string;
  replica?: string;
  json?: true;
};

export function restoreCommand(): Command {
  return new Command("restore")
    .description("make a data directory out of a backup, for one region or a new cluster")
    .requiredOption("--from <place>", PLACE)
    .requiredOption("--dir <directory>", "the data directory, empty or not there yet")
    .option("--backup <id>", "which one; the newest if it is left out")
    .option("--region <region>", "whose member it becomes; that of the backup if it is left out")
    .option("--replica <number>", "which replica of the region")
    .option("--as-new-cluster", "a cluster of its own, whose other members begin empty")
    .option("--at <time>", "as it was then, such as 2026-05-01T12:00:00Z; only as a new cluster")
    .option("--to-vector <json>", "up to these records: the cut that atoll verify --json prints")
    .option("--json", "the result as one line of JSON")
    .action(async (flags: Flags) => {
      const place = placeOf(flags.from, process.env);
      const until = untilOf(flags);
      const atMs = until !== null && "atMs" in until ? until.atMs : null;
      const all = await loadManifests(place);
      const asked = flags.region === undefined ? null : memberOf(flags, flags.region, null);
      const manifest = chooseManifest(place, all, { id: flags.backup, member: asked, atMs });
      const [region = ""] = manifest.member.split("/");
      const member = memberOf(flags, flags.region ?? region, manifest.member);
      const shows = showsBar(flags);
      const restored = await interruptible((signal) =>
        restore({
          place,
          manifest,
          dir: flags.dir,
          member,
          isNewCluster: flags.asNewCluster === true,
          until,
          signal,
          onProgress: (phase, part) => shows && process.stderr.write(bar(phase, part, manifest.id)),
        }),
      );
      if (shows) process.stderr.write(NO_BAR);
      const { keys, vector, dropped } = restored;
      if (flags.json) {
        const { id } = manifest;
        process.stdout.write(`${JSON.stringify({ id, member, keys, vector, dropped })}\n`);
        return;
      }
      const behind = dropped === 0 ? "" : `, without ${dropped} records that came later`;
      const next =
        flags.asNewCluster === true
          ? "give this cluster a replication secret of its own, so that it never meets the old one"
          : "start it in the place of the old one: it gets from the others what it had told them since";
      process.stdout.write(
        `${flags.dir} holds ${keys} keys as ${member}${behind}\nthe state was compared with the backup's digests\n${next}\n`,
      );
    });
}

/** The member that is meant: of the backup's region, the backup's own unless another replica was named. */
function memberOf({ replica }: Flags, region: string, taken: string | null): string {
  if (replica !== undefined && !/^[1-9]\d*$/.test(replica))
    throw usage(`--replica ${replica} is no number`);
  if (replica === undefined && taken?.startsWith(`${region}/`)) return taken;
  return `${region}/${replica ?? 1}`;
}

function untilOf({ at, toVector, asNewCluster }: Flags): Until | null {
  if (at === undefined && toVector === undefined) return null;
  if (at !== undefined && toVector !== undefined)
    throw usage("--at and --to-vector exclude one another");
  if (!asNewCluster)
    throw usage(
      "a region gets from the others all that they have, so going back needs --as-new-cluster",
    );
  if (at !== undefined) {
    const atMs = Date.parse(at);
    if (Number.isNaN(atMs)) throw usage(`--at ${at} is no time: write 2026-05-01T12:00:00Z`);
    return { atMs };
  }
  return { vector: vectorOf(toVector ?? "") };
}

function vectorOf(text: string): Record<string, number> {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch (cause) {
    throw new CliError("--to-vector is no JSON", 2, { cause });
  }
  const entries = Object.entries(typeof read === "object" && read !== null ? read : {});
  if (entries.length === 0 || entries.some(([, seq]) => !Number.isSafeInteger(seq)))
    throw usage('--to-vector is an object such as {"us-east/1@01a1fdf3c4b46134":263096}');
  return Object.fromEntries(entries) as Record<string, number>;
}
