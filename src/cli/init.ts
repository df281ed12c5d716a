/** `atoll init [file]`: writes a commented configuration to begin with. Never overwrites one. */
import { writeFileSync } from "node:fs";
import { Command } from "commander";
import { exampleConfig } from "../host/config-example.ts";
import { CliError } from "./cli-error.ts";

export function initCommand(): Command {
  return new Command("init")
    .description("write a commented configuration file that shows every setting")
    .argument("[file]", "where to write it", "node.yaml")
    .action((file: string) => {
      try {
        // It will hold the replication secret, so only its owner reads it.
        writeFileSync(file, exampleConfig(), { flag: "wx", mode: 0o600 });
      } catch (cause) {
        const exists = cause instanceof Error && "code" in cause && cause.code === "EEXIST";
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new CliError(
          exists
            ? `${file} is there already and is not overwritten; name another file or remove it first`
            : `cannot write ${file}: ${why}`,
          1,
          { cause },
        );
      }
      process.stderr.write(`wrote ${file}; start the node with: atoll serve --config ${file}\n`);
    });
}
