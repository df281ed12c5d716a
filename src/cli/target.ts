/**
 * Target: the options by which a command is told which nodes to speak to: those of a lab, or one by the address of its HTTP port.
 */
import type { Command } from "commander";

export function withTarget(command: Command): Command {
  return command
    .option("--dir <directory>", "the lab that runs there", ".atoll/lab")
    .option("--url <url>", "the HTTP port of a node, such as http://127.0.0.1:8001")
    .option("--json", "the result as one line of JSON");
}
