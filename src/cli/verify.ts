/**
 * `atoll verify`, `atoll diff`, `atoll repair`: whether all members hold the same, where they do not, and mending that.
 *
 * Invariant: the exit code is the verdict: 0 equal, 1 different, 2 could not tell. Equal is only said of everything: every slot, at
 * every member, at a cut that is named.
 */
import { setTimeout as after } from "node:timers/promises";
import { Command } from "commander";
import type { Difference, Mending, VerifyReport, VerifyState } from "../host/verification.ts";
import { CliError, EXIT_FAILED, EXIT_USAGE, usage } from "./cli-error.ts";
import { labUrls } from "./lab-urls.ts";
import { bar, NO_BAR, showsBar } from "./progress-bar.ts";
import { table } from "./table.ts";
import { withTarget } from "./target.ts";

type Flags = {
  dir: string;
  url?: string;
  json?: true;
  plan?: true;
  apply?: true;
  all?: true;
};

/** What is printed of all nodes that were asked. */
interface Verdict {
  equal: boolean | null;
  cut: Record<string, number>;
  differences: number;
  coverage: VerifyReport["coverage"];
  reason: string | null;
}

const POLL_MS = 100;
const KEYS_PRINTED_MAX = 20;

export function verifyCommand(): Command {
  return withTarget(
    new Command("verify").description(
      "prove that all members hold the same: exit code 0 equal, 1 different, 2 could not tell",
    ),
  ).action(async (flags: Flags) => {
    const reports = await compare(flags, "no");
    const verdict = verdictOf(reports);
    if (flags.json) print(verdict);
    else process.stdout.write(describe(verdict, reports[0]?.keys ?? []));
    end(verdict);
  });
}

export function diffCommand(): Command {
  return withTarget(
    new Command("diff")
      .description("list the keys that two members hold differently")
      .argument("<a>", "a region or member, such as us-east or us-east/1")
      .argument("<b>", "another"),
  ).action(async (a: string, b: string, flags: Flags) => {
    const reports = await compare(flags, "no");
    const verdict = verdictOf(reports);
    const [left, right] = [a, b].map((name) => memberOf(name, reports)) as [string, string];
    const different = (reports[0]?.keys ?? []).filter(({ holds }) => holds[left] !== holds[right]);
    // Whoever was compared with both to the end has compared them with one another.
    const known = reports.some((report) =>
      [left, right].every(
        (name) =>
          name === report.member ||
          report.coverage.members.some(({ member, reason }) => member === name && reason === null),
      ),
    );
    const equal = different.length > 0 ? false : known ? true : null;
    if (flags.json) print({ a: left, b: right, equal, keys: different });
    else
      process.stdout.write(
        different.length > 0 ? keysTable(different) : `${left} and ${right} hold the same\n`,
      );
    end({ equal, reason: verdict.reason });
  });
}

