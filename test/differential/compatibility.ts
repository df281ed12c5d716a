/**
 * Compatibility: docs/compatibility.md from the commands of a real Redis, the command table and the notes.
 *
 *   node test/differential/compatibility.ts        writes the page; `npm run format` then aligns its tables
 *
 * Invariant: every command and subcommand that Redis lists has exactly one row, and nothing is said twice by hand.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { commandTable } from "../../src/core/commands/table.ts";
import { RespConnection } from "../support/resp-connection.ts";
import { itemsOf, textOf, type Reply } from "../support/resp.ts";
import { root, startServer } from "../support/server.ts";
import { notes, type Stand } from "./compatibility-notes.ts";
import { knownDifferences } from "./known-differences.ts";

/** A command as Redis documents it. */
export interface Documented {
  group: string;
  since: string;
}

export interface Row {
  /** As COMMAND LIST has it, such as `client|list`. */
  name: string;
  group: string;
  stand: Stand;
  text: string;
}

const page: string = join(root, "docs", "compatibility.md");

/** Groups in the order of the page; COMMAND DOCS calls them so. */
const titles: Readonly<Record<string, string>> = {
  string: "Strings",
  hash: "Hashes",
  set: "Sets",
  generic: "Keys of any type",
  transactions: "Transactions",
  connection: "Connections",
  server: "Server",
  cluster: "Cluster",
  list: "Lists",
  "sorted-set": "Sorted sets",
  stream: "Streams",
  bitmap: "Bitmaps",
  hyperloglog: "HyperLogLog",
  geo: "Geographic positions",
  pubsub: "Publish and subscribe",
  scripting: "Scripts and functions",
};

/**
 * What Redis says of each of its commands, subcommands by their full names. A container is not one: it does nothing without
 * a subcommand, so it has no row; COMMAND, which lists all, does.
 */
export async function documentedCommands(redisPort: number): Promise<Map<string, Documented>> {
  using redis = await RespConnection.open(redisPort);
  const listed = itemsOf(await redis.call("COMMAND", "LIST")).map(text);
  const names = listed.filter(
    (name) => name === "command" || !listed.some((other) => other.startsWith(`${name}|`)),
  );
  const found = new Map<string, Documented>();
  const replies = await redis.pipeline(names.map((name) => ["COMMAND", "DOCS", name]));
  for (const [index, name] of names.entries()) {
    const fields = itemsOf(itemsOf(replies[index])[1]);
    const field = (key: string): string => {
      const at = fields.findIndex((item) => text(item) === key);
      return at < 0 ? "" : text(fields[at + 1]);
    };
    found.set(name, { group: field("group"), since: field("since") });
  }
  return found;
}

/** The rows the page must have. */
export function rowsOf(documented: ReadonlyMap<string, Documented>): Row[] {
  return [...documented]
    .map(([name, { group }]): Row => {
      const met = knownDifferences.filter(({ command }) =>
        command.split(" ").includes(name.toUpperCase()),
      );
      if (met.length > 0) {
        const links = met.map(({ id }) => `[${id}](#known-differences)`).join(", ");
        return { name, group, stand: "different", text: links };
      }
      const note = notes[name];
      const stand = note?.stand ?? (commandTable.named(name) === null ? "not yet" : "full");
      return { name, group, stand, text: note?.text ?? "" };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The rows a page has: lines of tables whose second cell is a stand. */
export function rowsOnPage(markdown: string): Omit<Row, "group">[] {
  const rows: Omit<Row, "group">[] = [];
  for (const line of markdown.split("\n")) {
    const [, name, stand, note] = /^\| `([^`]+)` +\| ([a-z ]+?) +\| (.*?) *\|$/.exec(line) ?? [];
    if (name === undefined || stand === undefined || note === undefined) continue;
    rows.push({ name: name.toLowerCase().replace(" ", "|"), stand: stand as Stand, text: note });
  }
  return rows.sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function readPage(): string {
  return readFileSync(page, "utf8");
}

/** The whole page. */
export function rendered(rows: readonly Row[]): string {
  const groups = [...new Set([...Object.keys(titles), ...rows.map(({ group }) => group)])];
  const tables = groups
    .map((group) => ({ group, members: rows.filter((row) => row.group === group) }))
    .filter(({ members }) => members.length > 0)
    .map(({ group, members }) =>
      [
        `## ${titles[group] ?? group}`,
        "",
        "| command | stand | how, or why |",
        "| --- | --- | --- |",
        ...members.map((row) => `| \`${shown(row.name)}\` | ${row.stand} | ${row.text} |`),
      ].join("\n"),
    );
  const beyond = commandTable.entries
    .filter(({ name, subcommands }) => subcommands === null && !rows.some((r) => r.name === name))
    .map(({ name, command }) => `- \`${shown(name)}\`: ${command.summary}`);
  return `${[opening(rows), ...tables, `## Not in Redis 7.0.15\n\n${beyond.join("\n")}`].join("\n\n")}\n`;
}

function opening(rows: readonly Row[]): string {
  const count = (stand: Stand): number => rows.filter((row) => row.stand === stand).length;
  return `# Compatibility

Atoll speaks RESP2 and RESP3 as Redis 7.0.15 does. This page says where each of Redis's ${rows.length} commands stands:

- **full** (${count("full")}): within a region it answers as Redis does, byte for byte, errors included.
- **different** (${count("different")}): it is there, and the table says how it differs.
- **not yet** (${count("not yet")}): it is an unknown command, unless the table says otherwise.
- **refused** (${count("refused")}): it will not come; the table says why. Where people would call it, the error says so too.

What happens when two regions write at once is said by type: [strings](types/string.md), [bitmaps](types/bitmap.md), [HyperLogLogs](types/hyperloglog.md),
[hashes](types/hash.md), [sets](types/set.md), [lists](types/list.md), [streams](types/stream.md), [sorted sets and positions](types/sorted-set.md), [bounded counters](types/bounded-counter.md), [expiry and keys of any type](types/expiry.md). A condition (\`SETNX\`, \`EXPIRE … GT\`, \`WATCH\`) is
judged by what its own region holds at that moment; another region may judge otherwise at the same time.

This page is checked: \`npm test -- differential\` sends 200,000 random commands to Redis 7.0.15 and to Atoll, compares every
byte of the answers and all data, and holds the rows against what \`COMMAND\` says on both.

## Known differences

What those random commands meet, and the comparison passes over:

${knownDifferences
  .map(
    ({ id, command, redis, atoll, reason }) =>
      `- **${id}** (${command
        .split(" ")
        .map((name) => `\`${name}\``)
        .join(" ")}): Redis ${redis}. Atoll ${atoll}. Why: ${reason}.`,
  )
  .join("\n")}

What they cannot meet:

- The order of \`SMEMBERS\`, \`HGETALL\`, \`KEYS\` and of whatever else Redis leaves open is another one; so are \`SCAN\` cursors.
- \`proto-max-bulk-len\` is 16 MiB unless configured, where Redis takes 512 MiB.
- \`maxmemory\` bounds what the data takes; the process itself takes some 100 MiB more. Keys are evicted in every region. Keyspace notifications are not sent.
- \`COPY\`, \`RENAME\` and \`MOVE\` cost O(N) for N members or fields.`;
}

/** As it is typed: `CLIENT LIST`. */
function shown(name: string): string {
  return name.toUpperCase().replace("|", " ");
}

function text(reply: Reply | undefined): string {
  return textOf(reply)?.toString("latin1") ?? "";
}

if (import.meta.main) {
  await using redis = await startServer("redis");
  writeFileSync(page, rendered(rowsOf(await documentedCommands(redis.port))));
}
