/** LabUrls: where the nodes of a running lab answer over HTTP. */
import { resolve } from "node:path";
import { callControl } from "../lab/control.ts";
import type { LabEndpoints } from "../lab/lab-command.ts";
import { readRunning } from "../lab/lab-directory.ts";
import { CliError, EXIT_USAGE } from "./cli-error.ts";

/** In the order of its regions. Rejects when no lab runs in `dir`. */
export async function labUrls(dir: string): Promise<string[]> {
  const path = resolve(dir);
  const running = readRunning(path);
  const answer = running === null ? null : await callControl(running, { type: "endpoints" });
  if (answer === null)
    throw new CliError(
      `no lab runs in ${path}; name another with --dir, or a node with --url`,
      EXIT_USAGE,
    );
  if ("refused" in answer) throw new CliError(answer.refused, EXIT_USAGE);
  return (answer.done as LabEndpoints).regions.map(({ http }) => http);
}
