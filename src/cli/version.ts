/** `atoll version` */
import { Command } from "commander";

export function versionCommand(version: string): Command {
  return new Command("version")
    .description("print the version")
    .option("--json", "as one line of JSON")
    .action((options: { json?: true }) => {
      const line = options.json ? JSON.stringify({ version, node: process.version }) : version;
      process.stdout.write(`${line}\n`);
    });
}
