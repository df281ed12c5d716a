/**
 * `atoll serve --config node.yaml`: runs one node until it is told to stop.
 *
 * Invariant: the node ends in order on SIGINT, SIGTERM, a `stop` message and the loss of whoever started it with a message
 * channel (a lab that was killed leaves nothing behind), and the exit code says whether it ended well.
 */
import { readFileSync } from "node:fs";
import { Command, Option } from "commander";
import { type Config, parseConfig } from "../host/config.ts";
import { CliError, EXIT_FAILED } from "./cli-error.ts";
import { withWholePaths } from "./modules.ts";
import { hasType, stopSignals } from "./stop-signals.ts";

/** A node that serves. */
export interface RunningNode extends AsyncDisposable {
  /** The ports it listens on. */
  readonly ports: { resp: number; http: number; replication: number };
  /** Resolves when it serves clients: before, it may have to be filled by others. */
  readonly serving: Promise<void>;
  /** Moves the node's clock: what it reads is the machine's plus this. */
  setClockOffset(offsetMs: number): void;
  /** Rejects when the node cannot go on (its disk failed); never resolves before it is disposed. */
  readonly failed: Promise<never>;
}

export interface ServeDeps {
  /** Starts a node and resolves when it serves. */
  readonly startNode: (config: Config, clockOffsetMs: number) => Promise<RunningNode>;
}

export function serveCommand(deps: ServeDeps): Command {
  return new Command("serve")
    .description("run one node")
    .option("-c, --config <file>", "its settings; without one the defaults hold")
    .addOption(
      new Option("--clock-offset-ms <ms>", "begin with a clock that is wrong by so much (the lab)")
        .default(0)
        .argParser(Number)
        .hideHelp(),
    )
    .action(async (options: { config?: string; clockOffsetMs: number }) => {
      const config = readConfig(options.config);
      const stop = stopSignals();
      let node: RunningNode;
      try {
        node = await deps.startNode(config, options.clockOffsetMs);
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new CliError(`the node did not start: ${why}`, EXIT_FAILED, { cause });
      }
      await using _ = node;
      process.on("message", (message) => {
        if (!isClock(message)) return;
        node.setClockOffset(message.offsetMs);
        process.send?.({ type: "clock", offsetMs: message.offsetMs });
      });
      const { resp, http, replication } = node.ports;
      void node.serving.then(() => process.send?.({ type: "ready", ...node.ports }));
      process.stderr.write(
        `${config.member} listens: redis://${config.resp.host}:${resp} http://${config.http.host}:${http} replication ${config.replication.host}:${replication}\n`,
      );
      try {
        await Promise.race([stop, node.failed]);
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        try {
          await node[Symbol.asyncDispose]();
        } catch {
          // That it does not end in order either is no news, and must not hide why.
        }
        throw new CliError(`the node cannot go on: ${why}`, EXIT_FAILED, { cause });
      }
    });
}

/** The settings in a file, or the defaults without one; throws what is wrong with them. */
export function readConfig(file: string | undefined): Config {
  let text = "";
  if (file !== undefined)
    try {
      text = readFileSync(file, "utf8");
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new CliError(`cannot read ${file}: ${why}; write one with: atoll init ${file}`, 2, {
        cause,
      });
    }
  const outcome = parseConfig(text, process.env, file ?? "defaults");
  if ("config" in outcome)
    return {
      ...outcome.config,
      keyspaces: withWholePaths(outcome.config.keyspaces, file ?? "defaults"),
    };
  throw new CliError(outcome.problems.join("\natoll: "), 2);
}

function isClock(message: unknown): message is { offsetMs: number } {
  return (
    hasType(message, "clock") &&
    typeof message === "object" &&
    message !== null &&
    "offsetMs" in message &&
    typeof message.offsetMs === "number"
  );
}
