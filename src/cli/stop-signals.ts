/**
 * Stop signals: what ends a command that runs until it is told to stop.
 *
 * Invariant: the first demand ends in order, the second one at once.
 */
import { EXIT_FAILED } from "./cli-error.ts";

/** Resolves with the first reason to stop. The second one ends the process at once. */
export function stopSignals(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const stop = (): void => {
      if (asked) process.exit(EXIT_FAILED);
      asked = true;
      resolve();
    };
    process.on("SIGINT", stop);
    process.on("SIGTERM", stop);
    if (process.send === undefined) return;
    // These are no second demand: the channel also closes behind a `stop`.
    process.on("disconnect", () => {
      if (!asked) stop();
    });
    process.on("message", (message) => {
      if (hasType(message, "stop") && !asked) stop();
    });
  });
}

export function hasType(message: unknown, type: string): boolean {
  return (
    typeof message === "object" && message !== null && "type" in message && message.type === type
  );
}
