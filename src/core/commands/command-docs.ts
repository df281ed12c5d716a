/**
 * CommandDocs: the reply of COMMAND DOCS, which redis-cli asks for when it starts.
 *
 * Invariant: only what the table knows; arguments are not described there and so are left out.
 */
import type { Reply } from "../wire/reply.ts";
import type { CommandEntry } from "./command-table.ts";

/** Answers with a map from names to what is to be read about them. */
export function writeDocs(entries: readonly CommandEntry[], reply: Reply): void {
  reply.map(entries.length);
  for (const { name, command, subcommands } of entries) {
    reply.text(name);
    reply.map(subcommands === null ? 4 : 5);
    pair("summary", command.summary, reply);
    pair("since", command.since, reply);
    pair("group", command.group, reply);
    pair("complexity", command.complexity, reply);
    if (subcommands === null) continue;
    reply.text("subcommands");
    writeDocs(subcommands.all, reply);
  }
}

function pair(name: string, value: string, reply: Reply): void {
  reply.text(name);
  reply.text(value);
}
