/**
 * Difference: one place where the two servers did not agree.
 *
 * Invariant: `signature` is the same for the same disagreement found in another script; shrinking and the report rely on it.
 */
import type { Step } from "./step.ts";

export interface Difference {
  at: "reply" | "state";
  /** The step whose answers differ; null when the data does. */
  step: Step | null;
  /** What is wrong, in words. */
  reason: string;
  reference: Buffer;
  subject: Buffer;
  /** Where it was found in the script that ran. */
  opIndex: number;
  stepIndex: number;
  signature: string;
}

/** The reason when two replies agreed only once they were asked for again. */
export const AGREED_LATER = "the replies agreed only a little later";

/** The command, with its subcommand when it has one; `session`, `scan` and the like for other steps. */
export function stepName(step: Step): string {
  if (step.kind === "session" || step.kind === "sleep") return step.kind;
  return commandName(step.args);
}

const CONTAINERS = new Set(["OBJECT", "CLIENT", "COMMAND", "CONFIG", "XGROUP", "XINFO"]);

export function commandName(args: readonly Buffer[]): string {
  const name = (args[0]?.toString("latin1") ?? "").toUpperCase();
  const second = args[1]?.toString("latin1").toUpperCase();
  return CONTAINERS.has(name) && second !== undefined ? `${name} ${second}` : name;
}

export function replySignature(
  step: Step,
  reason: string,
  reference: Buffer,
  subject: Buffer,
): string {
  return [
    stepName(step),
    reason.replaceAll(/".*?"|\d+/g, "…"),
    gist(reference),
    gist(subject),
  ].join(" | ");
}

/** Error texts whole and without names in quotes; of everything else the type. */
function gist(frame: Buffer): string {
  if (frame.length === 0) return "nothing";
  const line = frame.toString("latin1", 0, Math.min(frame.length, 200)).split("\r\n")[0] ?? "";
  if (line.startsWith("-") || line.startsWith("+"))
    return line.replace(/, with args beginning with.*/s, "").replaceAll(/'[^']*'|`[^`]*`/g, "'…'");
  return line === "$-1" || line === "*-1" || line === "_" ? line : line.slice(0, 1);
}
