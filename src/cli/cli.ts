/**
 * The command line: words in, an exit code out.
 *
 * Invariant: stdout carries results and nothing else; whatever goes wrong is one sentence on stderr that says what, why and
 * what to do. A stack appears only for a bug.
 */
import { Command, CommanderError } from "commander";
import { backupCommand } from "./backup/backup-command.ts";
import { restoreCommand } from "./backup/restore-command.ts";
import type { StartGateway } from "../lab/lab-traffic.ts";
import { CliError, EXIT_FAILED, EXIT_USAGE } from "./cli-error.ts";
import { dnsCommand } from "./dns.ts";
import { gatewayCommand } from "./gateway.ts";
import { importCommand } from "./import.ts";
import { initCommand } from "./init.ts";
import { labCommand } from "./lab.ts";
import { keyspaceCommand } from "./keyspace.ts";
import { memberCommand, regionCommand } from "./member.ts";
import { routeCommand } from "./route.ts";
import { type ServeDeps, serveCommand } from "./serve.ts";
import { tailsCommand } from "./tails.ts";
import { diffCommand, repairCommand, verifyCommand } from "./verify.ts";
import { versionCommand } from "./version.ts";

/** What the commands need from outside. */
export interface CliDeps extends ServeDeps {
  readonly version: string;
  /** The program by which the lab starts its nodes: Node and `main.ts`. */
  readonly nodeCommand: readonly string[];
  readonly startGateway: StartGateway;
}

/** Runs one command line (without program and script) and resolves to its exit code. */
export async function runCli(words: readonly string[], deps: CliDeps): Promise<number> {
  const program = new Command("atoll")
    .description("An active-active database in every region, with the protocol of Redis.")
    .configureHelp({ showGlobalOptions: true })
    .showSuggestionAfterError()
    .exitOverride();
  program.version(deps.version, "-V, --version", "print the version");
  for (const command of [
    serveCommand(deps),
    labCommand(deps),
    gatewayCommand(deps),
    verifyCommand(),
    diffCommand(),
    repairCommand(),
    memberCommand(),
    regionCommand(),
    keyspaceCommand(),
    tailsCommand(),
    routeCommand(),
    dnsCommand(),
    importCommand(),
    backupCommand(),
    restoreCommand(),
    initCommand(),
    versionCommand(deps.version),
  ])
    program.addCommand(inherit(command));
  try {
    await program.parseAsync([...words], { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
    if (error instanceof CliError) {
      process.stderr.write(`atoll: ${error.message}\n`);
      return error.exitCode;
    }
    process.stderr.write(`atoll: ${error instanceof Error ? error.stack : String(error)}\n`);
    return EXIT_FAILED;
  }
}

/** Commands that were made elsewhere end as the program does: by an exception, never by leaving the process. */
function inherit(command: Command): Command {
  command.exitOverride().showSuggestionAfterError().configureHelp({ showGlobalOptions: true });
  for (const inner of command.commands) inherit(inner);
  return command;
}
