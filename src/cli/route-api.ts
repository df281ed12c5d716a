/**
 * RouteApi: what the commands of `atoll route` ask nodes.
 *
 * Invariant: any node will do: it is asked first, then the next.
 */
import { CliError, EXIT_FAILED, EXIT_USAGE } from "./cli-error.ts";
import { labUrls } from "./lab-urls.ts";

export type NodeFlags = { dir: string; url?: string; json?: true };

const TIMEOUT_MS = 5_000;

/** Asks one node after the other until one answers; throws what it says against it. */
export async function askNodes(
  flags: NodeFlags,
  method: "GET" | "POST",
  path: string,
): Promise<unknown> {
  const urls = flags.url === undefined ? await labUrls(flags.dir) : [flags.url];
  for (const url of urls) {
    const response = await fetch(new URL(path, url), {
      method,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).catch(() => null);
    if (response === null) continue;
    const answer = (await response.json()) as { error?: string };
    if (response.ok) return answer;
    const why =
      response.status === 404 &&
      path.startsWith("/traffic") &&
      answer.error?.startsWith("there is") === true
        ? "routing is not configured there: the settings have no `traffic.regions`"
        : (answer.error ?? `HTTP status ${response.status}`);
    throw new CliError(why, response.status === 409 ? EXIT_FAILED : EXIT_USAGE);
  }
  throw new CliError(`no node answers: ${urls.join(", ")}`, EXIT_USAGE);
}
