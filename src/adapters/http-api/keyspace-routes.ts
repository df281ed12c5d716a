/**
 * KeyspaceRoutes: what an operator asks of keyspaces over HTTP.
 *
 * Invariant: a change is answered once it holds or is refused, never before.
 */
import type { Words } from "../../core/crdt/keyspace-words.ts";
import type { Changed } from "../../core/strong/register.ts";
import type { KeyspacesTold } from "../../host/keyspaces.ts";

export interface KeyspaceApi {
  list(): KeyspacesTold;
  explain(key: string): Record<string, string | number>;
  /** Null takes the keyspace away. */
  change(prefix: string, settings: Words | null, timeoutMs: number): Promise<Changed>;
}

type Told = { readonly status: 200 | 400 | 409; readonly told: unknown };

const TIMEOUT_MS = 10_000;
/** A request lasts no longer. */
const TIMEOUT_MS_MAX = 25_000;

/** GET /keyspaces, ?explain=KEY */
export function tellKeyspaces(api: KeyspaceApi, query: URLSearchParams): Told {
  const key = query.get("explain");
  return { status: 200, told: key === null ? api.list() : api.explain(key) };
}

/** POST /keyspaces?set=PREFIX&conflict=max …, or ?remove=PREFIX */
export async function changeKeyspaces(api: KeyspaceApi, query: URLSearchParams): Promise<Told> {
  const { set, remove, timeout = String(TIMEOUT_MS), ...settings } = Object.fromEntries(query);
  const prefix = set ?? remove;
  if (prefix === undefined || (set === undefined) === (remove === undefined))
    return {
      status: 400,
      told: { error: "write either ?set=PREFIX&SETTING=VALUE or ?remove=PREFIX" },
    };
  const timeoutMs = Number(timeout);
  if (!(timeoutMs > 0 && timeoutMs <= TIMEOUT_MS_MAX))
    return { status: 400, told: { error: `timeout is milliseconds, ${TIMEOUT_MS_MAX} at most` } };
  if (set !== undefined && Object.keys(settings).length === 0)
    return { status: 400, told: { error: "name a setting at least, such as conflict=max" } };
  const changed = await api.change(prefix, set === undefined ? null : settings, timeoutMs);
  return "refusal" in changed
    ? { status: 409, told: { error: changed.refusal } }
    : { status: 200, told: api.list() };
}
