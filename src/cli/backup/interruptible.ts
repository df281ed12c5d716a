/** Interruptible: work that Ctrl-C ends in order: what is half done is taken back before the process ends. */
import { CliError } from "../cli-error.ts";

/** Runs `work`; after a signal it is to stop at the next chance, and what it throws then is one sentence. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  process.on("SIGINT", stop).on("SIGTERM", stop);
  try {
    return await work(controller.signal);
  } catch (error) {
    if (!controller.signal.aborted) throw error;
    throw new CliError("interrupted: nothing of it was kept", 1, { cause: error });
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
  }
}