export function repairCommand(): Command {
  return withTarget(
    new Command("repair")
      .description("have members that differ adopt what most of them hold")
      .option("--plan", "only say what would be done (the default)")
      .option("--apply", "do it")
      .option(
        "--all",
        "however much differs: without it more than a thousandth of all slots is left alone",
      ),
  ).action(async (flags: Flags) => {
    if (flags.plan && flags.apply) throw usage("--plan and --apply exclude one another");
    const reports = await compare(flags, !flags.apply ? "no" : flags.all ? "all" : "few");
    const verdict = verdictOf(reports);
    const [report] = reports;
    if (flags.json)
      print({
        ...verdict,
        healed: report?.healed,
        undecided: report?.undecided,
        keys: report?.keys,
      });
    else {
      const healed = Object.entries(report?.healed ?? {});
      for (const [member, count] of healed)
        process.stdout.write(`${member}: ${count} keys adopted from the others\n`);
      process.stdout.write(describe(verdict, report?.keys ?? []));
      if ((report?.undecided ?? 0) > 0)
        process.stdout.write(
          `${report?.undecided} keys cannot be decided: no state has a majority. Write the right value to them, and it replaces both\n`,
        );
      else if (!flags.apply && verdict.differences > 0)
        process.stdout.write("mend them with: atoll repair --apply\n");
    }
    end(verdict);
  });
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

function end({ equal, reason }: Pick<Verdict, "equal" | "reason">): void {
  if (equal === false) throw new CliError("the members differ", EXIT_FAILED);
  if (equal === null) throw new CliError(`could not tell: ${reason ?? "unknown"}`, EXIT_USAGE);
}

/** The reports of as many nodes as it takes to tell; the first mends. */
async function compare(flags: Flags, mending: Mending): Promise<VerifyReport[]> {
  const urls = flags.url === undefined ? await labUrls(flags.dir) : [flags.url];
  const reports: VerifyReport[] = [];
  let refusal: unknown = null;
  for (const url of urls) {
    try {
      reports.push(await reportOf(url, reports.length === 0 ? mending : "no", flags));
    } catch (error) {
      refusal ??= error;
    }
    if (reports.length > 0 && verdictOf(reports).equal !== null) break;
  }
  if (reports.length > 0) return reports;
  const why = refusal instanceof Error ? refusal.message : String(refusal);
  if (flags.json)
    print({
      equal: null,
      cut: {},
      differences: 0,
      coverage: { slots: 0, members: [] },
      reason: why,
    });
  throw new CliError(`could not tell: ${why}`, EXIT_USAGE, { cause: refusal });
}

/** Has a node compare itself with the others, shows how far it is, and returns what it found. */
async function reportOf(url: string, mending: Mending, flags: Flags): Promise<VerifyReport> {
  const endpoint = new URL("/verify", url);
  // Should somebody else's comparison be under way, ours comes after it.
  for (;;) {
    const begun = await fetch(`${endpoint.href}?mend=${mending}`, { method: "POST" }).catch(
      (cause: unknown) => {
        throw new CliError(`${url} does not answer`, EXIT_USAGE, { cause });
      },
    );
    if (begun.status === 202) break;
    if (begun.status !== 409)
      throw new CliError(`${url} refuses: ${(await begun.text()).trim()}`, EXIT_USAGE);
    await after(POLL_MS);
  }
  const shows = showsBar(flags);
  for (;;) {
    await after(POLL_MS);
    const state = (await (await fetch(endpoint)).json()) as VerifyState;
    if (shows) process.stderr.write(progressBar(state));
    if (state.running) continue;
    if (shows) process.stderr.write(NO_BAR);
    if (state.report === null) throw new CliError(`${url} could not compare`, EXIT_USAGE);
    return state.report;
  }
}

function progressBar({ phase, shards, shardsDone, differences }: VerifyState): string {
  const part = shards === 0 ? 0 : shardsDone / shards;
  return bar(phase, part, `${differences} differences`);
}

/** What all reports say together: equal if whoever was found equal hangs together, and that is everybody. */
function verdictOf(reports: readonly VerifyReport[]): Verdict {
  const [first] = reports;
  if (first === undefined) throw new Error("bug: nobody was asked");
  const differing = reports.find(({ equal }) => equal === false);
  const known = new Set([first.member]);
  for (let size = 0; size < known.size;) {
    size = known.size;
    for (const { member, coverage } of reports)
      for (const other of coverage.members)
        if (other.reason === null && (known.has(member) || known.has(other.member)))
          known.add(member).add(other.member);
  }
  const all = first.coverage.members.every(({ member }) => known.has(member));
  const { cut, coverage, reason } = differing ?? first;
  const differences = Math.max(...reports.map((report) => report.differences));
  const equal =
    differing !== undefined ? false : all && first.coverage.members.length > 0 ? true : first.equal;
  return { equal, cut, differences, coverage, reason: equal === true ? null : reason };
}

function memberOf(name: string, [first]: readonly VerifyReport[]): string {
  const members = [first?.member ?? "", ...(first?.coverage.members ?? []).map((m) => m.member)];
  const found = members.find((member) => member === name || member.startsWith(`${name}/`));
  if (found === undefined)
    throw usage(`there is no member ${name}; there are ${members.join(", ")}`);
  return found;
}

function describe(verdict: Verdict, keys: readonly Difference[]): string {
  const { equal, cut, differences, coverage } = verdict;
  const lines = [
    equal === true
      ? `equal: ${coverage.of} slots at ${coverage.members.length + 1} members, everything up to`
      : equal === false
        ? `different: ${differences} keys`
        : "could not tell",
  ];
  if (equal === true)
    for (const [origin, seq] of Object.entries(cut)) lines.push(`  ${origin}  ${seq}`);
  const text = lines.map((line) => `${line}\n`).join("");
  return differences === 0 ? text : text + keysTable(keys);
}

function keysTable(keys: readonly Difference[]): string {
  const members = Object.keys(keys[0]?.holds ?? {});
  const rows = keys
    .slice(0, KEYS_PRINTED_MAX)
    .map(({ db, key, holds, adopts }) => [
      `${db ?? "?"}`,
      key === null ? "(its name is known elsewhere)" : JSON.stringify(key),
      ...members.map((member) => holds[member] ?? "nothing"),
      adopts === null ? "undecided" : `${adopts.join(", ")} adopts`,
    ]);
  const more = keys.length - rows.length;
  return table(["db", "key", ...members, "repair"], rows) + (more > 0 ? `and ${more} more\n` : "");
}
